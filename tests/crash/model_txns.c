/* Modelled crashes of transactions: random lives of a coordinator's log and two partitions on one disk that forgets, stopped at every call
 * that changes something.
 *
 *     model_txns SECONDS [SEED [POINT MODE]]        ci/crash builds and runs it; the last two repeat one failure
 *
 * The coordinator here is the order of things and no more, that of pykafka_core/coordinator/transactions.py: what is open, decided and done
 * is a record in log 0 (compacted); a decision counts once it is there; then each partition gets its marker; then it is done.  After each
 * crash the logs are opened, log 0 is read, what is decided is told and completed, what is open is aborted, and a read_committed consumer
 * reads both partitions:
 *
 *   1. the last stable offset reaches the end
 *   2. of a transaction whose commit was acknowledged all is seen, once, in both partitions, in order
 *   3. of one that was aborted, or never asked to commit, nothing is seen
 *   4. of one whose commit was under way: all or nothing
 *   5. it works on: each producer commits another one, the logs are stopped and opened, and the same is seen
 *
 * Acknowledged is what was written, where only the process dies, and what was synced, where the power goes; a life that does not sync
 * is judged by 1 and 5 alone after a power cut, and by what survives being whole.  FAULTS F2, F8, F9. */
#define MODEL_NAME "model_txns"
#include "model_frame.h"
#include "log/cleaner.h"
#include "log/log_internal.h"
#include "log/offset_map.h"
#include "record/iterate.h"

enum { LOGS = 3, STATE = 0, STEPS = 44, PRODUCERS = 3, TXNS = 100, RECORDS = 1200, OUT_MAX = 1 << 16 };

enum outcome { OPEN, ASKED, COMMITTED, ABORTED };

struct txn {
    enum outcome outcome;
    int sent;                             /* records acknowledged */
    int seen;
};

struct producer {
    int txn;                              /* -1: none is open */
    int16_t epoch;
    int32_t next_sequence[LOGS];
};

/* A record of log 0: the value, as text "status txn epoch marker_epoch". */
struct state {
    char status;                          /* O open, C and A decided, D done, 0 unknown */
    int txn, epoch, marker_epoch;
};

static struct {
    struct fixture f[LOGS];
    struct kc_disk_fault *fault;
    int64_t recovery_point[LOGS], first_dirty[LOGS];
    struct producer producers[PRODUCERS];
    struct txn txns[TXNS];
    int txn_count, record_count;
    int record_txn[RECORDS], record_partition[RECORDS], record_seen[RECORDS];
    bool sync, compact, bump;
    bool torn;                            /* what was acknowledged may be gone */
} life;

static void tell(FILE *out) {
    fprintf(out, "%s, %s, epochs %s", life.sync ? "synced" : "not synced", life.compact ? "compacted" : "plain", life.bump ? "rise" : "stay");
}

static bool crashed(void) { return kc_disk_fault_crashed(life.fault); }

/* ---- writing: false is a crash -------------------------------------------------------------------------------------------------- */

static bool synced(int log) {
    int64_t offset;
    if (kc_log_flush(life.f[log].log, &offset) != KC_OK) {
        MUST(crashed());
        return false;
    }
    /* The checkpoint is written now and then. */
    if (draw(2)) life.recovery_point[log] = offset;
    return true;
}

static bool append(int log, const struct kc_batch_spec *spec, const char *key, const char *const *values, int count) {
    uint8_t bytes[2048];
    struct kc_batch_builder builder;
    struct kc_slice out;
    struct kc_batch_info info;
    kc_batch_builder_init(&builder, bytes, sizeof bytes, spec);
    for (int i = 0; i < count; i++)
        MUST(kc_batch_builder_add(&builder, life.f[0].now_ms, kc_slice_make(key ? key : values[i], strlen(key ? key : values[i])),
                                  kc_slice_make(values[i], strlen(values[i])), NULL, 0) == KC_OK);
    MUST(kc_batch_builder_finish(&builder, &out) == KC_OK);
    memset(&info, 0, sizeof info);
    kc_batch_header_load(bytes, &info.header);
    info.max_timestamp = info.header.max_timestamp;
    struct kc_append append = {.batch = bytes, .info = &info, .guard = KC_TXN_GUARD_TRUSTED};
    kc_log_append(life.f[log].log, &append, 1);
    if (append.fault != KC_APPEND_OK) {
        MUST(crashed());
        return false;
    }
    return !life.sync || synced(log);
}

