#include "server/upstream.h"

#include <errno.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "apir-upstream-codec.h"
#include "apir-upstream-protocol.h"
#include "wire/capset.h"
#include "wire/status.h"

enum { NOTIF_SIZE = sizeof(uint32_t) };

/* A request that waits for its turn. Owned by the session's list, then by the thread. */
struct apir_upstream_request {
    struct apir_upstream_request *next;
    struct apir_upstream_request_header header;
    size_t size;
    alignas(8) uint8_t args[];
};

/* The reply blob, to be put; NULL if the guest has taken it away, or if it cannot hold an answer. */
static struct apir_mapping *get_reply(struct apir_upstream_session *session, uint32_t id)
{
    struct apir_mapping *reply = apir_shm_table_get(session->memory, id);
    if (!reply || reply->size >= NOTIF_SIZE)
        return reply;
    apir_shm_table_put(session->memory, reply);
    return NULL;
}

/* Room for results behind notif. */
static size_t room(const struct apir_mapping *reply)
{
    size_t size = reply->size < APIR_UPSTREAM_REPLY_SIZE ? (size_t)reply->size : APIR_UPSTREAM_REPLY_SIZE;
    return size - NOTIF_SIZE;
}

/* Writes the answer; a guest that has taken its reply blob away does not want it. */
static void answer(struct apir_upstream_session *session, uint32_t id, uint32_t code, const void *results, size_t size)
{
    struct apir_mapping *reply = get_reply(session, id);
    if (!reply)
        return;
    if (size > room(reply))
        size = room(reply);
    if (size > 0)
        memcpy((uint8_t *)reply->data + NOTIF_SIZE, results, size);
    /* release: partner is the guest, which polls this word and then reads the results */
    atomic_store_explicit(apir_status_notif(reply->data), 1 + code, memory_order_release);
    apir_shm_table_put(session->memory, reply);
}

static uint32_t load(struct apir_upstream_session *session)
{
    if (session->load_tried && session->load_code == APIR_UPSTREAM_LOAD_CODE_SUCCESS)
        return APIR_UPSTREAM_LOAD_CODE_ALREADY_LOADED;
    if (!session->load_tried)
        session->load_code = session->backend->load(session->backend_data);
    session->load_tried = true;
    return session->load_code;
}

/* What a function returned is the backend's to explain; what none returned is said here, once. */
static void complain(struct apir_upstream_session *session, const struct apir_upstream_request *request, uint32_t code)
{
    const char *name = apir_upstream_call_name(request->header.flags);
    bool quiet = session->complained || code >= APIR_UPSTREAM_FORWARD_CODE_FUNCTION_BASE;
    apir_log_print(session->log, quiet ? APIR_LOG_DEBUG : APIR_LOG_WARN,
                   "function %u (%s) with %zu bytes of arguments: code %u", request->header.flags,
                   name ? name : "unknown", request->size, code);
    session->complained |= !quiet;
}

/* The forward code; *used bytes of results are in the session's memory. */
static uint32_t forward(struct apir_upstream_session *session, const struct apir_upstream_request *request,
                        size_t *used)
{
    struct apir_mapping *reply = get_reply(session, request->header.reply);
    size_t capacity = reply ? room(reply) : 0;
    apir_shm_table_put(session->memory, reply); /* not kept: the guest may take it away while the function runs */
    if (!session->load_tried || session->load_code != APIR_UPSTREAM_LOAD_CODE_SUCCESS)
        return APIR_UPSTREAM_FORWARD_CODE_NO_DISPATCH_FCT;
    memset(session->results, 0, capacity);
    uint32_t code = session->backend->forward(session->backend_data, request->header.flags, request->args,
                                              request->size, session->results, capacity, used);
    if (code == APIR_UPSTREAM_FORWARD_CODE_FUNCTION_BASE && *used > capacity) /* a bug of the backend */
        code = (uint32_t)APIR_UPSTREAM_FORWARD_CODE_FUNCTION_BASE + APIR_UPSTREAM_FUNCTION_CODE_REFUSED;
    if (code != APIR_UPSTREAM_FORWARD_CODE_FUNCTION_BASE)
        *used = 0;
    return code;
}

