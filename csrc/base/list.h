/* list.h: an intrusive, circular, doubly linked list.
 *
 * The node lives inside the element; the list owns nothing and allocates nothing.  A node that is in no list points at
 * itself, so that taking it out twice is harmless.  Thread: that of the list's owner. */
#ifndef KC_BASE_LIST_H
#define KC_BASE_LIST_H

#include <stdbool.h>

struct kc_list {
    struct kc_list *next, *prev;
};

static inline void kc_list_init(struct kc_list *node) { node->next = node->prev = node; }
static inline bool kc_list_empty(const struct kc_list *head) { return head->next == head; }

static inline void kc_list_insert_before(struct kc_list *at, struct kc_list *node) {
    node->prev = at->prev;
    node->next = at;
    at->prev->next = node;
    at->prev = node;
}
static inline void kc_list_push_back(struct kc_list *head, struct kc_list *node) { kc_list_insert_before(head, node); }
static inline void kc_list_push_front(struct kc_list *head, struct kc_list *node) { kc_list_insert_before(head->next, node); }

static inline void kc_list_remove(struct kc_list *node) {
    node->prev->next = node->next;
    node->next->prev = node->prev;
    kc_list_init(node);
}

/* The first node, taken out, or NULL. */
static inline struct kc_list *kc_list_pop_front(struct kc_list *head) {
    if (kc_list_empty(head)) return 0;
    struct kc_list *node = head->next;
    kc_list_remove(node);
    return node;
}

#define KC_LIST_FOR_EACH(node, head) for (struct kc_list *node = (head)->next; node != (head); node = node->next)

#endif
