/* generated from wide.yaml by apir-scanner; do not edit */
#ifndef WIDE_PROTOCOL_H
#define WIDE_PROTOCOL_H

#include <stdbool.h>
#include <stdint.h>

#define WIDE_PROTOCOL_MAJOR 0U
#define WIDE_PROTOCOL_MINOR 1U

/* Arguments of send. */
struct wide_send_args {
    const uint32_t *numbers;
    uint32_t n_numbers;
    const char *const *names;
    uint32_t n_names;
    const uint8_t *data;
    uint32_t n_data;
};

/* The calls. */
enum wide_call {
    WIDE_CALL_SEND = 9,
};

/* Name of a call, also of a disabled one; NULL if there is no such call. */
const char *wide_call_name(uint32_t call);

#endif
