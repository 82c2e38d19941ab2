#include "check-fields.h"

#include <inttypes.h>
#include <string.h>

#include "check-paths.h"
#include "names.h"
#include "numbers.h"

/* Decoded structs live on the stack. */
enum { MAX_MEMORY = 64 * 1024 };

static const char *const kind_names[] = {
    [KIND_I32] = "i32",       [KIND_U32] = "u32",
    [KIND_U64] = "u64",       [KIND_SIZE] = "size",
    [KIND_BOOL] = "bool",     [KIND_F32] = "f32",
    [KIND_SHM] = "shm",       [KIND_HANDLE] = "handle",
    [KIND_STRING] = "string", [KIND_BYTES] = "bytes",
    [KIND_ARRAY] = "array",   [KIND_FIXED] = "fixed",
    [KIND_U8] = "u8",         [KIND_BYTE_BOOL] = "byte_bool",
    [KIND_PAD] = "pad",       [KIND_CHARS] = "chars",
};

enum kind builtin_kind(const char *name)
{
    for (size_t i = KIND_I32; i < sizeof kind_names / sizeof *kind_names; i++) {
        if (!strcmp(kind_names[i], name))
            return (enum kind)i;
    }
    return KIND_INVALID;
}

static const struct enumeration *find_enum(const struct protocol *p, const char *name)
{
    for (size_t i = 0; i < p->n_enums; i++) {
        if (!strcmp(p->enums[i].name.s, name))
            return &p->enums[i];
    }
    return NULL;
}

static const struct record *find_struct(const struct protocol *p, const char *name)
{
    for (size_t i = 0; i < p->n_structs; i++) {
        if (!strcmp(p->structs[i].name.s, name))
            return &p->structs[i];
    }
    return NULL;
}

static void find_declared(struct protocol *p, struct type *type, const struct text *name,
                          size_t n_structs)
{
    type->enumerated = find_enum(p, name->s);
    if (type->enumerated) {
        type->kind = KIND_ENUM;
        return;
    }
    const struct record *record = find_struct(p, name->s);
    if (!record)
        protocol_error(p, name->line, "there is no type '%s'", name->s);
    else if (record == &p->structs[n_structs])
        protocol_error(p, name->line, "struct '%s' cannot contain itself", name->s);
    else if (record > &p->structs[n_structs])
        protocol_error(p, name->line, "struct '%s' is used before its declaration in line %d",
                       name->s, record->name.line);
    else {
        type->kind = KIND_STRUCT;
        type->record = record;
    }
}

/* Finds what name means. KIND_INVALID after an error. */
static void resolve_type(struct protocol *p, struct type *type, const struct text *name,
                         size_t n_structs)
{
    type->name = name->s;
    type->kind = builtin_kind(name->s);
    if (type->kind == KIND_INVALID)
        find_declared(p, type, name, n_structs);
}

static bool kind_is_ranged(enum kind kind)
{
    return kind == KIND_I32 || kind == KIND_U32 || kind == KIND_U64 || kind == KIND_SIZE ||
           kind == KIND_U8;
}

static bool kind_is_id(enum kind kind)
{
    return kind == KIND_SHM || kind == KIND_HANDLE;
}

static bool kind_is_counted(enum kind kind)
{
    return kind == KIND_STRING || kind == KIND_BYTES || kind == KIND_ARRAY;
}

static void refuse_key(struct protocol *p, const struct text *value, const char *key,
                       const char *type)
{
    if (value->s)
        protocol_error(p, value->line, "'%s' has no meaning for type %s", key, type);
}

static bool number_fits_kind(const struct number *n, enum kind kind)
{
    if (kind == KIND_I32)
        return number_fits(n, (uint64_t)INT32_MAX + 1, INT32_MAX);
    if (kind == KIND_U64 || kind == KIND_SIZE)
        return number_fits(n, 0, UINT64_MAX);
    return number_fits(n, 0, kind == KIND_U8 ? UINT8_MAX : UINT32_MAX);
}

