#include "transport/transport.h"

#include <stdlib.h>
#include <string.h>

#include "util/log.h"

/* A variable that is set to nothing is not set. */
static const char *setting(const char *name)
{
    const char *value = getenv(name);
    return value && value[0] ? value : NULL;
}

static enum apir_virtgpu_capset capset(const struct apir_log *log)
{
    const char *name = setting("GGML_VIRTGPU_CAPSET");
    /* present means set, also to nothing: so it is in guests that were deployed earlier */
    bool apir = getenv("GGML_REMOTING_USE_APIR_CAPSET") != NULL;
    if (!name)
        return apir ? APIR_VIRTGPU_CAPSET_APIR : APIR_VIRTGPU_CAPSET_AUTO;
    if (strcmp(name, "apir") == 0)
        return APIR_VIRTGPU_CAPSET_APIR;
    if (strcmp(name, "venus") == 0)
        return APIR_VIRTGPU_CAPSET_VENUS;
    if (strcmp(name, "auto") != 0)
        apir_warn(log, "GGML_VIRTGPU_CAPSET=%s is ignored: it can be auto, apir or venus", name);
    return APIR_VIRTGPU_CAPSET_AUTO;
}

struct apir_transport *apir_transport_open(const struct apir_log *log, char *reason,
                                           size_t reason_size)
{
    const char *path = setting("GGML_VIRTGPU_SOCKET");
    if (path) {
        apir_debug(log, "GGML_VIRTGPU_SOCKET is %s", path);
        return apir_transport_socket_open(path, reason, reason_size);
    }
    struct apir_virtgpu_options options = {.capset = capset(log)};
    return apir_transport_virtgpu_open(&options, log, reason, reason_size);
}
