#include "backend/op-query.h"

#include <errno.h>
#include <string.h>

#include "cmocka-all.h"
#include "fake.h"

static int setup(void **state)
{
    static struct fake fake;
    fake_init(&fake, 0);
    *state = &fake;
    return 0;
}

static int teardown(void **state)
{
    fake_finish(*state);
    return 0;
}

static struct ggml_tensor *f32(struct fake *fake, int64_t ne0, int64_t ne1)
{
    return ggml_new_tensor_2d(fake->ctx, GGML_TYPE_F32, ne0, ne1);
}

static struct apir_op_key key_of(struct fake *fake, uint32_t device, const struct ggml_tensor *op)
{
    struct apir_op_list list;
    struct apir_op_key key;
    assert_int_equal(apir_op_list_collect(&list, &fake->reg, op), 0);
    apir_op_key_init(&key, &fake->reg, device, &list);
    return key;
}

static bool same(const struct apir_op_key *a, const struct apir_op_key *b)
{
    return a->hash == b->hash && a->n_words == b->n_words &&
           memcmp(a->words, b->words, a->n_words * sizeof *a->words) == 0;
}

static bool same_key(struct fake *fake, const struct ggml_tensor *a, const struct ggml_tensor *b)
{
    struct apir_op_key key_a = key_of(fake, 0, a), key_b = key_of(fake, 0, b);
    return same(&key_a, &key_b);
}

static void viewed_precedes_view_and_op_is_last(void **state)
{
    struct fake *fake = *state;
    struct ggml_tensor *root = f32(fake, 8, 8);
    struct ggml_tensor *view = ggml_view_1d(fake->ctx, root, 8, 32);
    struct ggml_tensor *add = ggml_add(fake->ctx, view, f32(fake, 8, 1));
    struct apir_op_list list;
    assert_int_equal(apir_op_list_collect(&list, &fake->reg, add), 0);
    assert_int_equal(list.n, 4);
    assert_ptr_equal(list.tensors[0], root);
    assert_ptr_equal(list.tensors[1], view);
    assert_ptr_equal(list.tensors[3], add);
}

static void query_links_sources_and_views(void **state)
{
    struct fake *fake = *state;
    struct ggml_tensor *root = f32(fake, 8, 8);
    struct ggml_tensor *view = ggml_view_1d(fake->ctx, root, 8, 32);
    struct ggml_tensor *add = ggml_add(fake->ctx, view, view);
    struct apir_op_list list;
    struct apir_op_query query;
    struct apir_op_query_storage storage;
    assert_int_equal(apir_op_list_collect(&list, &fake->reg, add), 0);
    apir_op_query_init(&query, &storage, &fake->reg, &list);
    assert_int_equal(query.n_tensors, 3);
    assert_int_equal(query.tensors[1].view_src, 1);
    assert_int_equal(query.tensors[1].view_offs, 32);
    assert_int_equal(query.tensors[1].n_src, 0);
    assert_int_equal(query.tensors[2].n_src, 2);
    assert_int_equal(query.tensors[2].src[0], 2);
    assert_int_equal(query.tensors[2].src[1], 2);
    assert_int_equal(query.tensors[2].op, GGML_OP_ADD);
}

static void same_shapes_have_the_same_signature(void **state)
{
    struct fake *fake = *state;
    struct ggml_tensor *a = ggml_add(fake->ctx, f32(fake, 8, 2), f32(fake, 8, 2));
    struct ggml_tensor *b = ggml_add(fake->ctx, f32(fake, 8, 2), f32(fake, 8, 2));
    ggml_set_name(b, "another name");
    assert_true(same_key(fake, a, b));
}

