/* The host of a session that runs in the target's own process: an executor on ggml's CPU library, and shared memory. */
#ifndef APIR_FUZZ_HOST_H
#define APIR_FUZZ_HOST_H

#include "executor/executor.h"
#include "server/shm.h"

enum {
    HOST_SLOTS = 4, /* pieces of shared memory; their ids are 1 to 4 */
    HOST_SLOT_SIZE = 0x10000,
    HOST_MAX_BUFFERS = 16,
    HOST_CONFINED = 7, /* variant that refuses to serve without a sandbox */
    HOST_CLIENT = 8,   /* in which the client has a share with other contexts */
    HOST_SERVICE = 9,  /* variant in which a session is served through include/apir-server.h */
    HOST_LITTLE = 10,  /* in which there is little of everything */
    HOST_FINDER = 11,  /* in which memory is asked for when it is used */
    HOST_VARIANTS = 12,
};

struct host {
    struct apir_shm_table memory;
    struct apir_executor *executor;
    struct apir_log log;
    struct apir_ledger ledger;
    struct apir_limits limits;
    unsigned variant;
};

/* Once: finds the library and makes the memory. A fuzz target need not call it: its LLVMFuzzerInitialize() is here. */
void host_prepare(void);

/* Functions of the deployed protocol's later revision: none of those of protocol/apir-upstream.yaml. */
enum { HOST_INITIALIZE = 40, HOST_CLEAN_UP = 41 };

/* A new host; nothing is loaded. The shared memory, which it does not have yet, is zero. Variant 0 is a good host; others, up
 * to HOST_VARIANTS, lack a library, or have less of something. */
void host_init(struct host *host, unsigned variant);
void host_share_slots(struct host *host);
void host_finish(struct host *host);

/* The memory of slot number, and its descriptor. */
uint8_t *host_slot(unsigned number);
int host_slot_fd(unsigned number);

/* Says what became of a call, if the environment has FUZZ_VERBOSE. */
void host_tell(const char *call, long result);

/* Tells libFuzzer that an op was computed with a type: ggml's code does not, since it is not ours to build. */
void host_note_op(uint32_t op, int32_t sub_op, uint32_t type);

#endif
