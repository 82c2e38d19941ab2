/* generated from tests.yaml by apir-scanner; do not edit */
#ifndef TEST_PROTOCOL_H
#define TEST_PROTOCOL_H

#include <stdbool.h>
#include <stdint.h>

/* Every feature of the scanner, once or more. This text has * / and / * in it, which must not end
 * the comment that it becomes, and | bars.
 *
 * - a list
 * - of two items */

#define TEST_PROTOCOL_MAJOR 3U
#define TEST_PROTOCOL_MINOR 7U

/* short, so that tests reach it */
#define TEST_MAX_NAME 8U
/* more than the printer shows | and then some */
#define TEST_MAX_ITEMS 12U
/* a limit used as a lower bound */
#define TEST_MIN_LEVEL 2U
/* hexadecimal */
#define TEST_MAX_LEVEL 16U
/* needs 64 bits */
#define TEST_MAX_FAR 1311768467463790320ULL
/* a limit used as a count */
#define TEST_DIMS 3U

/* Sparse, and not in order. */
enum test_color {
    TEST_COLOR_RED = 3, /* the first */
    TEST_COLOR_GREEN = 1,
    TEST_COLOR_BLUE = 2147483647, /* the greatest that C11 allows */
};

/* Its name in the protocol file, NULL if there is no such value. */
const char *test_color_name(uint32_t value);

enum test_unit {
    TEST_UNIT_NONE = 0,
};

/* Its name in the protocol file, NULL if there is no such value. */
const char *test_unit_name(uint32_t value);

/* Two numbers. */
struct test_point {
    int32_t x; /* within both bounds */
    int32_t y;
};

/* One value of each scalar type. The second line of its text. */
struct test_item {
    int32_t a; /* bounds that check nothing */
    uint32_t b; /* limits for bounds */
    uint64_t c; /* wide */
    uint64_t d; /* a bound that checks nothing */
    bool e; /* false or true */
    float f; /* a number */
    uint32_t shm; /* never 0 */
    uint32_t maybe_shm; /* may be 0 */
    uint64_t owner; /* never 0 */
    uint64_t maybe_owner; /* may be 0 */
    enum test_color color; /* an enum whose field has its name */
    struct test_point at; /* a struct in a struct */
    const char *name; /* text */
};

/* Lists of every kind of item. */
struct test_group {
    const uint8_t *data; /* at least 2 bytes */
    uint32_t n_data;
    const int32_t *numbers;
    uint32_t n_numbers;
    const uint64_t *wide; /* at least one */
    uint32_t n_wide;
    const bool *flags;
    uint32_t n_flags;
    const float *weights;
    uint32_t n_weights;
    const enum test_color *colors;
    uint32_t n_colors;
    const char *const *names;
    uint32_t n_names;
    const struct test_point *points;
    uint32_t n_points;
    const uint64_t *things;
    uint32_t n_things;
    const uint32_t *shms;
    uint32_t n_shms;
    uint64_t offsets[TEST_DIMS];
    struct test_point corners[2];
    enum test_color palette[2];
    uint32_t bits[10];
};

/* Lists in lists. */
struct test_tree {
    const struct test_group *groups;
    uint32_t n_groups;
    struct test_item rows[1];
};

/* Arguments of tell. */
struct test_tell_args {
    struct test_item item; /* what */
};

/* Results of ask. */
struct test_ask_reply {
    uint32_t answer; /* the answer */
    const char *reason; /* why */
};

/* Arguments of swap. */
struct test_swap_args {
    struct test_tree tree; /* given */
    enum test_unit unit; /* an enum with one value */
};

/* Results of swap. */
struct test_swap_reply {
    struct test_tree tree; /* taken */
};

/* Arguments of far. */
struct test_far_args {
    uint32_t level; /* how far */
};

/* The calls. */
enum test_call {
    TEST_CALL_NOTHING = 1,
    TEST_CALL_TELL = 2,
    TEST_CALL_ASK = 3,
    TEST_CALL_SWAP = 4,
    TEST_CALL_OLD = 5, /* disabled: always refused */
    TEST_CALL_FAR = 65536,
};

/* Name of a call, also of a disabled one; NULL if there is no such call. */
const char *test_call_name(uint32_t call);

#endif
