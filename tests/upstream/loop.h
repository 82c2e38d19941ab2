/* Many calls and graphs on one session, to see whether the host's memory grows. */
#ifndef APIR_TESTS_UPSTREAM_LOOP_H
#define APIR_TESTS_UPSTREAM_LOOP_H

#include "upstream/replay.h"

enum {
    LOOP_NODES = 500, /* in each graph, all made like the sample's first */
};

/* Makes calls calls (properties, set, get, in turn) and calls / 10 graphs. replay has come to the first
 * backend_graph_compute. 0, or -1 with replay->error. */
int loop_run(struct replay *replay, unsigned calls);

#endif
