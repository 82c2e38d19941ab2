/* A whole session: the server on a socket pair, with its threads, and a guest that writes frames, rings and requests, good and
 * bad. The other targets reach what a request does; this one reaches what is around it: frames with descriptors, shared
 * memory that comes and goes, queues, sequences, dependencies, both protocols' sessions, ends at any time. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>

#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "apir-codec.h"
#include "apir-server.h"
#include "fuzz.h"
#include "host.h"
#include "repair.h"
#include "server/server.h"
#include "session-steps.h"
#include "steps.h"
#include "wire/capset.h"
#include "wire/connection.h"
#include "wire/ring.h"
#include "wire/status.h"

enum {
    QUEUES = 3,
    MAX_WAITS = 8,
    MAX_STEPS_RUN = 64,
    MAX_WAIT_MS = 100, /* for an answer, or for the session's end */
    SEND_TIMEOUT_MS = 1000,
};

const struct fuzz_subject fuzz_subject = {
    .protocol = &apir_fuzz_protocol, .n_own = N_OWN_STEPS, .n_params = HOST_SLOTS, .repair = repair_tensor};

struct memory {
    int fd;
    uint8_t *data;
};

struct queue {
    struct memory memory;
    struct apir_ring_producer ring;
    uint64_t sequence;
    bool opened; /* somebody may answer */
};

struct session {
    unsigned variant; /* of the host */
    struct host host;
    pthread_t thread;
    struct apir_connection connection;
    int server_fd;
    struct memory status;
    struct queue queues[QUEUES];
    struct fuzz_handles handles;
    struct apir_dependency waits[MAX_WAITS];
    uint32_t n_waits;
    uint64_t struct_size;
    uint32_t synced;
    bool garbled; /* the server may be waiting for the rest of a frame: nothing is waited for any more */
    uint8_t *record;
};

static void expired(void *data)
{
    (void)data;
    abort();
}

/* By the interface for other programs. */
static void serve_as_service(struct session *session)
{
    struct apir_service_memory memory;
    struct apir_service *service = apir_service_create(&(struct apir_service_options){
        .fd = session->server_fd, .handlers = apir_executor_handlers(), .handler_data = session->host.executor});
    assert(service);
    apir_service_run(service);
    FUZZ_CHECK(apir_service_run(service) == -EINVAL);
    if (apir_service_get_memory(service, 1, &memory) == 0)
        apir_service_put_memory(service, &memory);
    apir_service_destroy(service);
}

static void *serve(void *data)
{
    struct session *session = data;
    const struct apir_server_options options = {
        .fd = session->server_fd,
        .handlers = apir_executor_handlers(),
        .handler_data = session->host.executor,
        .memory = &session->host.memory,
        .log = &session->host.log,
        .upstream = apir_executor_upstream_backend(),
        .upstream_data = session->host.executor,
        .limits = session->host.limits,
        .expired = expired,
    };
    if (session->variant == HOST_SERVICE)
        serve_as_service(session);
    else
        apir_server_run(&options);
    return NULL;
}

static void send_frame(struct session *session, uint32_t type, const void *data, size_t size, int fd)
{
    apir_connection_send(&session->connection, type, data, (uint32_t)size, fd);
}

static void submit(struct session *session, const uint32_t *words, size_t count)
{
    send_frame(session, APIR_FRAME_SUBMIT, words, count * sizeof *words, -1);
}

static void share(struct session *session, uint32_t id, const struct memory *memory, uint64_t size)
{
    const struct apir_frame_shm shm = {.id = id, .size = size};
    send_frame(session, APIR_FRAME_SHM_ADD, &shm, sizeof shm, memory->fd);
}

static bool is_dead(struct session *session)
{
    struct pollfd end = {.fd = session->connection.fd, .events = POLLRDHUP};
    return atomic_load(apir_status_dead(session->status.data)) != 0 ||
           (poll(&end, 1, 0) > 0 && end.revents & (POLLRDHUP | POLLHUP | POLLERR));
}

