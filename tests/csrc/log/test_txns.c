/* Transactions in one log: what is stable, what was aborted, who may begin, who may end; and all of it again after any restart.
 *
 * Method: a log on the failing disk, batches and markers of a few producers, and the answers that Apache Kafka's classes would give
 * (ProducerAppendInfo, ProducerStateManager, TransactionIndex). */
#include "fixture.h"
#include "log/log_internal.h"
#include "log/producer_snapshot.h"

static struct fixture f;

static void start(void) {
    fixture_start(&f, 1);
    f.options.config = small_config();
    fixture_open(&f);
}

static void stop(void) {
    fixture_close(&f);
    fixture_stop(&f);
}

static struct kc_append put_guarded(int64_t producer_id, int16_t epoch, int32_t sequence, int count, bool transactional, int64_t guard) {
    struct batch batch;
    make_producer_batch(&batch, count, producer_id, epoch, sequence, transactional);
    struct kc_append append = {.batch = batch.bytes, .info = &batch.info, .guard = guard};
    kc_log_append(f.log, &append, 1);
    append.batch = NULL;
    append.info = NULL;
    return append;
}

static struct kc_append put(int64_t producer_id, int16_t epoch, int32_t sequence, int count) {
    return put_guarded(producer_id, epoch, sequence, count, true, KC_TXN_GUARD_TRUSTED);
}

static struct kc_append end_txn(int64_t producer_id, int16_t epoch, int32_t coordinator_epoch, bool commit, int16_t version) {
    struct kc_log_marker marker = {.producer_id = producer_id, .producer_epoch = epoch, .coordinator_epoch = coordinator_epoch,
                                   .commit = commit, .transaction_version = version};
    struct kc_append out;
    int64_t bytes = kc_log_append_marker(f.log, &marker, &out);
    EXPECT_EQ(bytes, out.fault == KC_APPEND_OK ? KC_MARKER_SIZE : 0);
    return out;
}

static int64_t stable(void) { return kc_log_last_stable_offset(f.log); }

/* The transactions in a range, as "producer:first-last/stable" joined by blanks. */
static const char *aborted(int64_t from, int64_t to) {
    static char text[1024];
    struct kc_aborted_txns list = {0};
    EXPECT_EQ(kc_log_collect_aborted(f.log, from, to, &list), KC_OK);
    size_t at = 0;
    text[0] = 0;
    for (uint32_t i = 0; i < list.count; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%d:%d-%d/%d", i ? " " : "", (int)list.items[i].producer_id,
                               (int)list.items[i].first_offset, (int)list.items[i].last_offset, (int)list.items[i].last_stable_offset);
    kc_aborted_txns_release(&list);
    return text;
}

#define EXPECT_TEXT(a, b) do { const char *got_ = (a); if (strcmp(got_, (b)) != 0) { printf("got '%s'\n", got_); EXPECT(!"the text"); } } while (0)

TEST(the_oldest_open_transaction_holds_the_last_stable_offset) {
    start();
    EXPECT_EQ(stable(), 0);
    append_many(&f, 3, 10);
    EXPECT_EQ(stable(), 3);
    put(1, 0, 0, 2);                                         /* 3, 4 */
    append_many(&f, 1, 10);                                  /* 5 */
    put(2, 0, 0, 1);                                         /* 6 */
    EXPECT_EQ(stable(), 3);
    EXPECT_EQ(end_txn(2, 0, 0, true, 1).base_offset, 7);
    EXPECT_EQ(stable(), 3);
    put(2, 0, 1, 1);                                         /* 8 */
    EXPECT_EQ(end_txn(1, 0, 0, false, 1).base_offset, 9);
    EXPECT_EQ(stable(), 8);
    put(2, 0, 2, 1);                                         /* 10 */
    EXPECT_EQ(stable(), 8);
    EXPECT_EQ(end_txn(2, 0, 0, false, 1).base_offset, 11);
    EXPECT_EQ(stable(), 12);
    EXPECT_TEXT(aborted(0, 12), "1:3-9/8 2:8-11/12");
    /* DeleteRecords may go beyond the first batch of an open transaction. */
    put(1, 0, 2, 2);
    EXPECT_EQ(stable(), 12);
    EXPECT_EQ(kc_log_raise_start_offset(f.log, 13), KC_OK);
    EXPECT_EQ(stable(), 13);
    stop();
}

