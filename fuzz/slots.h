/* What the steps of an input put into the host's shared memory: each into the slot that its param names. */
#ifndef APIR_FUZZ_SLOTS_H
#define APIR_FUZZ_SLOTS_H

#include "steps.h"

/* The struct that was put last. */
struct slot_struct {
    unsigned slot;
    uint64_t size;
};

/* The bytes are those of a struct of the protocol; the handles that there are come into it. */
void slots_put_struct(const struct fuzz_step *step, const struct fuzz_handles *handles, const struct fuzz_protocol *protocol,
                      struct slot_struct *last);

/* The bytes are a u16 offset, and what is put there if there is room for it. */
void slots_put_data(const struct fuzz_step *step);

#endif
