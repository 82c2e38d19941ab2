#include "deployed-host.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "apir-upstream-protocol.h"
#include "upstream/sample.h"
#include "util/clock.h"
#include "wire/capset.h"

enum { MS = 1000 * 1000, SLICE = 50 * MS };

/* The time of the test, in nanoseconds, and when its watch was started: the clock's functions are handed no state. */
static uint64_t now = 1, watch;

/* In place of util/clock.c. */
uint64_t apir_clock_now(void)
{
    return now;
}

void apir_clock_sleep(uint64_t ns)
{
    now += ns;
}

void deployed_host_start_watch(void)
{
    watch = now;
}

uint64_t deployed_host_watch(void)
{
    return (now - watch) / MS;
}

static struct deployed_host *of(struct apir_transport *transport)
{
    return (struct deployed_host *)transport;
}

static int shm_create(struct apir_transport *transport, uint64_t size, struct apir_shm *shm)
{
    struct deployed_host *host = of(transport);
    for (unsigned i = 0; i < DEPLOYED_MAX_BLOBS; i++) {
        if (host->blobs[i].data)
            continue;
        uint64_t rounded = (size + 0x3fff) & ~UINT64_C(0x3fff);
        host->blobs[i] = (struct apir_shm){.id = DEPLOYED_FIRST_ID + host->next_id++, .size = rounded};
        host->blobs[i].data = calloc(1, rounded);
        assert_non_null(host->blobs[i].data);
        *shm = host->blobs[i];
        return 0;
    }
    return -ENOMEM;
}

static void shm_destroy(struct apir_transport *transport, struct apir_shm *shm)
{
    struct deployed_host *host = of(transport);
    for (unsigned i = 0; shm->data && i < DEPLOYED_MAX_BLOBS; i++)
        if (host->blobs[i].data == shm->data) {
            free(shm->data);
            host->blobs[i] = (struct apir_shm){0};
        }
    *shm = (struct apir_shm){0};
}

static uint8_t *blob(const struct deployed_host *host, uint32_t id)
{
    for (unsigned i = 0; i < DEPLOYED_MAX_BLOBS; i++)
        if (host->blobs[i].id == id)
            return host->blobs[i].data;
    fail_msg("no blob %u", id);
    return NULL;
}

static void publish(uint8_t *reply, uint32_t code)
{
    atomic_store_explicit((_Atomic uint32_t *)(void *)reply, 1 + code, memory_order_release);
}

void deployed_host_answer(struct deployed_host *host, uint32_t code)
{
    const struct deployed_request *request = &host->requests[host->n_requests - 1];
    uint32_t reply;
    memcpy(&reply, request->bytes + 8, sizeof reply);
    publish(blob(host, reply), code);
}

/* The sample's reply to a function. */
static void read_sample(uint32_t function, struct sample *sample)
{
    struct sample_folder folder;
    sample_folder_init(&folder, UPSTREAM_VECTORS);
    const char *name = apir_upstream_call_name(function);
    if (!sample_read(&folder, name ? name : "unknown", sample))
        *sample = (struct sample){.reply = {.size = 4, .data = {5}}};
}

/* Results and return code of a request. */
static int64_t serve(struct deployed_host *host, const struct deployed_request *request, uint8_t *results)
{
    uint32_t version[] = {host->major, host->minor, APIR_HANDSHAKE_MAGIC, 1, 0};
    struct sample sample;
    uint32_t notif;
    switch (request->command) {
    case APIR_UPSTREAM_COMMAND_HANDSHAKE:
        memcpy(results, version, host->has_trailer && request->size > 20 ? sizeof version : 8);
        return APIR_HANDSHAKE_CODE;
    case APIR_UPSTREAM_COMMAND_LOAD_LIBRARY:
        return APIR_UPSTREAM_LOAD_CODE_SUCCESS;
    default:
        read_sample(request->flags, &sample);
        memcpy(&notif, sample.reply.data, sizeof notif);
        memcpy(results, sample.reply.data + 4, sample.reply.size - 4);
        if (host->results)
            memcpy(results, host->results, host->results_size);
        return notif - 1;
    }
}

static bool is_zero(const uint8_t *bytes, size_t size)
{
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0;
}

