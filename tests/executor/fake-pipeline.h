/* Two devices that compute only side by side: graph k of the second while the first computes graph k + 1. */
#ifndef APIR_TESTS_EXECUTOR_FAKE_PIPELINE_H
#define APIR_TESTS_EXECUTOR_FAKE_PIPELINE_H

#include <stdbool.h>
#include <stddef.h>

enum {
    FAKE_PIPELINE_GRAPHS = 4, /* of each device; the ends of the pipeline have no partner */
};

/* Called by a device (0 or 1) in each of its graphs: returns when the other is in the graph that belongs to it. False: it
 * has not come for 10 s. */
bool fake_pipeline_meet(size_t device);

#endif
