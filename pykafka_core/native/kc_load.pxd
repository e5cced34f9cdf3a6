# csrc/client as Cython sees it: what drives a broker with records.
from libc.stdint cimport int16_t, int32_t, int64_t, uint64_t

from pykafka_core.native.kc cimport kc_slice, kc_status


cdef extern from "base/clock.h" nogil:
    struct kc_clock:
        pass

    kc_clock kc_clock_system() noexcept
    int64_t kc_clock_monotonic_us(const kc_clock *clock) noexcept


cdef extern from "client/link.h" nogil:
    struct kc_link:
        int fd

    kc_status kc_link_connect(kc_link *link, const char *host, int port, int timeout_ms) noexcept
    void kc_link_close(kc_link *link) noexcept


cdef extern from "client/codec.h" nogil:
    struct kc_codec_loan:
        kc_status (*run)(void *state, int codec, kc_slice data, kc_slice *out) noexcept nogil
        void *state


cdef extern from "client/latency.h" nogil:
    struct kc_latency:
        int64_t count
        int64_t bytes
        int64_t total_ms
        int64_t max_ms

    int64_t kc_latency_percentile(const kc_latency *latency, double part) noexcept


cdef extern from "client/produce_load.h" nogil:
    enum kc_payload_kind:
        KC_PAYLOAD_RANDOM
        KC_PAYLOAD_CHOSEN
        KC_PAYLOAD_COUNTER

    struct kc_load_partition:
        int32_t index
        int32_t link

    struct kc_produce_load_config:
        kc_clock clock
        kc_slice topic
        kc_slice client_id
        kc_slice transactional_id
        kc_link *links
        const kc_load_partition *partitions
        const kc_slice *payloads
        kc_codec_loan compress
        int64_t record_count
        int64_t warmup_count
        int64_t producer_id
        int64_t linger_us
        double records_per_second
        uint64_t seed
        size_t batch_size_bytes
        size_t buffer_size_bytes
        size_t payload_size
        size_t payload_count
        kc_payload_kind payload
        int32_t link_count
        int32_t partition_count
        int32_t in_flight_max
        int32_t request_timeout_ms
        int16_t acks
        int16_t producer_epoch
        int16_t codec

    struct kc_produce_load:
        pass

    kc_status kc_produce_load_open(const kc_produce_load_config *config, kc_produce_load **out) noexcept
    void kc_produce_load_close(kc_produce_load *load) noexcept
    kc_status kc_produce_load_run(kc_produce_load *load, int64_t until_us, bint drain) noexcept
    const kc_latency *kc_produce_load_total(const kc_produce_load *load) noexcept
    const kc_latency *kc_produce_load_steady(const kc_produce_load *load) noexcept
    kc_latency *kc_produce_load_window(kc_produce_load *load) noexcept
    int64_t kc_produce_load_made(const kc_produce_load *load) noexcept
    int64_t kc_produce_load_failed(const kc_produce_load *load, int16_t *error) noexcept


cdef extern from "client/fetch_load.h" nogil:
    struct kc_fetch_place:
        kc_slice topic
        int64_t offset
        int32_t partition
        int32_t link

    struct kc_fetch_load_config:
        kc_clock clock
        kc_slice client_id
        kc_link *links
        const kc_fetch_place *places
        kc_codec_loan decompress
        int64_t record_count
        int32_t link_count
        int32_t place_count
        int32_t wait_ms
        int32_t size_min_bytes
        int32_t size_max_bytes
        int32_t partition_size_max_bytes
        int32_t request_timeout_ms
        bint check_crcs
        bint read_committed

    struct kc_fetch_counters:
        int64_t records
        int64_t bytes
        int64_t requests
        int64_t last_records_us

    struct kc_fetch_load:
        pass

    kc_status kc_fetch_load_open(const kc_fetch_load_config *config, kc_fetch_load **out) noexcept
    void kc_fetch_load_close(kc_fetch_load *load) noexcept
    kc_status kc_fetch_load_run(kc_fetch_load *load, int64_t until_us) noexcept
    const kc_fetch_counters *kc_fetch_load_counters(const kc_fetch_load *load) noexcept
    int64_t kc_fetch_load_offset(const kc_fetch_load *load, int32_t place) noexcept
    int16_t kc_fetch_load_refusal(const kc_fetch_load *load, int32_t *place) noexcept
    void kc_fetch_load_seek(kc_fetch_load *load, int32_t place, int64_t offset) noexcept
