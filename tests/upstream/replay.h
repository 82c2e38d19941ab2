/* Sends a folder of samples to a host, in their order, and compares its answers with those in the samples. */
#ifndef APIR_TESTS_UPSTREAM_REPLAY_H
#define APIR_TESTS_UPSTREAM_REPLAY_H

#include <stdbool.h>

#include "upstream/deployed-guest.h"
#include "upstream/sample.h"

enum {
    REPLAY_MAX_HANDLES = 16,
    REPLAY_DONE = 1,
};

/* Handles in the samples are pointers of the host that was recorded; here each has a value of this host's. */
struct replay_handle {
    uint64_t sample, here;
};

struct replay {
    struct deployed_guest *guest; /* borrowed */
    struct sample_folder folder;
    const char *const *order;
    unsigned step; /* in order */
    struct replay_handle handles[REPLAY_MAX_HANDLES];
    unsigned n_handles;
    uint64_t stand_in_type; /* buffer type for buffers in place of the guest's memory */
    char error[256];        /* what was wrong, when a function fails */
};

/* The samples in a folder; fromptr: the ones with buffers of the guest's memory. */
void replay_init(struct replay *replay, struct deployed_guest *guest, const char *folder, bool fromptr);

/* One exchange, out of order. 0, or -1 with error. */
int replay_exchange(struct replay *replay, const char *name);

/* The next exchange. 0, REPLAY_DONE if there is no more, or -1 with error. */
int replay_next(struct replay *replay);

/* All exchanges up to, and not with, the one of this name; NULL: all, and every file of the folder must have been
 * used. 0 or -1. */
int replay_until(struct replay *replay, const char *name);

/* Reads a sample and makes its request, and its graph, ones for this host. False with error. */
bool replay_prepare(struct replay *replay, const char *name, struct sample *sample);

#endif
