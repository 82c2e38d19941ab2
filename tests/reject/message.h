/* A good request for every call, to be spoiled. */
#ifndef APIR_TESTS_REJECT_MESSAGE_H
#define APIR_TESTS_REJECT_MESSAGE_H

#include "reject/context.h"
#include "wire/cs.h"

struct message {
    uint32_t call;
    const char *name;
    enum context_stage stage; /* in which it is good */
    void (*write)(struct context *context, struct apir_enc *args);
    bool changes_state; /* served once, it is not good a second time */
};

extern const struct message messages[];
extern const unsigned n_messages;

enum {
    MAX_MESSAGE = 4096,
    HEADER_SIZE = 20, /* of a request without dependencies */
    TENSOR_SIZE = 188, /* of an encoded tensor without sources whose name has one letter */
};

/* Writes the request for the next sequence number of the control queue; its bytes. */
size_t message_write(struct context *context, const struct message *message, uint8_t *request);

/* The message of a call. */
const struct message *message_of(uint32_t call);

/* Writes the good graph of a ready context: c = a + b. */
void message_write_graph(struct context *context);

#endif
