/* apir-make-model [--small | --large] OUT.gguf: writes a language model with random weights, for demonstrations and tests.
 *
 * The architecture is llama's, 70.5 million parameters in q8_0, 1.8 million with --small, 1.1 billion with --large. It has
 * learnt nothing: what it says are invented words. The seed is fixed, so that the same ggml writes the same file, and the scales are such that
 * each word depends on all words before it: greedy decoding wanders instead of repeating itself, and a wrong
 * result anywhere in a graph shows in the text. */
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ggml.h>
#include <gguf.h>

enum {
    HEAD = 64,          /* width of an attention head */
    MAX_FF = 5632,
    MAX_VOCAB = 32000,
    N_CONTEXT = 2048,
    FIRST_BYTE = 3,     /* tokens 0 to 2: <unk>, <s>, </s> */
    FIRST_LETTER = 260, /* 259 is the space, U+2581 */
    FIRST_WORD = FIRST_LETTER + 26,
    TOKEN_TEXT = 16,
};

/* llama.h's LLAMA_TOKEN_TYPE_*, as a model file holds them. */
enum token_type { TOKEN_NORMAL = 1, TOKEN_UNKNOWN = 2, TOKEN_CONTROL = 3, TOKEN_BYTE = 6 };

/* How large a model is. */
struct shape {
    const char *name;
    int layers, embd, ff, heads, kv_heads, vocab;
};

static const struct shape shape_70m = {"apir-random-70M", 12, 512, 1536, 8, 4, MAX_VOCAB};
static const struct shape shape_small = {"apir-random-small", 6, 128, 384, 2, 1, 2048};
static const struct shape shape_large = {"apir-random-1.1B", 22, 2048, MAX_FF, 32, 4, MAX_VOCAB};

struct vocabulary {
    char text[MAX_VOCAB][TOKEN_TEXT];
    const char *texts[MAX_VOCAB];
    float scores[MAX_VOCAB];
    int32_t types[MAX_VOCAB];
};

struct model {
    const struct shape *shape;
    struct gguf_context *gguf;
    struct ggml_context *tensors;
    uint64_t random; /* state of the generator */
};

/* xorshift64*; uniform in [-1, 1) */
static float random_uniform(struct model *model)
{
    model->random ^= model->random >> 12;
    model->random ^= model->random << 25;
    model->random ^= model->random >> 27;
    return (float)((model->random * UINT64_C(2685821657736338717)) >> 40) / (float)(1 << 23) - 1.0f;
}

/* A word of three syllables, a different one for each index: consonants and vowels are its digits. */
static void make_word(char *text, unsigned int index)
{
    static const char consonants[] = "bdfgklmnprstvz";
    static const char vowels[] = "aeiou";
    const unsigned int syllables = 14 * 5;
    /* 7919 is prime to 70^3: neighbours look different, and no word comes twice. */
    unsigned int code = index * 7919u % (syllables * syllables * syllables);
    size_t length = 0;

    memcpy(text, "\xe2\x96\x81", 3); /* U+2581: SentencePiece's space */
    for (length = 3; length < 9; length += 2) {
        text[length] = consonants[code % syllables / 5];
        text[length + 1] = vowels[code % 5];
        code /= syllables;
    }
    text[length] = '\0';
}

static void fill_vocabulary(struct vocabulary *vocabulary, int size)
{
    for (int32_t i = 0; i < size; i++) {
        char *text = vocabulary->text[i];

        vocabulary->types[i] = TOKEN_NORMAL;
        if (i < FIRST_BYTE) {
            static const char *const special[FIRST_BYTE] = {"<unk>", "<s>", "</s>"};
            snprintf(text, TOKEN_TEXT, "%s", special[i]);
            vocabulary->types[i] = i == 0 ? TOKEN_UNKNOWN : TOKEN_CONTROL;
        } else if (i < FIRST_LETTER - 1) {
            snprintf(text, TOKEN_TEXT, "<0x%02X>", (unsigned int)(i - FIRST_BYTE));
            vocabulary->types[i] = TOKEN_BYTE;
        } else if (i == FIRST_LETTER - 1) {
            snprintf(text, TOKEN_TEXT, "\xe2\x96\x81");
        } else if (i < FIRST_WORD) {
            snprintf(text, TOKEN_TEXT, "%c", 'a' + i - FIRST_LETTER);
        } else {
            make_word(text, (unsigned int)(i - FIRST_WORD));
        }
        vocabulary->texts[i] = text;
        vocabulary->scores[i] = -(float)i;
    }
}

