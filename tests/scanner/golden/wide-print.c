/* generated from wide.yaml by apir-scanner; do not edit */
#include "wide-print.h"

#include <errno.h>
#include <inttypes.h>

#include "wide-codec.h"
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

static int read_nothing(FILE *f, struct apir_dec *dec)
{
    return apir_dec_finish(dec) ? 0 : print_malformed(f, dec);
}

static void print_send_args_numbers(FILE *f, const struct wide_send_args *v)
{
    fputc('[', f);
    for (uint32_t i = 0; i < v->n_numbers && i < SHOWN; i++) {
        fputs(i ? ", " : "", f);
        fprintf(f, "%" PRIu32, v->numbers[i]);
    }
    print_end(f, v->n_numbers);
}

static void print_send_args_names(FILE *f, const struct wide_send_args *v)
{
    fputc('[', f);
    for (uint32_t i = 0; i < v->n_names && i < SHOWN; i++) {
        fputs(i ? ", " : "", f);
        print_text(f, v->names[i]);
    }
    print_end(f, v->n_names);
}

static void print_send_args(FILE *f, const struct wide_send_args *v)
{
    fputs("numbers=", f);
    print_send_args_numbers(f, v);
    fputs(", names=", f);
    print_send_args_names(f, v);
    fputs(", data=", f);
    print_bytes(f, v->data, v->n_data);
}

static int read_send_args(FILE *f, struct apir_dec *dec)
{
    struct wide_send_args v;
    wide_decode_send_args(dec, &v);
    if (!apir_dec_finish(dec))
        return print_malformed(f, dec);
    print_send_args(f, &v);
    return 0;
}

static void print_head(FILE *f, uint32_t call)
{
    const char *name = wide_call_name(call);
    if (name)
        fputs(name, f);
    else
        fprintf(f, "call %" PRIu32, call);
}

static int read_any_call(FILE *f, uint32_t call, struct apir_dec *dec)
{
    switch (call) {
    case WIDE_CALL_SEND:
        return read_send_args(f, dec);
    default:
        fputs("unknown", f);
        return -EBADMSG;
    }
}

static int read_any_reply(FILE *f, uint32_t call, struct apir_dec *dec)
{
    switch (call) {
    case WIDE_CALL_SEND:
        return read_nothing(f, dec);
    default:
        fputs("unknown", f);
        return -EBADMSG;
    }
}

int wide_print_call(FILE *f, uint32_t call, struct apir_dec *dec)
{
    print_head(f, call);
    fputs("(", f);
    int ret = read_any_call(f, call, dec);
    fputc(')', f);
    return ret;
}

int wide_print_reply(FILE *f, uint32_t call, struct apir_dec *dec)
{
    print_head(f, call);
    fputs(" -> (", f);
    int ret = read_any_reply(f, call, dec);
    fputc(')', f);
    return ret;
}
