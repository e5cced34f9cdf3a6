#include "net/posts.h"

#include "base/check.h"
#include "net/loop.h"

/* The reactor has stopped.  In the order in which they came, as kc_reactor_post would have it. */
static void refuse(struct kc_inbox_node *newest) {
    struct kc_inbox_node *oldest_first = NULL;
    while (newest) {
        struct kc_inbox_node *next = newest->next;
        newest->next = oldest_first;
        oldest_first = newest;
        newest = next;
    }
    while (oldest_first) {
        struct kc_message *message = KC_CONTAINER_OF(oldest_first, struct kc_message, node);
        oldest_first = oldest_first->next;      /* run owns the message */
        message->run(message, NULL);
    }
}

void kc_posts_send(struct kc_posts *posts) {
    struct kc_inbox_node *newest = posts->newest;
    if (!newest) return;
    posts->newest = NULL;
    posts->oldest->next = NULL;
    if (!kc_inbox_put_all(&posts->reactor->inbox, newest, posts->oldest)) refuse(newest);
}

void kc_posts_add(struct kc_posts *posts, struct kc_reactor *reactor, struct kc_message *message) {
    if (posts->reactor != reactor) kc_posts_send(posts);
    posts->reactor = reactor;
    message->node.next = posts->newest;
    if (!posts->newest) posts->oldest = &message->node;
    posts->newest = &message->node;
}
