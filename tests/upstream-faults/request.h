/* Requests that no deployed guest would send, and sessions to send them to. */
#ifndef APIR_TESTS_UPSTREAM_FAULTS_REQUEST_H
#define APIR_TESTS_UPSTREAM_FAULTS_REQUEST_H

#include "upstream/host.h"

/* Functions, by their numbers on the wire. */
enum {
    GET_COUNT = 1,
    GET_NAME = 2,
    GET_TYPE = 4,
    GET_MEMORY = 5,
    ALLOC_BUFFER = 14,
    SET_TENSOR = 17,
    GET_TENSOR = 18,
    GRAPH_COMPUTE = 22,
};

/* Where set_tensor and get_tensor have what, and a tensor its fields. */
enum {
    FIRST_ARGUMENT = 12,
    FIRST_RESULT = 4,
    SET_TENSOR_TENSOR = 20,
    SET_TENSOR_OFFSET = 328,
    SET_TENSOR_SIZE = 336,
    TENSOR_BUFFER = 16,
    TENSOR_NE = 24,
    TENSOR_NB = 40,
    TENSOR_SRC = 128,
    TENSOR_DATA = 224,
    TENSOR_BYTES = 304,
};

struct request {
    uint8_t bytes[2048];
    size_t size;
};

/* A FORWARD of this function, whose arguments are to be added. */
void request_begin(struct request *request, uint32_t function);
void request_u32(struct request *request, uint32_t value);
void request_u64(struct request *request, uint64_t value);

/* Sends it, and returns notif. The test fails when the host does not answer. */
uint32_t request_send(struct upstream_session *session, struct request *request);

/* Sends a sample's request as it has been changed. */
uint32_t request_send_sample(struct upstream_session *session, const struct sample *sample);

/* A sample's request for this session, to be changed. */
void request_sample(struct upstream_session *session, const char *name, struct sample *sample);

/* Opens a session and exchanges these samples, up to NULL. setup as in upstream_session_open. */
void request_open(struct upstream_session *session, const struct upstream_setup *setup, const char *const *names);

#endif
