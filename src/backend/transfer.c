#include "backend/transfer.h"

#include <errno.h>
#include <string.h>

#include "apir-calls.h"
#include "backend/buffer.h"
#include "backend/device.h"
#include "backend/host-buffer.h"
#include "backend/reg.h"
#include "backend/staging.h"
#include "backend/tensor.h"
#include "client/queue.h"

enum {
    DIRECT_MIN = 64 * 1024, /* a set from shared memory has to be waited for: a copy of less is faster */
    MAX_UNDERWAY = 16,      /* pieces of a get */
};

/* One run. */
struct run {
    const struct apir_transfer *transfer;
    struct apir_queue *queue;
    struct apir_reg *reg;
    struct apir_staging *staging;
    bool plain;             /* backends leave the bytes of such tensors as they are */
    uint64_t place;         /* of the tensor in its buffer */
    struct apir_tensor tensor;
};

/* Rows [first, first + rows), or of one row `size` bytes at `start`, and where they are in shared memory. */
struct piece {
    uint64_t first, rows, start, size;
    uint32_t shm;
    uint64_t shm_offset;
};

static char *data_at(const struct apir_transfer *transfer, uint64_t row)
{
    return transfer->data + row * transfer->stride_data;
}

/* A forked child has none of the memory that was shared with the host. */
static bool is_missing(const struct apir_transfer *transfer)
{
    struct apir_reg *reg = transfer->buffer ? transfer->buffer->device->reg : NULL;
    uint32_t shm;
    uint64_t offset;
    return reg && apir_session_error(reg->session) == -EOWNERDEAD &&
           apir_host_buffer_find(reg, transfer->data, 1, &shm, &offset);
}

void apir_transfer_zero(const struct apir_transfer *transfer)
{
    if (is_missing(transfer))
        return;
    for (uint64_t row = 0; row < transfer->rows; row++)
        memset(data_at(transfer, row), 0, transfer->size);
}

/* The tensor must be in the buffer, and known to the host: data would be lost. */
static int locate(struct run *run)
{
    const struct ggml_tensor *tensor = run->transfer->tensor;
    if (apir_names_knows_type(&run->reg->names, tensor) &&
        apir_tensor_place(run->reg, tensor, &run->place) == run->transfer->buffer) {
        run->plain = !ggml_is_quantized(tensor->type) && apir_session_has_bytes(run->reg->session);
        return 0;
    }
    apir_session_fail(run->reg->session, -EINVAL,
                      "tensor that is not in its buffer, or of a type unknown to the host");
    return -EINVAL;
}

static int write_inside(const struct run *run)
{
    const struct apir_transfer *transfer = run->transfer;
    const struct apir_buffer_write_args args = {.buffer = transfer->buffer->handle,
                                                .offset = run->place + transfer->offset,
                                                .data = (const uint8_t *)transfer->data,
                                                .n_data = (uint32_t)transfer->size};
    apir_queue_count_data(run->queue, transfer->size, transfer->size);
    return apir_call_buffer_write(run->queue, &args);
}

static int call_rows(const struct run *run, const struct piece *piece)
{
    const struct apir_transfer *transfer = run->transfer;
    uint64_t offset = transfer->offset + piece->first * transfer->stride_tensor;
    if (transfer->to_host) {
        struct apir_tensor_set_2d_args args = {.tensor = run->tensor, .offset = offset, .size = transfer->size,
                                               .copies = piece->rows, .stride = transfer->stride_tensor,
                                               .shm = piece->shm, .shm_offset = piece->shm_offset};
        return apir_call_tensor_set_2d(run->queue, &args);
    }
    struct apir_tensor_get_2d_args args = {.tensor = run->tensor, .offset = offset, .size = transfer->size,
                                           .copies = piece->rows, .stride = transfer->stride_tensor,
                                           .shm = piece->shm, .shm_offset = piece->shm_offset};
    return apir_call_tensor_get_2d(run->queue, &args);
}

