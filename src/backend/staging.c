#include "backend/staging.h"

#include <errno.h>

#include "client/queue.h"

enum {
    ALIGNMENT = 64,   /* of a piece: a cache line */
    SHARE = 8,        /* pieces that a transfer is cut into: the host takes one while the next is written */
    MIN_PIECE = 32 * 1024,
};

static uint64_t min_size(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Frees the oldest pieces as far as they are done. */
static void reclaim(struct apir_staging *staging, const struct apir_queue *queue)
{
    while (staging->count) {
        uint32_t first = staging->first;
        if (staging->pieces[first].held || !apir_queue_is_done(queue, staging->pieces[first].sequence))
            return;
        staging->freed = staging->pieces[first].end;
        staging->first = (first + 1) % APIR_STAGING_PIECES;
        staging->count--;
    }
    staging->taken = staging->freed = 0; /* nothing is in use: the start is most likely in the caches */
}

/* Waits for the oldest piece. */
static int wait_oldest(struct apir_staging *staging, struct apir_queue *queue)
{
    if (staging->pieces[staging->first].held)
        return -EAGAIN;
    int ret = apir_queue_sync_to(queue, staging->pieces[staging->first].sequence);
    reclaim(staging, queue);
    return ret;
}

/* The power of two from MIN to MAX with which total bytes move well. */
static uint64_t good_size(uint64_t total)
{
    uint64_t size = APIR_STAGING_MIN;
    while (size < total && size < APIR_STAGING_MAX)
        size *= 2;
    return size;
}

/* Replaces the memory by some of at least size bytes, or of half if that is all there is, and so on. */
static int grow(struct apir_staging *staging, struct apir_queue *queue, uint64_t size)
{
    struct apir_session *session = apir_queue_session(queue);
    int ret = 0;
    while (staging->count && ret == 0)
        ret = wait_oldest(staging, queue);
    for (; ret == 0 && staging->shm.size < size; size /= 2) {
        struct apir_shm larger = {0};
        ret = apir_session_shm_create(session, size, &larger);
        if (ret == 0) {
            apir_session_shm_destroy(session, &staging->shm);
            staging->shm = larger;
            break;
        }
        if (ret != -ENOMEM || size == APIR_STAGING_MIN)
            break;
        ret = 0;
    }
    return staging->shm.size ? 0 : ret;
}

int64_t apir_staging_prepare(struct apir_staging *staging, struct apir_queue *queue, uint64_t total)
{
    reclaim(staging, queue);
    int ret = staging->shm.size < good_size(total) ? grow(staging, queue, good_size(total)) : 0;
    if (ret < 0)
        return ret;
    uint64_t piece = min_size(total / SHARE + ALIGNMENT, staging->shm.size / 4) & ~(uint64_t)(ALIGNMENT - 1);
    if (piece < MIN_PIECE)
        piece = min_size(MIN_PIECE, staging->shm.size);
    return (int64_t)min_size(piece, total);
}

/* Bytes to skip, so that size bytes do not go round the end. */
static uint64_t gap(const struct apir_staging *staging, uint64_t size)
{
    uint64_t left = staging->shm.size - staging->taken % staging->shm.size;
    return left < size ? left : 0;
}

int64_t apir_staging_take(struct apir_staging *staging, struct apir_queue *queue, uint64_t size)
{
    uint64_t space = (size + ALIGNMENT - 1) & ~(uint64_t)(ALIGNMENT - 1);
    if (space > staging->shm.size)
        space = size;
    reclaim(staging, queue);
    while (staging->count == APIR_STAGING_PIECES ||
           staging->taken + gap(staging, space) + space - staging->freed > staging->shm.size) {
        int ret = wait_oldest(staging, queue);
        if (ret < 0)
            return ret;
    }
    uint64_t start = staging->taken + gap(staging, space);
    staging->taken = start + space;
    uint32_t at = (staging->first + staging->count++) % APIR_STAGING_PIECES;
    staging->pieces[at].end = staging->taken;
    staging->pieces[at].sequence = apir_queue_next(queue) - 1;
    staging->pieces[at].held = false;
    return (int64_t)(start % staging->shm.size);
}

void apir_staging_use(struct apir_staging *staging, uint64_t sequence, bool hold)
{
    uint32_t at = (staging->first + staging->count - 1) % APIR_STAGING_PIECES;
    staging->pieces[at].sequence = sequence;
    staging->pieces[at].held = hold;
}

bool apir_staging_free(struct apir_staging *staging, struct apir_queue *queue)
{
    int ret = 0;
    while (staging->count && ret == 0)
        ret = wait_oldest(staging, queue);
    if (ret < 0 || !staging->shm.data)
        return false;
    apir_session_shm_destroy(apir_queue_session(queue), &staging->shm);
    *staging = (struct apir_staging){0};
    return true;
}

void apir_staging_release(struct apir_staging *staging)
{
    for (uint32_t i = 0; i < staging->count; i++) {
        uint32_t at = (staging->first + i) % APIR_STAGING_PIECES;
        if (staging->pieces[at].held) {
            staging->pieces[at].held = false;
            return;
        }
    }
}
