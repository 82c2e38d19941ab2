/* Negotiation and tensors for tests that speak to a worker without the plug-in. */
#ifndef APIR_TESTS_SUPPORT_NUMBERING_H
#define APIR_TESTS_SUPPORT_NUMBERING_H

#include <ggml.h>

#include "apir-calls.h"

/* Session numbers of ggml's own, by a rotation of the lists: 0 keeps them as they are. */
struct test_numbering {
    unsigned rotation;
};

uint32_t test_op(const struct test_numbering *numbering, enum ggml_op op);
uint32_t test_type(const struct test_numbering *numbering, enum ggml_type type);

/* Loads the host's library and negotiates the numbering. 0 or -errno. */
int test_negotiate(struct apir_queue *queue, const struct test_numbering *numbering);

/* A contiguous tensor without memory. */
struct apir_tensor test_tensor(const struct test_numbering *numbering, enum ggml_type type, uint64_t ne0, uint64_t ne1);

#endif
