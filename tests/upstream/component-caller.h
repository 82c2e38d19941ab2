/* What a renderer does for a backend library, in the test's process: shared memory by id, configuration, dispatch. The
 * callbacks get no pointer of ours, hence there is one caller. */
#ifndef APIR_TESTS_UPSTREAM_COMPONENT_CALLER_H
#define APIR_TESTS_UPSTREAM_COMPONENT_CALLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "apir-upstream-codec.h"
#include "upstream/component.h"
#include "wire/cs.h"

enum {
    CALLER_CONTEXTS = 4,
    CALLER_SHMS = 8,
    CALLER_PAGE = 4096,
    CALLER_BUFFER_SIZE = 65536,
};

struct caller {
    struct apir_component component;
    const char *library, *symbol;                     /* configuration; NULL: not set */
    void *shms[CALLER_CONTEXTS][CALLER_SHMS];         /* by context and id */
    const char *size_texts[CALLER_SHMS];              /* what is said about sizes; NULL: nothing */
    void (*asked)(void);                              /* called when shared memory is asked for; may be NULL */
    uint8_t args[8192];
    struct apir_enc out;      /* arguments of the next call */
    uint8_t results[1024];
    size_t room;              /* of results, that the library is told */
    struct apir_dec in;       /* results of the last call */
    bool has_end;             /* the last call said where its results end */
    uint64_t buft;
};

/* The one caller, with the library opened. */
struct caller *caller_get(void);

/* Forgets shared memory, and configures the host's CPU library. */
void caller_reset(void);

uint32_t caller_initialize(uint32_t context);

/* The same, which must succeed, and asks for the buffer type. */
void caller_make_ready(uint32_t context);

/* Calls a function with what was encoded to out, which is then empty. */
uint32_t caller_call(uint32_t context, uint32_t function);

uint64_t caller_alloc(uint32_t context);

/* size bytes, a multiple of a page, behind which nothing is mapped; to be unmapped with their size. */
void *caller_map(size_t size);
void caller_unmap(void *data, size_t size);

/* A contiguous tensor of numbers of 4 bytes, at the start of a buffer. */
struct apir_upstream_tensor caller_tensor(uint64_t id, uint64_t buffer, uint32_t elements);

#endif
