/* QEMU's control socket (QMP): commands as one line of JSON, and what is needed of the answers. Not a JSON library: what
 * QEMU prints is searched for keys. */
#ifndef APIR_TOOLS_QMP_H
#define APIR_TOOLS_QMP_H

#include <stdbool.h>
#include <stddef.h>

enum {
    APIR_QMP_LINE = 65536,     /* bytes of the longest answer */
    APIR_QMP_PATIENCE_MS = 10000, /* for an answer */
};

/* The owner calls close. */
struct apir_qmp {
    int fd;            /* -1: closed */
    size_t used;       /* bytes of input */
    char input[APIR_QMP_LINE];
    char answer[APIR_QMP_LINE]; /* the last one, a string */
};

/* Connects to the socket and greets. 0 or -errno: -ETIMEDOUT if something else is connected to it, which QEMU serves
 * one at a time; -EPROTO if it is no QMP. */
int apir_qmp_open(struct apir_qmp *qmp, const char *path);
void apir_qmp_close(struct apir_qmp *qmp);

/* Sends a command, whose arguments are a JSON object (NULL: none), and waits for its answer, in qmp->answer. 0, -EREMOTEIO
 * if it is an error (apir_qmp_find(answer, "desc") says which), or another -errno. */
int apir_qmp_command(struct apir_qmp *qmp, const char *command, const char *arguments);

/* Copies the value of the first such key, a string or a number, to text. Returns where the search may go on, or NULL if
 * there is none or it is too long. */
const char *apir_qmp_find(const char *json, const char *key, char *text, size_t size);

/* Writes value as a JSON string with its quotes. False if there is no room, or it has control characters. */
bool apir_qmp_quote(const char *value, char *text, size_t size);

#endif
