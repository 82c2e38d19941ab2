/* Shared memory through which the data of tensors pass, piece after piece: while the host takes one, the next is
 * written. One for each queue, guarded by the queue's lock. */
#ifndef APIR_BACKEND_STAGING_H
#define APIR_BACKEND_STAGING_H

#include "client/session.h"

struct apir_queue;

enum {
    APIR_STAGING_MIN = 64 * 1024,
    APIR_STAGING_MAX = 1024 * 1024, /* fits a processor's cache, and the window of a VM is small */
    APIR_STAGING_PIECES = 64,
};

/* Zero-initialised is empty and ready; ends with the session's memory. */
struct apir_staging {
    struct apir_shm shm;
    uint64_t taken, freed; /* bytes, gaps included; what lies between them is in use */
    struct {
        uint64_t end;      /* taken, once this piece was */
        uint64_t sequence; /* of the call that uses it */
        bool held;         /* its content is still needed after the call */
    } pieces[APIR_STAGING_PIECES]; /* those in use, the first at position first */
    uint32_t first, count;
};

/* Makes the memory large enough to move total bytes well, and returns how many of them a piece should have: at least 1 and
 * at most total. Fewer when the host is short of shared memory. -errno: there is none. */
int64_t apir_staging_prepare(struct apir_staging *staging, struct apir_queue *queue, uint64_t total);

/* Takes a piece of size bytes, at most what prepare returned, and waits for the host to be done with earlier ones if it
 * must. Its offset; -EAGAIN when pieces that are held take the room; -errno: the session has failed. */
int64_t apir_staging_take(struct apir_staging *staging, struct apir_queue *queue, uint64_t size);

/* Says of the piece taken last which call uses it. hold: its content is needed after that. */
void apir_staging_use(struct apir_staging *staging, uint64_t sequence, bool hold);

/* Frees the memory, once the host is done with it: there is none until the next prepare. Whether there was some; pieces that
 * are held stay. */
bool apir_staging_free(struct apir_staging *staging, struct apir_queue *queue);

/* The oldest piece that is held is no longer needed. */
void apir_staging_release(struct apir_staging *staging);

#endif
