# The engine's C interface as Cython sees it, grouped by header and only as far as the bridges need it.
# Nothing here takes the GIL or raises; a kc_status becomes an exception in _errors.pyx.
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint32_t, uint64_t


cdef extern from "base/status.h" nogil:
    ctypedef enum kc_status:
        KC_OK
        KC_AGAIN
        KC_END
        KC_NO_MEMORY
        KC_IO_ERROR
        KC_NO_SPACE
        KC_NO_FILES
        KC_NOT_FOUND
        KC_EXISTS
        KC_DENIED
        KC_CORRUPT
        KC_INVALID
        KC_OUT_OF_RANGE
        KC_LIMIT
        KC_CLOSED
        KC_STALE

    const char *kc_status_name(kc_status status) noexcept


cdef extern from "base/bytes.h" nogil:
    struct kc_slice:
        const uint8_t *data
        size_t size

    kc_slice kc_slice_make(const void *data, size_t size) noexcept


cdef extern from "crc32c/crc32c.h" nogil:
    struct kc_crc32c_kernel:
        const char *name
        uint32_t (*extend)(uint32_t crc, const void *data, size_t size) noexcept nogil

    enum:
        KC_CRC32C_KERNELS_MAX

    uint32_t kc_crc32c_extend(uint32_t crc, const void *data, size_t size) noexcept
    size_t kc_crc32c_kernels(kc_crc32c_kernel *out) noexcept


cdef extern from "record/batch.h" nogil:
    enum:
        KC_BATCH_HEADER_SIZE
        KC_BATCH_LENGTH_MIN
        KC_ATTRIBUTE_CODEC_MASK
        KC_ATTRIBUTE_LOG_APPEND_TIME
        KC_ATTRIBUTE_TRANSACTIONAL
        KC_ATTRIBUTE_CONTROL
        KC_BATCH_MAGIC_VALUE

    struct kc_batch_header:
        int64_t base_offset
        int64_t base_timestamp
        int64_t max_timestamp
        int64_t producer_id
        int32_t size_bytes
        int32_t leader_epoch
        int32_t last_offset_delta
        int32_t base_sequence
        int32_t record_count
        uint32_t crc
        int16_t attributes
        int16_t producer_epoch
        int8_t magic

    void kc_batch_header_load(const uint8_t *batch, kc_batch_header *out) noexcept


cdef extern from "wire/reader.h" nogil:
    struct kc_reader:
        pass
    void kc_reader_init(kc_reader *r, kc_slice bytes) noexcept
    bint kc_reader_ok(const kc_reader *r) noexcept
    size_t kc_read_remaining(const kc_reader *r) noexcept
    int16_t kc_read_i16(kc_reader *r) noexcept
    int32_t kc_read_i32(kc_reader *r) noexcept
    int64_t kc_read_i64(kc_reader *r) noexcept
    kc_slice kc_read_string(kc_reader *r) noexcept
    kc_slice kc_read_compact_string(kc_reader *r) noexcept
    uint32_t kc_read_tag_count(kc_reader *r) noexcept
    kc_slice kc_read_tag(kc_reader *r, uint32_t *tag) noexcept


cdef extern from "record/validate.h" nogil:
    enum kc_batch_fault:
        KC_FAULT_NONE
        KC_FAULT_CORRUPT
        KC_FAULT_INVALID_RECORD
        KC_FAULT_TOO_LARGE
        KC_FAULT_INVALID_TIMESTAMP
        KC_FAULT_NULL_KEY
        KC_FAULT_UNSUPPORTED_CODEC

    enum:
        KC_BATCH_REFUSAL_TEXT_MAX

    struct kc_batch_rules:
        int32_t batch_size_max_bytes
        bint log_append_time
        int64_t timestamp_before_max_ms
        int64_t timestamp_after_max_ms
        int64_t now_ms
        bint keys_required
        bint zstd_allowed
        bint sequence_optional

    struct kc_batch_refusal:
        kc_batch_fault fault
        int32_t record_index
        const char *message
        int64_t numbers[4]

    struct kc_batch_info:
        kc_batch_header header
        int64_t max_timestamp
        bint max_timestamp_differs
        int32_t offset_of_max_timestamp_delta

    size_t kc_batch_refusal_format(const kc_batch_refusal *refusal, char *text, size_t capacity) noexcept
    kc_status kc_batch_validate(kc_slice records, const kc_batch_rules *rules, kc_batch_info *info,
                                kc_batch_refusal *refusal) noexcept
    kc_status kc_batch_validate_records(kc_slice records, const kc_batch_header *header, const kc_batch_rules *rules,
                                        kc_batch_info *info, kc_batch_refusal *refusal) noexcept
    kc_status kc_batch_check_stored(kc_slice bytes, kc_batch_header *header) noexcept


