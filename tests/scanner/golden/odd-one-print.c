/* generated from odd.yaml by apir-scanner; do not edit */
#include "odd-one-print.h"

#include <errno.h>
#include <inttypes.h>

#include "odd-one-codec.h"
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

static int print_malformed(FILE *f, const struct apir_dec *dec)
{
    fprintf(f, "malformed: %s", dec->fatal);
    return -EBADMSG;
}

void odd_one_print_entry(FILE *f, const struct odd_one_entry *v)
{
    fputc('{', f);
    fprintf(f, "kind=%" PRIu8, v->kind);
    fprintf(f, ", byte=%" PRIu8, v->byte);
    fprintf(f, ", on=%s", v->on ? "true" : "false");
    fputs(", name=", f);
    print_text(f, v->name);
    fputc('}', f);
}

static void print_head_refs(FILE *f, const struct odd_one_head *v)
{
    fputc('[', f);
    for (uint32_t i = 0; i < ODD_ONE_MAX_REFS && i < SHOWN; i++) {
        fputs(i ? ", " : "", f);
        fprintf(f, "%" PRIu64, v->refs[i]);
    }
    print_end(f, ODD_ONE_MAX_REFS);
}

void odd_one_print_head(FILE *f, const struct odd_one_head *v)
{
    fputc('{', f);
    fprintf(f, "flags=%" PRIu32, v->flags);
    fprintf(f, ", on=%s", v->on ? "true" : "false");
    fputs(", refs=", f);
    print_head_refs(f, v);
    fputc('}', f);
}

static void print_cluster_list(FILE *f, const struct odd_one_cluster *v)
{
    fputc('[', f);
    for (uint32_t i = 0; i < v->n_list && i < SHOWN; i++) {
        fputs(i ? ", " : "", f);
        fprintf(f, "%" PRIu8, v->list[i]);
    }
    print_end(f, v->n_list);
}

static void print_cluster_pair(FILE *f, const struct odd_one_cluster *v)
{
    fputc('[', f);
    for (uint32_t i = 0; i < 2 && i < SHOWN; i++) {
        fputs(i ? ", " : "", f);
        fprintf(f, "%s", v->pair[i] ? "true" : "false");
    }
    print_end(f, 2);
}

static void print_cluster_entries(FILE *f, const struct odd_one_cluster *v)
{
    fputc('[', f);
    for (uint32_t i = 0; i < v->n_entries && i < SHOWN; i++) {
        fputs(i ? ", " : "", f);
        odd_one_print_entry(f, &v->entries[i]);
    }
    print_end(f, v->n_entries);
}

static void print_cluster_sizes(FILE *f, const struct odd_one_cluster *v)
{
    fputc('[', f);
    for (uint32_t i = 0; i < 2 && i < SHOWN; i++) {
        fputs(i ? ", " : "", f);
        fprintf(f, "%" PRIu32, v->sizes[i]);
    }
    print_end(f, 2);
}

static void print_cluster_squares(FILE *f, const struct odd_one_cluster *v)
{
    fputc('[', f);
    for (uint32_t i = 0; i < v->n_squares && i < SHOWN; i++) {
        fputs(i ? ", " : "", f);
        fprintf(f, "%" PRIu32, v->squares[i]);
    }
    print_end(f, v->n_squares);
}

void odd_one_print_cluster(FILE *f, const struct odd_one_cluster *v)
{
    fputc('{', f);
    fputs("head=", f);
    odd_one_print_head(f, &v->head);
    if (v->head.flags) {
        fprintf(f, ", level=%" PRId32, v->level);
    }
    if (v->head.flags) {
        fputs(", text=", f);
        print_text(f, v->text);
    }
    if (v->head.on) {
        fputs(", label=", f);
        print_text(f, v->label);
    }
    if (v->head.on) {
        fputs(", data=", f);
        print_bytes(f, v->data, v->n_data);
    }
    if (v->head.on) {
        fputs(", list=", f);
        print_cluster_list(f, v);
    }
    if (v->head.on) {
        fputs(", pair=", f);
        print_cluster_pair(f, v);
    }
    if (v->head.flags) {
        fputs(", spare=", f);
        odd_one_print_entry(f, &v->spare);
    }
    fputs(", entries=", f);
    print_cluster_entries(f, v);
    fputs(", sizes=", f);
    print_cluster_sizes(f, v);
    if (v->head.on) {
        fputs(", squares=", f);
        print_cluster_squares(f, v);
    }
    fputc('}', f);
}

