/* generated from tests.yaml by apir-scanner; do not edit */
#include "test-print.h"

#include <errno.h>
#include <inttypes.h>

#include "test-codec.h"
#include "wire/cs.h"

/* Items of a list that are shown. */
enum { SHOWN = 8 };

static void print_end(FILE *f, uint32_t count)
{
    if (count > SHOWN)
        fprintf(f, ", ... %" PRIu32 " in all", count);
    fputc(']', f);
}

static void print_bytes(FILE *f, const uint8_t *bytes, uint32_t count)
{
    fputc('[', f);
    for (uint32_t i = 0; i < count && i < SHOWN; i++)
        fprintf(f, i ? " %02x" : "%02x", (unsigned)bytes[i]);
    print_end(f, count);
}

static void print_text(FILE *f, const char *text)
{
    fputc('"', f);
    for (const char *c = text ? text : ""; *c; c++) {
        if (*c == '"' || *c == '\\')
            fprintf(f, "\\%c", *c);
        else if (*c >= ' ' && *c <= '~')
            fputc(*c, f);
        else
            fprintf(f, "\\x%02x", (unsigned)(unsigned char)*c);
    }
    fputc('"', f);
}

static void print_name(FILE *f, const char *name, uint32_t value)
{
    if (name)
        fputs(name, f);
    else
        fprintf(f, "%" PRIu32, value);
}

static int print_malformed(FILE *f, const struct apir_dec *dec)
{
    fprintf(f, "malformed: %s", dec->fatal);
    return -EBADMSG;
}

static int read_nothing(FILE *f, struct apir_dec *dec)
{
    return apir_dec_finish(dec) ? 0 : print_malformed(f, dec);
}

void test_print_point(FILE *f, const struct test_point *v)
{
    fputc('{', f);
    fprintf(f, "x=%" PRId32, v->x);
    fprintf(f, ", y=%" PRId32, v->y);
    fputc('}', f);
}

void test_print_item(FILE *f, const struct test_item *v)
{
    fputc('{', f);
    fprintf(f, "a=%" PRId32, v->a);
    fprintf(f, ", b=%" PRIu32, v->b);
    fprintf(f, ", c=%" PRIu64, v->c);
    fprintf(f, ", d=%" PRIu64, v->d);
    fprintf(f, ", e=%s", v->e ? "true" : "false");
    fprintf(f, ", f=%g", (double)v->f);
    fprintf(f, ", shm=%" PRIu32, v->shm);
    fprintf(f, ", maybe_shm=%" PRIu32, v->maybe_shm);
    fprintf(f, ", owner=0x%" PRIx64, v->owner);
    fprintf(f, ", maybe_owner=0x%" PRIx64, v->maybe_owner);
    fputs(", color=", f);
    print_name(f, test_color_name(v->color), v->color);
    fputs(", at=", f);
    test_print_point(f, &v->at);
    fputs(", name=", f);
    print_text(f, v->name);
    fputc('}', f);
}

static void print_group_numbers(FILE *f, const struct test_group *v)
{
    fputc('[', f);
    for (uint32_t i = 0; i < v->n_numbers && i < SHOWN; i++) {
        fputs(i ? ", " : "", f);
        fprintf(f, "%" PRId32, v->numbers[i]);
    }
    print_end(f, v->n_numbers);
}

static void print_group_wide(FILE *f, const struct test_group *v)
{
    fputc('[', f);
    for (uint32_t i = 0; i < v->n_wide && i < SHOWN; i++) {
        fputs(i ? ", " : "", f);
        fprintf(f, "%" PRIu64, v->wide[i]);
    }
    print_end(f, v->n_wide);
}

static void print_group_flags(FILE *f, const struct test_group *v)
{
    fputc('[', f);
    for (uint32_t i = 0; i < v->n_flags && i < SHOWN; i++) {
        fputs(i ? ", " : "", f);
        fprintf(f, "%s", v->flags[i] ? "true" : "false");
    }
    print_end(f, v->n_flags);
}

static void print_group_weights(FILE *f, const struct test_group *v)
{
    fputc('[', f);
    for (uint32_t i = 0; i < v->n_weights && i < SHOWN; i++) {
        fputs(i ? ", " : "", f);
        fprintf(f, "%g", (double)v->weights[i]);
    }
    print_end(f, v->n_weights);
}

static void print_group_colors(FILE *f, const struct test_group *v)
{
    fputc('[', f);
    for (uint32_t i = 0; i < v->n_colors && i < SHOWN; i++) {
        fputs(i ? ", " : "", f);
        print_name(f, test_color_name(v->colors[i]), v->colors[i]);
    }
    print_end(f, v->n_colors);
}

