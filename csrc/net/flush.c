#include "net/flush.h"

#include "base/check.h"
#include "net/chunk.h"

enum { IOV_MAX_COUNT = 64 };

static struct kc_chain_item *item_of(struct kc_list *node) { return KC_CONTAINER_OF(node, struct kc_chain_item, node); }

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

/* Reads all of a slice that a file is said to have. */
static kc_status read_slice(struct kc_file *file, int64_t position, uint8_t *out, size_t size) {
    size_t got = 0;
    kc_status status = kc_file_read(file, out, size, position, &got);
    return status == KC_OK && got < size ? KC_OUT_OF_RANGE : status;
}

static enum kc_flush_result failure(kc_status status) {
    if (status == KC_AGAIN) return KC_FLUSH_BLOCKED;
    return status == KC_CLOSED || status == KC_END ? KC_FLUSH_PEER : KC_FLUSH_FILE;
}

/* Sends the memory and the small slices at the head of the chain in one call. */
static enum kc_flush_result send_gathered(struct kc_chain *chain, struct kc_transport *transport, const struct kc_flush_limits *limits,
                                          size_t warm, size_t *sent) {
    struct iovec iov[IOV_MAX_COUNT];
    int count = 0;
    size_t total = 0, scratch_used = 0, whole_max = limits->copy_max;
    struct kc_list *node = chain->items.next;
    for (; node != &chain->items && count < IOV_MAX_COUNT && total < limits->budget; node = node->next) {
        struct kc_chain_item *item = item_of(node);
        size_t size = (size_t)item->size;
        if (item->file) {
            /* A slice that no call but this can send is cut to what the scratch memory holds. */
            if (size > whole_max && count == 0) size = smaller(size, limits->scratch_size);
            else if (size > whole_max || size > limits->scratch_size - scratch_used) break;
            if (total >= warm && kc_file_is_cold(item->file, item->position, size)) {
                if (count == 0) return KC_FLUSH_COLD;
                break;
            }
            uint8_t *at = limits->scratch + scratch_used;
            if (read_slice(item->file, item->position, at, size) != KC_OK) {
                if (count == 0) return KC_FLUSH_FILE;
                break;      /* what stands before it is sound and leaves first */
            }
            scratch_used += size;
            iov[count++] = (struct iovec){at, size};
            total += size;
            if (size < (size_t)item->size) break;
        } else {
            iov[count++] = (struct iovec){item->chunk->data + item->position, size};
            total += size;
        }
    }
    bool more = node != &chain->items;
    kc_status status = transport->ops->send(transport, iov, count, more, sent);
    if (status != KC_OK) return failure(status) == KC_FLUSH_BLOCKED ? KC_FLUSH_BLOCKED : KC_FLUSH_PEER;
    kc_chain_consume(chain, *sent);
    return *sent < total ? KC_FLUSH_BLOCKED : KC_FLUSH_DONE;
}

static kc_status send_step(struct kc_transport *transport, struct kc_file *file, int64_t position, size_t size, size_t *sent) {
    int handle;
    kc_status status = kc_file_pin(file, &handle);
    if (status != KC_OK) return status;
    status = transport->ops->send_file(transport, handle, position, size, sent);
    kc_file_unpin(file);
    return status;
}

enum kc_flush_result kc_flush(struct kc_chain *chain, struct kc_transport *transport, const struct kc_flush_limits *limits) {
    size_t spent = 0;
    while (chain->size_bytes > 0) {
        if (spent >= limits->budget) return KC_FLUSH_BUDGET;
        size_t warm = limits->warm > spent ? limits->warm - spent : 0;
        struct kc_chain_item *first = item_of(chain->items.next);
        size_t sent = 0;
        bool whole = first->file && (size_t)first->size > limits->copy_max && transport->ops->send_file &&
                     kc_file_disk(first->file)->handles_are_descriptors;
        if (whole) {
            size_t step = smaller(smaller((size_t)first->size, limits->sendfile_step), limits->budget - spent);
            if (warm > 0) step = smaller(step, warm);
            else if (kc_file_is_cold(first->file, first->position, step)) return KC_FLUSH_COLD;
            kc_status status = send_step(transport, first->file, first->position, step, &sent);
            if (status == KC_OK) {
                kc_chain_consume(chain, sent);
                spent += sent;
                /* Short: the socket is full, or the file is; the next attempt tells which, once the socket has room. */
                if (sent < step) return KC_FLUSH_BLOCKED;
                continue;
            }
            if (status != KC_INVALID) return failure(status);
        }
        enum kc_flush_result result = send_gathered(chain, transport, limits, warm, &sent);
        if (result != KC_FLUSH_DONE) return result;
        spent += sent;
    }
    return KC_FLUSH_DONE;
}
