/* The worker pool: order, bound, drain and stop. */
#include <pthread.h>
#include <stdatomic.h>

#include "../check.h"
#include "base/check.h"
#include "io/worker.h"

struct numbered {
    struct kc_job job;
    int number;
};

static _Atomic int ran;
static _Atomic bool gate_open, gate_reached;
static int order[1000];

static void run_numbered(struct kc_job *job) {
    struct numbered *numbered = KC_CONTAINER_OF(job, struct numbered, job);
    order[atomic_fetch_add(&ran, 1)] = numbered->number;
}

static void run_gate(struct kc_job *job) {
    (void)job;
    gate_reached = true;
    while (!gate_open) usleep(100);
    atomic_fetch_add(&ran, 1);
}

static void run_and_free(struct kc_job *job) {
    free(job);
    atomic_fetch_add(&ran, 1);
}

TEST(one_thread_runs_jobs_in_order) {
    struct kc_worker *worker;
    struct numbered jobs[1000];
    ran = 0;
    EXPECT_EQ(kc_worker_create(1, 1000, &worker), KC_OK);
    for (int i = 0; i < 1000; i++) {
        jobs[i] = (struct numbered){.job.run = run_numbered, .number = i};
        EXPECT_EQ(kc_worker_submit(worker, &jobs[i].job), KC_OK);
    }
    kc_worker_drain(worker);
    EXPECT_EQ(ran, 1000);
    for (int i = 0; i < 1000; i++) EXPECT_EQ(order[i], i);
    kc_worker_destroy(worker);
}

TEST(a_job_over_the_limit_is_refused_and_stop_runs_what_waits) {
    struct kc_worker *worker;
    struct kc_job gate = {.run = run_gate}, late = {.run = run_gate};
    struct numbered waiting[3];
    ran = 0;
    gate_open = gate_reached = false;
    EXPECT_EQ(kc_worker_create(1, 3, &worker), KC_OK);
    EXPECT_EQ(kc_worker_submit(worker, &gate), KC_OK);
    while (!gate_reached) usleep(100);      /* it is running now and no longer counts */
    for (int i = 0; i < 3; i++) {
        waiting[i] = (struct numbered){.job.run = run_numbered, .number = i};
        EXPECT_EQ(kc_worker_submit(worker, &waiting[i].job), KC_OK);
    }
    EXPECT_EQ(kc_worker_submit(worker, &late), KC_LIMIT);
    EXPECT_EQ(ran, 0);
    gate_open = true;
    kc_worker_stop(worker);
    EXPECT_EQ(ran, 4);
    EXPECT_EQ(kc_worker_submit(worker, &late), KC_CLOSED);
    kc_worker_stop(worker);
    kc_worker_destroy(worker);
    EXPECT_EQ(kc_worker_create(0, 3, &worker), KC_INVALID);
    EXPECT_EQ(kc_worker_create(3, 0, &worker), KC_INVALID);
}

static void *submit_many(void *argument) {
    for (int i = 0; i < 500; i++) {
        struct kc_job *job = malloc(sizeof *job);
        job->run = run_and_free;
        while (kc_worker_submit(argument, job) == KC_LIMIT) usleep(10);
    }
    return NULL;
}

TEST(many_submitters_and_several_threads) {
    struct kc_worker *worker;
    pthread_t threads[3];
    ran = 0;
    EXPECT_EQ(kc_worker_create(3, 16, &worker), KC_OK);
    for (int i = 0; i < 3; i++) EXPECT(!pthread_create(&threads[i], NULL, submit_many, worker));
    for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
    kc_worker_drain(worker);
    EXPECT_EQ(ran, 1500);
    kc_worker_destroy(worker);
}

RUN_ALL()
