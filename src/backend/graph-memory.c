#include "backend/graph-memory.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum {
    LEAFS_A_NODE = 2 * (GGML_MAX_SRC + 1), /* its sources, what it is a view of, and what those are views of */
    CONTENT_WORDS = offsetof(struct ggml_tensor, name) / 8, /* all but the name, and what is local to one side */
    LANES = 4,
};

static_assert(offsetof(struct ggml_tensor, name) % (8 * LANES) == 0, "content is whole lanes");
static_assert(offsetof(struct ggml_tensor, type) == 0, "the first word is the type, and padding");

/* Mixes words into lanes that do not wait for each other. */
struct mixer {
    uint64_t lanes[LANES];
};

static const uint64_t prime = UINT64_C(0x9e3779b97f4a7c15);

static void mix_init(struct mixer *mixer)
{
    for (unsigned i = 0; i < LANES; i++)
        mixer->lanes[i] = prime * (i + 1);
}

static uint64_t mix(uint64_t lane, uint64_t word)
{
    lane = (lane ^ word) * prime;
    return lane ^ lane >> 29;
}

static void mix_tensor(struct mixer *mixer, const struct ggml_tensor *tensor)
{
    uint64_t words[CONTENT_WORDS];
    memcpy(words, tensor, sizeof words);
    words[0] = (uint64_t)tensor->type; /* without the padding behind it */
    for (unsigned i = 0; i < CONTENT_WORDS; i += LANES)
        for (unsigned lane = 0; lane < LANES; lane++)
            mixer->lanes[lane] = mix(mixer->lanes[lane], words[i + lane]);
}

static struct apir_fingerprint mix_finish(const struct mixer *mixer)
{
    struct apir_fingerprint print;
    print.words[0] = mix(mix(mixer->lanes[0], mixer->lanes[1]), mix(mixer->lanes[2], mixer->lanes[3]));
    print.words[1] = mix(mix(mixer->lanes[3], mixer->lanes[0]), mix(mixer->lanes[1], mixer->lanes[2]) + prime);
    return print;
}

static bool same(const struct apir_fingerprint *a, const struct apir_fingerprint *b)
{
    return a->words[0] == b->words[0] && a->words[1] == b->words[1];
}

/* The nodes, and how often the whole graph uses each: it decides what the host may fuse. */
static struct apir_fingerprint print_nodes(const struct apir_reg *reg, struct ggml_cgraph *cgraph)
{
    struct ggml_tensor **nodes = ggml_graph_nodes(cgraph);
    int n = ggml_graph_n_nodes(cgraph);
    struct mixer mixer;
    mix_init(&mixer);
    for (int i = 0; i < n; i++) {
        mix_tensor(&mixer, nodes[i]);
        mixer.lanes[0] = mix(mixer.lanes[0], reg->abi->use_count(cgraph, nodes[i]));
    }
    return mix_finish(&mixer);
}

static struct apir_fingerprint print_leafs(const struct ggml_tensor *const *leafs, uint32_t n)
{
    struct mixer mixer;
    mix_init(&mixer);
    for (uint32_t i = 0; i < n; i++)
        mix_tensor(&mixer, leafs[i]);
    return mix_finish(&mixer);
}

/* Nodes whose content is what it was refer to the same leafs, so those exist; the same goes for what leafs refer to. */
static bool has_same_leafs(const struct apir_graph_note *note)
{
    struct apir_fingerprint direct = print_leafs(note->leafs, note->n_direct);
    if (!same(&direct, &note->of_direct))
        return false;
    struct apir_fingerprint rest = print_leafs(note->leafs + note->n_direct, note->n_leafs - note->n_direct);
    return same(&rest, &note->of_rest);
}

struct apir_graph_note *apir_graph_memory_find(struct apir_graph_memory *memory, const struct apir_reg *reg,
                                               struct ggml_cgraph *cgraph)
{
    struct ggml_tensor **nodes = ggml_graph_nodes(cgraph);
    uint32_t n = (uint32_t)ggml_graph_n_nodes(cgraph);
    struct apir_fingerprint print;
    bool printed = false;
    for (unsigned i = 0; i < APIR_MAX_GRAPHS; i++) {
        struct apir_graph_note *note = &memory->notes[i];
        if (note->n_nodes != n || n == 0 || memcmp(note->nodes, nodes, n * sizeof *nodes) != 0)
            continue;
        if (!printed)
            print = print_nodes(reg, cgraph);
        printed = true;
        if (!same(&print, &note->of_nodes) || !has_same_leafs(note))
            continue;
        note->last_use = ++memory->clock;
        return note;
    }
    return NULL;
}

