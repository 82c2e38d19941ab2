#include "hypervisor.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "util/clock.h"

static void write_context_fence(void *cookie, uint32_t context, uint32_t ring, uint64_t id)
{
    struct hypervisor *hypervisor = cookie;
    pthread_mutex_lock(&hypervisor->lock);
    if (hypervisor->count < HYPERVISOR_FENCES)
        hypervisor->fences[hypervisor->count++] = (struct fence_event){context, ring, id};
    hypervisor->reporter = pthread_self();
    pthread_cond_broadcast(&hypervisor->changed);
    pthread_mutex_unlock(&hypervisor->lock);
}

char *hypervisor_beside(char *path, const char *name)
{
    ssize_t length = readlink("/proc/self/exe", path, 4000);
    assert_true(length > 0);
    path[length] = '\0';
    strcpy(strrchr(path, '/') + 1, name);
    return path;
}

int hypervisor_start(struct hypervisor *hypervisor, int flags)
{
    char path[4096];
    memset(hypervisor, 0, sizeof *hypervisor);
    pthread_mutex_init(&hypervisor->lock, NULL);
    pthread_cond_init(&hypervisor->changed, NULL);
    hypervisor->callbacks.version = 4;
    hypervisor->callbacks.write_context_fence = write_context_fence;
    setenv("VIRGL_APIR_WORKER", hypervisor_beside(path, "echo-worker"), 1);
    setenv("APIR_LLAMA_CPP_GGML_LIBRARY_PATH", "echo", 1);
    if (!getenv("APIR_TEST_LOG"))
        setenv("VIRGL_APIR_LOG_TO_FILE", "/dev/null", 1);
    return virgl_renderer_init(hypervisor, flags, &hypervisor->callbacks);
}

void hypervisor_stop(struct hypervisor *hypervisor)
{
    virgl_renderer_cleanup(hypervisor);
    pthread_cond_destroy(&hypervisor->changed);
    pthread_mutex_destroy(&hypervisor->lock);
}

void hypervisor_create_context(uint32_t context)
{
    assert_int_equal(virgl_renderer_context_create_with_flags(context, CAPSET_APIR, 4, "test"), 0);
}

void *hypervisor_create_blob(uint32_t context, uint32_t resource)
{
    struct virgl_renderer_resource_create_blob_args args = {.res_handle = resource,
                                                            .ctx_id = context,
                                                            .blob_mem = VIRGL_RENDERER_BLOB_MEM_HOST3D,
                                                            .blob_flags = VIRGL_RENDERER_BLOB_FLAG_USE_MAPPABLE,
                                                            .size = BLOB_SIZE};
    assert_int_equal(virgl_renderer_resource_create_blob(&args), 0);
    void *data = mmap(NULL, BLOB_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(data != MAP_FAILED);
    assert_int_equal(virgl_renderer_resource_map_fixed(resource, data), 0);
    virgl_renderer_ctx_attach_resource((int)context, (int)resource);
    return data;
}

void hypervisor_destroy_blob(uint32_t context, uint32_t resource, void *data)
{
    virgl_renderer_ctx_detach_resource((int)context, (int)resource);
    virgl_renderer_resource_unref(resource);
    munmap(data, BLOB_SIZE);
}

int hypervisor_submit(uint32_t context, const uint32_t *words, unsigned count)
{
    uint32_t copy[64];
    assert_true(count <= 64);
    memcpy(copy, words, count * 4);
    int ret = virgl_renderer_submit_cmd(copy, (int)context, (int)count);
    memset(copy, 0xff, sizeof copy); /* nobody may still read it */
    return ret;
}

bool hypervisor_wait(struct hypervisor *hypervisor, unsigned count)
{
    struct timespec limit;
    clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec += 10;
    int ret = 0;
    pthread_mutex_lock(&hypervisor->lock);
    while (hypervisor->count < count && ret == 0)
        ret = pthread_cond_timedwait(&hypervisor->changed, &hypervisor->lock, &limit);
    pthread_mutex_unlock(&hypervisor->lock);
    return ret == 0;
}

unsigned hypervisor_count(struct hypervisor *hypervisor)
{
    pthread_mutex_lock(&hypervisor->lock);
    unsigned count = hypervisor->count;
    pthread_mutex_unlock(&hypervisor->lock);
    return count;
}

bool hypervisor_fence(struct hypervisor *hypervisor, uint32_t context, uint64_t id)
{
    unsigned count = hypervisor_count(hypervisor);
    return virgl_renderer_context_create_fence(context, 0, 0, id) == 0 && hypervisor_wait(hypervisor, count + 1);
}

uint32_t hypervisor_wait_word(const void *word)
{
    uint64_t limit = apir_clock_now() + UINT64_C(60) * 1000 * 1000 * 1000;
    uint32_t value;
    while ((value = __atomic_load_n((const uint32_t *)word, __ATOMIC_ACQUIRE)) == 0 && apir_clock_now() < limit)
        sched_yield();
    return value;
}
