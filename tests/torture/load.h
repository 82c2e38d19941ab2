/* Work for the tests that break things: what a program does with the first remote device, on threads of its own, until it
 * is told to stop or something fails. Only ggml's public interface is used. */
#ifndef APIR_TESTS_TORTURE_LOAD_H
#define APIR_TESTS_TORTURE_LOAD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <ggml-backend.h>

enum { LOAD_MAX_THREADS = 3 };

/* Nanoseconds since a start that all processes of this machine share. */
uint64_t load_now(void);

/* Pseudo-random numbers: the same for the same seed. */
uint64_t load_random(uint64_t *state);

/* The first device whose name begins with "[virtgpu]", or NULL. Loads ggml's backends. */
ggml_backend_dev_t load_find_device(void);

/* One session's use of the device: a graph of some size with its data. */
struct load {
    ggml_backend_t backend;
    struct ggml_context *context;
    struct ggml_tensor *input, *weights, *output;
    struct ggml_cgraph *graph;
    ggml_backend_buffer_t buffer;
    float *data;   /* of the input */
    float *result; /* of the output */
    int columns, rows;
    uint64_t random;
};

/* Why a turn did not succeed. */
enum load_result {
    LOAD_GOOD,
    LOAD_FAILED, /* a call said so */
    LOAD_WRONG,  /* no call said so, but the result is wrong */
};

/* A graph of columns x rows for one column of input. NULL if a call failed. */
struct load *load_create(ggml_backend_dev_t device, int columns, int rows, uint64_t seed);
void load_destroy(struct load *load);

/* Sets the input, computes, gets the output and checks it. */
enum load_result load_turn(struct load *load);

/* Other calls than that: memory asked, buffers made, written, read and freed. false: one failed. */
bool load_others(struct load *load, ggml_backend_dev_t device);

#endif
