/* heartbeat.c: Heartbeat, versions 0 to 4, of members that the group table knows: all is well.
 *
 * What else there is to say to a member is for Python: the request goes up whole, before anything was noted.
 *
 * Source: kafka.server.KafkaApis.handleHeartbeatRequest; KIP-345 (instance ids, version 3). */
#include "hot/forms.h"
#include "hot/hot_state.h"

enum { VERSION_THROTTLE_TIME = 1, VERSION_INSTANCE_ID = 3, VERSION_FLEXIBLE = 4, VERSION_MAX = 4 };
enum { ANSWER_SIZE_MAX = 4 + 4 + 1 + 4 + 2 + 1 };

static kc_status answer(struct kc_conn *conn, int16_t version, int32_t correlation_id) {
    bool flexible = version >= VERSION_FLEXIBLE;
    uint8_t *buffer = kc_chain_reserve(kc_conn_output(conn), ANSWER_SIZE_MAX);
    if (!buffer) return KC_NO_MEMORY;
    struct kc_writer w;
    kc_writer_init(&w, buffer, ANSWER_SIZE_MAX);
    kc_write_i32(&w, 0);
    kc_write_i32(&w, correlation_id);
    kc_form_write_tags(&w, flexible);
    if (version >= VERSION_THROTTLE_TIME) kc_write_i32(&w, 0);
    kc_write_i16(&w, 0);
    kc_form_write_tags(&w, flexible);
    KC_CHECK(!w.overflow);
    kc_write_patch_i32(&w, 0, (int32_t)(w.used - 4));
    kc_chain_trim(kc_conn_output(conn), ANSWER_SIZE_MAX - w.used);
    kc_conn_output_added(conn);
    return KC_OK;
}

enum kc_frame_verdict kc_hot_heartbeat(struct kc_hot *hot, struct kc_conn *conn, uint8_t *frame, size_t size) {
    struct kc_slice bytes = kc_slice_make(frame, size);
    struct kc_request_header header;
    if (kc_request_header_peek(bytes, &header) != KC_OK) return KC_FRAME_CLOSE;
    int16_t version = header.api_version;
    if (version < 0 || version > VERSION_MAX) return kc_hot_hand_up(hot, conn, frame, size);
    bool flexible = version >= VERSION_FLEXIBLE;
    if (kc_request_header_parse(bytes, flexible, &header) != KC_OK) return KC_FRAME_CLOSE;

    struct kc_reader r;
    kc_reader_init(&r, kc_slice_make(frame + header.size_bytes, size - header.size_bytes));
    struct kc_slice group = kc_form_read_string(&r, flexible);
    int32_t generation = kc_read_i32(&r);
    struct kc_slice member = kc_form_read_string(&r, flexible);
    struct kc_slice instance = {0};
    if (version >= VERSION_INSTANCE_ID) instance = flexible ? kc_read_compact_nullable_string(&r) : kc_read_nullable_string(&r);
    kc_form_read_tags(&r, flexible);
    if (!kc_reader_ok(&r)) return KC_FRAME_CLOSE;
    if (!kc_group_table_beat(hot->config->groups, group, generation, member, instance, kc_reactor_now_us(hot->reactor)))
        return kc_hot_hand_up(hot, conn, frame, size);
    return answer(conn, version, header.correlation_id) == KC_OK ? KC_FRAME_NEXT : KC_FRAME_CLOSE;
}
