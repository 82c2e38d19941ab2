#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fixture.h"

enum { SIZE = 4096 };

#define T40 (UINT64_C(1) << 40)
#define T48 APIR_MAX_SIZE

/* A ready executor with one buffer. */
struct placed {
    struct fixture f;
    struct apir_buffer_uses uses;
    struct apir_buffer *buffer;
};

static void open_placed(struct placed *p)
{
    memset(p, 0, sizeof *p);
    fixture_open(&p->f, LIBRARIES "/fake-good.so", NULL);
    fixture_make_ready(&p->f);
    p->buffer = apir_buffer_uses_get(p->f.executor, &p->uses, fixture_alloc(&p->f, SIZE));
    assert_non_null(p->buffer);
}

static void close_placed(struct placed *p)
{
    apir_buffer_uses_finish(p->f.executor, &p->uses);
    fixture_close(&p->f);
}

static void tensor_arrives_as_described(void **state)
{
    (void)state;
    struct placed p;
    struct ggml_tensor tensor;
    open_placed(&p);
    struct apir_tensor from = fixture_tensor(GGML_TYPE_F16, 8, 3);
    from.op = GGML_OP_MUL;
    from.flags = 5;
    from.op_params[15] = -7;
    assert_int_equal(apir_tensor_describe(p.f.executor, &from, &tensor), 0);
    assert_int_equal(tensor.type, GGML_TYPE_F16);
    assert_int_equal(tensor.op, GGML_OP_MUL);
    assert_int_equal(tensor.flags, 5);
    assert_int_equal(tensor.op_params[15], -7);
    assert_int_equal(tensor.ne[1], 3);
    assert_int_equal(tensor.nb[1], 16);
    assert_string_equal(tensor.name, "t");
    assert_null(tensor.buffer);
    assert_null(tensor.data);
    assert_null(tensor.view_src);
    close_placed(&p);
}

static void nothing_is_described_before_the_numbering(void **state)
{
    (void)state;
    struct fixture f;
    struct ggml_tensor tensor;
    struct apir_tensor from = fixture_tensor(GGML_TYPE_F32, 4, 1);
    fixture_open(&f, LIBRARIES "/fake-good.so", NULL);
    assert_int_equal(apir_tensor_describe(f.executor, &from, &tensor), -EPROTO);
    fixture_close(&f);
}

static void numbers_outside_the_lists_are_refused(void **state)
{
    (void)state;
    struct placed p;
    struct ggml_tensor tensor;
    open_placed(&p);
    struct apir_tensor type = fixture_tensor(GGML_TYPE_F32, 4, 1), op = type;
    type.type = GGML_TYPE_COUNT;
    op.op = GGML_OP_COUNT;
    assert_int_equal(apir_tensor_describe(p.f.executor, &type, &tensor), -EINVAL);
    assert_int_equal(apir_tensor_describe(p.f.executor, &op, &tensor), -EINVAL);
    close_placed(&p);
}

static void what_the_host_does_not_know_is_not_supported(void **state)
{
    (void)state;
    struct placed p;
    struct ggml_tensor tensor;
    open_placed(&p);
    struct apir_tensor from = fixture_tensor(GGML_TYPE_F32, 4, 1);
    from.op = GGML_OP_CUSTOM;
    assert_int_equal(apir_tensor_describe(p.f.executor, &from, &tensor), -EOPNOTSUPP);
    from.op = GGML_OP_UNARY;
    from.op_params[0] = GGML_UNARY_OP_COUNT;
    assert_int_equal(apir_tensor_describe(p.f.executor, &from, &tensor), -EOPNOTSUPP);
    from.op = GGML_OP_GLU;
    from.op_params[0] = -1;
    assert_int_equal(apir_tensor_describe(p.f.executor, &from, &tensor), -EOPNOTSUPP);
    close_placed(&p);
}

