/* How the elements of a node and of its sources have to lie in memory. */
#ifndef APIR_EXECUTOR_OP_LAYOUT_H
#define APIR_EXECUTOR_OP_LAYOUT_H

#include <ggml.h>
#include <stdbool.h>

/* The first three are what ggml's functions make, or kernels of several backends rely on; the
 * others what ggml's own for the CPU do, which it does not tell when it is asked. */
enum apir_op_layout {
    APIR_OP_NEW = 1,           /* the result is what was made for it, never what was a source */
    APIR_OP_DENSE = 2,         /* the result and all sources are dense */
    APIR_OP_PADDED = 4,        /* sources are dense but for space between rows */
    APIR_OP_CPU_ROWS = 8,      /* rows of the first source and the result are dense */
    APIR_OP_CPU_ALL_ROWS = 16, /* those of all sources and the result */
    APIR_OP_CPU_DENSE = 32,    /* the first source and the result are dense */
};

/* Whether strides are what ggml gives a tensor that it makes, also where a dimension is 1. */
bool apir_op_is_new(const struct ggml_tensor *tensor);

/* Whether elements lie as they have to on any device: as the layout, a set of the above, says, and none over another.
 */
bool apir_op_lies_well(const struct ggml_tensor *op, unsigned layout);

/* Whether they also do for ggml's backend for the CPU. */
bool apir_op_lies_well_on_cpu(const struct ggml_tensor *op, unsigned layout);

#endif
