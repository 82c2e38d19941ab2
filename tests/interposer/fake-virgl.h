/* What stands in for the real libvirglrenderer in the tests: it notes each call and its arguments. */
#ifndef APIR_TESTS_FAKE_VIRGL_H
#define APIR_TESTS_FAKE_VIRGL_H

#include <stdint.h>

#define FAKE_EXPORT __attribute__((visibility("default")))

enum {
    FAKE_RESULT = 77,      /* what its functions return */
    FAKE_VENUS_SIZE = 158, /* of its Venus capset, no multiple of 4; filled with FAKE_VENUS_BYTE */
    FAKE_VENUS_BYTE = 0x5a,
};

/* The latest call, as "name argument argument...", or "" if there was none since; then there was none since. */
FAKE_EXPORT const char *fake_virgl_take_call(void);

/* Whether it has Venus. It does unless this was called with 0. */
FAKE_EXPORT void fake_virgl_set_venus(int has_venus);

/* What virgl_renderer_get_poll_fd() returns; -1 unless this was called. */
FAKE_EXPORT void fake_virgl_set_poll_fd(int fd);

#endif
