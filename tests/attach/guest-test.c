/* Runs as the first program of a guest whose virtio-gpu device is apird with echo-worker: uses it by the kernel's own
 * ioctls, as any process may, and prints "ok N - name" or "not ok N - name" for each test. Linked statically.
 *
 * The environment (from the kernel's command line) says what to do: apir_phase=tests; apir_phase=reboot: leaves live
 * contexts behind and reboots, for ever; apir_phase=hold: leaves live contexts and waits. /modules holds the drivers,
 * in the order in which they are loaded. */
#include <dirent.h>
#include <drm/drm.h>
#include <drm/virtgpu_drm.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "echo-worker.h"

enum {
    CAPSET = 10,
    PAGE = 4096,
    STATUS_SIZE = 0x4000,
    DEAD_OFFSET = 0x3f00,
    MAGIC = 0x52495041,
    WAIT_MS = 20 * 1000,
    MANY = 1000,
};

struct blob {
    uint32_t handle;
    uint32_t resource;
    uint32_t *words;
    uint64_t size;
};

/* A context: an open render node. A mapping holds it open, so they are remembered. */
struct client {
    int fd;
    struct blob mapped[MANY];
    unsigned mapped_count;
};

static uint64_t now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* The device's number may change when its driver is loaded again. */
static int open_node(void)
{
    for (int i = 0; i < 400; i++) {
        char path[64];
        snprintf(path, sizeof path, "/dev/dri/renderD%d", 128 + i % 4);
        int fd = open(path, O_RDWR | O_CLOEXEC);
        if (fd >= 0)
            return fd;
        usleep(10 * 1000);
    }
    return -1;
}

static bool init_context(int fd, uint64_t capset)
{
    struct drm_virtgpu_context_set_param params[] = {
        {VIRTGPU_CONTEXT_PARAM_CAPSET_ID, capset},
        {VIRTGPU_CONTEXT_PARAM_NUM_RINGS, 4},
        {VIRTGPU_CONTEXT_PARAM_POLL_RINGS_MASK, 0},
    };
    struct drm_virtgpu_context_init init = {.num_params = 3, .ctx_set_params = (uintptr_t)params};
    return ioctl(fd, DRM_IOCTL_VIRTGPU_CONTEXT_INIT, &init) == 0;
}

static bool client_open(struct client *client)
{
    client->mapped_count = 0;
    client->fd = open_node();
    return client->fd >= 0 && init_context(client->fd, CAPSET);
}

static void client_close(struct client *client)
{
    for (unsigned i = 0; i < client->mapped_count; i++)
        if (client->mapped[i].words)
            munmap(client->mapped[i].words, client->mapped[i].size);
    if (client->fd >= 0)
        close(client->fd);
}

static bool blob_create(struct client *client, struct blob *blob, uint64_t size)
{
    struct drm_virtgpu_resource_create_blob create = {
        .blob_mem = VIRTGPU_BLOB_MEM_HOST3D, .blob_flags = VIRTGPU_BLOB_FLAG_USE_MAPPABLE, .size = size};
    if (ioctl(client->fd, DRM_IOCTL_VIRTGPU_RESOURCE_CREATE_BLOB, &create) < 0)
        return false;
    struct drm_virtgpu_map map = {.handle = create.bo_handle};
    if (ioctl(client->fd, DRM_IOCTL_VIRTGPU_MAP, &map) < 0)
        return false;
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, client->fd, (off_t)map.offset);
    if (memory == MAP_FAILED)
        return false;
    *blob = (struct blob){create.bo_handle, create.res_handle, memory, size};
    client->mapped[client->mapped_count % MANY] = *blob;
    client->mapped_count += client->mapped_count < MANY;
    return true;
}

static void blob_destroy(struct client *client, struct blob *blob)
{
    struct drm_gem_close gem = {.handle = blob->handle};
    for (unsigned i = 0; i < client->mapped_count; i++)
        if (client->mapped[i].words == blob->words)
            client->mapped[i].words = NULL;
    munmap(blob->words, blob->size);
    ioctl(client->fd, DRM_IOCTL_GEM_CLOSE, &gem);
}

static int submit(struct client *client, const void *words, uint32_t size, uint32_t ring, int *fence)
{
    struct drm_virtgpu_execbuffer exec = {
        .flags = VIRTGPU_EXECBUF_RING_IDX | (fence ? VIRTGPU_EXECBUF_FENCE_FD_OUT : 0),
        .size = size,
        .command = (uintptr_t)words,
        .ring_idx = ring,
        .fence_fd = -1,
    };
    int ret = ioctl(client->fd, DRM_IOCTL_VIRTGPU_EXECBUFFER, &exec);
    if (ret == 0 && fence)
        *fence = exec.fence_fd;
    return ret;
}

