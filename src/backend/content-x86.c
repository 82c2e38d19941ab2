#include "backend/content.h"

#ifdef __x86_64__

#include <immintrin.h>
#include <stdbool.h>

/* Products without carry, of 16 bytes at a time or of 32. Both ways print the same. */

#define NARROW __attribute__((target("pclmul,avx")))
#define WIDE __attribute__((target("pclmul,vpclmulqdq,avx2")))

/* Bytes of a tensor, without the padding behind its type. */
enum {
    BLOCKS = APIR_CONTENT_WORDS / 2,
    LEFT_OUT = 10, /* blocks from here to TAIL, of what is not printed whole */
    TAIL = 14,
};

NARROW static inline __m128i narrow_product(const struct ggml_tensor *tensor, int at)
{
    __m128i block = _mm_loadu_si128((const __m128i *)tensor + at);
    if (at == 0)
        block = _mm_and_si128(block, _mm_set_epi32(-1, -1, 0, -1));
    block = _mm_xor_si128(block, _mm_load_si128((const __m128i *)apir_content_keys + at));
    return _mm_clmulepi64_si128(block, block, 0x01);
}

NARROW static inline struct apir_print narrow_one(struct apir_print print, const struct ggml_tensor *tensor, bool whole)
{
    __m128i even = narrow_product(tensor, TAIL), odd = narrow_product(tensor, TAIL + 1);
#pragma GCC unroll 16
    for (int i = 0; i < LEFT_OUT; i += 2) {
        even = _mm_xor_si128(even, narrow_product(tensor, i));
        odd = _mm_xor_si128(odd, narrow_product(tensor, i + 1));
    }
#pragma GCC unroll 16
    for (int i = LEFT_OUT; whole && i < TAIL; i += 2) {
        even = _mm_xor_si128(even, narrow_product(tensor, i));
        odd = _mm_xor_si128(odd, narrow_product(tensor, i + 1));
    }
    even = _mm_xor_si128(even, odd);
    return apir_print_add(print, (uint64_t)_mm_cvtsi128_si64(even), (uint64_t)_mm_extract_epi64(even, 1));
}

NARROW struct apir_print apir_content_narrow(struct apir_print from, const struct ggml_tensor *const *tensors,
                                             size_t n_whole, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (i + APIR_CONTENT_AHEAD < n)
            apir_content_fetch(tensors[i + APIR_CONTENT_AHEAD]);
        from = i < n_whole ? narrow_one(from, tensors[i], true) : narrow_one(from, tensors[i], false);
    }
    return from;
}

WIDE static inline __m256i wide_product(const struct ggml_tensor *tensor, int at)
{
    __m256i block = _mm256_loadu_si256((const __m256i *)tensor + at);
    if (at == 0)
        block = _mm256_and_si256(block, _mm256_set_epi32(-1, -1, -1, -1, -1, -1, 0, -1));
    block = _mm256_xor_si256(block, _mm256_load_si256((const __m256i *)apir_content_keys + at));
    return _mm256_clmulepi64_epi128(block, block, 0x01);
}

WIDE static inline struct apir_print wide_one(struct apir_print print, const struct ggml_tensor *tensor, bool whole)
{
    __m256i sum = wide_product(tensor, TAIL / 2);
#pragma GCC unroll 16
    for (int i = 0; i < LEFT_OUT / 2; i++)
        sum = _mm256_xor_si256(sum, wide_product(tensor, i));
#pragma GCC unroll 16
    for (int i = LEFT_OUT / 2; whole && i < TAIL / 2; i++)
        sum = _mm256_xor_si256(sum, wide_product(tensor, i));
    __m128i folded = _mm_xor_si128(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
    return apir_print_add(print, (uint64_t)_mm_cvtsi128_si64(folded), (uint64_t)_mm_extract_epi64(folded, 1));
}

WIDE struct apir_print apir_content_wide(struct apir_print from, const struct ggml_tensor *const *tensors,
                                         size_t n_whole, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (i + APIR_CONTENT_AHEAD < n)
            apir_content_fetch(tensors[i + APIR_CONTENT_AHEAD]);
        from = i < n_whole ? wide_one(from, tensors[i], true) : wide_one(from, tensors[i], false);
    }
    return from;
}

#else
typedef int apir_content_x86_is_empty;
#endif
