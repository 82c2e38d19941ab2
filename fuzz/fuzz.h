/* What libFuzzer calls in a target, and what it offers to one. */
#ifndef APIR_FUZZ_FUZZ_H
#define APIR_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* Of the target: runs one input. 0; -1 keeps the input out of the corpus. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Of the target, optional: called once, before the first input. */
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* Of the target, optional: changes an input of size bytes in place, up to max_size. Its new size. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

/* Of the target, optional: makes an input of two. Its size, 0 if it can make none. */
size_t LLVMFuzzerCustomCrossOver(const uint8_t *data1, size_t size1, const uint8_t *data2, size_t size2, uint8_t *out,
                                 size_t max_size, unsigned seed);

/* Of libFuzzer: changes bytes as it does without a mutator of the target's own. Their new number. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

/* Ends the process, as a finding, unless condition holds: promises that no sanitizer knows of. */
#define FUZZ_CHECK(condition) ((condition) ? (void)0 : __builtin_trap())

#endif
