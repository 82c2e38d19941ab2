/* Writes inputs that a mutator would take long to find: fuzz-seeds FOLDER fills FOLDER/session, dispatch, dispatch-upstream. What
 * programs compute comes from fuzz-record. */
#include <ggml.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "apir-codec.h"
#include "host.h"
#include "inputs.h"
#include "session-steps.h"
#include "steps.h"
#include "wire/capset.h"
#include "wire/connection.h"
#include "wire/status.h"

enum { MAX_SEED = 32768 };

struct seed {
    const char *path; /* target/name */
    const struct fuzz_protocol *protocol;
    uint8_t bytes[MAX_SEED];
    size_t size;
};

static const char *folder;

static void start(struct seed *seed, const struct fuzz_protocol *protocol, const char *path)
{
    *seed = (struct seed){.path = path, .protocol = protocol};
}

static void save(const struct seed *seed)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%.*s", folder, (int)strcspn(seed->path, "/"), seed->path);
    mkdir(path, 0777);
    snprintf(path, sizeof path, "%s/%s", folder, seed->path);
    FILE *file = fopen(path, "w");
    if (!file || fwrite(seed->bytes, 1, seed->size, file) != seed->size || fclose(file) != 0) {
        perror(path);
        exit(1);
    }
}

static void add(struct seed *seed, unsigned what, unsigned param, const void *bytes, size_t size)
{
    seed->size += fuzz_step_write(seed->bytes + seed->size, MAX_SEED - seed->size, (uint8_t)what, (uint8_t)param, bytes,
                                  size);
}

static void add_own(struct seed *seed, unsigned step, unsigned param, const void *bytes, size_t size)
{
    add(seed, (unsigned)seed->protocol->n_messages + step, param, bytes, size);
}

static void add_words(struct seed *seed, unsigned step, unsigned param, uint32_t a, uint32_t b, uint32_t c)
{
    const uint32_t words[] = {a, b, c};
    add_own(seed, step, param, words, sizeof words);
}

/* A message by name, with the words of its arguments. */
static void add_call(struct seed *seed, const char *name, unsigned param, const void *args, size_t size)
{
    for (unsigned i = 0; i < seed->protocol->n_messages; i++)
        if (strcmp(seed->protocol->messages[i].name, name) == 0)
            add(seed, i, param, args, size);
}

/* --- sessions -------------------------------------------------------------------------------- */

static void begin(struct seed *seed, const char *path)
{
    start(seed, &apir_fuzz_protocol, path);
    add_own(seed, STEP_BEGIN, 0, NULL, 0);
}

static void upstream(struct seed *seed, unsigned param, uint32_t command, uint32_t function)
{
    add_words(seed, STEP_UPSTREAM, param, command, function, 1);
}

static void write_upstream_sessions(void)
{
    struct seed seed;
    start(&seed, &apir_fuzz_protocol, "session/upstream");
    add_own(&seed, STEP_HANDSHAKE, 1, NULL, 0);
    upstream(&seed, 0, 1, 0);
    upstream(&seed, 0, 1, 0);
    for (uint32_t function = 0; function < 24; function++)
        upstream(&seed, 0, function % 2 ? 2 : 2 + APIR_VENUS_COMMAND_BASE, function);
    upstream(&seed, 0, 2, 999);
    upstream(&seed, 0, 0, 0);
    save(&seed);
    start(&seed, &apir_fuzz_protocol, "session/upstream-pending");
    add_own(&seed, STEP_HANDSHAKE, 1, NULL, 0);
    upstream(&seed, 0, 2, 1);
    for (uint32_t i = 0; i < 40; i++)
        upstream(&seed, 1, i % 8 ? 2 : 1, i % 6);
    save(&seed);
    start(&seed, &apir_fuzz_protocol, "session/upstream-bad");
    add_own(&seed, STEP_HANDSHAKE, 1, NULL, 0);
    add_words(&seed, STEP_TAKE_AWAY, 0, SESSION_STATUS_ID, 0, 0);
    upstream(&seed, 1, 2, 1);
    save(&seed);
    start(&seed, &apir_fuzz_protocol, "session/upstream-command");
    add_own(&seed, STEP_HANDSHAKE, 1, NULL, 0);
    upstream(&seed, 1, 77, 1);
    save(&seed);
    start(&seed, &apir_fuzz_protocol, "session/upstream-small");
    add_words(&seed, STEP_SHARE, 1, SESSION_STATUS_ID, 3, 0);
    add_words(&seed, STEP_COMMAND, 0, 0, 0, SESSION_STATUS_ID);
    save(&seed);
}

