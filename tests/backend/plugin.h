/* The plug-in in a process of its own, with or without a host. */
#ifndef APIR_TESTS_BACKEND_PLUGIN_H
#define APIR_TESTS_BACKEND_PLUGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <ggml-backend.h>
#include <ggml.h>

/* A daemon with ggml's CPU library, or none, in a temporary folder. */
struct daemon {
    pid_t pid;
    char folder[64];
    char socket[96];
};

/* Starts it and waits until it listens. 0 or -errno. */
int daemon_start(struct daemon *daemon, bool with_library);
/* The same with another library; NULL: none. */
int daemon_start_with(struct daemon *daemon, const char *library);
/* The same with options of the daemon besides, ended by NULL. */
int daemon_start_options(struct daemon *daemon, const char *library, const char *const *options);
void daemon_stop(struct daemon *daemon);

/* Kills its workers. */
void daemon_kill_workers(const struct daemon *daemon);

/* Ends the process with a message unless ok: for use inside in_child. */
void require(bool ok, const char *what);

/* Runs body in a new process whose GGML_VIRTGPU_SOCKET is socket (NULL: not set). Its standard
 * error goes to output (size bytes with the NUL; NULL: not captured). Returns whether it ended
 * well. */
bool in_child(const char *socket, void (*body)(void *data), void *data, char *output, size_t size);

/* Loads the plug-in as ggml does; requires that there is a device. */
ggml_backend_dev_t load_device(void);

#endif
