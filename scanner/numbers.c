#include "numbers.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static bool read_literal(const char *s, struct number *n)
{
    bool negative = *s == '-';
    s += negative;
    if (!isdigit((unsigned char)*s))
        return false;
    bool hex = s[0] == '0' && s[1] == 'x';
    if (!hex && s[0] == '0' && s[1])
        return false; /* 010 is 8 to some and 10 to others */
    if (hex && !isxdigit((unsigned char)s[2]))
        return false;
    char *end;
    errno = 0;
    uint64_t magnitude = strtoull(s, &end, hex ? 16 : 10);
    if (*end || errno)
        return false;
    n->magnitude = magnitude;
    n->negative = negative && magnitude;
    n->known = true;
    return true;
}

void check_literal(struct protocol *p, struct number *n, const char *key, uint64_t lo, uint64_t hi)
{
    if (!read_literal(n->text.s, n)) {
        protocol_error(p, n->text.line, "'%s' must be a number, not '%s'", key, n->text.s);
        return;
    }
    if (!n->negative && n->magnitude >= lo && n->magnitude <= hi)
        return;
    protocol_error(p, n->text.line, "'%s' %s is not in %" PRIu64 "..%" PRIu64, key, n->text.s, lo,
                   hi);
    n->known = false;
}

static const struct limit *find_limit(const struct protocol *p, const char *name)
{
    for (size_t i = 0; i < p->n_limits; i++) {
        if (!strcmp(p->limits[i].name.s, name))
            return &p->limits[i];
    }
    return NULL;
}

bool check_number(struct protocol *p, struct number *n)
{
    if (read_literal(n->text.s, n))
        return true;
    n->limit = find_limit(p, n->text.s);
    if (n->limit) {
        n->magnitude = n->limit->value.magnitude;
        n->known = n->limit->value.known;
        return n->known;
    }
    protocol_error(p, n->text.line, "'%s' is neither a number nor a limit", n->text.s);
    return false;
}

bool same_numbers(const struct number *a, const struct number *b)
{
    return a->known && b->known && compare_numbers(a, b) == 0;
}

int compare_numbers(const struct number *a, const struct number *b)
{
    if (a->negative != b->negative)
        return a->negative ? -1 : 1;
    if (a->magnitude == b->magnitude)
        return 0;
    return (a->magnitude < b->magnitude) != a->negative ? -1 : 1;
}

bool number_fits(const struct number *n, uint64_t minus_lo, uint64_t hi)
{
    return n->magnitude <= (n->negative ? minus_lo : hi);
}