/* Whether *word has the value before the session ends. */
static bool wait_for(struct session *session, _Atomic uint32_t *word, uint32_t value)
{
    for (unsigned i = 0; i < MAX_WAIT_MS * 20 && !session->garbled; i++) {
        if ((int32_t)(atomic_load(word) - value) >= 0)
            return true;
        if (i % 16 == 15 && is_dead(session))
            return false;
        if (i < 200)
            sched_yield();
        else
            usleep(50);
    }
    session->garbled = true; /* it answers no more, at least not this */
    return false;
}

/* What was sent is taken before what comes in rings: else it is chance what an input does. */
static void sync_frames(struct session *session)
{
    const uint32_t words[] = {APIR_COMMAND_SYNC, ++session->synced, 0};
    submit(session, words, 3);
    wait_for(session, apir_status_synced(session->status.data), words[1]);
}

static void handshake(struct session *session, unsigned kind)
{
    const uint32_t words[] = {0, 0, kind == 2 ? 77 : SESSION_STATUS_ID, 0, 2, APIR_HANDSHAKE_MAGIC, APIR_PROTOCOL_MAJOR,
                              APIR_PROTOCOL_MINOR};
    share(session, SESSION_STATUS_ID, &session->status, APIR_STATUS_PAGE_SIZE);
    submit(session, words, kind == 1 ? 5 : 8);
}

static void open_queue(struct session *session, unsigned number)
{
    struct queue *queue = &session->queues[number % QUEUES];
    const uint32_t words[] = {APIR_COMMAND_OPEN_QUEUE, number % QUEUES, SESSION_QUEUE_ID + number % QUEUES};
    queue->opened = true;
    share(session, SESSION_QUEUE_ID + number % QUEUES, &queue->memory, APIR_QUEUE_SIZE);
    submit(session, words, 3);
}

static void push(struct session *session, unsigned number, const void *bytes, size_t size)
{
    const uint32_t kick[] = {APIR_COMMAND_KICK, number % QUEUES, 0};
    struct queue *queue = &session->queues[number % QUEUES];
    if (size > 0 && size <= APIR_MAX_RECORD && apir_ring_push(&queue->ring, bytes, (uint32_t)size) == 0)
        submit(session, kick, 3);
}

/* The request of a call, with what it waits for; its bytes in session->record. */
static size_t write_request(struct session *session, uint32_t call, uint64_t sequence, const uint8_t *args, size_t size)
{
    struct apir_enc enc;
    struct apir_request_header header = {
        .call = call, .sequence = sequence, .waits = session->waits, .n_waits = session->n_waits};
    apir_enc_init(&enc, session->record, APIR_MAX_RECORD);
    apir_encode_request_header(&enc, &header);
    size_t start = apir_enc_used(&enc);
    if (size > APIR_MAX_RECORD - start)
        return 0;
    header.size = (uint32_t)(start + size);
    apir_enc_init(&enc, session->record, APIR_MAX_RECORD);
    apir_encode_request_header(&enc, &header);
    if (size > 0)
        memcpy(session->record + start, args, size);
    return header.size;
}

static void take_reply(struct session *session, const struct queue *queue, const struct fuzz_message *message)
{
    struct apir_reply_header header;
    struct apir_dec dec;
    memcpy(session->record, apir_ring_reply(queue->memory.data), APIR_MAX_RECORD);
    apir_dec_init(&dec, session->record, APIR_MAX_RECORD, NULL);
    apir_decode_reply_header(&dec, &header);
    size_t start = (size_t)(dec.cur - dec.start);
    if (apir_dec_ok(&dec) && header.status == 0 && message->reply && header.size >= start)
        fuzz_handles_take(&session->handles, &apir_fuzz_protocol, message->reply, session->record + start,
                          header.size - start);
}

