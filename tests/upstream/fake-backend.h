/* A backend library for tests: what its functions do. */
#ifndef APIR_TESTS_UPSTREAM_FAKE_BACKEND_H
#define APIR_TESTS_UPSTREAM_FAKE_BACKEND_H

/* apir_backend_initialize returns the number that the key ggml.library.init has, 0 without one. */
enum {
    FAKE_ECHO = 0,   /* results: the arguments */
    FAKE_CONFIG = 1, /* arguments: a key; results: its value with NUL, nothing if there is none */
    FAKE_STORE = 2,  /* u32 memory id: stores 7 in its first word; results: u32, whether there is such memory */
    FAKE_HOLD = 3,   /* u32 memory id: stores 1 in word 0, waits for word 1, then stores 1 in word 2 */
    FAKE_CODE = 4,   /* u32 code: returns it, with results */
    FAKE_BEYOND = 5, /* says that it wrote one byte more than there is room */
    FAKE_BEFORE = 6, /* says that its results end before they begin */
    FAKE_ROOM = 7,   /* results: u64 room for results */
    FAKE_MOST = 8,   /* fills all the room */
};

#endif
