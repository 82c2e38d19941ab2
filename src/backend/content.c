#include "backend/content.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include <ggml.h>

#include "util/clock.h"

/* All ways do the same in words of another kind: they add up products of two neighbouring words, each with its key, and
 * nothing is carried from one to the next. That two contents collide takes an equation between keys that have nothing
 * to do with each other. */

static_assert(offsetof(struct ggml_tensor, type) == 0 && offsetof(struct ggml_tensor, buffer) == 8,
              "the first word is the type, and padding");
static_assert(offsetof(struct ggml_tensor, name) == APIR_CONTENT_WORDS * 8, "content is what precedes the name");

/* Of tensors that are not printed whole, words from LEFT_OUT to TAIL are left out. */
enum {
    LEFT_OUT = 20,
    TAIL = 28,
};
static_assert(offsetof(struct ggml_tensor, src[1]) == LEFT_OUT * 8 && offsetof(struct ggml_tensor, src[9]) == TAIL * 8,
              "sources 1 to 8");

_Alignas(64) const uint64_t apir_content_keys[APIR_CONTENT_WORDS] = {
    UINT64_C(0xf947e54924823b72), UINT64_C(0xd2d5c8154b995f9b), UINT64_C(0x76d68139525bd35f),
    UINT64_C(0x49543bc695cf149a), UINT64_C(0x47a8ea3a6c337bff), UINT64_C(0xfe1ff8545918a5b1),
    UINT64_C(0x40914210bf79ea06), UINT64_C(0x06de647ca3a0a901), UINT64_C(0x4da040d60b455c55),
    UINT64_C(0xf4d768d25872f2fb), UINT64_C(0x398ee98316d05b15), UINT64_C(0x018c5e629d0c1f4a),
    UINT64_C(0x99164e9c2495d46f), UINT64_C(0x0ffa6001371120c0), UINT64_C(0x8ed960d48138c319),
    UINT64_C(0x95af5eac8effcd75), UINT64_C(0xfecd5019435c77f8), UINT64_C(0x87271d8cbbf14b4a),
    UINT64_C(0xf9779794947e2bf4), UINT64_C(0xa26979c86f7d982f), UINT64_C(0xc2a5104910a9e3cb),
    UINT64_C(0x9bd840725effd1ae), UINT64_C(0x5d468e81409b0b74), UINT64_C(0x69693617b14af20f),
    UINT64_C(0x45a3fadd1a85661c), UINT64_C(0xce650482aaa964fb), UINT64_C(0x0c71cefefed359b1),
    UINT64_C(0x5e0aab1648e7155c), UINT64_C(0x70c5016dcff814bb), UINT64_C(0x19604b1d36ee575f),
    UINT64_C(0x73cb8ce74ae22dfc), UINT64_C(0xf83ad1860b9d35a4),
};

__extension__ typedef unsigned __int128 u128;

/* Adds words from `at` to `end`. Unrolled, so that the keys are part of the code: where the processor is emulated, it
 * is each access to memory that takes time. */
static inline __attribute__((always_inline)) struct apir_print sum_words(struct apir_print sum, const uint64_t *words,
                                                                         size_t at, size_t end)
{
#pragma GCC unroll 32
    for (size_t i = at; i < end; i += 2) {
        u128 product = (u128)(words[i] ^ apir_content_keys[i]) * (words[i + 1] ^ apir_content_keys[i + 1]);
        sum.words[0] ^= (uint64_t)product;
        sum.words[1] ^= (uint64_t)(product >> 64);
    }
    return sum;
}

static inline struct apir_print print_one(struct apir_print print, const struct ggml_tensor *tensor, bool whole)
{
    const uint64_t *words = (const uint64_t *)tensor;
    const uint64_t start[2] = {(uint64_t)tensor->type, words[1]}; /* without the padding behind the type */
    struct apir_print sum = sum_words((struct apir_print){{0}}, start, 0, 2);
    sum = sum_words(sum, words, 2, LEFT_OUT);
    if (whole)
        sum = sum_words(sum, words, LEFT_OUT, TAIL);
    sum = sum_words(sum, words, TAIL, APIR_CONTENT_WORDS);
    return apir_print_add(print, sum.words[0], sum.words[1]);
}

static struct apir_print print_plain(struct apir_print from, const struct ggml_tensor *const *tensors, size_t n_whole,
                                     size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (i + APIR_CONTENT_AHEAD < n)
            apir_content_fetch(tensors[i + APIR_CONTENT_AHEAD]);
        from = i < n_whole ? print_one(from, tensors[i], true) : print_one(from, tensors[i], false);
    }
    return from;
}

size_t apir_content_ways(struct apir_content ways[APIR_CONTENT_WAYS])
{
    size_t n = 0;
    ways[n++] = (struct apir_content){"plain", print_plain};
#ifdef __x86_64__
    __builtin_cpu_init();
    bool narrow = __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("avx");
    if (narrow)
        ways[n++] = (struct apir_content){"narrow", apir_content_narrow};
    if (narrow && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("vpclmulqdq"))
        ways[n++] = (struct apir_content){"wide", apir_content_wide};
#endif
    return n;
}

enum {
    TRIAL_TENSORS = 64,
    TRIALS = 5,
};

/* Nanoseconds, of the best of some trials: others may use the processor, too. */
static uint64_t duration(apir_content_function *print, const struct ggml_tensor *const *tensors)
{
    uint64_t best = UINT64_MAX;
    struct apir_print result = {{0}};
    for (int i = 0; i < TRIALS; i++) {
        uint64_t start = apir_clock_now();
        result = print(result, tensors, TRIAL_TENSORS, TRIAL_TENSORS);
        uint64_t time = apir_clock_now() - start;
        if (time < best)
            best = time;
    }
    return best;
}

apir_content_function *apir_content_choose(void)
{
    struct apir_content ways[APIR_CONTENT_WAYS];
    struct ggml_tensor tensor = {.type = GGML_TYPE_F32};
    const struct ggml_tensor *tensors[TRIAL_TENSORS];
    size_t n = apir_content_ways(ways), best = 0;
    uint64_t best_time = UINT64_MAX;
    for (size_t i = 0; i < TRIAL_TENSORS; i++)
        tensors[i] = &tensor;
    for (size_t i = 0; i < n; i++) {
        uint64_t time = duration(ways[i].print, tensors);
        if (time >= best_time)
            continue;
        best = i;
        best_time = time;
    }
    return ways[best].print;
}