static int submit4(struct client *client, uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    uint32_t words[4] = {a, b, c, d};
    return submit(client, words, sizeof words, 0, NULL);
}

static bool wait_word(const uint32_t *word, uint32_t value, int limit_ms)
{
    for (uint64_t start = now_ms(); now_ms() - start < (uint64_t)limit_ms; usleep(200))
        if (__atomic_load_n(word, __ATOMIC_ACQUIRE) == value)
            return true;
    return false;
}

static bool wait_fence(int fence, int limit_ms)
{
    struct pollfd poll_fd = {fence, POLLIN, 0};
    bool good = poll(&poll_fd, 1, limit_ms) == 1;
    close(fence);
    return good;
}

static bool echoes(struct client *client, struct blob *blob, uint32_t value)
{
    return submit4(client, ECHO_WRITE, blob->resource, 0, value) == 0 && wait_word(blob->words, value, WAIT_MS);
}

static bool works(void)
{
    struct client client = {.fd = -1};
    struct blob blob;
    bool good = client_open(&client) && blob_create(&client, &blob, PAGE) && echoes(&client, &blob, 7);
    client_close(&client);
    return good;
}

static bool shake_hands(struct client *client, struct blob *status)
{
    uint32_t words[8] = {0, 0, status->resource, 0, 2, MAGIC, 0, 1};
    status->words[0] = 0;
    return submit(client, words, sizeof words, 0, NULL) == 0 && wait_word(status->words, 0xab1e + 1, WAIT_MS);
}

static const uint32_t *dead_word(const struct blob *status)
{
    return status->words + DEAD_OFFSET / 4;
}

/* ---- tests ---- */

static bool get_caps(int fd, uint32_t id, uint32_t *words, uint32_t size)
{
    struct drm_virtgpu_get_caps caps = {.cap_set_id = id, .cap_set_ver = 0, .addr = (uintptr_t)words, .size = size};
    return ioctl(fd, DRM_IOCTL_VIRTGPU_GET_CAPS, &caps) == 0;
}

static bool test_capset_is_apir(void)
{
    uint32_t words[6] = {9, 9, 9, 9, 9, 9};
    int fd = open_node();
    bool good = get_caps(fd, CAPSET, words, sizeof words) && words[0] == 1 && words[1] == 1 && words[2] == 0 &&
                words[5] == 0;
    close(fd);
    return good;
}

static bool test_other_capsets_are_refused(void)
{
    uint32_t words[64];
    int fd = open_node();
    bool good = !get_caps(fd, 4, words, sizeof words) && !get_caps(fd, 2, words, sizeof words) && !init_context(fd, 4);
    close(fd);
    return good;
}

static bool test_memory_reaches_the_worker(void)
{
    return works();
}

static bool test_submit_without_fence_in_order(void)
{
    struct client client = {.fd = -1};
    struct blob blob;
    bool good = client_open(&client) && blob_create(&client, &blob, PAGE);
    for (uint32_t i = 1; i <= 2000 && good; i++)
        good = submit4(&client, ECHO_WRITE, blob.resource, 0, i) == 0;
    good = good && wait_word(blob.words, 2000, WAIT_MS);
    client_close(&client);
    return good;
}

static bool test_fence_follows_its_submit(void)
{
    struct client client = {.fd = -1};
    struct blob blob;
    bool good = client_open(&client) && blob_create(&client, &blob, PAGE);
    for (uint32_t i = 1; i <= 100 && good; i++) {
        uint32_t words[4] = {ECHO_WRITE, blob.resource, 0, i};
        int fence;
        good = submit(&client, words, sizeof words, i % 4, &fence) == 0 && wait_fence(fence, WAIT_MS) &&
               blob.words[0] == i;
    }
    client_close(&client);
    return good;
}

static bool test_fence_waits_for_the_worker(void)
{
    struct client client = {.fd = -1};
    uint32_t words[4] = {ECHO_SLEEP, 300, 0, 0};
    int fence;
    bool good = client_open(&client) && submit(&client, words, sizeof words, 1, &fence) == 0;
    uint64_t start = now_ms();
    good = good && wait_fence(fence, WAIT_MS) && now_ms() - start >= 250;
    client_close(&client);
    return good;
}

