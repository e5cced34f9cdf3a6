#include "record/columns.h"

#include "record/parse.h"

kc_status kc_record_columns_decode(struct kc_slice records, int32_t record_count, struct kc_record_columns columns, int32_t *bad_index) {
    const uint8_t *start = records.data, *p = start, *end = start + records.size;
    for (int32_t i = 0; i < record_count; i++) {
        struct kc_record record;
        p = kc_record_parse(p, end, &record);
        if (!p) {
            *bad_index = i;
            return KC_CORRUPT;
        }
        columns.offset_delta[i] = record.offset_delta;
        columns.timestamp_delta[i] = record.timestamp_delta;
        columns.key_position[i] = record.key_null ? 0 : record.key.data - start;
        columns.key_size[i] = record.key_null ? -1 : (int64_t)record.key.size;
        columns.value_position[i] = record.value_null ? 0 : record.value.data - start;
        columns.value_size[i] = record.value_null ? -1 : (int64_t)record.value.size;
        columns.headers_position[i] = record.headers.data - start;
        columns.headers_size[i] = (int64_t)record.headers.size;
        columns.header_count[i] = record.header_count;
    }
    if (p != end) {
        *bad_index = record_count;
        return KC_CORRUPT;
    }
    return KC_OK;
}

static bool inside(struct kc_slice buffer, int64_t position, int64_t size) {
    return position >= 0 && size >= 0 && (uint64_t)position <= buffer.size && (uint64_t)size <= buffer.size - (uint64_t)position;
}

kc_status kc_record_headers_decode(struct kc_slice records, int64_t headers_position, int64_t headers_size, int32_t header_count,
                                   int64_t *key_position, int64_t *key_size, int64_t *value_position, int64_t *value_size) {
    if (!inside(records, headers_position, headers_size)) return KC_CORRUPT;
    struct kc_slice headers = {records.data + headers_position, (size_t)headers_size};
    for (int32_t i = 0; i < header_count; i++) {
        struct kc_record_header header;
        if (kc_record_header_next(&headers, &header) != KC_OK) return KC_CORRUPT;
        key_position[i] = header.key.data - records.data;
        key_size[i] = (int64_t)header.key.size;
        value_position[i] = header.value_null ? 0 : header.value.data - records.data;
        value_size[i] = header.value_null ? -1 : (int64_t)header.value.size;
    }
    return headers.size == 0 ? KC_OK : KC_CORRUPT;
}

/* The slice that a row names; a null one has no data, an empty one has. */
static bool take(struct kc_slice buffer, const int64_t *position, const int64_t *size, int32_t i, struct kc_slice *out) {
    static const uint8_t nothing[1];
    *out = kc_slice_make(NULL, 0);
    if (size[i] == -1) return true;
    if (!inside(buffer, position[i], size[i])) return false;
    *out = size[i] == 0 ? kc_slice_make(nothing, 0) : kc_slice_make(buffer.data + position[i], (size_t)size[i]);
    return true;
}

static bool take_row(const struct kc_record_source *s, int32_t i, struct kc_slice *key, struct kc_slice *value, struct kc_slice *headers,
                     int32_t *header_count) {
    *headers = kc_slice_make(NULL, 0);
    *header_count = 0;
    if (!take(s->keys, s->key_position, s->key_size, i, key)) return false;
    if (!take(s->values, s->value_position, s->value_size, i, value)) return false;
    if (!s->header_count) return true;
    if (s->header_count[i] < 0 || s->header_count[i] > INT32_MAX || s->headers_size[i] < 0) return false;
    if (!take(s->headers, s->headers_position, s->headers_size, i, headers)) return false;
    *header_count = (int32_t)s->header_count[i];
    const uint8_t *at = headers->data;
    return *header_count == 0 ? headers->size == 0 : kc_record_headers_fit(at, at + headers->size, *header_count);
}

kc_status kc_record_columns_size_max(const struct kc_record_source *source, int32_t record_count, size_t *size, int32_t *bad_index) {
    size_t total = 0;
    for (int32_t i = 0; i < record_count; i++) {
        struct kc_slice key, value, headers;
        int32_t header_count;
        size_t one = 0;
        if (take_row(source, i, &key, &value, &headers, &header_count)) one = kc_record_size_max(key, value, headers.size);
        total += one;
        if (one == 0 || total > (size_t)INT32_MAX - KC_BATCH_HEADER_SIZE) {
            *bad_index = i;
            return KC_INVALID;
        }
    }
    *size = total;
    return KC_OK;
}

kc_status kc_record_columns_encode(struct kc_batch_builder *b, const struct kc_record_source *source, int32_t record_count,
                                   int32_t *bad_index) {
    for (int32_t i = 0; i < record_count; i++) {
        struct kc_slice key, value, headers;
        int32_t header_count;
        int64_t delta = source->offset_delta ? source->offset_delta[i] : i;
        kc_status status = KC_INVALID;
        if (delta <= INT32_MAX && delta >= 0 && take_row(source, i, &key, &value, &headers, &header_count))
            status = kc_batch_builder_add_encoded(b, (int32_t)delta, source->timestamp[i], key, value, headers, header_count);
        if (status != KC_OK) {
            *bad_index = i;
            return status;
        }
    }
    return KC_OK;
}