/* A graph whose size is 0 is the struct that was put last, in the first slot. */
static void find_graph(struct session *session, const struct fuzz_message *message, uint8_t *args, size_t size)
{
    struct fuzz_walk walk;
    fuzz_walk_init(&walk, &apir_fuzz_protocol, message->args, args, size, size, NULL);
    const struct fuzz_place *place = walk.n_places ? fuzz_find(&walk, 0, "size", 0) : NULL;
    if (place && fuzz_get(&walk, place) == 0)
        fuzz_set(&walk, place, session->struct_size);
    fuzz_walk_finish(&walk);
}

static void run_call(struct session *session, const struct fuzz_message *message, unsigned number, uint8_t *args,
                     size_t size)
{
    struct queue *queue = &session->queues[number % QUEUES];
    if (message->args)
        fuzz_handles_put(&session->handles, &apir_fuzz_protocol, message->args, args, size);
    if (message->call == APIR_CALL_GRAPH_COMPUTE || message->call == APIR_CALL_GRAPH_DERIVE)
        find_graph(session, message, args, size);
    size_t bytes = write_request(session, (uint32_t)message->call, queue->sequence + 1, args, size);
    bool waits = session->n_waits > 0;
    session->n_waits = 0;
    if (bytes == 0)
        return;
    queue->sequence++;
    push(session, number, session->record, bytes);
    /* what waits may wait for what comes later */
    if (!waits && queue->opened && wait_for(session, &queue->ring.ring->completed, (uint32_t)queue->sequence))
        take_reply(session, queue, message);
}

static void run_message(struct session *session, const struct fuzz_step *step, uint8_t *bytes)
{
    const struct fuzz_message *message = &apir_fuzz_protocol.messages[step->what];
    if (message->call != FUZZ_NO_CALL) {
        run_call(session, message, step->param, bytes, step->size);
        return;
    }
    fuzz_handles_put(&session->handles, &apir_fuzz_protocol, message->args, bytes, step->size);
    if (step->size > 0)
        memcpy(host_slot(0), bytes, step->size);
    session->struct_size = step->size;
}

static void begin(struct session *session)
{
    handshake(session, 0);
    for (unsigned i = 0; i < HOST_SLOTS; i++)
        share(session, i + 1, &(struct memory){.fd = host_slot_fd(i)}, HOST_SLOT_SIZE);
    open_queue(session, 0);
    sync_frames(session);
    run_call(session, &apir_fuzz_protocol.messages[0], 0, session->record, 0);
}

static void run_own(struct session *session, const struct fuzz_step *step, const uint8_t *bytes)
{
    struct reader reader = {bytes, step->size};
    uint32_t words[4] = {0};
    switch ((enum session_step)(step->what - apir_fuzz_protocol.n_messages)) {
    case STEP_BEGIN:
        begin(session);
        break;
    case STEP_FRAME:
        words[0] = reader_u32(&reader);
        send_frame(session, words[0], reader.data, reader.left, step->param ? host_slot_fd(step->param) : -1);
        break;
    case STEP_BYTES:
        session->garbled = true;
        (void)!send(session->connection.fd, bytes, step->size, MSG_DONTWAIT | MSG_NOSIGNAL);
        break;
    case STEP_HANDSHAKE:
        handshake(session, step->param);
        break;
    case STEP_COMMAND:
        reader_copy(&reader, words, 3 * sizeof *words);
        submit(session, words, 3);
        break;
    case STEP_SHARE:
        words[0] = reader_u32(&reader);
        share(session, words[0], &(struct memory){.fd = host_slot_fd(step->param)}, reader_u32(&reader));
        break;
    case STEP_TAKE_AWAY:
        words[0] = reader_u32(&reader);
        send_frame(session, APIR_FRAME_SHM_REMOVE, words, sizeof *words, -1);
        break;
    case STEP_OPEN:
        open_queue(session, step->param);
        sync_frames(session);
        break;
    case STEP_RECORD:
        push(session, step->param, bytes, step->size);
        break;
    case STEP_WAITS:
        for (session->n_waits = 0; session->n_waits < MAX_WAITS && reader.left > 0; session->n_waits++)
            session->waits[session->n_waits] =
                (struct apir_dependency){.queue = reader_u8(&reader), .sequence = reader_u8(&reader)};
        break;
    case STEP_SCRIBBLE:
        words[0] = reader_u32(&reader) % (APIR_QUEUE_SIZE - 3);
        reader_copy(&reader, session->queues[step->param % QUEUES].memory.data + words[0], 4);
        break;
    case STEP_FENCE:
        send_frame(session, APIR_FRAME_FENCE, bytes, step->size, -1);
        break;
    case STEP_UPSTREAM:
        words[0] = reader_u32(&reader);
        words[1] = reader_u32(&reader);
        words[2] = SESSION_STATUS_ID;
        memcpy(session->record, words, 12);
        memcpy(session->record + 12, reader.data, reader.left < 4096 ? reader.left : 4096);
        atomic_store(apir_status_notif(session->status.data), 0);
        send_frame(session, APIR_FRAME_SUBMIT, session->record, 12 + (reader.left < 4096 ? reader.left : 4096), -1);
        if (step->param == 0)
            wait_for(session, apir_status_notif(session->status.data), 1);
        break;
    case STEP_HOST:
    case N_OWN_STEPS:
        break;
    }
}

