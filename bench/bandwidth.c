#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "micro.h"
#include "util/clock.h"
#include "work.h"

enum { ALIGNMENT = 4096 };

/* What a value takes at least, so that the clock and the last round trip are no part of it: 16 MiB are 1 ms. */
#define LEAST_BYTES ((size_t)16 << 20)
#define MOST_REPEATS 256

/* The memory of one size: of the program, and for each arm of its device and of its host buffer type. */
struct memory {
    size_t size;
    char *from, *to;
    struct apir_work works[APIR_MAX_ARMS];
    ggml_backend_buffer_t host[APIR_MAX_ARMS]; /* NULL: the device has no such type */
};

static void finish_memory(struct memory *memory)
{
    for (size_t i = 0; i < APIR_MAX_ARMS; i++) {
        apir_work_finish(&memory->works[i]);
        ggml_backend_buffer_free(memory->host[i]);
    }
    free(memory->from);
    free(memory->to);
}

static void init_host(struct memory *memory, const struct apir_arm *arm, size_t index)
{
    ggml_backend_buffer_type_t type = ggml_backend_dev_host_buffer_type(arm->device);
    if (type)
        memory->host[index] = ggml_backend_buft_alloc_buffer(type, memory->size);
    if (memory->host[index])
        memset(ggml_backend_buffer_get_base(memory->host[index]), 2, memory->size);
}

static int init_memory(struct memory *memory, const struct apir_arms *arms, size_t size)
{
    int err = 0;
    *memory = (struct memory){.size = size};
    memory->from = aligned_alloc(ALIGNMENT, size);
    memory->to = aligned_alloc(ALIGNMENT, size);
    if (!memory->from || !memory->to)
        err = -ENOMEM;
    for (size_t i = 0; !err && i < arms->count; i++) {
        err = apir_work_init_data(&memory->works[i], arms->list[i].backend, size);
        if (!err)
            init_host(memory, &arms->list[i], i);
    }
    if (err) {
        finish_memory(memory);
        return err;
    }
    memset(memory->from, 1, size);
    memset(memory->to, 0, size);
    return 0;
}

static double speed(size_t bytes, uint64_t start)
{
    return (double)bytes / (double)(apir_clock_now() - start); /* bytes in a nanosecond are GB/s */
}

static size_t repeats_of(size_t size)
{
    size_t repeats = LEAST_BYTES / size;
    return repeats == 0 ? 1 : repeats > MOST_REPEATS ? MOST_REPEATS : repeats;
}

/* Sets may be posted: the get of their last byte waits for them all. */
static double take_set(struct apir_work *work, const char *from, size_t size)
{
    size_t repeats = repeats_of(size);
    char last;
    uint64_t start = apir_clock_now();
    for (size_t i = 0; i < repeats; i++)
        ggml_backend_tensor_set(work->input, from, 0, size);
    ggml_backend_tensor_get(work->input, &last, size - 1, 1);
    return speed(repeats * size, start);
}

static double take_get(struct apir_work *work, char *to, size_t size)
{
    size_t repeats = repeats_of(size);
    uint64_t start = apir_clock_now();
    for (size_t i = 0; i < repeats; i++)
        ggml_backend_tensor_get(work->input, to, 0, size);
    return speed(repeats * size, start);
}

static double take_memcpy(struct memory *memory)
{
    size_t repeats = repeats_of(memory->size);
    uint64_t start = apir_clock_now();
    for (size_t i = 0; i < repeats; i++) {
        memcpy(memory->to, memory->from, memory->size);
        __asm__ volatile("" : : "r"(memory->to) : "memory"); /* it is to be copied each time */
    }
    return speed(repeats * memory->size, start);
}

static int take_arm(struct apir_bench *bench, struct memory *memory, size_t index, unsigned int round, bool host)
{
    char *area = host ? ggml_backend_buffer_get_base(memory->host[index]) : NULL;
    const char *name = bench->arms->list[index].name;
    struct apir_work *work = &memory->works[index];
    double set = take_set(work, host ? area : memory->from, memory->size);
    double get = take_get(work, host ? area : memory->to, memory->size);
    int err = apir_samples_add(&bench->samples, host ? APIR_MEASURE_SET_HOST : APIR_MEASURE_SET, memory->size, name,
                               round, set);
    if (err)
        return err;
    return apir_samples_add(&bench->samples, host ? APIR_MEASURE_GET_HOST : APIR_MEASURE_GET, memory->size, name, round,
                            get);
}

/* The copy is the reference of all four; of the latter two only if a device has them. */
static int take_reference(struct apir_bench *bench, struct memory *memory, unsigned int round)
{
    enum apir_measure last = APIR_MEASURE_GET;
    int err = 0;
    double value = take_memcpy(memory);
    for (size_t i = 0; i < bench->arms->count; i++)
        if (memory->host[i])
            last = APIR_MEASURE_GET_HOST;
    for (enum apir_measure measure = APIR_MEASURE_SET; !err && measure <= last; measure++)
        err = apir_samples_add(&bench->samples, measure, memory->size, bench->arms->memcpy, round, value);
    return err;
}

static int take_round(struct apir_bench *bench, struct memory *memory, unsigned int round)
{
    int err = take_reference(bench, memory, round);
    for (size_t i = 0; !err && i < bench->arms->count; i++) {
        err = take_arm(bench, memory, i, round, false);
        if (!err && memory->host[i])
            err = take_arm(bench, memory, i, round, true);
    }
    return err;
}

static int measure_size(struct apir_bench *bench, size_t size)
{
    struct memory memory;
    int err = init_memory(&memory, bench->arms, size);
    if (err)
        return err;
    take_memcpy(&memory);
    for (size_t i = 0; i < bench->arms->count; i++) /* the first set makes the device's pages */
        take_set(&memory.works[i], memory.from, size);
    for (unsigned int round = 0; !err && round < bench->options->rounds; round++)
        err = take_round(bench, &memory, round);
    finish_memory(&memory);
    return err;
}

static bool is_wanted(const struct apir_bench_options *options)
{
    for (enum apir_measure measure = APIR_MEASURE_SET; measure <= APIR_MEASURE_GET_HOST; measure++)
        if (apir_bench_options_wants(options, measure))
            return true;
    return false;
}

int apir_bandwidth_measure(struct apir_bench *bench)
{
    int err = 0;
    if (!is_wanted(bench->options))
        return 0;
    for (size_t size = 4096; !err && size <= bench->options->max_size; size *= 4) {
        char text[32];
        apir_measure_print_parameter(APIR_MEASURE_SET, size, text, sizeof text);
        apir_bench_progress("set and get of %s", text);
        err = measure_size(bench, size);
    }
    return err;
}
