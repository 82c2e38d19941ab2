/* Graphs that are to crash ggml: every op there is, with sources that are missing or wrong, shapes, strides and parameters
 * that do not fit, cycles, what lies outside of its buffer; and, so that something is computed, some that are nearly
 * good. */
#include <stdlib.h>
#include <string.h>

#include <ggml.h>

#include "apir-codec.h"
#include "hostile/guest.h"
#include "support/ggml-lists.h"

enum {
    MAX_TENSORS = 24,
    GRAPH_BYTES = 256 * 1024,
    POOL = 1024 * 1024, /* bytes of the buffer that tensors are in */
    GRAPHS_A_SESSION = 300,
    LIMIT_MS = 20000,
    ITEM = 64 * 1024, /* between the starts of tensors */
};

struct maker {
    struct attack *attack;
    struct guest guest;
    struct blob memory;
    uint64_t buffer;
    struct apir_tensor tensors[MAX_TENSORS];
    uint32_t sources[MAX_TENSORS][APIR_MAX_SRC];
    uint32_t nodes[MAX_TENSORS];
    uint32_t n_tensors, n_nodes;
};

/* The numbering of the session is ggml's own. */
static size_t write_numbering(struct guest *guest, uint8_t *request)
{
    struct test_lists lists;
    struct apir_enc enc;
    test_lists_init(&lists, 0);
    size_t start = raw_guest_header(request, APIR_CALL_NEGOTIATE, guest->context.control.sequence + 1);
    apir_enc_init(&enc, request + start, APIR_MAX_RECORD - start);
    apir_encode_negotiate_args(&enc, &lists.args);
    raw_guest_set_size(request, (uint32_t)(start + apir_enc_used(&enc)));
    return start + apir_enc_used(&enc);
}

static enum outcome call(struct maker *maker, uint8_t *request, size_t start, const struct apir_enc *args)
{
    size_t size = start + apir_enc_used(args);
    raw_guest_set_size(request, (uint32_t)size);
    return guest_call(&maker->guest, maker->attack, request, size, LIMIT_MS);
}

static size_t begin(struct maker *maker, uint8_t *request, uint32_t number, struct apir_enc *args)
{
    size_t start = raw_guest_header(request, number, maker->guest.context.control.sequence + 1);
    apir_enc_init(args, request + start, APIR_MAX_RECORD - start);
    return start;
}

static bool alloc_pool(struct maker *maker, uint8_t *request)
{
    struct apir_buffer_alloc_reply reply = {0};
    struct apir_enc args;
    size_t start = begin(maker, request, APIR_CALL_BUFFER_ALLOC, &args);
    apir_encode_buffer_alloc_args(&args, &(struct apir_buffer_alloc_args){.device = 0, .size = POOL});
    if (call(maker, request, start, &args) != SERVED)
        return false;
    struct apir_dec results = guest_results(&maker->guest);
    apir_decode_buffer_alloc_reply(&results, &reply);
    maker->buffer = reply.buffer;
    return maker->buffer != 0 && guest_call_good(&maker->guest, maker->attack, APIR_CALL_STREAM_CREATE) == SERVED;
}

static bool open_maker(struct maker *maker, uint8_t *request)
{
    struct apir_stream_create_reply reply = {0};
    if (!guest_open(&maker->guest, maker->attack, CONTEXT_LOADED) ||
        door_share(&maker->guest.door, GRAPH_BYTES, &maker->memory) < 0)
        return false;
    size_t size = write_numbering(&maker->guest, request);
    if (guest_call(&maker->guest, maker->attack, request, size, LIMIT_MS) != SERVED || !alloc_pool(maker, request))
        return false;
    struct apir_dec results = guest_results(&maker->guest);
    apir_decode_stream_create_reply(&results, &reply);
    maker->guest.context.stream = reply.stream;
    return reply.stream != 0;
}

static uint32_t choose_type(struct random *random)
{
    static const uint32_t usual[] = {GGML_TYPE_F32, GGML_TYPE_F32, GGML_TYPE_F32,  GGML_TYPE_F32, GGML_TYPE_F16,
                                     GGML_TYPE_I32, GGML_TYPE_Q4_0, GGML_TYPE_Q8_0, GGML_TYPE_BF16, GGML_TYPE_I64};
    return random_once_in(random, 12) ? random_below(random, GGML_TYPE_COUNT + 2)
                                      : usual[random_below(random, sizeof usual / sizeof *usual)];
}