static bool add_vocabulary(struct gguf_context *gguf, int size)
{
    struct vocabulary *vocabulary = calloc(1, sizeof(*vocabulary));

    if (!vocabulary)
        return false;
    fill_vocabulary(vocabulary, size);
    gguf_set_val_str(gguf, "tokenizer.ggml.model", "llama");
    gguf_set_val_str(gguf, "tokenizer.ggml.pre", "default");
    gguf_set_arr_str(gguf, "tokenizer.ggml.tokens", vocabulary->texts, (size_t)size);
    gguf_set_arr_data(gguf, "tokenizer.ggml.scores", GGUF_TYPE_FLOAT32, vocabulary->scores, (size_t)size);
    gguf_set_arr_data(gguf, "tokenizer.ggml.token_type", GGUF_TYPE_INT32, vocabulary->types, (size_t)size);
    gguf_set_val_u32(gguf, "tokenizer.ggml.unknown_token_id", 0);
    gguf_set_val_u32(gguf, "tokenizer.ggml.bos_token_id", 1);
    gguf_set_val_u32(gguf, "tokenizer.ggml.eos_token_id", 2);
    gguf_set_val_bool(gguf, "tokenizer.ggml.add_bos_token", true);
    gguf_set_val_bool(gguf, "tokenizer.ggml.add_eos_token", false);
    free(vocabulary);
    return true;
}

static void add_parameters(struct gguf_context *gguf, const struct shape *shape)
{
    gguf_set_val_str(gguf, "general.architecture", "llama");
    gguf_set_val_str(gguf, "general.name", shape->name);
    gguf_set_val_u32(gguf, "general.file_type", 7); /* llama.h: LLAMA_FTYPE_MOSTLY_Q8_0 */
    gguf_set_val_u32(gguf, "general.quantization_version", GGML_QNT_VERSION);
    gguf_set_val_u32(gguf, "llama.vocab_size", (uint32_t)shape->vocab);
    gguf_set_val_u32(gguf, "llama.context_length", N_CONTEXT);
    gguf_set_val_u32(gguf, "llama.embedding_length", (uint32_t)shape->embd);
    gguf_set_val_u32(gguf, "llama.block_count", (uint32_t)shape->layers);
    gguf_set_val_u32(gguf, "llama.feed_forward_length", (uint32_t)shape->ff);
    gguf_set_val_u32(gguf, "llama.attention.head_count", (uint32_t)shape->heads);
    gguf_set_val_u32(gguf, "llama.attention.head_count_kv", (uint32_t)shape->kv_heads);
    gguf_set_val_f32(gguf, "llama.attention.layer_norm_rms_epsilon", 1e-5f);
    gguf_set_val_u32(gguf, "llama.rope.dimension_count", HEAD);
    gguf_set_val_f32(gguf, "llama.rope.freq_base", 10000.0f);
}

/* Adds a matrix of rows of width values with the given deviation; the first zero_rows are 0. */
static void add_matrix(struct model *model, const char *name, int64_t width, int64_t rows,
                       float deviation, int64_t zero_rows)
{
    struct ggml_tensor *tensor =
        ggml_new_tensor_2d(model->tensors, GGML_TYPE_Q8_0, width, rows);
    float row[MAX_FF];
    const float scale = deviation * sqrtf(3.0f); /* a uniform variable on [-1, 1) has deviation 1/sqrt(3) */

    ggml_set_name(tensor, name);
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t i = 0; i < width; i++)
            row[i] = r < zero_rows ? 0.0f : scale * random_uniform(model);
        ggml_quantize_chunk(GGML_TYPE_Q8_0, row, (char *)tensor->data + r * (int64_t)tensor->nb[1], 0,
                            1, width, NULL);
    }
    gguf_add_tensor(model->gguf, tensor);
}

static void add_norm(struct model *model, const char *name)
{
    struct ggml_tensor *tensor = ggml_new_tensor_1d(model->tensors, GGML_TYPE_F32, model->shape->embd);

    ggml_set_name(tensor, name);
    for (int i = 0; i < model->shape->embd; i++)
        ((float *)tensor->data)[i] = 1.0f;
    gguf_add_tensor(model->gguf, tensor);
}

