/* The emitters, one for each kind of output, and what they share. */
#ifndef APIR_SCANNER_EMIT_H
#define APIR_SCANNER_EMIT_H

#include <stdio.h>

#include "protocol.h"

/* Where the output goes. Borrows both; errors of the file are found by its owner when it is closed.
 */
struct out {
    FILE *file;
    const struct protocol *p;
};

void emit_header(struct out *o);
void emit_codec_header(struct out *o);
void emit_codec(struct out *o);
void emit_client_header(struct out *o);
void emit_client(struct out *o);
void emit_server_header(struct out *o);
void emit_server(struct out *o);
void emit_print_header(struct out *o);
void emit_print(struct out *o);
void emit_doc(struct out *o);
void emit_fuzz(struct out *o);

/* Writes as printf does. */
void emit(struct out *o, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* "generated from ..." */
void emit_banner(struct out *o);
/* Start and end of a header: banner and include guard. name as in "apir-NAME.h". */
void emit_guard(struct out *o, const char *name);
void emit_guard_end(struct out *o);

/* text as a comment of its own, indented, wrapped; nothing if it is empty. */
void emit_comment(struct out *o, int indent, const char *text);
/* line, with text as a comment behind it if that fits, else above it. */
void emit_commented(struct out *o, int indent, const char *text, const char *line);

/* "head(first, second, ...)tail", broken where lines get long. */
void emit_call(struct out *o, const char *head, const char *const *args, size_t n,
               const char *tail);

/* Calls work(o, r) for every record that code is generated for: structs, then arguments and results
 * of enabled calls. */
void for_each_record(struct out *o, void (*work)(struct out *o, const struct record *r));
/* Calls work(o, call) for every enabled call. */
void for_each_enabled(struct out *o, void (*work)(struct out *o, const struct call *call));

/* What occurs anywhere. */
struct kinds {
    bool has[KIND_STRUCT + 1]; /* a value of that kind, items included */
    bool presence[PRESENT_REST + 1];
    bool leading; /* an array without a count */
    bool empty;   /* a message without fields */
};
void find_kinds(const struct protocol *p, struct kinds *kinds);

/* "struct apir_tensor", "uint32_t", ...: the C type of a value. In memory of buffer, size bytes. */
enum { C_TYPE_SIZE = 160 };
const char *c_type(const struct out *o, const struct type *type, char buffer[C_TYPE_SIZE]);

/* A number as C: the name of a limit, or a literal that fits the kind. */
const char *c_number(const struct number *n, enum kind kind, char buffer[C_TYPE_SIZE]);

/* A count as C: the name of a limit, or a plain literal. */
const char *c_count(const struct number *n, char buffer[C_TYPE_SIZE]);

/* "u32" of apir_enc_u32 and apir_dec_u32 for a scalar of that kind. */
const char *wire_suffix(enum kind kind);

/* Whether a value may lie outside its bounds in C at all, so that a check makes sense. */
bool min_matters(const struct type *type);
bool max_matters(const struct type *type);

#endif
