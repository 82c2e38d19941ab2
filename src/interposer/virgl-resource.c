/* virglrenderer's functions: resources. What is not ours goes to the real library as it came. */
#include "interposer/interposer.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

static bool is_ours(uint32_t id)
{
    return apir_renderer_has_resource(apir_interposer_renderer(), id);
}

static bool with_resource(uint32_t id, int (*call)(struct apir_virgl_resource *, void *), void *argument, int *result)
{
    return apir_renderer_with_resource(apir_interposer_renderer(), id, call, argument, result);
}

int virgl_renderer_resource_create(struct virgl_renderer_resource_create_args *args, struct iovec *iov,
                                   uint32_t num_iovs)
{
    const struct apir_real_functions *real = apir_interposer_real();
    if (args && is_ours(args->handle))
        return EINVAL;
    return real->resource_create ? real->resource_create(args, iov, num_iovs) : ENOSYS;
}

int virgl_renderer_resource_import_eglimage(struct virgl_renderer_resource_create_args *args, void *image)
{
    const struct apir_real_functions *real = apir_interposer_real();
    if (args && is_ours(args->handle))
        return EINVAL;
    return real->resource_import_eglimage ? real->resource_import_eglimage(args, image) : ENOSYS;
}

int virgl_renderer_resource_import_blob(const struct virgl_renderer_resource_import_blob_args *args)
{
    const struct apir_real_functions *real = apir_interposer_real();
    if (args && is_ours(args->res_handle))
        return -EINVAL;
    return real->resource_import_blob ? real->resource_import_blob(args) : -ENOSYS;
}

/* Memory of the host for an APIR context is ours; memory of the guest is a matter of the hypervisor and the real
 * library. */
int virgl_renderer_resource_create_blob(const struct virgl_renderer_resource_create_blob_args *args)
{
    const struct apir_real_functions *real = apir_interposer_real();
    struct apir_renderer *renderer = apir_interposer_renderer();
    if (!args || is_ours(args->res_handle))
        return -EINVAL;
    if (args->blob_mem != VIRGL_RENDERER_BLOB_MEM_GUEST && apir_renderer_has_context(renderer, args->ctx_id)) {
        if (args->blob_mem != VIRGL_RENDERER_BLOB_MEM_HOST3D || args->blob_id != 0 || args->num_iovs != 0)
            return -EINVAL;
        return apir_renderer_create_blob(renderer, args->res_handle, args->size);
    }
    return real->resource_create_blob ? real->resource_create_blob(args) : -ENOSYS;
}

void virgl_renderer_resource_unref(uint32_t res_handle)
{
    const struct apir_real_functions *real = apir_interposer_real();
    if (!apir_renderer_unref(apir_interposer_renderer(), res_handle) && real->resource_unref)
        real->resource_unref(res_handle);
}

struct mapping {
    void *data;
    uint64_t size;
};

static int map(struct apir_virgl_resource *resource, void *argument)
{
    struct mapping *mapping = argument;
    return apir_virgl_resource_map(resource, &mapping->data, &mapping->size);
}

int virgl_renderer_resource_map(uint32_t res_handle, void **data, uint64_t *out_size)
{
    const struct apir_real_functions *real = apir_interposer_real();
    struct mapping mapping = {NULL, 0};
    int result;
    if (!with_resource(res_handle, map, &mapping, &result))
        return real->resource_map ? real->resource_map(res_handle, data, out_size) : -ENOSYS;
    if (result == 0) {
        *data = mapping.data;
        *out_size = mapping.size;
    }
    return result;
}

int virgl_renderer_resource_unmap(uint32_t res_handle)
{
    const struct apir_real_functions *real = apir_interposer_real();
    int result;
    if (apir_renderer_unmap(apir_interposer_renderer(), res_handle, &result))
        return result;
    return real->resource_unmap ? real->resource_unmap(res_handle) : -ENOSYS;
}

static int map_fixed(struct apir_virgl_resource *resource, void *address)
{
    return apir_virgl_resource_map_fixed(resource, address);
}

int virgl_renderer_resource_map_fixed(uint32_t res_handle, void *addr)
{
    const struct apir_real_functions *real = apir_interposer_real();
    int result;
    if (with_resource(res_handle, map_fixed, addr, &result))
        return result;
    return real->resource_map_fixed ? real->resource_map_fixed(res_handle, addr) : -EOPNOTSUPP;
}

int virgl_renderer_resource_get_map_info(uint32_t res_handle, uint32_t *map_info)
{
    const struct apir_real_functions *real = apir_interposer_real();
    if (is_ours(res_handle)) {
        *map_info = VIRGL_RENDERER_MAP_CACHE_CACHED;
        return 0;
    }
    return real->resource_get_map_info ? real->resource_get_map_info(res_handle, map_info) : -ENOSYS;
}

static void fill_info(uint32_t id, struct virgl_renderer_resource_info *info)
{
    memset(info, 0, sizeof *info);
    info->handle = id;
    info->fd = -1;
}

int virgl_renderer_resource_get_info(int res_handle, struct virgl_renderer_resource_info *info)
{
    const struct apir_real_functions *real = apir_interposer_real();
    if (info && is_ours((uint32_t)res_handle)) {
        fill_info((uint32_t)res_handle, info);
        return 0;
    }
    return real->resource_get_info ? real->resource_get_info(res_handle, info) : ENOSYS;
}

