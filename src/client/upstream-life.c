#include "client/upstream-life.h"

#include <errno.h>

#include "apir-upstream-protocol.h"
#include "client/session-private.h"
#include "util/clock.h"
#include "wire/capset.h"

int apir_upstream_life_init(struct apir_upstream_life *life, struct apir_session *session,
                            const struct apir_session_options *options)
{
    *life = (struct apir_upstream_life){
        .session = session,
        .silence_ns = options->silence_ns,
        .interval_ns = options->probe_interval_ns,
        .fence_ns = options->probe_fence_ns,
    };
    struct apir_transport *transport = session->transport;
    if (!transport->ops->probe) {
        if (!options->silence_chosen)
            life->silence_ns = UINT64_MAX; /* its wait notices that the host is gone */
        life->interval_ns = UINT64_MAX;
        return 0;
    }
    /* made now: a host that computes may not make blobs meanwhile */
    return transport->ops->shm_create(transport, APIR_STATUS_PAGE_SIZE, &life->blob);
}

void apir_upstream_life_finish(struct apir_upstream_life *life)
{
    if (life->session)
        apir_session_shm_destroy(life->session, &life->blob);
    *life = (struct apir_upstream_life){0};
}

/* A command without effect, with a fence. Fences of deployed hosts stay in the device's queue for ever, hence they get
 * one only, in a session that has something to wait for. 1: the host lives, 0: it cannot be told, -errno: it is gone.
 */
static int probe(struct apir_upstream_life *life)
{
    struct apir_transport *transport = life->session->transport;
    _Atomic uint32_t *notif = apir_status_notif(life->blob.data);
    const uint32_t words[] = {APIR_UPSTREAM_COMMAND_HANDSHAKE + transport->command_base, 0, life->blob.id,
                              APIR_UPSTREAM_PROTOCOL_MAJOR, APIR_UPSTREAM_PROTOCOL_MINOR};
    atomic_store_explicit(notif, 0, memory_order_relaxed);
    int ret = transport->ops->probe(transport, words, sizeof words, life->fence_ns);
    if (ret == -ETIMEDOUT) {
        life->is_mute = !life->signals;
        return 0;
    }
    if (ret < 0)
        return ret;
    life->signals = true;
    /* hosts of ours tell so in the latest blob that the worker has died; acquire: as for any answer */
    uint32_t answer = atomic_load_explicit(notif, memory_order_acquire);
    return answer == 1 + APIR_UPSTREAM_FORWARD_CODE_TIMEOUT ? -EPIPE : 1;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

int apir_upstream_life_wait(struct apir_upstream_life *life, _Atomic uint32_t *notif, uint64_t limit_ns)
{
    struct apir_transport *transport = life->session->transport;
    bool has_limit = limit_ns != UINT64_MAX;
    uint64_t start = apir_clock_now(), alive = start, probed = start;
    uint64_t limit = has_limit ? limit_ns : life->silence_ns;
    uint64_t interval = has_limit || life->is_mute ? UINT64_MAX : life->interval_ns;
    /* acquire: pairs with the host's release of the answer */
    while (atomic_load_explicit(notif, memory_order_acquire) == 0) {
        uint64_t now = apir_clock_now();
        if (now - alive >= limit)
            return -ETIMEDOUT;
        int ret = transport->ops->wait(transport, notif, 0, NULL, earlier(limit - (now - alive), interval));
        if (atomic_load_explicit(notif, memory_order_acquire) != 0)
            break;
        if (ret == 0)
            ret = apir_session_error(life->session);
        if (ret == 0 && apir_clock_now() - probed >= interval) {
            ret = probe(life);
            probed = apir_clock_now();
            alive = ret > 0 ? probed : alive;
            interval = life->is_mute ? UINT64_MAX : interval;
        }
        if (ret < 0)
            return ret;
    }
    return 0;
}