/* A worker may lag 16 MiB behind: three of these wait for it at most, however slowly it starts. */
static bool test_submit_of_4_mib(void)
{
    enum { SIZE = 4 * 1024 * 1024, ROUNDS = 8, AHEAD = 3 };
    struct client client = {.fd = -1};
    struct blob blob;
    uint32_t *words = malloc(SIZE), sum = 0;
    bool good = words && client_open(&client) && blob_create(&client, &blob, PAGE);
    for (uint32_t i = 3; good && i < SIZE / 4; i++)
        sum += words[i] = i * 2654435761u;
    for (uint32_t round = 0; round < ROUNDS && good; round++) {
        words[0] = ECHO_SUM;
        words[1] = blob.resource;
        words[2] = 4 * round;
        good = (round < AHEAD || wait_word(blob.words + round - AHEAD, sum, WAIT_MS)) &&
               submit(&client, words, SIZE, 0, NULL) == 0;
    }
    for (uint32_t round = ROUNDS - AHEAD; round < ROUNDS && good; round++)
        good = wait_word(blob.words + round, sum, WAIT_MS);
    client_close(&client);
    free(words);
    return good;
}

static bool test_many_blobs_live(void)
{
    struct client client = {.fd = -1};
    struct blob *blobs = calloc(MANY, sizeof *blobs);
    bool good = blobs && client_open(&client);
    for (uint32_t i = 0; i < MANY && good; i++)
        good = blob_create(&client, &blobs[i], (1 + i % 3) * PAGE);
    for (uint32_t i = 0; i < MANY && good; i++)
        good = submit4(&client, ECHO_WRITE, blobs[i].resource, 8, i + 1) == 0;
    for (uint32_t i = 0; i < MANY && good; i++)
        good = wait_word(blobs[i].words + 2, i + 1, WAIT_MS);
    for (uint32_t i = 0; i < MANY && good; i += 2)
        blob_destroy(&client, &blobs[i]);
    for (uint32_t i = 1; i < MANY && good; i += 2)
        good = blobs[i].words[2] == i + 1;
    client_close(&client);
    free(blobs);
    return good;
}

static bool is_zero(const struct blob *blob)
{
    for (uint64_t i = 0; i < blob->size / 4; i++)
        if (blob->words[i] != 0)
            return false;
    return true;
}

static bool test_new_blobs_are_zero(void)
{
    struct client client = {.fd = -1};
    bool good = client_open(&client);
    for (uint32_t i = 0; i < 200 && good; i++) {
        struct blob blob;
        good = blob_create(&client, &blob, 16 * PAGE) && is_zero(&blob) && echoes(&client, &blob, 0x5a5a5a5a);
        if (good) {
            memset(blob.words, 0xa5, blob.size);
            blob_destroy(&client, &blob);
        }
    }
    client_close(&client);
    return good;
}

/* The worker writes to the memory until it acknowledges its removal, which takes it half a second. */
static bool test_memory_is_not_reused_before_the_worker_gives_it_up(void)
{
    struct client client = {.fd = -1}, other = {.fd = -1};
    struct blob blob, next;
    bool good = client_open(&client) && client_open(&other) && blob_create(&client, &blob, PAGE) &&
                echoes(&client, &blob, 1);
    good = good && submit4(&client, ECHO_LINGER, 500, 0, 0) == 0;
    if (good)
        blob_destroy(&client, &blob);
    for (int i = 0; i < 20 && good; i++) {
        good = blob_create(&other, &next, PAGE);
        usleep(50 * 1000);
        good = good && is_zero(&next);
    }
    client_close(&client);
    client_close(&other);
    return good;
}

static bool test_a_slow_worker_does_not_stall_others(void)
{
    struct client slow = {.fd = -1}, other = {.fd = -1};
    struct blob blob, theirs;
    bool good = client_open(&slow) && client_open(&other) && blob_create(&slow, &blob, PAGE) &&
                blob_create(&other, &theirs, PAGE) && echoes(&slow, &blob, 1) && echoes(&other, &theirs, 1);
    good = good && submit4(&slow, ECHO_LINGER, 700, 0, 0) == 0;
    uint64_t start = now_ms();
    if (good)
        blob_destroy(&slow, &blob);
    good = good && echoes(&other, &theirs, 2) && now_ms() - start < 500;
    client_close(&slow);
    client_close(&other);
    return good;
}