static void check_bound(struct protocol *p, struct number *n, const char *key, enum kind kind)
{
    if (!number_given(n) || !check_number(p, n))
        return;
    if (!number_fits_kind(n, kind))
        protocol_error(p, n->text.line, "'%s' %s is beyond the range of the type", key, n->text.s);
    else if (kind_is_counted(kind) && !n->magnitude)
        protocol_error(p, n->text.line, "'%s' must be at least 1", key);
}

/* min and max of a value of that type; the keys are how the file calls them. */
static void check_bounds(struct protocol *p, struct type *type, int line, const char *min_key,
                         const char *max_key)
{
    if (type->kind == KIND_INVALID)
        return;
    if (!kind_is_ranged(type->kind) && !kind_is_counted(type->kind)) {
        refuse_key(p, &type->min.text, min_key, type->name);
        refuse_key(p, &type->max.text, max_key, type->name);
        return;
    }
    if (type->kind == KIND_STRING)
        refuse_key(p, &type->min.text, min_key, type->name);
    else
        check_bound(p, &type->min, min_key, type->kind);
    check_bound(p, &type->max, max_key, type->kind);
    if (kind_is_counted(type->kind) && !number_given(&type->max))
        protocol_error(p, line, "type %s needs '%s'", type->name, max_key);
    if (type->min.known && type->max.known && compare_numbers(&type->min, &type->max) > 0)
        protocol_error(p, type->min.text.line, "'%s' %s is greater than '%s' %s", min_key,
                       type->min.text.s, max_key, type->max.text.s);
}

/* Which object a handle is for; of is what key of the file says. */
static void check_id(struct protocol *p, struct type *type, const struct field *f,
                     const struct text *of, const char *key)
{
    if (type->kind == KIND_INVALID)
        return;
    if (type->kind == KIND_HANDLE && !of->s)
        protocol_error(p, f->name.line, "type handle needs '%s', the kind of object", key);
    else if (type->kind == KIND_HANDLE && check_name(p, of))
        type->handle_of = of->s;
    else if (type->kind != KIND_HANDLE)
        refuse_key(p, of, key, type->name);
    if (!kind_is_id(type->kind))
        refuse_key(p, &f->optional_text, "optional", type->name);
    type->optional = f->optional;
}

static bool kind_can_be_item(enum kind of_what, enum kind item)
{
    if (item == KIND_STRING)
        return of_what == KIND_ARRAY;
    return item != KIND_BYTES && item != KIND_PAD && item != KIND_CHARS && !kind_is_list(item);
}

/* What an array is of. */
static void check_item(struct protocol *p, struct field *f, size_t n_structs)
{
    if (!f->of.s) {
        protocol_error(p, f->name.line, "type %s needs 'of'", f->type.name);
        return;
    }
    resolve_type(p, &f->item, &f->of, n_structs);
    if (f->item.kind != KIND_INVALID && !kind_can_be_item(f->type.kind, f->item.kind)) {
        protocol_error(p, f->of.line, "type %s cannot be of %s", f->type.name, f->item.name);
        f->item.kind = KIND_INVALID;
    }
    f->item.min = f->item_min;
    f->item.max = f->item_max;
    check_bounds(p, &f->item, f->name.line, "item_min", "item_max");
    check_id(p, &f->item, f, &f->item_of, "item_of");
}

static void check_count(struct protocol *p, struct field *f)
{
    bool in_bytes = f->type.kind == KIND_PAD || f->type.kind == KIND_CHARS;
    if (f->type.kind != KIND_FIXED && !in_bytes) {
        refuse_key(p, &f->count.text, "count", f->type.name);
        return;
    }
    if (!number_given(&f->count)) {
        protocol_error(p, f->name.line, "type %s needs 'count'", f->type.name);
        return;
    }
    if (!check_number(p, &f->count))
        return;
    if (f->count.negative || !f->count.magnitude || f->count.magnitude > MAX_MEMORY)
        protocol_error(p, f->count.text.line, "'count' %s is not in 1..%d", f->count.text.s,
                       MAX_MEMORY);
    else if (in_bytes && f->count.magnitude % 4)
        protocol_error(p, f->count.text.line, "'count' %s is not a multiple of 4", f->count.text.s);
}