/* Two queues, of which one waits for the other. */
static void write_waits(void)
{
    struct seed seed;
    begin(&seed, "session/waits");
    add_own(&seed, STEP_OPEN, 1, NULL, 0);
    add_own(&seed, STEP_WAITS, 0, (const uint8_t[]){0, 1}, 2);
    add_call(&seed, "session_get_stats", 1, NULL, 0);
    add_own(&seed, STEP_WAITS, 0, (const uint8_t[]){0, 2, 5, 1}, 4);
    add_call(&seed, "session_get_stats", 1, NULL, 0);
    add_call(&seed, "session_get_stats", 0, NULL, 0);
    save(&seed);
    begin(&seed, "session/waits-for-ever");
    add_own(&seed, STEP_OPEN, 1, NULL, 0);
    add_own(&seed, STEP_WAITS, 0, (const uint8_t[]){0, 200}, 2);
    add_call(&seed, "session_get_stats", 1, NULL, 0);
    add_words(&seed, STEP_COMMAND, 0, APIR_COMMAND_CLOSE_QUEUE, 1, 0);
    add_own(&seed, STEP_OPEN, 1, NULL, 0);
    save(&seed);
    begin(&seed, "session/waits-for-itself");
    add_own(&seed, STEP_WAITS, 0, (const uint8_t[]){0, 2}, 2);
    add_call(&seed, "session_get_stats", 0, NULL, 0);
    save(&seed);
}

static void write_queues(void)
{
    struct seed seed;
    begin(&seed, "session/queues");
    add_own(&seed, STEP_OPEN, 1, NULL, 0);
    add_own(&seed, STEP_OPEN, 2, NULL, 0);
    add_words(&seed, STEP_COMMAND, 0, APIR_COMMAND_KICK, 2, 0);
    add_words(&seed, STEP_COMMAND, 0, APIR_COMMAND_CLOSE_QUEUE, 2, 0);
    add_words(&seed, STEP_TAKE_AWAY, 0, SESSION_QUEUE_ID + 1, 0, 0);
    add_words(&seed, STEP_TAKE_AWAY, 0, 3, 0, 0);
    add_own(&seed, STEP_FENCE, 0, (const uint8_t[16]){1}, 16);
    add_words(&seed, STEP_TAKE_AWAY, 0, SESSION_STATUS_ID, 0, 0);
    save(&seed);
    static const struct {
        const char *path;
        uint32_t command, number, shm;
    } bad[] = {
        {"session/queue-number", APIR_COMMAND_OPEN_QUEUE, APIR_MAX_QUEUES, SESSION_QUEUE_ID},
        {"session/queue-twice", APIR_COMMAND_OPEN_QUEUE, 0, SESSION_QUEUE_ID},
        {"session/queue-small", APIR_COMMAND_OPEN_QUEUE, 1, 2},
        {"session/queue-without", APIR_COMMAND_OPEN_QUEUE, 1, 99},
        {"session/kick-none", APIR_COMMAND_KICK, 7, 0},
        {"session/close-none", APIR_COMMAND_CLOSE_QUEUE, 7, 0},
        {"session/command", 55, 0, 0},
    };
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        begin(&seed, bad[i].path);
        add_words(&seed, STEP_COMMAND, 0, bad[i].command, bad[i].number, bad[i].shm);
        save(&seed);
    }
    start(&seed, &apir_fuzz_protocol, "session/few-queues");
    add_own(&seed, STEP_HOST, 0, (const uint8_t[]){HOST_LITTLE}, 1);
    add_own(&seed, STEP_BEGIN, 0, NULL, 0);
    for (unsigned queue = 1; queue < 3; queue++)
        add_own(&seed, STEP_OPEN, queue, NULL, 0);
    save(&seed);
}

