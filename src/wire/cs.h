/* Command streams: the cursors that write and read the bytes of messages.
 *
 * All values are little-endian with 4-byte granularity: bool takes 4 bytes, u64 needs only 4-byte alignment, a
 * string is a u64 size that counts its NUL, then its bytes padded to 4. These primitives are those of the APIR
 * wire as deployed. Both cursors are sticky: the first error sets `fatal`, later writes do nothing and later
 * reads give zero, so that callers check once at the end. */
#ifndef APIR_WIRE_CS_H
#define APIR_WIRE_CS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/arena.h"

/* Writes into memory of the caller. */
struct apir_enc {
    uint8_t *start;
    uint8_t *cur;
    uint8_t *end;
    const char *fatal; /* NULL, or a literal that says what went wrong first */
};

/* Reads memory of the caller, which must be private: not writable by the peer while it is read. */
struct apir_dec {
    const uint8_t *start;
    const uint8_t *cur;
    const uint8_t *end;
    struct apir_arena *arena; /* borrowed; where arrays go. NULL: a message with arrays is fatal */
    const char *fatal;        /* as in apir_enc */
};

/* Starts writing at data, size bytes at most. Borrows data. */
void apir_enc_init(struct apir_enc *enc, void *data, size_t size);
/* Bytes written so far. */
size_t apir_enc_used(const struct apir_enc *enc);
bool apir_enc_ok(const struct apir_enc *enc);
/* Records the first error; what must be a literal. */
void apir_enc_set_fatal(struct apir_enc *enc, const char *what);

void apir_enc_i32(struct apir_enc *enc, int32_t value);
void apir_enc_u32(struct apir_enc *enc, uint32_t value);
void apir_enc_u64(struct apir_enc *enc, uint64_t value);
void apir_enc_size(struct apir_enc *enc, uint64_t value);
void apir_enc_bool(struct apir_enc *enc, bool value);
void apir_enc_f32(struct apir_enc *enc, float value);
/* NULL is an error. Pad bytes are zero. */
void apir_enc_string(struct apir_enc *enc, const char *string);
/* u32 count, bytes, zero padding to 4. */
void apir_enc_bytes(struct apir_enc *enc, const void *bytes, uint32_t count);
/* A shared-memory id: u32, never 0. */
void apir_enc_shm(struct apir_enc *enc, uint32_t id);
/* One byte, then 3 of padding. */
void apir_enc_u8(struct apir_enc *enc, uint8_t value);
void apir_enc_byte_bool(struct apir_enc *enc, bool value);
/* A string in a field of count bytes, a multiple of 4, filled up with zeros. NULL, or one that leaves no room for its
 * NUL, is an error. */
void apir_enc_chars(struct apir_enc *enc, const char *string, uint32_t count);
/* count zeros, a multiple of 4. */
void apir_enc_pad(struct apir_enc *enc, uint32_t count);

/* Starts reading size bytes at data. Borrows both. */
void apir_dec_init(struct apir_dec *dec, const void *data, size_t size, struct apir_arena *arena);
/* Bytes not read yet; 0 after an error. */
size_t apir_dec_left(const struct apir_dec *dec);
bool apir_dec_ok(const struct apir_dec *dec);
void apir_dec_set_fatal(struct apir_dec *dec, const char *what);
/* Fatal if bytes are left; returns whether the message was good. */
bool apir_dec_finish(struct apir_dec *dec);

int32_t apir_dec_i32(struct apir_dec *dec);
uint32_t apir_dec_u32(struct apir_dec *dec);
uint64_t apir_dec_u64(struct apir_dec *dec);
uint64_t apir_dec_size(struct apir_dec *dec);
/* 0 or 1, all else is fatal. */
bool apir_dec_bool(struct apir_dec *dec);
float apir_dec_f32(struct apir_dec *dec);
/* Reads a u32 without moving. */
uint32_t apir_dec_peek_u32(struct apir_dec *dec);
/* In place. max counts the NUL, which must be the last byte and the only one. "" after an error, never NULL. */
const char *apir_dec_string(struct apir_dec *dec, uint32_t max);
/* In place. At most max bytes; *count is 0 after an error. */
const uint8_t *apir_dec_bytes(struct apir_dec *dec, uint32_t max, uint32_t *count);
/* The count of an array: at most max, and no more than the bytes left could hold (4 bytes an element). */
uint32_t apir_dec_count(struct apir_dec *dec, uint32_t max);
/* A shared-memory id: u32, 0 is fatal. */
uint32_t apir_dec_shm(struct apir_dec *dec);
/* One byte; the 3 behind it may be anything. */
uint8_t apir_dec_u8(struct apir_dec *dec);
/* The same, 0 or 1, all else is fatal. */
bool apir_dec_byte_bool(struct apir_dec *dec);
/* In place: the string in a field of count bytes, which must have a NUL; what follows that may be anything. "" after an
 * error, never NULL. */
const char *apir_dec_chars(struct apir_dec *dec, uint32_t count);
/* Skips count bytes, which may be anything. */
void apir_dec_pad(struct apir_dec *dec, uint32_t count);
/* Zeroed memory from the arena for count elements; NULL and fatal when it cannot be had. Count 0 gives a valid
 * pointer. */
void *apir_dec_alloc(struct apir_dec *dec, uint32_t count, size_t size);

#endif
