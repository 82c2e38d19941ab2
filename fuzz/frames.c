/* Both ends of a connection's frames: what a peer sends in pieces, with descriptors, cut off anywhere, is taken as
 * frames or refused (wire/connection.c); and what the daemon sends to a worker that reads now and then arrives whole
 * and in order (attach/link.c). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "attach/link.h"
#include "attach/worker-log.h"
#include "fuzz.h"
#include "util/fd.h"
#include "wire/capset.h"
#include "wire/connection.h"
#include "world.h"

enum { CAPACITY = 256 * 1024, SMALL_BUFFER = 4096, MAX_TURNS = 8192 };

/* ---- frames that come ---- */

static void send_piece(int socket, struct reader *reader)
{
    uint8_t shape = reader_u8(reader);
    int fds[6];
    unsigned count = shape / 64 == 3 ? shape % 6 : 0;
    struct apir_frame_header header = {.type = shape % 8, .size = shape / 8 % 8 * 7};
    size_t size;
    for (unsigned i = 0; i < count; i++)
        fds[i] = world_make_fd(0, 0);
    if (shape / 64 == 0) { /* a header by itself, its bytes may follow */
        world_send(socket, &header, sizeof header, NULL, 0);
    } else {
        const uint8_t *bytes = reader_take(reader, shape % 64, &size);
        world_send(socket, bytes, size, fds, count);
    }
    for (unsigned i = 0; i < count; i++)
        apir_fd_close(&fds[i]);
}

/* All is sent before the first is read: nothing waits. */
static void receive_frames(struct reader *reader)
{
    struct apir_connection connection;
    struct apir_frame frame;
    int ends[2], ret;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return;
    while (reader->left > 0)
        send_piece(ends[0], reader);
    apir_fd_close(&ends[0]);
    apir_connection_init(&connection, ends[1]);
    while ((ret = apir_connection_receive(&connection, &frame)) == 1) {
        volatile uint8_t last = frame.size > 0 ? ((const uint8_t *)frame.data)[frame.size - 1] : 0;
        (void)last;
        FUZZ_CHECK(frame.size <= APIR_MAX_FRAME);
        apir_fd_close(&frame.fd);
    }
    FUZZ_CHECK(ret == 0 || ret == -EBADMSG || ret == -ENOMEM);
    apir_connection_finish(&connection);
}

/* ---- frames that go ---- */

struct stream {
    struct apir_link link;
    int peer;
    uint8_t *sent, *got; /* what was handed over, what has come out */
    size_t sent_size, got_size, capacity;
    bool closed;
};

static void link_received(void *owner, uint32_t type, const void *data, uint32_t size)
{
    struct stream *stream = owner;
    (void)type, (void)data;
    FUZZ_CHECK(size <= APIR_LINK_MAX_FRAME && stream->link.fd >= 0);
}

static void link_closed(void *owner, int error)
{
    struct stream *stream = owner;
    (void)error;
    FUZZ_CHECK(!stream->closed && stream->link.fd < 0);
    stream->closed = true;
}

static void note(struct stream *stream, const void *bytes, size_t size)
{
    FUZZ_CHECK(size <= stream->capacity - stream->sent_size);
    memcpy(stream->sent + stream->sent_size, bytes, size);
    stream->sent_size += size;
}

static void send_frame(struct stream *stream, struct reader *reader)
{
    uint8_t bytes[8192], shape = reader_u8(reader);
    struct apir_frame_header header = {.type = shape, .size = shape * UINT32_C(32)};
    int fd = shape % 4 == 0 ? world_make_fd(shape, 4096) : -1;
    memset(bytes, shape, sizeof bytes);
    if (stream->capacity - stream->sent_size >= sizeof header + header.size) {
        note(stream, &header, sizeof header);
        note(stream, bytes, header.size);
        if (apir_link_send(&stream->link, header.type, bytes, header.size, fd) < 0)
            apir_link_end(&stream->link); /* it may have gone in part, and nothing may follow */
    }
    apir_fd_close(&fd);
}

