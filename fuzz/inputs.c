#include "inputs.h"

#include <assert.h>
#include <ggml.h>
#include <stdlib.h>

#include "apir-codec.h"
#include "apir-upstream-codec.h"

enum { ALIGNMENT = 256 };

uint8_t input_message(const struct fuzz_protocol *protocol, const char *name)
{
    for (size_t i = 0; i < protocol->n_messages; i++)
        if (strcmp(protocol->messages[i].name, name) == 0)
            return (uint8_t)i;
    abort();
}

struct apir_enc input_open_step(struct input *input)
{
    struct apir_enc enc;
    size_t start = input->size + FUZZ_STEP_HEADER < INPUT_SIZE ? input->size + FUZZ_STEP_HEADER : INPUT_SIZE;
    apir_enc_init(&enc, input->bytes + start, INPUT_SIZE - start);
    return enc;
}

void input_close_step(struct input *input, uint8_t what, const struct apir_enc *enc)
{
    size_t size = fuzz_step_write(input->bytes + input->size, INPUT_SIZE - input->size, what, 0, enc->start,
                                  apir_enc_used(enc));
    input->full |= size == 0 || !apir_enc_ok(enc);
    input->size += size;
}

/* Bytes from the start of the buffer to behind the tensor. */
static uint64_t end_of(const struct apir_tensor *tensor)
{
    uint64_t end = tensor->offset + ggml_type_size((enum ggml_type)tensor->type);
    for (int d = 0; d < GGML_MAX_DIMS; d++)
        end += (tensor->ne[d] ? tensor->ne[d] - 1 : 0) * tensor->nb[d];
    return end;
}

void input_arrange(struct apir_tensor *tensors, uint32_t n)
{
    uint64_t used = 0;
    for (uint32_t i = 0; i < n; i++) {
        tensors[i].offset = used;
        tensors[i].buffer = 1;
        used = (end_of(&tensors[i]) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        if (i + 1 < n) {
            tensors[i].op = GGML_OP_NONE;
            tensors[i].n_src = 0;
        }
    }
}

unsigned input_number_buffers(struct apir_graph *graph, uint64_t sizes[INPUT_BUFFERS])
{
    struct apir_tensor *tensors = (struct apir_tensor *)(uintptr_t)graph->tensors;
    uint64_t handles[INPUT_BUFFERS] = {0};
    unsigned n = 0;
    for (uint32_t i = 0; i < graph->n_tensors; i++) {
        unsigned b = 0;
        while (b < n && handles[b] != tensors[i].buffer)
            b++;
        if (b == INPUT_BUFFERS)
            return 0;
        if (b == n)
            handles[n] = tensors[i].buffer, sizes[n++] = 0;
        if (end_of(&tensors[i]) > sizes[b])
            sizes[b] = end_of(&tensors[i]);
        tensors[i].buffer = INPUT_FIRST_BUFFER + 1 + b;
    }
    return n;
}

/* The same graph, derived from itself, with all of its last node. */
static void add_derived(const struct apir_graph *graph, struct input *input)
{
    const struct fuzz_protocol *p = &apir_fuzz_protocol;
    const uint32_t last = graph->nodes[graph->n_nodes - 1];
    const struct apir_graph_change change = {.index = last, .tensor = graph->tensors[last]};
    struct apir_enc enc = input_open_step(input);
    apir_encode_graph_changes(&enc, &(struct apir_graph_changes){.changes = &change, .n_changes = 1});
    input_close_step(input, input_message(p, "graph_changes"), &enc);
    enc = input_open_step(input);
    apir_encode_graph_derive_args(&enc, &(struct apir_graph_derive_args){.stream = 1, .base = 1, .shm = 1, .graph = 2});
    input_close_step(input, input_message(p, "graph_derive"), &enc);
}

void input_write_own(const struct apir_graph *graph, const uint64_t *sizes, unsigned n, struct input *input)
{
    const struct fuzz_protocol *p = &apir_fuzz_protocol;
    struct apir_enc enc = input_open_step(input);
    input_close_step(input, (uint8_t)p->n_messages, &enc);
    for (unsigned i = 0; i < n; i++) {
        enc = input_open_step(input);
        apir_encode_buffer_alloc_args(&enc, &(struct apir_buffer_alloc_args){.size = sizes[i]});
        input_close_step(input, input_message(p, "buffer_alloc"), &enc);
    }
    enc = input_open_step(input);
    apir_encode_graph(&enc, graph);
    input_close_step(input, input_message(p, "graph"), &enc);
    enc = input_open_step(input);
    apir_encode_graph_compute_args(&enc, &(struct apir_graph_compute_args){.stream = 1, .shm = 1, .graph = 1});
    input_close_step(input, input_message(p, "graph_compute"), &enc);
    enc = input_open_step(input);
    apir_encode_graph_recompute_args(&enc, &(struct apir_graph_recompute_args){.stream = 1, .graph = 1});
    input_close_step(input, input_message(p, "graph_recompute"), &enc);
    add_derived(graph, input);
}

static void convert(const struct apir_tensor *from, uint32_t id, struct apir_upstream_tensor *to)
{
    *to = (struct apir_upstream_tensor){.id = id,
                                        .type = from->type,
                                        .buffer = from->buffer,
                                        .op = from->op,
                                        .flags = (int32_t)from->flags,
                                        .view_src = from->view_src,
                                        .view_offs = from->view_offs,
                                        .data = from->offset,
                                        .name = ""};
    for (int d = 0; d < GGML_MAX_DIMS; d++) {
        to->ne[d] = (uint32_t)from->ne[d];
        to->nb[d] = (uint32_t)from->nb[d];
    }
    memcpy(to->op_params, from->op_params, sizeof to->op_params);
    for (uint32_t s = 0; s < from->n_src; s++)
        to->src[s] = from->src[s];
}

void input_write_upstream(const struct apir_graph *graph, const uint64_t *sizes, unsigned n, struct input *input)
{
    const struct fuzz_protocol *p = &apir_upstream_fuzz_protocol;
    struct apir_upstream_tensor *tensors = calloc(graph->n_tensors, sizeof *tensors);
    uint64_t *nodes = calloc(graph->n_nodes, sizeof *nodes);
    assert(tensors && nodes);
    for (uint32_t i = 0; i < graph->n_tensors; i++)
        convert(&graph->tensors[i], i + 1, &tensors[i]);
    for (uint32_t i = 0; i < graph->n_nodes; i++)
        nodes[i] = graph->nodes[i] + 1;
    struct apir_enc enc = input_open_step(input);
    input_close_step(input, (uint8_t)p->n_messages, &enc);
    for (unsigned i = 0; i < n; i++) {
        enc = input_open_step(input);
        apir_enc_u64(&enc, 1); /* the buffer type */
        apir_enc_u64(&enc, sizes[i]);
        input_close_step(input, input_message(p, "buffer_type_alloc_buffer"), &enc);
    }
    enc = input_open_step(input);
    apir_upstream_encode_graph(&enc, &(struct apir_upstream_graph){.nodes = nodes,
                                                                   .n_nodes = graph->n_nodes,
                                                                   .tensors = tensors,
                                                                   .n_tensors = graph->n_tensors});
    input_close_step(input, input_message(p, "graph"), &enc);
    enc = input_open_step(input);
    apir_enc_u32(&enc, 1);
    apir_enc_u64(&enc, 0);
    input_close_step(input, input_message(p, "backend_graph_compute"), &enc);
    free(tensors);
    free(nodes);
}