cdef extern from "record/iterate.h" nogil:
    struct kc_record:
        int64_t timestamp_delta
        int32_t offset_delta
        int32_t header_count
        int8_t attributes
        bint key_null
        bint value_null
        kc_slice key
        kc_slice value
        kc_slice headers
        size_t size_bytes

    struct kc_record_header:
        kc_slice key
        bint value_null
        kc_slice value

    struct kc_record_iterator:
        int32_t remaining

    void kc_record_iterator_init(kc_record_iterator *it, kc_slice records, int32_t record_count) noexcept
    kc_status kc_record_next(kc_record_iterator *it, kc_record *out) noexcept
    kc_status kc_record_header_next(kc_slice *headers, kc_record_header *out) noexcept


cdef extern from "record/build.h" nogil:
    struct kc_batch_spec:
        int64_t base_offset
        int64_t producer_id
        int64_t delete_horizon_ms
        int32_t leader_epoch
        int32_t base_sequence
        int16_t producer_epoch
        int16_t attributes

    struct kc_batch_builder:
        uint8_t *buffer
        size_t capacity
        size_t used
        int64_t base_timestamp
        int64_t max_timestamp
        int32_t record_count
        int32_t last_offset_delta

    void kc_batch_builder_init(kc_batch_builder *b, void *buffer, size_t capacity, const kc_batch_spec *spec) noexcept
    void kc_batch_builder_moved(kc_batch_builder *b, void *buffer, size_t capacity) noexcept
    kc_status kc_batch_builder_add_at(kc_batch_builder *b, int32_t offset_delta, int64_t timestamp, kc_slice key,
                                      kc_slice value, const kc_record_header *headers, int32_t header_count) noexcept
    kc_status kc_batch_builder_finish(kc_batch_builder *b, kc_slice *batch) noexcept
    size_t kc_record_size_max(kc_slice key, kc_slice value, size_t headers_size) noexcept
    kc_status kc_batch_wrap(const kc_batch_header *header, kc_slice section, uint8_t *out) noexcept


cdef extern from "record/columns.h" nogil:
    struct kc_record_columns:
        int64_t *offset_delta
        int64_t *timestamp_delta
        int64_t *key_position
        int64_t *key_size
        int64_t *value_position
        int64_t *value_size
        int64_t *headers_position
        int64_t *headers_size
        int64_t *header_count

    struct kc_record_source:
        kc_slice keys
        kc_slice values
        kc_slice headers
        const int64_t *timestamp
        const int64_t *offset_delta
        const int64_t *key_position
        const int64_t *key_size
        const int64_t *value_position
        const int64_t *value_size
        const int64_t *headers_position
        const int64_t *headers_size
        const int64_t *header_count

    kc_status kc_record_columns_decode(kc_slice records, int32_t record_count, kc_record_columns columns,
                                       int32_t *bad_index) noexcept
    kc_status kc_record_columns_size_max(const kc_record_source *source, int32_t record_count, size_t *size,
                                         int32_t *bad_index) noexcept
    kc_status kc_record_columns_encode(kc_batch_builder *b, const kc_record_source *source, int32_t record_count,
                                       int32_t *bad_index) noexcept


cdef extern from "record/search.h" nogil:
    struct kc_timestamped_offset:
        int64_t timestamp
        int64_t offset

    kc_status kc_record_find_timestamp(kc_slice records, const kc_batch_header *header, int64_t target,
                                       int64_t offset_min, kc_timestamped_offset *out) noexcept
    kc_status kc_record_find_max_timestamp(kc_slice records, const kc_batch_header *header,
                                           kc_timestamped_offset *out) noexcept


cdef extern from "base/clock.h" nogil:
    struct kc_clock:
        pass

    kc_clock kc_clock_system() noexcept
    int64_t kc_clock_wall_ms(const kc_clock *clock) noexcept


cdef extern from "io/disk.h" nogil:
    struct kc_disk:
        pass

    const kc_disk *kc_disk_system() noexcept


cdef extern from "io/file.h" nogil:
    struct kc_file_cache:
        pass

    struct kc_file:
        pass

    kc_status kc_file_cache_create(const kc_disk *disk, size_t limit, kc_file_cache **out) noexcept
    void kc_file_cache_destroy(kc_file_cache *cache) noexcept
    size_t kc_file_cache_open_count(kc_file_cache *cache) noexcept
    void kc_file_release(kc_file *file) noexcept
    kc_status kc_file_read(kc_file *file, void *buffer, size_t size, int64_t position, size_t *got) noexcept


