/* Takes nodes that ggml makes, changes something about them, and has ggml's CPU backend compute what op-check.c lets
 * pass, each tensor in memory with no page beside it. A kernel that reads or writes what is not the node's ends a child
 * of this program; that is a finding, and a rule is missing. So is one that ggml aborts for. Arguments, for more than
 * the few of the test: the number of mutants, a seed, a library with a backend for the CPU. */
#include <ggml-backend.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "executor/op-check.h"
#include "op-samples.h"

enum {
    PAGE = 4096,
    SLOT = 256 * PAGE,              /* memory of a tensor */
    STRIDE = PAGE + SLOT + PAGE,    /* from slot to slot: no memory is beside them */
    SLOT_BEFORE = GGML_MAX_SRC + 1, /* of the node before */
    N_SLOTS,
    MAX_FINDINGS = 400,
    MAX_TEXT = 200,
    HANG_SECONDS = 60,
    FEW_MUTANTS = 10000,
};

/* Of the children, in memory that outlives them. */
struct progress {
    uint64_t next; /* mutant to be tried */
    uint64_t accepted, computed;
    char node[MAX_TEXT];    /* the node being computed */
    char message[MAX_TEXT]; /* of ggml, before it aborts */
};

struct finding {
    int signal;
    unsigned count;
    uint64_t mutant;
    char node[MAX_TEXT];
    char message[MAX_TEXT];
};

struct program {
    struct progress *progress;
    ggml_backend_t backend;
    ggml_backend_dev_t device;
    char *slots;
    ggml_backend_buffer_t buffer;
    uint64_t seed, end;
    const char *library; /* of a backend for the CPU; NULL: ggml's choice */
};

