/* The chapter of the manual, in Markdown. */
#include <inttypes.h>
#include <string.h>

#include "emit.h"
#include "numbers.h"

/* Text in a table: one line, bars escaped. */
static void emit_cell(struct out *o, const char *text)
{
    for (; *text; text++) {
        if (*text == '|')
            emit(o, "\\|");
        else
            fputc(*text == '\n' ? ' ' : *text, o->file);
    }
}

static void emit_paragraph(struct out *o, const char *text)
{
    if (*text)
        emit(o, "%s\n\n", text);
}

static void emit_bound(struct out *o, const struct number *n)
{
    if (n->limit)
        emit(o, "%" PRIu64 " (`%s`)", n->magnitude, n->limit->name.s);
    else
        emit(o, "%s", n->text.s);
}

static void emit_bounds(struct out *o, const struct type *type, const char *unit)
{
    bool low = number_given(&type->min);
    bool high = number_given(&type->max);
    if (!low && !high)
        return;
    if (low)
        emit_bound(o, &type->min);
    if (low && high)
        emit(o, " to ");
    else
        emit(o, low ? " or more" : "at most ");
    if (high)
        emit_bound(o, &type->max);
    emit(o, "%s", unit);
}

/* What values a value may have. */
static void emit_value_range(struct out *o, const struct type *type)
{
    switch (type->kind) {
    case KIND_STRING:
        emit_bounds(o, type, " bytes with its NUL");
        break;
    case KIND_BYTES:
        emit_bounds(o, type, " bytes");
        break;
    case KIND_SHM:
    case KIND_HANDLE:
        emit(o, type->optional ? "may be 0, for none" : "not 0");
        break;
    case KIND_BOOL:
    case KIND_BYTE_BOOL:
        emit(o, "0 or 1");
        break;
    case KIND_ENUM:
        emit(o, "its values");
        break;
    default:
        emit_bounds(o, type, "");
        break;
    }
}

static bool has_range(const struct type *type)
{
    switch (type->kind) {
    case KIND_BOOL:
    case KIND_BYTE_BOOL:
    case KIND_ENUM:
    case KIND_SHM:
    case KIND_HANDLE:
        return true;
    case KIND_F32:
    case KIND_STRUCT:
        return false;
    default:
        return number_given(&type->min) || number_given(&type->max);
    }
}

static void emit_presence(struct out *o, const struct field *f)
{
    if (f->presence == PRESENT_NOT_ZERO)
        emit(o, "only if `%s` is not 0", f->condition.s);
    else if (f->presence == PRESENT_REST)
        emit(o, "only if the message goes on");
    if (f->presence != PRESENT_ALWAYS && (kind_is_list(f->type.kind) || has_range(&f->type)))
        emit(o, "; ");
}

static void emit_range(struct out *o, const struct field *f)
{
    bool fixed = f->type.kind == KIND_FIXED;
    emit_presence(o, f);
    if (f->count.limit)
        emit(o, "`%s` %s%s", f->count.limit->name.s, fixed ? "items" : "bytes",
             has_range(&f->item) ? "; " : "");
    if (f->leader)
        emit(o, "one for each entry of `%s` up to the first 0", f->leading.s);
    else if (f->type.kind == KIND_ARRAY)
        emit_bounds(o, &f->type, " items");
    if (!kind_is_list(f->type.kind)) {
        emit_value_range(o, &f->type);
        return;
    }
    if (has_range(&f->item)) {
        emit(o, f->type.kind == KIND_ARRAY ? "; each " : "each ");
        emit_value_range(o, &f->item);
    }
}

static void emit_value_type(struct out *o, const struct type *type)
{
    if (type->kind == KIND_ENUM)
        emit(o, "[%s](#enum-%s)", type->name, type->name);
    else if (type->kind == KIND_STRUCT)
        emit(o, "[%s](#struct-%s)", type->name, type->name);
    else if (type->kind == KIND_HANDLE)
        emit(o, "handle of a %s", type->handle_of);
    else
        emit(o, "%s", type->name);
}

static void emit_type(struct out *o, const struct field *f)
{
    if (f->type.kind == KIND_ARRAY) {
        emit(o, "array of ");
        emit_value_type(o, &f->item);
    } else if (f->type.kind == KIND_FIXED) {
        emit(o, "%" PRIu64 " times ", f->count.magnitude);
        emit_value_type(o, &f->item);
    } else if (f->type.kind == KIND_PAD || f->type.kind == KIND_CHARS) {
        emit(o, "%" PRIu64 " %s", f->count.magnitude,
             f->type.kind == KIND_PAD ? "bytes of padding" : "chars");
    } else {
        emit_value_type(o, &f->type);
    }
}

static void emit_fields(struct out *o, const struct record *r)
{
    emit(o, "| name | type | range | meaning |\n|---|---|---|---|\n");
    for (size_t i = 0; i < r->n_fields; i++) {
        const struct field *f = &r->fields[i];
        emit(o, "| `%s` | ", f->name.s);
        emit_type(o, f);
        emit(o, " | ");
        emit_range(o, f);
        emit(o, " | ");
        emit_cell(o, f->doc);
        emit(o, " |\n");
    }
    emit(o, "\n");
}