static void run_step(struct session *session, const struct fuzz_step *step)
{
    uint8_t *bytes = malloc(step->size + 1u);
    assert(bytes);
    memcpy(bytes, step->bytes, step->size);
    if (step->what < apir_fuzz_protocol.n_messages)
        run_message(session, step, bytes);
    else
        run_own(session, step, bytes);
    free(bytes);
}

static struct memory make_memory(size_t size)
{
    struct memory memory = {.fd = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING)};
    assert(memory.fd >= 0 && ftruncate(memory.fd, (off_t)size) == 0);
    fcntl(memory.fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW);
    memory.data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, memory.fd, 0);
    assert(memory.data != MAP_FAILED);
    return memory;
}

static void finish_memory(const struct memory *memory, size_t size)
{
    munmap(memory->data, size);
    close(memory->fd);
}

static void start(struct session *session, unsigned variant)
{
    int pair[2];
    session->variant = variant;
    host_init(&session->host, variant);
    session->record = malloc(APIR_MAX_RECORD + 16);
    session->status = make_memory(APIR_STATUS_PAGE_SIZE);
    for (unsigned i = 0; i < QUEUES; i++) {
        session->queues[i].memory = make_memory(APIR_QUEUE_SIZE);
        apir_ring_producer_init(&session->queues[i].ring, session->queues[i].memory.data);
    }
    int failed = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
    assert(session->record && !failed);
    session->server_fd = pair[0];
    apir_connection_init(&session->connection, pair[1]);
    apir_connection_set_send_timeout(&session->connection, SEND_TIMEOUT_MS);
    failed = pthread_create(&session->thread, NULL, serve, session);
    assert(!failed);
}

static void stop(struct session *session)
{
    shutdown(session->connection.fd, SHUT_WR);
    pthread_join(session->thread, NULL);
    apir_connection_finish(&session->connection);
    host_finish(&session->host);
    for (unsigned i = 0; i < QUEUES; i++)
        finish_memory(&session->queues[i].memory, APIR_QUEUE_SIZE);
    finish_memory(&session->status, APIR_STATUS_PAGE_SIZE);
    free(session->record);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader reader = {data, size};
    struct fuzz_step step;
    struct session session = {0};
    start(&session, fuzz_first_step(data, size, apir_fuzz_protocol.n_messages + STEP_HOST));
    for (unsigned i = 0; i < MAX_STEPS_RUN && fuzz_step_next(&reader, &step); i++)
        run_step(&session, &step);
    stop(&session);
    return 0;
}
