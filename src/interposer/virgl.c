/* virglrenderer's functions: start and end, capsets, contexts, fences. What is not ours goes to the real library as it
 * came. */
#include "interposer/interposer.h"

#include <errno.h>
#include <string.h>

#include "wire/capset.h"

int virgl_renderer_init(void *cookie, int flags, struct virgl_renderer_callbacks *callbacks)
{
    const struct apir_real_functions *real = apir_interposer_real();
    struct apir_fence_callback fences = {.cookie = cookie};
    if (callbacks && callbacks->version >= 3)
        fences.write = callbacks->write_context_fence;
    apir_renderer_set_callback(apir_interposer_renderer(), &fences, flags & VIRGL_RENDERER_ASYNC_FENCE_CB);
    if (apir_interposer_routes_venus())
        flags &= ~(VIRGL_RENDERER_VENUS | VIRGL_RENDERER_RENDER_SERVER); /* nobody would use it */
    return real->init ? real->init(cookie, flags, callbacks) : -ENOSYS;
}

void virgl_renderer_cleanup(void *cookie)
{
    const struct apir_real_functions *real = apir_interposer_real();
    apir_renderer_cleanup(apir_interposer_renderer());
    if (real->cleanup)
        real->cleanup(cookie);
}

void virgl_renderer_reset(void)
{
    const struct apir_real_functions *real = apir_interposer_real();
    apir_renderer_reset(apir_interposer_renderer(), "the machine was reset");
    if (real->reset)
        real->reset();
}

/* Exported under the name that hypervisors know. */
VIRGL_EXPORT int virgl_apir_configure_kv(uint32_t ctx_id, const char *key, const char *value);

int virgl_apir_configure_kv(uint32_t ctx_id, const char *key, const char *value)
{
    return apir_renderer_configure(apir_interposer_renderer(), ctx_id, key, value) < 0 ? -1 : 0;
}

/* Whether that capset's data are only APIR's: its own, or Venus' where that is not to be had. */
static bool is_only_ours(uint32_t set)
{
    return set == APIR_CAPSET_APIR ||
           (set == APIR_CAPSET_VENUS && (apir_interposer_routes_venus() || !apir_interposer_has_venus()));
}

/* Where our trailer stands behind data of that size. */
static uint32_t trailer_offset(uint32_t size)
{
    return (size + 3) & ~UINT32_C(3);
}

void virgl_renderer_get_cap_set(uint32_t set, uint32_t *max_ver, uint32_t *max_size)
{
    const struct apir_real_functions *real = apir_interposer_real();
    *max_ver = 0;
    *max_size = 0;
    if (is_only_ours(set)) {
        *max_ver = APIR_CAPSET_VERSION;
        *max_size = APIR_CAPSET_SIZE;
        return;
    }
    if (real->get_cap_set)
        real->get_cap_set(set, max_ver, max_size);
    if (set == APIR_CAPSET_VENUS)
        *max_size = trailer_offset(*max_size) + APIR_TRAILER_SIZE;
}

static void append_trailer(const struct apir_real_functions *real, void *caps)
{
    uint32_t version, size;
    real->get_cap_set(APIR_CAPSET_VENUS, &version, &size);
    memset((char *)caps + size, 0, trailer_offset(size) - size);
    apir_capset_write_trailer((char *)caps + trailer_offset(size));
}

void virgl_renderer_fill_caps(uint32_t set, uint32_t version, void *caps)
{
    const struct apir_real_functions *real = apir_interposer_real();
    if (!caps)
        return;
    if (is_only_ours(set)) {
        struct apir_capset capset;
        apir_capset_fill(&capset);
        memcpy(caps, &capset, sizeof capset);
        return;
    }
    if (real->fill_caps)
        real->fill_caps(set, version, caps);
    if (set == APIR_CAPSET_VENUS)
        append_trailer(real, caps);
}

/* The name is the guest's, in a buffer that need not be as long as it says. */
static bool has_marker(const char *name, uint32_t length)
{
    static const char marker[] = APIR_CONTEXT_MARKER;
    return name && length >= sizeof marker - 1 && strncmp(name, marker, sizeof marker - 1) == 0;
}

static bool is_ours(uint32_t flags, uint32_t length, const char *name)
{
    uint32_t set = flags & VIRGL_RENDERER_CONTEXT_FLAG_CAPSET_ID_MASK;
    return set == APIR_CAPSET_APIR ||
           (set == APIR_CAPSET_VENUS && (apir_interposer_routes_venus() || has_marker(name, length)));
}