static uint64_t next_random(uint64_t *state)
{
    uint64_t x = *state += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static unsigned pick(uint64_t *state, unsigned n)
{
    return (unsigned)(next_random(state) % n);
}

/* --- memory of ggml's own --- */

/* What C++ code allocates as an array, which is how the backend gets the memory that kernels work in: with no page
 * behind it either. In front of it is its size. */
void *guarded_alloc(size_t size) __asm__("_Znam") __attribute__((visibility("default")));
void guarded_free(void *memory) __asm__("_ZdaPv") __attribute__((visibility("default")));

void *guarded_alloc(size_t size)
{
    size_t aligned = (size + 15) / 16 * 16, pages = (aligned + 16 + PAGE - 1) / PAGE * PAGE;
    char *start = mmap(NULL, pages + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED || mprotect(start + pages, PAGE, PROT_NONE) < 0)
        abort();
    size_t *memory = (size_t *)(void *)(start + pages - aligned - 16);
    *memory = pages + PAGE;
    return (char *)memory + 16;
}

void guarded_free(void *memory)
{
    if (!memory)
        return;
    size_t total = *(size_t *)(void *)((char *)memory - 16);
    char *end = (char *)memory - 16;
    munmap(end - (uintptr_t)end % PAGE, total);
}

/* --- changes --- */

static void pack_densely(struct ggml_tensor *tensor)
{
    tensor->nb[0] = ggml_type_size(tensor->type);
    tensor->nb[1] = tensor->nb[0] * (size_t)(tensor->ne[0] / ggml_blck_size(tensor->type));
    for (int i = 2; i < GGML_MAX_DIMS; i++)
        tensor->nb[i] = tensor->nb[i - 1] * (size_t)tensor->ne[i - 1];
}

static void change_shape(struct ggml_tensor *tensor, uint64_t *random)
{
    int64_t *ne = &tensor->ne[pick(random, GGML_MAX_DIMS)], *other = &tensor->ne[pick(random, GGML_MAX_DIMS)];
    int64_t old = *ne;
    switch (pick(random, 9)) {
    case 0:
        *ne = old + 1;
        break;
    case 1:
        *ne = old > 0 ? old - 1 : 0;
        break;
    case 2:
        *ne = old * 2;
        break;
    case 3:
        *ne = old / 2;
        break;
    case 4:
        *ne = 1;
        break;
    case 5:
        *ne = 0;
        break;
    case 6:
        *ne = pick(random, 300);
        break;
    default:
        *ne = *other;
        *other = old;
        break;
    }
    if (pick(random, 4))
        pack_densely(tensor);
}

/* Any dimension, or one that is 1, where a stride should make no difference. */
static unsigned pick_dimension(const struct ggml_tensor *tensor, uint64_t *random)
{
    unsigned dim = pick(random, GGML_MAX_DIMS);
    for (unsigned i = pick(random, 2) * GGML_MAX_DIMS; i > 0 && tensor->ne[dim] != 1; i--)
        dim = (dim + 1) % GGML_MAX_DIMS;
    return dim;
}

static void change_strides(struct ggml_tensor *tensor, uint64_t *random)
{
    size_t *nb = &tensor->nb[pick_dimension(tensor, random)], *other = &tensor->nb[pick(random, GGML_MAX_DIMS)];
    size_t old = *nb;
    switch (pick(random, 6)) {
    case 0:
        *nb = old * 2;
        break;
    case 1:
        *nb = old / 2;
        break;
    case 2:
        *nb = 0;
        break;
    case 3:
        *nb = ggml_type_size(tensor->type) * pick(random, 300);
        break;
    default:
        *nb = *other;
        *other = old;
        break;
    }
}

/* Both dimensions and strides, as ggml_permute does. */
static void permute(struct ggml_tensor *tensor, uint64_t *random)
{
    unsigned a = pick(random, GGML_MAX_DIMS), b = pick(random, GGML_MAX_DIMS);
    int64_t ne = tensor->ne[a];
    size_t nb = tensor->nb[a];
    tensor->ne[a] = tensor->ne[b];
    tensor->nb[a] = tensor->nb[b];
    tensor->ne[b] = ne;
    tensor->nb[b] = nb;
}

static void change_type(struct ggml_tensor *tensor, uint64_t *random)
{
    static const enum ggml_type usual[] = {GGML_TYPE_F32, GGML_TYPE_F16, GGML_TYPE_BF16, GGML_TYPE_I32, GGML_TYPE_I64};
    enum ggml_type type = pick(random, 2) ? usual[pick(random, 5)] : (enum ggml_type)pick(random, GGML_TYPE_COUNT);
    if (ggml_blck_size(type) == 0)
        return;
    tensor->type = type;
    if (pick(random, 8))
        pack_densely(tensor);
}

static void change_parameter(struct ggml_tensor *op, uint64_t *random)
{
    static const int32_t values[] = {0,        1,         2,         3,          4,          7,         8,   10,
                                     24,       40,        -1,        -2,         100,        255,       256, 0x10000,
                                     0x100000, INT32_MAX, INT32_MIN, 0x7fc00000, 0x7f800000, 0x3f800000};
    int32_t *param = &op->op_params[pick(random, GGML_MAX_OP_PARAMS / sizeof(int32_t))];
    if (pick(random, 3))
        param = &op->op_params[pick(random, 7)];
    switch (pick(random, 4)) {
    case 0:
        *param += 1;
        break;
    case 1:
        *param -= 1;
        break;
    case 2:
        *param = (int32_t)pick(random, 64);
        break;
    default:
        *param = values[pick(random, sizeof values / sizeof *values)];
        break;
    }
}

static void change_sources(struct ggml_tensor *op, uint64_t *random)
{
    unsigned a = pick(random, 7), b = pick(random, 7);
    struct ggml_tensor *old = op->src[a];
    op->src[a] = op->src[b];
    if (pick(random, 3))
        op->src[b] = old;
    if (pick(random, 3) == 0)
        op->src[a] = NULL;
}

/* The node or one of its sources. */
static struct ggml_tensor *pick_tensor(struct ggml_tensor *op, uint64_t *random)
{
    struct ggml_tensor *source = op->src[pick(random, 4)];
    return source && pick(random, 4) ? source : op;
}

static void change(struct ggml_tensor *op, uint64_t *random)
{
    struct ggml_tensor *tensor = pick_tensor(op, random);
    switch (pick(random, 16)) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4:
        change_shape(tensor, random);
        break;
    case 5:
    case 6:
    case 7:
        change_strides(tensor, random);
        break;
    case 8:
        permute(tensor, random);
        break;
    case 9:
    case 10:
        change_type(tensor, random);
        break;
    case 11:
        change_sources(op, random);
        break;
    case 12:
        op->op = (enum ggml_op)pick(random, GGML_OP_COUNT);
        break;
    default:
        change_parameter(op, random);
        break;
    }
}