TEST(only_aborts_of_transactions_with_data_are_indexed) {
    start();
    uint8_t bytes[256];
    EXPECT_EQ(end_txn(1, 0, 0, false, 1).base_offset, 0);
    put(1, 0, 0, 1);
    EXPECT_EQ(end_txn(1, 0, 0, true, 1).base_offset, 2);
    EXPECT_EQ(file_bytes(&f, "00000000000000000000.txnindex", bytes, sizeof bytes), -1);
    EXPECT_TEXT(aborted(0, 3), "");
    put(7, 3, 0, 2);
    EXPECT_EQ(end_txn(7, 3, 5, false, 1).base_offset, 5);
    EXPECT_EQ(file_bytes(&f, "00000000000000000000.txnindex", bytes, sizeof bytes), KC_TXN_INDEX_ENTRY_SIZE);
    static const uint8_t entry[KC_TXN_INDEX_ENTRY_SIZE] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0,
                                                           3, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 6};
    EXPECT_EQ(memcmp(bytes, entry, sizeof entry), 0);
    stop();
}

TEST(a_marker_is_the_batch_that_kafka_writes) {
    start();
    struct kc_append out = end_txn(0x0102030405060708, 0x11, 0x22334455, true, 1);
    EXPECT_EQ(out.fault, KC_APPEND_OK);
    uint8_t bytes[256];
    EXPECT_EQ(read_bytes(&f, 0, INT64_MAX, 4096, true, bytes, sizeof bytes), KC_MARKER_SIZE);
    struct kc_batch_header h;
    EXPECT_EQ(kc_batch_check_stored(kc_slice_make(bytes, KC_MARKER_SIZE), &h), KC_OK);
    EXPECT_EQ(h.attributes, KC_ATTRIBUTE_TRANSACTIONAL | KC_ATTRIBUTE_CONTROL);
    EXPECT_EQ(h.producer_id, 0x0102030405060708);
    EXPECT_EQ(h.producer_epoch, 0x11);
    EXPECT_EQ(h.base_sequence, -1);
    EXPECT_EQ(h.max_timestamp, f.now_ms);
    EXPECT_EQ(h.base_timestamp, f.now_ms);
    EXPECT_EQ(h.record_count, 1);
    static const uint8_t record[] = {0x20, 0, 0, 0, 0x08, 0, 0, 0, 1, 0x0c, 0, 0, 0x22, 0x33, 0x44, 0x55, 0};
    EXPECT_EQ(sizeof record + KC_BATCH_HEADER_SIZE, KC_MARKER_SIZE);
    EXPECT_EQ(memcmp(bytes + KC_BATCH_HEADER_SIZE, record, sizeof record), 0);
    stop();
}

TEST(the_list_of_a_range_has_what_overlaps_it) {
    start();
    put(1, 0, 0, 5);                                         /* 0..4, ends at 10 */
    put(2, 0, 0, 1);                                         /* 5 */
    append_many(&f, 4, 10);                                  /* 6..9 */
    end_txn(1, 0, 0, false, 1);                              /* 10, stable 5 */
    end_txn(2, 0, 0, false, 1);                              /* 11, stable 12 */
    put(3, 0, 0, 1);                                         /* 12 */
    end_txn(3, 0, 0, false, 1);                              /* 13 */
    EXPECT_TEXT(aborted(0, 5), "1:0-10/5");
    EXPECT_TEXT(aborted(0, 6), "1:0-10/5 2:5-11/12");
    EXPECT_TEXT(aborted(10, 11), "1:0-10/5 2:5-11/12");      /* its marker ends what a reader believes of producer 1 */
    EXPECT_TEXT(aborted(11, 12), "2:5-11/12");
    EXPECT_TEXT(aborted(12, 14), "3:12-13/14");
    EXPECT_TEXT(aborted(14, 20), "");
    EXPECT_TEXT(aborted(3, 3), "");
    EXPECT(kc_log_has_aborts_from(f.log, 13));
    EXPECT(!kc_log_has_aborts_from(f.log, 14));
    stop();
}

