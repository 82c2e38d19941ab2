/* generated from tests.yaml by apir-scanner; do not edit */
#include "test-codec.h"

#include <stddef.h>
#include <string.h>

#include "wire/cs.h"

const char *test_color_name(uint32_t value)
{
    switch (value) {
    case TEST_COLOR_RED:
        return "red";
    case TEST_COLOR_GREEN:
        return "green";
    case TEST_COLOR_BLUE:
        return "blue";
    default:
        return NULL;
    }
}

const char *test_unit_name(uint32_t value)
{
    switch (value) {
    case TEST_UNIT_NONE:
        return "none";
    default:
        return NULL;
    }
}

const char *test_call_name(uint32_t call)
{
    switch (call) {
    case TEST_CALL_NOTHING:
        return "nothing";
    case TEST_CALL_TELL:
        return "tell";
    case TEST_CALL_ASK:
        return "ask";
    case TEST_CALL_SWAP:
        return "swap";
    case TEST_CALL_OLD:
        return "old";
    case TEST_CALL_FAR:
        return "far";
    default:
        return NULL;
    }
}

void test_encode_point(struct apir_enc *enc, const struct test_point *v)
{
    if (v->x < -5 || v->x > 5)
        apir_enc_set_fatal(enc, "point.x is out of range");
    apir_enc_i32(enc, v->x);
    apir_enc_i32(enc, v->y);
}

void test_decode_point(struct apir_dec *dec, struct test_point *v)
{
    memset(v, 0, sizeof *v);
    v->x = apir_dec_i32(dec);
    if (v->x < -5 || v->x > 5)
        apir_dec_set_fatal(dec, "point.x is out of range");
    v->y = apir_dec_i32(dec);
}

void test_encode_item(struct apir_enc *enc, const struct test_item *v)
{
    apir_enc_i32(enc, v->a);
    if (v->b < TEST_MIN_LEVEL || v->b > TEST_MAX_LEVEL)
        apir_enc_set_fatal(enc, "item.b is out of range");
    apir_enc_u32(enc, v->b);
    if (v->c < 1U || v->c > TEST_MAX_FAR)
        apir_enc_set_fatal(enc, "item.c is out of range");
    apir_enc_u64(enc, v->c);
    apir_enc_size(enc, v->d);
    apir_enc_bool(enc, v->e);
    apir_enc_f32(enc, v->f);
    if (v->shm == 0)
        apir_enc_set_fatal(enc, "item.shm is 0");
    apir_enc_u32(enc, v->shm);
    apir_enc_u32(enc, v->maybe_shm);
    if (v->owner == 0)
        apir_enc_set_fatal(enc, "item.owner is 0");
    apir_enc_u64(enc, v->owner);
    apir_enc_u64(enc, v->maybe_owner);
    if (!test_color_name(v->color))
        apir_enc_set_fatal(enc, "item.color has an unknown value");
    apir_enc_u32(enc, v->color);
    test_encode_point(enc, &v->at);
    if (v->name && strlen(v->name) >= TEST_MAX_NAME)
        apir_enc_set_fatal(enc, "item.name is too long");
    apir_enc_string(enc, v->name);
}

void test_decode_item(struct apir_dec *dec, struct test_item *v)
{
    memset(v, 0, sizeof *v);
    v->a = apir_dec_i32(dec);
    v->b = apir_dec_u32(dec);
    if (v->b < TEST_MIN_LEVEL || v->b > TEST_MAX_LEVEL)
        apir_dec_set_fatal(dec, "item.b is out of range");
    v->c = apir_dec_u64(dec);
    if (v->c < 1U || v->c > TEST_MAX_FAR)
        apir_dec_set_fatal(dec, "item.c is out of range");
    v->d = apir_dec_size(dec);
    v->e = apir_dec_bool(dec);
    v->f = apir_dec_f32(dec);
    v->shm = apir_dec_u32(dec);
    if (v->shm == 0)
        apir_dec_set_fatal(dec, "item.shm is 0");
    v->maybe_shm = apir_dec_u32(dec);
    v->owner = apir_dec_u64(dec);
    if (v->owner == 0)
        apir_dec_set_fatal(dec, "item.owner is 0");
    v->maybe_owner = apir_dec_u64(dec);
    v->color = (enum test_color)apir_dec_u32(dec);
    if (!test_color_name(v->color))
        apir_dec_set_fatal(dec, "item.color has an unknown value");
    test_decode_point(dec, &v->at);
    v->name = apir_dec_string(dec, TEST_MAX_NAME);
}

