/* What the bytes of a sample are, told without the generated code: a second opinion on protocol/apir-upstream.yaml. */
#ifndef APIR_TESTS_UPSTREAM_VECTORS_LAYOUT_H
#define APIR_TESTS_UPSTREAM_VECTORS_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LAYOUT_MAX_FIELDS = 4096 };

/* A form is a string of these letters, each with a number before it that repeats it:
 *   I u32            Q u64            b u8             B bool          i device type
 *   s shared-memory id, never 0       h handle, never 0
 *   z size in a buffer                g size of a graph                n count of a graph
 *   S string         N 64 bytes of text                - 4 bytes of padding
 *   T tensor, 304 bytes               R tensor of memory, 336 bytes    O R with what it refers to
 *   G graph          ? what follows may be missing */
struct layout_field {
    char letter; /* those of one value only: not T, R, O, G, ? */
    size_t offset;
    size_t size;
};

struct layout {
    struct layout_field fields[LAYOUT_MAX_FIELDS];
    size_t n;
    size_t size;     /* of all fields */
    size_t optional; /* a message may end here, too; 0: nowhere but at its end */
};

/* Lays the form over bytes. False if they are too few, or there are too many fields. */
bool layout_fill(struct layout *layout, const char *form, const uint8_t *bytes, size_t size);

/* Sets defined[i] to whether byte i means anything; for size bytes. */
void layout_defined(const struct layout *layout, const uint8_t *bytes, bool *defined);

/* Writes the value number `which` that the field must not have to its bytes in message. False if there is none. */
bool layout_spoil(const struct layout_field *field, unsigned which, uint8_t *message);

#endif
