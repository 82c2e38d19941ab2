/* A context of a guest and the worker that serves it: a process that is started for it, or a connection to an apird that
 * runs already. Fences that wait for the worker are kept here. Not thread-safe: all of a device runs in one loop. */
#ifndef APIR_ATTACH_CONTEXT_H
#define APIR_ATTACH_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "attach/link.h"
#include "attach/pace.h"
#include "attach/worker-process.h"

struct apir_context;

/* A point in a context's stream of commands that the worker has yet to reach. Lives inside what waits for it, which
 * sets the ring. */
struct apir_fence {
    struct apir_list link; /* apir_context.fences */
    uint32_t ring;         /* fences of one ring are answered in order */
    uint64_t id;           /* the worker's name of it */
    bool done;             /* the worker has reached it; one before it has not been answered */
};

/* Where the guest looks for answers, hence for word of its worker's death. */
enum apir_answer_page {
    APIR_ANSWER_NONE,
    APIR_ANSWER_STATUS, /* apir's own protocol: the status page, which has a word for that */
    APIR_ANSWER_REPLY,  /* the deployed protocol: the reply blob of the latest request */
};

/* What a context tells its device. */
struct apir_context_events {
    /* The worker has stopped using memory id. False: it had not been asked to; such a worker is ended. */
    bool (*removed)(void *owner, struct apir_context *context, uint32_t id);
    /* What waits for that fence is to be answered; the context forgets it. good: false if the worker is lost. */
    void (*fenced)(void *owner, struct apir_fence *fence, bool good);
    /* The worker is lost: it takes nothing any more. Called once, before the fences are answered. */
    void (*lost)(void *owner, struct apir_context *context);
    /* The worker's process is reaped, or its connection closed: nothing uses the context's memory any more. Called
     * once, by the loop. The callee may destroy the context. */
    void (*gone)(void *owner, struct apir_context *context);
};

/* Owned by its device, which destroys it. */
struct apir_context {
    struct apir_list link; /* of the device */
    uint32_t id;           /* the guest's, which uses it again after CTX_DESTROY */
    bool closing;          /* the guest has destroyed it; it waits for the worker's end */
    bool stale;            /* from before a device reset */
    bool lost;
    bool unserved; /* lost before its worker was started */
    bool gone; /* as the events say */
    enum apir_answer_page status_kind;
    uint32_t status_page; /* resource id, 0: none */
    struct apir_list shares; /* apir_share.of_context */
    struct apir_list fences; /* apir_fence.link, in the order in which they came */
    uint64_t next_fence;
    bool has_window;       /* its worker has been sent the fd that all its memory is of */
    unsigned removals; /* SHM_REMOVE frames not yet answered */
    struct apir_timer removal_timer;
    struct apir_loop *loop;
    struct apir_worker_process process; /* unused with a connection */
    const struct apir_worker_options *options; /* borrowed */
    struct apir_turn turn; /* to start it */
    int peer;              /* the worker's end of the link, until that is its turn; then -1 */
    struct apir_timer end_timer;        /* of a lost connection: the worker has so long to close it */
    struct apir_link worker;
    const char *reason; /* why it ended, static text; NULL: the worker's own end */
    const struct apir_log *log;
    const struct apir_context_events *events;
    void *owner;
};

/* Starts a worker, at once or when pace gives it a turn (NULL: at once), or connects to options->socket; never waits.
 * What the guest sends meanwhile is kept for the worker. Borrows options and pace. Returns NULL with errno set (EAGAIN: the
 * apird behind that socket is busy). */
struct apir_context *apir_context_create(struct apir_loop *loop, const struct apir_log *log,
                                         const struct apir_worker_options *options, struct apir_pace *pace,
                                         uint32_t id, const struct apir_context_events *events, void *owner);

/* Frees it; a process that still runs is killed and reaped, a connection closed. Shares and fences must be gone. NULL is a no-op. */
void apir_context_destroy(struct apir_context *context);

/* The guest's EXECBUFFER. Notes the page in which the guest will look for an answer, also if the worker is lost already.
 * 0 or -errno: then the worker is lost. */
int apir_context_submit(struct apir_context *context, const void *data, uint32_t size);

/* Has fenced() called when the worker has reached this point; on success the fence must stay until then. 0 or -errno. */
int apir_context_fence(struct apir_context *context, struct apir_fence *fence);

/* Tells the guest of a lost context, in the memory of its status_page (size bytes at page, aligned to 4), that nothing
 * will answer any more: the dead word, or an error for a request that is not answered yet. Memory that is too small is
 * left alone. */
void apir_context_tell_dead(const struct apir_context *context, void *page, uint64_t size);

/* Gives memory [offset, offset + size) of fd (borrowed) to the worker as id; -1: of the same file as the last, so that a
 * worker that does not read has few descriptors under way. 0 or -errno. */
int apir_context_add_memory(struct apir_context *context, uint32_t id, int fd, uint64_t offset, uint64_t size);

/* Asks the worker to stop using memory id: removed() follows, or gone() if it is lost or takes longer than
 * APIR_WORKER_PATIENCE_MS. 0, or -errno if the worker is lost. */
int apir_context_remove_memory(struct apir_context *context, uint32_t id);

/* Ends the context: the worker is given APIR_WORKER_PATIENCE_MS to end by itself. Returns at once; gone() follows,
 * unless the process is gone already. reason is static text. */
void apir_context_end(struct apir_context *context, const char *reason);

#endif