static void shapes_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    static const struct {
        enum ggml_type type;
        uint64_t ne[4], nb[4];
    } bad[] = {
        {GGML_TYPE_F32, {T48 + 1, 1, 1, 1}, {4, 4, 4, 4}},
        {GGML_TYPE_F32, {UINT64_MAX, 1, 1, 1}, {4, 4, 4, 4}},
        {GGML_TYPE_F32, {UINT64_C(1) << 63, 1, 1, 1}, {4, 4, 4, 4}},
        {GGML_TYPE_F32, {1, 1, 1, T48 + 1}, {4, 4, 4, 4}},
        {GGML_TYPE_F32, {1, 1, 1, 1}, {T48 + 1, 4, 4, 4}},
        {GGML_TYPE_F32, {1, 1, 1, 1}, {4, 4, 4, UINT64_MAX}},
        {GGML_TYPE_F32, {T40, T40, 1, 1}, {0, 0, 0, 0}},           /* product over the maximum */
        {GGML_TYPE_F32, {T40, T40, T40, T40}, {0, 0, 0, 0}},       /* product wraps */
        {GGML_TYPE_F32, {UINT64_C(1) << 32, UINT64_C(1) << 32, 1, 1}, {0, 0, 0, 0}}, /* wraps to 0 */
        {GGML_TYPE_Q4_0, {31, 1, 1, 1}, {18, 18, 18, 18}},
        {GGML_TYPE_Q4_0, {33, 1, 1, 1}, {18, 18, 18, 18}},
        {GGML_TYPE_Q4_K, {32, 1, 1, 1}, {144, 144, 144, 144}},
    };
    struct placed p;
    open_placed(&p);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct ggml_tensor tensor;
        struct apir_tensor from = fixture_tensor(bad[i].type, 0, 1);
        memcpy(from.ne, bad[i].ne, sizeof from.ne);
        memcpy(from.nb, bad[i].nb, sizeof from.nb);
        assert_int_equal(apir_tensor_describe(p.f.executor, &from, &tensor), -EINVAL);
    }
    close_placed(&p);
}

/* Tensors and whether a buffer of SIZE bytes holds them. */
static const struct {
    enum ggml_type type;
    uint64_t ne[4], nb[4], offset;
    bool fits;
} extents[] = {
    {GGML_TYPE_F32, {1024, 1, 1, 1}, {4, 4096, 4096, 4096}, 0, true},
    {GGML_TYPE_F32, {1024, 1, 1, 1}, {4, 4096, 4096, 4096}, 1, false},
    {GGML_TYPE_F32, {1025, 1, 1, 1}, {4, 4100, 4100, 4100}, 0, false},
    {GGML_TYPE_F32, {1, 1, 1, 1}, {4, 4, 4, 4}, 4092, true},
    {GGML_TYPE_F32, {1, 1, 1, 1}, {4, 4, 4, 4}, 4093, false},
    {GGML_TYPE_F32, {1, 1, 1, 1}, {4, 4, 4, 4}, UINT64_MAX - 3, false},
    {GGML_TYPE_F32, {16, 1, 1, 1}, {256, 4, 4, 4}, 0, true},      /* transposed: 15 * 256 + 4 */
    {GGML_TYPE_F32, {17, 1, 1, 1}, {256, 4, 4, 4}, 0, false},
    {GGML_TYPE_F32, {4, 16, 4, 1}, {4, 16, 256, 1024}, 0, true},  /* 3 dimensions */
    {GGML_TYPE_F32, {4, 4, 16, 1}, {4, 256, 16, 1024}, 0, true},  /* permuted */
    {GGML_TYPE_F32, {4, 4, 1, 5}, {4, 16, 64, 1024}, 0, false},
    {GGML_TYPE_F32, {4, 1000, 1, 1}, {4, 0, 0, 0}, 0, true},      /* repeated rows */
    {GGML_TYPE_F32, {1025, 1, 1, 1}, {0, 0, 0, 0}, 0, false},     /* a row is dense, whatever its stride */
    {GGML_TYPE_F32, {T40, 1, 1, 1}, {0, 0, 0, 0}, 0, false},
    {GGML_TYPE_F32, {T40, 1, 1, 1}, {T40, 4, 4, 4}, 0, false},    /* stride times elements wraps */
    {GGML_TYPE_F32, {2, 2, 2, 2}, {T48, T48, T48, T48}, 0, false},
    {GGML_TYPE_F32, {0, 1, 1, 1}, {4, 4, 4, 4}, 4096, true},      /* no elements, no bytes */
    {GGML_TYPE_F32, {0, 1, 1, 1}, {4, 4, 4, 4}, 4097, false},
    {GGML_TYPE_F32, {0, T48, 1, 1}, {T48, T48, T48, T48}, 0, true},
    {GGML_TYPE_Q4_0, {32 * 227, 1, 1, 1}, {18, 4086, 4086, 4086}, 0, true},
    {GGML_TYPE_Q4_0, {32 * 228, 1, 1, 1}, {18, 4104, 4104, 4104}, 0, false},
    {GGML_TYPE_Q4_0, {32 * 1000, 1, 1, 1}, {0, 0, 0, 0}, 0, false},
    {GGML_TYPE_Q4_0, {UINT64_C(1) << 37, 1, 1, 1}, {UINT64_C(1) << 32, 0, 0, 0}, 0, false}, /* wraps to 0 */
    {GGML_TYPE_Q4_0, {32, 200, 1, 1}, {18, 18, 3600, 3600}, 0, true},
    {GGML_TYPE_Q4_0, {32, 200, 2, 1}, {18, 18, 3600, 3600}, 0, false},
};