static void choose_shape(struct random *random, struct apir_tensor *tensor)
{
    static const uint64_t widths[] = {1, 4, 32, 32, 32, 64, 64, 128, 256}, heights[] = {1, 1, 2, 4, 4, 8};
    tensor->ne[0] = widths[random_below(random, sizeof widths / sizeof *widths)];
    for (unsigned i = 1; i < APIR_MAX_DIMS; i++)
        tensor->ne[i] = heights[random_below(random, i < 3 ? 6 : 2)];
}

/* Dense, if the type has a size. */
static void set_strides(struct apir_tensor *tensor)
{
    uint64_t block = 1, bytes = 4;
    if (tensor->type < GGML_TYPE_COUNT && ggml_blck_size((enum ggml_type)tensor->type) > 0) {
        block = (uint64_t)ggml_blck_size((enum ggml_type)tensor->type);
        bytes = ggml_type_size((enum ggml_type)tensor->type);
    }
    tensor->nb[0] = bytes;
    tensor->nb[1] = tensor->ne[0] / block * bytes;
    tensor->nb[2] = tensor->nb[1] * tensor->ne[1];
    tensor->nb[3] = tensor->nb[2] * tensor->ne[2];
}

static struct apir_tensor *add_tensor(struct maker *maker)
{
    struct random *random = &maker->attack->random;
    struct apir_tensor *tensor = &maker->tensors[maker->n_tensors];
    *tensor = (struct apir_tensor){
        .type = choose_type(random),
        .op = GGML_OP_NONE,
        .use_count = 1,
        .buffer = maker->buffer,
        .offset = (uint64_t)ITEM * (maker->n_tensors % (POOL / ITEM)),
        .src = maker->sources[maker->n_tensors],
        .name = "t",
    };
    /* like an earlier one, mostly: ops want shapes that fit */
    if (maker->n_tensors > 0 && !random_once_in(random, 4)) {
        const struct apir_tensor *like = &maker->tensors[random_below(random, maker->n_tensors)];
        tensor->type = random_once_in(random, 6) ? tensor->type : like->type;
        memcpy(tensor->ne, like->ne, sizeof tensor->ne);
    } else {
        choose_shape(random, tensor);
    }
    set_strides(tensor);
    maker->n_tensors++;
    return tensor;
}

static void add_node(struct maker *maker)
{
    struct random *random = &maker->attack->random;
    uint32_t self = maker->n_tensors;
    struct apir_tensor *tensor = add_tensor(maker);
    tensor->op = random_below(random, GGML_OP_COUNT);
    tensor->flags = GGML_TENSOR_FLAG_COMPUTE;
    tensor->n_src = 1 + random_below(random, random_once_in(random, 6) ? APIR_MAX_SRC : 3);
    for (uint32_t i = 0; i < tensor->n_src; i++)
        maker->sources[self][i] = random_once_in(random, 10) ? 0 : 1 + random_below(random, self);
    bool wild = random_once_in(random, 3);
    for (unsigned i = 0; i < APIR_MAX_OP_PARAMS; i++)
        tensor->op_params[i] = (int32_t)(wild ? random_edge(random) : random_once_in(random, 3) ? random_below(random, 5) : 0);
    if (random_once_in(random, 8)) {
        tensor->view_src = 1 + random_below(random, self);
        tensor->view_offs = random_below(random, 4) * 32;
    }
    maker->nodes[maker->n_nodes++] = self;
}

