/* What the targets of the host's doors have in common: an event loop that never waits, a clock that only the input
 * moves, and workers that are the other end of a socket, played by the input. No process is started, no file is made.
 * The targets are linked with world.c in place of apir_listener_*(), apir_worker_process_*(), apir_clock_now() and
 * malloc() (in CMakeLists.txt). */
#ifndef APIR_FUZZ_WORLD_H
#define APIR_FUZZ_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "attach/loop.h"
#include "attach/worker-process.h"
#include "reader.h"
#include "util/log.h"

enum { WORLD_WORKERS = 16 };

/* There is one at a time. */
struct world {
    struct apir_loop loop;
    struct apir_log log;                /* everything is formatted, and goes nowhere */
    struct apir_worker_options options; /* of workers that are "connected to", or, without a socket, "started" */
    int workers[WORLD_WORKERS];         /* our ends; -1: closed */
    struct world_process {
        struct apir_worker_process *process; /* that was started; NULL: a connection, or it has ended */
        struct apir_timer timer;             /* its end */
    } processes[WORLD_WORKERS];
    unsigned worker_count; /* that were started */
    bool no_workers;       /* the next one cannot be started */
    int front;             /* what connects next to a listener: the other end; -1: nobody */
    int lowest_fd;         /* that was free at the beginning */
    bool own_loop;         /* loop is ours to finish */
};

/* Starts one. The loop is the world's own unless the caller uses another. */
void world_init(struct world *world);

/* Ends it. Traps if a descriptor was left open. */
void world_finish(struct world *world);

/* Handles what is ready in a loop, up to so many events and timers. */
void world_step(struct apir_loop *loop, unsigned count);

/* Has an allocation of the code under test fail, the n-th from now; 0: none. */
void world_starve(unsigned n);

/* Memory for a target itself, of just that size: never fails. free() it. */
void *world_alloc(size_t size);

/* Lets so much time pass. */
void world_wait(unsigned ms);

/* Does as a worker what the input says: answers, true or not, bytes of any kind, reading, closing. */
void world_play_worker(struct world *world, struct reader *reader);

/* Something to hand over as a descriptor, by a number of the input: eventfd, pipes, memory of several kinds (size
 * bytes), files; -1 for some. The caller owns it. */
int world_make_fd(unsigned kind, uint64_t size);

/* Sends bytes with descriptors on a socket, as far as there is room; the descriptors stay the caller's. */
void world_send(int socket, const void *bytes, size_t size, const int *fds, unsigned fd_count);

/* Reads and drops what has come on a socket, up to size bytes; what came with it is closed. */
void world_drop(int socket, size_t size);

#endif
