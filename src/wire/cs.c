#include "wire/cs.h"

#include <string.h>

static size_t pad4(size_t size)
{
    return (size + 3) & ~(size_t)3;
}

void apir_enc_init(struct apir_enc *enc, void *data, size_t size)
{
    enc->start = data;
    enc->cur = data;
    enc->end = enc->start + size;
    enc->fatal = NULL;
}

size_t apir_enc_used(const struct apir_enc *enc)
{
    return (size_t)(enc->cur - enc->start);
}

bool apir_enc_ok(const struct apir_enc *enc)
{
    return !enc->fatal;
}

void apir_enc_set_fatal(struct apir_enc *enc, const char *what)
{
    if (!enc->fatal)
        enc->fatal = what;
}

/* Room for size bytes, or NULL and fatal. */
static uint8_t *enc_room(struct apir_enc *enc, size_t size)
{
    if (enc->fatal)
        return NULL;
    if (size > (size_t)(enc->end - enc->cur)) {
        enc->fatal = "message exceeds its buffer";
        return NULL;
    }
    uint8_t *room = enc->cur;
    enc->cur += size;
    return room;
}

static void enc_padded(struct apir_enc *enc, const void *bytes, size_t size)
{
    if (size > SIZE_MAX - 3) {
        apir_enc_set_fatal(enc, "size wraps");
        return;
    }
    uint8_t *room = enc_room(enc, pad4(size));
    if (!room)
        return;
    if (size)
        memcpy(room, bytes, size);
    memset(room + size, 0, pad4(size) - size);
}

void apir_enc_u32(struct apir_enc *enc, uint32_t value)
{
    uint8_t *room = enc_room(enc, 4);
    if (!room)
        return;
    for (int i = 0; i < 4; i++)
        room[i] = (uint8_t)(value >> (8 * i));
}

void apir_enc_u64(struct apir_enc *enc, uint64_t value)
{
    uint8_t *room = enc_room(enc, 8);
    if (!room)
        return;
    for (int i = 0; i < 8; i++)
        room[i] = (uint8_t)(value >> (8 * i));
}

void apir_enc_i32(struct apir_enc *enc, int32_t value)
{
    apir_enc_u32(enc, (uint32_t)value);
}

void apir_enc_size(struct apir_enc *enc, uint64_t value)
{
    apir_enc_u64(enc, value);
}

void apir_enc_bool(struct apir_enc *enc, bool value)
{
    apir_enc_u32(enc, value);
}

void apir_enc_f32(struct apir_enc *enc, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    apir_enc_u32(enc, bits);
}

void apir_enc_string(struct apir_enc *enc, const char *string)
{
    if (!string) {
        apir_enc_set_fatal(enc, "string is missing");
        return;
    }
    size_t size = strlen(string) + 1;
    apir_enc_u64(enc, size);
    enc_padded(enc, string, size);
}

void apir_enc_bytes(struct apir_enc *enc, const void *bytes, uint32_t count)
{
    apir_enc_u32(enc, count);
    enc_padded(enc, bytes, count);
}

void apir_enc_shm(struct apir_enc *enc, uint32_t id)
{
    if (id == 0)
        apir_enc_set_fatal(enc, "shared-memory id is 0");
    apir_enc_u32(enc, id);
}

void apir_enc_u8(struct apir_enc *enc, uint8_t value)
{
    apir_enc_u32(enc, value);
}

void apir_enc_byte_bool(struct apir_enc *enc, bool value)
{
    apir_enc_u32(enc, value);
}

void apir_enc_chars(struct apir_enc *enc, const char *string, uint32_t count)
{
    size_t length = string ? strlen(string) : 0;
    if (!string || length >= count) {
        apir_enc_set_fatal(enc, string ? "string is too long" : "string is missing");
        return;
    }
    uint8_t *room = enc_room(enc, count);
    if (!room)
        return;
    memcpy(room, string, length);
    memset(room + length, 0, count - length);
}

void apir_enc_pad(struct apir_enc *enc, uint32_t count)
{
    uint8_t *room = enc_room(enc, count);
    if (room)
        memset(room, 0, count);
}

void apir_dec_init(struct apir_dec *dec, const void *data, size_t size, struct apir_arena *arena)
{
    dec->start = data;
    dec->cur = data;
    dec->end = dec->start + size;
    dec->arena = arena;
    dec->fatal = NULL;
}

size_t apir_dec_left(const struct apir_dec *dec)
{
    return dec->fatal ? 0 : (size_t)(dec->end - dec->cur);
}

bool apir_dec_ok(const struct apir_dec *dec)
{
    return !dec->fatal;
}

void apir_dec_set_fatal(struct apir_dec *dec, const char *what)
{
    if (!dec->fatal)
        dec->fatal = what;
}

bool apir_dec_finish(struct apir_dec *dec)
{
    if (dec->cur != dec->end)
        apir_dec_set_fatal(dec, "bytes are left over");
    return apir_dec_ok(dec);
}

