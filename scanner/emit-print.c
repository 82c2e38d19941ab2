/* apir-print.h and apir-print.c: calls and replies as text, for traces. */
#include <string.h>

#include "emit.h"

static void emit_public_heads(struct out *o, const char *tail, const char *name)
{
    char head[128];
    const char *list[] = {"FILE *f", "uint32_t call", "struct apir_dec *dec"};
    snprintf(head, sizeof head, "int %s_print_%s", o->p->prefix.s, name);
    emit_call(o, head, list, 3, tail);
}

static void emit_struct_head(struct out *o, const struct record *r, const char *tail)
{
    char head[256];
    char value[256];
    const char *list[] = {"FILE *f", value};
    snprintf(head, sizeof head, "void %s_print_%s", o->p->prefix.s, r->name.s);
    snprintf(value, sizeof value, "const struct %s_%s *v", o->p->prefix.s, r->name.s);
    emit_call(o, head, list, 2, tail);
}

void emit_print_header(struct out *o)
{
    emit_guard(o, "PRINT");
    emit(o, "#include <stdio.h>\n\n#include \"%s-protocol.h\"\n\nstruct apir_dec;\n\n",
         o->p->dashed);
    emit_comment(o, 0,
                 "Print a call as \"name(argument=value, ...)\", and a reply as \"name -> "
                 "(result=value, ...)\", "
                 "without a newline.\nText is quoted and escaped, so that bytes of the peer do no "
                 "harm to a terminal; "
                 "lists end after 8 items. The decoder\nneeds an arena. 0, or -EBADMSG when the "
                 "message is malformed, "
                 "or the call unknown or disabled: that is printed, too.");
    emit_public_heads(o, ";\n", "call");
    emit_public_heads(o, ";\n", "reply");
    emit(o, "\n/* Print a struct as \"{field=value, ...}\". */\n");
    for (size_t i = 0; i < o->p->n_structs; i++)
        emit_struct_head(o, &o->p->structs[i], ";\n");
    emit_guard_end(o);
}

/* What follows the opening quote of a printf format for the kind; NULL if it has a function to
 * print it. */
static const char *format_of(enum kind kind)
{
    switch (kind) {
    case KIND_I32:
        return "%\" PRId32";
    case KIND_U32:
    case KIND_SHM:
        return "%\" PRIu32";
    case KIND_HANDLE:
        return "0x%\" PRIx64";
    case KIND_U64:
    case KIND_SIZE:
        return "%\" PRIu64";
    case KIND_U8:
        return "%\" PRIu8";
    case KIND_BOOL:
    case KIND_BYTE_BOOL:
        return "%s\"";
    case KIND_F32:
        return "%g\"";
    default:
        return NULL;
    }
}

/* A value that printf prints, after text. */
static void emit_number(struct out *o, int indent, const struct type *type, const char *text,
                        const char *value)
{
    emit(o, "%*sfprintf(f, \"%s%s, ", indent, "", text, format_of(type->kind));
    if (type->kind == KIND_BOOL || type->kind == KIND_BYTE_BOOL)
        emit(o, "%s ? \"true\" : \"false\");\n", value);
    else
        emit(o, "%s%s);\n", type->kind == KIND_F32 ? "(double)" : "", value);
}

/* text, then a value. */
static void emit_value(struct out *o, int indent, const struct type *type, const char *text,
                       const char *value)
{
    const char *prefix = o->p->prefix.s;
    if (format_of(type->kind)) {
        emit_number(o, indent, type, text, value);
        return;
    }
    if (*text)
        emit(o, "%*sfputs(\"%s\", f);\n", indent, "", text);
    emit(o, "%*s", indent, "");
    if (type->kind == KIND_STRING || type->kind == KIND_CHARS)
        emit(o, "print_text(f, %s);\n", value);
    else if (type->kind == KIND_ENUM)
        emit(o, "print_name(f, %s_%s_name(%s), %s);\n", prefix, type->enumerated->name.s, value,
             value);
    else
        emit(o, "%s_print_%s(f, &%s);\n", prefix, type->record->name.s, value);
}

static void emit_list_head(struct out *o, const struct record *r, const struct field *f)
{
    char head[256];
    char value[256];
    const char *args[] = {"FILE *f", value};
    snprintf(head, sizeof head, "static void print_%s_%s", r->name.s, f->name.s);
    snprintf(value, sizeof value, "const struct %s_%s *v", o->p->prefix.s, r->name.s);
    emit(o, "\n");
    emit_call(o, head, args, 2, "\n{\n");
}

