#include "backend/op-cache.h"

#include <pthread.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

struct entry {
    struct entry *next; /* of the same bucket */
    uint64_t hash;
    struct apir_op_answer answer;
    uint32_t n_words;
    uint64_t words[];
};

enum {
    BUCKETS = 16384, /* a power of two; chains stay short up to APIR_OP_CACHE_MAX */
};

struct apir_op_cache {
    pthread_rwlock_t lock; /* guards max to buckets */
    uint32_t max;
    uint32_t count;
    struct entry *buckets[BUCKETS]; /* owned */

    struct apir_op_quick quick; /* needs no lock */
};

struct apir_op_cache *apir_op_cache_create(uint32_t max)
{
    struct apir_op_cache *cache = aligned_alloc(alignof(struct apir_op_cache), sizeof *cache);
    if (!cache)
        return NULL;
    memset(cache, 0, sizeof *cache);
    pthread_rwlock_init(&cache->lock, NULL);
    cache->max = max;
    return cache;
}

static void clear_locked(struct apir_op_cache *cache)
{
    for (uint32_t i = 0; i < BUCKETS; i++) {
        while (cache->buckets[i]) {
            struct entry *entry = cache->buckets[i];
            cache->buckets[i] = entry->next;
            free(entry);
        }
    }
    cache->count = 0;
}

void apir_op_cache_destroy(struct apir_op_cache *cache)
{
    if (!cache)
        return;
    clear_locked(cache);
    pthread_rwlock_destroy(&cache->lock);
    free(cache);
}

/* The hash only finds the candidates: signatures are compared whole. */
static struct entry *find_locked(const struct apir_op_cache *cache, const struct apir_op_key *key)
{
    struct entry *entry = cache->buckets[key->hash % BUCKETS];
    while (entry && (entry->hash != key->hash || entry->n_words != key->n_words ||
                     memcmp(entry->words, key->words, key->n_words * sizeof *key->words) != 0))
        entry = entry->next;
    return entry;
}

struct apir_op_answer apir_op_cache_get(struct apir_op_cache *cache, const struct apir_op_key *key)
{
    struct apir_op_answer answer = {0};
    pthread_rwlock_rdlock(&cache->lock);
    const struct entry *entry = find_locked(cache, key);
    if (entry)
        answer = entry->answer;
    pthread_rwlock_unlock(&cache->lock);
    return answer;
}

static struct entry *insert_locked(struct apir_op_cache *cache, const struct apir_op_key *key)
{
    if (cache->count >= cache->max)
        clear_locked(cache);
    size_t size = key->n_words * sizeof *key->words;
    struct entry *entry = calloc(1, sizeof *entry + size);
    if (!entry)
        return NULL;
    entry->hash = key->hash;
    entry->n_words = key->n_words;
    memcpy(entry->words, key->words, size);
    struct entry **bucket = &cache->buckets[key->hash % BUCKETS];
    entry->next = *bucket;
    *bucket = entry;
    cache->count++;
    return entry;
}

void apir_op_cache_put(struct apir_op_cache *cache, const struct apir_op_key *key,
                       struct apir_op_answer answer)
{
    pthread_rwlock_wrlock(&cache->lock);
    struct entry *entry = find_locked(cache, key);
    if (!entry)
        entry = insert_locked(cache, key);
    if (entry)
        apir_op_answer_merge(&entry->answer, answer);
    pthread_rwlock_unlock(&cache->lock);
}

struct apir_op_answer apir_op_cache_recall(const struct apir_op_cache *cache, struct apir_print print)
{
    return apir_op_quick_get(&cache->quick, print);
}

void apir_op_cache_remember(struct apir_op_cache *cache, struct apir_print print, struct apir_op_answer answer)
{
    apir_op_quick_put(&cache->quick, print, answer);
}

uint32_t apir_op_cache_count(struct apir_op_cache *cache)
{
    pthread_rwlock_rdlock(&cache->lock);
    uint32_t count = cache->count;
    pthread_rwlock_unlock(&cache->lock);
    return count;
}
