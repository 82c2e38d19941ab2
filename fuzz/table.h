/* The messages of a protocol as tables, which the scanner makes of its YAML: what a mutator needs to know. */
#ifndef APIR_FUZZ_TABLE_H
#define APIR_FUZZ_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum fuzz_kind {
    FUZZ_I32,
    FUZZ_U32,
    FUZZ_U64,
    FUZZ_BOOL,
    FUZZ_F32,
    FUZZ_SHM,
    FUZZ_HANDLE,
    FUZZ_STRING,
    FUZZ_BYTES,
    FUZZ_U8,
    FUZZ_BYTE_BOOL,
    FUZZ_PAD,
    FUZZ_CHARS,
    FUZZ_ENUM,
    FUZZ_STRUCT,
};

enum fuzz_list {
    FUZZ_ONE,     /* no list */
    FUZZ_COUNTED, /* a count, then the items */
    FUZZ_LEADING, /* as many items as a fixed list before it begins with numbers other than 0 */
    FUZZ_FIXED,   /* count_max items */
};

enum { FUZZ_NO_CALL = -1 };

struct apir_dec;
struct apir_enc;
struct fuzz_record;

struct fuzz_field {
    const char *name;
    enum fuzz_kind kind; /* of the value, or of each item */
    enum fuzz_list list;
    uint64_t min, max;   /* of numbers; of the bytes of text with its NUL */
    bool has_max;
    bool optional;       /* handles, shared memory: may be 0 */
    const char *of;      /* handles: of what */
    uint64_t count_min, count_max; /* of items; count_max of padding and of text in place: its bytes */
    const uint32_t *values;        /* of an enum */
    size_t n_values;
    const struct fuzz_record *record;
    const char *condition; /* NULL: it is always there; "rest": if the message goes on; else the path of a number */
    const char *leading;   /* path of the list that tells how many */
};

struct fuzz_record {
    const char *name;
    const struct fuzz_field *fields;
    size_t n_fields;
    void (*decode)(struct apir_dec *dec, void *value);
    void (*encode)(struct apir_enc *enc, const void *value);
    size_t size; /* of the value */
};

/* A call, or with FUZZ_NO_CALL a struct, which shared memory may hold. */
struct fuzz_message {
    const char *name;
    int64_t call;
    const struct fuzz_record *args, *reply; /* NULL: none */
};

struct fuzz_protocol {
    const struct fuzz_message *messages;
    size_t n_messages;
    bool counts_u64; /* counts of lists take 8 bytes */
    int (*print_call)(FILE *file, uint32_t call, struct apir_dec *dec);
    int (*print_reply)(FILE *file, uint32_t call, struct apir_dec *dec);
};

extern const struct fuzz_protocol apir_fuzz_protocol, apir_upstream_fuzz_protocol;

#endif
