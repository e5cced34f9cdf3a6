/* Transactions in a log against a plain list of what was appended, through a random life: producers that begin, write, commit and abort,
 * rolls, flushes, truncations, clean stops, deaths of the process (the engine trusting its files, or scanning them), lost or damaged
 * snapshots and indexes, and crashes of process and machine at every kind of point.  After each the last stable offset, the list of aborted
 * transactions and the open ones are those of a full replay of the list.  The failing run's seed is printed by check.h. */
#include "fixture.h"
#include "log/log_internal.h"

enum { ENTRIES_MAX = 20000, PRODUCERS = 6, STEPS = 400, LIVES = 60 };

struct entry {                       /* a batch, or a marker */
    int64_t base_offset, last_offset, producer_id;
    int16_t epoch;
    bool transactional, marker, commit;
};

static struct entry entries[ENTRIES_MAX];
static int entry_count;
static struct fixture f;

/* ---- the replay ------------------------------------------------------------------------------------------------------------------- */

struct replayed {
    int64_t open_first[PRODUCERS];   /* -1: none */
    int16_t epoch[PRODUCERS];
    bool known[PRODUCERS];
    int32_t sequence[PRODUCERS];     /* next */
    struct kc_aborted_txns aborted;
    int64_t end;
};

static int64_t first_open(const struct replayed *r, int64_t otherwise) {
    for (int i = 0; i < PRODUCERS; i++)
        if (r->open_first[i] >= 0 && r->open_first[i] < otherwise) otherwise = r->open_first[i];
    return otherwise;
}

static struct replayed replay(void) {
    struct replayed r = {.end = 0};
    for (int i = 0; i < PRODUCERS; i++) r.open_first[i] = -1;
    for (int i = 0; i < entry_count; i++) {
        const struct entry *e = &entries[i];
        int64_t id = e->producer_id;
        r.end = e->last_offset + 1;
        if (id < 0) continue;
        if (!r.known[id] || r.epoch[id] != e->epoch) r.sequence[id] = 0;
        r.known[id] = true;
        r.epoch[id] = e->epoch;
        if (e->marker) {
            int64_t first = r.open_first[id];
            r.open_first[id] = -1;
            if (first < 0 || e->commit) continue;
            struct kc_aborted_txn txn = {id, first, e->base_offset, first_open(&r, e->base_offset + 1)};
            EXPECT_EQ(kc_aborted_txns_add(&r.aborted, &txn), KC_OK);
            continue;
        }
        r.sequence[id] += (int32_t)(e->last_offset - e->base_offset + 1);
        if (e->transactional && r.open_first[id] < 0) r.open_first[id] = e->base_offset;
    }
    return r;
}

static void check(void) {
    struct replayed r = replay();
    EXPECT_EQ(kc_log_end_offset(f.log), r.end);
    EXPECT_EQ(kc_log_last_stable_offset(f.log), first_open(&r, r.end));
    struct kc_aborted_txns list = {0};
    EXPECT_EQ(kc_log_collect_aborted(f.log, 0, r.end + 1, &list), KC_OK);
    EXPECT_EQ(list.count, r.aborted.count);
    for (uint32_t i = 0; i < list.count; i++) EXPECT_EQ(memcmp(&list.items[i], &r.aborted.items[i], sizeof list.items[i]), 0);
    /* A random range: all that overlap it, and nothing that ends before it. */
    int64_t from = (int64_t)kc_test_random_below((uint64_t)r.end + 1), to = from + (int64_t)kc_test_random_below(40);
    list.count = 0;
    EXPECT_EQ(kc_log_collect_aborted(f.log, from, to, &list), KC_OK);
    uint32_t found = 0;
    for (uint32_t i = 0; i < r.aborted.count; i++) {
        const struct kc_aborted_txn *txn = &r.aborted.items[i];
        if (from >= to || txn->last_offset < from || txn->first_offset >= to) continue;
        EXPECT(found < list.count);
        EXPECT_EQ(list.items[found++].last_offset, txn->last_offset);
    }
    EXPECT_EQ(found, list.count);
    kc_aborted_txns_release(&list);
    kc_aborted_txns_release(&r.aborted);
    struct kc_producer_info infos[PRODUCERS];
    size_t count;
    kc_log_producers(f.log, infos, PRODUCERS, &count);
    for (size_t i = 0; i < count; i++) {
        int64_t id = infos[i].producer_id;
        EXPECT(r.known[id]);
        r.known[id] = false;
        EXPECT_EQ(infos[i].producer_epoch, r.epoch[id]);
        EXPECT_EQ(infos[i].txn_first_offset, r.open_first[id]);
        EXPECT_EQ(infos[i].last_sequence, r.sequence[id] - 1);
    }
    for (int i = 0; i < PRODUCERS; i++) EXPECT(!r.known[i]);
}

/* ---- steps ------------------------------------------------------------------------------------------------------------------------ */

