#include "wire/header.h"

#include "wire/reader.h"

kc_status kc_request_header_peek(struct kc_slice frame, struct kc_request_header *out) {
    if (frame.size < KC_REQUEST_HEADER_SIZE_MIN) return KC_CORRUPT;
    *out = (struct kc_request_header){
        .api_key = kc_load_i16(frame.data),
        .api_version = kc_load_i16(frame.data + 2),
        .correlation_id = kc_load_i32(frame.data + 4),
        .size_bytes = KC_REQUEST_HEADER_SIZE_MIN,
    };
    return KC_OK;
}

kc_status kc_request_header_parse(struct kc_slice frame, bool flexible, struct kc_request_header *out) {
    struct kc_request_header header;
    kc_status status = kc_request_header_peek(frame, &header);
    if (status != KC_OK) return status;
    struct kc_reader r;
    kc_reader_init(&r, frame);
    kc_read_raw(&r, KC_REQUEST_HEADER_SIZE_MIN);
    header.client_id = kc_read_nullable_string(&r);
    if (flexible) kc_read_skip_tags(&r);
    if (!kc_reader_ok(&r)) return KC_CORRUPT;
    header.size_bytes = (size_t)(r.at - frame.data);
    *out = header;
    return KC_OK;
}
