#include "hot/fetch_session.h"

#include <stdlib.h>

#include "base/array.h"
#include "base/check.h"

#define NOBODY_WAITS (INT64_MAX / 2)

/* One partition of a session. */
struct member {
    struct kc_waiter waiter;
    struct kc_fetch_session *session;
    struct member *next_pushed;
    atomic_bool pushed;
    bool active;
    struct kc_list active_node;           /* in the session's list, or by itself */
    struct member *next_in_bucket;
    uint32_t hash;

    struct kc_partition *partition;       /* one reference and a waiter in it, or NULL: unknown */
    int64_t offset;
    int32_t index, current_leader_epoch, size_max_bytes;
    int64_t told_high_watermark, told_log_start_offset;   /* -1: to be told anew */
    uint8_t id[KC_TOPIC_ID_SIZE];
    uint32_t name_size;
    char name[];
};

struct kc_fetch_session {
    struct kc_hot *hot;
    int32_t id, epoch;                    /* epoch: that the next request must bear */
    bool uses_ids;
    struct member **buckets;
    uint32_t bucket_count, member_count;
    struct kc_list active;
    struct member *_Atomic pushed;        /* by appenders: a stack */
    struct kc_fetch *parked;
    struct kc_message message;
    _Atomic int64_t missing_bytes;
    atomic_bool posted;
    bool ended;
};

/* ---- waking ------------------------------------------------------------------------------------------------------------------- */

/* On any thread, under the partition's waiters lock. */
static void member_woken(struct kc_waiter *waiter, int64_t bytes) {
    struct member *m = KC_CONTAINER_OF(waiter, struct member, waiter);
    struct kc_fetch_session *s = m->session;
    if (!atomic_exchange(&m->pushed, true)) {
        m->next_pushed = atomic_load(&s->pushed);
        while (!atomic_compare_exchange_weak(&s->pushed, &m->next_pushed, m)) {
        }
    }
    bool ready = bytes == INT64_MAX || atomic_fetch_sub(&s->missing_bytes, bytes) <= bytes;
    if (ready && !atomic_exchange(&s->posted, true)) kc_reactor_post(s->hot->reactor, &s->message);
}

static void free_session(struct kc_fetch_session *s) {
    free(s->buckets);
    free(s);
}

static void session_message(struct kc_message *message, struct kc_reactor *reactor) {
    struct kc_fetch_session *s = KC_CONTAINER_OF(message, struct kc_fetch_session, message);
    atomic_store(&s->posted, false);
    if (s->ended) free_session(s);
    else if (reactor && s->parked) kc_fetch_woken(s->parked, &s->missing_bytes);
}

static void activate(struct kc_fetch_session *s, struct member *m) {
    if (m->active) return;
    m->active = true;
    kc_list_push_back(&s->active, &m->active_node);
}

static void deactivate(struct member *m) {
    m->active = false;
    kc_list_remove(&m->active_node);
}

/* Whoever is pushed again from here on will be looked at again. */
static void take_pushed(struct kc_fetch_session *s) {
    struct member *m = atomic_exchange(&s->pushed, NULL), *oldest_first = NULL;
    while (m) {
        struct member *next = m->next_pushed;
        m->next_pushed = oldest_first;
        oldest_first = m;
        m = next;
    }
    while (oldest_first) {
        m = oldest_first;
        oldest_first = m->next_pushed;
        atomic_store(&m->pushed, false);
        activate(s, m);
    }
}

/* ---- members ------------------------------------------------------------------------------------------------------------------ */

static uint32_t hash_of(const struct kc_fetch_session *s, const uint8_t *id, struct kc_slice name, int32_t index) {
    uint32_t h = 2166136261u ^ (uint32_t)index * 0x9e3779b9u;
    const uint8_t *bytes = s->uses_ids ? id : name.data;
    size_t size = s->uses_ids ? KC_TOPIC_ID_SIZE : name.size;
    for (size_t i = 0; i < size; i++) h = (h ^ bytes[i]) * 16777619u;
    return h ^ h >> 15;
}

static bool is_member(const struct kc_fetch_session *s, const struct member *m, const uint8_t *id, struct kc_slice name, int32_t index) {
    if (m->index != index) return false;
    if (s->uses_ids) return memcmp(m->id, id, KC_TOPIC_ID_SIZE) == 0;
    return kc_slice_equal(name, kc_slice_make(m->name, m->name_size));
}