void test_encode_group(struct apir_enc *enc, const struct test_group *v)
{
    if (v->n_data < 2U || v->n_data > 10U || (v->n_data && !v->data)) {
        apir_enc_set_fatal(enc, "group.data has a bad count");
        return;
    }
    apir_enc_bytes(enc, v->data, v->n_data);
    if (v->n_numbers > TEST_MAX_ITEMS || (v->n_numbers && !v->numbers)) {
        apir_enc_set_fatal(enc, "group.numbers has a bad count");
        return;
    }
    apir_enc_u32(enc, v->n_numbers);
    for (uint32_t i = 0; i < v->n_numbers; i++) {
        if (v->numbers[i] < -1 || v->numbers[i] > (int32_t)TEST_MAX_LEVEL)
            apir_enc_set_fatal(enc, "group.numbers[] is out of range");
        apir_enc_i32(enc, v->numbers[i]);
    }
    if (v->n_wide < 1U || v->n_wide > TEST_MAX_ITEMS || (v->n_wide && !v->wide)) {
        apir_enc_set_fatal(enc, "group.wide has a bad count");
        return;
    }
    apir_enc_u32(enc, v->n_wide);
    for (uint32_t i = 0; i < v->n_wide; i++) {
        if (v->wide[i] > 4294967296ULL)
            apir_enc_set_fatal(enc, "group.wide[] is out of range");
        apir_enc_u64(enc, v->wide[i]);
    }
    if (v->n_flags > TEST_MAX_ITEMS || (v->n_flags && !v->flags)) {
        apir_enc_set_fatal(enc, "group.flags has a bad count");
        return;
    }
    apir_enc_u32(enc, v->n_flags);
    for (uint32_t i = 0; i < v->n_flags; i++)
        apir_enc_bool(enc, v->flags[i]);
    if (v->n_weights > TEST_MAX_ITEMS || (v->n_weights && !v->weights)) {
        apir_enc_set_fatal(enc, "group.weights has a bad count");
        return;
    }
    apir_enc_u32(enc, v->n_weights);
    for (uint32_t i = 0; i < v->n_weights; i++)
        apir_enc_f32(enc, v->weights[i]);
    if (v->n_colors > TEST_MAX_ITEMS || (v->n_colors && !v->colors)) {
        apir_enc_set_fatal(enc, "group.colors has a bad count");
        return;
    }
    apir_enc_u32(enc, v->n_colors);
    for (uint32_t i = 0; i < v->n_colors; i++) {
        if (!test_color_name(v->colors[i]))
            apir_enc_set_fatal(enc, "group.colors[] has an unknown value");
        apir_enc_u32(enc, v->colors[i]);
    }
    if (v->n_names > TEST_MAX_ITEMS || (v->n_names && !v->names)) {
        apir_enc_set_fatal(enc, "group.names has a bad count");
        return;
    }
    apir_enc_u32(enc, v->n_names);
    for (uint32_t i = 0; i < v->n_names; i++) {
        if (v->names[i] && strlen(v->names[i]) >= TEST_MAX_NAME)
            apir_enc_set_fatal(enc, "group.names[] is too long");
        apir_enc_string(enc, v->names[i]);
    }
    if (v->n_points > TEST_MAX_ITEMS || (v->n_points && !v->points)) {
        apir_enc_set_fatal(enc, "group.points has a bad count");
        return;
    }
    apir_enc_u32(enc, v->n_points);
    for (uint32_t i = 0; i < v->n_points; i++)
        test_encode_point(enc, &v->points[i]);
    if (v->n_things > TEST_MAX_ITEMS || (v->n_things && !v->things)) {
        apir_enc_set_fatal(enc, "group.things has a bad count");
        return;
    }
    apir_enc_u32(enc, v->n_things);
    for (uint32_t i = 0; i < v->n_things; i++) {
        if (v->things[i] == 0)
            apir_enc_set_fatal(enc, "group.things[] is 0");
        apir_enc_u64(enc, v->things[i]);
    }
    if (v->n_shms > TEST_MAX_ITEMS || (v->n_shms && !v->shms)) {
        apir_enc_set_fatal(enc, "group.shms has a bad count");
        return;
    }
    apir_enc_u32(enc, v->n_shms);
    for (uint32_t i = 0; i < v->n_shms; i++)
        apir_enc_u32(enc, v->shms[i]);
    for (uint32_t i = 0; i < TEST_DIMS; i++) {
        if (v->offsets[i] > 1000U)
            apir_enc_set_fatal(enc, "group.offsets[] is out of range");
        apir_enc_size(enc, v->offsets[i]);
    }
    for (uint32_t i = 0; i < 2; i++)
        test_encode_point(enc, &v->corners[i]);
    for (uint32_t i = 0; i < 2; i++) {
        if (!test_color_name(v->palette[i]))
            apir_enc_set_fatal(enc, "group.palette[] has an unknown value");
        apir_enc_u32(enc, v->palette[i]);
    }
    for (uint32_t i = 0; i < 10; i++)
        apir_enc_u32(enc, v->bits[i]);
}