TEST(many_aborts_over_many_segments_are_all_found) {
    for (int pass = 0; pass < 3; pass++) {
        start();
        enum { TXNS = 400 };
        int64_t firsts[TXNS], lasts[TXNS];
        for (int i = 0; i < TXNS; i++) {
            firsts[i] = put(i % 3, 0, i / 3, 1).base_offset;
            lasts[i] = end_txn(i % 3, 0, 0, false, 1).base_offset;
        }
        if (pass) fixture_reopen(&f, pass == 1);
        EXPECT(f.log->segment_count > 10);
        for (int i = 0; i < TXNS; i += 7)
            for (int j = i + 1; j < TXNS; j += 53) {
                struct kc_aborted_txns list = {0};
                EXPECT_EQ(kc_log_collect_aborted(f.log, lasts[i], firsts[j] + 1, &list), KC_OK);
                EXPECT_EQ(list.count, j - i + 1);
                for (uint32_t k = 0; k < list.count; k++) {
                    EXPECT_EQ(list.items[k].first_offset, firsts[i + (int)k]);
                    EXPECT_EQ(list.items[k].last_offset, lasts[i + (int)k]);
                    EXPECT_EQ(list.items[k].producer_id, (i + (int)k) % 3);
                }
                kc_aborted_txns_release(&list);
            }
        stop();
    }
}

/* In one segment, whose index has many pages; a page that is known must not answer for another. */
TEST(many_aborts_in_one_segment_are_all_found) {
    enum { TXNS = 1000 };
    static int64_t firsts[TXNS], lasts[TXNS];
    for (int pass = 0; pass < 2; pass++) {
        start();
        f.options.config.segment_size_bytes = 1 << 20;
        kc_log_set_config(f.log, &f.options.config);
        int count = 0;
        for (int i = 0; i < TXNS; i++) {
            firsts[i] = put(i % 3, 0, i / 3, 1).base_offset;
            lasts[i] = end_txn(i % 3, 0, 0, false, 1).base_offset;
        }
        if (pass) fixture_reopen(&f, true);
        for (int round = 0; round < 5000; round++) {
            /* Forward, as consumers read, and from anywhere. */
            count = kc_test_random_below(5) ? count + (int)kc_test_random_below(100) : (int)kc_test_random_below(TXNS);
            int from = count % (TXNS - 1), to = from + 1 + (int)kc_test_random_below(300);
            if (to >= TXNS) to = TXNS - 1;
            struct kc_aborted_txns list = {0};
            EXPECT_EQ(kc_log_collect_aborted(f.log, lasts[from], firsts[to] + 1, &list), KC_OK);
            EXPECT_EQ(list.count, to - from + 1);
            for (uint32_t k = 0; k < list.count; k++) {
                EXPECT_EQ(list.items[k].first_offset, firsts[from + (int)k]);
                EXPECT_EQ(list.items[k].last_offset, lasts[from + (int)k]);
            }
            kc_aborted_txns_release(&list);
        }
        stop();
    }
}

