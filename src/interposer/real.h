/* The real libvirglrenderer, in whose place this library is called. */
#ifndef APIR_INTERPOSER_REAL_H
#define APIR_INTERPOSER_REAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#define VIRGL_RENDERER_UNSTABLE_APIS
#include <virglrenderer.h>

/* Its functions; NULL: this release has no such function. */
struct apir_real_functions {
    __typeof__(virgl_renderer_init) *init;
    __typeof__(virgl_renderer_cleanup) *cleanup;
    __typeof__(virgl_renderer_reset) *reset;
    __typeof__(virgl_renderer_poll) *poll;
    __typeof__(virgl_renderer_get_poll_fd) *get_poll_fd;
    __typeof__(virgl_renderer_get_cap_set) *get_cap_set;
    __typeof__(virgl_renderer_fill_caps) *fill_caps;
    __typeof__(virgl_renderer_context_create) *context_create;
    __typeof__(virgl_renderer_context_create_with_flags) *context_create_with_flags;
    __typeof__(virgl_renderer_context_destroy) *context_destroy;
    __typeof__(virgl_renderer_context_create_fence) *context_create_fence;
    __typeof__(virgl_renderer_context_poll) *context_poll;
    __typeof__(virgl_renderer_context_get_poll_fd) *context_get_poll_fd;
    __typeof__(virgl_renderer_submit_cmd) *submit_cmd;
    __typeof__(virgl_renderer_submit_cmd2) *submit_cmd2;
    __typeof__(virgl_renderer_ctx_attach_resource) *ctx_attach_resource;
    __typeof__(virgl_renderer_ctx_detach_resource) *ctx_detach_resource;
    __typeof__(virgl_renderer_resource_create) *resource_create;
    __typeof__(virgl_renderer_resource_create_blob) *resource_create_blob;
    __typeof__(virgl_renderer_resource_import_blob) *resource_import_blob;
    __typeof__(virgl_renderer_resource_import_eglimage) *resource_import_eglimage;
    __typeof__(virgl_renderer_resource_export_blob) *resource_export_blob;
    __typeof__(virgl_renderer_resource_unref) *resource_unref;
    __typeof__(virgl_renderer_resource_map) *resource_map;
    __typeof__(virgl_renderer_resource_map_fixed) *resource_map_fixed;
    __typeof__(virgl_renderer_resource_unmap) *resource_unmap;
    __typeof__(virgl_renderer_resource_get_map_info) *resource_get_map_info;
    __typeof__(virgl_renderer_resource_get_info) *resource_get_info;
    __typeof__(virgl_renderer_resource_get_info_ext) *resource_get_info_ext;
    __typeof__(virgl_renderer_resource_attach_iov) *resource_attach_iov;
    __typeof__(virgl_renderer_resource_detach_iov) *resource_detach_iov;
    __typeof__(virgl_renderer_resource_set_priv) *resource_set_priv;
    __typeof__(virgl_renderer_resource_get_priv) *resource_get_priv;
    __typeof__(virgl_renderer_transfer_read_iov) *transfer_read_iov;
    __typeof__(virgl_renderer_transfer_write_iov) *transfer_write_iov;
};

/* Initialise with a lock and zeros. Never ends: the real library stays loaded. */
struct apir_real {
    pthread_mutex_t lock; /* guards finding */
    _Atomic bool found;   /* afterwards the functions do not change */
    struct apir_real_functions functions;
};

/* The functions of the real library; all NULL while there is none. Thread-safe. */
const struct apir_real_functions *apir_real_get(struct apir_real *real);

#endif
