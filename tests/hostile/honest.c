/* A program that computes and looks whether its results stay right, for the part hostile of ./run torture.
 *
 *   apir-honest native MODEL TOKENS            what the model says, by ggml's CPU backend: a line for each token
 *   apir-honest remote MODEL FILE SECONDS      says that again and again on the first remote device, for so long, and
 *                                              compares it with the lines of FILE, to the last bit of each token's logit;
 *                                              prints "ready", then for each time "said TOKENS tokens in N us" or what was
 *                                              wrong. Exit code 0: all was right
 *   apir-honest busy SECONDS                   only keeps a processor busy */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ggml-backend.h>

#include "counters/held-model.h"
#include "util/clock.h"

enum { MAX_TEXT = 256, LINE = 64 };

/* A token, and the bits of its logit. */
struct text {
    int count;
    char lines[MAX_TEXT][LINE];
};

static ggml_backend_dev_t find_device(const char *prefix)
{
    ggml_backend_load_all();
    for (size_t i = 0; i < ggml_backend_dev_count(); i++)
        if (strncmp(ggml_backend_dev_name(ggml_backend_dev_get(i)), prefix, strlen(prefix)) == 0)
            return ggml_backend_dev_get(i);
    fprintf(stderr, "apir-honest: there is no device %s\n", prefix);
    return NULL;
}

static int say(struct held_model *held, int count, struct text *text)
{
    held_model_clear(held);
    text->count = 0;
    while (text->count < count) {
        if (held_model_say(held, 1) < 0)
            return -1;
        snprintf(text->lines[text->count++], LINE, "%d %a", held->next, (double)held->likeliness);
    }
    return 0;
}

static int read_text(const char *path, struct text *text)
{
    FILE *file = fopen(path, "r");
    text->count = 0;
    while (file && text->count < MAX_TEXT && fgets(text->lines[text->count], LINE, file)) {
        text->lines[text->count][strcspn(text->lines[text->count], "\n")] = '\0';
        text->count++;
    }
    if (file)
        fclose(file);
    return text->count > 0 ? 0 : -1;
}

/* Index of the first token that differs; -1: none. */
static int difference(const struct text *a, const struct text *b)
{
    for (int i = 0; i < a->count; i++)
        if (strcmp(a->lines[i], b->lines[i]) != 0)
            return i;
    return -1;
}

static int run_native(struct held_model *held, int count)
{
    struct text text;
    if (say(held, count, &text) < 0)
        return -1;
    for (int i = 0; i < text.count; i++)
        puts(text.lines[i]);
    return 0;
}

static int run_remote(struct held_model *held, const struct text *wanted, unsigned seconds)
{
    uint64_t start = apir_clock_now(), end = start + seconds * UINT64_C(1000000000);
    puts("ready");
    for (uint64_t now = start; now < end; start = now) {
        struct text text;
        fflush(stdout);
        if (say(held, wanted->count, &text) < 0)
            return -1;
        int wrong = difference(wanted, &text);
        now = apir_clock_now();
        if (wrong < 0)
            printf("said %d tokens in %llu us\n", text.count, (unsigned long long)(now - start) / 1000);
        else
            printf("WRONG: token %d is %s, not %s\n", wrong, text.lines[wrong], wanted->lines[wrong]);
        if (wrong >= 0)
            return -1;
    }
    return 0;
}

static int run_model(const char *path, const char *prefix, const char *expected, int number)
{
    struct text wanted;
    struct held_model held;
    ggml_backend_dev_t device = find_device(prefix);
    if (!device || (expected && read_text(expected, &wanted) < 0))
        return -1;
    int ret = held_model_init(&held, path, device);
    if (ret == 0)
        ret = expected ? run_remote(&held, &wanted, (unsigned)number) : run_native(&held, number);
    held_model_finish(&held);
    return ret;
}

static int keep_busy(unsigned seconds)
{
    for (uint64_t end = apir_clock_now() + seconds * UINT64_C(1000000000); apir_clock_now() < end;)
        continue;
    return 0;
}

int main(int argc, char **argv)
{
    int ret = -1;
    if (argc == 4 && strcmp(argv[1], "native") == 0 && atoi(argv[3]) <= MAX_TEXT)
        ret = run_model(argv[2], "CPU", NULL, atoi(argv[3]));
    else if (argc == 5 && strcmp(argv[1], "remote") == 0)
        ret = run_model(argv[2], "[virtgpu]", argv[3], atoi(argv[4]));
    else if (argc == 3 && strcmp(argv[1], "busy") == 0)
        ret = keep_busy((unsigned)atoi(argv[2]));
    else
        fputs("usage: apir-honest native MODEL TOKENS, remote MODEL FILE SECONDS, or busy SECONDS\n", stderr);
    if (ret < 0)
        puts("FAILED");
    return ret < 0 ? 1 : 0;
}
