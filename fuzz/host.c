#include "host.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "executor/private.h"
#include "fuzz.h"

/* libFuzzer hands a target no context: what is made once is here. */
static struct {
    char *library;
    bool verbose;
    int fds[HOST_SLOTS];
    uint8_t *slots[HOST_SLOTS];
} once;

static void say_nothing(enum ggml_log_level level, const char *text, void *data)
{
    (void)level;
    (void)text;
    (void)data;
}

/* Guests may ask for more memory than there is: for sanitizers that is an error unless they are told. */
const char *__asan_default_options(void);
__attribute__((visibility("default"))) const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

static void find_library(void)
{
    const struct apir_executor_options options = {.library = "cpu", .threads = 1};
    struct apir_executor *executor = apir_executor_create(&options);
    assert(executor);
    apir_library_load(executor);
    if (executor->library.status != APIR_LOAD_STATUS_OK) {
        fprintf(stderr, "%s\n", executor->library.message);
        exit(1);
    }
    once.library = strdup(executor->library.files[0].path);
    apir_executor_destroy(executor);
}

static void make_slots(void)
{
    for (unsigned i = 0; i < HOST_SLOTS; i++) {
        once.fds[i] = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        assert(once.fds[i] >= 0 && ftruncate(once.fds[i], HOST_SLOT_SIZE) == 0);
        fcntl(once.fds[i], F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW);
        once.slots[i] = mmap(NULL, HOST_SLOT_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, once.fds[i], 0);
        assert(once.slots[i] != MAP_FAILED);
    }
}

/* libFuzzer looks at this section as at the counters of code. */
enum { OPS = 128, SUB_OPS = 32, TYPES = 64 };
__attribute__((section("__libfuzzer_extra_counters"))) static uint8_t op_counters[OPS * (SUB_OPS + TYPES)];

void host_note_op(uint32_t op, int32_t sub_op, uint32_t type)
{
    bool has_sub_op = op == GGML_OP_UNARY || op == GGML_OP_GLU;
    op_counters[op % OPS * (SUB_OPS + TYPES) + type % TYPES] = 1;
    if (has_sub_op)
        op_counters[op % OPS * (SUB_OPS + TYPES) + TYPES + (uint32_t)sub_op % SUB_OPS] = 1;
}

void host_tell(const char *call, long result)
{
    if (once.verbose)
        fprintf(stderr, "%s: %ld\n", call, result);
}

void host_prepare(void)
{
    once.verbose = getenv("FUZZ_VERBOSE") != NULL;
    ggml_log_set(say_nothing, NULL);
    find_library();
    make_slots();
}

uint8_t *host_slot(unsigned number)
{
    return once.slots[number % HOST_SLOTS];
}

int host_slot_fd(unsigned number)
{
    return once.fds[number % HOST_SLOTS];
}

static const struct apir_limits limits = {
    .memory = 16 << 20,
    .buffers = HOST_MAX_BUFFERS,
    .queues = 4,
    .shared_memory = 4 << 20,
    .graph_nodes = 1024,
    .graph_memory = 4 << 20,
};

static struct apir_executor_options make_options(unsigned variant)
{
    static char twice[8192];
    snprintf(twice, sizeof twice, "%s:%s", once.library, once.library);
    struct apir_executor_options options = {.library = once.library,
                                            .symbol = "ggml_backend_cpu_reg", /* leaves no trace in ggml's lists */
                                            .threads = 1,
                                            .limits = limits,
                                            .backend_initialize = HOST_INITIALIZE,
                                            .backend_cleanup = HOST_CLEAN_UP};
    const char *const libraries[HOST_VARIANTS] = {[1] = "", [2] = "/nonexistent.so", [3] = twice, [4] = "nonexistent"};
    const char *const symbols[HOST_VARIANTS] = {[5] = "", [6] = "no_such_symbol"};
    const char *const devices[HOST_VARIANTS] = {[7] = "0", [8] = "CPU", [9] = "7"};
    options.library = libraries[variant] ? libraries[variant] : options.library;
    options.symbol = symbols[variant] ? symbols[variant] : options.symbol;
    options.single_device = devices[variant];
    if (variant == 10)
        options.limits = (struct apir_limits){.memory = 4096, .buffers = 1, .queues = 1, .shared_memory = 1 << 20, .graph_nodes = 2};
    return options;
}

void host_init(struct host *host, unsigned variant)
{
    memset(host, 0, sizeof *host);
    apir_shm_table_init(&host->memory);
    struct apir_executor_options options = make_options(variant % HOST_VARIANTS);
    options.memory = &host->memory;
    options.log = &host->log;
    host->log = (struct apir_log){.stream = once.verbose ? stderr : NULL, .level = APIR_LOG_DEBUG, .prefix = "host"};
    host->limits = options.limits;
    host->variant = variant % HOST_VARIANTS;
    host->executor = apir_executor_create(&options);
    assert(host->executor);
    for (unsigned i = 0; i < HOST_SLOTS; i++)
        memset(once.slots[i], 0, HOST_SLOT_SIZE);
}

static int find(void *owner, uint32_t id, void **data, uint64_t *size)
{
    (void)owner;
    if (id - 1 >= HOST_SLOTS)
        return -ENOENT;
    *data = once.slots[id - 1];
    *size = HOST_SLOT_SIZE;
    return 0;
}

void host_share_slots(struct host *host)
{
    if (host->variant == HOST_FINDER) {
        host->memory.find = find;
        return;
    }
    for (unsigned i = 0; i < HOST_SLOTS; i++)
        apir_shm_table_map(&host->memory, i + 1, once.fds[i], 0, HOST_SLOT_SIZE);
}

void host_finish(struct host *host)
{
    apir_executor_destroy(host->executor);
    apir_shm_table_finish(&host->memory);
}