int virgl_renderer_context_create_with_flags(uint32_t ctx_id, uint32_t ctx_flags, uint32_t nlen, const char *name)
{
    const struct apir_real_functions *real = apir_interposer_real();
    struct apir_renderer *renderer = apir_interposer_renderer();
    if (is_ours(ctx_flags, nlen, name))
        return -apir_renderer_create_context(renderer, ctx_id);
    if (apir_renderer_has_context(renderer, ctx_id))
        return EINVAL;
    if ((ctx_flags & VIRGL_RENDERER_CONTEXT_FLAG_CAPSET_ID_MASK) == APIR_CAPSET_VENUS && !apir_interposer_has_venus())
        return EINVAL;
    return real->context_create_with_flags ? real->context_create_with_flags(ctx_id, ctx_flags, nlen, name) : ENOSYS;
}

int virgl_renderer_context_create(uint32_t handle, uint32_t nlen, const char *name)
{
    const struct apir_real_functions *real = apir_interposer_real();
    if (apir_renderer_has_context(apir_interposer_renderer(), handle))
        return EINVAL;
    return real->context_create ? real->context_create(handle, nlen, name) : ENOSYS;
}

void virgl_renderer_context_destroy(uint32_t handle)
{
    const struct apir_real_functions *real = apir_interposer_real();
    if (!apir_renderer_destroy_context(apir_interposer_renderer(), handle) && real->context_destroy)
        real->context_destroy(handle);
}

int virgl_renderer_submit_cmd(void *buffer, int ctx_id, int ndw)
{
    const struct apir_real_functions *real = apir_interposer_real();
    int result;
    if (apir_renderer_submit(apir_interposer_renderer(), (uint32_t)ctx_id, buffer, ndw, &result))
        return -result;
    return real->submit_cmd ? real->submit_cmd(buffer, ctx_id, ndw) : ENOSYS;
}

int virgl_renderer_submit_cmd2(void *buffer, int ctx_id, int ndw, uint64_t *in_fence_ids, uint32_t num_in_fences)
{
    const struct apir_real_functions *real = apir_interposer_real();
    struct apir_renderer *renderer = apir_interposer_renderer();
    int result;
    if (num_in_fences > 0 && apir_renderer_has_context(renderer, (uint32_t)ctx_id))
        return EINVAL; /* nothing of ours can wait for another's fence */
    if (apir_renderer_submit(renderer, (uint32_t)ctx_id, buffer, ndw, &result))
        return -result;
    return real->submit_cmd2 ? real->submit_cmd2(buffer, ctx_id, ndw, in_fence_ids, num_in_fences) : ENOSYS;
}

int virgl_renderer_context_create_fence(uint32_t ctx_id, uint32_t flags, uint32_t ring_idx, uint64_t fence_id)
{
    const struct apir_real_functions *real = apir_interposer_real();
    int result;
    if (apir_renderer_fence(apir_interposer_renderer(), ctx_id, ring_idx, fence_id, &result))
        return result;
    return real->context_create_fence ? real->context_create_fence(ctx_id, flags, ring_idx, fence_id) : -ENOSYS;
}

void virgl_renderer_context_poll(uint32_t ctx_id)
{
    const struct apir_real_functions *real = apir_interposer_real();
    struct apir_renderer *renderer = apir_interposer_renderer();
    if (apir_renderer_has_context(renderer, ctx_id))
        apir_renderer_poll(renderer, ctx_id);
    else if (real->context_poll)
        real->context_poll(ctx_id);
}

int virgl_renderer_context_get_poll_fd(uint32_t ctx_id)
{
    const struct apir_real_functions *real = apir_interposer_real();
    int fd;
    if (apir_renderer_context_poll_fd(apir_interposer_renderer(), ctx_id, &fd))
        return fd;
    return real->context_get_poll_fd ? real->context_get_poll_fd(ctx_id) : -1;
}

void virgl_renderer_poll(void)
{
    const struct apir_real_functions *real = apir_interposer_real();
    apir_renderer_poll(apir_interposer_renderer(), 0);
    if (real->poll)
        real->poll();
}

int virgl_renderer_get_poll_fd(void)
{
    const struct apir_real_functions *real = apir_interposer_real();
    return apir_renderer_poll_fd(apir_interposer_renderer(), real->get_poll_fd ? real->get_poll_fd() : -1);
}
