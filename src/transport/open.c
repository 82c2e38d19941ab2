#include "transport/transport.h"

#include <stdlib.h>

#include "util/log.h"

/* A variable that is set to nothing is not set. */
static const char *setting(const char *name)
{
    const char *value = getenv(name);
    return value && value[0] ? value : NULL;
}

struct apir_transport *apir_transport_open(const struct apir_log *log, char *reason,
                                           size_t reason_size)
{
    const char *path = setting("GGML_VIRTGPU_SOCKET");
    if (path) {
        apir_debug(log, "GGML_VIRTGPU_SOCKET is %s", path);
        return apir_transport_socket_open(path, reason, reason_size);
    }
    /* present means set, also to nothing: so it is in guests that were deployed earlier */
    struct apir_virtgpu_options options = {
        .apir_capset_only = getenv("GGML_REMOTING_USE_APIR_CAPSET") != NULL,
    };
    return apir_transport_virtgpu_open(&options, log, reason, reason_size);
}
