#include "desk.h"

struct desk desk_open(size_t device, const char *node)
{
    ggml_backend_reg_t reg = ggml_backend_dev_backend_reg(load_device());
    struct desk desk = {.ctx = ggml_init((struct ggml_init_params){.mem_size = 1 << 20, .no_alloc = true})};
    desk.backend = ggml_backend_dev_init(ggml_backend_reg_dev_get(reg, device), NULL);
    require(desk.backend != NULL, "backend");
    desk.source = ggml_new_tensor_1d(desk.ctx, GGML_TYPE_F32, DESK_WORDS);
    desk.result = ggml_set_name(ggml_sqr(desk.ctx, desk.source), node);
    desk.graph = ggml_new_graph_custom(desk.ctx, 8, false);
    ggml_build_forward_expand(desk.graph, desk.result);
    desk.buffer = ggml_backend_alloc_ctx_tensors(desk.ctx, desk.backend);
    require(desk.buffer != NULL, "memory");
    return desk;
}

void desk_close(struct desk *desk)
{
    ggml_backend_buffer_free(desk->buffer);
    ggml_backend_free(desk->backend);
    ggml_free(desk->ctx);
}
