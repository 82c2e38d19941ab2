/* apir-codec.h and apir-codec.c: encoders, checked decoders, and the names of enum values and
 * calls. */
#include <inttypes.h>
#include <string.h>

#include "emit.h"
#include "numbers.h"

/* What a piece of code is about: one value of a record. */
struct place {
    const struct type *type;
    char lhs[160];   /* "v->type", "items[i]" */
    char label[160]; /* "tensor.type", for messages */
    int indent;
};

static struct place place_of_field(const struct record *r, const struct field *f)
{
    struct place at = {.type = &f->type, .indent = f->presence == PRESENT_ALWAYS ? 4 : 8};
    snprintf(at.lhs, sizeof at.lhs, "v->%s", f->name.s);
    snprintf(at.label, sizeof at.label, "%s.%s", r->label, f->name.s);
    return at;
}

static struct place place_of_item(const struct record *r, const struct field *f, const char *list,
                                  int indent)
{
    struct place at = {.type = &f->item, .indent = indent + 4};
    snprintf(at.lhs, sizeof at.lhs, "%s[i]", list);
    snprintf(at.label, sizeof at.label, "%s.%s[]", r->label, f->name.s);
    return at;
}

/* "if (condition) apir_enc_set_fatal(enc, ...)"; who is enc or dec. */
static void emit_check(struct out *o, const struct place *at, const char *who,
                       const char *condition, const char *text)
{
    emit(o, "%*sif (%s)\n", at->indent, "", condition);
    emit(o, "%*sapir_%s_set_fatal(%s, \"%s %s\");\n", at->indent + 4, "", who, who, at->label,
         text);
}

/* Checks that a value is one of those that the protocol allows. */
static void emit_value_checks(struct out *o, const struct place *at, const char *who)
{
    const struct type *type = at->type;
    char condition[1024];
    char min[C_TYPE_SIZE];
    char max[C_TYPE_SIZE];
    bool low = min_matters(type);
    bool high = max_matters(type);
    c_number(&type->min, type->kind, min);
    c_number(&type->max, type->kind, max);
    if (low && high)
        snprintf(condition, sizeof condition, "%s < %s || %s > %s", at->lhs, min, at->lhs, max);
    else if (low)
        snprintf(condition, sizeof condition, "%s < %s", at->lhs, min);
    else if (high)
        snprintf(condition, sizeof condition, "%s > %s", at->lhs, max);
    if (low || high)
        emit_check(o, at, who, condition, "is out of range");
}

static void emit_id_check(struct out *o, const struct place *at, const char *who)
{
    char condition[256];
    if (at->type->optional)
        return;
    snprintf(condition, sizeof condition, "%s == 0", at->lhs);
    emit_check(o, at, who, condition, "is 0");
}

static void emit_enum_check(struct out *o, const struct place *at, const char *who)
{
    char condition[512];
    snprintf(condition, sizeof condition, "!%s_%s_name(%s)", o->p->prefix.s,
             at->type->enumerated->name.s, at->lhs);
    emit_check(o, at, who, condition, "has an unknown value");
}

static void emit_scalar_checks(struct out *o, const struct place *at, const char *who)
{
    switch (at->type->kind) {
    case KIND_I32:
    case KIND_U32:
    case KIND_U64:
    case KIND_SIZE:
    case KIND_U8:
        emit_value_checks(o, at, who);
        break;
    case KIND_SHM:
    case KIND_HANDLE:
        emit_id_check(o, at, who);
        break;
    case KIND_ENUM:
        emit_enum_check(o, at, who);
        break;
    default:
        break;
    }
}

/* Whether a value takes several statements. */
static bool needs_braces(const struct type *type)
{
    switch (type->kind) {
    case KIND_BOOL:
    case KIND_BYTE_BOOL:
    case KIND_F32:
    case KIND_STRUCT:
        return false;
    case KIND_SHM:
    case KIND_HANDLE:
        return !type->optional;
    case KIND_ENUM:
    case KIND_STRING:
        return true;
    default:
        return min_matters(type) || max_matters(type);
    }
}

/* --- encoding --- */

static void emit_encode_string(struct out *o, const struct place *at)
{
    char condition[512];
    char max[C_TYPE_SIZE];
    snprintf(condition, sizeof condition, "%s && strlen(%s) >= %s", at->lhs, at->lhs,
             c_number(&at->type->max, KIND_U32, max));
    emit_check(o, at, "enc", condition, "is too long");
    emit(o, "%*sapir_enc_string(enc, %s);\n", at->indent, "", at->lhs);
}