cdef extern from "log/log_dir.h" nogil:
    struct kc_log_dir:
        pass

    kc_status kc_log_dir_create(kc_log_dir **out) noexcept
    void kc_log_dir_release(kc_log_dir *dir) noexcept
    void kc_log_dir_fail(kc_log_dir *dir, kc_status status) noexcept
    kc_status kc_log_dir_announce_to(kc_log_dir *dir, int descriptor) noexcept
    kc_status kc_log_dir_failure(const kc_log_dir *dir) noexcept
    int64_t kc_log_dir_scanned(const kc_log_dir *dir) noexcept


cdef extern from "log/log.h" nogil:
    struct kc_log:
        pass

    struct kc_log_config:
        int64_t segment_size_bytes
        int64_t segment_ms
        int32_t segment_index_size_bytes
        int32_t index_interval_bytes
        int64_t producer_id_expiration_ms

    struct kc_log_options:
        kc_file_cache *files
        kc_clock clock
        kc_log_config config
        kc_log_dir *dir
        bint clean
        bint process_died
        bint compacted
        int64_t landmark_bytes
        int64_t recovery_point
        int64_t log_start_offset

    struct kc_log_recovery:
        int64_t scanned_bytes
        int64_t truncated_bytes
        int32_t rebuilt_indexes
        int32_t dropped_segments
        int64_t cut_base_offset
        int64_t cut_position

    enum kc_append_fault:
        KC_APPEND_OK
        KC_APPEND_DUPLICATE
        KC_APPEND_OUT_OF_ORDER_SEQUENCE
        KC_APPEND_INVALID_PRODUCER_EPOCH
        KC_APPEND_INVALID_TXN_STATE
        KC_APPEND_UNVERIFIED
        KC_APPEND_COORDINATOR_FENCED
        KC_APPEND_TOO_LARGE
        KC_APPEND_STORAGE_ERROR
        KC_APPEND_CLOSED

    enum kc_append_origin:
        KC_ORIGIN_CLIENT
        KC_ORIGIN_COORDINATOR

    enum:
        KC_TXN_GUARD_NONE
        KC_TXN_GUARD_TRUSTED

    struct kc_append:
        uint8_t *batch
        const kc_batch_info *info
        int32_t leader_epoch
        bint log_append_time
        kc_append_origin origin
        int64_t guard
        kc_append_fault fault
        int64_t base_offset
        int64_t last_offset
        int64_t log_append_time_ms

    struct kc_log_marker:
        int64_t producer_id
        int32_t coordinator_epoch
        int16_t producer_epoch
        int16_t transaction_version
        bint commit
        bint log_append_time
        int32_t leader_epoch

    struct kc_aborted_txn:
        int64_t producer_id
        int64_t first_offset
        int64_t last_offset
        int64_t last_stable_offset

    struct kc_aborted_txns:
        kc_aborted_txn *items
        uint32_t count
        uint32_t capacity

    struct kc_producer_info:
        int64_t producer_id
        int64_t last_timestamp
        int64_t txn_first_offset
        int32_t last_sequence
        int32_t coordinator_epoch
        int16_t producer_epoch

    struct kc_log_slice:
        kc_file *file
        int64_t position
        int32_t size_bytes

    struct kc_log_position:
        int64_t offset
        int64_t timestamp
        int32_t leader_epoch
        bint in_batch
        kc_log_slice batch

    struct kc_log_segment_info:
        int64_t base_offset
        int64_t size_bytes
        int64_t max_timestamp

    kc_log_config kc_log_config_default() noexcept
    kc_status kc_log_open(const char *directory, const kc_log_options *options, kc_log_recovery *recovery,
                          kc_log **out) noexcept
    kc_status kc_log_open_offline(const char *directory, const kc_log_options *options, kc_log **out) noexcept
    kc_status kc_log_close(kc_log *log) noexcept
    kc_log *kc_log_retain(kc_log *log) noexcept
    void kc_log_release(kc_log *log) noexcept
    int64_t kc_log_append(kc_log *log, kc_append *appends, size_t count) noexcept
    int64_t kc_log_append_marker(kc_log *log, const kc_log_marker *marker, kc_append *out) noexcept
    bint kc_log_admits_transaction(kc_log *log, int64_t producer_id, int16_t producer_epoch) noexcept
    kc_status kc_log_begin_verification(kc_log *log, int64_t producer_id, int16_t producer_epoch, int32_t sequence,
                                        bint supports_epoch_bump, int64_t *guard) noexcept
    kc_status kc_log_expect_transaction(kc_log *log, int64_t producer_id, int16_t producer_epoch) noexcept
    kc_status kc_log_collect_aborted(kc_log *log, int64_t offset, int64_t end_offset, kc_aborted_txns *list) noexcept
    void kc_aborted_txns_release(kc_aborted_txns *list) noexcept
    void kc_log_producers(kc_log *log, kc_producer_info *infos, size_t capacity, size_t *count) noexcept
    int64_t kc_log_last_stable_offset(const kc_log *log) noexcept
    kc_status kc_log_append_as_follower(kc_log *log, const uint8_t *batch, size_t size) noexcept
    kc_status kc_log_read(kc_log *log, int64_t offset, int64_t offset_limit, int32_t size_max_bytes, bint min_one_batch,
                          kc_log_slice *out) noexcept
    kc_status kc_log_find_timestamp(kc_log *log, int64_t target, int64_t offset_limit, kc_log_position *out) noexcept
    kc_status kc_log_find_max_timestamp(kc_log *log, kc_log_position *out) noexcept
    void kc_log_end_offset_for_epoch(kc_log *log, int32_t epoch, int32_t *epoch_out, int64_t *end_offset) noexcept
    int32_t kc_log_epoch_for_offset(kc_log *log, int64_t offset) noexcept
    int32_t kc_log_latest_epoch(kc_log *log) noexcept
    kc_status kc_log_assign_epoch(kc_log *log, int32_t epoch) noexcept
    void kc_log_set_config(kc_log *log, const kc_log_config *config) noexcept
    kc_log_config kc_log_get_config(kc_log *log) noexcept
    kc_status kc_log_roll(kc_log *log) noexcept
    kc_status kc_log_flush(kc_log *log, int64_t *synced_offset) noexcept
    kc_status kc_log_raise_start_offset(kc_log *log, int64_t offset) noexcept
    kc_status kc_log_drop_segments(kc_log *log, int32_t *dropped) noexcept
    kc_status kc_log_truncate(kc_log *log, int64_t offset) noexcept
    kc_status kc_log_rename_directory(kc_log *log, const char *directory) noexcept
    kc_status kc_log_directory(kc_log *log, char *buffer, size_t size) noexcept
    void kc_log_segments(kc_log *log, kc_log_segment_info *infos, size_t capacity, size_t *count) noexcept
    int64_t kc_log_start_offset(const kc_log *log) noexcept
    int64_t kc_log_end_offset(const kc_log *log) noexcept
    int64_t kc_log_synced_offset(const kc_log *log) noexcept
    int64_t kc_log_size_bytes(const kc_log *log) noexcept
    bint kc_log_writable(const kc_log *log) noexcept
    bint kc_log_offline(const kc_log *log) noexcept