int virgl_renderer_resource_get_info_ext(int res_handle, struct virgl_renderer_resource_info_ext *info)
{
    const struct apir_real_functions *real = apir_interposer_real();
    if (info && is_ours((uint32_t)res_handle)) {
        memset(info, 0, sizeof *info);
        info->version = VIRGL_RENDERER_RESOURCE_INFO_EXT_VERSION;
        fill_info((uint32_t)res_handle, &info->base);
        return 0;
    }
    return real->resource_get_info_ext ? real->resource_get_info_ext(res_handle, info) : ENOSYS;
}

/* A descriptor of the memory, which the caller owns. */
static int export_memory(struct apir_virgl_resource *resource, void *argument)
{
    int fd = fcntl(resource->blob->fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    *(int *)argument = fd;
    return 0;
}

int virgl_renderer_resource_export_blob(uint32_t res_id, uint32_t *fd_type, int *fd)
{
    const struct apir_real_functions *real = apir_interposer_real();
    int result, exported = -1;
    if (!with_resource(res_id, export_memory, &exported, &result))
        return real->resource_export_blob ? real->resource_export_blob(res_id, fd_type, fd) : -ENOSYS;
    if (result == 0) {
        *fd_type = VIRGL_RENDERER_BLOB_FD_TYPE_SHM;
        *fd = exported;
    }
    return result;
}

void virgl_renderer_ctx_attach_resource(int ctx_id, int res_handle)
{
    const struct apir_real_functions *real = apir_interposer_real();
    if (!apir_renderer_attach(apir_interposer_renderer(), (uint32_t)ctx_id, (uint32_t)res_handle) &&
        real->ctx_attach_resource)
        real->ctx_attach_resource(ctx_id, res_handle);
}

void virgl_renderer_ctx_detach_resource(int ctx_id, int res_handle)
{
    const struct apir_real_functions *real = apir_interposer_real();
    if (!apir_renderer_detach(apir_interposer_renderer(), (uint32_t)ctx_id, (uint32_t)res_handle) &&
        real->ctx_detach_resource)
        real->ctx_detach_resource(ctx_id, res_handle);
}

struct backing {
    struct iovec *iov;
    int count;
};

static int attach_iov(struct apir_virgl_resource *resource, void *argument)
{
    const struct backing *backing = argument;
    if (resource->iov)
        return EINVAL;
    resource->iov = backing->iov;
    resource->iov_count = backing->count;
    return 0;
}

int virgl_renderer_resource_attach_iov(int res_handle, struct iovec *iov, int num_iovs)
{
    const struct apir_real_functions *real = apir_interposer_real();
    struct backing backing = {iov, num_iovs};
    int result;
    if (with_resource((uint32_t)res_handle, attach_iov, &backing, &result))
        return result;
    return real->resource_attach_iov ? real->resource_attach_iov(res_handle, iov, num_iovs) : ENOSYS;
}

static int detach_iov(struct apir_virgl_resource *resource, void *argument)
{
    struct backing *backing = argument;
    *backing = (struct backing){resource->iov, resource->iov_count};
    resource->iov = NULL;
    resource->iov_count = 0;
    return 0;
}

void virgl_renderer_resource_detach_iov(int res_handle, struct iovec **iov, int *num_iovs)
{
    const struct apir_real_functions *real = apir_interposer_real();
    struct backing backing = {NULL, 0};
    int result;
    bool ours = with_resource((uint32_t)res_handle, detach_iov, &backing, &result);
    if (!ours && real->resource_detach_iov) {
        real->resource_detach_iov(res_handle, iov, num_iovs);
        return;
    }
    if (iov)
        *iov = backing.iov;
    if (num_iovs)
        *num_iovs = backing.count;
}

static int set_private(struct apir_virgl_resource *resource, void *data)
{
    resource->private_data = data;
    return 0;
}

void virgl_renderer_resource_set_priv(uint32_t res_handle, void *priv)
{
    const struct apir_real_functions *real = apir_interposer_real();
    int result;
    if (!with_resource(res_handle, set_private, priv, &result) && real->resource_set_priv)
        real->resource_set_priv(res_handle, priv);
}

static int get_private(struct apir_virgl_resource *resource, void *argument)
{
    *(void **)argument = resource->private_data;
    return 0;
}

void *virgl_renderer_resource_get_priv(uint32_t res_handle)
{
    const struct apir_real_functions *real = apir_interposer_real();
    void *data = NULL;
    int result;
    if (with_resource(res_handle, get_private, &data, &result))
        return data;
    return real->resource_get_priv ? real->resource_get_priv(res_handle) : NULL;
}

/* A blob of ours is memory that the guest sees: nothing is copied for it. */
int virgl_renderer_transfer_read_iov(uint32_t handle, uint32_t ctx_id, uint32_t level, uint32_t stride,
                                     uint32_t layer_stride, struct virgl_box *box, uint64_t offset, struct iovec *iov,
                                     int iovec_cnt)
{
    const struct apir_real_functions *real = apir_interposer_real();
    if (is_ours(handle))
        return EINVAL;
    return real->transfer_read_iov
               ? real->transfer_read_iov(handle, ctx_id, level, stride, layer_stride, box, offset, iov, iovec_cnt)
               : ENOSYS;
}

int virgl_renderer_transfer_write_iov(uint32_t handle, uint32_t ctx_id, int level, uint32_t stride,
                                      uint32_t layer_stride, struct virgl_box *box, uint64_t offset,
                                      struct iovec *iovec, unsigned int iovec_cnt)
{
    const struct apir_real_functions *real = apir_interposer_real();
    if (is_ours(handle))
        return EINVAL;
    return real->transfer_write_iov
               ? real->transfer_write_iov(handle, ctx_id, level, stride, layer_stride, box, offset, iovec, iovec_cnt)
               : ENOSYS;
}
