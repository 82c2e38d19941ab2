#include "qmp.h"

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "util/fd.h"

enum { NS_PER_MS = 1000 * 1000 };

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / NS_PER_MS;
}

/* Moves the next line of input to answer. False: it is not complete yet. */
static bool take_line(struct apir_qmp *qmp)
{
    char *end = memchr(qmp->input, '\n', qmp->used);
    if (!end)
        return false;
    size_t size = (size_t)(end - qmp->input);
    memcpy(qmp->answer, qmp->input, size);
    qmp->answer[size] = '\0';
    qmp->used -= size + 1;
    memmove(qmp->input, end + 1, qmp->used);
    return true;
}

/* 0 with a line in answer, or -errno. */
static int read_line(struct apir_qmp *qmp, int64_t until)
{
    while (!take_line(qmp)) {
        struct pollfd wait = {qmp->fd, POLLIN, 0};
        int64_t left = until - now_ms();
        if (qmp->used == sizeof qmp->input)
            return -EMSGSIZE;
        int count = poll(&wait, 1, left > 0 ? (int)left : 0);
        if (count == 0)
            return -ETIMEDOUT;
        ssize_t got = count < 0 ? -1 : recv(qmp->fd, qmp->input + qmp->used, sizeof qmp->input - qmp->used, 0);
        if (got == 0)
            return -EPIPE;
        if (got < 0 && errno != EINTR)
            return -errno;
        qmp->used += got > 0 ? (size_t)got : 0;
    }
    return 0;
}

static int greet(struct apir_qmp *qmp)
{
    int ret = read_line(qmp, now_ms() + APIR_QMP_PATIENCE_MS);
    if (ret < 0)
        return ret;
    if (strncmp(qmp->answer, "{\"QMP\"", 6) != 0)
        return -EPROTO;
    return apir_qmp_command(qmp, "qmp_capabilities", NULL);
}

int apir_qmp_open(struct apir_qmp *qmp, const char *path)
{
    qmp->used = 0;
    qmp->fd = apir_fd_connect(path);
    if (qmp->fd < 0)
        return qmp->fd;
    int ret = greet(qmp);
    if (ret < 0)
        apir_qmp_close(qmp);
    return ret;
}

void apir_qmp_close(struct apir_qmp *qmp)
{
    if (qmp->fd >= 0)
        close(qmp->fd);
    qmp->fd = -1;
}

static int send_all(int fd, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(fd, text, size, MSG_NOSIGNAL);
        if (sent < 0 && errno != EINTR)
            return -errno;
        text += sent > 0 ? sent : 0;
        size -= sent > 0 ? (size_t)sent : 0;
    }
    return 0;
}

int apir_qmp_command(struct apir_qmp *qmp, const char *command, const char *arguments)
{
    char line[16384];
    int size = snprintf(line, sizeof line, "{\"execute\": \"%s\"%s%s}\n", command, arguments ? ", \"arguments\": " : "",
                        arguments ? arguments : "");
    if (size < 0 || (size_t)size >= sizeof line)
        return -EMSGSIZE;
    int ret = send_all(qmp->fd, line, (size_t)size);
    int64_t until = now_ms() + APIR_QMP_PATIENCE_MS;
    while (ret == 0) {
        ret = read_line(qmp, until);
        if (ret == 0 && strncmp(qmp->answer, "{\"return\"", 9) == 0)
            return 0;
        if (ret == 0 && strncmp(qmp->answer, "{\"error\"", 8) == 0)
            return -EREMOTEIO;
        /* else it is an event */
    }
    return ret;
}

/* Copies a JSON string from behind its opening quote. Returns what follows its closing one, or NULL. */
static const char *copy_string(const char *from, char *text, size_t size)
{
    size_t used = 0;
    for (; *from && *from != '"'; from++) {
        if (*from == '\\' && from[1])
            from++; /* of what QEMU escapes, paths and messages have quotes and backslashes */
        if (used + 1 >= size)
            return NULL;
        text[used++] = *from;
    }
    text[used] = '\0';
    return *from ? from + 1 : NULL;
}

static const char *copy_number(const char *from, char *text, size_t size)
{
    size_t used = strspn(from, "-+.0123456789eE");
    if (used == 0 || used >= size)
        return NULL;
    memcpy(text, from, used);
    text[used] = '\0';
    return from + used;
}

static const char *skip_space(const char *at)
{
    while (isspace((unsigned char)*at))
        at++;
    return at;
}

const char *apir_qmp_find(const char *json, const char *key, char *text, size_t size)
{
    char word[256];
    for (const char *at = strchr(json, '"'); at; at = strchr(at, '"')) {
        const char *behind = copy_string(at + 1, word, sizeof word);
        if (!behind) {
            at++; /* longer than any key */
            continue;
        }
        at = behind;
        behind = skip_space(behind);
        if (*behind != ':' || strcmp(word, key) != 0)
            continue;
        behind = skip_space(behind + 1);
        return *behind == '"' ? copy_string(behind + 1, text, size) : copy_number(behind, text, size);
    }
    return NULL;
}

bool apir_qmp_quote(const char *value, char *text, size_t size)
{
    size_t used = 0;
    if (size < 3)
        return false;
    text[used++] = '"';
    for (; *value; value++) {
        if (used + 4 > size || iscntrl((unsigned char)*value))
            return false;
        if (*value == '"' || *value == '\\')
            text[used++] = '\\';
        text[used++] = *value;
    }
    text[used++] = '"';
    text[used] = '\0';
    return true;
}
