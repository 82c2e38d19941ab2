#include "upstream/vectors-layout.h"

#include <ctype.h>
#include <string.h>

/* The state of one layout_fill. */
struct filler {
    struct layout *layout;
    const uint8_t *bytes;
    size_t size;
};

static const char tensor_form[] = "QI-Q4I4II16II10Q3QN2-";
static const char raw_form[] = "I-Q4Q4QI16II10Q3QN4-";

/* Offsets in a tensor of memory. */
enum { RAW_BUFFER = 8, RAW_SRC = 152, RAW_VIEW_SRC = 232, RAW_SOURCES = 10 };

static uint64_t read_number(const uint8_t *bytes, size_t size)
{
    uint64_t value = 0;
    for (size_t i = size; i--;)
        value = value << 8 | bytes[i];
    return value;
}

static void write_number(uint8_t *bytes, size_t size, uint64_t value)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
}

static bool add_field(struct filler *f, char letter, size_t size)
{
    struct layout *layout = f->layout;
    if (layout->n == LAYOUT_MAX_FIELDS || size > f->size || layout->size > f->size - size)
        return false;
    layout->fields[layout->n++] = (struct layout_field){letter, layout->size, size};
    layout->size += size;
    return true;
}

static bool add_string(struct filler *f)
{
    if (f->layout->size + 8 > f->size)
        return false;
    uint64_t length = read_number(f->bytes + f->layout->size, 8);
    return length <= f->size && add_field(f, 'S', 8 + ((size_t)length + 3) / 4 * 4);
}

static bool add_form(struct filler *f, const char *form);

/* The one that was added last starts at offset. */
static bool add_raw_op(struct filler *f)
{
    const uint8_t *op = f->bytes + f->layout->size;
    bool ok = add_form(f, raw_form);
    if (ok && read_number(op + RAW_BUFFER, 8))
        ok = add_field(f, 'Q', 8);
    if (ok && read_number(op + RAW_VIEW_SRC, 8))
        ok = add_form(f, raw_form);
    for (size_t i = 0; ok && i < RAW_SOURCES && read_number(op + RAW_SRC + 8 * i, 8); i++)
        ok = add_form(f, raw_form);
    return ok;
}

/* A count, then that many of form. */
static bool add_counted(struct filler *f, const char *form)
{
    size_t offset = f->layout->size;
    if (!add_field(f, 'n', 4))
        return false;
    uint64_t n = read_number(f->bytes + offset, 4);
    for (uint64_t i = 0; i < n; i++) {
        if (!add_form(f, form))
            return false;
    }
    return true;
}

static bool add_letter(struct filler *f, char letter)
{
    switch (letter) {
    case 'T':
        return add_form(f, tensor_form);
    case 'R':
        return add_form(f, raw_form);
    case 'O':
        return add_raw_op(f);
    case 'G':
        return add_counted(f, "Q") && add_counted(f, "T");
    case 'S':
        return add_string(f);
    case '?':
        f->layout->optional = f->layout->size;
        return true;
    case 'N':
        return add_field(f, letter, 64);
    default:
        return add_field(f, letter, strchr("Qhzg", letter) ? 8 : 4);
    }
}

static bool add_form(struct filler *f, const char *form)
{
    while (*form) {
        unsigned times = 0;
        while (isdigit((unsigned char)*form))
            times = 10 * times + (unsigned)(*form++ - '0');
        for (unsigned i = 0; i < (times ? times : 1); i++) {
            if (!add_letter(f, *form))
                return false;
        }
        form++;
    }
    return true;
}

bool layout_fill(struct layout *layout, const char *form, const uint8_t *bytes, size_t size)
{
    struct filler f = {layout, bytes, size};
    memset(layout, 0, sizeof *layout);
    return add_form(&f, form);
}

/* How many bytes of a field, from its first one, mean anything. */
static size_t defined_bytes(const struct layout_field *field, const uint8_t *bytes)
{
    switch (field->letter) {
    case '-':
        return 0;
    case 'b':
    case 'B':
        return 1;
    case 'N':
        return strnlen((const char *)bytes, field->size) + 1;
    case 'S':
        return 8 + (size_t)read_number(bytes, 8);
    default:
        return field->size;
    }
}

void layout_defined(const struct layout *layout, const uint8_t *bytes, bool *defined)
{
    for (size_t i = 0; i < layout->n; i++) {
        const struct layout_field *field = &layout->fields[i];
        size_t n = defined_bytes(field, bytes + field->offset);
        for (size_t j = 0; j < field->size; j++)
            defined[field->offset + j] = j < n;
    }
}

/* Sizes that a string must not have, and bytes that it must not end with. */
static bool spoil_string(const struct layout_field *field, unsigned which, uint8_t *bytes)
{
    static const uint64_t sizes[] = {0, 257, 0x100000001, UINT64_MAX};
    enum { N = sizeof sizes / sizeof *sizes };
    size_t length = (size_t)read_number(bytes, 8);
    if (which < N)
        write_number(bytes, 8, sizes[which]);
    else if (which == N)
        memset(bytes + 8, 'x', field->size - 8);
    else if (which == N + 1 && length > 1)
        bytes[8] = 0; /* two NULs */
    else
        return false;
    return true;
}

bool layout_spoil(const struct layout_field *field, unsigned which, uint8_t *message)
{
    static const uint64_t types[] = {5, 0x100, UINT32_MAX};
    static const uint64_t buffer_sizes[] = {0x1000000000001, UINT64_MAX};
    static const uint64_t graph_sizes[] = {0x10000001, 0x1000000000000, UINT64_MAX};
    static const uint64_t counts[] = {0x40001, 0x40000000, UINT32_MAX};
    static const uint64_t bools[] = {2, 0xff};
    static const uint64_t zero[] = {0};
    const uint64_t *bad = NULL;
    size_t n = 0, size = field->size;
    uint8_t *bytes = message + field->offset;
    switch (field->letter) {
    case 'i':
        bad = types, n = 3;
        break;
    case 'n':
        bad = counts, n = 3;
        break;
    case 'z':
        bad = buffer_sizes, n = 2;
        break;
    case 'g':
        bad = graph_sizes, n = 3;
        break;
    case 'B':
        bad = bools, n = 2, size = 1;
        break;
    case 's':
    case 'h':
        bad = zero, n = 1;
        break;
    case 'S':
        return spoil_string(field, which, bytes);
    case 'N':
        memset(bytes, 'x', size);
        return which == 0;
    default:
        break;
    }
    if (which >= n)
        return false;
    write_number(bytes, size, bad[which]);
    return true;
}
