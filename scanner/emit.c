#include "emit.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "numbers.h"

enum { MAX_LINE = 100 };

void emit(struct out *o, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vfprintf(o->file, format, args);
    va_end(args);
}

void emit_banner(struct out *o)
{
    emit(o, "/* generated from %s by apir-scanner; do not edit */\n", o->p->file);
}

void emit_guard(struct out *o, const char *name)
{
    emit_banner(o);
    emit(o, "#ifndef %s_%s_H\n#define %s_%s_H\n\n", o->p->PREFIX, name, o->p->PREFIX, name);
}

void emit_guard_end(struct out *o)
{
    emit(o, "\n#endif\n");
}

/* A word of a comment, which must neither end it nor seem to start another. */
static void emit_comment_word(struct out *o, const char *word, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        char c = word[i];
        char before = i ? word[i - 1] : ' ';
        if ((c == '/' && before == '*') || (c == '*' && before == '/'))
            fputc(' ', o->file);
        fputc(c, o->file);
    }
}

/* Lines of one paragraph flow together; a new one starts after a blank line, and with a line that
 * is indented or an item of a list. */
static bool starts_paragraph(const char *line)
{
    return *line == '\n' || *line == ' ' || !strncmp(line, "- ", 2);
}

/* Writes words up to the end of the paragraph, wrapped, and returns what follows. column is where
 * the output stands. */
static const char *emit_paragraph(struct out *o, int indent, const char *text)
{
    int column = indent + 3;
    bool first = true;
    while (*text && (*text != '\n' || !starts_paragraph(text + 1))) {
        size_t word = strcspn(text, " \t\n");
        if (word && !first && column + 1 + (int)word > MAX_LINE - 3) {
            emit(o, "\n%*s * ", indent, "");
            column = indent + 3;
        } else if (word && !first) {
            emit(o, " ");
            column++;
        }
        emit_comment_word(o, text, word);
        column += (int)word;
        first = first && !word;
        text += word;
        text += *text && (*text != '\n' || !starts_paragraph(text + 1));
    }
    return text;
}

void emit_comment(struct out *o, int indent, const char *text)
{
    if (!*text)
        return;
    emit(o, "%*s/* ", indent, "");
    text = emit_paragraph(o, indent, text);
    while (*text) {
        text++;
        emit(o, *text == '\n' ? "\n%*s *" : "\n%*s * ", indent, "");
        if (*text != '\n')
            text = emit_paragraph(o, indent, text);
    }
    emit(o, " */\n");
}

void emit_commented(struct out *o, int indent, const char *text, const char *line)
{
    size_t length = (size_t)indent + strlen(line) + strlen(text) + strlen(" /*  */");
    if (*text && length <= MAX_LINE && !strpbrk(text, "\n*")) {
        emit(o, "%*s%s /* %s */\n", indent, "", line, text);
        return;
    }
    emit_comment(o, indent, text);
    emit(o, "%*s%s\n", indent, "", line);
}

void emit_call(struct out *o, const char *head, const char *const *args, size_t n, const char *tail)
{
    size_t column = strlen(head) + 1;
    size_t start = column;
    emit(o, "%s(", head);
    for (size_t i = 0; i < n; i++) {
        size_t length = strlen(args[i]) + (i + 1 < n ? 1 : strlen(tail) + 1);
        if (i && column + 1 + length > MAX_LINE) {
            emit(o, "\n%*s", (int)start, "");
            column = start;
        } else if (i) {
            emit(o, " ");
            column++;
        }
        emit(o, "%s%s", args[i], i + 1 < n ? "," : "");
        column += length;
    }
    emit(o, ")%s", tail);
}

void for_each_enabled(struct out *o, void (*work)(struct out *o, const struct call *call))
{
    for (size_t i = 0; i < o->p->n_calls; i++) {
        if (o->p->calls[i].enabled)
            work(o, &o->p->calls[i]);
    }
}

void for_each_record(struct out *o, void (*work)(struct out *o, const struct record *r))
{
    for (size_t i = 0; i < o->p->n_structs; i++)
        work(o, &o->p->structs[i]);
    for (size_t i = 0; i < o->p->n_calls; i++) {
        const struct call *call = &o->p->calls[i];
        if (call->enabled && call->args.n_fields)
            work(o, &call->args);
        if (call->enabled && call->reply.n_fields)
            work(o, &call->reply);
    }
}

