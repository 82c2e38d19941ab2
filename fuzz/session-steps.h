/* Steps of the session target's own. */
#ifndef APIR_FUZZ_SESSION_STEPS_H
#define APIR_FUZZ_SESSION_STEPS_H

enum session_step {
    STEP_BEGIN,    /* a handshake, queue 0, the library */
    STEP_FRAME,    /* u32 type, then the frame; param: 0 no descriptor, else that of a slot */
    STEP_BYTES,    /* for the socket as they are */
    STEP_HANDSHAKE, /* param: 0 our own protocol's, 1 the deployed one's, 2 without a page */
    STEP_COMMAND,  /* u32 command, u32 number, u32 shm */
    STEP_SHARE,    /* u32 id, u32 size: slot param */
    STEP_TAKE_AWAY, /* u32 id */
    STEP_OPEN,     /* queue param */
    STEP_RECORD,   /* the bytes are a record of queue param, as they are */
    STEP_WAITS,    /* dependencies of the next call: u8 queue and u8 sequence each */
    STEP_SCRIBBLE, /* u32 offset, u32 value in queue param's memory */
    STEP_FENCE,    /* the struct */
    STEP_UPSTREAM, /* u32 command, u32 flags, then arguments; answered in the status page, which is waited for if param is 0 */
    STEP_HOST,     /* the first: u8 variant of the host */
    N_OWN_STEPS,
};

/* Ids of shared memory; those of the slots are 1 to 4. */
enum { SESSION_STATUS_ID = 9, SESSION_QUEUE_ID = 10 };

#endif
