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
    int fds[HOST_SLOTS], ledger_fd;
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

/* As apird does when it starts. */
static void check_probe(struct apir_executor *executor)
{
    char message[APIR_MAX_MESSAGE];
    FILE *nowhere = fopen("/dev/null", "w");
    int ret = nowhere ? apir_executor_probe(executor, nowhere, message, sizeof message) : -ENOENT;
    FUZZ_CHECK(ret == 0);
    fclose(nowhere);
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
    check_probe(executor);
    apir_executor_destroy(executor);
}

static int make_file(size_t size)
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    int failed = ftruncate(fd, (off_t)size);
    assert(fd >= 0 && !failed);
    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW);
    return fd;
}

static void make_slots(void)
{
    once.ledger_fd = make_file(APIR_LEDGER_SIZE);
    for (unsigned i = 0; i < HOST_SLOTS; i++) {
        once.fds[i] = make_file(HOST_SLOT_SIZE);
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

/* Of each target that has a host: what calls host_init() is linked with this. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    host_prepare();
    return 0;
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

static void refuse(void *data, struct apir_executor_sandbox *sandbox)
{
    (void)data;
    sandbox->refusal = "there is no sandbox";
}

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
    const char *const devices[HOST_VARIANTS] = {[HOST_CONFINED] = "0", [HOST_CLIENT] = "CPU", [HOST_SERVICE] = "7"};
    options.library = libraries[variant] ? libraries[variant] : options.library;
    options.symbol = symbols[variant] ? symbols[variant] : options.symbol;
    options.single_device = devices[variant];
    if (variant == HOST_LITTLE)
        options.limits = (struct apir_limits){
            .memory = 8 << 20, .buffers = 3, .queues = 1, .shared_memory = 1 << 20, .graph_nodes = 2, .graph_memory = 1024};
    if (variant == HOST_CONFINED)
        options.confine = refuse;
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
    if (variant % HOST_VARIANTS == HOST_CLIENT) {
        apir_ledger_open(&host->ledger, once.ledger_fd, 0, 1 << 20);
        options.ledger = &host->ledger;
    }
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
    host_tell(apir_executor_library_name(host->executor), 0); /* as a worker does at its end */
    host_tell(apir_executor_device_name(host->executor), 0);
    apir_executor_destroy(host->executor);
    apir_ledger_close(&host->ledger);
    apir_shm_table_finish(&host->memory);
}
