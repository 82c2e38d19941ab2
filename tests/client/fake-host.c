#include "fake-host.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "apir-upstream-protocol.h"
#include "util/fd.h"

static void must(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "fake host: %s failed\n", what);
    abort();
}

static void add_shm(struct fake_host *host, const struct apir_frame *frame)
{
    struct apir_frame_shm shm;
    must(frame->size == sizeof shm && frame->fd >= 0, "frame");
    memcpy(&shm, frame->data, sizeof shm);
    must(shm.id < FAKE_MAX_SHM && !host->shms[shm.id].data, "id");
    void *data = mmap(NULL, shm.size, PROT_READ | PROT_WRITE, MAP_SHARED, frame->fd, (off_t)shm.offset);
    must(data != MAP_FAILED, "mmap");
    host->shms[shm.id].data = data;
    host->shms[shm.id].size = shm.size;
}

static void remove_shm(struct fake_host *host, uint32_t id)
{
    if (host->shms[id].data == host->status)
        host->status = NULL;
    if (host->shms[id].data)
        munmap(host->shms[id].data, host->shms[id].size);
    host->shms[id].data = NULL;
}

static bool handshake(struct fake_host *host, const uint32_t *words, size_t n_words)
{
    static const uint32_t good[] = {APIR_HANDSHAKE_CODE + 1, APIR_COMPAT_MAJOR,   APIR_COMPAT_MINOR,
                                    APIR_HANDSHAKE_MAGIC,    APIR_PROTOCOL_MAJOR, APIR_PROTOCOL_MINOR};
    must(n_words == 8, "handshake");
    memcpy(host->handshake, words, sizeof host->handshake);
    host->status = host->shms[words[2]].data;
    if (host->on_handshake)
        return host->on_handshake(host, host->status, words, n_words);
    fake_host_answer_handshake(host->status, good, 6);
    return true;
}

static bool serve_record(struct fake_host *host, uint32_t queue, const uint8_t *record, int size)
{
    struct apir_dec dec;
    struct fake_request request = {.queue = queue, .memory = host->rings[queue].ring};
    apir_arena_reset(&host->arena);
    apir_dec_init(&dec, record, (size_t)size, &host->arena);
    apir_decode_request_header(&dec, &request.header);
    must(apir_dec_ok(&dec) && request.header.size == (uint32_t)size, "request");
    request.args = apir_dec_left(&dec);
    atomic_fetch_add(&host->requests, 1);
    return host->on_request ? host->on_request(host, &request) : fake_host_serve(host, &request);
}

/* Serves what is in the ring. `parked` is 1 before it looks: the guest rings for what comes later. */
static bool request(struct fake_host *host, uint32_t queue)
{
    static uint8_t record[APIR_MAX_RECORD];
    int size;
    bool go_on = true;
    atomic_store(&host->rings[queue].ring->parked, 1);
    while (go_on && (size = apir_ring_pop(&host->rings[queue], record)) != 0) {
        must(size > 0, "record");
        go_on = serve_record(host, queue, record, size);
    }
    return go_on;
}

static bool submit(struct fake_host *host, const struct apir_frame *frame)
{
    uint32_t words[8] = {0};
    must(frame->size <= sizeof words && frame->size % 4 == 0, "payload");
    memcpy(words, frame->data, frame->size);
    switch (words[0]) {
    case APIR_UPSTREAM_COMMAND_HANDSHAKE:
        return handshake(host, words, frame->size / 4);
    case APIR_COMMAND_OPEN_QUEUE:
        apir_ring_consumer_init(&host->rings[words[1]], host->shms[words[2]].data);
        return request(host, words[1]);
    case APIR_COMMAND_KICK:
        return request(host, words[1]);
    case APIR_COMMAND_SYNC:
        atomic_store(apir_status_synced(host->status), words[1]);
        return true;
    default:
        return true;
    }
}

static void *serve(void *data)
{
    struct fake_host *host = data;
    struct apir_frame frame;
    bool go_on = true;
    while (go_on && apir_connection_receive(&host->connection, &frame) == 1) {
        if (frame.type == APIR_FRAME_SHM_ADD) {
            add_shm(host, &frame);
        } else if (frame.type == APIR_FRAME_SHM_REMOVE) {
            remove_shm(host, *(const uint32_t *)frame.data);
            apir_connection_send(&host->connection, APIR_FRAME_SHM_REMOVED, frame.data, frame.size, -1);
        } else if (frame.type == APIR_FRAME_SUBMIT) {
            go_on = submit(host, &frame);
        }
        apir_fd_close(&frame.fd);
    }
    apir_connection_finish(&host->connection);
    return NULL;
}

struct apir_session *fake_host_open(struct fake_host *host, char *reason, size_t reason_size)
{
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    apir_connection_init(&host->connection, pair[0]);
    host->log = (struct apir_log){
        .stream = open_memstream(&host->log_text, &host->log_size), .level = APIR_LOG_INFO, .prefix = "guest"};
    assert_int_equal(pthread_create(&host->thread, NULL, serve, host), 0);
    return apir_session_open(apir_transport_socket_from_fd(pair[1]), &host->log, reason, reason_size);
}

struct apir_session *fake_host_must_open(struct fake_host *host)
{
    char reason[512] = "";
    struct apir_session *session = fake_host_open(host, reason, sizeof reason);
    if (!session)
        fail_msg("no session: %s", reason);
    return session;
}

void fake_host_finish(struct fake_host *host)
{
    pthread_join(host->thread, NULL);
    for (uint32_t id = 0; id < FAKE_MAX_SHM; id++)
        remove_shm(host, id);
    apir_arena_finish(&host->arena);
    fclose(host->log.stream);
    free(host->log_text);
}

void fake_host_answer_handshake(uint32_t *page, const uint32_t *words, size_t n_words)
{
    memcpy(page + 1, words + 1, (n_words - 1) * sizeof *words);
    atomic_store_explicit(apir_status_notif(page), words[0], memory_order_release);
}

void fake_host_reply(void *memory, const void *reply, size_t size, uint64_t sequence)
{
    struct apir_ring *ring = memory;
    memcpy(apir_ring_reply(memory), reply, size);
    if (apir_ring_complete(ring, sequence))
        syscall(SYS_futex, &ring->completed, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

size_t fake_host_write_reply(uint8_t *reply, uint64_t sequence, const uint32_t *words, size_t n)
{
    struct apir_enc enc;
    apir_enc_init(&enc, reply, 4096);
    apir_encode_reply_header(&enc, &(struct apir_reply_header){.size = (uint32_t)(16 + 4 * n), .sequence = sequence});
    for (size_t i = 0; i < n; i++)
        apir_enc_u32(&enc, words[i]);
    return apir_enc_used(&enc);
}

bool fake_host_serve(struct fake_host *host, const struct fake_request *request)
{
    static const uint32_t results[8] = {1, 0, 2, 0, 3, 0, 4, 0};
    uint8_t reply[4096];
    (void)host;
    size_t n = request->header.call == APIR_CALL_SESSION_GET_STATS ? 8 : 0;
    fake_host_reply(request->memory, reply, fake_host_write_reply(reply, request->header.sequence, results, n),
                    request->header.sequence);
    return true;
}

void fake_host_mark_dead(struct fake_host *host)
{
    atomic_store(apir_status_dead(host->status), 1);
}