/* Cut, and written anew with other transactions at the same places. */
TEST(pages_of_aborts_do_not_outlive_a_truncation) {
    start();
    f.options.config.segment_size_bytes = 1 << 20;
    kc_log_set_config(f.log, &f.options.config);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 300; i++) {
            put(10 + round, (int16_t)round, i, 1);
            end_txn(10 + round, (int16_t)round, 0, false, 1);
        }
        char expected[64];
        snprintf(expected, sizeof expected, "%d:100-101/102", 10 + round);
        EXPECT_TEXT(aborted(100, 102), expected);
        EXPECT_EQ(kc_log_truncate(f.log, 0), KC_OK);
        EXPECT_TEXT(aborted(100, 102), "");
    }
    stop();
}

TEST(a_consumer_that_reads_on_costs_few_reads) {
    start();
    f.options.config.segment_size_bytes = 1 << 20;
    kc_log_set_config(f.log, &f.options.config);
    for (int i = 0; i < 2000; i++) {
        put(1, 0, i, 1);
        end_txn(1, 0, 0, false, 1);
    }
    fixture_reopen(&f, true);
    EXPECT_EQ(f.log->segment_count, 1);
    int64_t end = kc_log_end_offset(f.log), offset = 0;
    struct kc_aborted_txns list = {0};
    uint64_t plain = 0, extra = 0;
    int fetches = 0;
    for (; offset < end; fetches++) {
        struct kc_log_slice slice;
        uint64_t before = kc_disk_fault_calls(f.fault, KC_CALL_READ);
        EXPECT_EQ(kc_log_read(f.log, offset, end, 2000, true, &slice), KC_OK);
        plain += kc_disk_fault_calls(f.fault, KC_CALL_READ) - before;
        before = kc_disk_fault_calls(f.fault, KC_CALL_READ);
        int64_t bound = kc_log_bound_slice(f.log, offset, &slice, end);
        EXPECT_EQ(kc_log_collect_aborted(f.log, offset, bound, &list), KC_OK);
        extra += kc_disk_fault_calls(f.fault, KC_CALL_READ) - before;
        kc_file_release(slice.file);
        /* Some twenty batches and their markers; the bound may lie a little behind. */
        EXPECT(list.count > 0);
        list.count = 0;
        offset += 2 * (slice.size_bytes / (f.log->segments[0]->size_bytes / (end / 2)));
    }
    EXPECT(plain >= (uint64_t)fetches);
    /* Some 20 pages of 120 transactions, which overlap a little, and a few of the index of offsets. */
    EXPECT(extra <= 30);
    EXPECT(fetches > 150);
    kc_aborted_txns_release(&list);
    stop();
}

TEST(what_a_slice_reaches_is_known_from_the_index) {
    start();
    f.options.config.segment_size_bytes = 1 << 20;
    kc_log_set_config(f.log, &f.options.config);
    int64_t end = append_many(&f, 3000, 40);
    EXPECT_EQ(f.log->segment_count, 1);
    int64_t batch_size = kc_log_size_bytes(f.log) / end;
    EXPECT_EQ(batch_size * end, kc_log_size_bytes(f.log));
    for (int64_t offset = 0; offset < end; offset += 37)
        for (int32_t size = 150; size < 200000; size *= 3) {
            struct kc_log_slice slice;
            EXPECT_EQ(kc_log_read(f.log, offset, INT64_MAX, size, true, &slice), KC_OK);
            int64_t bound = kc_log_bound_slice(f.log, offset, &slice, end);
            int64_t last = offset + (slice.size_bytes - 1) / batch_size;
            EXPECT(bound > last || bound == end);
            EXPECT(bound <= last + 8 || last + 8 > end);     /* an index entry every 200 bytes */
            kc_file_release(slice.file);
        }
    stop();
}

/* ---- who may end ------------------------------------------------------------------------------------------------------------------- */