static void emit_part(struct out *o, const char *title, const struct record *r)
{
    if (!r->n_fields) {
        emit(o, "%s: none.\n\n", title);
        return;
    }
    emit(o, "%s:\n\n", title);
    emit_fields(o, r);
}

static void emit_call_section(struct out *o, const struct call *call)
{
    emit(o, "### %s\n\n", call->name.s);
    emit(o, "Call %" PRIu64 ".%s\n\n", call->number.magnitude,
         call->enabled ? "" : " **Disabled**: it is refused, and keeps its number.");
    emit_paragraph(o, call->doc);
    emit_part(o, "Arguments", &call->args);
    emit_part(o, "Results", &call->reply);
}

static void emit_call_list(struct out *o)
{
    const struct protocol *p = o->p;
    emit(o, "## Calls\n\n| number | name | |\n|---|---|---|\n");
    for (size_t i = 0; i < p->n_calls; i++) {
        const struct call *call = &p->calls[i];
        emit(o, "| %" PRIu64 " | [%s](#%s) | %s |\n", call->number.magnitude, call->name.s,
             call->name.s, call->enabled ? "" : "disabled");
    }
    emit(o, "\n");
    for (size_t i = 0; i < p->n_calls; i++)
        emit_call_section(o, &p->calls[i]);
}

static void emit_struct_section(struct out *o, const struct record *r)
{
    emit(o, "### struct %s\n\n", r->name.s);
    emit_paragraph(o, r->doc);
    emit_fields(o, r);
}

static void emit_enum_section(struct out *o, const struct enumeration *e)
{
    emit(o, "### enum %s\n\n", e->name.s);
    emit_paragraph(o, e->doc);
    emit(o, "| value | name | meaning |\n|---|---|---|\n");
    for (size_t i = 0; i < e->n_values; i++) {
        emit(o, "| %" PRIu64 " | `%s` | ", e->values[i].value.magnitude, e->values[i].name.s);
        emit_cell(o, e->values[i].doc);
        emit(o, " |\n");
    }
    emit(o, "\n");
}

static void emit_limit_table(struct out *o)
{
    emit(o, "## Limits\n\n| name | value | why |\n|---|---|---|\n");
    for (size_t i = 0; i < o->p->n_limits; i++) {
        const struct limit *limit = &o->p->limits[i];
        emit(o, "| `%s` | %" PRIu64 " | ", limit->name.s, limit->value.magnitude);
        emit_cell(o, limit->why);
        emit(o, " |\n");
    }
    emit(o, "\n");
}

/* The types that only some protocols have. */
static void emit_rare_forms(struct out *o)
{
    struct kinds kinds = {0};
    find_kinds(o->p, &kinds);
    if (kinds.has[KIND_U8])
        emit(o, "| u8 | a byte, then 3 that are not looked at |\n");
    if (kinds.has[KIND_BYTE_BOOL])
        emit(o, "| byte_bool | a byte, 0 or 1, then 3 that are not looked at |\n");
    if (kinds.has[KIND_CHARS])
        emit(o, "| N chars | N bytes: text, a NUL, and what is not looked at |\n");
    if (kinds.has[KIND_PAD])
        emit(o, "| N bytes of padding | N bytes that are not looked at |\n");
}

static void emit_wire_forms(struct out *o)
{
    emit(o,
         "## Form on the wire\n\n"
         "Arguments and results follow each other in the order of their tables, without padding "
         "between them. "
         "Values are\nlittle-endian and aligned to 4 bytes. A message with a value out of its "
         "range, with bytes "
         "missing or with bytes\nleft over is refused as a whole.\n\n"
         "| type | form |\n|---|---|\n"
         "| i32, u32 | 4 bytes |\n"
         "| u64, size | 8 bytes |\n"
         "| bool | 4 bytes, 0 or 1 |\n"
         "| f32 | 4 bytes, IEEE 754 |\n"
         "| enum | 4 bytes, one of its values |\n"
         "| shm | 4 bytes: id of a piece of shared memory |\n"
         "| handle | 8 bytes: name of an object of the peer, given by an earlier call |\n"
         "| string | u64 size with the NUL, the bytes with the NUL, zeros up to a multiple of 4 |\n"
         "| bytes | u32 count, the bytes, zeros up to a multiple of 4 |\n");
    emit_rare_forms(o);
    emit(o, "| array | %s count, then that many items |\n", o->p->count_u64 ? "u64" : "u32");
    emit(o, "| N times | N items, no count |\n"
            "| struct | its fields in order |\n");
}

void emit_doc(struct out *o)
{
    const struct protocol *p = o->p;
    emit(o, "<!-- generated from %s by apir-scanner; do not edit -->\n", p->file);
    emit(o, "# Protocol %s %" PRIu64 ".%" PRIu64 "\n\n", p->name.s, p->major.magnitude,
         p->minor.magnitude);
    emit_paragraph(o, p->doc);
    emit_call_list(o);
    if (p->n_structs)
        emit(o, "## Structs\n\n");
    for (size_t i = 0; i < p->n_structs; i++)
        emit_struct_section(o, &p->structs[i]);
    if (p->n_enums)
        emit(o, "## Enums\n\n");
    for (size_t i = 0; i < p->n_enums; i++)
        emit_enum_section(o, &p->enums[i]);
    if (p->n_limits)
        emit_limit_table(o);
    emit_wire_forms(o);
}