static bool note(int producer, struct state state) {
    char key[16], value[64];
    const char *values[] = {value};
    struct kc_batch_spec spec = kc_batch_spec_plain();
    snprintf(key, sizeof key, "id-%d", producer);
    snprintf(value, sizeof value, "%c %d %d %d", state.status, state.txn, state.epoch, state.marker_epoch);
    return append(STATE, &spec, key, values, 1);
}

static bool mark(int producer, int log, int marker_epoch, bool commit) {
    struct kc_log_marker marker = {.producer_id = 100 + producer, .producer_epoch = (int16_t)marker_epoch,
                                   .transaction_version = life.bump ? 2 : 1, .commit = commit};
    struct kc_append done;
    kc_log_append_marker(life.f[log].log, &marker, &done);
    /* The log of states may have lost more than the partition: the coordinator takes that for an end. */
    if (done.fault == KC_APPEND_INVALID_PRODUCER_EPOCH && life.torn) return true;
    if (done.fault != KC_APPEND_OK) {
        MUST(crashed());
        return false;
    }
    return !life.sync || synced(log);
}

/* The decision is in the log: tell and complete. */
static bool complete(int producer, struct state state) {
    for (int log = 1; log < LOGS; log++)
        if (!mark(producer, log, state.marker_epoch, state.status == 'C')) return false;
    state.status = 'D';
    return note(producer, state);
}

static struct state state_of(const struct producer *producer, char status) {
    return (struct state){status, producer->txn, producer->epoch, producer->epoch + (life.bump ? 1 : 0)};
}

static void begin(struct producer *producer) {
    if (life.txn_count == TXNS) return;
    producer->txn = life.txn_count++;
    (void)note((int)(producer - life.producers), state_of(producer, 'O'));
}

static void send(struct producer *producer) {
    char texts[4][48];
    const char *values[4];
    int log = 1 + (int)draw(LOGS - 1), count = 1 + (int)draw(4);
    if (life.record_count + count > RECORDS) return;
    struct kc_batch_spec spec = kc_batch_spec_plain();
    spec.producer_id = 100 + (producer - life.producers);
    spec.producer_epoch = producer->epoch;
    spec.base_sequence = producer->next_sequence[log];
    spec.attributes |= KC_ATTRIBUTE_TRANSACTIONAL;
    for (int i = 0; i < count; i++) {
        int record = life.record_count++;
        life.record_txn[record] = producer->txn;
        life.record_partition[record] = log;
        snprintf(texts[i], sizeof texts[i], "%d-%0*d", record, 1 + (int)draw(30), 0);
        values[i] = texts[i];
    }
    if (!append(log, &spec, NULL, values, count)) return;
    producer->next_sequence[log] += count;
    life.txns[producer->txn].sent += count;
}

static void finish(struct producer *producer, bool commit) {
    struct txn *txn = &life.txns[producer->txn];
    struct state state = state_of(producer, commit ? 'C' : 'A');
    txn->outcome = commit ? ASKED : ABORTED;
    if (!note((int)(producer - life.producers), state)) return;
    if (commit) txn->outcome = COMMITTED;
    if (!complete((int)(producer - life.producers), state)) return;
    producer->txn = -1;
    if (life.bump) {
        producer->epoch++;
        memset(producer->next_sequence, 0, sizeof producer->next_sequence);
    }
}