TEST(markers_of_transaction_version_1) {
    start();
    put(1, 5, 0, 1);
    EXPECT_EQ(end_txn(1, 4, 0, true, 1).fault, KC_APPEND_INVALID_PRODUCER_EPOCH);
    EXPECT_EQ(stable(), 0);
    EXPECT_EQ(end_txn(1, 5, 7, true, 1).fault, KC_APPEND_OK);
    EXPECT_EQ(stable(), 2);
    EXPECT_EQ(end_txn(1, 5, 7, true, 1).fault, KC_APPEND_OK);          /* a repeat */
    EXPECT_EQ(end_txn(1, 5, 6, true, 1).fault, KC_APPEND_COORDINATOR_FENCED);
    EXPECT_EQ(end_txn(1, 6, 8, false, 1).fault, KC_APPEND_OK);         /* a fence: the epoch rises, the window is empty */
    EXPECT_EQ(put(1, 5, 1, 1).fault, KC_APPEND_INVALID_PRODUCER_EPOCH);
    EXPECT_EQ(put(1, 6, 1, 1).fault, KC_APPEND_OUT_OF_ORDER_SEQUENCE);
    EXPECT_EQ(put(1, 6, 0, 1).fault, KC_APPEND_OK);
    EXPECT_EQ(end_txn(1, 6, 8, true, 1).fault, KC_APPEND_OK);
    EXPECT_EQ(put(1, 6, 1, 1).fault, KC_APPEND_OK);                    /* sequences go on within an epoch */
    stop();
}

TEST(markers_of_transaction_version_2_raise_the_epoch) {
    start();
    EXPECT_EQ(end_txn(1, 0, 0, true, 2).fault, KC_APPEND_OK);          /* nobody known */
    put(1, 0, 0, 1);
    EXPECT_EQ(end_txn(1, 0, 0, true, 2).fault, KC_APPEND_INVALID_PRODUCER_EPOCH);
    EXPECT_EQ(end_txn(1, 1, 0, true, 2).fault, KC_APPEND_OK);
    EXPECT_EQ(end_txn(1, 1, 0, true, 2).fault, KC_APPEND_OK);          /* KAFKA-19999: a repeat while nothing is open */
    EXPECT_EQ(end_txn(1, 0, 0, true, 2).fault, KC_APPEND_INVALID_PRODUCER_EPOCH);
    EXPECT_EQ(put(1, 1, 0, 1).fault, KC_APPEND_OK);
    EXPECT_EQ(end_txn(1, 1, 0, true, 2).fault, KC_APPEND_INVALID_PRODUCER_EPOCH);
    EXPECT_EQ(end_txn(1, 2, 0, false, 2).fault, KC_APPEND_OK);
    EXPECT_EQ(put(1, 1, 1, 1).fault, KC_APPEND_INVALID_PRODUCER_EPOCH);
    stop();
}

/* ---- who may begin ----------------------------------------------------------------------------------------------------------------- */

static int64_t begin(int64_t producer_id, int16_t epoch, int32_t sequence, bool supports_epoch_bump) {
    int64_t guard = -7;
    EXPECT_EQ(kc_log_begin_verification(f.log, producer_id, epoch, sequence, supports_epoch_bump, &guard), KC_OK);
    return guard;
}

