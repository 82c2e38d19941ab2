#include "backend/graph-memory.h"

#include <stdlib.h>
#include <string.h>

#include "backend/buffer.h"

enum {
    LEAFS_A_NODE = 2 * (GGML_MAX_SRC + 1), /* its sources, what it is a view of, and what those are views of */
};

static bool same(const struct apir_print *a, const struct apir_print *b)
{
    return a->words[0] == b->words[0] && a->words[1] == b->words[1];
}

static struct apir_print print_nodes(const struct apir_reg *reg, struct ggml_cgraph *cgraph)
{
    size_t n = (size_t)ggml_graph_n_nodes(cgraph);
    return reg->print((struct apir_print){{n}}, (const struct ggml_tensor *const *)ggml_graph_nodes(cgraph), n, n);
}

/* Of a leaf only what describes its data: it is not computed. */
static struct apir_print print_leafs(const struct apir_reg *reg, const struct ggml_tensor *const *leafs, uint32_t n)
{
    return reg->print((struct apir_print){{n}}, leafs, 0, n);
}

/* Nodes whose content is what it was refer to the same leafs, so those exist; the same goes for what leafs refer to. */
static bool has_same_leafs(const struct apir_graph_note *note, const struct apir_reg *reg)
{
    struct apir_print direct = print_leafs(reg, note->leafs, note->n_direct);
    if (!same(&direct, &note->of_direct))
        return false;
    struct apir_print rest = print_leafs(reg, note->leafs + note->n_direct, note->n_leafs - note->n_direct);
    return same(&rest, &note->of_rest);
}

/* Tensors refer to what they referred to, so those buffers exist. But one that was freed may have been followed by
 * another at the same addresses. */
static bool has_same_buffers(const struct apir_graph_note *note, const struct apir_reg *reg)
{
    for (uint32_t i = 0; i < note->n_buffers; i++) {
        const struct apir_buffer *buffer = reg->abi->buffer_context(note->identities[i].of_ggml);
        if (!buffer || buffer != note->buffers[i] || buffer->handle != note->identities[i].handle)
            return false;
    }
    return true;
}

/* The use counts, too: they decide what the host may fuse. */
static bool has_same_nodes(const struct apir_graph_note *note, const struct apir_reg *reg, struct ggml_cgraph *cgraph)
{
    return memcmp(note->nodes, ggml_graph_nodes(cgraph), note->n_nodes * sizeof *note->nodes) == 0 &&
           reg->abi->has_use_counts(cgraph, note->nodes, note->n_nodes, &note->uses);
}

/* Cheap, and false for most others. ggml's own number of a graph says less: it changes when a graph is made anew with
 * the same content, and not when the content is changed. */
static bool may_be(const struct apir_graph_note *note, struct ggml_cgraph *cgraph)
{
    return note->n_nodes > 0 && note->n_nodes == (uint32_t)ggml_graph_n_nodes(cgraph) &&
           note->nodes[0] == ggml_graph_nodes(cgraph)[0];
}

struct apir_graph_note *apir_graph_memory_find(struct apir_graph_memory *memory, const struct apir_reg *reg,
                                               struct ggml_cgraph *cgraph)
{
    struct apir_print print;
    bool printed = false;
    for (unsigned i = 0; i < APIR_MAX_GRAPHS; i++) {
        struct apir_graph_note *note = &memory->notes[i];
        if (!may_be(note, cgraph))
            continue;
        if (!printed)
            print = print_nodes(reg, cgraph);
        printed = true;
        if (!same(&print, &note->of_nodes) || !has_same_nodes(note, reg, cgraph) || !has_same_leafs(note, reg) ||
            !has_same_buffers(note, reg))
            continue;
        note->last_use = ++memory->clock;
        return note;
    }
    return NULL;
}

static void clear(struct apir_graph_note *note)
{
    free(note->nodes);
    free(note->uses.list);
    free(note->leafs);
    free(note->buffers);
    free(note->identities);
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
        if (!buffer || k < note->n_buffers)
            continue;
        note->identities[k] = (struct apir_graph_buffer){buffer->of_ggml, buffer->handle};
        note->buffers[note->n_buffers++] = buffer;
    }
}

/* Gives back what is not needed. */
static void shrink(struct apir_graph_note *note)
{
    void *leafs = realloc(note->leafs, (note->n_leafs + 1) * sizeof *note->leafs);
    void *buffers = realloc(note->buffers, (note->n_buffers + 1) * sizeof *note->buffers);
    void *identities = realloc(note->identities, (note->n_buffers + 1) * sizeof *note->identities);
    note->leafs = leafs ? leafs : note->leafs;
    note->buffers = buffers ? buffers : note->buffers;
    note->identities = identities ? identities : note->identities;
}

void apir_graph_memory_fill(struct apir_graph_memory *memory, struct apir_graph_note *note, const struct apir_reg *reg,
                            struct ggml_cgraph *cgraph, const struct apir_graph_builder *builder)
{
    uint32_t n = (uint32_t)ggml_graph_n_nodes(cgraph), number = note->number;
    note->nodes = malloc(n * sizeof(struct ggml_tensor *));
    note->uses.list = malloc(n * sizeof *note->uses.list);
    note->leafs = malloc((size_t)n * LEAFS_A_NODE * sizeof *note->leafs);
    note->buffers = malloc((builder->n_tensors + 1) * sizeof *note->buffers);
    note->identities = malloc((builder->n_tensors + 1) * sizeof *note->identities);
    if (!note->nodes || !note->uses.list || !note->leafs || !note->buffers || !note->identities)
        goto err;
    memcpy(note->nodes, ggml_graph_nodes(cgraph), n * sizeof(struct ggml_tensor *));
    note->n_nodes = n;
    if (!note_leafs(memory, note))
        goto err;
    note_buffers(note, builder);
    reg->abi->use_counts(cgraph, note->nodes, n, &note->uses);
    note->of_nodes = print_nodes(reg, cgraph);
    note->of_direct = print_leafs(reg, note->leafs, note->n_direct);
    note->of_rest = print_leafs(reg, note->leafs + note->n_direct, note->n_leafs - note->n_direct);
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
