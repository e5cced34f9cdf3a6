/* cold.c: a file slice that is not in memory is loaded by a worker, while the reactor serves others.
 *
 *   kc_flush -> KC_FLUSH_COLD -> kc_conn_load -> worker: load -> message -> the connection flushes on
 *
 * sendfile from a file that must be read from the disk first would stop every connection of the reactor for milliseconds (KAFKA-7504).
 * What has been loaded is sent without asking again, so that a machine short of memory makes progress, be it by waiting.
 *
 * Threads: kc_conn_load and the message's end on the reactor's, the load on a worker's.  Ownership: the load owns itself and one reference
 * to the file; the connection may end meanwhile, its token then finds nobody. */
#include <stdlib.h>

#include "base/check.h"
#include "net/chunk.h"
#include "net/connection.h"

enum { LOAD_MAX = 4 << 20 };        /* two milliseconds of a fast disk; the worker starts on as much again */

struct load {
    struct kc_job job;
    struct kc_message message;
    struct kc_reactor *reactor;
    kc_conn_token token;
    struct kc_file *file;
    int64_t position;
    size_t size;
};

static void loaded(struct kc_message *message, struct kc_reactor *reactor) {
    struct load *load = KC_CONTAINER_OF(message, struct load, message);
    struct kc_conn *conn = reactor ? kc_reactor_find(reactor, load->token) : NULL;
    if (conn) {
        conn->loading = false;
        conn->warm_size = load->size;
        conn->blocked_since_us = reactor->now_us;
        conn->sent_since = 0;
        kc_conn_output_added(conn);
    }
    kc_file_release(load->file);
    free(load);
}

static void run(struct kc_job *job) {
    struct load *load = KC_CONTAINER_OF(job, struct load, job);
    kc_file_load(load->file, load->position, load->size);
    kc_reactor_post(load->reactor, &load->message);
}

bool kc_conn_load(struct kc_conn *conn) {
    struct kc_chain_item *item = KC_CONTAINER_OF(conn->output.items.next, struct kc_chain_item, node);
    KC_CHECK(item->file && !conn->loading);
    struct load *load = malloc(sizeof *load);
    if (!load) return false;
    *load = (struct load){.job.run = run, .message.run = loaded, .reactor = conn->reactor, .token = kc_conn_token_of(conn),
                          .file = kc_file_retain(item->file), .position = item->position,
                          .size = item->size < LOAD_MAX ? (size_t)item->size : (size_t)LOAD_MAX};
    if (kc_worker_submit(conn->reactor->config.loader, &load->job) != KC_OK) {
        kc_file_release(load->file);
        free(load);
        return false;
    }
    conn->loading = true;
    return true;
}