static void write_records(void)
{
    struct seed seed;
    begin(&seed, "session/record");
    add_own(&seed, STEP_RECORD, 0, "nothing of use", 14);
    save(&seed);
    begin(&seed, "session/unknown-call");
    const uint32_t unknown[] = {4711, 20, 2, 0, 0};
    add_own(&seed, STEP_RECORD, 0, unknown, sizeof unknown);
    save(&seed);
    begin(&seed, "session/scribble");
    add_words(&seed, STEP_SCRIBBLE, 0, 0, 0x1234, 0);
    add_words(&seed, STEP_COMMAND, 0, APIR_COMMAND_KICK, 0, 0);
    add_call(&seed, "session_get_stats", 0, NULL, 0);
    save(&seed);
}

static void write_frames(void)
{
    static const struct {
        const char *path;
        uint32_t type, a, b;
    } frames[] = {
        {"session/frame-unknown", 99, 0, 0},       {"session/frame-short", APIR_FRAME_SHM_ADD, 1, 2},
        {"session/frame-fence", APIR_FRAME_FENCE, 1, 2}, {"session/frame-remove", APIR_FRAME_SHM_REMOVE, 1, 2},
        {"session/frame-submit", APIR_FRAME_SUBMIT, 0, 0},
    };
    struct seed seed;
    for (unsigned i = 0; i < sizeof frames / sizeof *frames; i++) {
        begin(&seed, frames[i].path);
        add_words(&seed, STEP_FRAME, 1, frames[i].type, frames[i].a, frames[i].b);
        save(&seed);
    }
    start(&seed, &apir_fuzz_protocol, "session/handshake-page");
    add_own(&seed, STEP_HANDSHAKE, 2, NULL, 0);
    save(&seed);
    begin(&seed, "session/handshake-twice");
    add_own(&seed, STEP_HANDSHAKE, 0, NULL, 0);
    save(&seed);
    start(&seed, &apir_fuzz_protocol, "session/shared-too-much");
    add_own(&seed, STEP_HOST, 0, (const uint8_t[]){HOST_LITTLE}, 1);
    add_own(&seed, STEP_HANDSHAKE, 0, NULL, 0);
    for (uint32_t id = 20; id < 40; id++)
        add_words(&seed, STEP_SHARE, 1, id, HOST_SLOT_SIZE, 0);
    add_words(&seed, STEP_SHARE, 1, 20, HOST_SLOT_SIZE, 0);
    save(&seed);
    start(&seed, &apir_fuzz_protocol, "session/shared-beyond");
    add_words(&seed, STEP_SHARE, 1, 20, HOST_SLOT_SIZE + 1, 0);
    save(&seed);
}

/* A compute that fails is told in the ring. */
static void write_failure(void)
{
    struct seed seed;
    begin(&seed, "session/failure");
    add_call(&seed, "stream_create", 0, (const uint32_t[]){0}, 4);
    add_call(&seed, "graph", 0, (const uint32_t[]){0, 0}, 8);
    const uint32_t compute[] = {1, 0, 1, 0, 0, 0, 0, 1};
    add_call(&seed, "graph_compute", 0, compute, sizeof compute);
    add_call(&seed, "stream_collect", 0, (const uint64_t[]){1}, 8);
    save(&seed);
}

/* --- hosts ------------------------------------------------------------------------------------ */

static void write_variants(const struct fuzz_protocol *protocol, const char *target, unsigned host_step)
{
    char path[64];
    struct seed seed;
    for (uint8_t variant = 1; variant < HOST_VARIANTS; variant++) {
        snprintf(path, sizeof path, "%s/host-%u", target, variant);
        start(&seed, protocol, path);
        add_own(&seed, host_step, 0, &variant, 1);
        add_own(&seed, 0, 0, NULL, 0); /* begins */
        add_own(&seed, 0, 0, NULL, 0);
        for (unsigned i = 0; i < 4; i++)
            add_call(&seed, "buffer_alloc", 0, (const uint32_t[]){0, 8192, 0}, 12);
        add_call(&seed, "device_get_memory", 0, (const uint32_t[]){0}, protocol == &apir_fuzz_protocol ? 4 : 0);
        add_call(&seed, "device_buffer_from_ptr", 0, (const uint32_t[]){1, 4096, 0, 64, 0}, 20);
        save(&seed);
    }
}