/* ---- care ------------------------------------------------------------------------------------------------------------------------ */

static int64_t active_base(int log) {
    struct kc_log_segment_info infos[RECORDS];
    size_t count;
    kc_log_segments(life.f[log].log, infos, RECORDS, &count);
    return infos[count - 1].base_offset;
}

static void compact(int log) {
    if (!synced(log)) return;
    life.recovery_point[log] = kc_log_end_offset(life.f[log].log);
    int64_t limit = active_base(log), stable = kc_log_last_stable_offset(life.f[log].log);
    struct kc_cleaning_options options = {.first_dirty_offset = life.first_dirty[log], .limit_offset = limit < stable ? limit : stable,
                                          .now_ms = life.f[0].now_ms, .delete_retention_ms = draw(2) ? 1000000 : 30,
                                          .map_size_bytes = 2000 * KC_OFFSET_MAP_SLOT_SIZE, .map_load_factor = 0.9, .seed = {1, 2}};
    struct kc_cleaning *cleaning;
    if (options.first_dirty_offset > options.limit_offset) options.first_dirty_offset = 0;
    if (kc_cleaning_start(life.f[log].log, &options, &cleaning) != KC_OK) return;
    struct kc_cleaning_request request = {.need = KC_CLEANING_AGAIN};
    kc_status status;
    do status = kc_cleaning_step(cleaning, (struct kc_slice){0}, 1000, &request);
    while (status == KC_OK && request.need != KC_CLEANING_DONE);
    MUST(status == KC_OK || crashed());
    struct kc_cleaning_stats stats;
    kc_cleaning_stats(cleaning, &stats);
    if (status == KC_OK) life.first_dirty[log] = stats.end_offset;
    kc_cleaning_end(cleaning);
}

static bool open_one(int log, bool clean, bool process_died) {
    struct fixture *f = &life.f[log];
    f->options.clean = clean;
    f->options.process_died = process_died;
    f->options.recovery_point = life.recovery_point[log];
    if (kc_log_open(f->directory, &f->options, &f->recovery, &f->log) == KC_OK) return true;
    f->log = NULL;
    MUST(crashed());
    return false;
}

static void stop_one(int log) {
    int64_t end = kc_log_end_offset(life.f[log].log);
    if (kc_log_close(life.f[log].log) != KC_OK) {
        MUST(crashed());
        return;
    }
    kc_log_release(life.f[log].log);
    life.f[log].log = NULL;
    life.recovery_point[log] = end;
    if (open_one(log, true, false)) MUST(kc_log_end_offset(life.f[log].log) == end);
}

static void step(void) {
    struct producer *producer = &life.producers[draw(PRODUCERS)];
    uint64_t dice = draw(100);
    int log = (int)draw(LOGS);
    life.f[0].now_ms += 20;
    if (dice < 70) {
        if (producer->txn < 0) begin(producer);
        else if (dice < 40 || life.txns[producer->txn].sent == 0) send(producer);
        else finish(producer, dice < 58);
    } else if (dice < 76) {
        (void)synced(log);
    } else if (dice < 88) {
        (void)kc_log_roll(life.f[log].log);
    } else if (dice < 95 && (life.compact || log == STATE)) {
        compact(log);
    } else {
        stop_one(log);
    }
}

static void release_all(void) {
    for (int log = 0; log < LOGS; log++) {
        kc_log_release(life.f[log].log);
        life.f[log].log = NULL;
    }
}

