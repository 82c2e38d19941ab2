#include "check.h"

#include <string.h>

#include "check-fields.h"
#include "names.h"
#include "numbers.h"

/* What a record gives its name to. */
static void take_record_names(struct protocol *p, struct name_table *table, const struct record *r)
{
    const char *prefix = p->prefix.s;
    int line = r->name.line;
    bool taken = take_name(p, table, line, "%s_%s", prefix, r->name.s) &&
                 take_name(p, table, line, "%s_encode_%s", prefix, r->name.s) &&
                 take_name(p, table, line, "%s_decode_%s", prefix, r->name.s) &&
                 take_name(p, table, line, "%s_print_%s", prefix, r->name.s);
    if (!taken)
        return;
    for (size_t i = 0; i < r->n_fields; i++) {
        const struct field *f = &r->fields[i];
        if (kind_is_list(f->type.kind))
            take_name(p, table, f->name.line, "print_%s_%s", r->name.s, f->name.s);
    }
}

/* Arguments or results. Without fields there is no code for them. */
static void take_message_names(struct protocol *p, struct name_table *table, const struct record *r)
{
    if (!r->n_fields)
        return;
    take_name(p, table, r->name.line, "print_%s", r->name.s);
    take_record_names(p, table, r);
}

/* Names that generated code has, or the headers that it includes, whatever the file says. */
static void take_fixed_names(struct protocol *p, struct name_table *table)
{
    const char *wire[] = {"apir_enc", "apir_dec", "apir_arena", p->client_type.s};
    const char *ours[] = {"call", "call_name", "dispatch", "handlers", "print_call", "print_reply"};
    for (size_t i = 0; i < sizeof wire / sizeof *wire; i++)
        take_name(p, table, 0, "%s", wire[i]);
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        take_name(p, table, 0, "%s_%s", p->prefix.s, ours[i]);
    take_name(p, table, 0, "%s_PROTOCOL_MAJOR", p->PREFIX);
    take_name(p, table, 0, "%s_PROTOCOL_MINOR", p->PREFIX);
}

static void check_limit(struct protocol *p, struct name_table *table, struct limit *limit)
{
    check_literal(p, &limit->value, "value", 0, UINT64_MAX);
    if (!check_name(p, &limit->name))
        return;
    limit->c_name = protocol_format(p, "%s_%s", p->PREFIX, protocol_upper(p, limit->name.s));
    take_name(p, table, limit->name.line, "%s", limit->c_name);
}

static void check_enum_value(struct protocol *p, struct name_table *table,
                             const struct enumeration *e, size_t i)
{
    struct enum_value *value = &e->values[i];
    check_literal(p, &value->value, "value", 0, INT32_MAX);
    for (size_t j = 0; j < i; j++) {
        if (same_numbers(&e->values[j].value, &value->value))
            protocol_error(p, value->value.text.line, "value %s of '%s' is that of '%s' in line %d",
                           value->value.text.s, value->name.s, e->values[j].name.s,
                           e->values[j].name.line);
    }
    if (!check_name(p, &value->name))
        return;
    value->c_name = protocol_format(p, "%s_%s_%s", p->PREFIX, protocol_upper(p, e->name.s),
                                    protocol_upper(p, value->name.s));
    take_name(p, table, value->name.line, "%s", value->c_name);
}

static void check_type_name(struct protocol *p, const struct text *name)
{
    if (check_name(p, name) && builtin_kind(name->s) != KIND_INVALID)
        protocol_error(p, name->line, "'%s' is a built-in type", name->s);
}

static void check_enum(struct protocol *p, struct name_table *table, struct enumeration *e)
{
    check_type_name(p, &e->name);
    if (take_name(p, table, e->name.line, "%s_%s", p->prefix.s, e->name.s))
        take_name(p, table, e->name.line, "%s_%s_name", p->prefix.s, e->name.s);
    if (!e->n_values)
        protocol_error(p, e->name.line, "enum '%s' has no values", e->name.s);
    for (size_t i = 0; i < e->n_values; i++)
        check_enum_value(p, table, e, i);
}

