/* generated from tests.yaml by apir-scanner; do not edit */
#include "test-calls.h"

#include <stddef.h>

#include "client/queue.h"
#include "test-codec.h"
#include "wire/cs.h"

int test_call_nothing(struct apir_queue *queue)
{
    struct apir_enc enc;
    int ret = apir_queue_begin(queue, TEST_CALL_NOTHING, &enc);
    if (ret)
        return ret;
    return apir_queue_post(queue, &enc);
}

int test_call_tell(struct apir_queue *queue, const struct test_tell_args *args)
{
    struct apir_enc enc;
    int ret = apir_queue_begin(queue, TEST_CALL_TELL, &enc);
    if (ret)
        return ret;
    test_encode_tell_args(&enc, args);
    return apir_queue_post(queue, &enc);
}

int test_call_ask(struct apir_queue *queue, struct apir_arena *arena,
                  struct test_ask_reply *reply)
{
    struct apir_enc enc;
    struct apir_dec dec;
    struct test_ask_reply result;
    int ret = apir_queue_begin(queue, TEST_CALL_ASK, &enc);
    if (ret)
        return ret;
    ret = apir_queue_submit(queue, &enc, arena, &dec);
    if (!ret)
        test_decode_ask_reply(&dec, &result);
    ret = apir_queue_end(queue, ret ? NULL : &dec, ret);
    if (!ret)
        *reply = result;
    return ret;
}

int test_call_swap(struct apir_queue *queue, struct apir_arena *arena,
                   const struct test_swap_args *args, struct test_swap_reply *reply)
{
    struct apir_enc enc;
    struct apir_dec dec;
    struct test_swap_reply result;
    int ret = apir_queue_begin(queue, TEST_CALL_SWAP, &enc);
    if (ret)
        return ret;
    test_encode_swap_args(&enc, args);
    ret = apir_queue_submit(queue, &enc, arena, &dec);
    if (!ret)
        test_decode_swap_reply(&dec, &result);
    ret = apir_queue_end(queue, ret ? NULL : &dec, ret);
    if (!ret)
        *reply = result;
    return ret;
}

int test_call_far(struct apir_queue *queue, const struct test_far_args *args)
{
    struct apir_enc enc;
    int ret = apir_queue_begin(queue, TEST_CALL_FAR, &enc);
    if (ret)
        return ret;
    test_encode_far_args(&enc, args);
    return apir_queue_post(queue, &enc);
}
