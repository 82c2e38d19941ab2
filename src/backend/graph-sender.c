#include "backend/graph-sender.h"

#include <errno.h>
#include <string.h>

#include "apir-calls.h"
#include "apir-codec.h"
#include "backend/buffer.h"
#include "backend/graph-memory.h"
#include "client/queue.h"
#include "wire/cs.h"

enum {
    FIRST_SIZE = 64 * 1024,
};

/* One run of send. */
struct send {
    struct apir_graph_sender *sender;
    struct apir_graph_slot *slot;
    struct apir_graph graph;
    bool is_derived; /* told by what differs */
    uint32_t n_changes;
};

int apir_graph_mirror_usages(struct apir_buffer *const *buffers, uint32_t n)
{
    struct apir_buffer *last = NULL;
    for (uint32_t i = 0; i < n; i++) {
        int ret = buffers[i] && buffers[i] != last ? apir_buffer_mirror_usage(buffers[i]) : 0;
        if (ret < 0)
            return ret;
        last = buffers[i];
    }
    return 0;
}

/* Replaces the shared memory by one of twice the size. */
static int grow(const struct apir_graph_sender *sender, struct apir_graph_slot *slot)
{
    struct apir_session *session = sender->reg->session;
    uint64_t size = slot->shm.size ? 2 * slot->shm.size : FIRST_SIZE;
    if (size > APIR_MAX_GRAPH_BYTES)
        return -E2BIG;
    apir_session_shm_destroy(session, &slot->shm);
    slot->shm = (struct apir_shm){0};
    int ret = apir_session_shm_create(session, size, &slot->shm);
    if (ret == -ENOMEM && apir_reg_free_staging(sender->reg))
        ret = apir_session_shm_create(session, size, &slot->shm);
    return ret;
}

/* Everything but names, which decide nothing, and src, which is the sources. */
static bool same_fields(const struct apir_tensor *a, const struct apir_tensor *b)
{
    return a->type == b->type && a->op == b->op && a->flags == b->flags && a->use_count == b->use_count &&
           memcmp(a->ne, b->ne, sizeof a->ne) == 0 && memcmp(a->nb, b->nb, sizeof a->nb) == 0 &&
           memcmp(a->op_params, b->op_params, sizeof a->op_params) == 0 && a->n_src == b->n_src &&
           a->view_src == b->view_src && a->view_offs == b->view_offs && a->buffer == b->buffer &&
           a->offset == b->offset;
}

static bool is_same(const struct apir_graph_builder *a, const struct apir_graph_builder *b, uint32_t i)
{
    return same_fields(&a->tensors[i], &b->tensors[i]) &&
           memcmp(a->sources[i], b->sources[i], a->tensors[i].n_src * sizeof **a->sources) == 0;
}

/* Whether the graph is best told by what differs from the last one: its nodes are the same tensors of the list, and at
 * most half of them differ. */
static void compare(struct send *send)
{
    const struct apir_graph_sender *sender = send->sender;
    const struct apir_graph_builder *now = &send->slot->builder, *before = &sender->slots[sender->last].builder;
    if (sender->base == 0 || now->n_tensors != before->n_tensors || now->n_nodes != before->n_nodes ||
        memcmp(now->nodes, before->nodes, now->n_nodes * sizeof *now->nodes) != 0)
        return;
    for (uint32_t i = 0; i < now->n_tensors; i++)
        send->n_changes += !is_same(now, before, i);
    send->is_derived = send->n_changes <= now->n_tensors / 2;
}

static void encode_changes(const struct send *send, struct apir_enc *enc)
{
    const struct apir_graph_sender *sender = send->sender;
    const struct apir_graph_builder *now = &send->slot->builder, *before = &sender->slots[sender->last].builder;
    apir_enc_u32(enc, send->n_changes); /* struct graph_changes, without a list of them in memory */
    for (uint32_t i = 0; i < now->n_tensors; i++) {
        if (is_same(now, before, i))
            continue;
        const struct apir_graph_change change = {.index = i, .tensor = now->tensors[i]};
        apir_encode_graph_change(enc, &change);
    }
}