/* What the peer reads is what was sent, so far. */
static void read_some(struct stream *stream, size_t size)
{
    if (size > stream->capacity - stream->got_size)
        size = stream->capacity - stream->got_size;
    ssize_t got =
        stream->peer >= 0 && size > 0 ? recv(stream->peer, stream->got + stream->got_size, size, MSG_DONTWAIT) : 0;
    if (got <= 0)
        return;
    FUZZ_CHECK((size_t)got <= stream->sent_size - stream->got_size);
    FUZZ_CHECK(memcmp(stream->got + stream->got_size, stream->sent + stream->got_size, (size_t)got) == 0);
    stream->got_size += (size_t)got;
}

static void act(struct stream *stream, struct world *world, struct reader *reader)
{
    uint8_t action = reader_u8(reader);
    switch (action % 8) {
    case 0:
    case 1:
    case 2:
        send_frame(stream, reader);
        break;
    case 3:
        read_some(stream, action * 64u);
        break;
    case 4:
        world_step(&world->loop, action / 8);
        break;
    case 5:
        world_wait(action * 4u);
        break;
    case 6:
        if (stream->peer >= 0)
            send_piece(stream->peer, reader);
        break;
    default:
        if (action > 240)
            apir_link_end(&stream->link);
        else if (action > 230)
            apir_fd_close(&stream->peer);
        else if (action > 220)
            world_starve(action / 8 - 26u);
        break;
    }
}

static void send_frames(struct world *world, struct reader *reader)
{
    static const struct apir_link_events events = {link_received, link_closed};
    struct stream stream = {.capacity = CAPACITY};
    const int size = SMALL_BUFFER;
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return;
    setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    stream.peer = ends[0];
    stream.sent = world_alloc(stream.capacity);
    stream.got = world_alloc(stream.capacity);
    apir_link_init(&stream.link, &world->loop, &events, &stream);
    apir_link_open(&stream.link, ends[1]);
    while (reader->left > 0)
        act(&stream, world, reader);
    bool whole = stream.peer >= 0 && stream.link.fd >= 0 && !stream.link.ended;
    for (unsigned i = 0; whole && i < MAX_TURNS && stream.link.fd >= 0 && stream.got_size < stream.sent_size; i++) {
        read_some(&stream, stream.capacity);
        world_step(&world->loop, 2);
    }
    FUZZ_CHECK(!whole || stream.link.fd < 0 || stream.got_size == stream.sent_size);
    apir_link_close(&stream.link);
    apir_fd_close(&stream.peer);
    free(stream.sent);
    free(stream.got);
}

/* ---- what a worker prints ---- */

/* However it is cut, what comes out are lines without control characters but tabs. */
static void check_output(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        FUZZ_CHECK(text[i] == '\n' || text[i] == '\t' || ((unsigned char)text[i] >= ' ' && text[i] != 0x7f));
}

static void print_lines(struct world *world, struct reader *reader)
{
    struct apir_worker_log log;
    char *text = NULL;
    size_t text_size;
    int end;
    FILE *output = open_memstream(&text, &text_size);
    FUZZ_CHECK(output);
    apir_worker_log_init(&log, &world->loop);
    FUZZ_CHECK(apir_worker_log_open(&log, output, reader_u8(reader) & 1, &end) == 0);
    while (reader->left > 0) {
        size_t size;
        const uint8_t *bytes = reader_take(reader, reader_u8(reader), &size);
        if (write(end, bytes, size) < 0)
            break;
        world_step(&world->loop, size % 4);
    }
    apir_fd_close(&end);
    apir_worker_log_close(&log);
    fclose(output);
    check_output(text, text_size);
    free(text);
}

/* ---- what a guest takes for the capset of a host ---- */

static void judge_capset(struct reader *reader)
{
    size_t size;
    const uint8_t *data = reader_take(reader, reader->left, &size);
    bool is = apir_capset_is_apir(data, size), has = apir_capset_has_trailer(data, size);
    FUZZ_CHECK(!is || size >= APIR_CAPSET_SIZE);
    FUZZ_CHECK(!has || size >= APIR_TRAILER_SIZE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world world;
    struct reader reader = {data, size};
    world_init(&world);
    switch (reader_u8(&reader) % 8) {
    case 0:
        judge_capset(&reader);
        break;
    case 1:
        print_lines(&world, &reader);
        break;
    case 2:
    case 3:
        receive_frames(&reader);
        break;
    default:
        send_frames(&world, &reader);
        break;
    }
    world_finish(&world);
    return 0;
}