TEST(a_transaction_begins_with_a_guard_and_goes_on_without) {
    start();
    EXPECT_EQ(put_guarded(1, 0, 0, 1, true, 0).fault, KC_APPEND_UNVERIFIED);
    EXPECT(!kc_log_admits_transaction(f.log, 1, 0));
    int64_t guard = begin(1, 0, 0, false);
    EXPECT(guard > 0);
    EXPECT_EQ(put_guarded(1, 0, 0, 1, true, 0).fault, KC_APPEND_UNVERIFIED);
    EXPECT_EQ(put_guarded(1, 0, 0, 1, true, guard + 1).fault, KC_APPEND_UNVERIFIED);
    EXPECT_EQ(put_guarded(1, 0, 0, 1, true, guard).fault, KC_APPEND_OK);
    EXPECT(kc_log_admits_transaction(f.log, 1, 0));
    EXPECT_EQ(begin(1, 0, 1, false), KC_TXN_GUARD_NONE);
    EXPECT_EQ(put_guarded(1, 0, 1, 1, true, 0).fault, KC_APPEND_OK);
    EXPECT_EQ(put_guarded(1, 0, 1, 1, true, 0).fault, KC_APPEND_DUPLICATE);
    EXPECT_EQ(put_guarded(1, 0, 2, 1, false, 0).fault, KC_APPEND_INVALID_TXN_STATE);
    EXPECT_EQ(put_guarded(1, 1, 0, 1, true, 0).fault, KC_APPEND_UNVERIFIED);      /* another epoch is another transaction */
    end_txn(1, 0, 0, true, 1);
    EXPECT(!kc_log_admits_transaction(f.log, 1, 0));
    EXPECT_EQ(put_guarded(1, 0, 2, 1, true, 0).fault, KC_APPEND_UNVERIFIED);
    EXPECT_EQ(put_guarded(1, 0, 1, 1, true, 0).fault, KC_APPEND_DUPLICATE);       /* nothing is written, nothing can hang */
    EXPECT_EQ(put_guarded(1, 0, 2, 1, false, 0).fault, KC_APPEND_OK);
    EXPECT_EQ(put_guarded(-1, -1, -1, 1, true, 0).fault, KC_APPEND_UNVERIFIED);
    stop();
}

TEST(a_marker_makes_a_guard_worthless) {
    start();
    int64_t guard = begin(1, 0, 0, false);
    EXPECT_EQ(end_txn(1, 0, 0, false, 1).fault, KC_APPEND_OK);
    EXPECT_EQ(put_guarded(1, 0, 0, 1, true, guard).fault, KC_APPEND_UNVERIFIED);
    int64_t next = begin(1, 0, 0, false);
    EXPECT(next != guard);
    EXPECT_EQ(put_guarded(1, 0, 0, 1, true, guard).fault, KC_APPEND_UNVERIFIED);
    EXPECT_EQ(put_guarded(1, 0, 0, 1, true, next).fault, KC_APPEND_OK);
    stop();
}

TEST(no_batch_overtakes_one_that_waits_for_the_coordinator) {
    start();
    int64_t guard = begin(1, 0, 5, false);
    EXPECT_EQ(begin(1, 0, 7, false), guard);
    EXPECT_EQ(put_guarded(1, 0, 7, 1, true, guard).fault, KC_APPEND_OUT_OF_ORDER_SEQUENCE);
    EXPECT_EQ(begin(1, 0, 3, false), guard);
    EXPECT_EQ(put_guarded(1, 0, 5, 1, true, guard).fault, KC_APPEND_OUT_OF_ORDER_SEQUENCE);
    EXPECT_EQ(begin(1, 1, 0, false), guard);                                      /* a new epoch counts anew */
    EXPECT_EQ(put_guarded(1, 1, 0, 1, true, guard).fault, KC_APPEND_OK);
    /* Transaction version 2: a producer without state here begins with sequence 0. */
    guard = begin(2, 0, 4, true);
    EXPECT_EQ(put_guarded(2, 0, 4, 1, true, guard).fault, KC_APPEND_OUT_OF_ORDER_SEQUENCE);
    guard = begin(3, 0, 4, false);
    EXPECT_EQ(put_guarded(3, 0, 4, 1, true, guard).fault, KC_APPEND_OK);
    stop();
}

TEST(a_coordinator_may_give_its_consent_beforehand) {
    start();
    EXPECT_EQ(kc_log_expect_transaction(f.log, 1, 0), KC_OK);
    EXPECT(kc_log_admits_transaction(f.log, 1, 0));
    EXPECT(!kc_log_admits_transaction(f.log, 1, 1));
    EXPECT_EQ(put_guarded(1, 1, 0, 1, true, 0).fault, KC_APPEND_UNVERIFIED);
    EXPECT_EQ(put_guarded(1, 0, 0, 1, true, 0).fault, KC_APPEND_OK);
    end_txn(1, 0, 0, true, 1);
    EXPECT_EQ(put_guarded(1, 0, 1, 1, true, 0).fault, KC_APPEND_UNVERIFIED);
    EXPECT_EQ(kc_log_expect_transaction(f.log, 1, 0), KC_OK);
    end_txn(1, 0, 0, true, 1);                                                    /* no data, and no more consent */
    EXPECT(!kc_log_admits_transaction(f.log, 1, 0));
    end_txn(1, 3, 0, true, 1);
    EXPECT_EQ(kc_log_expect_transaction(f.log, 1, 2), KC_STALE);
    stop();
}