static struct member **find(struct kc_fetch_session *s, const uint8_t *id, struct kc_slice name, int32_t index) {
    struct member **at = &s->buckets[hash_of(s, id, name, index) & (s->bucket_count - 1)];
    while (*at && !is_member(s, *at, id, name, index)) at = &(*at)->next_in_bucket;
    return at;
}

static bool grow_buckets(struct kc_fetch_session *s) {
    uint32_t count = s->bucket_count ? s->bucket_count * 2 : 16;
    struct member **buckets = calloc(count, sizeof(*buckets));
    if (!buckets) return false;
    for (uint32_t i = 0; i < s->bucket_count; i++)
        for (struct member *m = s->buckets[i], *next; m; m = next) {
            next = m->next_in_bucket;
            m->next_in_bucket = buckets[m->hash & (count - 1)];
            buckets[m->hash & (count - 1)] = m;
        }
    free(s->buckets);
    s->buckets = buckets;
    s->bucket_count = count;
    return true;
}

static void watch(struct member *m, struct kc_partition *partition) {
    if (m->partition == partition) return;
    if (m->partition) {
        kc_partition_unwait(m->partition, &m->waiter);
        kc_partition_release(m->partition);
    }
    m->partition = partition ? kc_partition_retain(partition) : NULL;
    if (partition) kc_partition_wait(partition, &m->waiter);
}

static void free_member(struct member *m) {
    watch(m, NULL);                       /* afterwards nobody pushes it any more */
    take_pushed(m->session);              /* and it is not on the stack either */
    deactivate(m);
    free(m);
}

static kc_status put(struct kc_fetch_session *s, const struct kc_fetch_topic *topic, struct kc_slice name, const struct kc_fetch_entry *entry) {
    if (s->member_count >= s->bucket_count && !grow_buckets(s)) return KC_NO_MEMORY;
    struct member **at = find(s, topic->id, name, entry->index), *m = *at;
    if (!m) {
        if (s->member_count == KC_SESSION_PARTITIONS_MAX) return KC_LIMIT;
        m = calloc(1, sizeof *m + name.size);
        if (!m) return KC_NO_MEMORY;
        m->session = s;
        m->waiter.woken = member_woken;
        m->index = entry->index;
        m->hash = hash_of(s, topic->id, name, entry->index);
        m->told_high_watermark = m->told_log_start_offset = -1;
        memcpy(m->id, topic->id, KC_TOPIC_ID_SIZE);
        if (name.size) memcpy(m->name, name.data, name.size);
        m->name_size = (uint32_t)name.size;
        kc_list_init(&m->active_node);
        *at = m;
        s->member_count++;
    }
    m->offset = entry->offset;
    m->current_leader_epoch = entry->current_leader_epoch;
    m->size_max_bytes = entry->size_max_bytes;
    watch(m, entry->partition);
    activate(s, m);
    return KC_OK;
}

static void forget(struct kc_fetch_session *s, const uint8_t *id, struct kc_slice name, int32_t index) {
    struct member **at = find(s, id, name, index), *m = *at;
    if (!m) return;
    *at = m->next_in_bucket;
    s->member_count--;
    free_member(m);
}

static struct kc_slice name_of(const struct kc_fetch *f, const struct kc_fetch_topic *topic) {
    return kc_slice_make(f->names + topic->name_at, topic->name_size);
}

static kc_status put_all(struct kc_fetch_session *s, const struct kc_fetch *f) {
    kc_status status = KC_OK;
    for (uint32_t t = 0; t < f->topic_count && status == KC_OK; t++) {
        const struct kc_fetch_topic *topic = &f->topics[t];
        for (uint32_t e = topic->entry_first; e < topic->entry_first + topic->entry_count && status == KC_OK; e++)
            status = put(s, topic, name_of(f, topic), &f->entries[e]);
    }
    return status;
}

/* ---- life --------------------------------------------------------------------------------------------------------------------- */

static struct kc_fetch_session *create(struct kc_hot *hot, bool uses_ids) {
    struct kc_fetch_session *s = calloc(1, sizeof *s);
    if (!s) return NULL;
    s->hot = hot;
    s->uses_ids = uses_ids;
    s->message.run = session_message;
    kc_list_init(&s->active);
    atomic_init(&s->pushed, NULL);
    atomic_init(&s->missing_bytes, NOBODY_WAITS);
    atomic_init(&s->posted, false);
    if (!grow_buckets(s)) {
        free(s);
        return NULL;
    }
    hot->session_count++;
    return s;
}

