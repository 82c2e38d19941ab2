/* A backend of a host's device, and a graph of one node. */
#ifndef APIR_TESTS_BACKEND_DESK_H
#define APIR_TESTS_BACKEND_DESK_H

#include "plugin.h"

enum { DESK_WORDS = 16 }; /* of source and result */

struct desk {
    ggml_backend_t backend;
    struct ggml_context *ctx;
    ggml_backend_buffer_t buffer;
    struct ggml_tensor *source, *result;
    struct ggml_cgraph *graph;
};

/* For use inside in_child. The node, which makes the result of the source, has that name: libraries of tests do by it what is
 * asked of them. */
struct desk desk_open(size_t device, const char *node);
void desk_close(struct desk *desk);

#endif
