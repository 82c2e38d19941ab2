#include "fake-virgl.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define VIRGL_RENDERER_UNSTABLE_APIS
#include <virglrenderer.h>

static struct {
    char call[512];
    int no_venus;
    int poll_fd;
} fake = {.poll_fd = -1};

__attribute__((format(printf, 1, 2))) static int note(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(fake.call, sizeof fake.call, format, args);
    va_end(args);
    return FAKE_RESULT;
}

const char *fake_virgl_take_call(void)
{
    static char taken[sizeof fake.call];
    strcpy(taken, fake.call);
    fake.call[0] = '\0';
    return taken;
}

void fake_virgl_set_venus(int has_venus)
{
    fake.no_venus = !has_venus;
}

void fake_virgl_set_poll_fd(int fd)
{
    fake.poll_fd = fd;
}

int virgl_renderer_init(void *cookie, int flags, struct virgl_renderer_callbacks *cb)
{
    return note("init %p 0x%x %p", cookie, flags, (void *)cb);
}

void virgl_renderer_cleanup(void *cookie)
{
    note("cleanup %p", cookie);
}

void virgl_renderer_reset(void)
{
    note("reset");
}

void virgl_renderer_poll(void)
{
    note("poll");
}

int virgl_renderer_get_poll_fd(void)
{
    note("get_poll_fd");
    return fake.poll_fd;
}

void virgl_renderer_get_cap_set(uint32_t set, uint32_t *max_ver, uint32_t *max_size)
{
    *max_ver = 0;
    *max_size = set == 4 ? (fake.no_venus ? 0 : FAKE_VENUS_SIZE) : 100 + set;
}

void virgl_renderer_fill_caps(uint32_t set, uint32_t version, void *caps)
{
    note("fill_caps %u %u %p", set, version, caps);
    if (set == 4)
        memset(caps, FAKE_VENUS_BYTE, FAKE_VENUS_SIZE);
}

int virgl_renderer_context_create(uint32_t handle, uint32_t nlen, const char *name)
{
    return note("context_create %u %u %s", handle, nlen, name);
}

int virgl_renderer_context_create_with_flags(uint32_t ctx_id, uint32_t ctx_flags, uint32_t nlen, const char *name)
{
    return note("context_create_with_flags %u 0x%x %u %s", ctx_id, ctx_flags, nlen, name);
}

void virgl_renderer_context_destroy(uint32_t handle)
{
    note("context_destroy %u", handle);
}

int virgl_renderer_submit_cmd(void *buffer, int ctx_id, int ndw)
{
    return note("submit_cmd %p %d %d", buffer, ctx_id, ndw);
}

void virgl_renderer_ctx_attach_resource(int ctx_id, int res_handle)
{
    note("ctx_attach_resource %d %d", ctx_id, res_handle);
}

void virgl_renderer_ctx_detach_resource(int ctx_id, int res_handle)
{
    note("ctx_detach_resource %d %d", ctx_id, res_handle);
}

int virgl_renderer_resource_create(struct virgl_renderer_resource_create_args *args, struct iovec *iov,
                                   uint32_t num_iovs)
{
    return note("resource_create %p %p %u", (void *)args, (void *)iov, num_iovs);
}

void virgl_renderer_resource_unref(uint32_t res_handle)
{
    note("resource_unref %u", res_handle);
}

int virgl_renderer_resource_attach_iov(int res_handle, struct iovec *iov, int num_iovs)
{
    return note("resource_attach_iov %d %p %d", res_handle, (void *)iov, num_iovs);
}

void virgl_renderer_resource_detach_iov(int res_handle, struct iovec **iov, int *num_iovs)
{
    note("resource_detach_iov %d %p %p", res_handle, (void *)iov, (void *)num_iovs);
}

void virgl_renderer_resource_set_priv(uint32_t res_handle, void *priv)
{
    note("resource_set_priv %u %p", res_handle, priv);
}