static void add_kinds(struct kinds *kinds, const struct record *r)
{
    for (size_t i = 0; i < r->n_fields; i++) {
        kinds->has[r->fields[i].type.kind] = true;
        kinds->has[r->fields[i].item.kind] = true;
        kinds->presence[r->fields[i].presence] = true;
        kinds->leading |= r->fields[i].leader != NULL;
    }
}

void find_kinds(const struct protocol *p, struct kinds *kinds)
{
    for (size_t i = 0; i < p->n_structs; i++)
        add_kinds(kinds, &p->structs[i]);
    for (size_t i = 0; i < p->n_calls; i++) {
        const struct call *call = &p->calls[i];
        if (!call->enabled)
            continue;
        add_kinds(kinds, &call->args);
        add_kinds(kinds, &call->reply);
        kinds->empty |= !call->args.n_fields || !call->reply.n_fields;
    }
}

static const char *c_builtin(enum kind kind)
{
    switch (kind) {
    case KIND_I32:
        return "int32_t";
    case KIND_U32:
    case KIND_SHM:
        return "uint32_t";
    case KIND_BOOL:
    case KIND_BYTE_BOOL:
        return "bool";
    case KIND_F32:
        return "float";
    case KIND_STRING:
    case KIND_CHARS:
        return "const char *";
    case KIND_BYTES:
    case KIND_U8:
        return "uint8_t";
    default:
        return "uint64_t";
    }
}

const char *c_type(const struct out *o, const struct type *type, char buffer[C_TYPE_SIZE])
{
    const char *prefix = o->p->prefix.s;
    if (type->kind == KIND_ENUM)
        snprintf(buffer, C_TYPE_SIZE, "enum %s_%s", prefix, type->enumerated->name.s);
    else if (type->kind == KIND_STRUCT)
        snprintf(buffer, C_TYPE_SIZE, "struct %s_%s", prefix, type->record->name.s);
    else
        snprintf(buffer, C_TYPE_SIZE, "%s", c_builtin(type->kind));
    return buffer;
}

static const char *c_signed(const struct number *n, char buffer[C_TYPE_SIZE])
{
    if (n->limit)
        snprintf(buffer, C_TYPE_SIZE, "(int32_t)%s", n->limit->c_name);
    else
        snprintf(buffer, C_TYPE_SIZE, "%s%" PRIu64, n->negative ? "-" : "", n->magnitude);
    return buffer;
}

const char *c_number(const struct number *n, enum kind kind, char buffer[C_TYPE_SIZE])
{
    if (kind == KIND_I32)
        return c_signed(n, buffer);
    if (n->limit)
        snprintf(buffer, C_TYPE_SIZE, "%s", n->limit->c_name);
    else
        snprintf(buffer, C_TYPE_SIZE, "%" PRIu64 "%s", n->magnitude,
                 n->magnitude > UINT32_MAX ? "ULL" : "U");
    return buffer;
}

const char *c_count(const struct number *n, char buffer[C_TYPE_SIZE])
{
    if (n->limit)
        snprintf(buffer, C_TYPE_SIZE, "%s", n->limit->c_name);
    else
        snprintf(buffer, C_TYPE_SIZE, "%" PRIu64, n->magnitude);
    return buffer;
}

const char *wire_suffix(enum kind kind)
{
    switch (kind) {
    case KIND_I32:
        return "i32";
    case KIND_U64:
    case KIND_HANDLE:
        return "u64";
    case KIND_SIZE:
        return "size";
    case KIND_BOOL:
        return "bool";
    case KIND_F32:
        return "f32";
    case KIND_U8:
        return "u8";
    case KIND_BYTE_BOOL:
        return "byte_bool";
    default:
        return "u32";
    }
}

bool min_matters(const struct type *type)
{
    const struct number *min = &type->min;
    if (!number_given(min))
        return false;
    return type->kind != KIND_I32 ? min->magnitude != 0
                                  : !min->negative || min->magnitude <= INT32_MAX;
}

bool max_matters(const struct type *type)
{
    const struct number *max = &type->max;
    if (!number_given(max))
        return false;
    switch (type->kind) {
    case KIND_I32:
        return max->negative || max->magnitude < INT32_MAX;
    case KIND_U64:
    case KIND_SIZE:
        return max->magnitude < UINT64_MAX;
    case KIND_U8:
        return max->magnitude < UINT8_MAX;
    default:
        return max->magnitude < UINT32_MAX;
    }
}