/* Lists have a function of their own. */
static void emit_list(struct out *o, const struct record *r, const struct field *f)
{
    char count[C_TYPE_SIZE];
    char item[160];
    if (f->type.kind == KIND_FIXED)
        c_count(&f->count, count);
    else
        snprintf(count, sizeof count, "v->n_%s", f->name.s);
    snprintf(item, sizeof item, "v->%s[i]", f->name.s);
    emit_list_head(o, r, f);
    emit(o, "    fputc('[', f);\n");
    emit(o, "    for (uint32_t i = 0; i < %s && i < SHOWN; i++) {\n", count);
    emit(o, "        fputs(i ? \", \" : \"\", f);\n");
    emit_value(o, 8, &f->item, "", item);
    emit(o, "    }\n    print_end(f, %s);\n}\n", count);
}

static void emit_present_field(struct out *o, int indent, const struct record *r,
                               const struct field *f, bool first)
{
    char text[160];
    char value[160];
    snprintf(text, sizeof text, "%s%s=", first ? "" : ", ", f->name.s);
    snprintf(value, sizeof value, "v->%s", f->name.s);
    if (!kind_is_list(f->type.kind) && f->type.kind != KIND_BYTES) {
        emit_value(o, indent, &f->type, text, value);
        return;
    }
    emit(o, "%*sfputs(\"%s\", f);\n", indent, "", text);
    if (f->type.kind == KIND_BYTES)
        emit(o, "%*sprint_bytes(f, v->%s, v->n_%s);\n", indent, "", f->name.s, f->name.s);
    else
        emit(o, "%*sprint_%s_%s(f, v);\n", indent, "", r->name.s, f->name.s);
}

/* What is not in the message is not shown. */
static void emit_field(struct out *o, const struct record *r, const struct field *f, bool first)
{
    if (f->presence == PRESENT_ALWAYS) {
        emit_present_field(o, 4, r, f, first);
        return;
    }
    if (f->presence == PRESENT_REST)
        emit(o, "    if (v->has_%s) {\n", f->name.s);
    else
        emit(o, "    if (v->%s) {\n", f->condition.s);
    emit_present_field(o, 8, r, f, first);
    emit(o, "    }\n");
}

static void emit_lists(struct out *o, const struct record *r)
{
    for (size_t i = 0; i < r->n_fields; i++) {
        if (kind_is_list(r->fields[i].type.kind))
            emit_list(o, r, &r->fields[i]);
    }
}

static void emit_fields(struct out *o, const struct record *r)
{
    bool first = true;
    for (size_t i = 0; i < r->n_fields; i++) {
        if (r->fields[i].type.kind == KIND_PAD)
            continue;
        emit_field(o, r, &r->fields[i], first);
        first = false;
    }
}

static void emit_struct(struct out *o, const struct record *r)
{
    emit_lists(o, r);
    emit(o, "\n");
    emit_struct_head(o, r, "\n{\n");
    emit(o, "    fputc('{', f);\n");
    emit_fields(o, r);
    emit(o, "    fputc('}', f);\n}\n");
}

/* Arguments or results: decoded, then printed. */
static void emit_message(struct out *o, const struct record *r)
{
    const char *prefix = o->p->prefix.s;
    if (!r->n_fields)
        return;
    emit_lists(o, r);
    emit(o, "\nstatic void print_%s(FILE *f, const struct %s_%s *v)\n{\n", r->name.s, prefix,
         r->name.s);
    emit_fields(o, r);
    emit(o, "}\n");
    emit(o, "\nstatic int read_%s(FILE *f, struct apir_dec *dec)\n{\n", r->name.s);
    emit(o, "    struct %s_%s v;\n    %s_decode_%s(dec, &v);\n", prefix, r->name.s, prefix,
         r->name.s);
    emit(o, "    if (!apir_dec_finish(dec))\n        return print_malformed(f, dec);\n");
    emit(o, "    print_%s(f, &v);\n    return 0;\n}\n", r->name.s);
}

static void emit_messages(struct out *o, const struct call *call)
{
    emit_message(o, &call->args);
    emit_message(o, &call->reply);
}

/* --- helpers of the generated code, where it needs them --- */

static void emit_list_helper(struct out *o)
{
    emit(o, "\n/* Items of a list that are shown. */\n"
            "enum { SHOWN = 8 };\n"
            "\n"
            "static void print_end(FILE *f, uint32_t count)\n"
            "{\n"
            "    if (count > SHOWN)\n"
            "        fprintf(f, \", ... %%\" PRIu32 \" in all\", count);\n"
            "    fputc(']', f);\n"
            "}\n");
}

static void emit_bytes_helper(struct out *o)
{
    emit(o, "\nstatic void print_bytes(FILE *f, const uint8_t *bytes, uint32_t count)\n"
            "{\n"
            "    fputc('[', f);\n"
            "    for (uint32_t i = 0; i < count && i < SHOWN; i++)\n"
            "        fprintf(f, i ? \" %%02x\" : \"%%02x\", (unsigned)bytes[i]);\n"
            "    print_end(f, count);\n"
            "}\n");
}

