#include "names.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MAX_NAME = 64 };

/* Of C11 and C23, and macros of the headers that generated code includes. */
static const char *const keywords[] = {
    "alignas",       "alignof",  "asm",       "auto",          "bool",    "break",  "case",
    "char",          "const",    "constexpr", "continue",      "default", "do",     "double",
    "else",          "enum",     "errno",     "extern",        "false",   "float",  "for",
    "goto",          "if",       "inline",    "int",           "linux",   "long",   "nullptr",
    "register",      "restrict", "return",    "short",         "signed",  "sizeof", "static",
    "static_assert", "stderr",   "stdin",     "stdout",        "struct",  "switch", "thread_local",
    "true",          "typedef",  "typeof",    "typeof_unqual", "union",   "unix",   "unsigned",
    "void",          "volatile", "while",
};

static bool is_keyword(const char *s)
{
    for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++) {
        if (!strcmp(keywords[i], s))
            return true;
    }
    return false;
}

static bool is_name(const char *s)
{
    const char *letters = "abcdefghijklmnopqrstuvwxyz";
    size_t length = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_");
    return *s && strchr(letters, *s) && !s[length] && length <= MAX_NAME;
}

bool check_name(struct protocol *p, const struct text *name)
{
    if (!is_name(name->s)) {
        protocol_error(p, name->line,
                       "'%s' is not a name: a lower case letter, then at most %d of a-z, 0-9 and _",
                       name->s, MAX_NAME - 1);
        return false;
    }
    if (is_keyword(name->s)) {
        protocol_error(p, name->line, "'%s' is a word of C", name->s);
        return false;
    }
    return true;
}

static const struct text *find_name(const struct name_table *table, const char *s)
{
    for (size_t i = 0; i < table->n; i++) {
        if (!strcmp(table->names[i].s, s))
            return &table->names[i];
    }
    return NULL;
}

static void append_name(struct protocol *p, struct name_table *table, struct text name)
{
    if (table->n == table->room) {
        size_t room = table->room ? 2 * table->room : 64;
        struct text *names = protocol_alloc(p, room, sizeof *names);
        if (table->n)
            memcpy(names, table->names, table->n * sizeof *names);
        table->names = names;
        table->room = room;
    }
    table->names[table->n++] = name;
}

bool take_name(struct protocol *p, struct name_table *table, int line, const char *format, ...)
{
    char s[512];
    va_list args;
    va_start(args, format);
    vsnprintf(s, sizeof s, format, args);
    va_end(args);

    const struct text *other = find_name(table, s);
    if (!other) {
        append_name(p, table, (struct text){protocol_format(p, "%s", s), line});
        return true;
    }
    if (other->line)
        protocol_error(p, line, "the C name %s is taken by line %d", s, other->line);
    else
        protocol_error(p, line, "the C name %s is reserved", s);
    return false;
}
