/* What a token of llama.cpp costs on our device, for tests/counters-part.sh, which has started the host.
 *
 *   token-counters counters MODEL      the plug-in's counters against their limits, as TAP
 *   token-counters text MODEL          48 tokens, each with its logit, to the last bit
 *   token-counters hold MODEL TOKENS   says "ready" after some tokens, waits for a line, says TOKENS more, then "done"
 *   token-counters wait PERCENT        a thread that waits for a long graph uses less of a processor, as TAP */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apir-counters.h"
#include "held-model.h"
#include "long-graph.h"

enum {
    WARM = 16,
    WINDOW = 2,       /* tokens between two looks at the counters */
    WINDOWS = 100,    /* with WARM less than 256 tokens: llama.cpp's graph stays the same */
    BEYOND = 280,     /* tokens: its graph is another one */
    MAX_BYTES = 1024, /* of messages, for a token */
    TEXT = 48,
    MS_TO_TEST = 500,
};

/* What a token costs: of all windows the largest, and of doorbells the smallest, too. */
struct cost {
    double waits, doorbells, least_doorbells, all_doorbells, bytes, first_bytes, last_bytes, data;
};

struct tap {
    int count, failed;
};

static double larger(double a, double b)
{
    return a > b ? a : b;
}

static ggml_backend_dev_t find_device(void)
{
    ggml_backend_load_all();
    for (size_t i = 0; i < ggml_backend_dev_count(); i++)
        if (strncmp(ggml_backend_dev_name(ggml_backend_dev_get(i)), "[virtgpu]", 9) == 0)
            return ggml_backend_dev_get(i);
    fputs("there is no device of the host\n", stderr);
    return NULL;
}

static apir_get_counters find_counters(ggml_backend_dev_t device)
{
    apir_get_counters get;
    *(void **)&get =
        ggml_backend_reg_get_proc_address(ggml_backend_dev_backend_reg(device), "ggml_backend_virtgpu_get_counters");
    return get;
}

static double per_token(uint64_t from, uint64_t to)
{
    return (double)(to - from) / (double)WINDOW;
}

static void add_window(struct cost *cost, const struct apir_counters *from, const struct apir_counters *to)
{
    double doorbells = per_token(from->doorbells, to->doorbells),
           bytes = per_token(from->message_bytes, to->message_bytes);
    if (cost->bytes == 0) {
        cost->least_doorbells = doorbells;
        cost->first_bytes = bytes;
    }
    if (doorbells < cost->least_doorbells)
        cost->least_doorbells = doorbells;
    cost->all_doorbells += doorbells * (double)WINDOW;
    cost->last_bytes = bytes;
    cost->bytes = larger(cost->bytes, bytes);
    cost->waits = larger(cost->waits, per_token(from->waits, to->waits));
    cost->doorbells = larger(cost->doorbells, doorbells);
    cost->data = larger(cost->data, per_token(from->data_bytes, to->data_bytes));
}

static int say_windows(struct held_model *held, apir_get_counters get, int windows, struct cost *cost)
{
    struct apir_counters from, to;
    int ret = 0;
    *cost = (struct cost){.waits = 0};
    get(&from);
    for (int i = 0; i < windows && ret == 0; i++, from = to) {
        ret = held_model_say(held, WINDOW);
        get(&to);
        add_window(cost, &from, &to);
    }
    return ret;
}

/* Bytes of messages of so many tokens, -1: they cannot be computed. */
static double bytes_of(struct held_model *held, apir_get_counters get, int tokens)
{
    struct apir_counters from, to;
    get(&from);
    int ret = held_model_say(held, tokens);
    get(&to);
    return ret < 0 ? -1 : (double)(to.message_bytes - from.message_bytes);
}

static void test(struct tap *tap, bool good, const char *promise, double value)
{
    tap->failed += !good;
    printf("%s %d - %s (%.2f)\n", good ? "ok" : "not ok", ++tap->count, promise, value);
}

/* Who waits for a worker that has no processor of its own has to wake it: no promise then. */
static bool has_two_processors(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 1;
}

