#include "upstream/compare.h"

#include <stdio.h>
#include <string.h>

#include "upstream/deployed-guest.h"

/* How a field of an answer is judged. */
enum rule {
    SAME_U32 = 1,
    SAME_U64,
    SAME_BOOL,   /* only the first byte means anything */
    FALSE_OR_SAME_BOOL,
    SAME_STRING, /* the last field */
    ANY_STRING,  /* the last field */
    VERSION,     /* major and minor: the minor may differ */
    DEVICE_TYPE, /* a CPU may be announced as a GPU */
    MEMORY,      /* free and total */
    HANDLE,
    HANDLE_OR_0,
    POWER_OF_2,
    SIZE,        /* at least a MiB */
};

enum { MAX_FIELDS = 5, HANDSHAKE_NOTIF = 0xab1f };

struct rules {
    uint32_t function;
    enum rule fields[MAX_FIELDS];
};

static const struct rules all_rules[] = {
    {0, {SAME_U32}},
    {1, {SAME_U32}},
    {2, {SAME_STRING}},
    {3, {ANY_STRING}},
    {4, {DEVICE_TYPE}},
    {5, {MEMORY}},
    {6, {SAME_BOOL}},
    {7, {HANDLE}},
    {8, {SAME_BOOL, SAME_BOOL, FALSE_OR_SAME_BOOL, SAME_BOOL, FALSE_OR_SAME_BOOL}},
    {9, {HANDLE_OR_0, HANDLE_OR_0}},
    {10, {SAME_STRING}},
    {11, {POWER_OF_2}},
    {12, {SIZE}},
    {13, {SAME_BOOL}},
    {14, {HANDLE}},
    {15, {SAME_U64}},
    {16, {HANDLE}},
    {19, {SAME_BOOL}},
    {22, {SAME_U32}},
};

static size_t string_field_size(const uint8_t *at)
{
    uint64_t size = deployed_u64(at);
    return size <= 256 ? 8 + ((size + 3) & ~(size_t)3) : 8;
}

static size_t field_size(enum rule rule, const uint8_t *at)
{
    switch (rule) {
    case SAME_U32:
    case SAME_BOOL:
    case FALSE_OR_SAME_BOOL:
    case DEVICE_TYPE:
        return 4;
    case MEMORY:
        return 16;
    case SAME_STRING:
    case ANY_STRING:
        return string_field_size(at);
    default:
        return 8;
    }
}

static bool is_string(const uint8_t *at)
{
    uint64_t size = deployed_u64(at);
    return size >= 1 && size <= 256 && memchr(at + 8, 0, size) == at + 8 + size - 1;
}

/* At most DEPLOYED_REPLY_SIZE bytes are read of an answer, however short it is: the reply blob is that large. */
static bool field_is_good(enum rule rule, const uint8_t *sample, const uint8_t *answer)
{
    uint64_t value = deployed_u64(answer);
    switch (rule) {
    case SAME_U32:
        return deployed_u32(sample) == deployed_u32(answer);
    case SAME_U64:
        return deployed_u64(sample) == value;
    case SAME_BOOL:
        return *sample == *answer;
    case FALSE_OR_SAME_BOOL:
        return *answer == 0 || *sample == *answer;
    case SAME_STRING:
        return is_string(answer) && strcmp((const char *)sample + 8, (const char *)answer + 8) == 0;
    case ANY_STRING:
        return is_string(answer);
    case VERSION:
        return deployed_u32(sample) == deployed_u32(answer) && deployed_u32(answer + 4) < 0x100;
    case DEVICE_TYPE:
        return deployed_u32(answer) == 1 || deployed_u32(sample) == deployed_u32(answer);
    case MEMORY:
        return deployed_u64(answer + 8) > 0 && value <= deployed_u64(answer + 8);
    case HANDLE:
        return value != 0;
    case HANDLE_OR_0:
        return true;
    case POWER_OF_2:
        return value != 0 && (value & (value - 1)) == 0;
    case SIZE:
        return value >= 1 << 20;
    }
    return false;
}

static const enum rule *rules_of(uint32_t function, uint32_t notif)
{
    static const enum rule none[MAX_FIELDS], handshake[MAX_FIELDS] = {VERSION};
    if (notif == HANDSHAKE_NOTIF)
        return handshake;
    for (size_t i = 0; i < sizeof all_rules / sizeof *all_rules; i++)
        if (all_rules[i].function == function && notif == DEPLOYED_OK)
            return all_rules[i].fields;
    return none;
}

static void describe(char *text, size_t size, size_t at, size_t length, const uint8_t *answer)
{
    int used = snprintf(text, size, "bytes %zu to %zu are", at, at + length);
    for (size_t i = 0; i < length && used + 4 < (int)size; i++)
        used += snprintf(text + used, size - (size_t)used, " %02x", answer[at + i]);
}

bool compare_reply(uint32_t function, const struct sample_bytes *sample, const uint8_t *answer, size_t written,
                   char *difference, size_t difference_size)
{
    uint32_t notif = deployed_u32(answer), wanted = deployed_u32(sample->data);
    if (notif != wanted) {
        snprintf(difference, difference_size, "notif is %u, not %u", notif, wanted);
        return false;
    }
    const enum rule *rules = rules_of(function, notif);
    size_t here = 4, there = 4;
    for (unsigned i = 0; i < MAX_FIELDS && rules[i]; i++) {
        size_t size = field_size(rules[i], answer + here);
        if (!field_is_good(rules[i], sample->data + there, answer + here)) {
            describe(difference, difference_size, here, size, answer);
            return false;
        }
        here += size;
        there += field_size(rules[i], sample->data + there);
    }
    snprintf(difference, difference_size, "%zu bytes were written, not %zu; the sample has %zu of %zu", written, here,
             there, sample->size);
    return written <= here && there == sample->size;
}
