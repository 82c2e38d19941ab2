/* For the target that is about graphs, not about what they compute: in place of ggml's function, whose name the linker
 * gives it. The length of a graph decides whether it fails. */
#include <ggml-backend.h>

enum ggml_status __wrap_ggml_backend_graph_compute(ggml_backend_t backend, struct ggml_cgraph *graph);

enum ggml_status __wrap_ggml_backend_graph_compute(ggml_backend_t backend, struct ggml_cgraph *graph)
{
    (void)backend;
    return ggml_graph_n_nodes(graph) % 8 == 7 ? GGML_STATUS_FAILED : GGML_STATUS_SUCCESS;
}
