/* Handles: what stands for an object on the wire. A handle is (kind, generation, index), never a pointer; a stale,
 * invented or wrong-kind handle is simply not found. Objects are counted: one that is removed while in use goes when
 * its last user puts it. Thread-safe. */
#ifndef APIR_SERVER_OBJECT_H
#define APIR_SERVER_OBJECT_H

#include <pthread.h>
#include <stdint.h>

enum apir_object_kind {
    APIR_OBJECT_BUFFER = 1,
    APIR_OBJECT_STREAM = 2,
};

enum {
    APIR_MAX_OBJECTS = 65536, /* of one context; models use one buffer for some GiB, suites a few dozen */
};

/* Base of an object; first member of its struct. */
struct apir_object {
    enum apir_object_kind kind;
    uint32_t refs; /* guarded by the table's lock */
    void (*destroy)(struct apir_object *object);
};

struct apir_object_slot {
    struct apir_object *object; /* NULL: free */
    uint32_t generation;        /* of the handle that is or was last valid */
    uint32_t next_free;         /* index + 1 */
};

struct apir_object_table {
    pthread_mutex_t lock; /* guards all below */
    struct apir_object_slot *slots;
    uint32_t capacity;
    uint32_t free; /* index + 1 of a free slot, 0: none */
};

void apir_object_table_init(struct apir_object_table *table);

/* Destroys every object left; nobody may use one any more. */
void apir_object_table_finish(struct apir_object_table *table);

/* Gives object, whose kind and destroy are set, a handle and takes ownership. 0 when the table is full or memory
 * short: the caller still owns it then. */
uint64_t apir_object_table_add(struct apir_object_table *table, struct apir_object *object);

/* The object of a handle of this kind, to be put; NULL if there is none. */
struct apir_object *apir_object_table_get(struct apir_object_table *table, uint64_t handle,
                                          enum apir_object_kind kind);

/* The caller no longer uses object. NULL is a no-op. */
void apir_object_table_put(struct apir_object_table *table, struct apir_object *object);

/* Makes the handle stale; the object goes when nobody uses it any more. -ENOENT. */
int apir_object_table_remove(struct apir_object_table *table, uint64_t handle, enum apir_object_kind kind);

#endif