static void what_is_only_data_has_no_op(void **state)
{
    (void)state;
    struct placed p;
    open_placed(&p);
    struct ggml_tensor tensor;
    struct apir_tensor from = fixture_tensor(GGML_TYPE_F32, 4, 1);
    from.op = GGML_OP_FLASH_ATTN_EXT;
    assert_int_equal(apir_tensor_describe_data(p.f.executor, &from, &tensor), 0);
    assert_int_equal(tensor.op, GGML_OP_NONE);
    from.op = GGML_OP_COUNT;
    assert_int_equal(apir_tensor_describe_data(p.f.executor, &from, &tensor), -EINVAL);
    close_placed(&p);
}

static void tensor_is_placed_only_where_it_fits(void **state)
{
    (void)state;
    struct placed p;
    open_placed(&p);
    for (size_t i = 0; i < sizeof extents / sizeof *extents; i++) {
        struct ggml_tensor tensor;
        struct apir_tensor from = fixture_tensor(extents[i].type, 0, 1);
        memcpy(from.ne, extents[i].ne, sizeof from.ne);
        memcpy(from.nb, extents[i].nb, sizeof from.nb);
        assert_int_equal(apir_tensor_describe(p.f.executor, &from, &tensor), 0);
        int ret = apir_tensor_place(&tensor, p.buffer, extents[i].offset);
        if (ret != (extents[i].fits ? 0 : -ERANGE))
            fail_msg("extent %zu: %d", i, ret);
        if (ret == 0)
            assert_ptr_equal(tensor.data, p.buffer->base + extents[i].offset);
        else
            assert_null(tensor.data);
    }
    close_placed(&p);
}

static void tensor_is_bound_only_where_it_fits(void **state)
{
    (void)state;
    struct placed p;
    open_placed(&p);
    for (size_t i = 0; i < sizeof extents / sizeof *extents; i++) {
        struct ggml_tensor tensor;
        enum ggml_status status;
        struct apir_tensor from = fixture_tensor(extents[i].type, 0, 1);
        memcpy(from.ne, extents[i].ne, sizeof from.ne);
        memcpy(from.nb, extents[i].nb, sizeof from.nb);
        assert_int_equal(apir_tensor_describe(p.f.executor, &from, &tensor), 0);
        int ret = apir_tensor_bind(&tensor, p.buffer, extents[i].offset, &status);
        if (ret != (extents[i].fits ? 0 : -ERANGE))
            fail_msg("extent %zu: %d", i, ret);
    }
    close_placed(&p);
}

/* Describes three tensors of which the last has the given sources and view. */
static int describe_list(struct placed *p, const uint32_t *src, uint32_t n_src, const uint32_t views[3])
{
    struct ggml_tensor tensors[3];
    struct apir_tensor from[3];
    for (int i = 0; i < 3; i++) {
        from[i] = fixture_tensor(GGML_TYPE_F32, 4, 4);
        from[i].view_src = views[i];
    }
    from[2].src = src;
    from[2].n_src = n_src;
    return apir_tensor_describe_list(p->f.executor, from, 3, tensors);
}