static bool test_a_dead_worker_is_told(void)
{
    struct client victim = {.fd = -1}, other = {.fd = -1};
    struct blob status, theirs;
    int fence = -1;
    uint32_t words[4] = {ECHO_SLEEP, 100, 0, 0};
    bool good = client_open(&victim) && client_open(&other) && blob_create(&victim, &status, STATUS_SIZE) &&
                blob_create(&other, &theirs, PAGE) && shake_hands(&victim, &status);
    good = good && *dead_word(&status) == 0 && submit4(&victim, ECHO_SLEEP, 100, 0, 0) == 0 &&
           submit4(&victim, ECHO_DIE, 0, 0, 0) == 0 && submit(&victim, words, sizeof words, 0, &fence) == 0;
    good = good && wait_word(dead_word(&status), 1, WAIT_MS) && wait_fence(fence, WAIT_MS);
    /* later submits, fences and blobs do not hang */
    good = good && submit(&victim, words, sizeof words, 0, &fence) == 0 && wait_fence(fence, WAIT_MS);
    struct blob late;
    good = good && blob_create(&victim, &late, PAGE);
    if (good)
        blob_destroy(&victim, &late);
    good = good && echoes(&other, &theirs, 3);
    client_close(&victim);
    client_close(&other);
    return good && works();
}

static bool test_a_worker_that_exits_is_told(void)
{
    struct client client = {.fd = -1};
    struct blob status;
    bool good = client_open(&client) && blob_create(&client, &status, STATUS_SIZE) && shake_hands(&client, &status) &&
                submit4(&client, ECHO_EXIT, 3, 0, 0) == 0 && wait_word(dead_word(&status), 1, WAIT_MS);
    client_close(&client);
    return good;
}

/* It neither reads nor gives memory up: it is killed after a second, and the guest goes on. */
static bool test_a_hung_worker_is_killed(void)
{
    struct client client = {.fd = -1};
    struct blob status, blob;
    bool good = client_open(&client) && blob_create(&client, &status, STATUS_SIZE) &&
                blob_create(&client, &blob, PAGE) && shake_hands(&client, &status) &&
                submit4(&client, ECHO_HANG, 0, 0, 0) == 0;
    if (good)
        blob_destroy(&client, &blob);
    good = good && wait_word(dead_word(&status), 1, WAIT_MS);
    client_close(&client);
    return good && works();
}

static bool test_a_worker_that_does_not_read_is_killed(void)
{
    enum { SIZE = 1024 * 1024 };
    struct client client = {.fd = -1}, other = {.fd = -1};
    struct blob status, theirs;
    uint32_t *words = calloc(1, SIZE);
    bool good = words && client_open(&client) && client_open(&other) && blob_create(&client, &status, STATUS_SIZE) &&
                blob_create(&other, &theirs, PAGE) && shake_hands(&client, &status) &&
                submit4(&client, ECHO_HANG, 0, 0, 0) == 0;
    for (int i = 0; i < 4 && good; i++) {
        words[0] = ECHO_SUM;
        good = submit(&client, words, SIZE, 0, NULL) == 0;
    }
    good = good && echoes(&other, &theirs, 4) && wait_word(dead_word(&status), 1, WAIT_MS) &&
           echoes(&other, &theirs, 5);
    client_close(&client);
    client_close(&other);
    free(words);
    return good;
}

static bool test_bad_submit_ends_only_its_context(void)
{
    struct client client = {.fd = -1}, other = {.fd = -1};
    struct blob status, theirs;
    bool good = client_open(&client) && client_open(&other) && blob_create(&client, &status, STATUS_SIZE) &&
                blob_create(&other, &theirs, PAGE) && shake_hands(&client, &status) &&
                submit4(&client, 0xdeadbeef, 0, 0, 0) == 0 && wait_word(dead_word(&status), 1, WAIT_MS) &&
                echoes(&other, &theirs, 6);
    client_close(&client);
    client_close(&other);
    return good;
}

/* One of several processes at once. */
static int busy_child(uint32_t seed)
{
    struct client client = {.fd = -1};
    if (!client_open(&client))
        return 1;
    for (uint32_t i = 0; i < 30; i++) {
        struct blob blob;
        if (!blob_create(&client, &blob, (1 + (seed + i) % 7) * PAGE) || !is_zero(&blob) ||
            !echoes(&client, &blob, seed * 1000 + i + 1))
            return 1;
        if (i % 3)
            blob_destroy(&client, &blob);
    }
    return 0;
}

