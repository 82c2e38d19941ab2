/* Answers about ops by the print of the op, read and written without a lock. It may forget any of them at any time. */
#ifndef APIR_BACKEND_OP_QUICK_H
#define APIR_BACKEND_OP_QUICK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "backend/content.h"

/* What is known about an op on a device. */
struct apir_op_answer {
    bool has_support; /* supported and offload are known */
    bool supported;
    bool offload;
    bool has_size; /* size is known */
    uint64_t size; /* UINT64_MAX: the host cannot tell */
};

/* Adds what `answer` knows. */
void apir_op_answer_merge(struct apir_op_answer *into, struct apir_op_answer answer);

/* A print and its answer, in words that are written one by one: the tags are the print's words, each mixed with the
 * answer, so that words of different answers do not match. */
struct apir_op_quick_entry {
    _Atomic uint64_t tags[2];
    _Atomic uint64_t answer;
};

enum {
    APIR_OP_QUICK_WAYS = 2,
    APIR_OP_QUICK_BITS = 14, /* 1 MiB, of which the part that is used stays near the processor */
};

struct apir_op_quick_set {
    _Alignas(64) struct apir_op_quick_entry entries[APIR_OP_QUICK_WAYS]; /* the newer one first */
};

/* Zero-initialised is empty; nothing needs to be ended. */
struct apir_op_quick {
    struct apir_op_quick_set sets[1 << APIR_OP_QUICK_BITS];
};

/* What is known: all false if nothing is. */
struct apir_op_answer apir_op_quick_get(const struct apir_op_quick *quick, struct apir_print print);

/* Adds what answer knows, perhaps in place of another print's. */
void apir_op_quick_put(struct apir_op_quick *quick, struct apir_print print, struct apir_op_answer answer);

#endif
