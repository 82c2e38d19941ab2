/* Graphs of deployed guests list their tensors in any order and name them by any numbers. Here they get the order and
 * the indices of the own protocol. Tensors that no node refers to are left out, as the sources of tensors that are no
 * nodes are: their values are there already, and they may be in buffers of other libraries. */
#include <errno.h>

#include "executor/upstream-private.h"
#include "util/clock.h"

#define SPREAD UINT64_C(0x9e3779b97f4a7c15) /* odd, and about as many bits set as not: the clock's upper ones are not */

enum role {
    ROLE_NONE,   /* not referred to */
    ROLE_SOURCE, /* of a node, or viewed */
    ROLE_NODE,
};

struct slot {
    uint64_t id;    /* 0: free */
    uint32_t index; /* in from->tensors */
};

struct order {
    const struct apir_upstream_graph *from;
    struct slot *slots; /* ids to indices: open addressing, at most half full */
    uint32_t bits;      /* there are 2^bits slots */
    uint64_t factor;    /* odd, not known to the guest */
    uint8_t *roles;
    uint32_t *places; /* of from's tensors in the list: 1 + index, 0: not listed */
    struct apir_tensor *tensors;
    uint32_t n_tensors;
    uint32_t *sources; /* APIR_UPSTREAM_MAX_SRC for each of the list */
    uint32_t *nodes;   /* first indices of from's tensors, then of the list */
    uint32_t n_nodes;
};

static int allocate(struct order *self, struct apir_arena *arena)
{
    size_t n = self->from->n_tensors, slots = 2;
    self->bits = 1;
    for (; slots < 2 * n; slots *= 2)
        self->bits++;
    self->factor = apir_clock_now() * SPREAD | 1;
    self->slots = apir_arena_alloc(arena, slots * sizeof *self->slots);
    self->roles = apir_arena_alloc(arena, n * sizeof *self->roles);
    self->places = apir_arena_alloc(arena, n * sizeof *self->places);
    self->tensors = apir_arena_alloc(arena, 2 * n * sizeof *self->tensors); /* a node may need its memory listed, too */
    self->sources = apir_arena_alloc(arena, 2 * n * APIR_UPSTREAM_MAX_SRC * sizeof *self->sources);
    self->nodes = apir_arena_alloc(arena, self->from->n_nodes * sizeof *self->nodes);
    return self->slots && self->roles && self->places && self->tensors && self->sources && self->nodes ? 0 : -ENOMEM;
}

/* The slot of an id, or the free one where it belongs: by the highest bits of the product, to which every bit of the id
 * contributes. */
static struct slot *slot_of(const struct order *self, uint64_t id)
{
    const uint32_t mask = (UINT32_C(1) << self->bits) - 1;
    uint32_t i = (uint32_t)(id * self->factor >> (64 - self->bits));
    while (self->slots[i].id != 0 && self->slots[i].id != id)
        i = (i + 1) & mask;
    return &self->slots[i];
}

static int enter_ids(struct order *self)
{
    for (uint32_t i = 0; i < self->from->n_tensors; i++) {
        uint64_t id = self->from->tensors[i].id;
        struct slot *slot = slot_of(self, id);
        if (id == 0 || slot->id == id)
            return -EINVAL;
        *slot = (struct slot){.id = id, .index = i};
    }
    return 0;
}

static int find(const struct order *self, uint64_t id, uint32_t *index)
{
    const struct slot *slot = slot_of(self, id);
    if (id == 0 || slot->id != id)
        return -EINVAL;
    *index = slot->index;
    return 0;
}

/* Notes that a tensor is referred to, and with it what it views, which is no view itself. */
static int need(struct order *self, uint32_t index, enum role role)
{
    uint32_t viewed;
    if (self->roles[index] == ROLE_NODE || (self->roles[index] == ROLE_SOURCE && role == ROLE_SOURCE))
        return 0;
    self->roles[index] = (uint8_t)role;
    if (!self->from->tensors[index].view_src)
        return 0;
    if (find(self, self->from->tensors[index].view_src, &viewed) < 0 || self->from->tensors[viewed].view_src)
        return -EINVAL;
    if (self->roles[viewed] == ROLE_NONE)
        self->roles[viewed] = ROLE_SOURCE;
    return 0;
}

