/* posts.h: messages to reactors that are posted together, so that a reactor that sleeps is woken once for all of them.
 *
 *     struct kc_posts posts = {0};
 *     for (...) kc_posts_add(&posts, reactor, message);
 *     kc_posts_send(&posts);
 *
 * Woken for the first of many, it would answer that one and sleep again, above all where it has to share a processor with the sender.
 * Messages for another reactor than the last send what there was.  Thread: any; the posts are their owner's. */
#ifndef KC_NET_POSTS_H
#define KC_NET_POSTS_H

#include "net/reactor.h"

struct kc_posts {
    struct kc_reactor *reactor;
    struct kc_inbox_node *newest, *oldest;
};

/* The message may be run from now on, and is under way after kc_posts_send at the latest. */
void kc_posts_add(struct kc_posts *posts, struct kc_reactor *reactor, struct kc_message *message);
void kc_posts_send(struct kc_posts *posts);

#endif