static void decode_group_numbers(struct apir_dec *dec, struct test_group *v)
{
    uint32_t n = apir_dec_count(dec, TEST_MAX_ITEMS);
    int32_t *items = apir_dec_alloc(dec, n, sizeof *items);
    if (!items)
        return;
    for (uint32_t i = 0; i < n; i++) {
        items[i] = apir_dec_i32(dec);
        if (items[i] < -1 || items[i] > (int32_t)TEST_MAX_LEVEL)
            apir_dec_set_fatal(dec, "group.numbers[] is out of range");
    }
    v->numbers = items;
    v->n_numbers = n;
}

static void decode_group_wide(struct apir_dec *dec, struct test_group *v)
{
    uint32_t n = apir_dec_count(dec, TEST_MAX_ITEMS);
    if (n < 1U)
        apir_dec_set_fatal(dec, "group.wide is too short");
    if (n > apir_dec_left(dec) / 8)
        apir_dec_set_fatal(dec, "group.wide exceeds the message");
    uint64_t *items = apir_dec_alloc(dec, n, sizeof *items);
    if (!items)
        return;
    for (uint32_t i = 0; i < n; i++) {
        items[i] = apir_dec_u64(dec);
        if (items[i] > 4294967296ULL)
            apir_dec_set_fatal(dec, "group.wide[] is out of range");
    }
    v->wide = items;
    v->n_wide = n;
}

static void decode_group_flags(struct apir_dec *dec, struct test_group *v)
{
    uint32_t n = apir_dec_count(dec, TEST_MAX_ITEMS);
    bool *items = apir_dec_alloc(dec, n, sizeof *items);
    if (!items)
        return;
    for (uint32_t i = 0; i < n; i++)
        items[i] = apir_dec_bool(dec);
    v->flags = items;
    v->n_flags = n;
}

static void decode_group_weights(struct apir_dec *dec, struct test_group *v)
{
    uint32_t n = apir_dec_count(dec, TEST_MAX_ITEMS);
    float *items = apir_dec_alloc(dec, n, sizeof *items);
    if (!items)
        return;
    for (uint32_t i = 0; i < n; i++)
        items[i] = apir_dec_f32(dec);
    v->weights = items;
    v->n_weights = n;
}

