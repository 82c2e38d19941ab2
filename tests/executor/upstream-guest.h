/* A guest of the deployed protocol without a session: functions are called with encoded arguments. */
#ifndef APIR_TESTS_EXECUTOR_UPSTREAM_GUEST_H
#define APIR_TESTS_EXECUTOR_UPSTREAM_GUEST_H

#include "apir-upstream-codec.h"
#include "fixture.h"
#include "server/upstream.h"
#include "wire/cs.h"

enum {
    GUEST_SHM = 9,
    GUEST_SHM_SIZE = 1 << 18,
    GUEST_BUFFER_SIZE = 4096,
    GUEST_DONE = APIR_UPSTREAM_FORWARD_CODE_FUNCTION_BASE,
    GUEST_REFUSED = GUEST_DONE + (int)APIR_UPSTREAM_FUNCTION_CODE_REFUSED,
};

struct guest {
    struct fixture f;
    unsigned char *shm; /* shared memory GUEST_SHM */
    uint8_t args[4096], results[1024];
    struct apir_enc out; /* arguments of the next call */
    struct apir_dec in;  /* results of the last one */
    uint64_t buft;
};

/* Makes a guest of a library, as in apir_executor_options, that sees device; not loaded yet. */
void guest_open(struct guest *g, const char *library, const char *device);
void guest_close(struct guest *g);

/* Asks for the library: a load code. */
uint32_t guest_load(struct guest *g);

/* The same, which must succeed, and asks for the buffer type. */
void guest_make_ready(struct guest *g);

/* Overwrites a number of 4 or 8 bytes that was encoded: encoders refuse what is out of range. */
void guest_patch(struct guest *g, size_t at, uint64_t value, size_t size);

/* Calls a function with what was encoded to g->out, which is then empty: a forward code. A refusal has no results. */
uint32_t guest_call(struct guest *g, uint32_t function);

/* A function with one handle for its arguments. */
uint32_t guest_call_handle(struct guest *g, uint32_t function, uint64_t handle);

/* The same with the result, which must be a number of 8 bytes. */
uint64_t guest_ask(struct guest *g, uint32_t function, uint64_t handle);

/* A new buffer of GUEST_BUFFER_SIZE. */
uint64_t guest_alloc(struct guest *g);

/* A contiguous tensor at an offset of a buffer. */
struct apir_upstream_tensor guest_tensor(uint64_t id, uint64_t buffer, uint64_t offset, uint32_t ne0, uint32_t ne1);

#endif
