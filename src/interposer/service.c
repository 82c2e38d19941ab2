#include "interposer/service.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "util/fd.h"

static void clear_accounts(const struct apir_list *jobs)
{
    for (const struct apir_list *link = jobs->next; link != jobs; link = link->next) {
        const struct apir_job *job = apir_list_entry(link, struct apir_job, link);
        if (job->account)
            *job->account = (struct apir_job_account){0};
    }
}

/* All jobs that wait, as a list of their own. */
static void take_jobs(struct apir_service *service, struct apir_list *jobs)
{
    apir_list_init(jobs);
    pthread_mutex_lock(&service->lock);
    if (!apir_list_empty(&service->jobs)) {
        *jobs = service->jobs;
        jobs->next->previous = jobs;
        jobs->previous->next = jobs;
        clear_accounts(jobs);
        apir_list_init(&service->jobs);
    }
    service->job_count = 0;
    service->job_bytes = 0;
    pthread_mutex_unlock(&service->lock);
}

static void jobs_ready(void *owner, uint32_t events)
{
    struct apir_service *service = owner;
    struct apir_list jobs, *link;
    eventfd_t count;
    (void)events;
    eventfd_read(service->wake, &count); /* before the jobs are taken: what comes later wakes again */
    take_jobs(service, &jobs);
    while ((link = apir_list_take_first(&jobs))) {
        struct apir_job *job = apir_list_entry(link, struct apir_job, link);
        job->run(job);
    }
}

static void *run(void *data)
{
    struct apir_service *service = data;
    apir_loop_run(&service->loop);
    return NULL;
}

/* Signals are for the hypervisor's own threads. */
static int start_thread(struct apir_service *service)
{
    sigset_t all, before;
    pthread_t thread;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int ret = pthread_create(&thread, NULL, run, service);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (ret != 0)
        return -ret;
    pthread_setname_np(thread, "apir");
    pthread_detach(thread);
    return 0;
}

int apir_service_start(struct apir_service *service)
{
    int ret = apir_loop_init(&service->loop);
    if (ret < 0)
        return ret;
    service->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (service->wake < 0) {
        ret = -errno;
        goto err_loop;
    }
    pthread_mutex_init(&service->lock, NULL);
    apir_list_init(&service->jobs);
    service->job_count = 0;
    service->job_bytes = 0;
    apir_source_init(&service->source, jobs_ready, service);
    ret = apir_loop_watch(&service->loop, &service->source, service->wake, EPOLLIN);
    if (ret < 0)
        goto err_wake;
    ret = start_thread(service);
    if (ret < 0)
        goto err_wake;
    service->started = true;
    return 0;

err_wake:
    pthread_mutex_destroy(&service->lock);
    apir_fd_close(&service->wake);
err_loop:
    apir_loop_finish(&service->loop);
    return ret;
}

static void post_locked(struct apir_service *service, struct apir_job *job)
{
    service->job_count++;
    service->job_bytes += job->size;
    apir_list_append(&service->jobs, &job->link);
}

static void wake(struct apir_service *service)
{
    eventfd_write(service->wake, 1); /* fails only if it is already as awake as can be */
}

void apir_service_post(struct apir_service *service, struct apir_job *job)
{
    job->account = NULL;
    pthread_mutex_lock(&service->lock);
    post_locked(service, job);
    pthread_mutex_unlock(&service->lock);
    wake(service);
}

static bool has_room_locked(const struct apir_service *service, const struct apir_job *job,
                            const struct apir_job_account *account)
{
    if (service->job_count < APIR_MAX_JOBS && service->job_bytes < APIR_MAX_JOB_BYTES)
        return true;
    return account->job_count < APIR_OWN_JOBS && job->size <= APIR_OWN_JOB_BYTES &&
           account->job_bytes <= APIR_OWN_JOB_BYTES - job->size;
}

int apir_service_try_post(struct apir_service *service, struct apir_job *job, struct apir_job_account *account)
{
    pthread_mutex_lock(&service->lock);
    bool room = has_room_locked(service, job, account);
    if (room) {
        job->account = account;
        account->job_count++;
        account->job_bytes += job->size;
        post_locked(service, job);
    }
    pthread_mutex_unlock(&service->lock);
    if (!room)
        return -ENOBUFS;
    wake(service);
    return 0;
}
