/* apir-compare MODEL A B: are two generated texts the same, token by token?
 *
 * A and B are session files as llama-completion writes them with --prompt-cache FILE --prompt-cache-all:
 * they hold the tokens of the prompt and of the text. Where they part, the model tells, natively, what the
 * logits of the two tokens are after the tokens that both have: a small gap is a tie that rounding broke, a
 * large one is a wrong result. Exit code: 0 the same, 1 not the same, 2 cannot tell. */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ggml-backend.h>
#include <llama.h>

/* A text of more tokens than this is not a session file that we made. */
enum { MAX_TOKENS = 1 << 20 };

struct tokens {
    llama_token *ids; /* owned */
    int32_t count;
};

/* The head of a session file: magic, version, number of tokens, tokens (llama.cpp, llama_state_save_file). */
static bool read_tokens(const char *path, struct tokens *tokens)
{
    FILE *file = fopen(path, "rb");
    uint32_t head[3] = {0};
    llama_token *ids = NULL;
    bool ok = false;

    if (!file) {
        fprintf(stderr, "apir-compare: %s: %s\n", path, strerror(errno));
        return false;
    }
    if (fread(head, sizeof(head), 1, file) != 1 || head[0] != LLAMA_SESSION_MAGIC ||
        head[1] != LLAMA_SESSION_VERSION || head[2] > MAX_TOKENS) {
        fprintf(stderr, "apir-compare: %s: not a session file of this llama.cpp (version %d)\n", path,
                LLAMA_SESSION_VERSION);
        goto out;
    }
    ids = calloc((size_t)head[2] + 1, sizeof(*ids));
    if (!ids || fread(ids, sizeof(*ids), head[2], file) != head[2]) {
        fprintf(stderr, "apir-compare: %s: cannot read its %u tokens\n", path, head[2]);
        goto out;
    }
    *tokens = (struct tokens){.ids = ids, .count = (int32_t)head[2]};
    ids = NULL;
    ok = true;
out:
    free(ids);
    fclose(file);
    return ok;
}

/* The length of what both begin with. */
static int32_t common_length(const struct tokens *a, const struct tokens *b)
{
    int32_t i = 0;

    while (i < a->count && i < b->count && a->ids[i] == b->ids[i])
        i++;
    return i;
}

static void print_token(const struct llama_vocab *vocab, const char *label, llama_token id,
                        const float *logits)
{
    char piece[64] = "?";
    int32_t length = llama_token_to_piece(vocab, id, piece, sizeof(piece) - 1, 0, true);

    if (length >= 0)
        piece[length] = '\0';
    printf("  %s: token %d '%s', logit %.6f\n", label, id, piece, (double)logits[id]);
}

/* Decodes the first count tokens; returns the logits after them (the context's), or NULL. */
static const float *logits_after(struct llama_context *context, struct tokens *tokens, int32_t count)
{
    int32_t batch_size = (int32_t)llama_n_batch(context);

    for (int32_t done = 0; done < count; done += batch_size) {
        int32_t n = count - done < batch_size ? count - done : batch_size;

        if (llama_decode(context, llama_batch_get_one(tokens->ids + done, n)) != 0)
            return NULL;
    }
    return llama_get_logits_ith(context, -1);
}

static void be_quiet(enum ggml_log_level level, const char *text, void *user)
{
    (void)user;
    if (level == GGML_LOG_LEVEL_ERROR)
        fputs(text, stderr);
}

/* Says how far apart the logits of a's and b's token at the place index are. Returns false if it cannot. */
static bool print_gap(const char *path, struct tokens *a, struct tokens *b, int32_t index)
{
    struct llama_model_params model_params = llama_model_default_params();
    struct llama_context_params context_params = llama_context_default_params();
    struct llama_model *model = NULL;
    struct llama_context *context = NULL;
    const struct llama_vocab *vocab = NULL;
    const float *logits = NULL;
    bool ok = false;

    llama_log_set(be_quiet, NULL);
    ggml_backend_load_all();
    model_params.use_extra_bufts = false; /* the kernels that the remote device uses, too */
    model = llama_model_load_from_file(path, model_params);
    if (!model)
        goto out;
    context_params.n_ctx = (uint32_t)index + 1;
    context = llama_init_from_model(model, context_params);
    vocab = llama_model_get_vocab(model);
    if (!context || a->ids[index] < 0 || a->ids[index] >= llama_vocab_n_tokens(vocab) ||
        b->ids[index] < 0 || b->ids[index] >= llama_vocab_n_tokens(vocab))
        goto out;
    logits = logits_after(context, a, index);
    if (!logits)
        goto out;
    print_token(vocab, "first", a->ids[index], logits);
    print_token(vocab, "second", b->ids[index], logits);
    printf("  gap: %.6f\n", (double)(logits[a->ids[index]] - logits[b->ids[index]]));
    ok = true;
out:
    if (!ok)
        fprintf(stderr, "apir-compare: %s: cannot compute the logits\n", path);
    llama_free(context);
    llama_model_free(model);
    return ok;
}

static int compare(const char *model, struct tokens *a, struct tokens *b)
{
    int32_t same = common_length(a, b);

    if (same == a->count && same == b->count) {
        printf("the same: %d tokens\n", same);
        return 0;
    }
    if (same == a->count || same == b->count) {
        printf("different: %d tokens, then only the %s goes on\n", same,
               same == a->count ? "second" : "first");
        return 1;
    }
    printf("different at token %d of %d:\n", same + 1, a->count < b->count ? a->count : b->count);
    if (same > 0 && !print_gap(model, a, b, same))
        return 2;
    return 1;
}

int main(int argc, char **argv)
{
    struct tokens a = {0}, b = {0};
    int status = 2;

    if (argc != 4 || argv[1][0] == '-') {
        fprintf(stderr, "usage: apir-compare MODEL.gguf SESSION-A SESSION-B\n"
                        "says whether two session files of llama-completion hold the same tokens;\n"
                        "if not, the first differing tokens and the gap of their logits\n");
        return 2;
    }
    if (read_tokens(argv[2], &a) && read_tokens(argv[3], &b))
        status = compare(argv[1], &a, &b);
    free(a.ids);
    free(b.ids);
    return status;
}