static void everything_a_host_looks_at_makes_another_signature(void **state)
{
    struct fake *fake = *state;
    struct ggml_tensor *x = f32(fake, 8, 2), *y = f32(fake, 8, 2);
    struct ggml_tensor *base = ggml_scale(fake->ctx, x, 2.0f), *others[10];
    size_t n = 0;
    others[n++] = ggml_scale(fake->ctx, x, 3.0f);               /* parameters */
    others[n++] = ggml_scale(fake->ctx, f32(fake, 8, 3), 2.0f); /* shape */
    others[n++] = ggml_sqr(fake->ctx, x);                       /* op */
    others[n++] = ggml_scale_inplace(fake->ctx, x, 2.0f);       /* what it is a view of */
    struct ggml_tensor *view = ggml_view_2d(fake->ctx, y, 8, 2, 32, 0);
    others[n++] = ggml_scale(fake->ctx, view, 2.0f); /* a source that is a view */
    struct ggml_tensor *sum = ggml_add(fake->ctx, x, y);
    others[n++] = ggml_scale(fake->ctx, sum, 2.0f); /* what computes a source */
    others[n] = ggml_scale(fake->ctx, x, 2.0f);
    others[n++]->flags = GGML_TENSOR_FLAG_OUTPUT;
    others[n] = ggml_scale(fake->ctx, x, 2.0f);
    others[n++]->nb[1] = 64;
    others[n] = ggml_scale(fake->ctx, x, 2.0f);
    others[n++]->type = GGML_TYPE_F16;
    for (size_t i = 0; i < n; i++)
        assert_false(same_key(fake, base, others[i]));
}

static void same_source_twice_is_not_two_sources(void **state)
{
    struct fake *fake = *state;
    struct ggml_tensor *x = f32(fake, 8, 2);
    assert_false(
        same_key(fake, ggml_add(fake->ctx, x, x), ggml_add(fake->ctx, x, f32(fake, 8, 2))));
}

static void device_is_part_of_the_signature(void **state)
{
    struct fake *fake = *state;
    struct ggml_tensor *op = ggml_sqr(fake->ctx, f32(fake, 8, 2));
    struct apir_op_key a = key_of(fake, 0, op), b = key_of(fake, 1, op);
    assert_false(same(&a, &b));
}