TEST(notes_are_few_and_the_oldest_goes) {
    start();
    int64_t first = begin(1, 0, 0, false);
    for (int64_t id = 2; id <= KC_TXN_VERIFICATIONS_MAX; id++) begin(id, 0, 0, false);
    EXPECT_EQ(begin(1, 0, 0, false), first);
    int64_t last = begin(KC_TXN_VERIFICATIONS_MAX + 1, 0, 0, false);
    EXPECT_EQ(put_guarded(1, 0, 0, 1, true, first).fault, KC_APPEND_UNVERIFIED);
    EXPECT_EQ(put_guarded(KC_TXN_VERIFICATIONS_MAX + 1, 0, 0, 1, true, last).fault, KC_APPEND_OK);
    stop();
}

TEST(offsets_of_a_coordinator_have_no_sequences) {
    for (int pass = 0; pass < 3; pass++) {
        start();
        for (int i = 0; i < 8; i++) {
            struct batch batch;
            make_producer_batch(&batch, 2, 1, 0, -1, true);
            struct kc_append append = {.batch = batch.bytes, .info = &batch.info, .origin = KC_ORIGIN_COORDINATOR,
                                       .guard = KC_TXN_GUARD_TRUSTED};
            kc_log_append(f.log, &append, 1);
            EXPECT_EQ(append.fault, KC_APPEND_OK);
            EXPECT_EQ(append.base_offset, 2 * i);
            if (pass && i == 4) fixture_reopen(&f, pass == 1);
        }
        EXPECT_EQ(stable(), 0);
        struct kc_producer_info info[2];
        size_t count;
        kc_log_producers(f.log, info, 2, &count);
        EXPECT_EQ(count, 1);
        EXPECT_EQ(info[0].last_sequence, -1);
        EXPECT_EQ(info[0].txn_first_offset, 0);
        end_txn(1, 0, 0, true, 1);
        EXPECT_EQ(stable(), 17);
        stop();
    }
}

TEST(an_open_transaction_never_expires) {
    start();
    f.options.config.producer_id_expiration_ms = 1000;
    kc_log_set_config(f.log, &f.options.config);
    put(1, 0, 0, 1);
    put(2, 0, 0, 1);
    end_txn(2, 0, 0, true, 1);
    f.now_ms += 1 << 30;
    kc_producer_state_expire(&f.log->producers, f.now_ms);
    size_t count;
    struct kc_producer_info info[4];
    kc_log_producers(f.log, info, 4, &count);
    EXPECT_EQ(count, 1);
    EXPECT_EQ(info[0].producer_id, 1);
    fixture_reopen(&f, true);
    EXPECT_EQ(stable(), 0);
    fixture_reopen(&f, false);
    EXPECT_EQ(stable(), 0);
    stop();
}

/* ---- restarts --------------------------------------------------------------------------------------------------------------------- */

