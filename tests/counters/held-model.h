/* A model on our device, by llama.cpp's library as it is installed. */
#ifndef APIR_TESTS_COUNTERS_HELD_MODEL_H
#define APIR_TESTS_COUNTERS_HELD_MODEL_H

#include <llama.h>

enum { HELD_MODEL_CONTEXT = 512 };

struct held_model {
    struct llama_model *model;
    struct llama_context *context;
    llama_token next; /* what the model says after all so far */
    float likeliness; /* its logit */
};

/* Loads the file, all layers on the device. 0, or -1 with a message. finish also after that. */
int held_model_init(struct held_model *held, const char *path, ggml_backend_dev_t device);
void held_model_finish(struct held_model *held);

/* Forgets the text. */
void held_model_clear(struct held_model *held);

/* Says as many tokens, the likeliest each. 0, or -1 with a message. */
int held_model_say(struct held_model *held, int tokens);

#endif