/* A guest of another release, whose ops are only taken if they have not changed. */
static void write_other_release(void)
{
    static const char *const ops[] = {"NONE", "ADD", "SOFT_MAX", "CUSTOM", "NO_SUCH_OP"}, *const unary[] = {"ABS", "NO"};
    const struct apir_type_info types[] = {{"f32", 1, 4}, {"none", 0, 0}, {"q4_0", 32, 19}};
    static const char *const versions[] = {"0.1.0", "other"};
    uint8_t args[1024];
    struct seed seed;
    for (unsigned i = 0; i < 2; i++) {
        struct apir_enc enc;
        apir_enc_init(&enc, args, sizeof args);
        apir_encode_negotiate_args(&enc, &(struct apir_negotiate_args){.ggml_version = versions[i],
                                                                       .max_src = GGML_MAX_SRC,
                                                                       .max_dims = GGML_MAX_DIMS,
                                                                       .max_op_params = GGML_MAX_OP_PARAMS,
                                                                       .ops = ops,
                                                                       .n_ops = 5,
                                                                       .unary_ops = unary,
                                                                       .n_unary_ops = 2,
                                                                       .glu_ops = unary,
                                                                       .n_glu_ops = 1,
                                                                       .types = types,
                                                                       .n_types = 3});
        start(&seed, &apir_fuzz_protocol, i ? "dispatch/release-other" : "dispatch/release-old");
        add_call(&seed, "load_library", 0, NULL, 0);
        add_call(&seed, "negotiate", 0, args, apir_enc_used(&enc));
        save(&seed);
    }
}

/* Backends of the later revision, by their first number. */
static void write_backends(void)
{
    const uint32_t id[] = {1, UINT32_C(0x11) << 24, 1};
    struct seed seed;
    start(&seed, &apir_upstream_fuzz_protocol, "dispatch-upstream/backends");
    add_own(&seed, 0, 0, NULL, 0);
    add_own(&seed, 2, 0, (const uint8_t[8]){0}, 8);
    add_own(&seed, 2, 0, (const uint8_t[8]){0}, 8);
    const uint32_t compute[] = {1, 0, 0, id[0], id[1], id[2]};
    add_call(&seed, "graph", 0, (const uint8_t[16]){0}, 16);
    add_call(&seed, "backend_graph_compute", 0, compute, sizeof compute);
    add_own(&seed, 3, 0, id, sizeof id);
    add_own(&seed, 3, 0, id, sizeof id);
    add_call(&seed, "backend_graph_compute", 0, compute, sizeof compute);
    save(&seed);
}

/* --- ops that ggml's own test does not have ------------------------------------------------- */

static struct apir_tensor describe(const struct ggml_tensor *from)
{
    struct apir_tensor to = {.type = from->type, .op = from->op, .flags = GGML_TENSOR_FLAG_COMPUTE, .name = "t"};
    for (int d = 0; d < GGML_MAX_DIMS; d++) {
        to.ne[d] = (uint64_t)from->ne[d];
        to.nb[d] = from->nb[d];
    }
    memcpy(to.op_params, from->op_params, sizeof to.op_params);
    return to;
}

