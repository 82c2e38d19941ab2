#include "fake-pipeline.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

static struct {
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t changed;
    int entered[2]; /* graphs that a device has begun */
} pipeline = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

bool fake_pipeline_meet(size_t device)
{
    struct timespec limit;
    int ret = 0;
    clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec += 10;
    pthread_mutex_lock(&pipeline.lock);
    int graph = ++pipeline.entered[device], partner = device == 0 ? graph - 1 : graph + 1;
    pthread_cond_broadcast(&pipeline.changed);
    while (ret == 0 && partner <= FAKE_PIPELINE_GRAPHS && pipeline.entered[!device] < partner)
        ret = pthread_cond_timedwait(&pipeline.changed, &pipeline.lock, &limit);
    pthread_mutex_unlock(&pipeline.lock);
    return ret == 0;
}
