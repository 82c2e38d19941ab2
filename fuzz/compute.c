/* In place of ggml's function that computes a graph, whose name the linker gives this one, for targets to name as a source.
 * Kernels of ggml follow what tensors contain: an index that a guest has written leads out of its tensor, or ends the process.
 * Nothing can check that beforehand, and the jail is for it. What is to be found here is what could have been known: so indices
 * are zero, and results do not lie across their sources. With NO_COMPUTE nothing is computed at all. */
#include <ggml-backend.h>
#include <stdbool.h>
#include <string.h>

#include "host.h"

enum { MAX_ELEMENTS = 1 << 20, MAX_PRODUCT = 1 << 30 }; /* an input is to take milliseconds */

enum ggml_status __wrap_ggml_backend_graph_compute(ggml_backend_t backend, struct ggml_cgraph *graph);
enum ggml_status __real_ggml_backend_graph_compute(ggml_backend_t backend, struct ggml_cgraph *graph);

#ifdef NO_COMPUTE
enum ggml_status __wrap_ggml_backend_graph_compute(ggml_backend_t backend, struct ggml_cgraph *graph)
{
    (void)backend;
    return ggml_graph_n_nodes(graph) % 8 == 7 ? GGML_STATUS_FAILED : GGML_STATUS_SUCCESS;
}
#else

/* Which source has indices, or parameters that are checked; -1: none. */
static int index_source(const struct ggml_tensor *node)
{
    switch (node->op) {
    case GGML_OP_GET_ROWS:
    case GGML_OP_GET_ROWS_BACK:
    case GGML_OP_SET_ROWS:
        return 1;
    case GGML_OP_MUL_MAT_ID:
    case GGML_OP_ADD_ID:
        return 2;
    case GGML_OP_OPT_STEP_ADAMW:
        return 4;
    case GGML_OP_OPT_STEP_SGD:
        return 2;
    case GGML_OP_SSM_SCAN:
        return 6;
    default:
        return -1;
    }
}

static bool overlap(const struct ggml_tensor *a, const struct ggml_tensor *b)
{
    const char *start_a = a->data, *start_b = b->data;
    return start_a < start_b + ggml_nbytes(b) && start_b < start_a + ggml_nbytes(a);
}

static bool same_layout(const struct ggml_tensor *a, const struct ggml_tensor *b)
{
    return a->data == b->data && a->type == b->type && memcmp(a->ne, b->ne, sizeof a->ne) == 0 &&
           memcmp(a->nb, b->nb, sizeof a->nb) == 0;
}

/* Whether a result lies partly over a source. Kernels then use memcpy() for what overlaps, which garbles bytes of the guest,
 * within its own tensors; but AddressSanitizer ends the process. */
static bool lies_across(const struct ggml_tensor *node)
{
    for (int i = 0; i < GGML_MAX_SRC; i++)
        if (node->src[i] && !same_layout(node, node->src[i]) && overlap(node, node->src[i]))
            return true;
    return false;
}

/* Whether the indices of a node are zero now, and stay so while it is computed. */
static bool has_good_indices(const struct ggml_tensor *node, bool alone)
{
    int number = index_source(node);
    const struct ggml_tensor *indices = number < 0 ? NULL : node->src[number];
    if (!indices)
        return true;
    if (!alone || overlap(indices, node))
        return false;
    memset(indices->data, 0, ggml_nbytes(indices));
    return true;
}

static bool is_small(const struct ggml_tensor *node, int64_t *elements)
{
    int64_t own = ggml_nelements(node), first = node->src[0] ? ggml_nelements(node->src[0]) : 1;
    *elements += own;
    for (int i = 0; i < GGML_MAX_SRC; i++)
        *elements += node->src[i] && *elements <= MAX_ELEMENTS ? ggml_nelements(node->src[i]) : 0;
    return *elements <= MAX_ELEMENTS && own * first <= MAX_PRODUCT;
}

enum ggml_status __wrap_ggml_backend_graph_compute(ggml_backend_t backend, struct ggml_cgraph *graph)
{
    int64_t elements = 0;
    int n = ggml_graph_n_nodes(graph);
    for (int i = 0; i < n; i++) {
        const struct ggml_tensor *node = ggml_graph_node(graph, i);
        bool is_view = node->op == GGML_OP_NONE || node->op == GGML_OP_RESHAPE || node->op == GGML_OP_VIEW ||
                       node->op == GGML_OP_PERMUTE || node->op == GGML_OP_TRANSPOSE;
        if (!is_small(node, &elements) || !has_good_indices(node, n == 1) || (!is_view && lies_across(node)))
            return GGML_STATUS_FAILED;
    }
    enum ggml_status status = __real_ggml_backend_graph_compute(backend, graph);
    for (int i = 0; i < n && status == GGML_STATUS_SUCCESS; i++) {
        const struct ggml_tensor *node = ggml_graph_node(graph, i);
        host_note_op(node->op, node->op_params[0], (node->src[0] ? node->src[0] : node)->type);
    }
    return status;
}
#endif
