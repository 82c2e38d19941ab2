/* What a deployed renderer with the APIR component does for its contexts, around a backend library: commands, the
 * reply blob, the callbacks, and the nesting of return codes. Like that one it has all contexts in one process, runs
 * one call at a time, and gives the library pointers to shared memory without a size. */
#ifndef APIR_TESTS_UPSTREAM_RENDERER_H
#define APIR_TESTS_UPSTREAM_RENDERER_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "upstream/component.h"

enum {
    RENDERER_MAX_SHM = 256,    /* of a context */
    RENDERER_MAX_CONTEXTS = 64,
};

/* What it is told, and what it is to do wrong. Numbers are 0 where nothing is. */
struct renderer_options {
    const char *backend_library; /* answers CFG_KEY_MISSING without one */
    const char *ggml_library, *ggml_reg; /* for get_config; may be NULL */
    bool say_sizes;       /* answer the key of a renderer of ours about the size of shared memory */
    uint32_t base;        /* added to every command: 0, or 331; others are refused */
    uint32_t major, minor;
    unsigned kill_after;  /* the process ends at the call with this number */
    unsigned stall_after; /* this call and those after it are never answered */
    uint32_t code;        /* every FORWARD returns this code */
    bool has_code;
    bool no_fences;       /* fences never signal, as deployed */
};

struct renderer_shm {
    uint32_t id;
    void *data; /* NULL: the place is free */
    uint64_t size;
};

struct renderer_context {
    uint32_t id; /* 0: the place is free */
    bool loaded;
    struct renderer_shm shms[RENDERER_MAX_SHM];
};

/* The process's one renderer: the callbacks of the library have no other way to find it. */
struct renderer {
    struct renderer_options options;
    pthread_mutex_t lock; /* guards all below, and is held while the library works */
    struct apir_component component;
    unsigned calls;
    struct renderer_context contexts[RENDERER_MAX_CONTEXTS];
    char size_text[24]; /* answer to the key about a size */
};

struct renderer *renderer_get(void);

/* A new context, or NULL; and its end, which ends what the library keeps for it. */
struct renderer_context *renderer_context_create(struct renderer *renderer);
void renderer_context_destroy(struct renderer *renderer, struct renderer_context *context);

/* Maps size bytes at offset of fd as id; unmaps them. */
bool renderer_shm_add(struct renderer *renderer, struct renderer_context *context, uint32_t id, int fd,
                      uint64_t offset, uint64_t size);
void renderer_shm_remove(struct renderer *renderer, struct renderer_context *context, uint32_t id);

/* The payload of an EXECBUFFER. False: it is none of the protocol, and the context is lost. */
bool renderer_submit(struct renderer *renderer, struct renderer_context *context, const uint8_t *payload, size_t size);

#endif