static void emit_text_helper(struct out *o)
{
    emit(o, "\nstatic void print_text(FILE *f, const char *text)\n"
            "{\n"
            "    fputc('\"', f);\n"
            "    for (const char *c = text ? text : \"\"; *c; c++) {\n"
            "        if (*c == '\"' || *c == '\\\\')\n"
            "            fprintf(f, \"\\\\%%c\", *c);\n"
            "        else if (*c >= ' ' && *c <= '~')\n"
            "            fputc(*c, f);\n"
            "        else\n"
            "            fprintf(f, \"\\\\x%%02x\", (unsigned)(unsigned char)*c);\n"
            "    }\n"
            "    fputc('\"', f);\n"
            "}\n");
}

static void emit_name_helper(struct out *o)
{
    emit(o, "\nstatic void print_name(FILE *f, const char *name, uint32_t value)\n"
            "{\n"
            "    if (name)\n"
            "        fputs(name, f);\n"
            "    else\n"
            "        fprintf(f, \"%%\" PRIu32, value);\n"
            "}\n");
}

static void emit_malformed_helper(struct out *o)
{
    emit(o, "\nstatic int print_malformed(FILE *f, const struct apir_dec *dec)\n"
            "{\n"
            "    fprintf(f, \"malformed: %%s\", dec->fatal);\n"
            "    return -EBADMSG;\n"
            "}\n");
}

static void emit_empty_helper(struct out *o)
{
    emit(o, "\nstatic int read_nothing(FILE *f, struct apir_dec *dec)\n"
            "{\n"
            "    return apir_dec_finish(dec) ? 0 : print_malformed(f, dec);\n"
            "}\n");
}

static void emit_helpers(struct out *o)
{
    struct kinds kinds = {0};
    find_kinds(o->p, &kinds);
    if (kinds.has[KIND_ARRAY] || kinds.has[KIND_FIXED] || kinds.has[KIND_BYTES])
        emit_list_helper(o);
    if (kinds.has[KIND_BYTES])
        emit_bytes_helper(o);
    if (kinds.has[KIND_STRING] || kinds.has[KIND_CHARS])
        emit_text_helper(o);
    if (kinds.has[KIND_ENUM])
        emit_name_helper(o);
    emit_malformed_helper(o);
    if (kinds.empty)
        emit_empty_helper(o);
}

/* --- the two functions --- */

static void emit_case(struct out *o, const struct call *call, const struct record *r)
{
    emit(o, "    case %s:\n", call->c_name);
    if (!call->enabled)
        emit(o, "        fputs(\"disabled\", f);\n        return -EBADMSG;\n");
    else
        emit(o, "        return read_%s(f, dec);\n", r->n_fields ? r->name.s : "nothing");
}

static void emit_read(struct out *o, const char *what, bool replies)
{
    const struct protocol *p = o->p;
    emit(o,
         "\nstatic int read_any_%s(FILE *f, uint32_t call, struct apir_dec *dec)\n{\n    switch "
         "(call) {\n",
         what);
    for (size_t i = 0; i < p->n_calls; i++)
        emit_case(o, &p->calls[i], replies ? &p->calls[i].reply : &p->calls[i].args);
    emit(o, "    default:\n        fputs(\"unknown\", f);\n        return -EBADMSG;\n    }\n}\n");
}

static void emit_public(struct out *o, const char *what, const char *separator)
{
    emit(o, "\n");
    emit_public_heads(o, "\n{\n", what);
    emit(o, "    print_head(f, call);\n    fputs(\"%s\", f);\n", separator);
    emit(o, "    int ret = read_any_%s(f, call, dec);\n    fputc(')', f);\n    return ret;\n}\n",
         what);
}

static void emit_head(struct out *o)
{
    emit(o,
         "\nstatic void print_head(FILE *f, uint32_t call)\n"
         "{\n"
         "    const char *name = %s_call_name(call);\n"
         "    if (name)\n"
         "        fputs(name, f);\n"
         "    else\n"
         "        fprintf(f, \"call %%\" PRIu32, call);\n"
         "}\n",
         o->p->prefix.s);
}

void emit_print(struct out *o)
{
    const char *prefix = o->p->dashed;
    emit_banner(o);
    emit(o, "#include \"%s-print.h\"\n\n#include <errno.h>\n#include <inttypes.h>\n\n", prefix);
    emit(o, "#include \"%s-codec.h\"\n#include \"wire/cs.h\"\n", prefix);
    emit_helpers(o);
    for (size_t i = 0; i < o->p->n_structs; i++)
        emit_struct(o, &o->p->structs[i]);
    for_each_enabled(o, emit_messages);
    emit_head(o);
    emit_read(o, "call", false);
    emit_read(o, "reply", true);
    emit_public(o, "call", "(");
    emit_public(o, "reply", " -> (");
}
