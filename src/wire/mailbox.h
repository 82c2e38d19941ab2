/* The layouts of the two kinds of shared page that carry calls: the status page of a session, and the mailbox of a
 * queue. Both sides map them; what the host reads from them it copies first. */
#ifndef APIR_WIRE_MAILBOX_H
#define APIR_WIRE_MAILBOX_H

#include <stdatomic.h>
#include <stdint.h>

enum {
    APIR_STATUS_PAGE_SIZE = 0x4000, /* the reply blob of deployed guests */
    APIR_STATUS_DEAD_OFFSET = 0x3f00,
    APIR_MAILBOX_REQUEST_OFFSET = 0x1000,
    APIR_MAILBOX_AREA_SIZE = 0x10000, /* bytes for a request, and for a reply; larger data goes in blobs */
    APIR_MAILBOX_REPLY_OFFSET = APIR_MAILBOX_REQUEST_OFFSET + APIR_MAILBOX_AREA_SIZE,
    APIR_MAILBOX_SIZE = APIR_MAILBOX_REPLY_OFFSET + APIR_MAILBOX_AREA_SIZE,
    APIR_MAX_QUEUES = 64, /* virtio-gpu's limit of rings a context; queue 0 is the control queue */
};

/* Start of a mailbox. The words are on cache lines of their own. */
struct apir_mailbox {
    _Atomic uint32_t request; /* guest: low half of the sequence number of the request in the area (release) */
    uint32_t pad0[15];
    _Atomic uint32_t reply; /* host: the same of the reply in the area (release) */
    uint32_t pad1[15];
    _Atomic uint32_t sleeping; /* guest: 1 while it sleeps on `reply` and wants a futex wake (seq_cst) */
    uint32_t pad2[15];
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

#endif
