#include "gated-host.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

static void wait_gate_locked(struct gated_host *g, const struct fake_request *request)
{
    while (request->queue != 0 && request->header.sequence >= g->gate)
        pthread_cond_wait(&g->changed, &g->lock);
}

static void note_locked(struct gated_host *g, const struct fake_request *request)
{
    g->header = request->header;
    memcpy(g->waits, request->header.waits, request->header.n_waits * sizeof *g->waits);
    if (request->queue == 0)
        return;
    g->in_order = g->in_order && request->header.sequence == g->last + 1;
    g->last = request->header.sequence;
}

/* As a worker does it, which then ends its thread. */
static void refuse(const struct fake_request *request)
{
    struct apir_ring *ring = request->memory;
    apir_ring_fail(ring, (uint32_t)-ENOENT);
    apir_ring_complete(ring, request->header.sequence);
    syscall(SYS_futex, &ring->completed, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

static bool serve_gated(struct fake_host *host, const struct fake_request *request)
{
    struct gated_host *g = host->test;
    pthread_mutex_lock(&g->lock);
    wait_gate_locked(g, request);
    note_locked(g, request);
    pthread_mutex_unlock(&g->lock);
    if (request->queue != 0 && g->refuse_at && request->header.sequence >= g->refuse_at) {
        if (request->header.sequence == g->refuse_at)
            refuse(request);
        return true;
    }
    if (request->queue != 0 && g->fail_at && request->header.sequence >= g->fail_at) /* only the first counts */
        apir_ring_fail(request->memory, request->header.sequence == g->fail_at ? g->fail_with : 99);
    return fake_host_serve(host, request);
}

void gated_host_open(struct gated_host *g, uint64_t gate)
{
    memset(g, 0, sizeof *g);
    pthread_mutex_init(&g->lock, NULL);
    pthread_cond_init(&g->changed, NULL);
    g->gate = gate;
    g->in_order = true;
    g->host.on_request = serve_gated;
    g->host.test = g;
    g->session = fake_host_must_open(&g->host);
    g->queue = apir_queue_open(g->session);
    assert_non_null(g->queue);
}

void gated_host_let(struct gated_host *g, uint64_t gate)
{
    pthread_mutex_lock(&g->lock);
    g->gate = gate;
    pthread_cond_broadcast(&g->changed);
    pthread_mutex_unlock(&g->lock);
}

void gated_host_close(struct gated_host *g)
{
    gated_host_let(g, UINT64_MAX);
    apir_queue_close(g->queue);
    apir_session_close(g->session);
    fake_host_finish(&g->host);
    pthread_cond_destroy(&g->changed);
    pthread_mutex_destroy(&g->lock);
}
