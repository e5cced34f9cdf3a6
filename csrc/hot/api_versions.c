#include "hot/api_versions.h"

#include <pthread.h>
#include <stdlib.h>

#include "wire/header.h"
#include "wire/reader.h"

enum { VERSION_FLEXIBLE = 3, VERSION_CLUSTER = 5, PREFIX_SIZE = 4 + KC_RESPONSE_HEADER_SIZE };

/* One allocation: the struct and the bytes that its slices point to. */
struct published {
    struct kc_slice bodies[KC_API_VERSIONS_COUNT], cluster_id;
    uint8_t data[];
};

struct kc_api_versions {
    pthread_mutex_t lock;
    int32_t node_id;
    struct published *published;          /* NULL: nothing yet */
};

kc_status kc_api_versions_create(int32_t node_id, struct kc_api_versions **out) {
    struct kc_api_versions *table = calloc(1, sizeof *table);
    if (!table) return KC_NO_MEMORY;
    table->node_id = node_id;
    if (pthread_mutex_init(&table->lock, NULL) != 0) {
        free(table);
        return KC_NO_MEMORY;
    }
    *out = table;
    return KC_OK;
}

void kc_api_versions_destroy(struct kc_api_versions *table) {
    if (!table) return;
    free(table->published);
    pthread_mutex_destroy(&table->lock);
    free(table);
}

static struct kc_slice copy(uint8_t **at, struct kc_slice bytes) {
    uint8_t *to = *at;
    if (bytes.size) memcpy(to, bytes.data, bytes.size);
    *at += bytes.size;
    return kc_slice_make(to, bytes.size);
}

kc_status kc_api_versions_publish(struct kc_api_versions *table, const struct kc_slice bodies[KC_API_VERSIONS_COUNT],
                                  struct kc_slice cluster_id) {
    size_t size = cluster_id.size;
    for (int i = 0; i < KC_API_VERSIONS_COUNT; i++) {
        if (bodies[i].size > KC_API_VERSIONS_ANSWER_MAX - PREFIX_SIZE) return KC_LIMIT;
        size += bodies[i].size;
    }
    struct published *published = malloc(sizeof *published + size);
    if (!published) return KC_NO_MEMORY;
    uint8_t *at = published->data;
    for (int i = 0; i < KC_API_VERSIONS_COUNT; i++) published->bodies[i] = copy(&at, bodies[i]);
    published->cluster_id = copy(&at, cluster_id);
    pthread_mutex_lock(&table->lock);
    struct published *before = table->published;
    table->published = published;
    pthread_mutex_unlock(&table->lock);
    free(before);
    return KC_OK;
}

/* ---- one request --------------------------------------------------------------------------------------------------------------- */

static bool is_word(uint8_t c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

/* Fit for a metric's name: letters and digits, and between them also dots and dashes. */
static bool is_name(struct kc_slice s) {
    if (!s.size || !is_word(s.data[0]) || !is_word(s.data[s.size - 1])) return false;
    for (size_t i = 0; i < s.size; i++)
        if (!is_word(s.data[i]) && s.data[i] != '-' && s.data[i] != '.') return false;
    return true;
}

struct wanted {
    int16_t version;
    int32_t correlation_id;
    struct kc_slice cluster_id;           /* data NULL: whichever */
    int32_t node_id;
};

/* False: not for here. */
static bool parse(struct kc_slice frame, struct wanted *out) {
    struct kc_request_header header;
    if (kc_request_header_peek(frame, &header) != KC_OK) return false;
    int16_t version = header.api_version;
    if (version < 0 || version >= KC_API_VERSIONS_COUNT) return false;
    if (kc_request_header_parse(frame, version >= VERSION_FLEXIBLE, &header) != KC_OK) return false;
    *out = (struct wanted){.version = version, .correlation_id = header.correlation_id, .node_id = -1};
    struct kc_reader r;
    kc_reader_init(&r, kc_slice_make(frame.data + header.size_bytes, frame.size - header.size_bytes));
    if (version >= VERSION_FLEXIBLE) {
        struct kc_slice name = kc_read_compact_string(&r);
        struct kc_slice name_version = kc_read_compact_string(&r);
        if (version >= VERSION_CLUSTER) {
            out->cluster_id = kc_read_compact_nullable_string(&r);
            out->node_id = kc_read_i32(&r);
        }
        kc_read_skip_tags(&r);
        if (!kc_reader_ok(&r) || !is_name(name) || !is_name(name_version)) return false;
    }
    return kc_read_remaining(&r) == 0;
}

static bool is_meant(const struct kc_api_versions *table, const struct wanted *wanted) {
    struct kc_slice own = table->published->cluster_id;
    if (!wanted->cluster_id.data) return wanted->node_id == -1;
    return wanted->node_id == table->node_id && wanted->cluster_id.size == own.size &&
           memcmp(wanted->cluster_id.data, own.data, own.size) == 0;
}

size_t kc_api_versions_answer(struct kc_api_versions *table, struct kc_slice frame, uint8_t *out) {
    struct wanted wanted;
    if (!parse(frame, &wanted)) return 0;
    size_t size = 0;
    pthread_mutex_lock(&table->lock);
    if (table->published && is_meant(table, &wanted)) {
        struct kc_slice body = table->published->bodies[wanted.version];
        size = PREFIX_SIZE + body.size;
        kc_store_u32(out, (uint32_t)(size - 4));
        kc_store_u32(out + 4, (uint32_t)wanted.correlation_id);
        if (body.size) memcpy(out + PREFIX_SIZE, body.data, body.size);
    }
    pthread_mutex_unlock(&table->lock);
    return size;
}
