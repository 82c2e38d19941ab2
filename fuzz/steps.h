/* Inputs that are a list of steps: messages of a protocol, and what else a target does. The mutator changes them as such: it
 * adds, repeats, moves and removes steps, and changes single fields of messages, as the protocol's tables have them. */
#ifndef APIR_FUZZ_STEPS_H
#define APIR_FUZZ_STEPS_H

#include "reader.h"
#include "walk.h"

/* A step of an input: u8 what, u8 param, u16 size, then size bytes. */
struct fuzz_step {
    uint8_t what;  /* index of a message of the protocol; from its n_messages on, the target's own */
    uint8_t param; /* means what the target says */
    uint16_t size;
    const uint8_t *bytes;
};

enum { FUZZ_STEP_HEADER = 4, FUZZ_MAX_STEP = 0xffff, FUZZ_REPLY = 0x80 };

/* Takes the next step; false at the end. A step that is cut short has what is there. */
bool fuzz_step_next(struct reader *reader, struct fuzz_step *step);

/* The first byte of the first step, if that is `what`; 0 if it is another. The step stays. */
uint8_t fuzz_first_step(const uint8_t *data, size_t size, size_t what);

/* A step's bytes in memory of their own, with nothing behind them: the caller frees it. */
uint8_t *fuzz_step_copy(const struct fuzz_step *step);

/* Writes a step of size bytes, which may be there already; its length, 0 if there is no room. */
size_t fuzz_step_write(uint8_t *at, size_t room, uint8_t what, uint8_t param, const void *bytes, size_t size);

/* What the mutator of a target needs to know; defined by each target that is linked with mutate.c. */
struct fuzz_subject {
    const struct fuzz_protocol *protocol;
    uint8_t n_own;    /* steps of the target's own */
    uint8_t n_params; /* good values of param are below */
    bool replies;     /* a message may also be the reply to a call, which FUZZ_REPLY in param says */
    /* May be NULL. Called for each struct of a message that was changed, half of the time: makes good what a mutator cannot
     * guess. record is its place. */
    void (*repair)(struct fuzz_walk *walk, size_t record, struct fuzz_random *random);
};
extern const struct fuzz_subject fuzz_subject;

/* What a step's bytes are; NULL for the target's own steps and calls without arguments. */
const struct fuzz_record *fuzz_step_record(const struct fuzz_subject *subject, const struct fuzz_step *step);

/* Handles and shared memory of a session, by what earlier replies gave: an input has small numbers in their place. */
enum { FUZZ_MAX_HANDLES = 64, FUZZ_HANDLE_KINDS = 4 };
struct fuzz_handles {
    struct {
        const char *of;
        uint64_t handles[FUZZ_MAX_HANDLES];
        uint32_t count;
    } kinds[FUZZ_HANDLE_KINDS];
};

/* Puts the handles that there are for the numbers 1 to 63 in a message. 64 to 127: a handle of any kind. All else stays as it
 * is. */
void fuzz_handles_put(const struct fuzz_handles *handles, const struct fuzz_protocol *protocol,
                      const struct fuzz_record *record, uint8_t *bytes, size_t size);

/* Takes the handles of a reply. */
void fuzz_handles_take(struct fuzz_handles *handles, const struct fuzz_protocol *protocol,
                       const struct fuzz_record *reply, uint8_t *bytes, size_t size);

#endif
