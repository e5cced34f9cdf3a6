# What _server.pyx needs of csrc/hot, csrc/net and csrc/server, grouped by header.

from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint32_t, uint64_t


from pykafka_core.native.kc cimport kc_append_origin, kc_batch_refusal, kc_log, kc_log_marker, kc_slice, kc_status


cdef extern from "net/reactor.h" nogil:
    ctypedef uint64_t kc_conn_token
    struct kc_reactor_config:
        uint32_t frame_size_max
        uint32_t connections_max
        uint64_t input_bytes_max
        int64_t idle_us
        int32_t socket_send_buffer
        int32_t socket_receive_buffer
        int64_t spin_us
    kc_reactor_config kc_reactor_config_default()
    enum kc_close_reason:
        KC_CLOSE_PROTOCOL
        KC_CLOSE_FRAME_TOO_LARGE
        KC_CLOSE_FRAME_TIMEOUT
        KC_CLOSE_FILE
        KC_CLOSE_NO_MEMORY
        KC_CLOSE_SLOW_READER

cdef extern from "hot/partition.h" nogil:
    struct kc_partition:
        pass
    kc_status kc_partition_create(int32_t index, kc_log *log, int32_t leader_epoch, kc_partition **out)
    void kc_partition_release(kc_partition *partition)
    int32_t kc_partition_leader_epoch(const kc_partition *partition)
    void kc_partition_set_leader_epoch(kc_partition *partition, int32_t leader_epoch)
    int64_t kc_partition_high_watermark(const kc_partition *partition)
    int64_t kc_partition_last_stable_offset(const kc_partition *partition)
    void kc_partition_notify(kc_partition *partition, int64_t bytes)

cdef extern from "hot/topic.h" nogil:
    enum:
        KC_TOPIC_ID_SIZE
    struct kc_topic_config:
        int64_t timestamp_before_max_ms
        int64_t timestamp_after_max_ms
        int64_t flush_messages
        int32_t batch_size_max_bytes
        int32_t min_insync_replicas
        int8_t codec
        bint log_append_time
        bint compacted
        bint internal
    struct kc_topic:
        pass
    kc_status kc_topic_create(kc_slice name, const uint8_t *id, const kc_topic_config *config,
                              kc_partition **partitions, int32_t partition_count, kc_topic **out)
    void kc_topic_release(kc_topic *topic)

cdef extern from "hot/topic_table.h" nogil:
    struct kc_topic_table
    kc_status kc_topic_table_publish(kc_topic_table *table, kc_topic **topics, size_t count)

cdef extern from "hot/api_versions.h" nogil:
    enum:
        KC_API_VERSIONS_COUNT
    struct kc_api_versions:
        pass
    kc_status kc_api_versions_publish(kc_api_versions *table, const kc_slice *bodies, kc_slice cluster_id)

cdef extern from "hot/group_table.h" nogil:
    struct kc_group_table:
        pass
    struct kc_group_member:
        kc_slice id
        kc_slice instance
    kc_status kc_group_table_open(kc_group_table *table, kc_slice group, int32_t generation,
                                  const kc_group_member *members, uint32_t count)
    void kc_group_table_close(kc_group_table *table, kc_slice group)
    void kc_group_table_forget(kc_group_table *table, kc_slice group)
    int64_t kc_group_table_heard_us(kc_group_table *table, kc_slice group, kc_slice member)

cdef extern from "hot/admit.h" nogil:
    struct kc_partition_append:
        int error
        int64_t base_offset
        int64_t log_append_time_ms
        int64_t log_start_offset
        kc_batch_refusal refusal
    struct kc_append_terms:
        int16_t produce_version
        kc_append_origin origin
        int64_t guard
    void kc_append_to_partition "kc_partition_append"(
        kc_partition *partition, const kc_topic_config *config, uint8_t *batch, size_t size, const kc_append_terms *terms,
        int64_t now_ms, kc_partition_append *out)
    void kc_append_marker_to_partition "kc_partition_append_marker"(
        kc_partition *partition, kc_log_marker *marker, kc_partition_append *out)

cdef extern from "hot/hot.h" nogil:
    enum:
        KC_API_KEY_COUNT
        KC_ENDPOINTS_MAX
        KC_HOST_SIZE_MAX
    struct kc_endpoint:
        char *host
        int32_t port
    struct kc_hot_config:
        int32_t node_id
        int32_t fetch_size_max_bytes
        uint32_t fetch_sessions_max
        bint *handed_up

cdef extern from "server/server.h" nogil:
    enum:
        KC_REACTORS_MAX
    struct kc_server
    struct kc_server_config:
        kc_hot_config hot
        kc_reactor_config reactor
        uint32_t reactor_count
        uint32_t worker_count
        uint64_t hash_seed
    enum kc_up_kind:
        KC_UP_REQUEST
        KC_UP_CLOSED
        KC_UP_ACCEPT_FAILED
    struct kc_up
    struct kc_up_view:
        kc_up_kind kind
        uint32_t reactor
        kc_conn_token token
        int32_t listener
        kc_close_reason reason
        kc_status status
        uint32_t suppressed
        const char *peer
        const char *local
        kc_slice data
    kc_status kc_server_create(const kc_server_config *config, kc_server **out)
    void kc_server_destroy(kc_server *server)
    kc_topic_table *kc_server_topics(kc_server *server)
    kc_group_table *kc_server_groups(kc_server *server)
    kc_api_versions *kc_server_api_versions(kc_server *server)
    kc_status kc_server_listen(kc_server *server, int fd, int32_t listener, const kc_endpoint *endpoint)
    kc_status kc_server_start(kc_server *server)
    void kc_server_stop_listening(kc_server *server)
    void kc_server_quiesce(kc_server *server)
    bint kc_server_idle(const kc_server *server)
    uint32_t kc_server_connection_count(const kc_server *server)
    void kc_server_stop(kc_server *server)
    int kc_server_descriptor(const kc_server *server)
    kc_up *kc_server_next(kc_server *server)
    void kc_view_up "kc_up_view"(const kc_up *up, kc_up_view *out)
    void kc_up_free(kc_up *up)
    kc_status kc_server_reply(kc_server *server, uint32_t reactor, kc_conn_token token, const void *answer, size_t size,
                              bint has_answer, bint close)
    kc_status kc_server_reply_later(kc_server *server, uint32_t reactor, kc_conn_token token, const void *answer, size_t size,
                              bint has_answer, bint close)
    void kc_server_flush_replies(kc_server *server)
