/* apir-bench-decode: speed and counters of llama.cpp, all arms in one process, alternating. Prints samples; for
 * apir-bench, whose options it takes. With --hold: says "ready", and at the first line of its input generates as many
 * tokens as --tokens says, on the last arm. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <llama.h>

#include "arms.h"
#include "samples.h"
#include "util/clock.h"

enum { TOKENS = 64, CONTEXT = 512 };

/* A model on an arm's device. */
struct decoder {
    const struct apir_arm *arm;
    struct llama_model *model;
    struct llama_context *context;
};

static void log_errors_only(enum ggml_log_level level, const char *text, void *unused)
{
    (void)unused;
    if (level == GGML_LOG_LEVEL_ERROR)
        fputs(text, stderr);
}

static void finish_decoder(struct decoder *decoder)
{
    llama_free(decoder->context);
    llama_model_free(decoder->model);
}

/* On the CPU without repacked weights, which no other arm has. */
static int init_decoder(struct decoder *decoder, const struct apir_arm *arm, const char *path)
{
    bool native = ggml_backend_dev_type(arm->device) == GGML_BACKEND_DEVICE_TYPE_CPU;
    ggml_backend_dev_t devices[] = {native ? NULL : arm->device, NULL};
    struct llama_model_params model = llama_model_default_params();
    struct llama_context_params context = llama_context_default_params();
    model.devices = devices;
    model.n_gpu_layers = native ? 0 : 99;
    model.use_extra_bufts = !native;
    context.n_ctx = CONTEXT;
    context.n_threads = context.n_threads_batch = 1;
    *decoder = (struct decoder){.arm = arm, .model = llama_model_load_from_file(path, model)};
    if (decoder->model)
        decoder->context = llama_init_from_model(decoder->model, context);
    if (decoder->context)
        return 0;
    fprintf(stderr, "apir bench: %s cannot be used on %s\n", path, ggml_backend_dev_name(arm->device));
    finish_decoder(decoder);
    return -EIO;
}

/* Runs tokens in steps of `at_once`, from an empty memory, and waits for the last. 0 or -EIO. */
static int run_tokens(struct decoder *decoder, int tokens, int at_once)
{
    llama_token list[TOKENS];
    for (int i = 0; i < TOKENS; i++)
        list[i] = 300 + i; /* the words mean nothing */
    for (int i = 0; i < tokens; i += at_once) {
        if (i % CONTEXT == 0)
            llama_memory_clear(llama_get_memory(decoder->context), false);
        if (llama_decode(decoder->context, llama_batch_get_one(&list[i % TOKENS], at_once)))
            return -EIO;
    }
    llama_synchronize(decoder->context);
    return 0;
}

static int time_tokens(struct decoder *decoder, struct apir_samples *samples, enum apir_measure measure, int at_once,
                       unsigned int round)
{
    uint64_t start = apir_clock_now();
    int err = run_tokens(decoder, TOKENS, at_once);
    double seconds = (double)(apir_clock_now() - start) / 1e9;
    return err ? err : apir_samples_add(samples, measure, 0, decoder->arm->name, round, (double)TOKENS / seconds);
}

static int add_counters(struct apir_samples *samples, const char *arm, const struct apir_counters *from,
                        const struct apir_counters *to, unsigned int round)
{
    const struct {
        enum apir_measure measure;
        uint64_t count;
    } counts[] = {
        {APIR_MEASURE_WAITS, to->waits - from->waits},
        {APIR_MEASURE_SLEEPS, to->sleeps - from->sleeps},
        {APIR_MEASURE_DOORBELLS, to->doorbells - from->doorbells},
        {APIR_MEASURE_MESSAGE_BYTES, to->message_bytes - from->message_bytes},
        {APIR_MEASURE_DATA_BYTES, to->data_bytes - from->data_bytes},
    };
    int err = 0;
    for (size_t i = 0; !err && i < sizeof counts / sizeof *counts; i++)
        err = apir_samples_add(samples, counts[i].measure, 0, arm, round, (double)counts[i].count / (double)TOKENS);
    return err;
}

static int take_round(struct decoder *decoder, struct apir_samples *samples, unsigned int round)
{
    struct apir_counters from, to;
    int err = time_tokens(decoder, samples, APIR_MEASURE_PP_ALTERNATING, TOKENS, round);
    if (!err)
        err = run_tokens(decoder, 4, 1); /* the step's graph has been seen */
    if (!err && decoder->arm->counters)
        decoder->arm->counters(&from);
    if (!err)
        err = time_tokens(decoder, samples, APIR_MEASURE_TG_ALTERNATING, 1, round);
    if (err || !decoder->arm->counters)
        return err;
    decoder->arm->counters(&to);
    return add_counters(samples, decoder->arm->name, &from, &to, round);
}

static int take_all(struct decoder *decoders, size_t count, unsigned int rounds)
{
    struct apir_samples samples = {0};
    int err = 0;
    for (size_t i = 0; !err && i < count; i++) /* warms up */
        err = run_tokens(&decoders[i], TOKENS, TOKENS);
    for (unsigned int round = 0; !err && round < rounds; round++)
        for (size_t i = 0; !err && i < count; i++)
            err = take_round(&decoders[i], &samples, round);
    apir_samples_write(&samples, stdout);
    apir_samples_finish(&samples);
    return err;
}

static int hold(struct decoder *decoder, int tokens)
{
    int err = run_tokens(decoder, 2 * TOKENS, 1);
    if (err)
        return err;
    puts("ready");
    fflush(stdout);
    if (getchar() == EOF)
        return 0;
    err = run_tokens(decoder, tokens, 1);
    puts("done");
    fflush(stdout);
    while (getchar() != EOF)
        continue;
    return err;
}

static int run(const struct apir_bench_options *options, const struct apir_arms *arms)
{
    struct decoder decoders[APIR_MAX_ARMS];
    size_t count = 0, first = options->hold ? arms->count - 1 : 0;
    int err = 0;
    for (size_t i = first; !err && i < arms->count; i++) {
        err = init_decoder(&decoders[count], &arms->list[i], options->model);
        count += !err;
    }
    if (!err)
        err = options->hold ? hold(&decoders[0], (int)options->tokens) : take_all(decoders, count, options->rounds);
    while (count-- > 0)
        finish_decoder(&decoders[count]);
    return err;
}

int main(int argc, char **argv)
{
    struct apir_bench_options options = {0};
    struct apir_arms arms;
    if (apir_bench_options_parse(&options, argc, argv) || !options.model)
        return 2;
    llama_log_set(log_errors_only, NULL);
    if (apir_arms_init(&arms, &options))
        return 3;
    int err = run(&options, &arms);
    apir_arms_finish(&arms);
    return err ? 3 : 0;
}