static int32_t leader_epoch;

static void add(struct entry entry) {
    EXPECT(entry_count < ENTRIES_MAX);
    entries[entry_count++] = entry;
}

/* False: refused, because the disk failed. */
static bool put_batch(int64_t id, bool transactional) {
    struct replayed r = replay();
    kc_aborted_txns_release(&r.aborted);
    static struct batch batch;
    struct kc_batch_spec spec = kc_batch_spec_plain();
    int count = 1 + (int)kc_test_random_below(4);
    if (id >= 0) {
        spec.producer_id = id;
        spec.producer_epoch = r.known[id] ? r.epoch[id] : 0;
        spec.base_sequence = r.sequence[id];
    }
    if (transactional) spec.attributes |= KC_ATTRIBUTE_TRANSACTIONAL;
    make_batch_spec(&batch, &spec, count, kc_test_random_below(120), f.now_ms);
    struct kc_append done = append_batch(&f, &batch, leader_epoch);
    if (done.fault == KC_APPEND_STORAGE_ERROR) return false;
    EXPECT_EQ(done.fault, KC_APPEND_OK);
    add((struct entry){done.base_offset, done.last_offset, id, spec.producer_epoch, transactional, false, false});
    return true;
}

static bool put_marker(int64_t id, bool commit, bool raise) {
    struct replayed r = replay();
    kc_aborted_txns_release(&r.aborted);
    int16_t epoch = r.known[id] ? r.epoch[id] : 0;
    if (raise && epoch < 1000) epoch++;
    struct kc_log_marker marker = {.producer_id = id, .producer_epoch = epoch, .coordinator_epoch = 1, .transaction_version = raise ? 2 : 1,
                                   .commit = commit, .leader_epoch = leader_epoch};
    struct kc_append done;
    kc_log_append_marker(f.log, &marker, &done);
    if (done.fault == KC_APPEND_STORAGE_ERROR) return false;
    EXPECT_EQ(done.fault, KC_APPEND_OK);
    add((struct entry){done.base_offset, done.base_offset, id, epoch, true, true, commit});
    return true;
}

static bool step(void) {
    struct replayed r = replay();
    kc_aborted_txns_release(&r.aborted);
    int64_t id = (int64_t)kc_test_random_below(PRODUCERS);
    uint64_t die = kc_test_random_below(20);
    f.now_ms++;
    if (die < 9) return put_batch(id, id >= 2 || r.open_first[id] >= 0);
    if (die < 11) return put_batch(-1, false);
    if (die < 17) return put_marker(id, kc_test_random() & 1, id >= 4);
    kc_status status = KC_OK;
    if (die == 17) status = kc_log_roll(f.log);
    if (die == 18) status = kc_log_flush(f.log, &f.options.recovery_point);
    return status == KC_OK;
}

/* The list is cut where the log ends: what was not acknowledged, or not on disk when the power went, may be gone. */
static void forget_from(int64_t end) {
    while (entry_count && entries[entry_count - 1].base_offset >= end) entry_count--;
    if (entry_count) EXPECT_EQ(entries[entry_count - 1].last_offset + 1, end);
    else EXPECT_EQ(end, 0);
}

/* Takes some of the files that can be made again away, or damages them; the log is not open. */
static void damage(void) {
    const struct file_names *files = list_files(&f);
    for (int i = 0; i < files->count; i++) {
        const char *name = files->names[i];
        if (strstr(name, ".log") || !strstr(name, "000") || kc_test_random_below(3)) continue;
        if (strstr(name, ".txnindex") || kc_test_random() & 1) write_file(&f, name, "damaged", 7);
        else EXPECT_EQ(remove_file(&f, name), KC_OK);
    }
}

static void start(void) {
    fixture_start(&f, kc_test_random());
    f.options.config.segment_size_bytes = 3000;
    f.options.config.index_interval_bytes = 200;
    f.options.landmark_bytes = 2000;
    entry_count = 0;
    leader_epoch = 0;
    fixture_open(&f);
}

