/* An executor without a server: handlers are called directly. */
#ifndef APIR_TESTS_EXECUTOR_FIXTURE_H
#define APIR_TESTS_EXECUTOR_FIXTURE_H

#include "executor/private.h"
#include "fake-library.h"
#include "support/ggml-lists.h"

struct fixture {
    struct apir_shm_table memory;
    struct apir_executor *executor;
    struct apir_arena scratch;
};

/* library as in apir_executor_options; symbol may be NULL. Nothing is loaded yet. */
void fixture_open(struct fixture *f, const char *library, const char *symbol);
void fixture_open_limited(struct fixture *f, const char *library, const struct apir_limits *limits);
void fixture_open_with(struct fixture *f, struct apir_executor_options *options); /* sets what all have in common */
void fixture_close(struct fixture *f);

/* Loads the library and negotiates ggml's own numbering. */
void fixture_make_ready(struct fixture *f);

/* A handle of a new buffer. */
uint64_t fixture_alloc(struct fixture *f, uint64_t size);

/* A contiguous tensor in ggml's own numbering, without memory. */
struct apir_tensor fixture_tensor(enum ggml_type type, uint64_t ne0, uint64_t ne1);

#endif
