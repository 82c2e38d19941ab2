#include "client/options.h"

#include <stdlib.h>
#include <string.h>

#include "util/log.h"

#define SECOND UINT64_C(1000000000)
#define MAX_SECONDS (UINT64_C(100) * 365 * 24 * 3600)

static const struct apir_session_options defaults = {
    .protocol = APIR_SESSION_ANY,
    .handshake_ns = 2 * SECOND,
    .load_ns = 60 * SECOND,
    .silence_ns = 600 * SECOND,
    .probe_interval_ns = 10 * SECOND,
    .probe_fence_ns = SECOND / 2,
};

static enum apir_session_protocol protocol(const struct apir_log *log)
{
    const char *name = getenv("GGML_VIRTGPU_PROTOCOL");
    if (!name || !*name || strcmp(name, "auto") == 0)
        return APIR_SESSION_ANY;
    if (strcmp(name, "0") == 0)
        return APIR_SESSION_UPSTREAM;
    if (strcmp(name, "1") == 0)
        return APIR_SESSION_OWN;
    apir_warn(log, "GGML_VIRTGPU_PROTOCOL=%s is ignored: it can be auto, 0 or 1", name);
    return APIR_SESSION_ANY;
}

static enum apir_wait_policy wait_policy(const struct apir_log *log)
{
    const char *name = getenv("GGML_VIRTGPU_WAIT");
    if (!name || !*name || strcmp(name, "hybrid") == 0)
        return APIR_WAIT_HYBRID;
    if (strcmp(name, "spin") == 0)
        return APIR_WAIT_SPIN;
    if (strcmp(name, "sleep") == 0)
        return APIR_WAIT_SLEEP;
    apir_warn(log, "GGML_VIRTGPU_WAIT=%s is ignored: it can be hybrid, spin or sleep", name);
    return APIR_WAIT_HYBRID;
}

static void choose_silence(struct apir_session_options *options, const struct apir_log *log)
{
    const char *text = getenv("GGML_VIRTGPU_TIMEOUT");
    char *end;
    if (!text || !*text)
        return;
    unsigned long long seconds = strtoull(text, &end, 10);
    if (*end || *text == '-' || seconds == 0 || seconds > MAX_SECONDS) {
        apir_warn(log, "GGML_VIRTGPU_TIMEOUT=%s is ignored: it is a number of seconds", text);
        return;
    }
    options->silence_ns = seconds * SECOND;
    options->silence_chosen = true;
}

void apir_session_options_init(struct apir_session_options *options, const struct apir_log *log)
{
    *options = defaults;
    options->protocol = protocol(log);
    options->wait = wait_policy(log);
    choose_silence(options, log);
}
