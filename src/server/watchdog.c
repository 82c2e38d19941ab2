#include "server/watchdog.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "util/clock.h"

#define SECOND UINT64_C(1000000000)

enum {
    LOOKS = 16, /* until a call has taken too long: it is noticed that much later */
    STACK_SIZE = 256 * 1024,
};

/* Whether anything has happened since the last look. */
static bool has_news(const struct apir_watchdog *dog)
{
    bool news = false;
    for (const struct apir_watch *watch = dog->watches; watch; watch = watch->next)
        /* seq_cst: see sleep_locked */
        news |= atomic_load_explicit(&watch->steps, memory_order_seq_cst) != watch->seen;
    return news;
}

int apir_watchdog_look(struct apir_watchdog *dog, uint64_t now)
{
    int ret = 0;
    for (struct apir_watch *watch = dog->watches; watch; watch = watch->next) {
        /* relaxed: a number to compare */
        uint64_t steps = atomic_load_explicit(&watch->steps, memory_order_relaxed);
        bool runs = steps % 2 == 1, is_new = steps != watch->seen;
        if (is_new)
            watch->since = now;
        watch->seen = steps;
        if (runs && now - watch->since >= dog->limit_ns)
            return -ETIMEDOUT;
        ret |= runs || is_new;
    }
    return ret;
}

/* Until a call begins. */
static void sleep_locked(struct apir_watchdog *dog)
{
    /* seq_cst: this is stored, then the watches are read; begin stores its watch, then reads this: one sees the other's */
    atomic_store_explicit(&dog->asleep, true, memory_order_seq_cst);
    while (!dog->ending && !has_news(dog))
        pthread_cond_wait(&dog->changed, &dog->lock);
    atomic_store_explicit(&dog->asleep, false, memory_order_relaxed);
}

static void pause_locked(struct apir_watchdog *dog, uint64_t now)
{
    uint64_t until = now + dog->limit_ns / LOOKS + 1;
    struct timespec time = {.tv_sec = (time_t)(until / SECOND), .tv_nsec = (long)(until % SECOND)};
    int ret = 0;
    while (!dog->ending && ret == 0)
        ret = pthread_cond_timedwait(&dog->changed, &dog->lock, &time);
}

static void *dog_main(void *data)
{
    struct apir_watchdog *dog = data;
    int ret = 0;
    pthread_mutex_lock(&dog->lock);
    while (!dog->ending && ret >= 0) {
        uint64_t now = apir_clock_now();
        ret = apir_watchdog_look(dog, now);
        if (ret == 0)
            sleep_locked(dog);
        else if (ret > 0)
            pause_locked(dog, now);
    }
    bool ending = dog->ending;
    pthread_mutex_unlock(&dog->lock);
    if (ret < 0 && !ending)
        dog->expired(dog->data);
    return NULL;
}

static int start(struct apir_watchdog *dog)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    int ret = -pthread_create(&dog->thread, &attributes, dog_main, dog);
    pthread_attr_destroy(&attributes);
    return ret;
}

int apir_watchdog_init(struct apir_watchdog *dog, uint64_t limit_ns, void (*expired)(void *data), void *data)
{
    pthread_condattr_t attributes;
    memset(dog, 0, sizeof *dog);
    if (limit_ns == 0)
        return 0;
    dog->expired = expired;
    dog->data = data;
    dog->limit_ns = limit_ns;
    pthread_mutex_init(&dog->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&dog->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    int ret = start(dog);
    if (ret == 0)
        return 0;
    pthread_cond_destroy(&dog->changed);
    pthread_mutex_destroy(&dog->lock);
    dog->limit_ns = 0;
    return ret;
}

void apir_watchdog_finish(struct apir_watchdog *dog)
{
    if (dog->limit_ns == 0)
        return;
    pthread_mutex_lock(&dog->lock);
    dog->ending = true;
    pthread_cond_signal(&dog->changed);
    pthread_mutex_unlock(&dog->lock);
    pthread_join(dog->thread, NULL);
    pthread_cond_destroy(&dog->changed);
    pthread_mutex_destroy(&dog->lock);
    dog->limit_ns = 0;
}

void apir_watchdog_add(struct apir_watchdog *dog, struct apir_watch *watch)
{
    if (dog->limit_ns == 0)
        return;
    pthread_mutex_lock(&dog->lock);
    watch->next = dog->watches;
    dog->watches = watch;
    pthread_mutex_unlock(&dog->lock);
}

void apir_watchdog_remove(struct apir_watchdog *dog, struct apir_watch *watch)
{
    if (dog->limit_ns == 0)
        return;
    pthread_mutex_lock(&dog->lock);
    struct apir_watch **link = &dog->watches;
    while (*link && *link != watch)
        link = &(*link)->next;
    if (*link)
        *link = watch->next;
    pthread_mutex_unlock(&dog->lock);
}

void apir_watchdog_begin(struct apir_watchdog *dog, struct apir_watch *watch)
{
    if (dog->limit_ns == 0)
        return;
    /* seq_cst, both: see sleep_locked */
    uint64_t steps = atomic_load_explicit(&watch->steps, memory_order_relaxed);
    atomic_store_explicit(&watch->steps, steps + 1, memory_order_seq_cst);
    if (!atomic_load_explicit(&dog->asleep, memory_order_seq_cst))
        return;
    pthread_mutex_lock(&dog->lock);
    pthread_cond_signal(&dog->changed);
    pthread_mutex_unlock(&dog->lock);
}

void apir_watchdog_end(struct apir_watchdog *dog, struct apir_watch *watch)
{
    if (dog->limit_ns == 0)
        return;
    /* relaxed, both: only this thread stores it, and the watchdog compares it */
    uint64_t steps = atomic_load_explicit(&watch->steps, memory_order_relaxed);
    atomic_store_explicit(&watch->steps, steps + 1, memory_order_relaxed);
}
