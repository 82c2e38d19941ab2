#include "backend/content.h"

#include <stdbool.h>
#include <string.h>

#include <ggml.h>

#include "cmocka-all.h"

enum { TENSORS = 9 }; /* more than are fetched ahead */

/* Tensors with something in every byte. */
struct fixture {
    struct ggml_tensor tensors[TENSORS];
    const struct ggml_tensor *list[TENSORS];
    struct apir_content ways[APIR_CONTENT_WAYS];
    size_t n_ways;
};

static void set_up(struct fixture *f)
{
    uint8_t *bytes = (uint8_t *)f->tensors;
    for (size_t i = 0; i < sizeof f->tensors; i++)
        bytes[i] = (uint8_t)(i * 167 + (i >> 8) * 31);
    for (size_t i = 0; i < TENSORS; i++)
        f->list[i] = &f->tensors[i];
    f->n_ways = apir_content_ways(f->ways);
    assert_true(f->n_ways >= 1 && f->n_ways <= APIR_CONTENT_WAYS);
}

static struct apir_print print(const struct fixture *f, size_t way, size_t n_whole)
{
    return f->ways[way].print((struct apir_print){{1, 2}}, f->list, n_whole, TENSORS);
}

static bool same(struct apir_print a, struct apir_print b)
{
    return a.words[0] == b.words[0] && a.words[1] == b.words[1];
}

/* Each changes one field, the second time back. */
static void change(struct ggml_tensor *tensor, size_t at, size_t size)
{
    for (size_t i = 0; i < size; i++)
        ((uint8_t *)tensor)[at + i] ^= 0x5a;
}

#define FIELD(name) {#name, offsetof(struct ggml_tensor, name), sizeof((struct ggml_tensor *)0)->name}

struct field {
    const char *name;
    size_t at, size;
};

static const struct field everywhere[] = {
    FIELD(type),         FIELD(buffer),   FIELD(ne[0]),     FIELD(ne[3]),        FIELD(nb[0]),
    FIELD(nb[3]),        FIELD(op),       FIELD(flags),     FIELD(op_params[0]), FIELD(op_params[15]),
    FIELD(op_params[7]), FIELD(view_src), FIELD(view_offs), FIELD(data),
};

static const struct field of_whole[] = {
    FIELD(src[0]), FIELD(src[1]), FIELD(src[2]), FIELD(src[3]), FIELD(src[4]),
    FIELD(src[5]), FIELD(src[6]), FIELD(src[7]), FIELD(src[8]), FIELD(src[9]),
};

static const struct field nowhere[] = {FIELD(name), FIELD(extra)};

static bool makes_another(struct fixture *f, size_t way, size_t n_whole, size_t tensor, const struct field *field)
{
    struct apir_print before = print(f, way, n_whole);
    change(&f->tensors[tensor], field->at, field->size);
    struct apir_print after = print(f, way, n_whole);
    change(&f->tensors[tensor], field->at, field->size);
    return before.words[0] != after.words[0] && before.words[1] != after.words[1];
}

static void every_field_of_every_tensor_makes_another_print(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    for (size_t way = 0; way < f.n_ways; way++)
        for (size_t tensor = 0; tensor < TENSORS; tensor++)
            for (size_t i = 0; i < sizeof everywhere / sizeof *everywhere; i++) {
                assert_true(makes_another(&f, way, TENSORS, tensor, &everywhere[i]));
                assert_true(makes_another(&f, way, 0, tensor, &everywhere[i]));
            }
}

static void every_source_of_a_whole_tensor_makes_another_print(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    for (size_t way = 0; way < f.n_ways; way++)
        for (size_t i = 0; i < sizeof of_whole / sizeof *of_whole; i++) {
            assert_true(makes_another(&f, way, 4, 3, &of_whole[i]));
            assert_int_equal(makes_another(&f, way, 4, 4, &of_whole[i]), i == 0 || i == 9);
        }
}

static void every_bit_makes_another_print(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    for (size_t way = 0; way < f.n_ways; way++) {
        struct apir_print before = print(&f, way, TENSORS);
        for (size_t bit = 0; bit < 8 * APIR_CONTENT_WORDS * sizeof(uint64_t); bit++) {
            if (bit >= 32 && bit < 64)
                continue; /* padding */
            ((uint8_t *)&f.tensors[5])[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_false(same(before, print(&f, way, TENSORS)));
            ((uint8_t *)&f.tensors[5])[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
    }
}

static void names_and_padding_do_not_count(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    const struct field padding = {"padding", 4, 4};
    for (size_t way = 0; way < f.n_ways; way++) {
        for (size_t i = 0; i < sizeof nowhere / sizeof *nowhere; i++)
            assert_false(makes_another(&f, way, TENSORS, 2, &nowhere[i]));
        assert_false(makes_another(&f, way, TENSORS, 2, &padding));
    }
}

static void order_and_number_count(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    for (size_t way = 0; way < f.n_ways; way++) {
        apir_content_function *function = f.ways[way].print;
        const struct ggml_tensor *swapped[2] = {f.list[1], f.list[0]};
        struct apir_print none = {{0}}, two = function(none, f.list, 2, 2);
        assert_false(same(two, function(none, swapped, 2, 2)));
        assert_false(same(two, function(none, f.list, 2, 3)));
        assert_false(same(two, function(none, f.list, 1, 2)));
        assert_true(same(none, function(none, f.list, 0, 0)));
    }
}

static void lists_can_be_printed_in_pieces(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    for (size_t way = 0; way < f.n_ways; way++) {
        struct apir_print half = f.ways[way].print((struct apir_print){{1, 2}}, f.list, 4, 4);
        assert_true(same(f.ways[way].print(half, f.list + 4, TENSORS - 4, TENSORS - 4), print(&f, way, TENSORS)));
    }
}

static void ways_of_one_kind_agree(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    if (f.n_ways < 3)
        skip();
    assert_true(same(print(&f, 1, 4), print(&f, 2, 4)));
}

/* Changes of two words that would cancel out in a sum. */
static void what_moves_from_one_word_to_another_makes_another_print(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    for (size_t way = 0; way < f.n_ways; way++) {
        struct apir_print before = print(&f, way, TENSORS);
        for (int i = 0; i < GGML_MAX_DIMS; i++)
            for (int k = 0; k < GGML_MAX_DIMS; k++) {
                f.tensors[0].ne[i]++;
                f.tensors[0].ne[k]--;
                assert_int_equal(same(before, print(&f, way, TENSORS)), i == k);
                f.tensors[0].ne[i]--;
                f.tensors[0].ne[k]++;
            }
    }
}

static void chosen_way_is_one_of_them(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    apir_content_function *chosen = apir_content_choose();
    bool found = false;
    for (size_t way = 0; way < f.n_ways; way++)
        found = found || f.ways[way].print == chosen;
    assert_true(found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_of_every_tensor_makes_another_print),
        cmocka_unit_test(every_source_of_a_whole_tensor_makes_another_print),
        cmocka_unit_test(every_bit_makes_another_print),
        cmocka_unit_test(names_and_padding_do_not_count),
        cmocka_unit_test(order_and_number_count),
        cmocka_unit_test(lists_can_be_printed_in_pieces),
        cmocka_unit_test(ways_of_one_kind_agree),
        cmocka_unit_test(what_moves_from_one_word_to_another_makes_another_print),
        cmocka_unit_test(chosen_way_is_one_of_them),
    };
    return cmocka_run_group_tests_name("content", tests, NULL, NULL);
}