static void run(struct apir_upstream_session *session, const struct apir_upstream_request *request)
{
    size_t used = 0;
    uint32_t code = request->header.command == APIR_UPSTREAM_COMMAND_LOAD_LIBRARY
                        ? load(session)
                        : forward(session, request, &used);
    if (request->header.command == APIR_UPSTREAM_COMMAND_FORWARD &&
        code != APIR_UPSTREAM_FORWARD_CODE_FUNCTION_BASE)
        complain(session, request, code);
    answer(session, request->header.reply, code, session->results, used);
}

static struct apir_upstream_request *take_locked(struct apir_upstream_session *session)
{
    struct apir_upstream_request *request = session->first;
    if (!request)
        return NULL;
    session->first = request->next;
    if (!session->first)
        session->last = &session->first;
    session->count--;
    session->bytes -= request->size;
    return request;
}

/* The next request, or NULL at the end. */
static struct apir_upstream_request *wait_request(struct apir_upstream_session *session)
{
    pthread_mutex_lock(&session->lock);
    while (!session->first && !session->ending)
        pthread_cond_wait(&session->changed, &session->lock);
    struct apir_upstream_request *request = session->ending ? NULL : take_locked(session);
    pthread_mutex_unlock(&session->lock);
    return request;
}

static void *session_main(void *data)
{
    struct apir_upstream_session *session = data;
    struct apir_upstream_request *request;
    struct apir_watch watch = {.next = NULL};
    apir_watchdog_add(session->watchdog, &watch);
    while ((request = wait_request(session))) {
        apir_watchdog_begin(session->watchdog, &watch);
        run(session, request);
        apir_watchdog_end(session->watchdog, &watch);
        free(request);
    }
    apir_watchdog_remove(session->watchdog, &watch);
    return NULL;
}

int apir_upstream_session_begin(struct apir_upstream_session *session, const struct apir_upstream_backend *backend,
                                void *backend_data, struct apir_shm_table *memory, struct apir_watchdog *watchdog,
                                const struct apir_log *log)
{
    memset(session, 0, sizeof *session);
    session->backend_data = backend_data;
    session->memory = memory;
    session->log = log;
    session->watchdog = watchdog;
    session->last = &session->first;
    session->results = malloc(APIR_UPSTREAM_REPLY_SIZE);
    if (!session->results)
        return -ENOMEM;
    pthread_mutex_init(&session->lock, NULL);
    pthread_cond_init(&session->changed, NULL);
    session->backend = backend;
    int ret = -pthread_create(&session->thread, NULL, session_main, session);
    if (ret == 0)
        return 0;
    session->backend = NULL;
    pthread_cond_destroy(&session->changed);
    pthread_mutex_destroy(&session->lock);
    free(session->results);
    return ret;
}

static int refuse(const struct apir_upstream_session *session, const char *why)
{
    apir_warn(session->log, "request refused: %s", why);
    return -EPROTO;
}

/* Once: guests may shake hands again and again, to find out whether we live. */
static void log_versions(struct apir_upstream_session *session, const struct apir_upstream_version *guest,
                         uint32_t minor)
{
    const uint32_t major = APIR_UPSTREAM_PROTOCOL_MAJOR;
    bool same = guest->major == major;
    enum apir_log_level level = session->greeted ? APIR_LOG_DEBUG : same ? APIR_LOG_INFO : APIR_LOG_WARN;
    apir_log_print(session->log, level, "guest is running with %u.%u, host with %u.%u%s", guest->major, guest->minor,
                   major, minor, same ? "" : ": they may not understand each other");
    session->greeted = true;
}

