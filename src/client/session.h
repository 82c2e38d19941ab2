/* A session with a worker: handshake, shared memory, queues, and the error that ends it. */
#ifndef APIR_CLIENT_SESSION_H
#define APIR_CLIENT_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "transport/transport.h"
#include "util/log.h"

struct apir_counters;
struct apir_enc;
struct apir_graph;
struct apir_queue;
struct apir_session;
struct apir_session_options;

/* Performs the handshake over transport and opens the control queue. With a host that has not apir's own protocol the
 * session speaks the deployed one, 0.x; calls are the same. Takes ownership of transport, also on failure. log is
 * borrowed for the session's life. NULL with errno: -EPROTO the host speaks another major version, or not the protocol
 * that the environment demands (options.h), -ETIMEDOUT it did not answer, -EPIPE it went away; reason (size
 * reason_size) says why. */
struct apir_session *apir_session_open(struct apir_transport *transport, const struct apir_log *log, char *reason,
                                       size_t reason_size);

/* The same with options in place of the environment's, copied. */
struct apir_session *apir_session_open_with(struct apir_transport *transport,
                                            const struct apir_session_options *options, const struct apir_log *log,
                                            char *reason, size_t reason_size);

/* Ends the session; every queue of it must be closed first. NULL is a no-op. */
void apir_session_close(struct apir_session *session);

/* The control queue, owned by the session: for calls that belong to no stream. */
struct apir_queue *apir_session_control(struct apir_session *session);

const char *apir_session_door(const struct apir_session *session);

/* Versions of the protocol that is spoken. */
void apir_session_own_version(const struct apir_session *session, uint32_t *major, uint32_t *minor);
void apir_session_host_version(const struct apir_session *session, uint32_t *major, uint32_t *minor);

/* 0 while the session works, else the -errno that ended it. Sticky. A forked child sees -EOWNERDEAD. */
int apir_session_error(struct apir_session *session);

/* Ends the session with error (-errno) if it works still; logs one line. what is for people. */
void apir_session_fail(struct apir_session *session, int error, const char *what);

/* Reads the counters (apir-counters.h). */
void apir_session_get_counters(struct apir_session *session, struct apir_counters *counters);

/* Whether the session has a numbering of ops and types of its own; else it is ggml's, and ggml must be the same on both
 * sides. */
bool apir_session_has_numbering(const struct apir_session *session);

/* Whether the host takes the calls tensor_set_2d and tensor_get_2d. */
bool apir_session_has_rows(const struct apir_session *session);

/* Whether the host takes the calls buffer_write and buffer_read. */
bool apir_session_has_bytes(const struct apir_session *session);

/* Whether it takes the call tensor_copy_async. */
bool apir_session_posts_copies(const struct apir_session *session);

/* Whether the host keeps graphs, for graph_recompute. */
bool apir_session_keeps_graphs(const struct apir_session *session);

/* Bytes of the largest host buffer for which shared memory may be taken; 0: the host cannot use it in place. */
uint64_t apir_session_max_host_buffer(const struct apir_session *session);

/* Waits until the calls of every queue so far are done. 0, or -errno: the session has failed. */
int apir_session_drain(struct apir_session *session);

/* Writes a graph as graph_compute expects it in shared memory. 0; or -EOVERFLOW: a size or stride of a tensor does not
 * fit the protocol that is spoken. Whether there was room is for enc to tell. */
int apir_session_encode_graph(const struct apir_session *session, struct apir_enc *enc, const struct apir_graph *graph);

/* Shared memory of the session, see apir_transport_ops. shm_destroy in a forked child does nothing. */
int apir_session_shm_create(struct apir_session *session, uint64_t size, struct apir_shm *shm);
void apir_session_shm_destroy(struct apir_session *session, struct apir_shm *shm);

#endif