static void check_struct(struct protocol *p, struct name_table *table, size_t i)
{
    struct record *r = &p->structs[i];
    check_type_name(p, &r->name);
    if (!r->n_fields)
        protocol_error(p, r->name.line, "struct '%s' has no fields", r->name.s);
    check_fields(p, r, i);
    take_record_names(p, table, r);
}

static void check_call_number(struct protocol *p, size_t i)
{
    struct call *call = &p->calls[i];
    check_literal(p, &call->number, "number", 0, INT32_MAX);
    for (size_t j = 0; j < i; j++) {
        if (same_numbers(&p->calls[j].number, &call->number))
            protocol_error(p, call->number.text.line,
                           "number %s of '%s' is that of '%s' in line %d", call->number.text.s,
                           call->name.s, p->calls[j].name.s, p->calls[j].name.line);
    }
}

static void check_call(struct protocol *p, struct name_table *table, size_t i)
{
    struct call *call = &p->calls[i];
    check_call_number(p, i);
    check_fields(p, &call->args, p->n_structs);
    check_fields(p, &call->reply, p->n_structs);
    if (!check_name(p, &call->name))
        return;
    call->c_name = protocol_format(p, "%s_CALL_%s", p->PREFIX, protocol_upper(p, call->name.s));
    if (!take_name(p, table, call->name.line, "%s", call->c_name) ||
        !take_name(p, table, call->name.line, "%s_call_%s", p->prefix.s, call->name.s))
        return;
    if (call->enabled)
        take_message_names(p, table, &call->args);
    if (call->enabled)
        take_message_names(p, table, &call->reply);
}

/* The protocol's own name may have dashes. */
static bool check_title(struct protocol *p)
{
    struct text name = {protocol_replace(p, p->name.s, '-', '_'), p->name.line};
    return check_name(p, &name);
}

/* The last word of the client's type is the name of a parameter. */
static bool check_client(struct protocol *p)
{
    const char *const taken[] = {"arena", "args", "reply", "enc", "dec", "result", "ret"};
    const struct text *type = &p->client_type;
    const struct text *header = &p->client_header;
    const char *word = strrchr(type->s, '_');
    struct text name = {word ? word + 1 : type->s, type->line};
    if (!check_name(p, type) || !check_name(p, &name))
        return false;
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++) {
        if (!strcmp(name.s, taken[i]))
            protocol_error(p, type->line, "'type' must not end in %s", name.s);
    }
    if (!*header->s || strpbrk(header->s, "\"\\\n"))
        protocol_error(p, header->line, "'%s' is not the name of a header", header->s);
    p->client_name = name.s;
    return true;
}

static bool check_head(struct protocol *p)
{
    check_literal(p, &p->major, "version", 0, UINT32_MAX);
    check_literal(p, &p->minor, "version", 0, UINT32_MAX);
    bool ok = check_title(p);
    ok = check_client(p) && ok;
    return check_name(p, &p->prefix) && ok;
}

void check_protocol(struct protocol *p)
{
    struct name_table table = {0};
    if (!check_head(p))
        return;
    p->PREFIX = protocol_upper(p, p->prefix.s);
    p->dashed = protocol_replace(p, p->prefix.s, '_', '-');
    take_fixed_names(p, &table);
    for (size_t i = 0; i < p->n_limits; i++)
        check_limit(p, &table, &p->limits[i]);
    for (size_t i = 0; i < p->n_enums; i++)
        check_enum(p, &table, &p->enums[i]);
    for (size_t i = 0; i < p->n_structs; i++)
        check_struct(p, &table, i);
    for (size_t i = 0; i < p->n_calls; i++)
        check_call(p, &table, i);
    if (!protocol_enabled_calls(p))
        protocol_error(p, p->name.line, "protocol '%s' has no enabled call", p->name.s);
}