static void destroy(struct kc_fetch_session *s) {
    for (uint32_t i = 0; i < s->bucket_count; i++)
        for (struct member *m = s->buckets[i], *next; m; m = next) {
            next = m->next_in_bucket;
            free_member(m);
        }
    s->hot->session_count--;
    if (atomic_load(&s->posted)) s->ended = true;
    else free_session(s);
}

void kc_fetch_session_end(struct kc_hot_conn *state) {
    if (!state->session) return;
    KC_CHECK(!state->session->parked);
    destroy(state->session);
    state->session = NULL;
}

void kc_fetch_session_begin(struct kc_fetch *f) {
    struct kc_hot_conn *state = kc_conn_user(f->conn);
    f->session_id = 0;
    if (!f->session_wanted || f->error != KC_ERROR_NONE || f->entry_count == 0) return;
    if (f->hot->session_count >= f->hot->config->fetch_sessions_max) return;
    struct kc_fetch_session *s = create(f->hot, f->version >= FETCH_TOPIC_ID);
    if (!s) return;
    if (put_all(s, f) != KC_OK) {
        destroy(s);
        return;
    }
    /* What this answer says need not be said again. */
    for (uint32_t t = 0; t < f->topic_count; t++) {
        const struct kc_fetch_topic *topic = &f->topics[t];
        for (uint32_t e = topic->entry_first; e < topic->entry_first + topic->entry_count; e++) {
            struct member *m = *find(s, topic->id, name_of(f, topic), f->entries[e].index);
            if (f->entries[e].error != KC_ERROR_NONE) continue;
            m->told_high_watermark = f->entries[e].high_watermark;
            m->told_log_start_offset = f->entries[e].log_start_offset;
        }
    }
    if (f->hot->session_id_last == INT32_MAX) f->hot->session_id_last = 0;
    s->id = ++f->hot->session_id_last;
    s->epoch = 1;
    state->session = s;
    f->session_id = s->id;
}

/* ---- an incremental fetch ----------------------------------------------------------------------------------------------------- */

static enum kc_error check(const struct kc_fetch_session *s, const struct kc_fetch *f) {
    if (!s || s->id != f->session_id) return KC_ERROR_FETCH_SESSION_ID_NOT_FOUND;
    if (s->uses_ids != (f->version >= FETCH_TOPIC_ID)) return KC_ERROR_FETCH_SESSION_TOPIC_ID_ERROR;
    return s->epoch == f->session_epoch ? KC_ERROR_NONE : KC_ERROR_INVALID_FETCH_SESSION_EPOCH;
}

kc_status kc_fetch_session_take(struct kc_fetch *f) {
    struct kc_hot_conn *state = kc_conn_user(f->conn);
    f->session = NULL;
    f->session_wanted = f->session_epoch == KC_FETCH_EPOCH_FULL;
    if (f->session_epoch == KC_FETCH_EPOCH_FULL || f->session_epoch == KC_FETCH_EPOCH_FINAL) {
        bool named = state->session && state->session->id == f->session_id;
        if (named || f->session_wanted) kc_fetch_session_end(state);
        f->session_id = 0;
        return KC_OK;
    }
    struct kc_fetch_session *s = state->session;
    f->error = (int16_t)check(s, f);
    if (f->error != KC_ERROR_NONE) {
        f->session_id = 0;
        return KC_OK;
    }
    kc_status status = put_all(s, f);
    if (status == KC_NO_MEMORY) return status;
    for (uint32_t i = 0; i < f->forgotten_count; i++) {
        const struct kc_fetch_forgotten *gone = &f->forgotten[i];
        forget(s, gone->id, kc_slice_make(f->names + gone->name_at, gone->name_size), gone->index);
    }
    if (status == KC_LIMIT || s->member_count == 0) {
        kc_fetch_session_end(state);
        f->session_id = 0;
        if (status == KC_LIMIT) f->error = KC_ERROR_FETCH_SESSION_ID_NOT_FOUND;
        return KC_OK;
    }
    s->epoch = s->epoch == INT32_MAX ? 1 : s->epoch + 1;
    f->session = s;
    return kc_fetch_session_gather(f);
}

