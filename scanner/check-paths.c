#include "check-paths.h"

#include <inttypes.h>
#include <string.h>

#include "numbers.h"

static const struct field *find_field(const struct record *r, size_t n, const char *name,
                                      size_t length)
{
    for (size_t i = 0; i < n; i++) {
        const char *other = r->fields[i].name.s;
        if (strlen(other) == length && !memcmp(other, name, length))
            return &r->fields[i];
    }
    return NULL;
}

/* The field that a dotted path names, which starts among the first n of r. NULL if there is none,
 * or it is not in every message, so that what depends on it has no meaning: that is reported. */
static const struct field *find_path(struct protocol *p, const struct record *r, size_t n,
                                     const struct text *path, const char *key)
{
    const char *part = path->s;
    while (r) {
        size_t length = strcspn(part, ".");
        const struct field *f = find_field(r, n, part, length);
        if (f && f->presence != PRESENT_ALWAYS) {
            protocol_error(p, path->line, "'%s' is '%s', which may be missing itself", key,
                           path->s);
            return NULL;
        }
        if (f && !part[length])
            return f;
        r = f && f->type.kind == KIND_STRUCT ? f->type.record : NULL;
        n = r ? r->n_fields : 0;
        part += length + 1;
    }
    protocol_error(p, path->line, "'%s' is '%s', which no earlier field is called", key, path->s);
    return NULL;
}

static bool kind_is_number(enum kind kind)
{
    switch (kind) {
    case KIND_F32:
    case KIND_STRING:
    case KIND_BYTES:
    case KIND_ARRAY:
    case KIND_FIXED:
    case KIND_PAD:
    case KIND_CHARS:
    case KIND_STRUCT:
        return false;
    default:
        return true; /* or invalid, which has been reported */
    }
}

/* Only a message has an end that a field may lie behind. */
static void check_rest(struct protocol *p, const struct record *r, size_t i, bool message)
{
    const struct text *condition = &r->fields[i].condition;
    if (!message)
        protocol_error(p, condition->line, "'if: rest' is for arguments and results, not structs");
    else if (i + 1 < r->n_fields)
        protocol_error(p, condition->line, "'if: rest' is for the last field, which '%s' is not",
                       r->fields[i].name.s);
}

static void check_condition(struct protocol *p, struct record *r, size_t i, bool message)
{
    struct field *f = &r->fields[i];
    if (!f->condition.s)
        return;
    if (f->type.kind == KIND_PAD)
        protocol_error(p, f->condition.line, "'if' has no meaning for type pad");
    if (!strcmp(f->condition.s, "rest")) {
        f->presence = PRESENT_REST;
        check_rest(p, r, i, message);
        return;
    }
    f->presence = PRESENT_NOT_ZERO;
    const struct field *number = find_path(p, r, i, &f->condition, "if");
    if (number && !kind_is_number(number->type.kind))
        protocol_error(p, f->condition.line, "'if' is '%s', which is no number", f->condition.s);
}

/* The items that the leader may name must not exceed what the array may have. */
static void check_leader_count(struct protocol *p, const struct field *f)
{
    const struct number *count = &f->leader->count;
    if (number_given(&f->min))
        protocol_error(p, f->min.text.line, "'min' has no meaning with 'leading'");
    if (count->known && f->type.max.known && compare_numbers(count, &f->type.max) > 0)
        protocol_error(p, f->leading.line, "'%s' has %" PRIu64 " entries, more than 'max' %" PRIu64,
                       f->leading.s, count->magnitude, f->type.max.magnitude);
}

static void check_leading(struct protocol *p, struct record *r, size_t i)
{
    struct field *f = &r->fields[i];
    if (!f->leading.s)
        return;
    if (f->type.kind != KIND_ARRAY) {
        protocol_error(p, f->leading.line, "'leading' has no meaning for type %s", f->type.name);
        return;
    }
    const struct field *leader = find_path(p, r, i, &f->leading, "leading");
    if (!leader)
        return;
    if (leader->type.kind != KIND_FIXED ||
        (leader->item.kind != KIND_U32 && leader->item.kind != KIND_U64)) {
        protocol_error(p, f->leading.line,
                       "'leading' is '%s', which is not type fixed of u32 or u64", f->leading.s);
        return;
    }
    f->leader = leader;
    check_leader_count(p, f);
}

void check_paths(struct protocol *p, struct record *r, size_t i, bool message)
{
    if (r->fields[i].type.kind == KIND_INVALID)
        return;
    check_condition(p, r, i, message);
    check_leading(p, r, i);
}
