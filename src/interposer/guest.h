/* One context of the guest that is served by a worker. The hypervisor's threads call the functions below, which copy
 * what they are given, hand it to the service's thread and return: there is all that a context does. */
#ifndef APIR_INTERPOSER_GUEST_H
#define APIR_INTERPOSER_GUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "attach/context.h"
#include "interposer/blob.h"
#include "interposer/retire.h"
#include "interposer/service.h"
#include "interposer/settings.h"

enum {
    APIR_MAX_WORKERS = 128, /* of one hypervisor: as many programs of its guest, also those that are ending */
};

/* What all contexts share. */
struct apir_host {
    struct apir_service service;
    struct apir_retire retire;
    const struct apir_log *log; /* borrowed */
    struct apir_list guests;    /* apir_guest.of_host; the service's thread, as what follows */
    unsigned workers;           /* that are not gone */
    struct apir_quota outboxes; /* what workers have not read yet */
};

/* Owned by the service from create to the end of its worker after end(). */
struct apir_guest {
    struct apir_host *host;
    uint32_t id;           /* the guest's name of it, used again after end() */
    struct apir_list link; /* the hypervisor's threads' until end(), with what follows */
    bool started;
    bool overran;
    int poll_fd; /* eventfd, readable while a fence of this context is to be polled; -1: none */

    struct apir_list of_host; /* the service's thread's, with what follows */
    struct apir_list shares;  /* struct share.link: memory that the guest has attached */
    struct apir_settings *settings;
    struct apir_context *context; /* the worker, or none */
    struct apir_context none;     /* stands in when no worker could be started: lost from the beginning */
    bool ended;
    const char *reason; /* of end(), static text */

    struct apir_job start, overrun, end;
    struct apir_job_account account; /* of its jobs that wait */
};

/* host->service must run. NULL when memory is short. */
struct apir_guest *apir_guest_create(struct apir_host *host, uint32_t id);

/* Starts the worker; once, before all that follows. Takes ownership of settings. */
void apir_guest_start(struct apir_guest *guest, struct apir_settings *settings);

/* A command of size bytes. 0, -EINVAL if it is too long, -ENOBUFS if too much waits (then the worker is lost), -ENOMEM.
 */
int apir_guest_submit(struct apir_guest *guest, const void *data, uint32_t size);

/* Has the fence reported when the worker has reached it, or is lost. 0, as apir_retire_begin(), or -ENOMEM. */
int apir_guest_fence(struct apir_guest *guest, uint32_t ring, uint64_t id);

/* Lets the worker use memory under that id, or no longer. 0 or -errno, as submit(). */
int apir_guest_attach(struct apir_guest *guest, uint32_t id, struct apir_blob *blob);
int apir_guest_detach(struct apir_guest *guest, uint32_t id);

/* Ends the worker and frees the guest, some time. reason is static text. */
void apir_guest_end(struct apir_guest *guest, const char *reason);

/* Takes memory id from all workers. By the service's thread: from a job. */
void apir_guest_detach_all(struct apir_host *host, uint32_t id);

#endif