/* Changes to several tensors at once in the same way, so that what has to fit still does. */
static void change_together(struct ggml_tensor *op, uint64_t *random)
{
    unsigned dim = pick(random, GGML_MAX_DIMS);
    int64_t from = pick_tensor(op, random)->ne[dim], to = pick(random, 3) ? pick(random, 40) : 1;
    for (int i = -1; i < GGML_MAX_SRC; i++) {
        struct ggml_tensor *tensor = i < 0 ? op : op->src[i];
        if (!tensor)
            continue;
        for (int d = 0; d < GGML_MAX_DIMS; d++)
            if (tensor->ne[d] == from)
                tensor->ne[d] = to;
        if (pick(random, 8))
            pack_densely(tensor);
    }
}

/* --- running --- */

/* The bytes from the first to behind the last element, as the executor counts them; 0 when they do not fit a slot. */
static size_t reach(const struct ggml_tensor *tensor)
{
    size_t blck = (size_t)ggml_blck_size(tensor->type), size = ggml_type_size(tensor->type);
    if (ggml_is_empty(tensor) || (size_t)tensor->ne[0] % blck)
        return 0;
    size_t first = tensor->nb[0] < size ? size : tensor->nb[0];
    double bytes = (double)((size_t)tensor->ne[0] / blck - 1) * (double)first + (double)(blck == 1 ? size : first);
    for (int i = 1; i < GGML_MAX_DIMS; i++)
        bytes += (double)(tensor->ne[i] - 1) * (double)tensor->nb[i];
    return bytes <= (double)SLOT ? (size_t)bytes : 0;
}

/* Numbers that are indices are 0: what is in tensors is not what is tried here. */
static void fill(struct ggml_tensor *tensor, size_t size, uint64_t *random)
{
    bool is_float = tensor->type == GGML_TYPE_F32;
    memset(tensor->data, 0, size);
    if (is_float)
        for (size_t i = 0; i < size / sizeof(float); i++)
            memcpy((char *)tensor->data + i * sizeof(float), &(float){(float)pick(random, 100) / 50 - 1},
                   sizeof(float));
    else if (tensor->type != GGML_TYPE_I32 && tensor->type != GGML_TYPE_I64)
        memset(tensor->data, 0x2b, size);
}

static char *slot_start(const struct program *p, unsigned slot)
{
    return p->slots + (size_t)slot * STRIDE + PAGE;
}

/* Gives the tensor memory that ends, or begins, where there is none. */
static bool place(const struct program *p, struct ggml_tensor *tensor, unsigned slot, size_t slack, uint64_t *random)
{
    size_t size = reach(tensor) + slack;
    if (size > SLOT || (reach(tensor) == 0 && !ggml_is_empty(tensor)) ||
        (size_t)tensor->ne[0] % (size_t)ggml_blck_size(tensor->type))
        return false;
    char *start = slot_start(p, slot);
    tensor->data = pick(random, 4) ? start + SLOT - size : start;
    tensor->buffer = p->buffer;
    tensor->view_src = NULL;
    fill(tensor, size, random);
    return true;
}

/* Bytes behind a source that are known to be read and forgotten: ROPE's factors, for what is not rotated. */
static size_t over_read(const struct ggml_tensor *op, unsigned source)
{
    bool is_rope = op->op == GGML_OP_ROPE || op->op == GGML_OP_ROPE_BACK;
    return is_rope && source == 2 ? (size_t)op->ne[0] * sizeof(float) / 2 : 0;
}

/* The first source, if it is a node that can be computed before: one sample has two, since backends make one of them.
 */
static struct ggml_tensor *find_node_before(const struct ggml_tensor *op)
{
    struct ggml_tensor *before = op->src[0];
    return before && before->op == GGML_OP_RMS_NORM && !apir_op_check(before) && apir_op_check_cpu(before) ? before
                                                                                                           : NULL;
}

