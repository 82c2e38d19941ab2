/* Nodes that ggml's own functions make: some of every op. */
#ifndef APIR_TESTS_OP_SAMPLES_H
#define APIR_TESTS_OP_SAMPLES_H

#include <ggml.h>

unsigned op_sample_count(void);

/* A node of sample number n, in one of its variants, which differ in types above all. Its tensors are the context's. */
struct ggml_tensor *op_sample(struct ggml_context *context, unsigned n, unsigned variant);

#endif