static int call_bytes(const struct run *run, const struct piece *piece)
{
    const struct apir_transfer *transfer = run->transfer;
    uint64_t offset = transfer->offset + piece->first * transfer->stride_tensor + piece->start;
    if (transfer->to_host) {
        struct apir_tensor_set_args args = {.tensor = run->tensor, .offset = offset, .size = piece->size,
                                            .shm = piece->shm, .shm_offset = piece->shm_offset};
        return apir_call_tensor_set(run->queue, &args);
    }
    if (run->plain) {
        struct apir_buffer_read_args args = {.buffer = transfer->buffer->handle, .offset = run->place + offset,
                                             .size = piece->size, .shm = piece->shm, .shm_offset = piece->shm_offset};
        return apir_call_buffer_read(run->queue, &args);
    }
    struct apir_tensor_get_args args = {.tensor = run->tensor, .offset = offset, .size = piece->size,
                                        .shm = piece->shm, .shm_offset = piece->shm_offset};
    return apir_call_tensor_get(run->queue, &args);
}

static int call_piece(const struct run *run, const struct piece *piece)
{
    apir_queue_count_data(run->queue, piece->rows * piece->size, 0);
    return piece->rows > 1 ? call_rows(run, piece) : call_bytes(run, piece);
}

/* Copies between the application's memory and shared memory. */
static void copy_piece(const struct run *run, const struct piece *piece, char *ours)
{
    const struct apir_transfer *transfer = run->transfer;
    for (uint64_t i = 0; i < piece->rows; i++, ours += piece->size) {
        char *theirs = data_at(transfer, piece->first + i) + piece->start;
        memcpy(transfer->to_host ? ours : theirs, transfer->to_host ? theirs : ours, piece->size);
    }
}

/* What comes after *piece, in at most `most` bytes; at the start piece->rows is 0. False: nothing. */
static bool next_piece(const struct run *run, struct piece *piece, uint64_t most)
{
    const struct apir_transfer *transfer = run->transfer;
    bool inside_row = piece->rows == 1 && piece->start + piece->size < transfer->size;
    if (inside_row) {
        piece->start += piece->size;
    } else {
        piece->first += piece->rows;
        piece->start = 0;
    }
    if (piece->first == transfer->rows)
        return false;
    uint64_t left = transfer->rows - piece->first, fit = most / transfer->size;
    if (piece->start || fit < 2 || left == 1 || !apir_session_has_rows(run->reg->session)) {
        uint64_t rest = transfer->size - piece->start;
        piece->rows = 1;
        piece->size = rest < most ? rest : most;
        return true;
    }
    piece->rows = left < fit ? left : fit;
    piece->size = transfer->size;
    return true;
}

/* Where a piece is in staging memory. */
static char *staged(const struct run *run, const struct piece *piece)
{
    return (char *)run->staging->shm.data + piece->shm_offset;
}

static int send_pieces(struct run *run, uint64_t most)
{
    struct piece piece = {.shm = run->staging->shm.id};
    while (next_piece(run, &piece, most)) {
        int64_t offset = apir_staging_take(run->staging, run->queue, piece.rows * piece.size);
        if (offset < 0)
            return (int)offset;
        piece.shm_offset = (uint64_t)offset;
        copy_piece(run, &piece, staged(run, &piece));
        int ret = call_piece(run, &piece);
        if (ret < 0)
            return ret;
        apir_staging_use(run->staging, apir_queue_next(run->queue) - 1, false);
    }
    return 0;
}

/* Pieces of a get that the host has been asked for, oldest first. */
struct underway {
    struct {
        struct piece piece;
        uint64_t sequence;
    } pieces[MAX_UNDERWAY];
    uint32_t first, count;
};

static int fetch_oldest(const struct run *run, struct underway *underway)
{
    uint32_t at = underway->first;
    int ret = apir_queue_sync_to(run->queue, underway->pieces[at].sequence);
    if (ret == 0)
        copy_piece(run, &underway->pieces[at].piece, staged(run, &underway->pieces[at].piece));
    apir_staging_release(run->staging);
    underway->first = (at + 1) % MAX_UNDERWAY;
    underway->count--;
    return ret;
}