static void test_cost(struct tap *tap, const struct cost *cost)
{
    printf("# a token at most: %.1f waits, %.1f doorbells (all tokens: %.0f), %.0f bytes of messages, %.0f of data\n",
           cost->waits, cost->doorbells, cost->all_doorbells, cost->bytes, cost->data);
    test(tap, cost->waits <= 1, "a token waits once at most", cost->waits);
    test(tap, cost->bytes > 0 && cost->bytes <= (double)MAX_BYTES, "its messages have 1 KiB at most", cost->bytes);
    test(tap, cost->last_bytes <= cost->first_bytes + 64, "they do not grow", cost->last_bytes - cost->first_bytes);
    if (has_two_processors()) /* others may have the worker's processor, and then it sleeps: hence in the best window */
        test(tap, cost->least_doorbells == 0, "a worker that is awake gets no doorbell", cost->least_doorbells);
}

/* The graph changes with the 257th token, in a few tensors. */
static int test_change(struct tap *tap, struct held_model *held, apir_get_counters get, double whole, double usual)
{
    enum { TOKENS = BEYOND - WARM - WINDOW * WINDOWS };
    double bytes = bytes_of(held, get, TOKENS), change = bytes - (double)TOKENS * usual;
    printf("# the first graph: %.0f bytes; a change of it: %.0f\n", whole, change);
    test(tap, change < whole / 2, "a graph like the last costs less than half of one", change / whole);
    return bytes < 0 ? -1 : 0;
}

static int run_counters(ggml_backend_dev_t device, struct held_model *held)
{
    apir_get_counters get = find_counters(device);
    struct tap tap = {0};
    struct cost cost;
    double whole = get ? bytes_of(held, get, 1) : -1;
    if (whole < 0 || held_model_say(held, WARM - 1) < 0 || say_windows(held, get, WINDOWS, &cost) < 0)
        return -1;
    test_cost(&tap, &cost);
    if (test_change(&tap, held, get, whole, cost.bytes) < 0)
        return -1;
    held_model_clear(held);
    if (say_windows(held, get, WINDOWS, &cost) < 0)
        return -1;
    test(&tap, cost.bytes <= (double)MAX_BYTES, "a graph that comes again after another is not described again",
         cost.bytes);
    return tap.failed ? -1 : 0;
}

static int run_text(struct held_model *held)
{
    int ret = 0;
    for (int i = 0; i < TEXT && ret == 0; i++) {
        ret = held_model_say(held, 1);
        printf("%d %a\n", held->next, (double)held->likeliness);
    }
    return ret;
}

static int run_hold(struct held_model *held, int tokens)
{
    int ret = held_model_say(held, WARM);
    if (ret < 0)
        return ret;
    puts("ready");
    fflush(stdout);
    if (getchar() == EOF)
        return -1;
    ret = held_model_say(held, tokens);
    if (ret == 0)
        puts("done");
    fflush(stdout);
    while (getchar() != EOF)
        continue;
    return ret;
}

static int run_wait(ggml_backend_dev_t device, double limit)
{
    struct tap tap = {0};
    double percent, ms;
    if (long_graph_wait(device, &percent, &ms) < 0)
        return -1;
    test(&tap, ms >= (double)MS_TO_TEST, "the graphs are long (ms)", ms);
    test(&tap, percent < limit, "who waits for them leaves the processor to others (percent)", percent);
    return tap.failed ? -1 : 0;
}

static int run_model(int argc, char **argv, ggml_backend_dev_t device)
{
    struct held_model held;
    int ret = held_model_init(&held, argv[2], device);
    if (ret == 0 && strcmp(argv[1], "counters") == 0)
        ret = run_counters(device, &held);
    else if (ret == 0 && strcmp(argv[1], "text") == 0)
        ret = run_text(&held);
    else if (ret == 0)
        ret = run_hold(&held, argc == 4 ? atoi(argv[3]) : 0);
    held_model_finish(&held);
    return ret;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fputs("usage: token-counters counters|text|hold MODEL [TOKENS], or wait PERCENT\n", stderr);
        return 2;
    }
    ggml_backend_dev_t device = find_device();
    if (!device)
        return 1;
    int ret = strcmp(argv[1], "wait") == 0 ? run_wait(device, atof(argv[2])) : run_model(argc, argv, device);
    return ret < 0 ? 1 : 0;
}
