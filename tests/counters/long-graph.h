/* A graph that takes a device a while. */
#ifndef APIR_TESTS_COUNTERS_LONG_GRAPH_H
#define APIR_TESTS_COUNTERS_LONG_GRAPH_H

#include <ggml-backend.h>

/* Has the device compute graphs of 100 ms and more, and puts the percentage of a processor that this thread has used
 * while it waited for them into *percent, and how long they took in all into *ms. 0, or -1 with a message. */
int long_graph_wait(ggml_backend_dev_t device, double *percent, double *ms);

#endif