static bool test_eight_processes_at_once(void)
{
    pid_t children[8];
    bool good = true;
    for (uint32_t i = 0; i < 8; i++) {
        children[i] = fork();
        if (children[i] == 0)
            _exit(busy_child(i + 1));
    }
    for (uint32_t i = 0; i < 8; i++) {
        int status;
        good = waitpid(children[i], &status, 0) == children[i] && status == 0 && good;
    }
    return good;
}

static bool test_killed_processes_leave_nothing(void)
{
    bool good = true;
    for (uint32_t round = 0; round < 5 && good; round++) {
        pid_t child = fork();
        if (child == 0)
            for (;;)
                if (busy_child(100 + round))
                    _exit(1);
        usleep(300 * 1000);
        kill(child, SIGKILL);
        int status;
        good = waitpid(child, &status, 0) == child && WIFSIGNALED(status) && works();
    }
    return good;
}

static bool test_contexts_over_and_over(void)
{
    bool good = true;
    for (int i = 0; i < 60 && good; i++)
        good = works();
    return good;
}

/* The daemon runs with --max-contexts 16; a context that is refused shows by submits that do nothing. */
static bool test_too_many_contexts_harm_nobody(void)
{
    struct client clients[24];
    struct blob blob;
    bool good = true;
    for (int i = 0; i < 24; i++)
        good = client_open(&clients[i]) && good;
    good = good && blob_create(&clients[0], &blob, PAGE) && echoes(&clients[0], &blob, 8);
    submit4(&clients[23], ECHO_WRITE, 1, 0, 0);
    good = good && echoes(&clients[0], &blob, 9);
    for (int i = 0; i < 24; i++)
        client_close(&clients[i]);
    usleep(100 * 1000);
    return good && works();
}

/* The window is 64 MiB. */
static bool test_a_full_window_is_an_error(void)
{
    struct client client = {.fd = -1};
    struct blob first, second, third;
    bool good = client_open(&client) && blob_create(&client, &first, 40 << 20) &&
                !blob_create(&client, &second, 40 << 20);
    if (good)
        blob_destroy(&client, &first);
    /* freeing is lazy in the kernel: give it a moment */
    for (int i = 0; i < 50 && good; i++) {
        if (blob_create(&client, &third, 40 << 20))
            break;
        usleep(20 * 1000);
        good = i < 49;
    }
    good = good && is_zero(&third);
    client_close(&client);
    return good;
}

/* ---- the guest ---- */

static int load_module(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    int ret = (int)syscall(SYS_finit_module, fd, "", 0);
    close(fd);
    return ret;
}

static void load_modules(void)
{
    struct dirent **names;
    int count = scandir("/modules", &names, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        char path[512];
        snprintf(path, sizeof path, "/modules/%s", names[i]->d_name);
        if (strstr(path, ".ko") && load_module(path) < 0)
            printf("# %s: %s\n", path, strerror(errno));
    }
}

static bool reload_driver(void)
{
    struct dirent **names;
    int count = scandir("/modules", &names, NULL, alphasort);
    char path[512] = "";
    for (int i = 0; i < count; i++)
        if (strstr(names[i]->d_name, "virtio-gpu"))
            snprintf(path, sizeof path, "/modules/%s", names[i]->d_name);
    int ret = -1;
    for (int i = 0; i < 100 && ret < 0; i++) {
        ret = (int)syscall(SYS_delete_module, "virtio_gpu", O_NONBLOCK);
        if (ret < 0)
            usleep(50 * 1000);
    }
    return ret == 0 && load_module(path) == 0;
}

static bool test_driver_reload(void)
{
    bool good = true;
    for (int i = 0; i < 3 && good; i++)
        good = works() && reload_driver() && works();
    return good;
}

/* Unbinding the device takes it from a process that still has it open. */
static bool test_device_unbound_with_live_contexts(void)
{
    struct client client = {.fd = -1};
    struct blob blob;
    DIR *devices = opendir("/sys/bus/virtio/drivers/virtio_gpu");
    char name[64] = "";
    for (struct dirent *entry; devices && (entry = readdir(devices));)
        if (strncmp(entry->d_name, "virtio", 6) == 0)
            snprintf(name, sizeof name, "%.60s", entry->d_name);
    bool good = name[0] && client_open(&client) && blob_create(&client, &blob, PAGE) && echoes(&client, &blob, 1);
    int unbind = open("/sys/bus/virtio/drivers/virtio_gpu/unbind", O_WRONLY);
    int bind = open("/sys/bus/virtio/drivers/virtio_gpu/bind", O_WRONLY);
    good = good && write(unbind, name, strlen(name)) > 0 && write(bind, name, strlen(name)) > 0;
    close(unbind);
    close(bind);
    good = good && works();
    client_close(&client);
    return good && works();
}