void *virgl_renderer_resource_get_priv(uint32_t res_handle)
{
    note("resource_get_priv %u", res_handle);
    return fake.call;
}

int virgl_renderer_resource_get_info(int res_handle, struct virgl_renderer_resource_info *info)
{
    return note("resource_get_info %d %p", res_handle, (void *)info);
}

int virgl_renderer_transfer_read_iov(uint32_t handle, uint32_t ctx_id, uint32_t level, uint32_t stride,
                                     uint32_t layer_stride, struct virgl_box *box, uint64_t offset, struct iovec *iov,
                                     int iovec_cnt)
{
    return note("transfer_read_iov %u %u %u %u %u %p %llu %p %d", handle, ctx_id, level, stride, layer_stride,
                (void *)box, (unsigned long long)offset, (void *)iov, iovec_cnt);
}

int virgl_renderer_transfer_write_iov(uint32_t handle, uint32_t ctx_id, int level, uint32_t stride,
                                      uint32_t layer_stride, struct virgl_box *box, uint64_t offset, struct iovec *iov,
                                      unsigned int iovec_cnt)
{
    return note("transfer_write_iov %u %u %d %u %u %p %llu %p %u", handle, ctx_id, level, stride, layer_stride,
                (void *)box, (unsigned long long)offset, (void *)iov, iovec_cnt);
}

/* A function that the interposer does not have. */
void virgl_renderer_force_ctx_0(void)
{
    note("force_ctx_0");
}

/* An old release has nothing of what follows. */
#ifndef FAKE_OLD

int virgl_renderer_context_create_fence(uint32_t ctx_id, uint32_t flags, uint32_t ring_idx, uint64_t fence_id)
{
    return note("context_create_fence %u %u %u %llu", ctx_id, flags, ring_idx, (unsigned long long)fence_id);
}

void virgl_renderer_context_poll(uint32_t ctx_id)
{
    note("context_poll %u", ctx_id);
}

int virgl_renderer_context_get_poll_fd(uint32_t ctx_id)
{
    return note("context_get_poll_fd %u", ctx_id);
}

int virgl_renderer_submit_cmd2(void *buffer, int ctx_id, int ndw, uint64_t *in_fence_ids, uint32_t num_in_fences)
{
    return note("submit_cmd2 %p %d %d %p %u", buffer, ctx_id, ndw, (void *)in_fence_ids, num_in_fences);
}

int virgl_renderer_resource_create_blob(const struct virgl_renderer_resource_create_blob_args *args)
{
    return note("resource_create_blob %p", (const void *)args);
}

int virgl_renderer_resource_import_blob(const struct virgl_renderer_resource_import_blob_args *args)
{
    return note("resource_import_blob %p", (const void *)args);
}

int virgl_renderer_resource_import_eglimage(struct virgl_renderer_resource_create_args *args, void *image)
{
    return note("resource_import_eglimage %p %p", (void *)args, image);
}

int virgl_renderer_resource_export_blob(uint32_t res_id, uint32_t *fd_type, int *fd)
{
    return note("resource_export_blob %u %p %p", res_id, (void *)fd_type, (void *)fd);
}

int virgl_renderer_resource_map(uint32_t res_handle, void **map, uint64_t *out_size)
{
    return note("resource_map %u %p %p", res_handle, (void *)map, (void *)out_size);
}

int virgl_renderer_resource_map_fixed(uint32_t res_handle, void *addr)
{
    return note("resource_map_fixed %u %p", res_handle, addr);
}

int virgl_renderer_resource_unmap(uint32_t res_handle)
{
    return note("resource_unmap %u", res_handle);
}

int virgl_renderer_resource_get_map_info(uint32_t res_handle, uint32_t *map_info)
{
    return note("resource_get_map_info %u %p", res_handle, (void *)map_info);
}

int virgl_renderer_resource_get_info_ext(int res_handle, struct virgl_renderer_resource_info_ext *info)
{
    return note("resource_get_info_ext %d %p", res_handle, (void *)info);
}

#endif