TEST(open_and_aborted_transactions_survive_every_way_to_stop) {
    for (int pass = 0; pass < 4; pass++) {
        start();
        put(1, 0, 0, 2);                                     /* 0, 1: open over segments */
        for (int i = 0; i < 60; i++) {
            EXPECT_EQ(put(2, 0, 3 * i, 3).fault, KC_APPEND_OK);
            end_txn(2, 0, 1, i % 2, 1);
        }
        put(3, 0, 0, 1);                                     /* 242 */
        EXPECT(f.log->segment_count > 2);
        char before[1024];
        strcpy(before, aborted(230, 1000));
        if (pass == 3) {                                     /* without any snapshot, and without an index that nobody has doubts about */
            int64_t offsets[64];
            size_t count = 0;
            for (; count + 1 < f.log->segment_count; count++) offsets[count] = f.log->segments[count + 1]->base_offset;
            fixture_kill(&f, KC_RESTART_KEEP);
            for (size_t i = 0; i < count; i++) {
                char name[64];
                snprintf(name, sizeof name, "%020d.snapshot", (int)offsets[i]);
                EXPECT_EQ(remove_file(&f, name), KC_OK);
                snprintf(name, sizeof name, "%020d.txnindex", (int)offsets[i]);
                write_file(&f, name, "no index", 8);
            }
            f.options.clean = false;
            f.options.recovery_point = 240;
            fixture_open(&f);
        } else if (pass) {
            fixture_reopen(&f, pass == 1);
        }
        EXPECT_TEXT(aborted(230, 1000), before);
        EXPECT_EQ(stable(), 0);
        end_txn(1, 0, 1, true, 1);
        EXPECT_EQ(stable(), 242);
        end_txn(3, 0, 1, false, 1);
        EXPECT_EQ(stable(), 245);
        EXPECT_EQ(put_guarded(2, 0, 180, 1, false, 0).fault, KC_APPEND_OK);
        stop();
    }
}

TEST(a_truncation_takes_decisions_back) {
    start();
    put(1, 0, 0, 1);                                         /* 0 */
    append_many(&f, 30, 60);
    int64_t marker = end_txn(1, 0, 0, false, 1).base_offset;
    append_many(&f, 30, 60);
    put(1, 0, 1, 1);
    int64_t end = kc_log_end_offset(f.log);
    EXPECT_EQ(stable(), end - 1);
    EXPECT_EQ(kc_log_truncate(f.log, end - 1), KC_OK);
    EXPECT_EQ(stable(), end - 1);
    EXPECT_EQ(kc_log_truncate(f.log, marker + 1), KC_OK);
    EXPECT_EQ(stable(), marker + 1);
    EXPECT(kc_log_has_aborts_from(f.log, 0));
    EXPECT_EQ(kc_log_truncate(f.log, marker), KC_OK);
    EXPECT_EQ(stable(), 0);
    EXPECT(!kc_log_has_aborts_from(f.log, 0));
    EXPECT_EQ(end_txn(1, 0, 0, false, 1).base_offset, marker);
    EXPECT_EQ(stable(), marker + 1);
    struct kc_aborted_txns list = {0};
    EXPECT_EQ(kc_log_collect_aborted(f.log, 0, 100, &list), KC_OK);
    EXPECT_EQ(list.count, 1);
    EXPECT_EQ(list.items[0].last_offset, marker);
    kc_aborted_txns_release(&list);
    stop();
}

TEST(a_follower_learns_the_same_from_the_leaders_bytes) {
    start();
    put(1, 0, 0, 2);
    put(2, 0, 0, 1);
    end_txn(1, 1, 0, false, 2);
    put(1, 1, 0, 1);
    end_txn(2, 0, 0, true, 1);
    uint8_t bytes[4096];
    size_t size = read_bytes(&f, 0, INT64_MAX, 4096, true, bytes, sizeof bytes);
    char leader[1024];
    strcpy(leader, aborted(0, 100));
    int64_t stable_there = stable();
    stop();
    start();
    for (size_t at = 0; at < size;) {
        size_t one = (size_t)kc_load_i32(bytes + at + KC_BATCH_LENGTH) + KC_BATCH_LOG_OVERHEAD;
        EXPECT_EQ(kc_log_append_as_follower(f.log, bytes + at, one), KC_OK);
        at += one;
    }
    EXPECT_EQ(stable(), stable_there);
    EXPECT_TEXT(aborted(0, 100), leader);
    stop();
}

RUN_ALL()