static int encode(const struct send *send, struct apir_enc *enc)
{
    if (!send->is_derived)
        return apir_session_encode_graph(send->sender->reg->session, enc, &send->graph);
    encode_changes(send, enc);
    return 0;
}

/* Writes what is told to shared memory. Returns its bytes or -errno. */
static int64_t write_down(const struct send *send)
{
    struct apir_shm *shm = &send->slot->shm;
    struct apir_enc enc;
    int ret = shm->size ? 0 : grow(send->sender, send->slot);
    while (ret == 0) {
        apir_enc_init(&enc, shm->data, shm->size < APIR_MAX_GRAPH_BYTES ? shm->size : APIR_MAX_GRAPH_BYTES);
        ret = encode(send, &enc);
        if (ret == 0 && apir_enc_ok(&enc))
            return (int64_t)apir_enc_used(&enc);
        ret = ret == 0 ? grow(send->sender, send->slot) : ret;
    }
    return ret;
}

static int call(const struct send *send, uint64_t size, uint32_t number)
{
    const struct apir_graph_sender *sender = send->sender;
    const struct apir_graph_derive_args derive = {.stream = sender->stream, .base = sender->base,
                                                  .shm = send->slot->shm.id, .size = size, .graph = number};
    const struct apir_graph_compute_args whole = {
        .stream = sender->stream, .shm = send->slot->shm.id, .size = size, .graph = number};
    return send->is_derived ? apir_call_graph_derive(sender->queue, &derive)
                            : apir_call_graph_compute(sender->queue, &whole);
}

/* Posts the call that tells the graph; the host keeps it under a number (0: it does not). */
static int post(struct send *send, uint64_t size, uint32_t number)
{
    struct apir_graph_sender *sender = send->sender;
    const struct apir_graph_builder *builder = &send->slot->builder;
    apir_queue_lock(sender->queue);
    apir_order_stream(sender->reg, sender->queue, builder->buffers, builder->n_tensors);
    int ret = call(send, size, number);
    send->slot->sequence = apir_queue_next(sender->queue) - 1;
    apir_queue_count_message(sender->queue, size);
    apir_queue_expect_long(sender->queue);
    apir_queue_unlock(sender->queue);
    sender->last = (uint32_t)(send->slot - sender->slots);
    sender->base = ret == 0 ? number : 0;
    return ret;
}

int apir_graph_sender_send(struct apir_graph_sender *sender, struct apir_graph_memory *memory, struct ggml_cgraph *cgraph)
{
    struct apir_graph_slot *slot = &sender->slots[(sender->last + 1) % APIR_GRAPH_SENDER_SLOTS];
    struct send send = {.sender = sender, .slot = slot};
    int ret = apir_graph_build(&slot->builder, sender->reg, cgraph, &send.graph);
    if (ret < 0 || send.graph.n_nodes == 0)
        return ret;
    ret = apir_graph_mirror_usages(slot->builder.buffers, slot->builder.n_tensors);
    if (ret == 0)
        ret = apir_queue_sync_to(sender->queue, slot->sequence);
    if (ret < 0)
        return ret;
    struct apir_graph_note *note =
        apir_session_keeps_graphs(sender->reg->session) ? apir_graph_memory_take(memory) : NULL;
    if (note && note->number != sender->base)
        compare(&send);
    int64_t size = write_down(&send);
    ret = size < 0 ? (int)size : post(&send, (uint64_t)size, note ? note->number : 0);
    if (note && ret == 0)
        apir_graph_memory_fill(memory, note, sender->reg, cgraph, &slot->builder);
    return ret < 0 ? ret : 1;
}

void apir_graph_sender_forget(struct apir_graph_sender *sender)
{
    sender->base = 0;
}

void apir_graph_sender_finish(struct apir_graph_sender *sender)
{
    for (unsigned i = 0; i < APIR_GRAPH_SENDER_SLOTS; i++) {
        if (sender->reg)
            apir_session_shm_destroy(sender->reg->session, &sender->slots[i].shm);
        apir_graph_builder_finish(&sender->slots[i].builder);
    }
}