static void emit_encode_chars(struct out *o, const struct place *at, const struct number *count)
{
    char condition[512];
    char number[C_TYPE_SIZE];
    c_number(count, KIND_U32, number);
    snprintf(condition, sizeof condition, "%s && strlen(%s) >= %s", at->lhs, at->lhs, number);
    emit_check(o, at, "enc", condition, "is too long");
    emit(o, "%*sapir_enc_chars(enc, %s, %s);\n", at->indent, "", at->lhs, number);
}

static void emit_encode_value(struct out *o, const struct place *at)
{
    const struct type *type = at->type;
    if (type->kind == KIND_STRING) {
        emit_encode_string(o, at);
    } else if (type->kind == KIND_STRUCT) {
        emit(o, "%*s%s_encode_%s(enc, &%s);\n", at->indent, "", o->p->prefix.s,
             type->record->name.s, at->lhs);
    } else {
        emit_scalar_checks(o, at, "enc");
        emit(o, "%*sapir_enc_%s(enc, %s);\n", at->indent, "", wire_suffix(type->kind), at->lhs);
    }
}

/* Checks of the count and pointer of bytes or an array: return before they are used. */
static void emit_encode_count_checks(struct out *o, const struct place *at, const struct record *r,
                                     const struct field *f)
{
    char number[C_TYPE_SIZE];
    const char *name = f->name.s;
    emit(o, "%*sif (", at->indent, "");
    if (f->leader)
        emit(o, "v->n_%s != leading_%s_%s(v) || ", name, r->name.s, name);
    if (min_matters(at->type))
        emit(o, "v->n_%s < %s || ", name, c_number(&at->type->min, KIND_U32, number));
    if (max_matters(at->type) && !f->leader)
        emit(o, "v->n_%s > %s || ", name, c_number(&at->type->max, KIND_U32, number));
    emit(o, "(v->n_%s && !v->%s)) {\n", name, name);
    emit(o, "%*sapir_enc_set_fatal(enc, \"%s has a bad count\");\n", at->indent + 4, "", at->label);
    emit(o, "%*sreturn;\n%*s}\n", at->indent + 4, "", at->indent, "");
}

static void emit_loop(struct out *o, int indent, const char *end, bool braces)
{
    emit(o, "%*sfor (uint32_t i = 0; i < %s; i++)%s\n", indent, "", end, braces ? " {" : "");
}

static void emit_loop_end(struct out *o, int indent, bool braces)
{
    if (braces)
        emit(o, "%*s}\n", indent, "");
}

static void emit_encode_items(struct out *o, const struct record *r, const struct field *f,
                              int indent, const char *end)
{
    char list[160];
    snprintf(list, sizeof list, "v->%s", f->name.s);
    struct place at = place_of_item(r, f, list, indent);
    bool braces = needs_braces(&f->item);
    emit_loop(o, indent, end, braces);
    emit_encode_value(o, &at);
    emit_loop_end(o, indent, braces);
}

static void emit_encode_array(struct out *o, const struct record *r, const struct field *f)
{
    char end[160];
    struct place at = place_of_field(r, f);
    emit_encode_count_checks(o, &at, r, f);
    if (!f->leader)
        emit(o, "%*sapir_enc_%s(enc, v->n_%s);\n", at.indent, "", o->p->count_u64 ? "u64" : "u32",
             f->name.s);
    snprintf(end, sizeof end, "v->n_%s", f->name.s);
    emit_encode_items(o, r, f, at.indent, end);
}

static void emit_encode_present(struct out *o, const struct record *r, const struct field *f)
{
    struct place at = place_of_field(r, f);
    char count[C_TYPE_SIZE];
    switch (f->type.kind) {
    case KIND_BYTES:
        emit_encode_count_checks(o, &at, r, f);
        emit(o, "%*sapir_enc_bytes(enc, v->%s, v->n_%s);\n", at.indent, "", f->name.s, f->name.s);
        break;
    case KIND_PAD:
        emit(o, "%*sapir_enc_pad(enc, %s);\n", at.indent, "", c_count(&f->count, count));
        break;
    case KIND_CHARS:
        emit_encode_chars(o, &at, &f->count);
        break;
    case KIND_ARRAY:
        emit_encode_array(o, r, f);
        break;
    case KIND_FIXED:
        emit_encode_items(o, r, f, at.indent, c_count(&f->count, count));
        break;
    default:
        emit_encode_value(o, &at);
        break;
    }
}