static void add_layer(struct model *model, int layer)
{
    const int embd = model->shape->embd, ff = model->shape->ff, kv = model->shape->kv_heads * HEAD;
    /* gain: how much larger than its input, in deviation, a product is. Queries and keys are sharp, so that
     * attention picks instead of averaging; values are large, so that what it picked matters. */
    const struct {
        const char *name;
        int64_t width, rows;
        float gain;
    } matrices[] = {
        {"attn_q", embd, embd, 1.5f}, {"attn_k", embd, kv, 1.5f},
        {"attn_v", embd, kv, 1.5f},   {"attn_output", embd, embd, 1.0f},
        {"ffn_gate", embd, ff, 1.5f}, {"ffn_up", embd, ff, 1.0f},
        {"ffn_down", ff, embd, 1.0f},
    };
    char name[GGML_MAX_NAME];

    snprintf(name, sizeof(name), "blk.%d.attn_norm.weight", layer);
    add_norm(model, name);
    for (size_t i = 0; i < sizeof(matrices) / sizeof(matrices[0]); i++) {
        snprintf(name, sizeof(name), "blk.%d.%s.weight", layer, matrices[i].name);
        add_matrix(model, name, matrices[i].width, matrices[i].rows,
                   matrices[i].gain / sqrtf((float)matrices[i].width), 0);
    }
    snprintf(name, sizeof(name), "blk.%d.ffn_norm.weight", layer);
    add_norm(model, name);
}

static void add_tensors(struct model *model)
{
    add_matrix(model, "token_embd.weight", model->shape->embd, model->shape->vocab, 1.0f, 0);
    for (int layer = 0; layer < model->shape->layers; layer++)
        add_layer(model, layer);
    add_norm(model, "output_norm.weight");
    /* Only words are ever said: the logits of all other tokens are 0, those of some words are always above. */
    add_matrix(model, "output.weight", model->shape->embd, model->shape->vocab, 2.0f / sqrtf((float)model->shape->embd), FIRST_WORD);
}

/* Bytes of all tensors, and what ggml adds to each. */
static size_t size_of(const struct shape *shape)
{
    size_t embd = (size_t)shape->embd, ff = (size_t)shape->ff, kv = (size_t)shape->kv_heads * HEAD;
    size_t layer = 2 * embd * embd + 2 * embd * kv + 3 * embd * ff;
    size_t parameters = (size_t)shape->layers * layer + 2 * embd * (size_t)shape->vocab;
    return ggml_row_size(GGML_TYPE_Q8_0, (int64_t)parameters) + ((size_t)shape->layers + 1) * (16384 + 8 * embd);
}

static bool write_model(const char *path, const struct shape *shape)
{
    const struct ggml_init_params memory = {.mem_size = size_of(shape)};
    struct model model = {.shape = shape, .random = UINT64_C(0x9e3779b97f4a7c15)};
    bool ok = false;

    model.gguf = gguf_init_empty();
    model.tensors = ggml_init(memory);
    if (model.gguf && model.tensors && add_vocabulary(model.gguf, shape->vocab)) {
        add_parameters(model.gguf, shape);
        add_tensors(&model);
        ok = gguf_write_to_file(model.gguf, path, false);
    }
    ggml_free(model.tensors);
    gguf_free(model.gguf);
    return ok;
}

int main(int argc, char **argv)
{
    const struct shape *shape = &shape_70m;
    if (argc == 3 && (strcmp(argv[1], "--small") == 0 || strcmp(argv[1], "--large") == 0)) {
        shape = argv[1][2] == 's' ? &shape_small : &shape_large;
        argv++;
        argc--;
    }
    if (argc != 2 || argv[1][0] == '-') {
        fprintf(stderr, "usage: apir-make-model [--small | --large] OUT.gguf\n"
                        "writes a llama model of 70.5 million random parameters (q8_0, 72 MiB),\n"
                        "with --small one of 1.8 million (2 MiB), with --large one of 1.1 billion (1.1 GiB)\n");
        return 2;
    }
    if (!write_model(argv[1], shape)) {
        fprintf(stderr, "apir-make-model: %s: cannot be written: %s\n", argv[1], strerror(errno));
        return 1;
    }
    return 0;
}
