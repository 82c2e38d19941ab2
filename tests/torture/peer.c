/* apir-peer SOCKET WHAT: a bad client of apird's native socket.
 *   half      sends half of a frame's header and waits
 *   cut       sends a frame's header and half of its data, and leaves
 *   answers   asks for answers and never reads them
 *   many N    makes N connections at once
 * Prints a line: how many connections were open, and how many of them after a second and a half. half, answers and many
 * then stay until their input ends. */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/fd.h"
#include "wire/connection.h"

enum {
    MAX_CONNECTIONS = 512,
    PATIENCE_MS = 1500,
    REQUESTS = 100000,
};

static void send_half(int fd)
{
    const struct apir_frame_header header = {.type = APIR_FRAME_SUBMIT, .size = 64};
    send(fd, &header, sizeof header / 2, MSG_NOSIGNAL);
}

static void send_cut(int fd)
{
    const struct {
        struct apir_frame_header header;
        uint32_t words[8];
    } frame = {{.type = APIR_FRAME_SUBMIT, .size = 64}, {0}};
    send(fd, &frame, sizeof frame, MSG_NOSIGNAL);
}

/* Each fence is answered; at some point nobody takes one more. */
static void send_fences(int fd)
{
    const struct {
        struct apir_frame_header header;
        struct apir_frame_fence fence;
    } frame = {{.type = APIR_FRAME_FENCE, .size = sizeof frame.fence}, {.ring = 1, .id = 1}};
    for (int i = 0; i < REQUESTS; i++)
        if (send(fd, &frame, sizeof frame, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
            struct pollfd room = {fd, POLLOUT, 0};
            if (errno != EAGAIN || poll(&room, 1, 200) <= 0)
                return;
        }
}

/* How many of them nobody has closed. */
static unsigned count_open(struct pollfd *fds, unsigned count)
{
    unsigned open = 0;
    poll(fds, count, 0);
    for (unsigned i = 0; i < count; i++)
        open += fds[i].fd >= 0 && !(fds[i].revents & (POLLHUP | POLLERR));
    return open;
}

static void report(const char *path, unsigned count, void (*what)(int fd), bool stays)
{
    static struct pollfd fds[MAX_CONNECTIONS];
    char byte;
    for (unsigned i = 0; i < count; i++) {
        fds[i] = (struct pollfd){apir_fd_connect(path), 0, 0};
        if (fds[i].fd >= 0 && what)
            what(fds[i].fd);
    }
    unsigned before = count_open(fds, count);
    if (stays)
        usleep(PATIENCE_MS * 1000);
    printf("connections %u then %u\n", before, count_open(fds, count));
    fflush(stdout);
    while (stays && read(STDIN_FILENO, &byte, 1) > 0)
        ;
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    unsigned count = argc > 3 ? (unsigned)atoi(argv[3]) : 1;
    if (count > MAX_CONNECTIONS)
        return 2;
    if (strcmp(argv[2], "half") == 0)
        report(argv[1], count, send_half, true);
    else if (strcmp(argv[2], "cut") == 0)
        report(argv[1], count, send_cut, false);
    else if (strcmp(argv[2], "answers") == 0)
        report(argv[1], count, send_fences, true);
    else if (strcmp(argv[2], "many") == 0)
        report(argv[1], count, NULL, true);
    else
        return 2;
    return 0;
}
