/* What a hypervisor does, for tests: it has callbacks, maps blobs, and waits for fences. */
#ifndef APIR_TESTS_HYPERVISOR_H
#define APIR_TESTS_HYPERVISOR_H

#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#define VIRGL_RENDERER_UNSTABLE_APIS
#include <virglrenderer.h>

int virgl_apir_configure_kv(uint32_t ctx_id, const char *key, const char *value);

enum { HYPERVISOR_FENCES = 4096, CAPSET_APIR = 10, CAPSET_VENUS = 4, BLOB_SIZE = 0x4000 };

struct fence_event {
    uint32_t context;
    uint32_t ring;
    uint64_t id;
};

struct hypervisor {
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    struct fence_event fences[HYPERVISOR_FENCES]; /* that were reported, in order */
    unsigned count;
    pthread_t reporter; /* the thread that did so last */
    struct virgl_renderer_callbacks callbacks;
};

/* Sets up; flags and result as of virgl_renderer_init(). Workers are echo-worker. */
int hypervisor_start(struct hypervisor *hypervisor, int flags);

/* Cleans up, as when a hypervisor ends. */
void hypervisor_stop(struct hypervisor *hypervisor);

/* Path of a program beside the test program. Returns path, of 4096 bytes. */
char *hypervisor_beside(char *path, const char *name);

/* An APIR context of capset 10. */
void hypervisor_create_context(uint32_t context);

/* A blob of BLOB_SIZE attached to the context, mapped by map_fixed at the result. Unmap it with munmap(). */
void *hypervisor_create_blob(uint32_t context, uint32_t resource);

/* The guest's end of such a blob. */
void hypervisor_destroy_blob(uint32_t context, uint32_t resource, void *data);

/* Sends words to the context. */
int hypervisor_submit(uint32_t context, const uint32_t *words, unsigned count);

/* How many fences were reported. */
unsigned hypervisor_count(struct hypervisor *hypervisor);

/* Waits until count fences were reported, for at most 10 seconds. */
bool hypervisor_wait(struct hypervisor *hypervisor, unsigned count);

/* Makes a fence and waits for it. */
bool hypervisor_fence(struct hypervisor *hypervisor, uint32_t context, uint64_t id);

/* Waits until *word (of a guest's page) is not 0, for at most 60 seconds. Returns it. */
uint32_t hypervisor_wait_word(const void *word);

#endif