static void clear(struct apir_graph_note *note)
{
    free(note->nodes);
    free(note->leafs);
    free(note->buffers);
    *note = (struct apir_graph_note){0};
}

struct apir_graph_note *apir_graph_memory_take(struct apir_graph_memory *memory)
{
    struct apir_graph_note *oldest = &memory->notes[0];
    for (unsigned i = 1; i < APIR_MAX_GRAPHS; i++)
        if (memory->notes[i].last_use < oldest->last_use)
            oldest = &memory->notes[i];
    clear(oldest);
    oldest->number = (uint32_t)(oldest - memory->notes) + 1;
    oldest->last_use = ++memory->clock;
    return oldest;
}

/* Adds a tensor unless it is a node, or there. */
static bool add_leaf(struct apir_graph_memory *memory, struct apir_graph_note *note, const struct ggml_tensor *tensor)
{
    bool added;
    if (!apir_tensor_map_at(&memory->map, tensor, 0, &added))
        return false;
    if (added && note->n_leafs == note->n_nodes * LEAFS_A_NODE)
        return false;
    if (added)
        note->leafs[note->n_leafs++] = tensor;
    return true;
}

static bool note_leafs(struct apir_graph_memory *memory, struct apir_graph_note *note)
{
    bool good = true, added;
    apir_tensor_map_clear(&memory->map);
    for (uint32_t i = 0; i < note->n_nodes && good; i++)
        good = apir_tensor_map_at(&memory->map, note->nodes[i], 0, &added);
    for (uint32_t i = 0; i < note->n_nodes && good; i++) {
        const struct ggml_tensor *node = note->nodes[i];
        for (int k = 0; k < GGML_MAX_SRC && good; k++)
            good = !node->src[k] || add_leaf(memory, note, node->src[k]);
        good = good && (!node->view_src || add_leaf(memory, note, node->view_src));
    }
    note->n_direct = note->n_leafs;
    for (uint32_t i = 0; i < note->n_leafs && good; i++) /* grows while it runs */
        good = !note->leafs[i]->view_src || add_leaf(memory, note, note->leafs[i]->view_src);
    return good;
}

static void note_buffers(struct apir_graph_note *note, const struct apir_graph_builder *builder)
{
    for (uint32_t i = 0; i < builder->n_tensors; i++) {
        struct apir_buffer *buffer = builder->buffers[i];
        uint32_t k = 0;
        while (k < note->n_buffers && note->buffers[k] != buffer)
            k++;
        if (buffer && k == note->n_buffers)
            note->buffers[note->n_buffers++] = buffer;
    }
}

/* Gives back what is not needed. */
static void shrink(struct apir_graph_note *note)
{
    void *leafs = realloc(note->leafs, (note->n_leafs + 1) * sizeof *note->leafs);
    void *buffers = realloc(note->buffers, (note->n_buffers + 1) * sizeof *note->buffers);
    note->leafs = leafs ? leafs : note->leafs;
    note->buffers = buffers ? buffers : note->buffers;
}

void apir_graph_memory_fill(struct apir_graph_memory *memory, struct apir_graph_note *note, const struct apir_reg *reg,
                            struct ggml_cgraph *cgraph, const struct apir_graph_builder *builder)
{
    uint32_t n = (uint32_t)ggml_graph_n_nodes(cgraph), number = note->number;
    note->nodes = malloc(n * sizeof(struct ggml_tensor *));
    note->leafs = malloc((size_t)n * LEAFS_A_NODE * sizeof *note->leafs);
    note->buffers = malloc((builder->n_tensors + 1) * sizeof *note->buffers);
    if (!note->nodes || !note->leafs || !note->buffers)
        goto err;
    memcpy(note->nodes, ggml_graph_nodes(cgraph), n * sizeof(struct ggml_tensor *));
    note->n_nodes = n;
    if (!note_leafs(memory, note))
        goto err;
    note_buffers(note, builder);
    note->of_nodes = print_nodes(reg, cgraph);
    note->of_direct = print_leafs(note->leafs, note->n_direct);
    note->of_rest = print_leafs(note->leafs + note->n_direct, note->n_leafs - note->n_direct);
    shrink(note);
    return;

err:
    clear(note);
    note->number = number;
}

void apir_graph_memory_finish(struct apir_graph_memory *memory)
{
    for (unsigned i = 0; i < APIR_MAX_GRAPHS; i++)
        clear(&memory->notes[i]);
    apir_tensor_map_finish(&memory->map);
}
