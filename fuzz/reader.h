/* Takes an input apart, from its start. After the last byte everything is zero. */
#ifndef APIR_FUZZ_READER_H
#define APIR_FUZZ_READER_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct reader {
    const uint8_t *data;
    size_t left;
};

/* Copies size bytes; those that are missing are zero. */
static inline void reader_copy(struct reader *reader, void *to, size_t size)
{
    size_t there = size < reader->left ? size : reader->left;
    memset(to, 0, size);
    if (there > 0)
        memcpy(to, reader->data, there);
    reader->data += there;
    reader->left -= there;
}

static inline uint8_t reader_u8(struct reader *reader)
{
    uint8_t value;
    reader_copy(reader, &value, sizeof value);
    return value;
}

static inline uint16_t reader_u16(struct reader *reader)
{
    uint16_t value;
    reader_copy(reader, &value, sizeof value);
    return value;
}

static inline uint32_t reader_u32(struct reader *reader)
{
    uint32_t value;
    reader_copy(reader, &value, sizeof value);
    return value;
}

/* The next bytes, at most size, in place; *got of them. */
static inline const uint8_t *reader_take(struct reader *reader, size_t size, size_t *got)
{
    const uint8_t *bytes = reader->data;
    *got = size < reader->left ? size : reader->left;
    reader->data += *got;
    reader->left -= *got;
    return bytes;
}

#endif
