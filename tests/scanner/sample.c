#include "sample.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t data[] = {0x00, 0x7f, 0x80, 0xff, 0x22};
static const int32_t numbers[] = {-1, 0, 16};
static const uint64_t wide[] = {1, UINT64_C(0x100000000)};
static const bool flags[] = {true, false, true};
static const float weights[] = {0.5F, -2.0F};
static const enum test_color colors[] = {TEST_COLOR_RED, TEST_COLOR_BLUE};
static const char *const names[] = {"", "a \"b\"", "seven!!"};
static const struct test_point points[] = {{-5, INT32_MIN}, {5, INT32_MAX}};
static const uint64_t things[] = {UINT64_MAX, 1, 2, 3, 4, 5, 6, 7, 8};
static const uint32_t shms[] = {0, 9};

/* Number of elements of an array. */
#define COUNT(array) ((uint32_t)(sizeof(array) / sizeof *(array)))

struct test_item sample_item(void)
{
    return (struct test_item){
        .a = -7,
        .b = TEST_MAX_LEVEL,
        .c = TEST_MAX_FAR,
        .d = UINT64_MAX,
        .e = true,
        .f = 1.5F,
        .shm = 3,
        .maybe_shm = 0,
        .owner = UINT64_C(0x100000002),
        .maybe_owner = 0,
        .color = TEST_COLOR_GREEN,
        .at = {-5, 1000},
        .name = "\x1b[2J\\",
    };
}

struct test_group sample_group(void)
{
    return (struct test_group){
        .data = data,
        .n_data = COUNT(data),
        .numbers = numbers,
        .n_numbers = COUNT(numbers),
        .wide = wide,
        .n_wide = COUNT(wide),
        .flags = flags,
        .n_flags = COUNT(flags),
        .weights = weights,
        .n_weights = COUNT(weights),
        .colors = colors,
        .n_colors = COUNT(colors),
        .names = names,
        .n_names = COUNT(names),
        .points = points,
        .n_points = COUNT(points),
        .things = things,
        .n_things = COUNT(things),
        .shms = shms,
        .n_shms = COUNT(shms),
        .offsets = {0, 999, 1000},
        .corners = {{1, 2}, {3, 4}},
        .palette = {TEST_COLOR_RED, TEST_COLOR_GREEN},
        .bits = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10},
    };
}

static struct test_group small_group(void)
{
    return (struct test_group){
        .data = data,
        .n_data = 2,
        .wide = wide,
        .n_wide = 1,
        .palette = {TEST_COLOR_RED, TEST_COLOR_RED},
    };
}

struct test_tree sample_tree(struct test_group groups[2])
{
    groups[0] = sample_group();
    groups[1] = small_group();
    return (struct test_tree){.groups = groups, .n_groups = 2, .rows = {sample_item()}};
}

struct raw_group raw_sample_group(void)
{
    return (struct raw_group){
        .n_data = COUNT(data),
        .n_numbers = COUNT(numbers),
        .number = 16,
        .n_wide = COUNT(wide),
        .wide = UINT64_C(0x100000000),
        .n_flags = COUNT(flags),
        .flag = 1,
        .n_weights = COUNT(weights),
        .n_colors = COUNT(colors),
        .color = TEST_COLOR_BLUE,
        .n_names = COUNT(names),
        .name = "seven!!",
        .n_points = COUNT(points),
        .point_x = 5,
        .n_things = COUNT(things),
        .thing = 8,
        .n_shms = COUNT(shms),
        .offset = 1000,
        .corner_x = 3,
        .palette = TEST_COLOR_GREEN,
    };
}

static void write_raw_bytes(struct apir_enc *enc, const struct raw_group *raw)
{
    apir_enc_u32(enc, raw->n_data);
    apir_enc_u32(enc, 0xff807f00);
    apir_enc_u32(enc, 0x00000022);
}

static void write_raw_numbers(struct apir_enc *enc, const struct raw_group *raw)
{
    apir_enc_u32(enc, raw->n_numbers);
    apir_enc_i32(enc, -1);
    apir_enc_i32(enc, 0);
    apir_enc_i32(enc, raw->number);
    apir_enc_u32(enc, raw->n_wide);
    apir_enc_u64(enc, 1);
    apir_enc_u64(enc, raw->wide);
    apir_enc_u32(enc, raw->n_flags);
    apir_enc_u32(enc, 1);
    apir_enc_u32(enc, 0);
    apir_enc_u32(enc, raw->flag);
    apir_enc_u32(enc, raw->n_weights);
    apir_enc_u32(enc, 0x3f000000);
    apir_enc_u32(enc, 0xc0000000);
}

