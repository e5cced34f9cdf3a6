/* inbox.h: many threads put things in, one thread takes them out, and is woken if it sleeps.
 *
 * The queue is one atomic word: the head of a stack of intrusive nodes, or a mark that says "empty and the owner sleeps" or
 * "closed".  Putting is one compare-and-swap; taking is one exchange and a reversal, so that things come out in the order in which
 * they went in.  Only the putter that finds the sleep mark pays a system call, so an awake owner is never interrupted.
 *
 * Threads: kc_inbox_put from any thread; everything else on the owner's thread.  Ownership: the inbox borrows a node from put to take.
 * Invariant: the owner waits on the descriptor only after kc_inbox_sleep has answered true. */
#ifndef KC_IO_INBOX_H
#define KC_IO_INBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

struct kc_inbox_node {
    struct kc_inbox_node *next;
};

struct kc_inbox {
    struct kc_inbox_node *_Atomic head;
    int wake_read, wake_write;      /* one eventfd twice, or the two ends of a pipe */
};

/* An eventfd may be watched edge-triggered and never read; a pipe has to be emptied. */
#ifdef __linux__
#define KC_INBOX_EDGE true
#else
#define KC_INBOX_EDGE false
#endif

kc_status kc_inbox_init(struct kc_inbox *inbox);
/* Nothing is in it. */
void kc_inbox_destroy(struct kc_inbox *inbox);

/* False: the inbox is closed and the node is still the caller's. */
bool kc_inbox_put(struct kc_inbox *inbox, struct kc_inbox_node *node);
/* Several at once, for one wake-up: linked by next from the newest to the oldest. */
bool kc_inbox_put_all(struct kc_inbox *inbox, struct kc_inbox_node *newest, struct kc_inbox_node *oldest);

/* Whether nothing is in it, which is true only for now. */
bool kc_inbox_empty(const struct kc_inbox *inbox);
/* Everything that is in it, oldest first, linked by next; NULL when there is nothing.  The owner counts as awake from here on. */
struct kc_inbox_node *kc_inbox_take(struct kc_inbox *inbox);
/* True: it is empty and the next put will make the descriptor readable.  False: there is something to take. */
bool kc_inbox_sleep(struct kc_inbox *inbox);
/* Becomes readable when a put finds the owner asleep. */
int kc_inbox_descriptor(const struct kc_inbox *inbox);
/* Makes the descriptor unreadable again. */
void kc_inbox_clear(struct kc_inbox *inbox);

/* Refuses everything from now on and returns what was left, oldest first. */
struct kc_inbox_node *kc_inbox_close(struct kc_inbox *inbox);

#endif
