/* Inputs of the targets `dispatch`, `graph` and `dispatch-upstream`, made of graphs. */
#ifndef APIR_FUZZ_INPUTS_H
#define APIR_FUZZ_INPUTS_H

#include "apir-protocol.h"
#include "steps.h"
#include "wire/cs.h"

enum { INPUT_SIZE = 60000, INPUT_BUFFERS = 8, INPUT_FIRST_BUFFER = 1 /* number of the one that beginning makes */ };

struct input {
    uint8_t bytes[INPUT_SIZE];
    size_t size;
    bool full; /* something did not fit */
};

/* Where the bytes of the next step go, and how many fit; and what was written there as a step. */
struct apir_enc input_open_step(struct input *input);
void input_close_step(struct input *input, uint8_t what, const struct apir_enc *enc);

/* Index of a message. */
uint8_t input_message(const struct fuzz_protocol *protocol, const char *name);

/* Makes all but the last of n tensors values, and gives each memory in one buffer. */
void input_arrange(struct apir_tensor *tensors, uint32_t n);

/* Puts the numbers that buffers will have in an input in place of handles; and their sizes. Returns how many there are, 0 if
 * too many. The tensors are the caller's to write. */
unsigned input_number_buffers(struct apir_graph *graph, uint64_t sizes[INPUT_BUFFERS]);

/* Adds the buffers, the graph, and the calls that compute it. */
void input_write_own(const struct apir_graph *graph, const uint64_t *sizes, unsigned n, struct input *input);
void input_write_upstream(const struct apir_graph *graph, const uint64_t *sizes, unsigned n, struct input *input);

#endif