/* Has the host write a piece, once there is room for it. */
static int ask_piece(struct run *run, struct underway *underway, struct piece *piece)
{
    int64_t offset = -EAGAIN;
    while (underway->count == MAX_UNDERWAY ||
           (offset = apir_staging_take(run->staging, run->queue, piece->rows * piece->size)) == -EAGAIN) {
        int ret = fetch_oldest(run, underway);
        if (ret < 0)
            return ret;
    }
    if (offset < 0)
        return (int)offset;
    piece->shm_offset = (uint64_t)offset;
    int ret = call_piece(run, piece);
    if (ret < 0)
        return ret;
    uint32_t at = (underway->first + underway->count++) % MAX_UNDERWAY;
    underway->pieces[at].piece = *piece;
    underway->pieces[at].sequence = apir_queue_next(run->queue) - 1;
    apir_staging_use(run->staging, underway->pieces[at].sequence, true);
    return 0;
}

static int fetch_pieces(struct run *run, uint64_t most)
{
    struct piece piece = {.shm = run->staging->shm.id};
    struct underway underway = {0};
    int ret = 0;
    while (ret == 0 && next_piece(run, &piece, most)) {
        ret = ask_piece(run, &underway, &piece);
        /* the deployed protocol has no offsets in shared memory: one piece at a time */
        if (ret == 0 && !apir_session_has_rows(run->reg->session))
            ret = fetch_oldest(run, &underway);
    }
    while (underway.count) {
        int fetched = fetch_oldest(run, &underway);
        ret = ret < 0 ? ret : fetched;
    }
    return ret;
}

/* Whether the application's bytes lie densely in shared memory that the host can use in place; *piece is then all of
 * them. */
static bool is_direct(const struct run *run, struct piece *piece)
{
    const struct apir_transfer *transfer = run->transfer;
    if (transfer->rows > 1 && transfer->stride_data != transfer->size)
        return false;
    if (transfer->to_host && !transfer->async && transfer->rows * transfer->size < DIRECT_MIN)
        return false;
    *piece = (struct piece){.rows = transfer->rows, .size = transfer->size};
    return apir_host_buffer_find(run->reg, transfer->data, transfer->rows * transfer->size, &piece->shm,
                                 &piece->shm_offset);
}

static int move_direct(const struct run *run, const struct piece *piece)
{
    int ret = call_piece(run, piece);
    if (ret < 0)
        return ret;
    return run->transfer->async ? 1 : apir_queue_sync(run->queue);
}

/* One small piece after the other, without staging memory: the host has no more to share. */
static int move_spare(const struct run *run)
{
    struct apir_queue_spare spare;
    if (!apir_queue_get_spare(run->queue, &spare))
        return -ENOMEM;
    struct piece piece = {.shm = spare.shm, .shm_offset = spare.offset};
    while (next_piece(run, &piece, spare.size)) {
        if (run->transfer->to_host)
            copy_piece(run, &piece, spare.data);
        int ret = call_piece(run, &piece);
        if (ret == 0)
            ret = apir_queue_sync(run->queue);
        if (ret < 0)
            return ret;
        if (!run->transfer->to_host)
            copy_piece(run, &piece, spare.data);
    }
    return 0;
}

static int move_staged(struct run *run)
{
    run->staging = &run->reg->staging[apir_queue_id(run->queue)];
    int64_t most = apir_staging_prepare(run->staging, run->queue, run->transfer->rows * run->transfer->size);
    if (most == -ENOMEM)
        return move_spare(run);
    if (most < 0)
        return (int)most;
    return run->transfer->to_host ? send_pieces(run, (uint64_t)most) : fetch_pieces(run, (uint64_t)most);
}

int apir_transfer_run(const struct apir_transfer *transfer, struct apir_queue *queue)
{
    struct run run = {.transfer = transfer, .queue = queue, .reg = transfer->buffer->device->reg};
    struct piece all;
    if (transfer->size == 0 || transfer->rows == 0)
        return 0;
    int ret = locate(&run);
    if (ret < 0)
        return ret;
    if (transfer->to_host && run.plain && transfer->rows == 1 && transfer->size <= APIR_MAX_INLINE)
        return write_inside(&run);
    apir_tensor_describe_data(run.reg, transfer->tensor, &run.tensor);
    return is_direct(&run, &all) ? move_direct(&run, &all) : move_staged(&run);
}
