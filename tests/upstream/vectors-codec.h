/* The generated code, by the names of the samples. */
#ifndef APIR_TESTS_UPSTREAM_VECTORS_CODEC_H
#define APIR_TESTS_UPSTREAM_VECTORS_CODEC_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "wire/cs.h"

/* Decodes one value and, if that is good, encodes it. */
typedef void vector_codec(struct apir_dec *dec, struct apir_enc *enc);

/* What the samples of one name are. The forms are those of vectors-layout.h, without header and return code. */
struct vector_row {
    const char *name;
    uint32_t command;
    uint32_t function; /* of FORWARD */
    uint32_t notif;    /* 1 + the return code */
    const char *args;
    const char *results;
    const char *shm; /* of the data blob; NULL: there is none, or it is plain data */
    vector_codec *args_codec, *results_codec, *shm_codec;
};

extern const struct vector_row vector_rows[];
extern const unsigned n_vector_rows;

enum vector_kind { VECTOR_REQUEST, VECTOR_REPLY, VECTOR_SHM };

/* Decodes a message of the kind to its end, and writes it anew. False if it is refused. */
bool vector_recode(const struct vector_row *row, enum vector_kind kind, struct apir_dec *dec, struct apir_enc *enc);

/* Prints it, with what is wrong with it. */
void vector_print(FILE *f, const struct vector_row *row, enum vector_kind kind, struct apir_dec *dec);

#endif
