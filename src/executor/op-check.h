/* Whether a node is one that ggml's own functions could have made: the sources that its op needs, of types, shapes and
 * parameters that fit each other. Kernels rely on it and look at little of it themselves. */
#ifndef APIR_EXECUTOR_OP_CHECK_H
#define APIR_EXECUTOR_OP_CHECK_H

#include <ggml.h>
#include <stdbool.h>

/* What is wrong with a node, in words, or NULL. Its sources are looked at, too; no data are. */
const char *apir_op_check(const struct ggml_tensor *op);

/* Whether ggml's backend for the CPU takes a node that has passed the above: its kernels want more than it tells. */
bool apir_op_check_cpu(const struct ggml_tensor *op);

/* Whether anything runs for the node: not for a view, which only gives what is there another shape. */
bool apir_op_check_runs(const struct ggml_tensor *op);

/* Whether the op has a rule at all: those of releases to come have none, and ops that carry pointers never will. */
bool apir_op_check_knows(enum ggml_op op);

#endif