cdef extern from "log/retention.h" nogil:
    struct kc_retention:
        int64_t retention_ms
        int64_t retention_bytes

    enum kc_retention_reason:
        KC_RETENTION_START_OFFSET
        KC_RETENTION_TIME
        KC_RETENTION_SIZE

    struct kc_retention_segment:
        kc_retention_reason reason
        int64_t base_offset
        int64_t size_bytes
        int64_t max_timestamp

    struct kc_retention_result:
        int64_t log_start_offset
        bint raised
        size_t segment_count

    kc_status kc_log_expire(kc_log *log, const kc_retention *retention, int64_t high_watermark, kc_retention_segment *segments,
                            size_t capacity, kc_retention_result *out) noexcept

cdef extern from "log/key_hash.h" nogil:
    struct kc_hash_seed:
        uint64_t low
        uint64_t high

cdef extern from "log/cleaner.h" nogil:
    struct kc_cleaning:
        pass

    struct kc_cleaning_options:
        int64_t first_dirty_offset
        int64_t limit_offset
        int64_t now_ms
        int64_t delete_retention_ms
        size_t map_size_bytes
        double map_load_factor
        kc_hash_seed seed

    enum kc_cleaning_need:
        KC_CLEANING_AGAIN
        KC_CLEANING_DECOMPRESS
        KC_CLEANING_COMPRESS
        KC_CLEANING_DONE

    struct kc_cleaning_request:
        kc_cleaning_need need
        int8_t codec
        kc_slice section

    struct kc_cleaning_stats:
        int64_t end_offset
        int64_t map_bytes_read
        int64_t copy_bytes_read
        int64_t bytes_written
        int64_t map_records
        int64_t copy_records
        int64_t records_kept
        int64_t key_count
        int32_t segments_before
        int32_t segments_after

    kc_status kc_cleaning_start(kc_log *log, const kc_cleaning_options *options, kc_cleaning **out) noexcept
    kc_status kc_cleaning_step(kc_cleaning *cleaning, kc_slice section, int64_t bytes, kc_cleaning_request *out) noexcept
    void kc_cleaning_stats_of "kc_cleaning_stats"(const kc_cleaning *cleaning, kc_cleaning_stats *out) noexcept
    void kc_cleaning_end(kc_cleaning *cleaning) noexcept