/* Plays the life of `seed` until its end or its crash at `point` (0: none).  Returns the points seen. */
static uint64_t play(uint64_t seed, uint64_t point, uint64_t disk_seed) {
    static const char *const names[LOGS] = {"/state-0", "/t-0", "/t-1"};
    memset(&life, 0, sizeof life);
    chance = seed;
    life.sync = draw(2) == 0;
    life.compact = draw(3) == 0;
    life.bump = draw(2) == 0;
    for (int i = 0; i < PRODUCERS; i++) life.producers[i].txn = -1;
    fixture_start(&life.f[0], disk_seed);
    life.fault = life.f[0].fault;
    life.f[0].options.config = small_config();
    life.f[0].options.config.segment_size_bytes = 700 + (int64_t)draw(2500);
    life.f[0].options.config.index_interval_bytes = (int32_t)draw(600);
    life.f[0].options.landmark_bytes = 1 + (int64_t)draw(3000);
    for (int log = 1; log < LOGS; log++) life.f[log] = life.f[0];
    kc_disk_fault_crash_at(life.fault, point);
    bool opened = true;
    for (int log = 0; log < LOGS; log++) {
        life.f[log].directory = names[log];
        opened = opened && open_one(log, false, false);
    }
    if (opened && life.f[0].disk->sync_directory(life.f[0].disk->state, "/") == KC_OK)
        for (int i = 0; i < STEPS && !crashed(); i++) step();
    return kc_disk_fault_points(life.fault);
}

/* ---- judgement -------------------------------------------------------------------------------------------------------------------- */

typedef void visit_batch(const uint8_t *bytes, const struct kc_batch_header *header, void *context);

static void walk(int log, visit_batch *visit, void *context) {
    static uint8_t bytes[OUT_MAX];
    int64_t offset = kc_log_start_offset(life.f[log].log), end = kc_log_end_offset(life.f[log].log);
    while (offset < end) {
        size_t size = read_bytes(&life.f[log], offset, INT64_MAX, 3000, true, bytes, sizeof bytes), at = 0;
        struct kc_batch_header header;
        MUST(size > 0);
        while (at < size && kc_batch_check_stored(kc_slice_make(bytes + at, size - at), &header) == KC_OK) {
            visit(bytes + at, &header, context);
            offset = kc_batch_last_offset(&header) + 1;
            at += (size_t)header.size_bytes;
        }
        MUST(at > 0);
    }
}

static struct kc_slice records_of(const uint8_t *bytes, const struct kc_batch_header *header) {
    return kc_slice_make(bytes + KC_BATCH_HEADER_SIZE, (size_t)header->size_bytes - KC_BATCH_HEADER_SIZE);
}

static void take_state(const uint8_t *bytes, const struct kc_batch_header *header, void *context) {
    struct state *states = context;
    struct kc_record_iterator it;
    struct kc_record record;
    kc_record_iterator_init(&it, records_of(bytes, header), header->record_count);
    while (kc_record_next(&it, &record) == KC_OK) {
        char text[64] = {0};
        struct state state;
        int producer = ((const char *)record.key.data)[3] - '0';
        MUST(producer >= 0 && producer < PRODUCERS && record.value.size < sizeof text);
        memcpy(text, record.value.data, record.value.size);
        MUST(sscanf(text, "%c %d %d %d", &state.status, &state.txn, &state.epoch, &state.marker_epoch) == 4);
        states[producer] = state;
    }
}

struct reading {
    struct kc_aborted_txns aborted;
    int log, last_record[PRODUCERS];
    int64_t aborted_to[PRODUCERS];        /* the end of the aborted transaction under way; -1: none */
};

static void take_records(const uint8_t *bytes, const struct kc_batch_header *header, void *context) {
    struct reading *reading = context;
    struct kc_record_iterator it;
    struct kc_record record;
    if (header->attributes & KC_ATTRIBUTE_CONTROL) return;
    int producer = (int)header->producer_id - 100;
    int64_t offset = header->base_offset;
    for (uint32_t i = 0; i < reading->aborted.count; i++) {
        const struct kc_aborted_txn *txn = &reading->aborted.items[i];
        if (txn->producer_id == header->producer_id && txn->first_offset <= offset && offset < txn->last_offset) return;
    }
    kc_record_iterator_init(&it, records_of(bytes, header), header->record_count);
    while (kc_record_next(&it, &record) == KC_OK) {
        int number = atoi((const char *)record.value.data);
        MUST(number >= 0 && number < life.record_count);
        MUST(life.record_partition[number] == reading->log);
        MUST(number > reading->last_record[producer]);
        reading->last_record[producer] = number;
        life.record_seen[number]++;
        life.txns[life.record_txn[number]].seen++;
    }
}

