/* What this library does in place of the real one: the contexts and blobs that are APIR's, and what a hypervisor asks
 * of them. Thread-safe; no call waits for a worker. Functions that return bool say whether what they were asked about
 * is ours: if not, nothing has happened, and the real library is to be asked. */
#ifndef APIR_INTERPOSER_RENDERER_H
#define APIR_INTERPOSER_RENDERER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "interposer/config.h"
#include "interposer/guest.h"
#include "interposer/resource-table.h"

enum {
    APIR_RENDERER_BUCKETS = 64,
    APIR_MAX_RENDERER_CONTEXTS = 1024, /* at a time, also those without a worker: each costs the hypervisor memory */
};

/* There is one in a process, and it never ends. */
struct apir_renderer {
    pthread_mutex_t
        lock;          /* guards what follows, but for the host's parts that have a lock, or a thread, of their own */
    bool forked;       /* this process is a child of the one that called: it has no thread, hence no contexts */
    char object[4096]; /* path of this library; "": unknown */
    struct apir_log log;
    struct apir_host host;
    struct apir_config config;
    struct apir_list contexts[APIR_RENDERER_BUCKETS]; /* apir_guest.link */
    unsigned context_count;
    struct apir_resource_table resources;
    bool short_of_files;
    int poll_fd;      /* epoll of the real library's fd and of ours; -1: none */
    int real_poll_fd; /* that is in it; -1: none */
};

/* 0 or -errno. */
int apir_renderer_init(struct apir_renderer *renderer);

/* In the child of a fork, where nobody else runs. */
void apir_renderer_forked(struct apir_renderer *renderer);

/* Says how to report fences. */
void apir_renderer_set_callback(struct apir_renderer *renderer, const struct apir_fence_callback *callback,
                                bool at_once);

/* Ends all contexts and forgets all blobs. None of their fences is reported any more. */
void apir_renderer_reset(struct apir_renderer *renderer, const char *reason);

/* The same, when the hypervisor ends or starts over: also what it has mapped and set. */
void apir_renderer_cleanup(struct apir_renderer *renderer);

/* As virgl_apir_configure_kv(). 0 or -errno. */
int apir_renderer_configure(struct apir_renderer *renderer, uint32_t context, const char *key, const char *value);

bool apir_renderer_has_context(struct apir_renderer *renderer, uint32_t id);
bool apir_renderer_has_resource(struct apir_renderer *renderer, uint32_t id);

/* Makes an APIR context. 0, -EINVAL (id 0 or in use), -ENOSPC (too many), or another -errno. */
int apir_renderer_create_context(struct apir_renderer *renderer, uint32_t id);
bool apir_renderer_destroy_context(struct apir_renderer *renderer, uint32_t id);

/* *result: 0 or -errno. */
bool apir_renderer_submit(struct apir_renderer *renderer, uint32_t id, const void *data, int words, int *result);
bool apir_renderer_fence(struct apir_renderer *renderer, uint32_t id, uint32_t ring, uint64_t fence, int *result);

/* Whether either of the two is ours: then nothing is left for the real library. */
bool apir_renderer_attach(struct apir_renderer *renderer, uint32_t context, uint32_t resource);
bool apir_renderer_detach(struct apir_renderer *renderer, uint32_t context, uint32_t resource);

/* Reports the fences that can be reported: of that context, or of all (0). */
void apir_renderer_poll(struct apir_renderer *renderer, uint32_t context);

/* A descriptor that is readable when that context is to be polled; -1 in *fd if it never is. */
bool apir_renderer_context_poll_fd(struct apir_renderer *renderer, uint32_t id, int *fd);

/* The same for all, and for what the real library wants to be polled for, by its descriptor. */
int apir_renderer_poll_fd(struct apir_renderer *renderer, int real);

int apir_renderer_create_blob(struct apir_renderer *renderer, uint32_t id, uint64_t size);

/* What can be done with a blob of ours, by a function that is called with the lock held. *result: what it returns. */
bool apir_renderer_with_resource(struct apir_renderer *renderer, uint32_t id,
                                 int (*call)(struct apir_virgl_resource *resource, void *argument), void *argument,
                                 int *result);
bool apir_renderer_unref(struct apir_renderer *renderer, uint32_t id);
bool apir_renderer_unmap(struct apir_renderer *renderer, uint32_t id, int *result);

#endif
