#include "backend/event.h"

#include <stdint.h>
#include <stdlib.h>

#include "backend/device.h"
#include "backend/reg.h"
#include "backend/stream.h"
#include "client/queue.h"

/* Made by event_new, freed by event_free. */
struct apir_event {
    union apir_abi_event base; /* first: a ggml_backend_event_t of ours points here */
    struct apir_queue *queue;  /* borrowed; NULL: never recorded, nothing to wait for */
    uint64_t sequence;
};

static struct apir_event *of(ggml_backend_event_t event)
{
    return (struct apir_event *)event;
}

ggml_backend_event_t apir_event_new(ggml_backend_dev_t device)
{
    struct apir_event *event = calloc(1, sizeof *event);
    if (event)
        ((struct apir_device *)device)->reg->abi->init_event(&event->base, device);
    return (ggml_backend_event_t)event;
}

void apir_event_free(ggml_backend_dev_t device, ggml_backend_event_t event)
{
    (void)device;
    free(of(event));
}

void apir_event_synchronize(ggml_backend_dev_t device, ggml_backend_event_t event)
{
    (void)device;
    if (of(event)->queue)
        apir_queue_sync_to(of(event)->queue, of(event)->sequence);
}

void apir_event_record(ggml_backend_t backend, ggml_backend_event_t event)
{
    struct apir_queue *queue = apir_stream_queue(backend);
    of(event)->queue = queue;
    of(event)->sequence = apir_queue_next(queue) - 1;
}

void apir_event_wait(ggml_backend_t backend, ggml_backend_event_t event)
{
    struct apir_queue *queue = apir_stream_queue(backend), *on = of(event)->queue;
    if (on == queue) {
        apir_queue_wait_for_own(queue, of(event)->sequence);
    } else if (on) {
        apir_queue_wait_for(queue, apir_queue_id(on), of(event)->sequence);
        apir_queue_take_from(queue, on); /* who waits for results uses them */
    }
}
