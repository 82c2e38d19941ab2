#include "backend/op-batch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "apir-codec.h"
#include "backend/op-cache.h"
#include "cmocka-all.h"
#include "fake.h"
#include "wire/cs.h"

struct fixture {
    struct fake fake;
    struct apir_op_batch batch;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    fake_init(&f->fake, 0);
    f->fake.reg.answers = apir_op_cache_create(1000);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    apir_op_cache_destroy(f->fake.reg.answers);
    fake_finish(&f->fake);
    free(f);
    return 0;
}

/* All of the same shape: what differs between ops is what the test makes of them. */
static struct ggml_tensor *f32(struct fixture *f)
{
    return ggml_new_tensor_1d(f->fake.ctx, GGML_TYPE_F32, 8);
}

static void collect(struct fixture *f, const struct ggml_tensor *op)
{
    assert_int_equal(apir_op_batch_init(&f->batch, &f->fake.reg, 0, op), 0);
    apir_op_batch_extend(&f->batch);
}

static bool has(const struct fixture *f, const struct ggml_tensor *op)
{
    for (uint32_t i = 0; i < f->batch.n; i++)
        if (f->batch.ops[i] == op)
            return true;
    return false;
}

static void batch_begins_with_what_is_asked_and_goes_on_with_its_sources(void **state)
{
    struct fixture *f = *state;
    struct ggml_tensor *leaf = f32(f), *sqr = ggml_sqr(f->fake.ctx, leaf), *sum = ggml_sum(f->fake.ctx, sqr);
    collect(f, sum);
    assert_int_equal(f->batch.n, 3);
    assert_ptr_equal(f->batch.ops[0], sum);
    assert_ptr_equal(f->batch.ops[1], sqr);
    assert_ptr_equal(f->batch.ops[2], leaf);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(f->batch.queries[i].n_tensors, i == 2 ? 1 : 2);
    assert_int_equal(f->batch.queries[1].tensors[1].op, GGML_OP_SQR);
}

static void op_that_cannot_be_put_to_the_host_makes_no_batch(void **state)
{
    struct fixture *f = *state;
    struct ggml_tensor *op = ggml_sqr(f->fake.ctx, f32(f));
    op->op = GGML_OP_CUSTOM;
    assert_int_equal(apir_op_batch_init(&f->batch, &f->fake.reg, 0, op), -EOPNOTSUPP);
}

static void same_signature_is_asked_once(void **state)
{
    struct fixture *f = *state;
    struct ggml_tensor *a = ggml_sqr(f->fake.ctx, f32(f)), *b = ggml_sqr(f->fake.ctx, f32(f));
    collect(f, ggml_add(f->fake.ctx, a, b));
    assert_int_equal(f->batch.n, 3); /* add, sqr, leaf */
}

static void what_is_known_is_not_asked_nor_what_it_is_computed_from(void **state)
{
    struct fixture *f = *state;
    struct ggml_tensor *sqr = ggml_sqr(f->fake.ctx, f32(f)), *sum = ggml_sum(f->fake.ctx, sqr);
    assert_int_equal(apir_op_batch_init(&f->batch, &f->fake.reg, 0, sqr), 0);
    apir_op_cache_put(f->fake.reg.answers, &f->batch.keys[0], (struct apir_op_answer){.has_support = true});
    collect(f, sum);
    assert_int_equal(f->batch.n, 1);
}

static void source_of_an_op_the_host_lacks_is_left_out(void **state)
{
    struct fixture *f = *state;
    struct ggml_tensor *sqr = ggml_sqr(f->fake.ctx, f32(f)), *sum = ggml_sum(f->fake.ctx, sqr);
    sqr->op = GGML_OP_CUSTOM;
    collect(f, sum);
    assert_int_equal(f->batch.n, 1);
}

/* Such a buffer is not even looked at. */
static void source_in_a_buffer_of_its_own_is_left_out(void **state)
{
    struct fixture *f = *state;
    struct ggml_tensor *here = f32(f), *there = f32(f), *gone = f32(f);
    fake_place(here, &f->fake.buffers[0], 0);
    fake_place(there, &f->fake.buffers[0], 4096);
    gone->buffer = (ggml_backend_buffer_t)(uintptr_t)64;
    gone->data = f;
    struct ggml_tensor *sqr = ggml_sqr(f->fake.ctx, there), *neg = ggml_neg(f->fake.ctx, gone);
    struct ggml_tensor *sum = ggml_add(f->fake.ctx, sqr, neg);
    struct ggml_tensor *op = ggml_add(f->fake.ctx, sum, here);
    collect(f, op);
    assert_true(has(f, sum) && has(f, sqr) && has(f, here));
    assert_false(has(f, neg) || has(f, gone));
}

/* Long, and with a signature of its own for each op. */
static void largest_batch_fits_a_request(void **state)
{
    struct fixture *f = *state;
    static uint8_t request[APIR_MAX_REQUEST];
    for (int n_sources = 1; n_sources <= GGML_MAX_SRC; n_sources++) {
        struct ggml_tensor *op = f32(f);
        for (unsigned i = 0; i < 2 * APIR_MAX_BATCH; i++) {
            op = ggml_scale(f->fake.ctx, op, (float)(i + 1));
            for (int k = 1; k < n_sources; k++)
                op->src[k] = f32(f);
        }
        collect(f, op);
        assert_true(f->batch.n > 1 && f->batch.n <= APIR_MAX_BATCH);
        struct apir_device_supports_op_args args = {.queries = f->batch.queries, .n_queries = f->batch.n};
        struct apir_enc enc;
        apir_enc_init(&enc, request, sizeof request - 1024); /* less what precedes the arguments */
        apir_encode_device_supports_op_args(&enc, &args);
        assert_true(apir_enc_ok(&enc));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(batch_begins_with_what_is_asked_and_goes_on_with_its_sources, setup, teardown),
        cmocka_unit_test_setup_teardown(op_that_cannot_be_put_to_the_host_makes_no_batch, setup, teardown),
        cmocka_unit_test_setup_teardown(same_signature_is_asked_once, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_known_is_not_asked_nor_what_it_is_computed_from, setup, teardown),
        cmocka_unit_test_setup_teardown(source_of_an_op_the_host_lacks_is_left_out, setup, teardown),
        cmocka_unit_test_setup_teardown(source_in_a_buffer_of_its_own_is_left_out, setup, teardown),
        cmocka_unit_test_setup_teardown(largest_batch_fits_a_request, setup, teardown),
    };
    return cmocka_run_group_tests_name("op batch", tests, NULL, NULL);
}