static void sources_outside_the_list_are_refused(void **state)
{
    (void)state;
    static const struct {
        uint32_t src[2];
        int ret;
    } cases[] = {
        {{1, 2}, 0}, {{0, 1}, 0}, {{1, 1}, 0}, {{0, 3}, -EINVAL}, {{3, 1}, -EINVAL}, {{1, 4}, -EINVAL},
        {{UINT32_MAX, 1}, -EINVAL}, {{1, 0x80000000}, -EINVAL},
    };
    static const uint32_t none[3] = {0};
    struct placed p;
    open_placed(&p);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(describe_list(&p, cases[i].src, 2, none), cases[i].ret);
    close_placed(&p);
}

static void views_look_back_and_never_at_views(void **state)
{
    (void)state;
    static const struct {
        uint32_t views[3];
        int ret;
    } cases[] = {
        {{0, 1, 1}, 0}, {{0, 0, 2}, 0},
        {{1, 0, 0}, -EINVAL}, {{2, 0, 0}, -EINVAL}, {{0, 2, 0}, -EINVAL}, {{0, 3, 0}, -EINVAL},
        {{0, 1, 2}, -EINVAL}, {{0, 0, 4}, -EINVAL}, {{0, 0, UINT32_MAX}, -EINVAL},
    };
    struct placed p;
    open_placed(&p);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(describe_list(&p, NULL, 0, cases[i].views), cases[i].ret);
    close_placed(&p);
}

static int bind_view(struct placed *p, uint64_t base, uint64_t offset, uint64_t elements, bool bound)
{
    struct ggml_tensor tensors[2];
    enum ggml_status status = GGML_STATUS_SUCCESS;
    struct apir_tensor from[2] = {fixture_tensor(GGML_TYPE_F32, 4, 1), fixture_tensor(GGML_TYPE_F32, elements, 1)};
    from[1].view_src = 1;
    from[1].view_offs = offset;
    assert_int_equal(apir_tensor_describe_list(p->f.executor, from, 2, tensors), 0);
    if (bound)
        assert_int_equal(apir_tensor_bind(&tensors[0], p->buffer, base, &status), 0);
    int ret = apir_tensor_bind_view(&tensors[1], &status);
    if (ret == 0)
        assert_ptr_equal(tensors[1].data, p->buffer->base + base + offset);
    return ret;
}

static void view_is_bound_only_inside_its_buffer(void **state)
{
    (void)state;
    struct placed p;
    open_placed(&p);
    assert_int_equal(bind_view(&p, 0, 0, 1024, true), 0);
    assert_int_equal(bind_view(&p, 0, 4092, 1, true), 0);
    assert_int_equal(bind_view(&p, 4080, 12, 1, true), 0);
    assert_int_equal(bind_view(&p, 0, 0, 1025, true), -ERANGE);
    assert_int_equal(bind_view(&p, 0, 4093, 1, true), -ERANGE);
    assert_int_equal(bind_view(&p, 4080, 16, 1, true), -ERANGE);
    assert_int_equal(bind_view(&p, 4080, UINT64_MAX - 4079, 1, true), -ERANGE);
    assert_int_equal(bind_view(&p, 0, T48, 1, true), -ERANGE);
    assert_int_equal(bind_view(&p, 0, 0, 1, false), -EINVAL);
    close_placed(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tensor_arrives_as_described),
        cmocka_unit_test(nothing_is_described_before_the_numbering),
        cmocka_unit_test(numbers_outside_the_lists_are_refused),
        cmocka_unit_test(what_the_host_does_not_know_is_not_supported),
        cmocka_unit_test(shapes_that_make_no_sense_are_refused),
        cmocka_unit_test(what_is_only_data_has_no_op),
        cmocka_unit_test(tensor_is_placed_only_where_it_fits),
        cmocka_unit_test(tensor_is_bound_only_where_it_fits),
        cmocka_unit_test(sources_outside_the_list_are_refused),
        cmocka_unit_test(views_look_back_and_never_at_views),
        cmocka_unit_test(view_is_bound_only_inside_its_buffer),
    };
    return cmocka_run_group_tests_name("tensor", tests, NULL, NULL);
}