/* A topic may have come, or gone and come again under its name. */
static void resolve(struct kc_fetch *f, struct member *m) {
    if (m->partition && !atomic_load_explicit(&m->partition->removed, memory_order_relaxed)) return;
    struct kc_topic *topic = m->session->uses_ids ? kc_topic_view_find_id(&f->hot->view, m->id)
                                                  : kc_topic_view_find_name(&f->hot->view, kc_slice_make(m->name, m->name_size));
    struct kc_partition *partition = topic ? kc_topic_partition(topic, m->index) : NULL;
    if (partition) watch(m, partition);
}

static bool same_topic(const struct member *a, const struct member *b) {
    if (a->session->uses_ids) return memcmp(a->id, b->id, KC_TOPIC_ID_SIZE) == 0;
    return kc_slice_equal(kc_slice_make(a->name, a->name_size), kc_slice_make(b->name, b->name_size));
}

kc_status kc_fetch_session_gather(struct kc_fetch *f) {
    struct kc_fetch_session *s = f->session;
    const struct member *before = NULL;
    take_pushed(s);
    f->entry_count = f->topic_count = f->names_size = 0;
    KC_LIST_FOR_EACH(node, &s->active) {
        struct member *m = KC_CONTAINER_OF(node, struct member, active_node);
        resolve(f, m);
        if (!before || !same_topic(before, m)) {
            if (!KC_ARRAY_RESERVE(f->topics, f->topic_capacity, f->topic_count + 1)) return KC_NO_MEMORY;
            if (!KC_ARRAY_RESERVE(f->names, f->names_capacity, f->names_size + m->name_size + 1)) return KC_NO_MEMORY;
            struct kc_fetch_topic *topic = &f->topics[f->topic_count++];
            *topic = (struct kc_fetch_topic){.entry_first = f->entry_count, .name_at = f->names_size, .name_size = m->name_size};
            memcpy(topic->id, m->id, KC_TOPIC_ID_SIZE);
            memcpy(f->names + f->names_size, m->name, m->name_size);
            f->names_size += m->name_size;
            before = m;
        }
        if (!KC_ARRAY_RESERVE(f->entries, f->entry_capacity, f->entry_count + 1)) return KC_NO_MEMORY;
        f->entries[f->entry_count++] = (struct kc_fetch_entry){
            .member = m, .partition = m->partition, .offset = m->offset, .index = m->index,
            .current_leader_epoch = m->current_leader_epoch, .size_max_bytes = m->size_max_bytes};
        f->topics[f->topic_count - 1].entry_count++;
    }
    return KC_OK;
}

void kc_fetch_session_park(struct kc_fetch *f, int64_t missing_bytes) {
    f->session->parked = f;
    atomic_exchange(&f->session->missing_bytes, missing_bytes);
}

void kc_fetch_session_unpark(struct kc_fetch *f) {
    f->session->parked = NULL;
    atomic_exchange(&f->session->missing_bytes, NOBODY_WAITS);
}

/* Is there anything in an entry that the client does not know? (FetchSession.CachedPartition.maybeUpdateResponseData) */
static bool is_news(struct member *m, const struct kc_fetch_entry *entry) {
    bool news = entry->slice.size_bytes > 0 || entry->high_watermark != m->told_high_watermark ||
                entry->log_start_offset != m->told_log_start_offset || entry->error != KC_ERROR_NONE;
    m->told_high_watermark = entry->error == KC_ERROR_NONE ? entry->high_watermark : -1;
    m->told_log_start_offset = entry->log_start_offset;
    return news;
}

void kc_fetch_session_settle(struct kc_fetch *f) {
    struct kc_fetch_session *s = f->session;
    uint32_t kept_entries = 0, kept_topics = 0;
    for (uint32_t t = 0; t < f->topic_count; t++) {
        struct kc_fetch_topic topic = f->topics[t];
        uint32_t first = kept_entries;
        for (uint32_t e = topic.entry_first; e < topic.entry_first + topic.entry_count; e++) {
            struct kc_fetch_entry *entry = &f->entries[e];
            struct member *m = entry->member;
            /* What the request's size limit left out is there all the same. */
            bool more = entry->high_watermark > entry->offset || entry->error != KC_ERROR_NONE;
            /* What has more comes last the next time; what has not is woken by the next append. */
            deactivate(m);
            if (more) activate(s, m);
            if (is_news(m, entry)) f->entries[kept_entries++] = *entry;
        }
        if (kept_entries == first) continue;
        topic.entry_first = first;
        topic.entry_count = kept_entries - first;
        f->topics[kept_topics++] = topic;
    }
    f->entry_count = kept_entries;
    f->topic_count = kept_topics;
}