static void refuse_item_keys(struct protocol *p, const struct field *f)
{
    refuse_key(p, &f->item_of, "item_of", f->type.name);
    refuse_key(p, &f->item_min.text, "item_min", f->type.name);
    refuse_key(p, &f->item_max.text, "item_max", f->type.name);
}

static void check_field(struct protocol *p, struct field *f, size_t n_structs)
{
    check_name(p, &f->name);
    resolve_type(p, &f->type, &f->type_name, n_structs);
    if (f->type.kind == KIND_INVALID)
        return;
    f->type.min = f->min;
    f->type.max = f->max;
    check_bounds(p, &f->type, f->name.line, "min", "max");
    check_count(p, f);
    if (kind_is_list(f->type.kind)) {
        check_item(p, f, n_structs);
    } else {
        check_id(p, &f->type, f, &f->of, "of");
        refuse_item_keys(p, f);
    }
}

/* Members of one C struct must differ. */
static void check_members(struct protocol *p, const struct record *r)
{
    struct name_table members = {0};
    for (size_t i = 0; i < r->n_fields; i++) {
        const struct field *f = &r->fields[i];
        take_name(p, &members, f->name.line, "%s", f->name.s);
        if (field_has_count(f))
            take_name(p, &members, f->name.line, "n_%s", f->name.s);
        if (f->presence == PRESENT_REST)
            take_name(p, &members, f->name.line, "has_%s", f->name.s);
    }
}

/* C has no struct without members. */
static void check_some_member(struct protocol *p, const struct record *r)
{
    size_t n_pads = 0;
    for (size_t i = 0; i < r->n_fields; i++)
        n_pads += r->fields[i].type.kind == KIND_PAD;
    if (n_pads && n_pads == r->n_fields)
        protocol_error(p, r->name.line, "'%s' has nothing but padding", r->name.s);
}

static uint64_t memory_size(const struct type *type)
{
    if (type->kind == KIND_BYTES || type->kind == KIND_ARRAY)
        return 16;
    return type->kind == KIND_STRUCT ? type->record->memory_size : 8;
}

static uint64_t wire_min(const struct protocol *p, const struct type *type)
{
    switch (type->kind) {
    case KIND_U64:
    case KIND_SIZE:
    case KIND_HANDLE:
        return 8;
    case KIND_STRING:
        return 12;
    case KIND_ARRAY:
        return p->count_u64 ? 8 : 4;
    case KIND_STRUCT:
        return type->record->wire_min;
    default:
        return 4;
    }
}

static void add_size(const struct protocol *p, struct record *r, struct field *f)
{
    f->type.wire_min = wire_min(p, &f->type);
    f->item.wire_min = wire_min(p, &f->item);
    if (f->type.kind == KIND_FIXED) {
        r->memory_size += f->count.magnitude * memory_size(&f->item);
        f->type.wire_min = f->count.magnitude * f->item.wire_min;
    } else {
        r->memory_size += memory_size(&f->type);
    }
    if (f->type.kind == KIND_PAD || f->type.kind == KIND_CHARS)
        f->type.wire_min = f->count.magnitude;
    if (f->presence == PRESENT_ALWAYS && !f->leader)
        r->wire_min += f->type.wire_min;
}

static void check_size(struct protocol *p, struct record *r)
{
    for (size_t i = 0; i < r->n_fields; i++)
        add_size(p, r, &r->fields[i]);
    if (r->memory_size <= MAX_MEMORY)
        return;
    protocol_error(p, r->name.line,
                   "'%s' takes %" PRIu64
                   " bytes of the stack, at most %d are allowed: use an array",
                   r->name.s, r->memory_size, MAX_MEMORY);
    r->memory_size = MAX_MEMORY;
    r->wire_min = 4;
}

void check_fields(struct protocol *p, struct record *r, size_t n_structs)
{
    unsigned errors = p->errors;
    for (size_t i = 0; i < r->n_fields; i++) {
        check_field(p, &r->fields[i], n_structs);
        check_paths(p, r, i, n_structs == p->n_structs);
    }
    check_members(p, r);
    check_some_member(p, r);
    if (p->errors == errors)
        check_size(p, r);
    else
        r->wire_min = 4;
}
