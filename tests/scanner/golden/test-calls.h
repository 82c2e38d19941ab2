/* generated from tests.yaml by apir-scanner; do not edit */
#ifndef TEST_CALLS_H
#define TEST_CALLS_H

/* One function for each call: sends it on queue and waits for the reply. 0, or -errno as
 * apir_queue_submit and apir_queue_end (client/queue.h) give it; -EBADMSG too for a reply that
 * the protocol does not allow. *reply is written on success only; its strings and arrays live in
 * arena, which the caller owns. A call without results is sent and not waited for: 0 as soon as
 * it is on its way, see apir_queue_post. */
#include "test-protocol.h"

struct apir_arena;
struct apir_queue;

/* Neither arguments nor results. */
int test_call_nothing(struct apir_queue *queue);

/* Arguments only. */
int test_call_tell(struct apir_queue *queue, const struct test_tell_args *args);

/* Results only. */
int test_call_ask(struct apir_queue *queue, struct apir_arena *arena,
                  struct test_ask_reply *reply);

/* Both, with the same struct. The text of this call is long enough that the comment it becomes
 * does not fit in one line of 100 columns. */
int test_call_swap(struct apir_queue *queue, struct apir_arena *arena,
                   const struct test_swap_args *args, struct test_swap_reply *reply);

/* A number with a gap before it. */
int test_call_far(struct apir_queue *queue, const struct test_far_args *args);

#endif