static void print_zero_args(FILE *f, const struct odd_one_zero_args *v)
{
    fputs("cluster=", f);
    odd_one_print_cluster(f, &v->cluster);
}

static int read_zero_args(FILE *f, struct apir_dec *dec)
{
    struct odd_one_zero_args v;
    odd_one_decode_zero_args(dec, &v);
    if (!apir_dec_finish(dec))
        return print_malformed(f, dec);
    print_zero_args(f, &v);
    return 0;
}

static void print_zero_reply(FILE *f, const struct odd_one_zero_reply *v)
{
    fputs("entry=", f);
    odd_one_print_entry(f, &v->entry);
}

static int read_zero_reply(FILE *f, struct apir_dec *dec)
{
    struct odd_one_zero_reply v;
    odd_one_decode_zero_reply(dec, &v);
    if (!apir_dec_finish(dec))
        return print_malformed(f, dec);
    print_zero_reply(f, &v);
    return 0;
}

static void print_tail_args(FILE *f, const struct odd_one_tail_args *v)
{
    fprintf(f, "size=%" PRIu32, v->size);
    if (v->has_entry) {
        fputs(", entry=", f);
        odd_one_print_entry(f, &v->entry);
    }
}

static int read_tail_args(FILE *f, struct apir_dec *dec)
{
    struct odd_one_tail_args v;
    odd_one_decode_tail_args(dec, &v);
    if (!apir_dec_finish(dec))
        return print_malformed(f, dec);
    print_tail_args(f, &v);
    return 0;
}

static void print_tail_reply(FILE *f, const struct odd_one_tail_reply *v)
{
    fprintf(f, "done=%s", v->done ? "true" : "false");
    if (v->has_reason) {
        fputs(", reason=", f);
        print_text(f, v->reason);
    }
}

static int read_tail_reply(FILE *f, struct apir_dec *dec)
{
    struct odd_one_tail_reply v;
    odd_one_decode_tail_reply(dec, &v);
    if (!apir_dec_finish(dec))
        return print_malformed(f, dec);
    print_tail_reply(f, &v);
    return 0;
}

static void print_head(FILE *f, uint32_t call)
{
    const char *name = odd_one_call_name(call);
    if (name)
        fputs(name, f);
    else
        fprintf(f, "call %" PRIu32, call);
}

static int read_any_call(FILE *f, uint32_t call, struct apir_dec *dec)
{
    switch (call) {
    case ODD_ONE_CALL_ZERO:
        return read_zero_args(f, dec);
    case ODD_ONE_CALL_TAIL:
        return read_tail_args(f, dec);
    case ODD_ONE_CALL_GONE:
        fputs("disabled", f);
        return -EBADMSG;
    default:
        fputs("unknown", f);
        return -EBADMSG;
    }
}

static int read_any_reply(FILE *f, uint32_t call, struct apir_dec *dec)
{
    switch (call) {
    case ODD_ONE_CALL_ZERO:
        return read_zero_reply(f, dec);
    case ODD_ONE_CALL_TAIL:
        return read_tail_reply(f, dec);
    case ODD_ONE_CALL_GONE:
        fputs("disabled", f);
        return -EBADMSG;
    default:
        fputs("unknown", f);
        return -EBADMSG;
    }
}

int odd_one_print_call(FILE *f, uint32_t call, struct apir_dec *dec)
{
    print_head(f, call);
    fputs("(", f);
    int ret = read_any_call(f, call, dec);
    fputc(')', f);
    return ret;
}

int odd_one_print_reply(FILE *f, uint32_t call, struct apir_dec *dec)
{
    print_head(f, call);
    fputs(" -> (", f);
    int ret = read_any_reply(f, call, dec);
    fputc(')', f);
    return ret;
}