static const struct test {
    const char *name;
    bool (*run)(void);
} tests[] = {
    {"capset is apir", test_capset_is_apir},
    {"other capsets are refused", test_other_capsets_are_refused},
    {"memory reaches the worker", test_memory_reaches_the_worker},
    {"submits without fence are in order", test_submit_without_fence_in_order},
    {"a fence follows its submit", test_fence_follows_its_submit},
    {"a fence waits for the worker", test_fence_waits_for_the_worker},
    {"submit of 4 MiB", test_submit_of_4_mib},
    {"1000 blobs live", test_many_blobs_live},
    {"new blobs are zero", test_new_blobs_are_zero},
    {"memory is not reused before the worker gives it up", test_memory_is_not_reused_before_the_worker_gives_it_up},
    {"a slow worker does not stall others", test_a_slow_worker_does_not_stall_others},
    {"a dead worker is told", test_a_dead_worker_is_told},
    {"a worker that exits is told", test_a_worker_that_exits_is_told},
    {"a hung worker is killed", test_a_hung_worker_is_killed},
    {"a worker that does not read is killed", test_a_worker_that_does_not_read_is_killed},
    {"a bad submit ends only its context", test_bad_submit_ends_only_its_context},
    {"eight processes at once", test_eight_processes_at_once},
    {"killed processes leave nothing", test_killed_processes_leave_nothing},
    {"contexts over and over", test_contexts_over_and_over},
    {"too many contexts harm nobody", test_too_many_contexts_harm_nobody},
    {"a full window is an error", test_a_full_window_is_an_error},
    {"driver reload", test_driver_reload},
    {"device unbound with live contexts", test_device_unbound_with_live_contexts},
};

static void run_tests(void)
{
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) {
        uint64_t start = now_ms();
        bool good = tests[i].run();
        printf("%s %zu - %s # %llu ms\n", good ? "ok" : "not ok", i + 1, tests[i].name,
               (unsigned long long)(now_ms() - start));
    }
}

/* Contexts with memory, a fence that is not done, and a removal that the worker delays. */
static bool leave_live_contexts(void)
{
    bool good = works();
    for (uint32_t i = 0; i < 3; i++) {
        struct client client = {.fd = -1};
        struct blob blob, removed;
        int fence;
        uint32_t words[4] = {ECHO_SLEEP, 800, 0, 0};
        good = client_open(&client) && blob_create(&client, &blob, 1 << 20) && is_zero(&blob) &&
               blob_create(&client, &removed, PAGE) && is_zero(&removed) && echoes(&client, &blob, i + 1) && good;
        memset(blob.words, 0xcc, blob.size);
        good = good && submit4(&client, ECHO_LINGER, 600, 0, 0) == 0;
        blob_destroy(&client, &removed);
        good = good && submit(&client, words, sizeof words, 0, &fence) == 0;
    }
    return good;
}

static void mount_all(void)
{
    mkdir("/dev", 0755);
    mkdir("/proc", 0755);
    mkdir("/sys", 0755);
    mount("dev", "/dev", "devtmpfs", 0, NULL);
    mount("proc", "/proc", "proc", 0, NULL);
    mount("sys", "/sys", "sysfs", 0, NULL);
    int console = open("/dev/console", O_RDWR);
    dup2(console, 0);
    dup2(console, 1);
    dup2(console, 2);
    setvbuf(stdout, NULL, _IOLBF, 0);
}

int main(void)
{
    const char *phase = getenv("apir_phase");
    mount_all();
    puts("# booted");
    load_modules();
    if (phase && strcmp(phase, "reboot") == 0) {
        printf("%s 1 - live contexts after boot\n", leave_live_contexts() ? "ok" : "not ok");
        sync();
        reboot(RB_AUTOBOOT);
    }
    if (phase && strcmp(phase, "hold") == 0) {
        struct client client = {.fd = -1};
        struct blob blob;
        bool good = leave_live_contexts() && client_open(&client) && blob_create(&client, &blob, PAGE);
        printf("%s 1 - live contexts\n", good ? "ok" : "not ok");
        for (uint32_t i = 1;; i++) {
            bool alive = echoes(&client, &blob, i);
            printf("# alive %u %s\n", i, alive ? "yes" : "no");
            usleep(200 * 1000);
        }
    }
    run_tests();
    puts("# done");
    reboot(RB_POWER_OFF);
    return 0;
}