static void decode_group_colors(struct apir_dec *dec, struct test_group *v)
{
    uint32_t n = apir_dec_count(dec, TEST_MAX_ITEMS);
    enum test_color *items = apir_dec_alloc(dec, n, sizeof *items);
    if (!items)
        return;
    for (uint32_t i = 0; i < n; i++) {
        items[i] = (enum test_color)apir_dec_u32(dec);
        if (!test_color_name(items[i]))
            apir_dec_set_fatal(dec, "group.colors[] has an unknown value");
    }
    v->colors = items;
    v->n_colors = n;
}

static void decode_group_names(struct apir_dec *dec, struct test_group *v)
{
    uint32_t n = apir_dec_count(dec, TEST_MAX_ITEMS);
    if (n > apir_dec_left(dec) / 12)
        apir_dec_set_fatal(dec, "group.names exceeds the message");
    const char **items = apir_dec_alloc(dec, n, sizeof *items);
    if (!items)
        return;
    for (uint32_t i = 0; i < n; i++)
        items[i] = apir_dec_string(dec, TEST_MAX_NAME);
    v->names = items;
    v->n_names = n;
}

static void decode_group_points(struct apir_dec *dec, struct test_group *v)
{
    uint32_t n = apir_dec_count(dec, TEST_MAX_ITEMS);
    if (n > apir_dec_left(dec) / 8)
        apir_dec_set_fatal(dec, "group.points exceeds the message");
    struct test_point *items = apir_dec_alloc(dec, n, sizeof *items);
    if (!items)
        return;
    for (uint32_t i = 0; i < n; i++)
        test_decode_point(dec, &items[i]);
    v->points = items;
    v->n_points = n;
}

static void decode_group_things(struct apir_dec *dec, struct test_group *v)
{
    uint32_t n = apir_dec_count(dec, TEST_MAX_ITEMS);
    if (n > apir_dec_left(dec) / 8)
        apir_dec_set_fatal(dec, "group.things exceeds the message");
    uint64_t *items = apir_dec_alloc(dec, n, sizeof *items);
    if (!items)
        return;
    for (uint32_t i = 0; i < n; i++) {
        items[i] = apir_dec_u64(dec);
        if (items[i] == 0)
            apir_dec_set_fatal(dec, "group.things[] is 0");
    }
    v->things = items;
    v->n_things = n;
}

static void decode_group_shms(struct apir_dec *dec, struct test_group *v)
{
    uint32_t n = apir_dec_count(dec, TEST_MAX_ITEMS);
    uint32_t *items = apir_dec_alloc(dec, n, sizeof *items);
    if (!items)
        return;
    for (uint32_t i = 0; i < n; i++)
        items[i] = apir_dec_u32(dec);
    v->shms = items;
    v->n_shms = n;
}

void test_decode_group(struct apir_dec *dec, struct test_group *v)
{
    memset(v, 0, sizeof *v);
    v->data = apir_dec_bytes(dec, 10U, &v->n_data);
    if (v->n_data < 2U)
        apir_dec_set_fatal(dec, "group.data is too short");
    decode_group_numbers(dec, v);
    decode_group_wide(dec, v);
    decode_group_flags(dec, v);
    decode_group_weights(dec, v);
    decode_group_colors(dec, v);
    decode_group_names(dec, v);
    decode_group_points(dec, v);
    decode_group_things(dec, v);
    decode_group_shms(dec, v);
    for (uint32_t i = 0; i < TEST_DIMS; i++) {
        v->offsets[i] = apir_dec_size(dec);
        if (v->offsets[i] > 1000U)
            apir_dec_set_fatal(dec, "group.offsets[] is out of range");
    }
    for (uint32_t i = 0; i < 2; i++)
        test_decode_point(dec, &v->corners[i]);
    for (uint32_t i = 0; i < 2; i++) {
        v->palette[i] = (enum test_color)apir_dec_u32(dec);
        if (!test_color_name(v->palette[i]))
            apir_dec_set_fatal(dec, "group.palette[] has an unknown value");
    }
    for (uint32_t i = 0; i < 10; i++)
        v->bits[i] = apir_dec_u32(dec);
}

