/* A session with a worker: handshake, shared memory, queues, and the error that ends it. */
#ifndef APIR_CLIENT_SESSION_H
#define APIR_CLIENT_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "transport/transport.h"
#include "util/log.h"

struct apir_queue;
struct apir_session;

/* Timeouts of the phases of a session, nanoseconds. */
#define APIR_HANDSHAKE_TIMEOUT_NS UINT64_C(2000000000)
#define APIR_LOAD_TIMEOUT_NS UINT64_C(60000000000)

/* Performs the handshake over transport and opens the control queue. Takes ownership of transport, also on failure.
 * log is borrowed for the session's life. NULL with errno: -EPROTO the host speaks another major version or only the
 * deployed protocol, -ETIMEDOUT it did not answer, -EPIPE it went away; reason (size reason_size) says why. */
struct apir_session *apir_session_open(struct apir_transport *transport, const struct apir_log *log, char *reason,
                                       size_t reason_size);

/* Ends the session; every queue of it must be closed first. NULL is a no-op. */
void apir_session_close(struct apir_session *session);

/* The control queue, owned by the session: for calls that belong to no stream. */
struct apir_queue *apir_session_control(struct apir_session *session);

const char *apir_session_door(const struct apir_session *session);

/* Host's version of apir's own protocol. */
void apir_session_host_version(const struct apir_session *session, uint32_t *major, uint32_t *minor);

/* 0 while the session works, else the -errno that ended it. Sticky. A forked child sees -EOWNERDEAD. */
int apir_session_error(struct apir_session *session);

/* Ends the session with error (-errno) if it works still; logs one line. what is for people. */
void apir_session_fail(struct apir_session *session, int error, const char *what);

/* Shared memory of the session, see apir_transport_ops. shm_destroy in a forked child does nothing. */
int apir_session_shm_create(struct apir_session *session, uint64_t size, struct apir_shm *shm);
void apir_session_shm_destroy(struct apir_session *session, struct apir_shm *shm);

#endif