static int submit(struct apir_transport *transport, const void *payload, size_t size)
{
    struct deployed_host *host = of(transport);
    struct deployed_request *request = &host->requests[host->n_requests++];
    assert_true(host->n_requests < DEPLOYED_MAX_REQUESTS && size >= 12 && size <= sizeof request->bytes);
    memcpy(request->bytes, payload, size);
    request->size = size;
    uint32_t words[3];
    memcpy(words, payload, sizeof words);
    request->command = words[0] - transport->command_base;
    request->flags = words[1];
    uint8_t *reply = blob(host, words[2]);
    assert_true(request->command <= APIR_UPSTREAM_COMMAND_FORWARD);
    host->blob_was_zero = is_zero(reply, 1024);
    int64_t code = serve(host, request, reply + 4);
    if (host->has_code[request->command])
        code = host->code[request->command];
    if (code != DEPLOYED_SILENT)
        publish(reply, (uint32_t)code);
    return 0;
}

static int wait_for(struct apir_transport *transport, _Atomic uint32_t *word, uint32_t seen, _Atomic uint32_t *sleeping,
                    uint64_t timeout_ns)
{
    struct deployed_host *host = of(transport);
    (void)word;
    (void)seen;
    (void)sleeping;
    host->n_waits++;
    now += timeout_ns < SLICE ? timeout_ns : SLICE;
    if (host->on_wait)
        host->on_wait(host);
    return host->wait_result;
}

static int probe(struct apir_transport *transport, const void *payload, size_t size, uint64_t timeout_ns)
{
    struct deployed_host *host = of(transport);
    uint32_t words[5];
    assert_int_equal(size, sizeof words);
    assert_true(timeout_ns > 0);
    memcpy(words, payload, sizeof words);
    assert_int_equal(words[0], transport->command_base + APIR_UPSTREAM_COMMAND_HANDSHAKE);
    assert_int_not_equal(words[2], DEPLOYED_FIRST_ID); /* not the blob in which an answer is due */
    host->n_probes++;
    now += host->probe_result == -ETIMEDOUT ? timeout_ns : MS;
    publish(blob(host, words[2]),
            host->probe_tells_dead ? APIR_UPSTREAM_FORWARD_CODE_TIMEOUT : (uint32_t)APIR_HANDSHAKE_CODE);
    return host->probe_result;
}

static void destroy(struct apir_transport *transport)
{
    (void)transport;
}

static const struct apir_transport_ops ops = {
    .name = "test",
    .shm_create = shm_create,
    .shm_destroy = shm_destroy,
    .submit = submit,
    .wait = wait_for,
    .destroy = destroy,
};

static const struct apir_transport_ops ops_with_probe = {
    .name = "test",
    .shm_create = shm_create,
    .shm_destroy = shm_destroy,
    .submit = submit,
    .wait = wait_for,
    .probe = probe,
    .destroy = destroy,
};

struct apir_session_options deployed_host_options(void)
{
    struct apir_session_options options;
    apir_session_options_init(&options, NULL);
    options.protocol = APIR_SESSION_UPSTREAM;
    return options;
}

struct apir_session *deployed_host_open(struct deployed_host *host, const struct apir_session_options *options,
                                        char *reason, size_t reason_size)
{
    host->transport.ops = host->has_probe ? &ops_with_probe : &ops;
    host->transport.command_base = APIR_VENUS_COMMAND_BASE; /* as the samples have it */
    snprintf(host->transport.door, sizeof host->transport.door, "test");
    host->log = (struct apir_log){
        .stream = open_memstream(&host->log_text, &host->log_size), .level = APIR_LOG_DEBUG, .prefix = "guest"};
    return apir_session_open_with(&host->transport, options, &host->log, reason, reason_size);
}

struct apir_session *deployed_host_must_open(struct deployed_host *host, const struct apir_session_options *options)
{
    char reason[512] = "";
    struct apir_session *session = deployed_host_open(host, options, reason, sizeof reason);
    if (!session)
        fail_msg("no session: %s", reason);
    return session;
}

void deployed_host_finish(struct deployed_host *host)
{
    for (unsigned i = 0; i < DEPLOYED_MAX_BLOBS; i++)
        assert_null(host->blobs[i].data); /* the guest has given all back */
    fclose(host->log.stream);
    free(host->log_text);
}

const char *deployed_host_log(struct deployed_host *host)
{
    fflush(host->log.stream);
    return host->log_text ? host->log_text : "";
}