static bool place_all(const struct program *p, struct ggml_tensor *op, uint64_t *random)
{
    struct ggml_tensor *before = find_node_before(op);
    if (!place(p, op, GGML_MAX_SRC, 0, random) || (before && !place(p, before->src[0], SLOT_BEFORE, 0, random)))
        return false;
    for (unsigned i = 0; i < GGML_MAX_SRC; i++) {
        struct ggml_tensor *source = op->src[i];
        if (source == op)
            return false;
        if (source && !source->data && !place(p, source, i, over_read(op, i), random))
            return false;
        if (!source || source == before)
            continue;
        source->op = GGML_OP_NONE;
        memset(source->src, 0, sizeof source->src);
    }
    return true;
}

static int print_tensor(char *text, size_t size, const struct ggml_tensor *t)
{
    return snprintf(text, size, " %s[%d %d %d %d|%d %d %d %d]", ggml_type_name(t->type), (int)t->ne[0], (int)t->ne[1],
                    (int)t->ne[2], (int)t->ne[3], (int)t->nb[0], (int)t->nb[1], (int)t->nb[2], (int)t->nb[3]);
}

static void print_node(char text[4 * MAX_TEXT], const struct ggml_tensor *op)
{
    size_t size = 4 * MAX_TEXT, used = (size_t)snprintf(text, size, "%s(", ggml_op_desc(op));
    for (int i = 0; i < 12; i++)
        used += (size_t)snprintf(text + used, size - used, "%d ", op->op_params[i]);
    used += (size_t)snprintf(text + used, size - used, ")");
    used += (size_t)print_tensor(text + used, size - used, op);
    for (int i = 0; i < GGML_MAX_SRC && used < size; i++)
        if (op->src[i])
            used += (size_t)print_tensor(text + used, size - used, op->src[i]);
}

static void compute(const struct program *p, struct ggml_context *context, struct ggml_tensor *op)
{
    struct ggml_cgraph *graph = ggml_new_graph_custom(context, 16, false);
    ggml_build_forward_expand(graph, op);
    snprintf(p->progress->node, sizeof p->progress->node, "%s", ggml_op_name(op->op));
    alarm(HANG_SECONDS);
    ggml_backend_graph_compute(p->backend, graph);
    alarm(0);
    p->progress->computed++;
}

/* The node that is mutant number n, with memory if it is to be computed. */
static struct ggml_tensor *make_mutant(const struct program *p, struct ggml_context *context, uint64_t n,
                                       bool *accepted)
{
    uint64_t random = p->seed + n * UINT64_C(0x632be59bd9b4e019);
    struct ggml_tensor *op = op_sample(context, pick(&random, op_sample_count()), pick(&random, 1000));
    for (unsigned i = pick(&random, 4); i > 0; i--)
        if (pick(&random, 6))
            change(op, &random);
        else
            change_together(op, &random);
    *accepted = !apir_op_check(op) && apir_op_check_cpu(op) && place_all(p, op, &random);
    return op;
}

static void try_mutant(const struct program *p, struct ggml_context *context, uint64_t n)
{
    bool accepted;
    struct ggml_tensor *op = make_mutant(p, context, n, &accepted);
    if (!accepted)
        return;
    p->progress->accepted++;
    if (ggml_backend_dev_supports_op(p->device, op))
        compute(p, context, op);
}

static const struct program *running; /* for functions that have no argument for it */

static void keep_message(const char *message)
{
    snprintf(running->progress->message, sizeof running->progress->message, "%s", message);
}

