/* generated from odd.yaml by apir-scanner; do not edit */
#ifndef ODD_ONE_PROTOCOL_H
#define ODD_ONE_PROTOCOL_H

#include <stdbool.h>
#include <stdint.h>

/* A prefix of two words, and a client that is no queue. */

#define ODD_ONE_PROTOCOL_MAJOR 0U
#define ODD_ONE_PROTOCOL_MINOR 2U

/* bytes of text in a struct */
#define ODD_ONE_NAME_SIZE 8U
/* short, so that tests reach it */
#define ODD_ONE_MAX_REFS 3U

/* Single bytes, padding and text in place. */
struct odd_one_entry {
    uint8_t kind; /* within both bounds */
    uint8_t byte; /* a bound that checks nothing */
    bool on; /* false or true */
    const char *name; /* text */
};

struct odd_one_head {
    uint32_t flags; /* decides about a field */
    bool on; /* another */
    uint64_t refs[ODD_ONE_MAX_REFS]; /* decides how many items there are */
};

/* Fields that are there only sometimes. */
struct odd_one_cluster {
    struct odd_one_head head;
    int32_t level; /* a number with bounds */
    const char *text; /* text */
    const char *label; /* text in place */
    const uint8_t *data; /* bytes */
    uint32_t n_data;
    const uint8_t *list; /* an array */
    uint32_t n_list;
    bool pair[2]; /* a fixed array */
    struct odd_one_entry spare; /* a struct */
    const struct odd_one_entry *entries; /* one for each ref */
    uint32_t n_entries;
    uint32_t sizes[2];
    const uint32_t *squares; /* of u32 */
    uint32_t n_squares;
};

/* Arguments of zero. */
struct odd_one_zero_args {
    struct odd_one_cluster cluster;
};

/* Results of zero. */
struct odd_one_zero_reply {
    struct odd_one_entry entry;
};

/* Arguments of tail. */
struct odd_one_tail_args {
    uint32_t size;
    struct odd_one_entry entry; /* newer peers send it */
    bool has_entry; /* whether the message has it */
};

/* Results of tail. */
struct odd_one_tail_reply {
    bool done;
    const char *reason; /* newer peers send it */
    bool has_reason; /* whether the message has it */
};

/* The calls. */
enum odd_one_call {
    ODD_ONE_CALL_ZERO = 0,
    ODD_ONE_CALL_TAIL = 1,
    ODD_ONE_CALL_GONE = 2, /* disabled: always refused */
};

/* Name of a call, also of a disabled one; NULL if there is no such call. */
const char *odd_one_call_name(uint32_t call);

#endif
