/* In which queue a call about a buffer goes, and what it waits for. ggml's calls on buffers know no stream, yet come after
 * what was computed with the buffer before; and what is computed comes after them. A buffer's calls take the queue of the
 * stream that used it last: there most of them wait for nothing, since a queue is in order. */
#ifndef APIR_BACKEND_ORDER_H
#define APIR_BACKEND_ORDER_H

#include <stdint.h>

#include "wire/status.h"

struct apir_buffer;
struct apir_queue;
struct apir_reg;

/* What is known of a buffer; guarded by the registration's order_lock. */
struct apir_order {
    struct apir_queue *home;           /* borrowed; of the stream that used it last, NULL: no stream has */
    uint64_t callers;                  /* bit q: there were calls about it in queue q; several threads may make such */
    uint64_t calls[APIR_MAX_QUEUES];   /* the last one of each */
    uint64_t streams;                  /* bit q: queue q has used it in its stream */
    uint64_t uses[APIR_MAX_QUEUES];    /* the last such call of each */
};

/* Starts calls about a buffer, or two (other may be NULL): chooses the queue, locks it, and makes the next call wait for
 * what uses them. Never fails. */
struct apir_queue *apir_order_begin(struct apir_reg *reg, struct apir_buffer *buffer, struct apir_buffer *other);

/* Ends them: what comes later waits for the last one. Unlocks the queue. */
void apir_order_end(struct apir_reg *reg, struct apir_queue *queue, struct apir_buffer *buffer,
                    struct apir_buffer *other);

/* The next call of the queue, whose lock the caller holds, is work of its stream on n buffers (NULL among them is
 * skipped): it waits for the calls about them, and later calls about them wait for it. */
void apir_order_stream(struct apir_reg *reg, struct apir_queue *queue, struct apir_buffer *const *buffers, uint32_t n);

/* The last call of the queue, whose lock the caller has held since apir_order_stream, was the last of such work. */
void apir_order_stream_end(struct apir_reg *reg, struct apir_queue *queue, struct apir_buffer *buffer);

/* Calls about the buffer take this queue from now on: its stream has the content. */
void apir_order_give(struct apir_reg *reg, struct apir_buffer *buffer, struct apir_queue *queue);

#endif
