#include "client/upstream-link.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "apir-upstream-codec.h"
#include "client/session-private.h"
#include "client/upstream-code.h"
#include "client/upstream-life.h"
#include "util/clock.h"
#include "wire/capset.h"

struct apir_upstream_link {
    struct apir_session *session; /* borrowed */
    uint64_t load_ns;             /* for LOADLIBRARY */
    pthread_mutex_t lock;         /* recursive; held for the length of a call; guards all below */
    struct apir_upstream_life life;
    const char *what; /* the call in flight, for people */
    uint64_t started_ns;
    uint8_t request[APIR_UPSTREAM_MAX_REQUEST];
    uint8_t reply[APIR_UPSTREAM_MAX_REQUEST]; /* private copy, when the caller gave no arena; no results are longer */
};

static void init_lock(pthread_mutex_t *lock)
{
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(lock, &attributes);
    pthread_mutexattr_destroy(&attributes);
}

struct apir_upstream_link *apir_upstream_link_create(struct apir_session *session,
                                                     const struct apir_session_options *options)
{
    struct apir_upstream_link *link = calloc(1, sizeof *link);
    if (!link)
        return NULL;
    link->session = session;
    link->load_ns = options->load_ns;
    int ret = apir_upstream_life_init(&link->life, session, options);
    if (ret < 0) {
        free(link);
        errno = -ret;
        return NULL;
    }
    init_lock(&link->lock);
    return link;
}

void apir_upstream_link_destroy(struct apir_upstream_link *link)
{
    if (!link)
        return;
    apir_upstream_life_finish(&link->life);
    pthread_mutex_destroy(&link->lock);
    free(link);
}

void apir_upstream_link_lock(struct apir_upstream_link *link)
{
    pthread_mutex_lock(&link->lock);
}

void apir_upstream_link_unlock(struct apir_upstream_link *link)
{
    pthread_mutex_unlock(&link->lock);
}

static _Atomic uint32_t *notif_of(const struct apir_upstream_link *link)
{
    return apir_status_notif(link->session->status.data);
}

static int begin(struct apir_upstream_link *link, enum apir_upstream_command command, uint32_t flags, const char *what,
                 struct apir_enc *request)
{
    int ret = apir_session_error(link->session);
    if (ret < 0)
        return ret;
    pthread_mutex_lock(&link->lock);
    link->what = what;
    link->started_ns = apir_clock_now();
    const struct apir_upstream_request_header header = {
        .command = command + link->session->transport->command_base,
        .flags = flags,
        .reply = link->session->status.id,
    };
    apir_enc_init(request, link->request, sizeof link->request);
    apir_upstream_encode_request_header(request, &header);
    return 0;
}

/* Sends the request and waits for the return code: 0 and *code, or -errno after which the session is over. */
static int exchange(struct apir_upstream_link *link, const struct apir_enc *request, uint64_t limit_ns, uint32_t *code)
{
    struct apir_session *session = link->session;
    _Atomic uint32_t *notif = notif_of(link);
    /* what an earlier reply has left must not pass for a result of this one */
    memset((char *)session->status.data + sizeof *notif, 0, sizeof link->reply);
    /* release: the host's stores to the blob come after it has the request */
    atomic_store_explicit(notif, 0, memory_order_release);
    int ret = session->transport->ops->submit(session->transport, request->start, apir_enc_used(request));
    if (ret == 0)
        ret = apir_upstream_life_wait(&link->life, notif, limit_ns);
    if (ret < 0) {
        apir_session_fail(session, ret, link->what);
        return ret;
    }
    /* acquire: pairs with the host's release, the results were written before it */
    *code = atomic_load_explicit(notif, memory_order_acquire) - 1;
    return 0;
}

int64_t apir_upstream_link_load(struct apir_upstream_link *link)
{
    struct apir_enc request;
    uint32_t code = 0;
    int ret = begin(link, APIR_UPSTREAM_COMMAND_LOAD_LIBRARY, 0, "LOADLIBRARY", &request);
    if (ret < 0)
        return ret;
    ret = exchange(link, &request, link->load_ns, &code);
    apir_info(link->session->log, "loading the host's library took %.3f ms",
              (double)(apir_clock_now() - link->started_ns) / 1e6);
    pthread_mutex_unlock(&link->lock);
    return ret < 0 ? ret : (int64_t)code;
}

int apir_upstream_link_begin(struct apir_upstream_link *link, uint32_t function, struct apir_enc *request)
{
    return begin(link, APIR_UPSTREAM_COMMAND_FORWARD, function, apir_upstream_call_name(function), request);
}

/* The results, copied out of the blob before they are looked at. */
static int read_results(struct apir_upstream_link *link, struct apir_arena *arena, struct apir_dec *reply)
{
    uint8_t *copy = arena ? apir_arena_alloc(arena, sizeof link->reply) : link->reply;
    if (!copy)
        return -ENOMEM;
    memcpy(copy, (const char *)link->session->status.data + sizeof(uint32_t), sizeof link->reply);
    apir_dec_init(reply, copy, sizeof link->reply, arena);
    return 0;
}

int apir_upstream_link_submit(struct apir_upstream_link *link, struct apir_enc *request, struct apir_arena *arena,
                              struct apir_dec *reply)
{
    uint32_t code = 0;
    if (!apir_enc_ok(request)) {
        apir_debug(link->session->log, "%s: %s", link->what, request->fatal);
        return -EMSGSIZE;
    }
    int ret = exchange(link, request, UINT64_MAX, &code);
    if (ret == 0 && code != APIR_UPSTREAM_FORWARD_CODE_FUNCTION_BASE)
        ret = apir_upstream_code_forward_failed(link->session, link->what, code);
    return ret < 0 ? ret : read_results(link, arena, reply);
}

int apir_upstream_link_end(struct apir_upstream_link *link, struct apir_dec *reply, int ret)
{
    /* what follows the results are those of a later version, or nothing */
    if (reply && ret == 0 && !apir_dec_ok(reply)) {
        apir_error(link->session->log, "the host's answer to %s cannot be read: %s", link->what, reply->fatal);
        ret = -EBADMSG;
        apir_session_fail(link->session, ret, link->what);
    }
    apir_debug(link->session->log, "%s took %.1f us%s", link->what, (double)(apir_clock_now() - link->started_ns) / 1e3,
               ret < 0 ? ", failed" : "");
    pthread_mutex_unlock(&link->lock);
    return ret;
}
