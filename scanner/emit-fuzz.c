/* apir-fuzz.c: the layout of messages as tables, for the fuzz targets. */
#include <inttypes.h>

#include "emit.h"
#include "numbers.h"

static const char *const kind_names[] = {
    [KIND_I32] = "I32",     [KIND_U32] = "U32",       [KIND_U64] = "U64",       [KIND_SIZE] = "U64",
    [KIND_BOOL] = "BOOL",   [KIND_F32] = "F32",       [KIND_SHM] = "SHM",       [KIND_HANDLE] = "HANDLE",
    [KIND_STRING] = "STRING", [KIND_BYTES] = "BYTES", [KIND_U8] = "U8",         [KIND_BYTE_BOOL] = "BYTE_BOOL",
    [KIND_PAD] = "PAD",     [KIND_CHARS] = "CHARS",   [KIND_ENUM] = "ENUM",     [KIND_STRUCT] = "STRUCT",
};

static void emit_values(struct out *o, const struct enumeration *e)
{
    emit(o, ", .values = (const uint32_t[]){");
    for (size_t i = 0; i < e->n_values; i++)
        emit(o, "%s%s", i ? ", " : "", e->values[i].c_name);
    emit(o, "}, .n_values = %zuU", e->n_values);
}

static void emit_bound(struct out *o, const char *member, const struct number *n)
{
    if (number_given(n))
        emit(o, ", .%s = %s%" PRIu64 "%s", member, n->negative ? "(uint64_t)-" : "", n->magnitude,
             n->negative ? "" : "U");
}

/* What the value is, or each item. */
static void emit_type(struct out *o, const struct type *type)
{
    emit(o, ".kind = FUZZ_%s", kind_names[type->kind]);
    emit_bound(o, "min", &type->min);
    emit_bound(o, "max", &type->max);
    if (number_given(&type->max))
        emit(o, ", .has_max = true");
    if (type->kind == KIND_HANDLE)
        emit(o, ", .of = \"%s\"", type->handle_of);
    if (type->optional)
        emit(o, ", .optional = true");
    if (type->kind == KIND_ENUM)
        emit_values(o, type->enumerated);
    if (type->kind == KIND_STRUCT)
        emit(o, ", .record = &record_%s", type->record->name.s);
}

static void emit_list(struct out *o, const struct field *f)
{
    emit_type(o, &f->item);
    emit(o, ", .list = FUZZ_%s", f->type.kind == KIND_FIXED ? "FIXED" : f->leader ? "LEADING" : "COUNTED");
    emit_bound(o, "count_min", &f->type.min);
    emit_bound(o, "count_max", f->type.kind == KIND_FIXED ? &f->count : &f->type.max);
}

static void emit_field(struct out *o, const struct field *f)
{
    emit(o, "    {.name = \"%s\", ", f->name.s);
    if (kind_is_list(f->type.kind))
        emit_list(o, f);
    else
        emit_type(o, &f->type);
    if (f->type.kind == KIND_PAD || f->type.kind == KIND_CHARS)
        emit_bound(o, "count_max", &f->count);
    if (f->condition.s)
        emit(o, ", .condition = \"%s\"", f->condition.s);
    if (f->leading.s)
        emit(o, ", .leading = \"%s\"", f->leading.s);
    emit(o, "},\n");
}

/* Functions that all have the same type. */
static void emit_codec_of(struct out *o, const struct record *r)
{
    const char *prefix = o->p->prefix.s, *name = r->name.s;
    emit(o, "static void decode_%s(struct apir_dec *dec, void *v)\n{\n    %s_decode_%s(dec, v);\n}\n", name, prefix, name);
    emit(o, "static void encode_%s(struct apir_enc *enc, const void *v)\n{\n    %s_encode_%s(enc, v);\n}\n", name, prefix,
         name);
}

static void emit_record(struct out *o, const struct record *r)
{
    emit(o, "\nstatic const struct fuzz_field fields_%s[] = {\n", r->name.s);
    for (size_t i = 0; i < r->n_fields; i++)
        emit_field(o, &r->fields[i]);
    emit(o, "};\n");
    emit_codec_of(o, r);
    emit(o, "static const struct fuzz_record record_%s = {\"%s\", fields_%s, %zuU,\n", r->name.s, r->name.s, r->name.s,
         r->n_fields);
    emit(o, "    decode_%s, encode_%s, sizeof(struct %s_%s)};\n", r->name.s, r->name.s, o->p->prefix.s, r->name.s);
}

static void emit_message_part(struct out *o, const char *member, const struct record *r)
{
    if (r->n_fields)
        emit(o, ", .%s = &record_%s", member, r->name.s);
}

static void emit_message(struct out *o, const struct call *call)
{
    emit(o, "    {.name = \"%s\", .call = %s", call->name.s, call->c_name);
    emit_message_part(o, "args", &call->args);
    emit_message_part(o, "reply", &call->reply);
    emit(o, "},\n");
}

void emit_fuzz(struct out *o)
{
    const struct protocol *p = o->p;
    emit_banner(o);
    emit(o, "#include \"table.h\"\n\n#include \"%s-codec.h\"\n#include \"%s-print.h\"\n", p->dashed, p->dashed);
    for_each_record(o, emit_record);
    emit(o, "\nstatic const struct fuzz_message messages[] = {\n");
    for_each_enabled(o, emit_message);
    for (size_t i = 0; i < p->n_structs; i++)
        emit(o, "    {.name = \"%s\", .call = FUZZ_NO_CALL, .args = &record_%s},\n", p->structs[i].name.s,
             p->structs[i].name.s);
    emit(o, "};\n\nconst struct fuzz_protocol %s_fuzz_protocol = {\n", p->prefix.s);
    emit(o, "    .messages = messages, .n_messages = sizeof messages / sizeof *messages, .counts_u64 = %s,\n    .print_call = %s_print_call, .print_reply = %s_print_reply};\n",
         p->count_u64 ? "true" : "false", p->prefix.s, p->prefix.s);
}
