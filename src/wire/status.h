/* The status page of a session, which both sides map: the answer to the handshake, and a word for the session's end. */
#ifndef APIR_WIRE_STATUS_H
#define APIR_WIRE_STATUS_H

#include <stdatomic.h>
#include <stdint.h>

enum {
    APIR_STATUS_PAGE_SIZE = 0x4000, /* the reply blob of deployed guests */
    APIR_STATUS_DEAD_OFFSET = 0x3f00,
    APIR_STATUS_REFUSED_OFFSET = 0x3f40,
    APIR_STATUS_SYNCED_OFFSET = 0x3f80,
    APIR_MAX_QUEUES = 64, /* virtio-gpu's limit of rings a context; queue 0 is the control queue */
};

/* Handshake reply word at offset 0 of the status page. */
static inline _Atomic uint32_t *apir_status_notif(void *page)
{
    return (_Atomic uint32_t *)page;
}

/* Non-zero once the host side of the session is dead: nothing will answer any more. */
static inline _Atomic uint32_t *apir_status_dead(void *page)
{
    return (_Atomic uint32_t *)((char *)page + APIR_STATUS_DEAD_OFFSET);
}

/* The id of the shared memory that came last, if the host has not taken it because it is more than the guest may have, or
 * than there is room for; else 0. To be read after a sync. */
static inline _Atomic uint32_t *apir_status_refused(void *page)
{
    return (_Atomic uint32_t *)((char *)page + APIR_STATUS_REFUSED_OFFSET);
}

/* The number of the last APIR_COMMAND_SYNC that the host has taken (release; the guest acquires it). */
static inline _Atomic uint32_t *apir_status_synced(void *page)
{
    return (_Atomic uint32_t *)((char *)page + APIR_STATUS_SYNCED_OFFSET);
}

#endif
