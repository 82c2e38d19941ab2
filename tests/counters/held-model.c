#include "held-model.h"

#include <stdio.h>

static void log_errors_only(enum ggml_log_level level, const char *text, void *unused)
{
    (void)unused;
    if (level == GGML_LOG_LEVEL_ERROR)
        fputs(text, stderr);
}

int held_model_init(struct held_model *held, const char *path, ggml_backend_dev_t device)
{
    ggml_backend_dev_t devices[] = {device, NULL};
    struct llama_model_params model = llama_model_default_params();
    struct llama_context_params context = llama_context_default_params();
    llama_log_set(log_errors_only, NULL);
    model.devices = devices;
    model.n_gpu_layers = 99;
    context.n_ctx = HELD_MODEL_CONTEXT;
    context.n_threads = context.n_threads_batch = 1;
    *held = (struct held_model){.model = llama_model_load_from_file(path, model)};
    if (held->model)
        held->context = llama_init_from_model(held->model, context);
    if (held->context) {
        held_model_clear(held);
        return 0;
    }
    fprintf(stderr, "%s cannot be used on %s\n", path, ggml_backend_dev_name(device));
    return -1;
}

void held_model_finish(struct held_model *held)
{
    if (held->context)
        llama_free(held->context);
    if (held->model)
        llama_model_free(held->model);
}

void held_model_clear(struct held_model *held)
{
    llama_memory_clear(llama_get_memory(held->context), false);
    held->next = 300; /* a word that means nothing */
}

static void choose_likeliest(struct held_model *held)
{
    const float *logits = llama_get_logits_ith(held->context, -1);
    llama_token best = 0, count = llama_vocab_n_tokens(llama_model_get_vocab(held->model));
    for (llama_token i = 1; i < count; i++)
        if (logits[i] > logits[best])
            best = i;
    held->next = best;
    held->likeliness = logits[best];
}

int held_model_say(struct held_model *held, int tokens)
{
    for (int i = 0; i < tokens; i++) {
        if (llama_decode(held->context, llama_batch_get_one(&held->next, 1))) {
            fputs("a token cannot be computed\n", stderr);
            return -1;
        }
        choose_likeliest(held);
    }
    return 0;
}
