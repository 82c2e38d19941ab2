/* Makes tensors of mutated messages such that they are not refused at first sight. */
#ifndef APIR_FUZZ_REPAIR_H
#define APIR_FUZZ_REPAIR_H

#include "walk.h"

/* See struct fuzz_subject. */
void repair_tensor(struct fuzz_walk *walk, size_t record, struct fuzz_random *random);

#endif