static void buffers_differ_by_device_and_usage_only(void **state)
{
    struct fake *fake = *state;
    struct ggml_tensor *nowhere = f32(fake, 8, 2), *here = f32(fake, 8, 2),
                       *there = f32(fake, 8, 2);
    struct ggml_tensor *elsewhere = f32(fake, 8, 2), *foreign = f32(fake, 8, 2);
    fake_place(here, &fake->buffers[0], 0);
    fake_place(there, &fake->buffers[0], 4096);
    fake_place(elsewhere, &fake->buffers[1], 0);
    fake_place_foreign(foreign, fake);
    assert_true(same_key(fake, here, there));
    assert_true(same_key(fake, nowhere, foreign));
    assert_false(same_key(fake, nowhere, here));
    assert_false(same_key(fake, here, elsewhere));
    struct apir_op_key before = key_of(fake, 0, here);
    ggml_backend_buffer_set_usage(here->buffer, GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
    struct apir_op_key after = key_of(fake, 0, here);
    assert_false(same(&before, &after));
}

static bool same_print(struct fake *fake, uint32_t device, const struct ggml_tensor *op, struct apir_print before)
{
    struct apir_print print = apir_op_print(&fake->reg, device, op);
    return print.words[0] == before.words[0] && print.words[1] == before.words[1];
}

/* Of the op, of a source that is a view, and of what that is a view of. */
static void whatever_changes_the_signature_changes_the_print(void **state)
{
    struct fake *fake = *state;
    struct ggml_tensor *root = f32(fake, 8, 8), *view = ggml_view_2d(fake->ctx, root, 8, 2, 32, 0);
    struct ggml_tensor *op = ggml_add(fake->ctx, view, f32(fake, 8, 2));
    struct ggml_tensor *tensors[] = {root, view, op, op->src[1]};
    struct apir_print print = apir_op_print(&fake->reg, 0, op);
    for (size_t i = 0; i < sizeof tensors / sizeof *tensors; i++) {
        const struct ggml_tensor kept = *tensors[i];
        for (size_t at = offsetof(struct ggml_tensor, ne); at < offsetof(struct ggml_tensor, src); at++) {
            ((uint8_t *)tensors[i])[at] ^= 0x10;
            assert_false(same_print(fake, 0, op, print));
            *tensors[i] = kept;
        }
        tensors[i]->type = GGML_TYPE_F16;
        assert_false(same_print(fake, 0, op, print));
        *tensors[i] = kept;
        tensors[i]->view_offs += 32;
        assert_false(same_print(fake, 0, op, print));
        *tensors[i] = kept;
        assert_true(same_print(fake, 0, op, print));
    }
    assert_false(same_print(fake, 1, op, print));
}

static void other_links_change_the_print(void **state)
{
    struct fake *fake = *state;
    struct ggml_tensor *x = f32(fake, 8, 2), *y = f32(fake, 8, 2), *op = ggml_add(fake->ctx, x, y);
    struct apir_print print = apir_op_print(&fake->reg, 0, op);
    op->src[1] = x;
    assert_false(same_print(fake, 0, op, print));
    op->src[1] = y;
    op->src[2] = y;
    assert_false(same_print(fake, 0, op, print));
    op->src[2] = NULL;
    op->view_src = y;
    assert_false(same_print(fake, 0, op, print));
    op->view_src = NULL;
    assert_true(same_print(fake, 0, op, print));
}

/* The same addresses, but another buffer there, or other usage. */
static void other_buffer_at_the_same_place_changes_the_print(void **state)
{
    struct fake *fake = *state;
    struct ggml_tensor *x = f32(fake, 8, 2), *op = ggml_sqr(fake->ctx, x);
    fake_place(x, &fake->buffers[0], 0);
    struct apir_print print = apir_op_print(&fake->reg, 0, op);
    ggml_backend_buffer_set_usage(x->buffer, GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
    assert_false(same_print(fake, 0, op, print));
    ggml_backend_buffer_set_usage(x->buffer, GGML_BACKEND_BUFFER_USAGE_ANY);
    assert_true(same_print(fake, 0, op, print));
    fake->buffers[0].ours.handle++;
    assert_false(same_print(fake, 0, op, print));
    fake->buffers[0].ours.handle--;
    fake->buffers[0].ours.size /= 2;
    assert_false(same_print(fake, 0, op, print));
    fake->buffers[0].ours.size *= 2;
    fake->buffers[0].of_ggml.iface.free_buffer = NULL; /* somebody else's */
    assert_false(same_print(fake, 0, op, print));
}

static void query_names_the_real_buffer(void **state)
{
    struct fake *fake = *state;
    struct ggml_tensor *x = f32(fake, 8, 2);
    fake_place(x, &fake->buffers[1], 4096);
    struct ggml_tensor *op = ggml_sqr(fake->ctx, x);
    struct apir_op_list list;
    struct apir_op_query query;
    struct apir_op_query_storage storage;
    assert_int_equal(apir_op_list_collect(&list, &fake->reg, op), 0);
    apir_op_query_init(&query, &storage, &fake->reg, &list);
    assert_int_equal(query.tensors[0].buffer, 102);
    assert_int_equal(query.tensors[0].offset, 4096);
    assert_int_equal(query.tensors[1].buffer, 0);
}

static void source_of_an_op_the_host_lacks_is_told_as_data(void **state)
{
    struct fake *fake = *state;
    struct ggml_tensor *source = ggml_sqr(fake->ctx, f32(fake, 8, 2));
    struct ggml_tensor *op = ggml_sqr(fake->ctx, source);
    source->op = GGML_OP_CUSTOM;
    struct apir_op_list list;
    struct apir_op_query query;
    struct apir_op_query_storage storage;
    assert_int_equal(apir_op_list_collect(&list, &fake->reg, op), 0);
    apir_op_query_init(&query, &storage, &fake->reg, &list);
    assert_int_equal(query.tensors[0].op, GGML_OP_NONE);
}

static void cast_is_its_own_source(void **state)
{
    struct fake *fake = *state;
    struct ggml_tensor *cast = ggml_cast(fake->ctx, f32(fake, 8, 2), GGML_TYPE_F16);
    struct apir_op_list list;
    struct apir_op_query query;
    struct apir_op_query_storage storage;
    assert_ptr_equal(cast->src[1], cast);
    assert_int_equal(apir_op_list_collect(&list, &fake->reg, cast), 0);
    apir_op_query_init(&query, &storage, &fake->reg, &list);
    assert_int_equal(query.n_tensors, 3);
    assert_int_equal(query.tensors[1].op, GGML_OP_NONE);
    assert_int_equal(query.tensors[1].type, GGML_TYPE_F16);
    assert_int_equal(query.tensors[2].op, GGML_OP_CPY);
    assert_int_equal(query.tensors[2].src[0], 1);
    assert_int_equal(query.tensors[2].src[1], 2);
}

static void unknown_op_and_type_are_not_asked(void **state)
{
    struct fake *fake = *state;
    struct ggml_tensor *op = ggml_sqr(fake->ctx, f32(fake, 8, 2));
    struct apir_op_list list;
    fake->reg.names.op_known[GGML_OP_SQR] = false;
    assert_int_equal(apir_op_list_collect(&list, &fake->reg, op), -EOPNOTSUPP);
    fake->reg.names.op_known[GGML_OP_SQR] = true;
    fake->reg.names.type_known[GGML_TYPE_F32] = false;
    assert_int_equal(apir_op_list_collect(&list, &fake->reg, op), -EOPNOTSUPP);
}

static void view_of_a_view_is_not_asked(void **state)
{
    struct fake *fake = *state;
    struct ggml_tensor *view = ggml_view_1d(fake->ctx, f32(fake, 8, 2), 8, 0);
    struct ggml_tensor *second = ggml_view_1d(fake->ctx, f32(fake, 8, 2), 8, 0);
    struct apir_op_list list;
    second->view_src = view; /* ggml itself makes it refer to the root */
    assert_int_equal(apir_op_list_collect(&list, &fake->reg, ggml_sqr(fake->ctx, second)),
                     -EOPNOTSUPP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(viewed_precedes_view_and_op_is_last, setup, teardown),
        cmocka_unit_test_setup_teardown(query_links_sources_and_views, setup, teardown),
        cmocka_unit_test_setup_teardown(same_shapes_have_the_same_signature, setup, teardown),
        cmocka_unit_test_setup_teardown(everything_a_host_looks_at_makes_another_signature, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(same_source_twice_is_not_two_sources, setup, teardown),
        cmocka_unit_test_setup_teardown(device_is_part_of_the_signature, setup, teardown),
        cmocka_unit_test_setup_teardown(buffers_differ_by_device_and_usage_only, setup, teardown),
        cmocka_unit_test_setup_teardown(whatever_changes_the_signature_changes_the_print, setup, teardown),
        cmocka_unit_test_setup_teardown(other_links_change_the_print, setup, teardown),
        cmocka_unit_test_setup_teardown(other_buffer_at_the_same_place_changes_the_print, setup, teardown),
        cmocka_unit_test_setup_teardown(query_names_the_real_buffer, setup, teardown),
        cmocka_unit_test_setup_teardown(source_of_an_op_the_host_lacks_is_told_as_data, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(cast_is_its_own_source, setup, teardown),
        cmocka_unit_test_setup_teardown(unknown_op_and_type_are_not_asked, setup, teardown),
        cmocka_unit_test_setup_teardown(view_of_a_view_is_not_asked, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