TEST(a_random_life_agrees_with_a_full_replay) {
    start();
    for (int life = 0; life < LIVES; life++) {
        int steps = (int)kc_test_random_below(STEPS / 10) + 1;
        for (int i = 0; i < steps; i++) EXPECT(step());
        check();
        switch (kc_test_random_below(6)) {
        case 0:
            fixture_reopen(&f, true);
            break;
        case 1:                                          /* scanned from the recovery point on */
            fixture_reopen(&f, false);
            break;
        case 2:                                          /* trusted */
            fixture_kill(&f, KC_RESTART_KEEP);
            f.options.process_died = true;
            f.options.clean = false;
            fixture_open(&f);
            f.options.process_died = false;
            break;
        case 3:
            fixture_kill(&f, KC_RESTART_KEEP);
            damage();
            f.options.clean = false;
            f.options.recovery_point = kc_test_random() & 1 ? 0 : f.options.recovery_point;
            fixture_open(&f);
            break;
        case 4:
            fixture_kill(&f, KC_RESTART_SEEDED);
            f.options.clean = false;
            fixture_open(&f);
            forget_from(kc_log_end_offset(f.log));
            break;
        case 5: {
            if (entry_count == 0) break;
            int64_t to = entries[kc_test_random_below((uint64_t)entry_count)].base_offset;
            EXPECT_EQ(kc_log_truncate(f.log, to), KC_OK);
            EXPECT_EQ(kc_log_flush(f.log, &f.options.recovery_point), KC_OK);      /* else a power cut may bring back what was cut */
            forget_from(to);
            break;
        }
        }
        f.options.clean = false;
        if (f.options.recovery_point > kc_log_end_offset(f.log)) f.options.recovery_point = kc_log_end_offset(f.log);
        leader_epoch++;
        check();
    }
    fixture_close(&f);
    fixture_stop(&f);
}

/* The same steps again and again, and at each changing call of the last ones the process dies (its writes stay) or the machine. */
TEST(a_crash_at_any_point_leaves_what_was_acknowledged_and_its_decisions) {
    for (int round = 0; round < 400; round++) {
        start();
        int quiet = (int)kc_test_random_below(60);
        for (int i = 0; i < quiet; i++) EXPECT(step());
        bool process_only = kc_test_random() & 1;
        kc_disk_fault_crash_at(f.fault, kc_disk_fault_points(f.fault) + 1 + kc_test_random_below(40));
        while (!kc_disk_fault_crashed(f.fault) && entry_count < 400 && step()) {
        }
        int64_t acknowledged = entry_count ? entries[entry_count - 1].last_offset + 1 : 0;
        fixture_kill(&f, process_only ? KC_RESTART_KEEP : KC_RESTART_SEEDED);
        f.options.clean = false;
        f.options.process_died = process_only && kc_test_random() & 1;
        fixture_open(&f);
        int64_t end = kc_log_end_offset(f.log);
        if (process_only) EXPECT(end >= acknowledged);
        /* What was on its way when it stopped may be there whole, though nobody was told: it is read back into the list. */
        static uint8_t bytes[1 << 16];
        struct kc_batch_header h;
        while (end > acknowledged) {
            size_t size = read_bytes(&f, acknowledged, INT64_MAX, sizeof bytes, true, bytes, sizeof bytes);
            EXPECT_EQ(kc_batch_check_stored(kc_slice_make(bytes, size), &h), KC_OK);
            struct kc_marker marker = {0};
            bool control = h.attributes & KC_ATTRIBUTE_CONTROL;
            if (control)
                EXPECT(kc_marker_read(kc_slice_make(bytes + KC_BATCH_HEADER_SIZE, (size_t)h.size_bytes - KC_BATCH_HEADER_SIZE), &h, &marker));
            add((struct entry){h.base_offset, kc_batch_last_offset(&h), h.producer_id, h.producer_epoch,
                               (h.attributes & KC_ATTRIBUTE_TRANSACTIONAL) != 0, control, marker.commit});
            acknowledged = kc_batch_last_offset(&h) + 1;
        }
        forget_from(end);
        check();
        for (int i = 0; i < 20; i++) EXPECT(step());
        check();
        fixture_close(&f);
        fixture_stop(&f);
    }
}

/* The disk is full or a write fails, and the process goes on. */
TEST(a_marker_that_cannot_be_written_decides_nothing) {
    for (int round = 0; round < 300; round++) {
        start();
        int quiet = (int)kc_test_random_below(40);
        for (int i = 0; i < quiet; i++) EXPECT(step());
        bool full = kc_test_random() & 1;
        kc_disk_fault_fail_at(f.fault, kc_disk_fault_points(f.fault) + 1 + kc_test_random_below(12), full ? KC_NO_SPACE : KC_IO_ERROR, false);
        for (int i = 0; i < 40 && step(); i++) {
        }
        if (kc_log_writable(f.log)) {
            check();
            for (int i = 0; i < 30; i++) step();
            if (kc_log_writable(f.log)) check();
        } else {
            /* What is open stays open for readers, until recovery has decided. */
            struct replayed r = replay();
            EXPECT(kc_log_last_stable_offset(f.log) <= first_open(&r, r.end));
            kc_aborted_txns_release(&r.aborted);
        }
        kc_disk_fault_fail_at(f.fault, 0, KC_OK, false);
        int64_t acknowledged = entry_count ? entries[entry_count - 1].last_offset + 1 : 0;
        fixture_kill(&f, KC_RESTART_KEEP);
        f.options.clean = false;
        fixture_open(&f);
        EXPECT(kc_log_end_offset(f.log) >= acknowledged);
        if (kc_log_end_offset(f.log) == acknowledged) check();
        fixture_close(&f);
        fixture_stop(&f);
    }
}

RUN_ALL()