/* One field that is not as it should be. */
static void spoil(struct maker *maker)
{
    struct random *random = &maker->attack->random;
    uint32_t which = random_below(random, maker->n_tensors);
    struct apir_tensor *tensor = &maker->tensors[which];
    switch (random_below(random, 12)) {
    case 0:
        tensor->ne[random_below(random, APIR_MAX_DIMS)] = random_edge(random);
        break;
    case 1:
        tensor->ne[random_below(random, APIR_MAX_DIMS)] = random_edge(random);
        set_strides(tensor);
        break;
    case 2:
        tensor->nb[random_below(random, APIR_MAX_DIMS)] = random_edge(random);
        break;
    case 3: /* rows that overlap, or columns that are far apart */
        tensor->nb[1 + random_below(random, 3)] = random_below(random, 65536);
        break;
    case 4:
        maker->sources[which][random_below(random, APIR_MAX_SRC)] = (uint32_t)random_edge(random);
        break;
    case 5: /* a later one, or itself */
        maker->sources[which][0] = 1 + which + random_below(random, maker->n_tensors - which);
        tensor->n_src = tensor->n_src ? tensor->n_src : 1;
        break;
    case 6:
        tensor->offset = random_once_in(random, 2) ? random_edge(random) % APIR_MAX_SIZE : POOL - random_below(random, 64);
        break;
    case 7:
        tensor->view_src = random_once_in(random, 2) ? which + 1 : random_below(random, maker->n_tensors + 2);
        tensor->view_offs = random_edge(random) % APIR_MAX_SIZE;
        break;
    case 8:
        tensor->buffer = random_once_in(random, 2) ? 0 : random_edge(random);
        break;
    case 9:
        tensor->type = (uint32_t)random_edge(random);
        break;
    case 10:
        tensor->op = random_once_in(random, 2) ? (uint32_t)random_edge(random) : GGML_OP_MAP_CUSTOM1 + random_below(random, 4);
        break;
    default:
        maker->nodes[random_below(random, maker->n_nodes)] = random_below(random, maker->n_tensors + 2);
    }
}

static void make_graph(struct maker *maker)
{
    struct random *random = &maker->attack->random;
    uint32_t leaves = 1 + random_below(random, 5), nodes = 1 + random_below(random, 8);
    maker->n_tensors = maker->n_nodes = 0;
    memset(maker->sources, 0, sizeof maker->sources);
    for (uint32_t i = 0; i < leaves; i++)
        add_tensor(maker);
    for (uint32_t i = 0; i < nodes; i++)
        add_node(maker);
    for (uint32_t n = random_below(random, 3); n > 0; n--)
        spoil(maker);
}

static void compute(struct maker *maker, uint8_t *request)
{
    struct apir_enc enc;
    apir_enc_init(&enc, maker->memory.data, GRAPH_BYTES);
    apir_encode_graph(&enc, &(struct apir_graph){.tensors = maker->tensors,
                                                 .n_tensors = maker->n_tensors,
                                                 .nodes = maker->nodes,
                                                 .n_nodes = maker->n_nodes});
    const struct apir_graph_compute_args graph = {
        .stream = maker->guest.context.stream,
        .shm = maker->memory.id,
        .size = apir_enc_used(&enc),
        .graph = random_below(&maker->attack->random, APIR_MAX_GRAPHS + 1),
    };
    size_t start = begin(maker, request, APIR_CALL_GRAPH_COMPUTE, &enc);
    apir_encode_graph_compute_args(&enc, &graph);
    call(maker, request, start, &enc);
    if (maker->guest.alive && random_once_in(&maker->attack->random, 4))
        guest_call_good(&maker->guest, maker->attack, APIR_CALL_STREAM_COLLECT);
}

/* The host's ggml is asked about the op of the last node, too. */
static void ask(struct maker *maker, uint8_t *request)
{
    const struct apir_op_query query = {.tensors = maker->tensors, .n_tensors = maker->n_tensors};
    const struct apir_device_supports_op_args queries = {.device = 0, .queries = &query, .n_queries = 1};
    struct apir_enc args;
    bool size = random_once_in(&maker->attack->random, 2);
    size_t start =
        begin(maker, request, size ? APIR_CALL_DEVICE_GET_ALLOC_SIZE : APIR_CALL_DEVICE_SUPPORTS_OP, &args);
    apir_encode_device_supports_op_args(&args, &queries);
    call(maker, request, start, &args);
}

void attack_graphs(struct attack *attack)
{
    struct maker *maker = calloc(1, sizeof *maker);
    uint8_t *request = calloc(1, APIR_MAX_RECORD);
    while (maker && request && !attack_is_over(attack)) {
        maker->attack = attack;
        bool good = open_maker(maker, request);
        for (int i = 0; i < GRAPHS_A_SESSION && good && maker->guest.alive && !attack_is_over(attack); i++) {
            make_graph(maker);
            if (random_once_in(&attack->random, 4))
                ask(maker, request);
            else
                compute(maker, request);
        }
        blob_unmap(&maker->memory);
        maker->memory = (struct blob){0};
        guest_finish(&maker->guest);
    }
    free(request);
    free(maker);
}
