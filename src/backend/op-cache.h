/* The host's answers about ops, by signature. An answer for a signature never changes, so it is
 * asked once. Thread-safe. */
#ifndef APIR_BACKEND_OP_CACHE_H
#define APIR_BACKEND_OP_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "backend/op-query.h"
#include "backend/op-quick.h"

enum {
    APIR_OP_CACHE_MAX = 65536, /* answers, about 400 bytes each; then it starts anew */
};

struct apir_op_cache;

/* Makes an empty cache that forgets everything when it has max answers. NULL: no memory. Free with
 * destroy. */
struct apir_op_cache *apir_op_cache_create(uint32_t max);
void apir_op_cache_destroy(struct apir_op_cache *cache);

/* What is known about the signature: all false if nothing is. */
struct apir_op_answer apir_op_cache_get(struct apir_op_cache *cache, const struct apir_op_key *key);

/* Adds what answer knows. Does nothing when memory is short. */
void apir_op_cache_put(struct apir_op_cache *cache, const struct apir_op_key *key,
                       struct apir_op_answer answer);

/* The same by print, for what was remembered; it may have been forgotten since. Takes no lock. */
struct apir_op_answer apir_op_cache_recall(const struct apir_op_cache *cache, struct apir_print print);
void apir_op_cache_remember(struct apir_op_cache *cache, struct apir_print print, struct apir_op_answer answer);

/* Number of signatures in it. */
uint32_t apir_op_cache_count(struct apir_op_cache *cache);

#endif
