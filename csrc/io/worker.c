#include "io/worker.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/check.h"

enum { STACK_SIZE = 512 << 10 };    /* musl's default of 128 KiB is too small for a recovery scan */

struct kc_worker {
    pthread_mutex_t lock;
    pthread_cond_t work;            /* a job was queued, or stopping */
    pthread_cond_t quiet;           /* a job has ended */
    struct kc_list queue;
    uint32_t queued, queue_max;
    uint64_t submitted, ended;
    bool stopping;
    uint32_t thread_count;
    pthread_t threads[];
};

static void *work(void *argument) {
    struct kc_worker *worker = argument;
    pthread_mutex_lock(&worker->lock);
    for (;;) {
        while (kc_list_empty(&worker->queue) && !worker->stopping) pthread_cond_wait(&worker->work, &worker->lock);
        struct kc_list *node = kc_list_pop_front(&worker->queue);
        if (!node) break;
        worker->queued--;
        pthread_mutex_unlock(&worker->lock);
        struct kc_job *job = KC_CONTAINER_OF(node, struct kc_job, node);
        job->run(job);
        pthread_mutex_lock(&worker->lock);
        worker->ended++;
        if (worker->ended == worker->submitted) pthread_cond_broadcast(&worker->quiet);
    }
    pthread_mutex_unlock(&worker->lock);
    return NULL;
}

static kc_status start_thread(struct kc_worker *worker, pthread_t *thread) {
    sigset_t all, before;
    pthread_attr_t attributes;
    sigfillset(&all);
    int error = pthread_attr_init(&attributes);
    if (error) return kc_status_from_errno(error);
    (void)pthread_attr_setstacksize(&attributes, STACK_SIZE);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(thread, &attributes, work, worker);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return error == EAGAIN ? KC_NO_MEMORY : kc_status_from_errno(error);
}

kc_status kc_worker_create(uint32_t thread_count, uint32_t queue_max, struct kc_worker **out) {
    if (thread_count == 0 || queue_max == 0) return KC_INVALID;
    struct kc_worker *worker = calloc(1, sizeof *worker + thread_count * sizeof worker->threads[0]);
    if (!worker) return KC_NO_MEMORY;
    pthread_mutex_init(&worker->lock, NULL);
    pthread_cond_init(&worker->work, NULL);
    pthread_cond_init(&worker->quiet, NULL);
    kc_list_init(&worker->queue);
    worker->queue_max = queue_max;
    for (; worker->thread_count < thread_count; worker->thread_count++) {
        kc_status status = start_thread(worker, &worker->threads[worker->thread_count]);
        if (status != KC_OK) {
            kc_worker_destroy(worker);
            return status;
        }
    }
    *out = worker;
    return KC_OK;
}

kc_status kc_worker_submit(struct kc_worker *worker, struct kc_job *job) {
    kc_status status = KC_OK;
    pthread_mutex_lock(&worker->lock);
    if (worker->stopping) status = KC_CLOSED;
    else if (worker->queued == worker->queue_max) status = KC_LIMIT;
    else {
        kc_list_push_back(&worker->queue, &job->node);
        worker->queued++;
        worker->submitted++;
    }
    pthread_mutex_unlock(&worker->lock);
    /* Behind the lock, or whoever is woken would run into it at once and sleep again. */
    if (status == KC_OK) pthread_cond_signal(&worker->work);
    return status;
}

void kc_worker_drain(struct kc_worker *worker) {
    pthread_mutex_lock(&worker->lock);
    /* With several threads a later job may end before an earlier one, so waiting for a count of ended jobs would not do. */
    while (worker->ended != worker->submitted) pthread_cond_wait(&worker->quiet, &worker->lock);
    pthread_mutex_unlock(&worker->lock);
}

void kc_worker_stop(struct kc_worker *worker) {
    pthread_mutex_lock(&worker->lock);
    bool first = !worker->stopping;
    worker->stopping = true;
    pthread_cond_broadcast(&worker->work);
    pthread_mutex_unlock(&worker->lock);
    for (uint32_t i = 0; first && i < worker->thread_count; i++) pthread_join(worker->threads[i], NULL);
}

void kc_worker_destroy(struct kc_worker *worker) {
    kc_worker_stop(worker);
    pthread_mutex_destroy(&worker->lock);
    pthread_cond_destroy(&worker->work);
    pthread_cond_destroy(&worker->quiet);
    free(worker);
}
