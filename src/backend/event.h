/* Events: a place in a queue that other queues and threads wait for. The host knows nothing of them. */
#ifndef APIR_BACKEND_EVENT_H
#define APIR_BACKEND_EVENT_H

#include <ggml-backend.h>

/* What ggml calls. A backend waits without stopping the caller. */
ggml_backend_event_t apir_event_new(ggml_backend_dev_t device);
void apir_event_free(ggml_backend_dev_t device, ggml_backend_event_t event);
void apir_event_synchronize(ggml_backend_dev_t device, ggml_backend_event_t event);
void apir_event_record(ggml_backend_t backend, ggml_backend_event_t event);
void apir_event_wait(ggml_backend_t backend, ggml_backend_event_t event);

#endif