static void print_group_names(FILE *f, const struct test_group *v)
{
    fputc('[', f);
    for (uint32_t i = 0; i < v->n_names && i < SHOWN; i++) {
        fputs(i ? ", " : "", f);
        print_text(f, v->names[i]);
    }
    print_end(f, v->n_names);
}

static void print_group_points(FILE *f, const struct test_group *v)
{
    fputc('[', f);
    for (uint32_t i = 0; i < v->n_points && i < SHOWN; i++) {
        fputs(i ? ", " : "", f);
        test_print_point(f, &v->points[i]);
    }
    print_end(f, v->n_points);
}

static void print_group_things(FILE *f, const struct test_group *v)
{
    fputc('[', f);
    for (uint32_t i = 0; i < v->n_things && i < SHOWN; i++) {
        fputs(i ? ", " : "", f);
        fprintf(f, "0x%" PRIx64, v->things[i]);
    }
    print_end(f, v->n_things);
}

static void print_group_shms(FILE *f, const struct test_group *v)
{
    fputc('[', f);
    for (uint32_t i = 0; i < v->n_shms && i < SHOWN; i++) {
        fputs(i ? ", " : "", f);
        fprintf(f, "%" PRIu32, v->shms[i]);
    }
    print_end(f, v->n_shms);
}

static void print_group_offsets(FILE *f, const struct test_group *v)
{
    fputc('[', f);
    for (uint32_t i = 0; i < TEST_DIMS && i < SHOWN; i++) {
        fputs(i ? ", " : "", f);
        fprintf(f, "%" PRIu64, v->offsets[i]);
    }
    print_end(f, TEST_DIMS);
}

static void print_group_corners(FILE *f, const struct test_group *v)
{
    fputc('[', f);
    for (uint32_t i = 0; i < 2 && i < SHOWN; i++) {
        fputs(i ? ", " : "", f);
        test_print_point(f, &v->corners[i]);
    }
    print_end(f, 2);
}

static void print_group_palette(FILE *f, const struct test_group *v)
{
    fputc('[', f);
    for (uint32_t i = 0; i < 2 && i < SHOWN; i++) {
        fputs(i ? ", " : "", f);
        print_name(f, test_color_name(v->palette[i]), v->palette[i]);
    }
    print_end(f, 2);
}

static void print_group_bits(FILE *f, const struct test_group *v)
{
    fputc('[', f);
    for (uint32_t i = 0; i < 10 && i < SHOWN; i++) {
        fputs(i ? ", " : "", f);
        fprintf(f, "%" PRIu32, v->bits[i]);
    }
    print_end(f, 10);
}

void test_print_group(FILE *f, const struct test_group *v)
{
    fputc('{', f);
    fputs("data=", f);
    print_bytes(f, v->data, v->n_data);
    fputs(", numbers=", f);
    print_group_numbers(f, v);
    fputs(", wide=", f);
    print_group_wide(f, v);
    fputs(", flags=", f);
    print_group_flags(f, v);
    fputs(", weights=", f);
    print_group_weights(f, v);
    fputs(", colors=", f);
    print_group_colors(f, v);
    fputs(", names=", f);
    print_group_names(f, v);
    fputs(", points=", f);
    print_group_points(f, v);
    fputs(", things=", f);
    print_group_things(f, v);
    fputs(", shms=", f);
    print_group_shms(f, v);
    fputs(", offsets=", f);
    print_group_offsets(f, v);
    fputs(", corners=", f);
    print_group_corners(f, v);
    fputs(", palette=", f);
    print_group_palette(f, v);
    fputs(", bits=", f);
    print_group_bits(f, v);
    fputc('}', f);
}

static void print_tree_groups(FILE *f, const struct test_tree *v)
{
    fputc('[', f);
    for (uint32_t i = 0; i < v->n_groups && i < SHOWN; i++) {
        fputs(i ? ", " : "", f);
        test_print_group(f, &v->groups[i]);
    }
    print_end(f, v->n_groups);
}

static void print_tree_rows(FILE *f, const struct test_tree *v)
{
    fputc('[', f);
    for (uint32_t i = 0; i < 1 && i < SHOWN; i++) {
        fputs(i ? ", " : "", f);
        test_print_item(f, &v->rows[i]);
    }
    print_end(f, 1);
}