/* A graph of one node, whose sources are values; with a host of little memory for graphs, too. */
static void write_node(const char *name, const struct ggml_tensor *node)
{
    struct apir_tensor tensors[GGML_MAX_SRC + 1];
    uint32_t src[GGML_MAX_SRC] = {0}, n = 0, n_src = 0;
    uint64_t sizes[INPUT_BUFFERS];
    struct seed seed;
    struct input own = {.size = 0}, deployed = {.size = 0};
    for (uint32_t i = 0; i < GGML_MAX_SRC; i++)
        if (node->src[i]) {
            tensors[n++] = describe(node->src[i]);
            src[i] = n;
            n_src = i + 1;
        }
    tensors[n] = describe(node);
    tensors[n].src = src;
    tensors[n].n_src = n_src;
    input_arrange(tensors, n + 1);
    struct apir_graph graph = {.tensors = tensors, .n_tensors = n + 1, .nodes = &n, .n_nodes = 1};
    unsigned buffers = input_number_buffers(&graph, sizes);
    input_write_own(&graph, sizes, buffers, &own);
    input_write_upstream(&graph, sizes, buffers, &deployed);
    char path[64];
    snprintf(path, sizeof path, "dispatch/op-%s", name);
    start(&seed, &apir_fuzz_protocol, path);
    memcpy(seed.bytes, own.bytes, seed.size = own.size);
    save(&seed);
    snprintf(path, sizeof path, "dispatch-upstream/op-%s", name);
    start(&seed, &apir_upstream_fuzz_protocol, path);
    memcpy(seed.bytes, deployed.bytes, seed.size = deployed.size);
    save(&seed);
    snprintf(path, sizeof path, "dispatch/little-%s", name);
    start(&seed, &apir_fuzz_protocol, path);
    add_own(&seed, 2, 0, (const uint8_t[]){HOST_LITTLE}, 1);
    memcpy(seed.bytes + seed.size, own.bytes, own.size);
    seed.size += own.size;
    save(&seed);
}

static struct ggml_tensor *tensor(struct ggml_context *context, int64_t a, int64_t b, int64_t c, int64_t d)
{
    return ggml_new_tensor_4d(context, GGML_TYPE_F32, a, b, c, d);
}

static void write_ops(void)
{
    struct ggml_context *c = ggml_init((struct ggml_init_params){.mem_size = 1 << 20, .no_alloc = true});
    struct ggml_tensor *parts = ggml_win_part(c, tensor(c, 8, 6, 6, 1), 4);
    struct ggml_tensor *kernel = tensor(c, 3, 3, 2, 2);
    struct ggml_tensor *columns = ggml_im2col(c, kernel, tensor(c, 8, 8, 2, 1), 1, 1, 0, 0, 1, 1, true, GGML_TYPE_F32);
    int sections[GGML_MROPE_SECTIONS] = {8, 8, 0, 0};
    write_node("win-part", parts);
    write_node("win-unpart", ggml_win_unpart(c, tensor(c, 8, 4, 4, 4), 6, 6, 4));
    write_node("get-rel-pos", ggml_get_rel_pos(c, ggml_new_tensor_2d(c, GGML_TYPE_F16, 8, 7), 4, 4));
    write_node("add-rel-pos", ggml_add_rel_pos(c, tensor(c, 16, 16, 2, 1), tensor(c, 4, 4, 4, 2), tensor(c, 4, 4, 4, 2)));
    write_node("pool-back", ggml_pool_2d_back(c, tensor(c, 4, 4, 1, 1), tensor(c, 8, 8, 1, 1), GGML_OP_POOL_MAX, 2, 2, 2, 2, 0, 0));
    write_node("im2col-back", ggml_im2col_back(c, columns, kernel, (int64_t[]){8, 8, 2, 1}, 1, 1, 0, 0, 1, 1, true));
    write_node("rope-vision", ggml_rope_multi(c, tensor(c, 32, 2, 4, 1), ggml_new_tensor_1d(c, GGML_TYPE_I32, 16), NULL, 16, sections,
                                              GGML_ROPE_TYPE_VISION, 512, 10000, 1, 0, 1, 32, 1));
    ggml_free(c);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: fuzz-seeds FOLDER\n");
        return 2;
    }
    folder = argv[1];
    write_upstream_sessions();
    write_waits();
    write_queues();
    write_records();
    write_frames();
    write_failure();
    write_variants(&apir_fuzz_protocol, "dispatch", 2);
    write_variants(&apir_upstream_fuzz_protocol, "dispatch-upstream", 5);
    write_variants(&apir_fuzz_protocol, "session", STEP_HOST);
    write_other_release();
    write_backends();
    write_ops();
    return 0;
}