static void emit_encode_field(struct out *o, const struct record *r, const struct field *f)
{
    if (f->presence == PRESENT_REST)
        emit(o, "    if (v->has_%s) {\n", f->name.s);
    else if (f->presence == PRESENT_NOT_ZERO)
        emit(o, "    if (v->%s) {\n", f->condition.s);
    emit_encode_present(o, r, f);
    if (f->presence != PRESENT_ALWAYS)
        emit(o, "    }\n");
}

static void emit_encode_head(struct out *o, const struct record *r, const char *tail)
{
    char head[256];
    char value[256];
    const char *args[] = {"struct apir_enc *enc", value};
    snprintf(head, sizeof head, "void %s_encode_%s", o->p->prefix.s, r->name.s);
    snprintf(value, sizeof value, "const struct %s_%s *v", o->p->prefix.s, r->name.s);
    emit_call(o, head, args, 2, tail);
}

static void emit_encode(struct out *o, const struct record *r)
{
    emit(o, "\n");
    emit_encode_head(o, r, "\n{\n");
    for (size_t i = 0; i < r->n_fields; i++)
        emit_encode_field(o, r, &r->fields[i]);
    emit(o, "}\n");
}

/* --- decoding --- */

static void emit_decode_value(struct out *o, const struct place *at)
{
    const struct type *type = at->type;
    char buffer[C_TYPE_SIZE];
    if (type->kind == KIND_STRUCT) {
        emit(o, "%*s%s_decode_%s(dec, &%s);\n", at->indent, "", o->p->prefix.s,
             type->record->name.s, at->lhs);
    } else if (type->kind == KIND_STRING) {
        emit(o, "%*s%s = apir_dec_string(dec, %s);\n", at->indent, "", at->lhs,
             c_number(&type->max, KIND_U32, buffer));
    } else if (type->kind == KIND_ENUM) {
        emit(o, "%*s%s = (%s)apir_dec_u32(dec);\n", at->indent, "", at->lhs,
             c_type(o, type, buffer));
    } else {
        emit(o, "%*s%s = apir_dec_%s(dec);\n", at->indent, "", at->lhs, wire_suffix(type->kind));
    }
    emit_scalar_checks(o, at, "dec");
}

static void emit_decode_items(struct out *o, const struct record *r, const struct field *f,
                              int indent, const char *list, const char *end)
{
    struct place at = place_of_item(r, f, list, indent);
    bool braces = needs_braces(&f->item) && f->item.kind != KIND_STRING;
    emit_loop(o, indent, end, braces);
    emit_decode_value(o, &at);
    emit_loop_end(o, indent, braces);
}

static void emit_decode_count_min(struct out *o, const struct place *at, const char *count)
{
    char condition[256];
    char min[C_TYPE_SIZE];
    if (!min_matters(at->type))
        return;
    snprintf(condition, sizeof condition, "%s < %s", count,
             c_number(&at->type->min, KIND_U32, min));
    emit_check(o, at, "dec", condition, "is too short");
}

/* Refuses, before memory is taken, a count that the rest of the message cannot hold. */
static void emit_decode_room(struct out *o, const struct place *at, const struct field *f)
{
    char condition[256];
    if (f->item.wire_min <= 4 && !f->leader)
        return;
    snprintf(condition, sizeof condition, "n > apir_dec_left(dec) / %" PRIu64, f->item.wire_min);
    emit_check(o, at, "dec", condition, "exceeds the message");
}

static void emit_array_head(struct out *o, const struct record *r, const struct field *f)
{
    char head[256];
    char value[256];
    const char *args[] = {"struct apir_dec *dec", value};
    snprintf(head, sizeof head, "static void decode_%s_%s", r->name.s, f->name.s);
    snprintf(value, sizeof value, "struct %s_%s *v", o->p->prefix.s, r->name.s);
    emit(o, "\n");
    emit_call(o, head, args, 2, "\n{\n");
}