void test_encode_tree(struct apir_enc *enc, const struct test_tree *v)
{
    if (v->n_groups > 2U || (v->n_groups && !v->groups)) {
        apir_enc_set_fatal(enc, "tree.groups has a bad count");
        return;
    }
    apir_enc_u32(enc, v->n_groups);
    for (uint32_t i = 0; i < v->n_groups; i++)
        test_encode_group(enc, &v->groups[i]);
    for (uint32_t i = 0; i < 1; i++)
        test_encode_item(enc, &v->rows[i]);
}

static void decode_tree_groups(struct apir_dec *dec, struct test_tree *v)
{
    uint32_t n = apir_dec_count(dec, 2U);
    if (n > apir_dec_left(dec) / 128)
        apir_dec_set_fatal(dec, "tree.groups exceeds the message");
    struct test_group *items = apir_dec_alloc(dec, n, sizeof *items);
    if (!items)
        return;
    for (uint32_t i = 0; i < n; i++)
        test_decode_group(dec, &items[i]);
    v->groups = items;
    v->n_groups = n;
}

void test_decode_tree(struct apir_dec *dec, struct test_tree *v)
{
    memset(v, 0, sizeof *v);
    decode_tree_groups(dec, v);
    for (uint32_t i = 0; i < 1; i++)
        test_decode_item(dec, &v->rows[i]);
}

void test_encode_tell_args(struct apir_enc *enc, const struct test_tell_args *v)
{
    test_encode_item(enc, &v->item);
}

void test_decode_tell_args(struct apir_dec *dec, struct test_tell_args *v)
{
    memset(v, 0, sizeof *v);
    test_decode_item(dec, &v->item);
}

void test_encode_ask_reply(struct apir_enc *enc, const struct test_ask_reply *v)
{
    if (v->answer > 42U)
        apir_enc_set_fatal(enc, "ask_reply.answer is out of range");
    apir_enc_u32(enc, v->answer);
    if (v->reason && strlen(v->reason) >= TEST_MAX_NAME)
        apir_enc_set_fatal(enc, "ask_reply.reason is too long");
    apir_enc_string(enc, v->reason);
}

void test_decode_ask_reply(struct apir_dec *dec, struct test_ask_reply *v)
{
    memset(v, 0, sizeof *v);
    v->answer = apir_dec_u32(dec);
    if (v->answer > 42U)
        apir_dec_set_fatal(dec, "ask_reply.answer is out of range");
    v->reason = apir_dec_string(dec, TEST_MAX_NAME);
}

void test_encode_swap_args(struct apir_enc *enc, const struct test_swap_args *v)
{
    test_encode_tree(enc, &v->tree);
    if (!test_unit_name(v->unit))
        apir_enc_set_fatal(enc, "swap.unit has an unknown value");
    apir_enc_u32(enc, v->unit);
}

void test_decode_swap_args(struct apir_dec *dec, struct test_swap_args *v)
{
    memset(v, 0, sizeof *v);
    test_decode_tree(dec, &v->tree);
    v->unit = (enum test_unit)apir_dec_u32(dec);
    if (!test_unit_name(v->unit))
        apir_dec_set_fatal(dec, "swap.unit has an unknown value");
}

void test_encode_swap_reply(struct apir_enc *enc, const struct test_swap_reply *v)
{
    test_encode_tree(enc, &v->tree);
}

void test_decode_swap_reply(struct apir_dec *dec, struct test_swap_reply *v)
{
    memset(v, 0, sizeof *v);
    test_decode_tree(dec, &v->tree);
}

void test_encode_far_args(struct apir_enc *enc, const struct test_far_args *v)
{
    if (v->level < 1U || v->level > 9U)
        apir_enc_set_fatal(enc, "far.level is out of range");
    apir_enc_u32(enc, v->level);
}

void test_decode_far_args(struct apir_dec *dec, struct test_far_args *v)
{
    memset(v, 0, sizeof *v);
    v->level = apir_dec_u32(dec);
    if (v->level < 1U || v->level > 9U)
        apir_dec_set_fatal(dec, "far.level is out of range");
}