static void write_raw_objects(struct apir_enc *enc, const struct raw_group *raw)
{
    apir_enc_u32(enc, raw->n_colors);
    apir_enc_u32(enc, 3);
    apir_enc_u32(enc, raw->color);
    apir_enc_u32(enc, raw->n_names);
    apir_enc_string(enc, "");
    apir_enc_string(enc, "a \"b\"");
    apir_enc_string(enc, raw->name);
    apir_enc_u32(enc, raw->n_points);
    apir_enc_i32(enc, -5);
    apir_enc_i32(enc, INT32_MIN);
    apir_enc_i32(enc, raw->point_x);
    apir_enc_i32(enc, INT32_MAX);
    apir_enc_u32(enc, raw->n_things);
    apir_enc_u64(enc, UINT64_MAX);
    for (uint64_t i = 1; i < 8; i++)
        apir_enc_u64(enc, i);
    apir_enc_u64(enc, raw->thing);
    apir_enc_u32(enc, raw->n_shms);
    apir_enc_u32(enc, 0);
    apir_enc_u32(enc, 9);
}

static void write_raw_fixed(struct apir_enc *enc, const struct raw_group *raw)
{
    apir_enc_u64(enc, 0);
    apir_enc_u64(enc, 999);
    apir_enc_u64(enc, raw->offset);
    apir_enc_i32(enc, 1);
    apir_enc_i32(enc, 2);
    apir_enc_i32(enc, raw->corner_x);
    apir_enc_i32(enc, 4);
    apir_enc_u32(enc, 3);
    apir_enc_u32(enc, raw->palette);
    for (uint32_t i = 1; i <= 10; i++)
        apir_enc_u32(enc, i);
}

void write_raw_group(struct apir_enc *enc, const struct raw_group *raw)
{
    write_raw_bytes(enc, raw);
    write_raw_numbers(enc, raw);
    write_raw_objects(enc, raw);
    write_raw_fixed(enc, raw);
}

static void assert_same_point(const struct test_point *a, const struct test_point *b)
{
    assert_int_equal(a->x, b->x);
    assert_int_equal(a->y, b->y);
}

void assert_same_item(const struct test_item *a, const struct test_item *b)
{
    assert_int_equal(a->a, b->a);
    assert_int_equal(a->b, b->b);
    assert_int_equal(a->c, b->c);
    assert_int_equal(a->d, b->d);
    assert_int_equal(a->e, b->e);
    assert_memory_equal(&a->f, &b->f, sizeof a->f);
    assert_int_equal(a->shm, b->shm);
    assert_int_equal(a->maybe_shm, b->maybe_shm);
    assert_int_equal(a->owner, b->owner);
    assert_int_equal(a->maybe_owner, b->maybe_owner);
    assert_int_equal(a->color, b->color);
    assert_same_point(&a->at, &b->at);
    assert_string_equal(a->name, b->name);
}

/* Arrays without padding in their items. */
static void assert_same_array(const void *a, uint32_t n_a, const void *b, uint32_t n_b, size_t size)
{
    assert_int_equal(n_a, n_b);
    if (n_a)
        assert_memory_equal(a, b, n_a * size);
}

static void assert_same_names(const struct test_group *a, const struct test_group *b)
{
    assert_int_equal(a->n_names, b->n_names);
    for (uint32_t i = 0; i < a->n_names; i++)
        assert_string_equal(a->names[i], b->names[i]);
}

void assert_same_group(const struct test_group *a, const struct test_group *b)
{
    assert_same_array(a->data, a->n_data, b->data, b->n_data, sizeof *a->data);
    assert_same_array(a->numbers, a->n_numbers, b->numbers, b->n_numbers, sizeof *a->numbers);
    assert_same_array(a->wide, a->n_wide, b->wide, b->n_wide, sizeof *a->wide);
    assert_same_array(a->flags, a->n_flags, b->flags, b->n_flags, sizeof *a->flags);
    assert_same_array(a->weights, a->n_weights, b->weights, b->n_weights, sizeof *a->weights);
    assert_same_array(a->colors, a->n_colors, b->colors, b->n_colors, sizeof *a->colors);
    assert_same_names(a, b);
    assert_same_array(a->points, a->n_points, b->points, b->n_points, sizeof *a->points);
    assert_same_array(a->things, a->n_things, b->things, b->n_things, sizeof *a->things);
    assert_same_array(a->shms, a->n_shms, b->shms, b->n_shms, sizeof *a->shms);
    assert_memory_equal(a->offsets, b->offsets, sizeof a->offsets);
    assert_memory_equal(a->corners, b->corners, sizeof a->corners);
    assert_memory_equal(a->palette, b->palette, sizeof a->palette);
    assert_memory_equal(a->bits, b->bits, sizeof a->bits);
}

void assert_same_tree(const struct test_tree *a, const struct test_tree *b)
{
    assert_int_equal(a->n_groups, b->n_groups);
    for (uint32_t i = 0; i < a->n_groups; i++)
        assert_same_group(&a->groups[i], &b->groups[i]);
    assert_same_item(&a->rows[0], &b->rows[0]);
}