static void look(void) {
    memset(life.record_seen, 0, sizeof life.record_seen);
    for (int i = 0; i < life.txn_count; i++) life.txns[i].seen = 0;
    for (int log = 1; log < LOGS; log++) {
        struct reading reading = {.log = log};
        int64_t end = kc_log_end_offset(life.f[log].log);
        for (int i = 0; i < PRODUCERS; i++) reading.last_record[i] = -1;
        MUST(kc_log_last_stable_offset(life.f[log].log) == end);
        MUST(kc_log_collect_aborted(life.f[log].log, 0, end, &reading.aborted) == KC_OK);
        walk(log, take_records, &reading);
        kc_aborted_txns_release(&reading.aborted);
    }
    for (int i = 0; i < life.record_count; i++) MUST(life.record_seen[i] <= 1);
}

static void check_txns(void) {
    for (int i = 0; i < life.txn_count; i++) {
        const struct txn *txn = &life.txns[i];
        if (txn->outcome == ABORTED || txn->outcome == OPEN) MUST(txn->seen == 0);
        if (txn->outcome == COMMITTED) MUST(txn->seen == txn->sent);
        if (txn->outcome == ASKED) MUST(txn->seen == txn->sent || txn->seen == 0);
    }
}

/* As the coordinator does at its start. */
static void take_over(void) {
    struct state states[PRODUCERS];
    memset(states, 0, sizeof states);
    walk(STATE, take_state, states);
    for (int i = 0; i < PRODUCERS; i++) {
        struct state state = states[i];
        if (state.status == 'O') {                       /* fenced, as InitProducerId or a timeout does */
            state.status = 'A';
            state.marker_epoch = state.epoch + 1;
            MUST(note(i, state));
        }
        if (state.status == 'C' || state.status == 'A') MUST(complete(i, state));
        /* Above whatever a partition may have seen of epochs that the log of states has lost with the power. */
        life.producers[i] = (struct producer){.txn = -1, .epoch = (int16_t)(life.producers[i].epoch + 5)};
    }
}

static void judge(int mode) {
    bool whole = life.sync || modes[mode].restart == KC_RESTART_KEEP;
    life.torn = !whole;
    release_all();
    MUST(kc_disk_fault_restart(life.fault, modes[mode].restart) == KC_OK);
    for (int log = 0; log < LOGS; log++) MUST(open_one(log, false, modes[mode].process_died));
    take_over();
    if (whole) {
        look();
        check_txns();
    } else {
        /* The state may be gone and what it was of still be open: that is for the administrator, who aborts it. */
        for (int i = 0; i < PRODUCERS; i++)
            for (int log = 1; log < LOGS; log++) MUST(mark(i, log, life.producers[i].epoch, false));
        look();
    }
    for (int i = 0; i < life.txn_count; i++) life.txns[i].sent = life.txns[i].seen, life.txns[i].outcome = COMMITTED;
    life.sync = true;
    for (int i = 0; i < PRODUCERS && life.txn_count < TXNS; i++) {
        begin(&life.producers[i]);
        send(&life.producers[i]);
        finish(&life.producers[i], true);
    }
    for (int log = 0; log < LOGS; log++) stop_one(log);
    look();
    check_txns();
    for (int log = 0; log < LOGS; log++) MUST(kc_log_close(life.f[log].log) == KC_OK);
    release_all();
    fixture_stop(&life.f[0]);
}

static void put_away(void) {
    release_all();
    fixture_stop(&life.f[0]);
}

int main(int argc, char **argv) {
    campaign(argc, argv, NULL);
    printf("\n");
    return 0;
}