/* An array has a function of its own. */
static void emit_decode_array(struct out *o, const struct record *r, const struct field *f)
{
    char type[C_TYPE_SIZE];
    char max[C_TYPE_SIZE];
    struct place at = place_of_field(r, f);
    const char *star = f->item.kind == KIND_STRING ? "*" : " *";
    const char *count = o->p->count_u64 ? "decode_count" : "apir_dec_count";
    at.indent = 4;
    emit_array_head(o, r, f);
    if (f->leader)
        emit(o, "    uint32_t n = leading_%s_%s(v);\n", r->name.s, f->name.s);
    else
        emit(o, "    uint32_t n = %s(dec, %s);\n", count, c_number(&f->type.max, KIND_U32, max));
    emit_decode_count_min(o, &at, "n");
    emit_decode_room(o, &at, f);
    emit(o, "    %s%sitems = apir_dec_alloc(dec, n, sizeof *items);\n", c_type(o, &f->item, type),
         star);
    emit(o, "    if (!items)\n        return;\n");
    emit_decode_items(o, r, f, 4, "items", "n");
    emit(o, "    v->%s = items;\n    v->n_%s = n;\n}\n", f->name.s, f->name.s);
}

static void emit_decode_bytes(struct out *o, const struct place *at, const struct field *f)
{
    char max[C_TYPE_SIZE];
    char count[160];
    emit(o, "%*sv->%s = apir_dec_bytes(dec, %s, &v->n_%s);\n", at->indent, "", f->name.s,
         c_number(&f->type.max, KIND_U32, max), f->name.s);
    snprintf(count, sizeof count, "v->n_%s", f->name.s);
    emit_decode_count_min(o, at, count);
}

static void emit_decode_present(struct out *o, const struct record *r, const struct field *f)
{
    struct place at = place_of_field(r, f);
    char count[C_TYPE_SIZE];
    char list[160];
    switch (f->type.kind) {
    case KIND_BYTES:
        emit_decode_bytes(o, &at, f);
        break;
    case KIND_ARRAY:
        emit(o, "%*sdecode_%s_%s(dec, v);\n", at.indent, "", r->name.s, f->name.s);
        break;
    case KIND_PAD:
        emit(o, "%*sapir_dec_pad(dec, %s);\n", at.indent, "", c_count(&f->count, count));
        break;
    case KIND_CHARS:
        emit(o, "%*s%s = apir_dec_chars(dec, %s);\n", at.indent, "", at.lhs,
             c_count(&f->count, count));
        break;
    case KIND_FIXED:
        snprintf(list, sizeof list, "v->%s", f->name.s);
        emit_decode_items(o, r, f, at.indent, list, c_count(&f->count, count));
        break;
    default:
        emit_decode_value(o, &at);
        break;
    }
}

static void emit_decode_field(struct out *o, const struct record *r, const struct field *f)
{
    if (f->presence == PRESENT_REST)
        emit(o, "    v->has_%s = apir_dec_left(dec) > 0;\n    if (v->has_%s) {\n", f->name.s,
             f->name.s);
    else if (f->presence == PRESENT_NOT_ZERO)
        emit(o, "    if (v->%s) {\n", f->condition.s);
    emit_decode_present(o, r, f);
    if (f->presence != PRESENT_ALWAYS)
        emit(o, "    }\n");
}

static void emit_decode_head(struct out *o, const struct record *r, const char *tail)
{
    char head[256];
    char value[256];
    const char *args[] = {"struct apir_dec *dec", value};
    snprintf(head, sizeof head, "void %s_decode_%s", o->p->prefix.s, r->name.s);
    snprintf(value, sizeof value, "struct %s_%s *v", o->p->prefix.s, r->name.s);
    emit_call(o, head, args, 2, tail);
}

static void emit_decode(struct out *o, const struct record *r)
{
    for (size_t i = 0; i < r->n_fields; i++) {
        if (r->fields[i].type.kind == KIND_ARRAY)
            emit_decode_array(o, r, &r->fields[i]);
    }
    emit(o, "\n");
    emit_decode_head(o, r, "\n{\n");
    emit(o, "    memset(v, 0, sizeof *v);\n");
    for (size_t i = 0; i < r->n_fields; i++)
        emit_decode_field(o, r, &r->fields[i]);
    emit(o, "}\n");
}

/* --- names --- */

