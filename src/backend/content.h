/* What tensors contain, in 128 bits: two lists of tensors with the same print have the same content. That is taken for
 * granted, since nobody but the program itself could make two that collide, and it would only mislead itself; by
 * accident it does not happen. Prints are of this process: they depend on the processor. */
#ifndef APIR_BACKEND_CONTENT_H
#define APIR_BACKEND_CONTENT_H

#include <stddef.h>
#include <stdint.h>

struct ggml_tensor;

struct apir_print {
    uint64_t words[2];
};

/* Prints what comes before `from` and then the tensors: of the first n_whole everything that decides what is computed,
 * that is all but name and extra; of the rest not their sources 1 to 8. */
typedef struct apir_print apir_content_function(struct apir_print from, const struct ggml_tensor *const *tensors,
                                                size_t n_whole, size_t n);

/* One way to do it. */
struct apir_content {
    const char *name;
    apir_content_function *print;
};

enum {
    APIR_CONTENT_WAYS = 3,
};

/* The ways that this processor knows; the first works everywhere. Returns their number. */
size_t apir_content_ways(struct apir_content ways[APIR_CONTENT_WAYS]);

/* The fastest, by a trial of some microseconds: what a processor knows may be slow, if it is emulated. */
apir_content_function *apir_content_choose(void);

/* Adds two words to a print. Each pair makes another one. */
static inline struct apir_print apir_print_add(struct apir_print print, uint64_t a, uint64_t b)
{
    uint64_t x = (print.words[0] ^ a) * UINT64_C(0x9e3779b97f4a7c15);
    uint64_t y = (print.words[1] ^ b ^ x >> 32) * UINT64_C(0xd6e8feb86659fd93);
    return (struct apir_print){{x ^ y >> 29, y}};
}

/* For the ways: a number for each word of a tensor, of which none means anything. */
enum {
    APIR_CONTENT_WORDS = 32,
    APIR_CONTENT_AHEAD = 6, /* tensors that are fetched while one is printed */
};
extern const uint64_t apir_content_keys[APIR_CONTENT_WORDS];

apir_content_function apir_content_narrow, apir_content_wide; /* of x86-64 */

static inline void apir_content_fetch(const struct ggml_tensor *tensor)
{
    const char *bytes = (const char *)tensor;
    for (size_t i = 0; i < APIR_CONTENT_WORDS * 8; i += 64)
        __builtin_prefetch(bytes + i);
    __builtin_prefetch(bytes + APIR_CONTENT_WORDS * 8 - 1);
}

#endif