/* What a guest that knows nothing newer expects: its own minor version, if we have it. */
static int handle_handshake(struct apir_upstream_session *session, uint32_t reply, struct apir_dec *args)
{
    struct apir_upstream_version guest;
    const uint32_t host_major = APIR_UPSTREAM_PROTOCOL_MAJOR;
    apir_upstream_decode_version(args, &guest);
    if (!apir_dec_ok(args))
        return refuse(session, "a handshake without a version");
    bool same = guest.major == host_major;
    uint32_t minor = same && guest.minor < APIR_UPSTREAM_PROTOCOL_MINOR ? guest.minor : APIR_UPSTREAM_PROTOCOL_MINOR;
    log_versions(session, &guest, minor);
    uint8_t results[2 * sizeof(uint32_t)];
    struct apir_enc enc;
    apir_enc_init(&enc, results, sizeof results);
    apir_upstream_encode_version(&enc, &(struct apir_upstream_version){.major = host_major, .minor = minor});
    answer(session, reply, APIR_HANDSHAKE_CODE, results, apir_enc_used(&enc));
    return 0;
}

/* Takes ownership of request, unless there are too many. */
static int append(struct apir_upstream_session *session, struct apir_upstream_request *request)
{
    pthread_mutex_lock(&session->lock);
    bool fits = session->count < APIR_UPSTREAM_MAX_PENDING && request->size <= APIR_UPSTREAM_MAX_PENDING_BYTES &&
                session->bytes <= APIR_UPSTREAM_MAX_PENDING_BYTES - request->size;
    if (fits) {
        *session->last = request;
        session->last = &request->next;
        session->count++;
        session->bytes += request->size;
        pthread_cond_signal(&session->changed);
    }
    pthread_mutex_unlock(&session->lock);
    return fits ? 0 : -ENOBUFS;
}

static int queue(struct apir_upstream_session *session, const struct apir_upstream_request_header *header,
                 const void *args, size_t size)
{
    struct apir_upstream_request *request = calloc(1, sizeof *request + size);
    if (!request)
        return refuse(session, "out of memory");
    request->header = *header;
    request->size = size;
    if (size > 0)
        memcpy(request->args, args, size);
    if (append(session, request) == 0)
        return 0;
    free(request);
    return refuse(session, "too many are pending");
}

int apir_upstream_session_submit(struct apir_upstream_session *session, const void *payload, size_t size)
{
    struct apir_upstream_request_header header;
    struct apir_dec dec;
    apir_dec_init(&dec, payload, size, NULL);
    apir_upstream_decode_request_header(&dec, &header);
    if (!apir_dec_ok(&dec))
        return refuse(session, "it has no header");
    if (header.command >= APIR_VENUS_COMMAND_BASE)
        header.command -= APIR_VENUS_COMMAND_BASE;
    struct apir_mapping *reply = get_reply(session, header.reply);
    if (!reply)
        return refuse(session, "its reply blob is unknown or too small");
    apir_shm_table_put(session->memory, reply);
    switch (header.command) {
    case APIR_UPSTREAM_COMMAND_HANDSHAKE:
        return handle_handshake(session, header.reply, &dec);
    case APIR_UPSTREAM_COMMAND_LOAD_LIBRARY:
    case APIR_UPSTREAM_COMMAND_FORWARD:
        return queue(session, &header, dec.cur, apir_dec_left(&dec));
    default:
        return refuse(session, "unknown command");
    }
}

/* The guest is told at once, also if what runs takes long. */
static void answer_pending(struct apir_upstream_session *session, struct apir_upstream_request *request)
{
    while (request) {
        struct apir_upstream_request *next = request->next;
        answer(session, request->header.reply, APIR_UPSTREAM_FORWARD_CODE_TIMEOUT, NULL, 0);
        free(request);
        request = next;
    }
}

void apir_upstream_session_finish(struct apir_upstream_session *session)
{
    if (!session->backend)
        return;
    pthread_mutex_lock(&session->lock);
    struct apir_upstream_request *pending = session->first;
    session->first = NULL;
    session->ending = true;
    pthread_cond_signal(&session->changed);
    pthread_mutex_unlock(&session->lock);
    answer_pending(session, pending);
    pthread_join(session->thread, NULL);
    pthread_cond_destroy(&session->changed);
    pthread_mutex_destroy(&session->lock);
    free(session->results);
    session->backend = NULL;
}