/* size bytes at the cursor, which moves; NULL and fatal when there are fewer. */
static const uint8_t *dec_take(struct apir_dec *dec, uint64_t size)
{
    if (dec->fatal)
        return NULL;
    if (size > (size_t)(dec->end - dec->cur)) {
        dec->fatal = "message is truncated";
        return NULL;
    }
    const uint8_t *bytes = dec->cur;
    dec->cur += size;
    return bytes;
}

/* size bytes and their padding. */
static const uint8_t *dec_padded(struct apir_dec *dec, uint64_t size)
{
    if (size > UINT32_MAX) {
        apir_dec_set_fatal(dec, "size is too large");
        return NULL;
    }
    return dec_take(dec, pad4(size));
}

uint32_t apir_dec_u32(struct apir_dec *dec)
{
    const uint8_t *bytes = dec_take(dec, 4);
    uint32_t value = 0;
    for (int i = 0; bytes && i < 4; i++)
        value |= (uint32_t)bytes[i] << (8 * i);
    return value;
}

uint64_t apir_dec_u64(struct apir_dec *dec)
{
    const uint8_t *bytes = dec_take(dec, 8);
    uint64_t value = 0;
    for (int i = 0; bytes && i < 8; i++)
        value |= (uint64_t)bytes[i] << (8 * i);
    return value;
}

uint32_t apir_dec_peek_u32(struct apir_dec *dec)
{
    struct apir_dec ahead = *dec;
    uint32_t value = apir_dec_u32(&ahead);
    dec->fatal = ahead.fatal;
    return value;
}

int32_t apir_dec_i32(struct apir_dec *dec)
{
    return (int32_t)apir_dec_u32(dec);
}

uint64_t apir_dec_size(struct apir_dec *dec)
{
    return apir_dec_u64(dec);
}

bool apir_dec_bool(struct apir_dec *dec)
{
    uint32_t value = apir_dec_u32(dec);
    if (value > 1)
        apir_dec_set_fatal(dec, "bool is neither 0 nor 1");
    return value == 1;
}

float apir_dec_f32(struct apir_dec *dec)
{
    uint32_t bits = apir_dec_u32(dec);
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

const char *apir_dec_string(struct apir_dec *dec, uint32_t max)
{
    uint64_t size = apir_dec_u64(dec);
    if (apir_dec_ok(dec) && (size == 0 || size > max))
        apir_dec_set_fatal(dec, "string is too long or has no size");
    const uint8_t *bytes = dec_padded(dec, size);
    if (bytes && memchr(bytes, 0, size) != bytes + size - 1) {
        apir_dec_set_fatal(dec, "string does not end with its only NUL");
        bytes = NULL;
    }
    return bytes ? (const char *)bytes : "";
}

const uint8_t *apir_dec_bytes(struct apir_dec *dec, uint32_t max, uint32_t *count)
{
    uint32_t size = apir_dec_u32(dec);
    if (size > max)
        apir_dec_set_fatal(dec, "byte count exceeds its maximum");
    const uint8_t *bytes = dec_padded(dec, size);
    *count = bytes ? size : 0;
    return bytes;
}

uint32_t apir_dec_count(struct apir_dec *dec, uint32_t max)
{
    uint32_t count = apir_dec_u32(dec);
    if (count > max)
        apir_dec_set_fatal(dec, "array count exceeds its maximum");
    else if (count > apir_dec_left(dec) / 4)
        apir_dec_set_fatal(dec, "array count exceeds the message");
    return apir_dec_ok(dec) ? count : 0;
}

uint32_t apir_dec_shm(struct apir_dec *dec)
{
    uint32_t id = apir_dec_u32(dec);
    if (id == 0)
        apir_dec_set_fatal(dec, "shared-memory id is 0");
    return id;
}

uint8_t apir_dec_u8(struct apir_dec *dec)
{
    return (uint8_t)apir_dec_u32(dec);
}

bool apir_dec_byte_bool(struct apir_dec *dec)
{
    uint8_t value = apir_dec_u8(dec);
    if (value > 1)
        apir_dec_set_fatal(dec, "bool is neither 0 nor 1");
    return value == 1;
}

const char *apir_dec_chars(struct apir_dec *dec, uint32_t count)
{
    const uint8_t *bytes = dec_take(dec, count);
    if (bytes && !memchr(bytes, 0, count)) {
        apir_dec_set_fatal(dec, "string has no NUL");
        bytes = NULL;
    }
    return bytes ? (const char *)bytes : "";
}

void apir_dec_pad(struct apir_dec *dec, uint32_t count)
{
    (void)dec_take(dec, count);
}

void *apir_dec_alloc(struct apir_dec *dec, uint32_t count, size_t size)
{
    size_t total;
    if (dec->fatal)
        return NULL;
    if (!dec->arena || __builtin_mul_overflow((size_t)count, size, &total)) {
        dec->fatal = "array has no memory to go to";
        return NULL;
    }
    void *memory = apir_arena_alloc(dec->arena, total);
    if (!memory)
        dec->fatal = "out of memory for an array";
    return memory;
}