void test_print_tree(FILE *f, const struct test_tree *v)
{
    fputc('{', f);
    fputs("groups=", f);
    print_tree_groups(f, v);
    fputs(", rows=", f);
    print_tree_rows(f, v);
    fputc('}', f);
}

static void print_tell_args(FILE *f, const struct test_tell_args *v)
{
    fputs("item=", f);
    test_print_item(f, &v->item);
}

static int read_tell_args(FILE *f, struct apir_dec *dec)
{
    struct test_tell_args v;
    test_decode_tell_args(dec, &v);
    if (!apir_dec_finish(dec))
        return print_malformed(f, dec);
    print_tell_args(f, &v);
    return 0;
}

static void print_ask_reply(FILE *f, const struct test_ask_reply *v)
{
    fprintf(f, "answer=%" PRIu32, v->answer);
    fputs(", reason=", f);
    print_text(f, v->reason);
}

static int read_ask_reply(FILE *f, struct apir_dec *dec)
{
    struct test_ask_reply v;
    test_decode_ask_reply(dec, &v);
    if (!apir_dec_finish(dec))
        return print_malformed(f, dec);
    print_ask_reply(f, &v);
    return 0;
}

static void print_swap_args(FILE *f, const struct test_swap_args *v)
{
    fputs("tree=", f);
    test_print_tree(f, &v->tree);
    fputs(", unit=", f);
    print_name(f, test_unit_name(v->unit), v->unit);
}

static int read_swap_args(FILE *f, struct apir_dec *dec)
{
    struct test_swap_args v;
    test_decode_swap_args(dec, &v);
    if (!apir_dec_finish(dec))
        return print_malformed(f, dec);
    print_swap_args(f, &v);
    return 0;
}

static void print_swap_reply(FILE *f, const struct test_swap_reply *v)
{
    fputs("tree=", f);
    test_print_tree(f, &v->tree);
}

static int read_swap_reply(FILE *f, struct apir_dec *dec)
{
    struct test_swap_reply v;
    test_decode_swap_reply(dec, &v);
    if (!apir_dec_finish(dec))
        return print_malformed(f, dec);
    print_swap_reply(f, &v);
    return 0;
}

static void print_far_args(FILE *f, const struct test_far_args *v)
{
    fprintf(f, "level=%" PRIu32, v->level);
}

static int read_far_args(FILE *f, struct apir_dec *dec)
{
    struct test_far_args v;
    test_decode_far_args(dec, &v);
    if (!apir_dec_finish(dec))
        return print_malformed(f, dec);
    print_far_args(f, &v);
    return 0;
}

static void print_head(FILE *f, uint32_t call)
{
    const char *name = test_call_name(call);
    if (name)
        fputs(name, f);
    else
        fprintf(f, "call %" PRIu32, call);
}

static int read_any_call(FILE *f, uint32_t call, struct apir_dec *dec)
{
    switch (call) {
    case TEST_CALL_NOTHING:
        return read_nothing(f, dec);
    case TEST_CALL_TELL:
        return read_tell_args(f, dec);
    case TEST_CALL_ASK:
        return read_nothing(f, dec);
    case TEST_CALL_SWAP:
        return read_swap_args(f, dec);
    case TEST_CALL_OLD:
        fputs("disabled", f);
        return -EBADMSG;
    case TEST_CALL_FAR:
        return read_far_args(f, dec);
    default:
        fputs("unknown", f);
        return -EBADMSG;
    }
}

static int read_any_reply(FILE *f, uint32_t call, struct apir_dec *dec)
{
    switch (call) {
    case TEST_CALL_NOTHING:
        return read_nothing(f, dec);
    case TEST_CALL_TELL:
        return read_nothing(f, dec);
    case TEST_CALL_ASK:
        return read_ask_reply(f, dec);
    case TEST_CALL_SWAP:
        return read_swap_reply(f, dec);
    case TEST_CALL_OLD:
        fputs("disabled", f);
        return -EBADMSG;
    case TEST_CALL_FAR:
        return read_nothing(f, dec);
    default:
        fputs("unknown", f);
        return -EBADMSG;
    }
}

int test_print_call(FILE *f, uint32_t call, struct apir_dec *dec)
{
    print_head(f, call);
    fputs("(", f);
    int ret = read_any_call(f, call, dec);
    fputc(')', f);
    return ret;
}

int test_print_reply(FILE *f, uint32_t call, struct apir_dec *dec)
{
    print_head(f, call);
    fputs(" -> (", f);
    int ret = read_any_reply(f, call, dec);
    fputc(')', f);
    return ret;
}
