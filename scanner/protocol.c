#include "protocol.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

void protocol_init(struct protocol *p, const char *path)
{
    memset(p, 0, sizeof *p);
    p->path = path;
    p->file = last_part(path);
}

void protocol_finish(struct protocol *p)
{
    apir_arena_finish(&p->arena);
}

void *protocol_alloc(struct protocol *p, size_t count, size_t size)
{
    size_t total;
    void *memory = NULL;
    if (!__builtin_mul_overflow(count, size, &total))
        memory = apir_arena_alloc(&p->arena, total);
    if (!memory) {
        fprintf(stderr, "apir-scanner: out of memory\n");
        exit(2);
    }
    return memory;
}

const char *protocol_format(struct protocol *p, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0)
        length = 0;
    char *s = protocol_alloc(p, (size_t)length + 1, 1);
    va_start(args, format);
    vsnprintf(s, (size_t)length + 1, format, args);
    va_end(args);
    return s;
}

const char *protocol_upper(struct protocol *p, const char *s)
{
    char *upper = protocol_alloc(p, strlen(s) + 1, 1);
    for (size_t i = 0; s[i]; i++)
        upper[i] = (char)toupper((unsigned char)s[i]);
    return upper;
}

const char *protocol_replace(struct protocol *p, const char *s, char from, char to)
{
    char *replaced = protocol_alloc(p, strlen(s) + 1, 1);
    for (size_t i = 0; s[i]; i++)
        replaced[i] = s[i] == from ? to : s[i];
    return replaced;
}

void protocol_error(struct protocol *p, int line, const char *format, ...)
{
    va_list args;
    fprintf(stderr, "%s:%d: error: ", p->path, line);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    p->errors++;
}

size_t protocol_enabled_calls(const struct protocol *p)
{
    size_t n = 0;
    for (size_t i = 0; i < p->n_calls; i++)
        n += p->calls[i].enabled;
    return n;
}

bool kind_is_list(enum kind kind)
{
    return kind == KIND_ARRAY || kind == KIND_FIXED;
}

bool field_has_count(const struct field *f)
{
    return f->type.kind == KIND_BYTES || f->type.kind == KIND_ARRAY;
}
