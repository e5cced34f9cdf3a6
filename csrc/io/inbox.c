#include "io/inbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/eventfd.h>
#endif

/* Marks: addresses that no node can have. */
#define ASLEEP ((struct kc_inbox_node *)1)
#define SHUT ((struct kc_inbox_node *)2)

static kc_status open_wake(struct kc_inbox *inbox) {
#ifdef __linux__
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (fd < 0) return kc_status_from_errno(errno);
    inbox->wake_read = inbox->wake_write = fd;
#else
    int ends[2];
    if (pipe(ends)) return kc_status_from_errno(errno);
    for (int i = 0; i < 2; i++) {
        (void)fcntl(ends[i], F_SETFD, FD_CLOEXEC);
        (void)fcntl(ends[i], F_SETFL, O_NONBLOCK);
    }
    inbox->wake_read = ends[0];
    inbox->wake_write = ends[1];
#endif
    return KC_OK;
}

kc_status kc_inbox_init(struct kc_inbox *inbox) {
    atomic_init(&inbox->head, NULL);
    return open_wake(inbox);
}

void kc_inbox_destroy(struct kc_inbox *inbox) {
    close(inbox->wake_read);
    if (inbox->wake_write != inbox->wake_read) close(inbox->wake_write);
    inbox->wake_read = inbox->wake_write = -1;
}

static void wake(const struct kc_inbox *inbox) {
    uint64_t one = 1;
    size_t size = KC_INBOX_EDGE ? sizeof one : 1;
    /* EAGAIN: the counter or the pipe is full, so the owner is being woken already. */
    while (write(inbox->wake_write, &one, size) < 0 && errno == EINTR) {}
}

bool kc_inbox_put_all(struct kc_inbox *inbox, struct kc_inbox_node *newest, struct kc_inbox_node *oldest) {
    struct kc_inbox_node *head = atomic_load_explicit(&inbox->head, memory_order_relaxed);
    do {
        if (head == SHUT) return false;
        oldest->next = head == ASLEEP ? NULL : head;
    } while (!atomic_compare_exchange_weak_explicit(&inbox->head, &head, newest, memory_order_release, memory_order_relaxed));
    if (head == ASLEEP) wake(inbox);
    return true;
}

bool kc_inbox_put(struct kc_inbox *inbox, struct kc_inbox_node *node) { return kc_inbox_put_all(inbox, node, node); }

static struct kc_inbox_node *oldest_first(struct kc_inbox_node *node) {
    struct kc_inbox_node *reversed = NULL;
    if (node == ASLEEP || node == SHUT) return NULL;
    while (node) {
        struct kc_inbox_node *next = node->next;
        node->next = reversed;
        reversed = node;
        node = next;
    }
    return reversed;
}

struct kc_inbox_node *kc_inbox_take(struct kc_inbox *inbox) {
    struct kc_inbox_node *head = atomic_load_explicit(&inbox->head, memory_order_relaxed);
    /* The usual turn has no messages and should not take the cache line away from the putters. */
    if (head == NULL || head == SHUT) return NULL;
    return oldest_first(atomic_exchange_explicit(&inbox->head, NULL, memory_order_acquire));
}

bool kc_inbox_empty(const struct kc_inbox *inbox) {
    struct kc_inbox_node *head = atomic_load_explicit(&inbox->head, memory_order_relaxed);
    return head == NULL || head == ASLEEP || head == SHUT;
}

bool kc_inbox_sleep(struct kc_inbox *inbox) {
    struct kc_inbox_node *head = NULL;
    if (atomic_compare_exchange_strong_explicit(&inbox->head, &head, ASLEEP, memory_order_relaxed, memory_order_relaxed)) return true;
    return head == ASLEEP;
}

int kc_inbox_descriptor(const struct kc_inbox *inbox) { return inbox->wake_read; }

void kc_inbox_clear(struct kc_inbox *inbox) {
    uint64_t bytes[16];
    size_t size = KC_INBOX_EDGE ? sizeof bytes[0] : sizeof bytes;
    for (;;) {
        ssize_t n = read(inbox->wake_read, bytes, size);
        if (n < 0 && errno == EINTR) continue;
        if (n < (ssize_t)size || KC_INBOX_EDGE) return;
    }
}

struct kc_inbox_node *kc_inbox_close(struct kc_inbox *inbox) {
    return oldest_first(atomic_exchange_explicit(&inbox->head, SHUT, memory_order_acq_rel));
}