static bool has_memory(const struct order *self, const struct apir_upstream_tensor *tensor)
{
    uint32_t viewed;
    if (!tensor->view_src)
        return tensor->buffer != 0;
    return find(self, tensor->view_src, &viewed) < 0 || self->from->tensors[viewed].buffer != 0;
}

/* Nodes that only say what memory is called may be without any. */
static bool is_left_out(const struct order *self, const struct apir_upstream_tensor *node)
{
    switch (node->op) {
    case GGML_OP_NONE:
    case GGML_OP_RESHAPE:
    case GGML_OP_VIEW:
    case GGML_OP_PERMUTE:
    case GGML_OP_TRANSPOSE:
        return !has_memory(self, node);
    default:
        return false;
    }
}

static int take_node(struct order *self, uint64_t id)
{
    uint32_t index, source;
    if (find(self, id, &index) < 0 || self->roles[index] == ROLE_NODE)
        return -EINVAL;
    const struct apir_upstream_tensor *node = &self->from->tensors[index];
    if (is_left_out(self, node))
        return 0;
    int ret = need(self, index, ROLE_NODE);
    for (unsigned s = 0; s < APIR_UPSTREAM_MAX_SRC && ret == 0; s++)
        if (node->src[s])
            ret = find(self, node->src[s], &source) < 0 ? -EINVAL : need(self, source, ROLE_SOURCE);
    self->nodes[self->n_nodes++] = index;
    return ret;
}

static struct apir_tensor *append(struct order *self, uint32_t index)
{
    const struct apir_upstream_tensor *from = &self->from->tensors[index];
    struct apir_tensor *to = &self->tensors[self->n_tensors++];
    uint32_t viewed;
    apir_upstream_convert(from, to);
    if (from->view_src && find(self, from->view_src, &viewed) == 0)
        to->view_src = self->places[viewed];
    if (self->roles[index] != ROLE_NODE)
        to->op = GGML_OP_NONE; /* its value is there */
    return to;
}

/* Lists what is referred to: what is viewed before the views. */
static void list_tensors(struct order *self, bool views)
{
    for (uint32_t i = 0; i < self->from->n_tensors; i++) {
        if (self->roles[i] == ROLE_NONE || (self->from->tensors[i].view_src != 0) != views)
            continue;
        append(self, i);
        self->places[i] = self->n_tensors;
    }
}

/* Place of a node's source. ggml makes a cast its own source: the memory that it writes is listed once more. */
static uint32_t place_of_source(struct order *self, uint32_t node, uint64_t id)
{
    uint32_t index;
    if (id == 0 || find(self, id, &index) < 0)
        return 0;
    if (index != node)
        return self->places[index];
    append(self, index)->op = GGML_OP_NONE;
    return self->n_tensors;
}

static void link_nodes(struct order *self)
{
    for (uint32_t i = 0; i < self->n_nodes; i++) {
        uint32_t node = self->nodes[i], place = self->places[node] - 1;
        uint32_t *sources = &self->sources[(size_t)place * APIR_UPSTREAM_MAX_SRC];
        uint32_t alias = 0; /* of the node itself */
        for (unsigned s = 0; s < APIR_UPSTREAM_MAX_SRC; s++) {
            uint64_t id = self->from->tensors[node].src[s];
            bool self_source = id != 0 && id == self->from->tensors[node].id;
            sources[s] = self_source && alias ? alias : place_of_source(self, node, id);
            alias = self_source ? sources[s] : alias;
        }
        self->tensors[place].src = sources;
        self->tensors[place].n_src = APIR_UPSTREAM_MAX_SRC;
        self->nodes[i] = place;
    }
}

int apir_upstream_convert_graph(struct apir_arena *arena, const struct apir_upstream_graph *from,
                                struct apir_graph *to)
{
    struct order self = {.from = from};
    int ret = allocate(&self, arena);
    if (ret == 0)
        ret = enter_ids(&self);
    for (uint32_t i = 0; i < from->n_nodes && ret == 0; i++)
        ret = take_node(&self, from->nodes[i]);
    if (ret < 0)
        return ret;
    list_tensors(&self, false);
    list_tensors(&self, true);
    link_nodes(&self);
    *to = (struct apir_graph){.tensors = self.tensors, .n_tensors = self.n_tensors, .nodes = self.nodes,
                              .n_nodes = self.n_nodes};
    return 0;
}