/* Notes whose memory was left. */
static void keep_place(int signal, siginfo_t *info, void *unused)
{
    (void)unused;
    ptrdiff_t offset = (char *)info->si_addr - running->slots;
    const char *where = offset < 0 || offset >= (ptrdiff_t)STRIDE * N_SLOTS ? "elsewhere"
                        : offset % STRIDE < STRIDE / 2                      ? "before"
                                                                            : "behind";
    snprintf(running->progress->message, sizeof running->progress->message, "%s %s", where,
             offset / STRIDE == GGML_MAX_SRC ? "the result" : "a source");
    sigaction(signal, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
}

static struct ggml_context *open_context(void)
{
    return ggml_init((struct ggml_init_params){.mem_size = 1 << 20, .no_alloc = true});
}

static void run_child(const struct program *p)
{
    struct ggml_context *context = open_context();
    if (!freopen("/dev/null", "w", stderr))
        _exit(2);
    ggml_set_abort_callback(keep_message);
    sigaction(SIGSEGV, &(struct sigaction){.sa_sigaction = keep_place, .sa_flags = SA_SIGINFO}, NULL);
    while (p->progress->next < p->end) {
        uint64_t n = p->progress->next++;
        ggml_reset(context);
        try_mutant(p, context, n);
    }
    _exit(0);
}

static void add_finding(struct finding *findings, unsigned *n, int signal, const struct progress *progress)
{
    for (unsigned i = 0; i < *n; i++)
        if (findings[i].signal == signal && strcmp(findings[i].node, progress->node) == 0 &&
            strcmp(findings[i].message, progress->message) == 0) {
            findings[i].count++;
            return;
        }
    if (*n == MAX_FINDINGS)
        return;
    struct finding *finding = &findings[(*n)++];
    *finding = (struct finding){.signal = signal, .count = 1, .mutant = progress->next - 1};
    memcpy(finding->node, progress->node, sizeof finding->node);
    memcpy(finding->message, progress->message, sizeof finding->message);
}

static void report(const struct program *p, const struct finding *findings, unsigned n)
{
    struct ggml_context *context = open_context();
    for (unsigned i = 0; i < n; i++) {
        char text[4 * MAX_TEXT];
        bool accepted;
        ggml_reset(context);
        print_node(text, make_mutant(p, context, findings[i].mutant, &accepted));
        printf("# %s, %u times, mutant %llu: %s\n#     %s\n", strsignal(findings[i].signal), findings[i].count,
               (unsigned long long)findings[i].mutant, findings[i].message, text);
    }
    ggml_free(context);
    printf("# %llu mutants, %llu accepted, %llu computed, %u findings\n", (unsigned long long)p->progress->next,
           (unsigned long long)p->progress->accepted, (unsigned long long)p->progress->computed, n);
}

static bool open_program(struct program *p)
{
    p->progress = mmap(NULL, sizeof *p->progress, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    p->slots = mmap(NULL, (size_t)N_SLOTS * STRIDE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p->progress == MAP_FAILED || p->slots == MAP_FAILED)
        return false;
    for (unsigned i = 0; i < N_SLOTS; i++)
        if (mprotect(slot_start(p, i), SLOT, PROT_READ | PROT_WRITE) < 0)
            return false;
    running = p;
    if (p->library)
        ggml_backend_load(p->library);
    else
        ggml_backend_load_all();
    p->device = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
    p->backend = p->device ? ggml_backend_dev_init(p->device, "") : NULL;
    p->buffer = ggml_backend_cpu_buffer_from_ptr(slot_start(p, 0), SLOT);
    return p->backend && p->buffer;
}

/* The number of findings. */
static unsigned run(struct program *p)
{
    struct finding *findings = calloc(MAX_FINDINGS, sizeof *findings);
    unsigned n = 0;
    assert_non_null(findings);
    setenv("GGML_NO_BACKTRACE", "1", 1);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    assert_true(open_program(p));
    while (p->progress->next < p->end) {
        int status = 0;
        memset(p->progress->message, 0, sizeof p->progress->message);
        fflush(stdout);
        pid_t child = fork();
        if (child == 0)
            run_child(p);
        assert_true(child > 0 && waitpid(child, &status, 0) == child);
        if (WIFSIGNALED(status))
            add_finding(findings, &n, WTERMSIG(status), p->progress);
        else
            assert_int_equal(WEXITSTATUS(status), 0);
    }
    report(p, findings, n);
    free(findings);
    ggml_backend_buffer_free(p->buffer);
    ggml_backend_free(p->backend);
    return n;
}

static void no_mutant_that_passes_leads_a_kernel_astray(void **state)
{
    (void)state;
    struct program p = {.seed = 1, .end = FEW_MUTANTS};
    assert_int_equal(run(&p), 0);
    assert_true(p.progress->computed > FEW_MUTANTS / 10);
}

int main(int argc, char **argv)
{
    struct program p = {.seed = 1};
    if (argc > 1) {
        p.end = strtoull(argv[1], NULL, 10);
        p.seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
        p.library = argc > 3 ? argv[3] : NULL;
        return run(&p) > 0;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(no_mutant_that_passes_leads_a_kernel_astray)};
    return cmocka_run_group_tests_name("op mutation", tests, NULL, NULL);
}
