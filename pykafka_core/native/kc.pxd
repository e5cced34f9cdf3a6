# The engine's C interface as Cython sees it, grouped by header and only as far as the bridges need it.
# Nothing here takes the GIL or raises; a kc_status becomes an exception in _errors.pyx.
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint32_t


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