static void emit_enum_name(struct out *o, const struct enumeration *e)
{
    emit(o, "\nconst char *%s_%s_name(uint32_t value)\n{\n    switch (value) {\n", o->p->prefix.s,
         e->name.s);
    for (size_t i = 0; i < e->n_values; i++)
        emit(o, "    case %s:\n        return \"%s\";\n", e->values[i].c_name, e->values[i].name.s);
    emit(o, "    default:\n        return NULL;\n    }\n}\n");
}

static void emit_call_name(struct out *o)
{
    emit(o, "\nconst char *%s_call_name(uint32_t call)\n{\n    switch (call) {\n", o->p->prefix.s);
    for (size_t i = 0; i < o->p->n_calls; i++)
        emit(o, "    case %s:\n        return \"%s\";\n", o->p->calls[i].c_name,
             o->p->calls[i].name.s);
    emit(o, "    default:\n        return NULL;\n    }\n}\n");
}

static bool has_array(const struct record *r)
{
    for (size_t i = 0; i < r->n_fields; i++) {
        if (r->fields[i].type.kind == KIND_ARRAY && !r->fields[i].leader)
            return true;
    }
    return false;
}

static bool uses_arrays(const struct protocol *p)
{
    bool uses = false;
    for (size_t i = 0; i < p->n_structs; i++)
        uses |= has_array(&p->structs[i]);
    for (size_t i = 0; i < p->n_calls; i++)
        uses |=
            p->calls[i].enabled && (has_array(&p->calls[i].args) || has_array(&p->calls[i].reply));
    return uses;
}

static void emit_decode_count(struct out *o)
{
    emit(o, "\n/* Counts of this protocol are u64; an item takes 4 bytes or more. */\n"
            "static uint32_t decode_count(struct apir_dec *dec, uint32_t max)\n"
            "{\n"
            "    uint64_t count = apir_dec_u64(dec);\n"
            "    if (count > max)\n"
            "        apir_dec_set_fatal(dec, \"array count exceeds its maximum\");\n"
            "    else if (count > apir_dec_left(dec) / 4)\n"
            "        apir_dec_set_fatal(dec, \"array count exceeds the message\");\n"
            "    return apir_dec_ok(dec) ? (uint32_t)count : 0;\n"
            "}\n");
}

/* The count of an array without one in the message. */
static void emit_leading(struct out *o, const struct record *r, const struct field *f)
{
    char count[C_TYPE_SIZE];
    const char *path = f->leading.s;
    emit(o, "\n/* Entries of %s up to the first 0. */\n", path);
    emit(o, "static uint32_t leading_%s_%s(const struct %s_%s *v)\n{\n", r->name.s, f->name.s,
         o->p->prefix.s, r->name.s);
    emit(o, "    uint32_t n = 0;\n    while (n < %s && v->%s[n])\n        n++;\n    return n;\n}\n",
         c_count(&f->leader->count, count), path);
}

static void emit_record_codec(struct out *o, const struct record *r)
{
    for (size_t i = 0; i < r->n_fields; i++) {
        if (r->fields[i].leader)
            emit_leading(o, r, &r->fields[i]);
    }
    emit_encode(o, r);
    emit_decode(o, r);
}

void emit_codec(struct out *o)
{
    const struct protocol *p = o->p;
    emit_banner(o);
    emit(o, "#include \"%s-codec.h\"\n\n#include <stddef.h>\n#include <string.h>\n\n", p->dashed);
    emit(o, "#include \"wire/cs.h\"\n");
    for (size_t i = 0; i < p->n_enums; i++)
        emit_enum_name(o, &p->enums[i]);
    emit_call_name(o);
    if (p->count_u64 && uses_arrays(p))
        emit_decode_count(o);
    for_each_record(o, emit_record_codec);
}

static void emit_prototypes(struct out *o, const struct record *r)
{
    emit_encode_head(o, r, ";\n");
    emit_decode_head(o, r, ";\n");
}

void emit_codec_header(struct out *o)
{
    emit_guard(o, "CODEC");
    emit_comment(o, 0,
                 "Encoders and decoders. Both are sticky, as wire/cs.h says: ask the cursor once "
                 "at the end. Both "
                 "check every\nmaximum, enum value and id. Decoders zero *v first; strings and "
                 "bytes in it point into "
                 "the message, arrays into\nthe arena of the cursor.");
    emit(o, "#include \"%s-protocol.h\"\n\nstruct apir_enc;\nstruct apir_dec;\n\n", o->p->dashed);
    for_each_record(o, emit_prototypes);
    emit_guard_end(o);
}
