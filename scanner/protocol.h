/* What a protocol file says: filled by parse.c, completed and judged by check.c, read by the
 * emitters. Everything a struct protocol points to lives in its arena. */
#ifndef APIR_SCANNER_PROTOCOL_H
#define APIR_SCANNER_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/arena.h"

/* A word of the file, and where it stands. */
struct text {
    const char *s; /* NULL: not given */
    int line;
};

/* A number, or the name of a limit. */
struct number {
    struct text text;
    const struct limit *limit; /* NULL: a literal */
    bool known;                /* the rest is set: no error was reported */
    bool negative;
    uint64_t magnitude;
};

enum kind {
    KIND_INVALID, /* an error has been reported */
    KIND_I32,
    KIND_U32,
    KIND_U64,
    KIND_SIZE,
    KIND_BOOL,
    KIND_F32,
    KIND_SHM,
    KIND_HANDLE,
    KIND_STRING,
    KIND_BYTES,
    KIND_ARRAY,
    KIND_FIXED,
    KIND_U8,
    KIND_BYTE_BOOL,
    KIND_PAD,
    KIND_CHARS,
    KIND_ENUM,
    KIND_STRUCT,
};

/* When a field is in a message. */
enum presence {
    PRESENT_ALWAYS,
    PRESENT_NOT_ZERO, /* an earlier number is not 0 */
    PRESENT_REST,     /* the message does not end before it */
};

/* The type of one value: of a field, or of an item of an array. */
struct type {
    enum kind kind;
    const char *name;                     /* as written */
    const struct enumeration *enumerated; /* KIND_ENUM */
    const struct record *record;          /* KIND_STRUCT */
    struct number min;                    /* of the value; of the count for bytes and arrays */
    struct number max;
    bool optional;         /* shm, handle: may be 0 */
    const char *handle_of; /* handle: kind of the object */
    uint64_t wire_min;     /* the least it takes in a message */
};

struct field {
    struct text name;
    const char *doc;
    /* As written. */
    struct text type_name;
    struct text of;
    struct text item_of;
    struct text optional_text;
    struct text condition; /* 'if': "rest", or the path of a number, which is that in C, too */
    struct text leading;   /* the path of a fixed array, likewise */
    bool optional;
    struct number min;
    struct number max;
    struct number item_min;
    struct number item_max;
    /* By check.c; count is as written, too. */
    struct number count;
    struct type type;
    struct type item; /* array, fixed */
    enum presence presence;
    const struct field *leader; /* array: what leading names; NULL: the count is in the message */
};

/* A struct of the protocol, or the arguments or results of a call. */
struct record {
    struct text name;  /* "tensor"; "buffer_alloc_args" */
    const char *label; /* in messages: "tensor"; "buffer_alloc" */
    const char *doc;
    struct field *fields;
    size_t n_fields;
    uint64_t memory_size; /* of the C struct, rounded up */
    uint64_t wire_min;    /* the least it takes in a message */
};

struct limit {
    struct text name;
    const char *why;
    struct number value;
    const char *c_name; /* "APIR_MAX_NAME" */
};

struct enum_value {
    struct text name;
    const char *doc;
    struct number value;
    const char *c_name; /* "APIR_DEVICE_TYPE_CPU" */
};

struct enumeration {
    struct text name;
    const char *doc;
    struct enum_value *values;
    size_t n_values;
};

struct call {
    struct text name;
    const char *doc;
    struct number number;
    bool enabled;
    struct record args;  /* no fields: nothing is generated for it */
    struct record reply; /* likewise */
    const char *c_name;  /* "APIR_CALL_BUFFER_ALLOC" */
};

/* Memory is released by protocol_finish. */
struct protocol {
    struct apir_arena arena;
    const char *path; /* for messages; borrowed */
    const char *file; /* its last part */
    struct text name;
    struct text prefix;        /* "apir" */
    const char *PREFIX;        /* "APIR" */
    const char *dashed;        /* prefix in names of files: "apir-upstream" */
    struct text client_type;   /* what sends calls: "apir_queue" */
    struct text client_header; /* that declares it: "client/queue.h" */
    bool client_posts;         /* a call without results is not waited for */
    const char *client_name;   /* of a parameter of that type: "queue" */
    const char *doc;
    struct number major;
    struct number minor;
    bool count_u64; /* counts of arrays take 8 bytes on the wire */
    struct limit *limits;
    size_t n_limits;
    struct enumeration *enums;
    size_t n_enums;
    struct record *structs;
    size_t n_structs;
    struct call *calls;
    size_t n_calls;
    unsigned errors; /* reported so far */
};

/* An empty protocol of the file at path, which is borrowed. */
void protocol_init(struct protocol *p, const char *path);
void protocol_finish(struct protocol *p);

/* Zeroed memory of the protocol. Without memory the program ends with status 2. */
void *protocol_alloc(struct protocol *p, size_t count, size_t size);
/* A formatted string in memory of the protocol. */
const char *protocol_format(struct protocol *p, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* "max_name" to "MAX_NAME". */
const char *protocol_upper(struct protocol *p, const char *s);
/* s with each `from` replaced by `to`. */
const char *protocol_replace(struct protocol *p, const char *s, char from, char to);
/* Reports "path:line: error: text" and counts it. */
void protocol_error(struct protocol *p, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Calls that are enabled. */
size_t protocol_enabled_calls(const struct protocol *p);
bool kind_is_list(enum kind kind);           /* array or fixed */
bool field_has_count(const struct field *f); /* bytes or array: there is a member n_NAME */

#endif
