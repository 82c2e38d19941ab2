/* The thread that does this library's work: it runs an event loop, and jobs that other threads hand it. Posting a job
 * never waits for what the thread does. */
#ifndef APIR_INTERPOSER_SERVICE_H
#define APIR_INTERPOSER_SERVICE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "attach/list.h"
#include "attach/loop.h"

enum {
    APIR_MAX_JOBS = 65536,                 /* that may wait; the thread takes them in microseconds */
    APIR_MAX_JOB_BYTES = 64 * 1024 * 1024, /* the same, of the data in them: sixteen of the largest commands */
    APIR_OWN_JOBS = 256,                   /* of each account, whatever others have waiting */
    APIR_OWN_JOB_BYTES = 256 * 1024,
};

/* Who posts jobs: one that posts too many must not keep another from posting a few. */
struct apir_job_account {
    unsigned job_count; /* that wait; the service's lock guards both */
    size_t job_bytes;
};

/* Lives inside what it is about, which its run() may free. */
struct apir_job {
    struct apir_list link; /* apir_service.jobs */
    void (*run)(struct apir_job *job);
    size_t size; /* bytes of data in it; counted against APIR_MAX_JOB_BYTES */
    struct apir_job_account *account; /* the service's: of who posted it, NULL: nobody's */
};

/* Never ends once it is started. */
struct apir_service {
    struct apir_loop loop; /* the thread's */
    struct apir_source source;
    int wake; /* eventfd */
    bool started;
    pthread_mutex_t lock;  /* guards what follows */
    struct apir_list jobs; /* apir_job.link */
    unsigned job_count;
    size_t job_bytes;
};

/* Starts the thread, with all signals blocked. 0 or -errno. */
int apir_service_start(struct apir_service *service);

/* Has run(job) called by the thread, after all that was posted before. */
void apir_service_post(struct apir_service *service, struct apir_job *job);

/* The same for what a guest can make many of; account (borrowed, until the job is run) is the guest's. 0, or -ENOBUFS if
 * too much waits, in all and of this guest: then nothing has happened. */
int apir_service_try_post(struct apir_service *service, struct apir_job *job, struct apir_job_account *account);

#endif
