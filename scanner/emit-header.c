/* apir-protocol.h: limits, enums, structs, arguments and results, names. */
#include <inttypes.h>

#include "emit.h"

static void emit_limit(struct out *o, const struct limit *limit)
{
    uint64_t value = limit->value.magnitude;
    emit_comment(o, 0, limit->why);
    emit(o, "#define %s %" PRIu64 "%s\n", limit->c_name, value, value > UINT32_MAX ? "ULL" : "U");
}

static void emit_limits(struct out *o)
{
    for (size_t i = 0; i < o->p->n_limits; i++)
        emit_limit(o, &o->p->limits[i]);
    if (o->p->n_limits)
        emit(o, "\n");
}

static void emit_constant(struct out *o, const char *name, uint64_t value, const char *doc)
{
    char line[256];
    snprintf(line, sizeof line, "%s = %" PRIu64 ",", name, value);
    emit_commented(o, 4, doc, line);
}

static void emit_enum(struct out *o, const struct enumeration *e)
{
    emit_comment(o, 0, e->doc);
    emit(o, "enum %s_%s {\n", o->p->prefix.s, e->name.s);
    for (size_t i = 0; i < e->n_values; i++)
        emit_constant(o, e->values[i].c_name, e->values[i].value.magnitude, e->values[i].doc);
    emit(o, "};\n\n");
    emit(o, "/* Its name in the protocol file, NULL if there is no such value. */\n");
    emit(o, "const char *%s_%s_name(uint32_t value);\n\n", o->p->prefix.s, e->name.s);
}

static void format_member(struct out *o, const struct field *f, char *line, size_t size)
{
    char type[C_TYPE_SIZE];
    char count[C_TYPE_SIZE];
    switch (f->type.kind) {
    case KIND_STRING:
    case KIND_CHARS:
        snprintf(line, size, "const char *%s;", f->name.s);
        break;
    case KIND_BYTES:
        snprintf(line, size, "const uint8_t *%s;", f->name.s);
        break;
    case KIND_ARRAY:
        c_type(o, &f->item, type);
        snprintf(line, size, f->item.kind == KIND_STRING ? "%sconst *%s;" : "const %s *%s;", type,
                 f->name.s);
        break;
    case KIND_FIXED:
        snprintf(line, size, "%s %s[%s];", c_type(o, &f->item, type), f->name.s,
                 c_count(&f->count, count));
        break;
    default:
        snprintf(line, size, "%s %s;", c_type(o, &f->type, type), f->name.s);
        break;
    }
}

static void emit_member(struct out *o, const struct field *f)
{
    char line[512];
    if (f->type.kind == KIND_PAD)
        return;
    format_member(o, f, line, sizeof line);
    emit_commented(o, 4, f->doc, line);
    if (field_has_count(f))
        emit(o, "    uint32_t n_%s;\n", f->name.s);
    if (f->presence == PRESENT_REST)
        emit(o, "    bool has_%s; /* whether the message has it */\n", f->name.s);
}

static void emit_record(struct out *o, const struct record *r)
{
    emit_comment(o, 0, r->doc);
    emit(o, "struct %s_%s {\n", o->p->prefix.s, r->name.s);
    for (size_t i = 0; i < r->n_fields; i++)
        emit_member(o, &r->fields[i]);
    emit(o, "};\n\n");
}

static void emit_call_number(struct out *o, const struct call *call)
{
    const char *doc = call->enabled ? "" : "disabled: always refused";
    emit_constant(o, call->c_name, call->number.magnitude, doc);
}

static void emit_calls(struct out *o)
{
    emit(o, "/* The calls. */\nenum %s_call {\n", o->p->prefix.s);
    for (size_t i = 0; i < o->p->n_calls; i++)
        emit_call_number(o, &o->p->calls[i]);
    emit(o, "};\n\n");
    emit(o, "/* Name of a call, also of a disabled one; NULL if there is no such call. */\n");
    emit(o, "const char *%s_call_name(uint32_t call);\n", o->p->prefix.s);
}

void emit_header(struct out *o)
{
    const struct protocol *p = o->p;
    emit_guard(o, "PROTOCOL");
    emit(o, "#include <stdbool.h>\n#include <stdint.h>\n\n");
    emit_comment(o, 0, p->doc);
    if (*p->doc)
        emit(o, "\n");
    emit(o, "#define %s_PROTOCOL_MAJOR %" PRIu64 "U\n", p->PREFIX, p->major.magnitude);
    emit(o, "#define %s_PROTOCOL_MINOR %" PRIu64 "U\n\n", p->PREFIX, p->minor.magnitude);
    emit_limits(o);
    for (size_t i = 0; i < p->n_enums; i++)
        emit_enum(o, &p->enums[i]);
    for_each_record(o, emit_record);
    emit_calls(o);
    emit_guard_end(o);
}
