#include "hot/gather.h"

#include "base/array.h"
#include "base/check.h"
#include "hot/sync.h"

struct kc_gathered_entry *kc_gather_add_entry(struct kc_gather *g) {
    uint32_t wanted = g->entry_count + 1;
    if (!KC_ARRAY_RESERVE(g->entries, g->entry_capacity, wanted) || !KC_ARRAY_RESERVE(g->appends, g->append_capacity, wanted) ||
        !KC_ARRAY_RESERVE(g->order, g->order_capacity, 2 * wanted))
        return NULL;
    struct kc_gathered_entry *entry = &g->entries[g->entry_count++];
    memset(entry, 0, sizeof *entry);
    return entry;
}

struct kc_gathered_topic *kc_gather_add_topic(struct kc_gather *g) {
    if (!KC_ARRAY_RESERVE(g->topics, g->topic_capacity, g->topic_count + 1)) return NULL;
    struct kc_gathered_topic *topic = &g->topics[g->topic_count++];
    memset(topic, 0, sizeof *topic);
    return topic;
}

struct kc_gathered_request *kc_gather_add_request(struct kc_gather *g) {
    if (!KC_ARRAY_RESERVE(g->requests, g->request_capacity, g->request_count + 1)) return NULL;
    struct kc_gathered_request *request = &g->requests[g->request_count++];
    memset(request, 0, sizeof *request);
    return request;
}

void kc_gather_rewind(struct kc_gather *g, uint32_t entry_count, uint32_t topic_count, uint32_t request_count) {
    KC_CHECK(entry_count <= g->entry_count && topic_count <= g->topic_count && request_count <= g->request_count);
    g->entry_count = entry_count;
    g->topic_count = topic_count;
    g->request_count = request_count;
    if (entry_count == 0) g->size_bytes = 0;
}

/* Stable merge sort of entry numbers by partition: equal partitions become neighbours and keep their order of arrival. */
static void sort_by_partition(const struct kc_gathered_entry *entries, uint32_t *order, uint32_t *spare, uint32_t count) {
    for (uint32_t width = 1; width < count; width *= 2) {
        for (uint32_t low = 0; low < count; low += 2 * width) {
            uint32_t mid = low + width < count ? low + width : count;
            uint32_t high = mid + width < count ? mid + width : count;
            for (uint32_t a = low, b = mid, at = low; at < high; at++) {
                bool left = b >= high || (a < mid && (uintptr_t)entries[order[a]].partition <= (uintptr_t)entries[order[b]].partition);
                spare[at] = left ? order[a++] : order[b++];
            }
        }
        memcpy(order, spare, count * sizeof *order);
    }
}

static void append_run(struct kc_gather *g, struct kc_worker *worker, const uint32_t *order, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        struct kc_gathered_entry *entry = &g->entries[order[i]];
        entry->append = (struct kc_append){
            .batch = entry->batch,
            .info = &entry->info,
            .leader_epoch = kc_partition_leader_epoch(entry->partition),
            .log_append_time = entry->log_append_time,
        };
        g->appends[i] = entry->append;
    }
    struct kc_partition *partition = g->entries[order[0]].partition;
    int64_t bytes = kc_log_append(partition->log, g->appends, count);
    for (uint32_t i = 0; i < count; i++) {
        struct kc_gathered_entry *entry = &g->entries[order[i]];
        entry->append = g->appends[i];
        entry->error = (int16_t)kc_error_from_append(entry->append.fault);
    }
    if (bytes > 0) kc_partition_notify(partition, bytes);
    kc_sync_write_back(partition, worker);
}

void kc_gather_append(struct kc_gather *g, struct kc_worker *worker) {
    uint32_t count = 0;
    bool sorted = true;
    for (uint32_t i = 0; i < g->entry_count; i++) {
        if (g->entries[i].error != KC_ERROR_NONE) continue;
        if (count && (uintptr_t)g->entries[g->order[count - 1]].partition > (uintptr_t)g->entries[i].partition) sorted = false;
        g->order[count++] = i;
    }
    if (!sorted) sort_by_partition(g->entries, g->order, g->order + count, count);
    for (uint32_t first = 0; first < count;) {
        uint32_t next = first + 1;
        while (next < count && g->entries[g->order[next]].partition == g->entries[g->order[first]].partition) next++;
        append_run(g, worker, g->order + first, next - first);
        first = next;
    }
}

void kc_gather_free(struct kc_gather *g) {
    free(g->entries);
    free(g->topics);
    free(g->requests);
    free(g->appends);
    free(g->order);
    *g = (struct kc_gather){0};
}
