/* The host end of a session on a thread, whose answers the test decides. */
#ifndef APIR_TESTS_CLIENT_FAKE_HOST_H
#define APIR_TESTS_CLIENT_FAKE_HOST_H

#include <pthread.h>
#include <stdbool.h>

#include "apir-calls.h"
#include "apir-codec.h"
#include "client/queue.h"
#include "client/session.h"
#include "util/arena.h"
#include "wire/capset.h"
#include "wire/connection.h"
#include "wire/cs.h"
#include "wire/ring.h"
#include "wire/status.h"

enum {
    FAKE_MAX_SHM = 128,
};

/* What a request of the guest holds. */
struct fake_request {
    uint32_t queue;
    void *memory; /* of the queue */
    struct apir_request_header header;
    size_t args; /* bytes behind the header */
};

struct fake_host {
    /* What to answer; false closes the connection. NULL: the right answer. */
    bool (*on_handshake)(struct fake_host *host, uint32_t *page, const uint32_t *words, size_t n_words);
    bool (*on_request)(struct fake_host *host, const struct fake_request *request);
    uint32_t handshake[8]; /* of the guest, words 3 to 7 and on are versions */
    _Atomic uint32_t requests;
    void *test; /* the test's own */

    /* the rest is the host's */
    pthread_t thread;
    struct apir_connection connection;
    struct {
        void *data;
        uint64_t size;
    } shms[FAKE_MAX_SHM];
    struct apir_ring_consumer rings[APIR_MAX_QUEUES];
    void *status;
    struct apir_arena arena;
    /* the guest's side */
    struct apir_log log;
    char *log_text;
    size_t log_size;
};

/* Starts the host, whose on_* are set, and opens a session with it. NULL with errno and reason. */
struct apir_session *fake_host_open(struct fake_host *host, char *reason, size_t reason_size);

/* Opens a session that must work. */
struct apir_session *fake_host_must_open(struct fake_host *host);

/* Waits for the host to end, which it does when the session is closed. */
void fake_host_finish(struct fake_host *host);

/* Answers a handshake with these words; the first is stored last. */
void fake_host_answer_handshake(uint32_t *page, const uint32_t *words, size_t n_words);

/* Publishes a reply of size bytes as they are. */
void fake_host_reply(void *memory, const void *reply, size_t size, uint64_t sequence);

/* Writes a good reply: header, then n words of results; its bytes. */
size_t fake_host_write_reply(uint8_t *reply, uint64_t sequence, const uint32_t *words, size_t n);

/* Answers as a good host does, with 8 words of results (session_get_stats). */
bool fake_host_serve(struct fake_host *host, const struct fake_request *request);

/* Marks the session dead, as the daemon does. */
void fake_host_mark_dead(struct fake_host *host);

#endif
