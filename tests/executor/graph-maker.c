#include "graph-maker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "apir-codec.h"
#include "util/fd.h"
#include "wire/cs.h"

void graph_maker_open(struct graph_maker *m)
{
    graph_maker_open_limited(m, &(struct apir_limits){0});
}

void graph_maker_open_limited(struct graph_maker *m, const struct apir_limits *limits)
{
    struct apir_stream_create_reply reply = {0};
    memset(m, 0, sizeof *m);
    fixture_open_limited(&m->f, LIBRARIES "/fake-good.so", limits);
    fixture_make_ready(&m->f);
    m->buffer = fixture_alloc(&m->f, 65536);
    assert_int_equal(
        handle_stream_create(m->f.executor, &m->f.scratch, &(struct apir_stream_create_args){0}, &reply), 0);
    m->stream = reply.stream;
    m->seen = ggml_backend_reg_get_proc_address(m->f.executor->library.files[0].reg, FAKE_SEEN);
    int fd = apir_fd_memory("test", GRAPH_MAKER_SHM_SIZE);
    assert_int_equal(apir_shm_table_add(&m->f.memory, GRAPH_MAKER_SHM, fd, 0, GRAPH_MAKER_SHM_SIZE), 0);
    m->data = mmap(NULL, GRAPH_MAKER_SHM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_ptr_not_equal(m->data, MAP_FAILED);
    apir_fd_close(&fd);
}

void graph_maker_close(struct graph_maker *m)
{
    munmap(m->data, GRAPH_MAKER_SHM_SIZE);
    fixture_close(&m->f);
}

uint32_t graph_maker_add(struct graph_maker *m, const char *name, enum ggml_op op, uint32_t a, uint32_t b)
{
    uint32_t index = m->n_tensors++;
    struct apir_tensor *tensor = &m->tensors[index];
    *tensor = fixture_tensor(GGML_TYPE_F32, 16, 1);
    tensor->name = name;
    tensor->op = (uint32_t)op;
    tensor->flags = COMPUTE;
    tensor->buffer = m->buffer;
    tensor->offset = 64 * (uint64_t)index;
    m->sources[index][0] = a;
    m->sources[index][1] = b;
    tensor->src = m->sources[index];
    tensor->n_src = b ? 2 : a ? 1 : 0;
    return index;
}

void graph_maker_add_node(struct graph_maker *m, uint32_t index)
{
    m->nodes[m->n_nodes++] = index;
}

int graph_maker_compute_as(struct graph_maker *m, uint32_t number)
{
    struct apir_enc enc;
    apir_enc_init(&enc, m->data, GRAPH_MAKER_SHM_SIZE);
    apir_encode_graph(&enc, &(struct apir_graph){.tensors = m->tensors, .n_tensors = m->n_tensors, .nodes = m->nodes,
                                                 .n_nodes = m->n_nodes});
    assert_true(apir_enc_ok(&enc));
    const struct apir_graph_compute_args args = {
        .stream = m->stream, .shm = GRAPH_MAKER_SHM, .size = apir_enc_used(&enc), .graph = number};
    return handle_graph_compute(m->f.executor, &m->f.scratch, &args);
}

int graph_maker_compute(struct graph_maker *m)
{
    return graph_maker_compute_as(m, 0);
}

int graph_maker_recompute(struct graph_maker *m, uint64_t stream, uint32_t number)
{
    const struct apir_graph_recompute_args args = {.stream = stream, .graph = number};
    return handle_graph_recompute(m->f.executor, &m->f.scratch, &args);
}

void graph_maker_open_chain(struct graph_maker *m)
{
    graph_maker_open(m);
    graph_maker_add_chain(m);
}

void graph_maker_add_chain(struct graph_maker *m)
{
    graph_maker_add(m, "a", GGML_OP_NONE, 0, 0);
    graph_maker_add(m, "b", GGML_OP_NONE, 0, 0);
    graph_maker_add(m, "c", GGML_OP_ADD, 1, 2);
    graph_maker_add(m, "d", GGML_OP_MUL, 3, 2);
    graph_maker_add_node(m, 2);
    graph_maker_add_node(m, 3);
}
