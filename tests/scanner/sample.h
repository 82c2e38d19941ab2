/* Values of protocol/tests.yaml that are right, and the same as raw bytes, written without
 * generated code. */
#ifndef SAMPLE_H
#define SAMPLE_H

#include "test-protocol.h"
#include "wire/cs.h"

/* Each uses every field. What they point to is constant. */
struct test_item sample_item(void);
struct test_group sample_group(void);
/* Two groups, the second with as few items as it may have. Borrows groups, which it fills. */
struct test_tree sample_tree(struct test_group groups[2]);

/* A group for the wire. Tests spoil a field, and see it refused. */
struct raw_group {
    uint32_t n_data;
    uint32_t n_numbers;
    int32_t number; /* the last one */
    uint32_t n_wide;
    uint64_t wide; /* the last one */
    uint32_t n_flags;
    uint32_t flag; /* the last one */
    uint32_t n_weights;
    uint32_t n_colors;
    uint32_t color; /* the last one */
    uint32_t n_names;
    const char *name; /* the last one */
    uint32_t n_points;
    int32_t point_x; /* of the last one */
    uint32_t n_things;
    uint64_t thing; /* the last one */
    uint32_t n_shms;
    uint64_t offset;  /* the last one */
    int32_t corner_x; /* of the last one */
    uint32_t palette; /* the last one */
};

/* That of sample_group(). */
struct raw_group raw_sample_group(void);
/* Writes it without a check. */
void write_raw_group(struct apir_enc *enc, const struct raw_group *raw);

/* Fail the running test unless both are the same. */
void assert_same_item(const struct test_item *a, const struct test_item *b);
void assert_same_group(const struct test_group *a, const struct test_group *b);
void assert_same_tree(const struct test_tree *a, const struct test_tree *b);

#endif
