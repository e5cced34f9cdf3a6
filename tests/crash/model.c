/* Modelled crashes: random lives of one log on a disk that forgets, stopped at every call that changes something.
 *
 *     model SECONDS [SEED [POINT MODE]]        ci/crash builds and runs it; the last two repeat one failure
 *
 * A life is a sequence of steps drawn from its seed alone: appends of plain and idempotent batches, flushes, rolls, new epochs, DeleteRecords,
 * compactions, clean stops; in some lives the disk is now and then full for one call of a flush, a roll, a deletion, a compaction or a
 * stop, so that a checkpoint (of leader epochs, of producers) is not written when it should be. It is played once to count the disk's
 * points, then once for each point and each way of coming up again, and after each crash the log is opened and judged:
 *
 *   1. what had to survive is there: after a mere process death all that was acknowledged, after a power cut all that a flush covered
 *   2. nothing is there that was not appended; each record is, byte for byte, what was appended at its offset
 *   3. no hole: offsets go on from the start to the end (of a compacted log: each key's last record is there)
 *   4. producers: a repeat of the last batch is a duplicate, the next sequence is taken, a gap is refused
 *   5. the log works on: an append, a clean stop, and it opens once more to the same end
 *
 * Ends with "N crash points, N lives, ..."; a failure prints the seed, the point and the mode (FAULTS F1-F8). */
#define MODEL_NAME "model"
#include "model_frame.h"
#include "log/cleaner.h"
#include "log/offset_map.h"
#include "record/iterate.h"

enum { STEPS = 36, BATCHES = 300, OFFSETS = 1600, PRODUCERS = 3, KEYS = 8, BATCH_MAX = 768 };

struct appended {                         /* one batch */
    int64_t base_offset, last_offset;
    int producer;                         /* -1: plain */
    int32_t base_sequence, count;
    size_t size;
    uint8_t bytes[BATCH_MAX];
};

struct entry {                            /* one record */
    int key, value, value_size;
    int64_t timestamp;
};

static struct {
    struct fixture f;
    struct appended batches[BATCHES];
    struct entry entries[OFFSETS];
    int batch_count, value;
    int64_t acknowledged, flushed;        /* offsets below which all was */
    int64_t recovery_point;               /* as its checkpoint says: at most `flushed` */
    int64_t start_offset, start_offset_kept;
    int64_t first_dirty;
    int32_t epoch, next_sequence[PRODUCERS];
    bool compact, flush_each, shortages, was_short;
    bool doubted;                         /* a call has failed: the engine does not trust the page cache on the next start */
} life;

static void tell(FILE *out) {
    fprintf(out, "%s log, acknowledged %lld, flushed %lld, recovery point %lld, start %lld (checkpoint %lld), end %lld",
            life.compact ? "compacted" : "plain", (long long)life.acknowledged, (long long)life.flushed, (long long)life.recovery_point,
            (long long)life.start_offset, (long long)life.start_offset_kept, (long long)(life.f.log ? kc_log_end_offset(life.f.log) : -1));
}

static bool crashed(void) { return kc_disk_fault_crashed(life.f.fault); }
static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

/* ---- batches ------------------------------------------------------------------------------------------------------------------ */

/* Draws a batch and remembers its records as if it will stand at `offset`; nothing is said yet of whether it does. */
static void make(struct appended *w, int64_t offset, int32_t *sequence_of) {
    struct kc_batch_spec spec = kc_batch_spec_plain();
    struct kc_batch_builder builder;
    struct kc_slice out;
    w->producer = (int)draw(PRODUCERS + 1) - 1;
    w->count = 1 + (int)draw(4);
    w->base_sequence = -1;
    if (w->producer >= 0) {
        spec.producer_id = 100 + w->producer;
        spec.producer_epoch = 0;
        spec.base_sequence = w->base_sequence = sequence_of[w->producer];
        sequence_of[w->producer] += w->count;
    }
    kc_batch_builder_init(&builder, w->bytes, sizeof w->bytes, &spec);
    for (int i = 0; i < w->count; i++) {
        char key[16], value[160];
        MUST(offset + i < OFFSETS);
        struct entry *entry = &life.entries[offset + i];
        *entry = (struct entry){.key = (int)draw(KEYS), .value = life.value++, .timestamp = life.f.now_ms + i};
        snprintf(key, sizeof key, "key-%d", entry->key);
        entry->value_size = snprintf(value, sizeof value, "value-%d-%0*d", entry->value, 1 + (int)draw(100), 0);
        MUST(kc_batch_builder_add(&builder, entry->timestamp, kc_slice_make(key, strlen(key)),
                                  kc_slice_make(value, (size_t)entry->value_size), NULL, 0) == KC_OK);
    }
    MUST(kc_batch_builder_finish(&builder, &out) == KC_OK);
    w->size = out.size;
}

static struct kc_batch_info info_of(const uint8_t *bytes) {
    struct kc_batch_info info;
    memset(&info, 0, sizeof info);
    kc_batch_header_load(bytes, &info.header);
    info.max_timestamp = info.header.max_timestamp;
    return info;
}

/* What the disk lacks for one call of `act`, if chance has it. */
static void perhaps_short(void (*act)(void)) {
    bool is_short = life.shortages && draw(3) == 0;
    uint64_t before = kc_disk_fault_points(life.f.fault) + draw(6);
    if (is_short) kc_disk_fault_fail_at(life.f.fault, before + 1, KC_NO_SPACE, false);
    act();
    if (is_short && kc_disk_fault_points(life.f.fault) > before) life.was_short = true;
    if (is_short) kc_disk_fault_fail_at(life.f.fault, 0, KC_OK, false);
}

/* ---- a life ------------------------------------------------------------------------------------------------------------------- */

static void flush_now(void) {
    int64_t synced;
    if (kc_log_flush(life.f.log, &synced) != KC_OK) {
        MUST(crashed() || life.shortages);
        life.doubted = true;
        return;
    }
    life.flushed = synced;
    /* The checkpoint is written now and then: it may lie behind. */
    if (draw(2)) life.recovery_point = synced;
}

static void append_some(void) {
    struct kc_append appends[4];
    struct kc_batch_info infos[4];
    int32_t sequences[PRODUCERS];
    int count = 1 + (int)draw(4);
    int64_t offset = kc_log_end_offset(life.f.log);
    if (life.batch_count + count > BATCHES) return;
    memcpy(sequences, life.next_sequence, sizeof sequences);
    for (int i = 0; i < count; i++) {
        struct appended *w = &life.batches[life.batch_count + i];
        make(w, offset, sequences);
        w->base_offset = offset;
        w->last_offset = offset + w->count - 1;
        offset += w->count;
        infos[i] = info_of(w->bytes);
        appends[i] = (struct kc_append){.batch = w->bytes, .info = &infos[i], .leader_epoch = life.epoch};
    }
    /* What is under way when the machine stops may be there afterwards or not. */
    life.batch_count += count;
    kc_log_append(life.f.log, appends, (size_t)count);
    for (int i = 0; i < count; i++) {
        struct appended *w = &life.batches[life.batch_count - count + i];
        if (appends[i].fault != KC_APPEND_OK) {
            MUST(crashed() || life.doubted);
            /* Refused, and nothing of it was written: a log whose sync has failed takes no more. */
            if (!crashed()) life.batch_count -= count - i;
            return;
        }
        MUST(appends[i].base_offset == w->base_offset && appends[i].last_offset == w->last_offset);
        life.acknowledged = w->last_offset + 1;
        if (w->producer >= 0) life.next_sequence[w->producer] += w->count;
    }
    if (life.flush_each) flush_now();
}

static void roll(void) {
    if (kc_log_roll(life.f.log) != KC_OK) life.doubted = true;
}

static void delete_some(void) {
    int64_t end = kc_log_end_offset(life.f.log), to = life.start_offset + (int64_t)draw((uint64_t)(end - life.start_offset) + 1);
    if (kc_log_raise_start_offset(life.f.log, to) != KC_OK) return;
    /* Whole segments go only once the checkpoint says so. */
    life.start_offset = to;
    life.start_offset_kept = to;
    (void)kc_log_drop_segments(life.f.log, NULL);
}

static int64_t active_base(void) {
    struct kc_log_segment_info infos[OFFSETS];
    size_t count;
    kc_log_segments(life.f.log, infos, OFFSETS, &count);
    return infos[count - 1].base_offset;
}

static void compact(void) {
    flush_now();
    if (crashed() || life.flushed < kc_log_end_offset(life.f.log)) return;
    life.recovery_point = life.flushed;
    struct kc_cleaning_options options = {.first_dirty_offset = life.first_dirty, .limit_offset = active_base(), .now_ms = life.f.now_ms,
                                          .delete_retention_ms = 1000000, .map_size_bytes = 1000 * KC_OFFSET_MAP_SLOT_SIZE,
                                          .map_load_factor = 0.9, .seed = {1, 2}};
    struct kc_cleaning *cleaning;
    if (options.first_dirty_offset > options.limit_offset) options.first_dirty_offset = 0;
    if (kc_cleaning_start(life.f.log, &options, &cleaning) != KC_OK) return;
    struct kc_cleaning_request request = {.need = KC_CLEANING_AGAIN};
    kc_status status;
    do status = kc_cleaning_step(cleaning, (struct kc_slice){0}, 1000, &request);
    while (status == KC_OK && request.need != KC_CLEANING_DONE);
    MUST(status == KC_OK || crashed() || life.shortages);
    if (status != KC_OK) life.doubted = true;
    struct kc_cleaning_stats stats;
    kc_cleaning_stats(cleaning, &stats);
    if (status == KC_OK) life.first_dirty = stats.end_offset;
    kc_cleaning_end(cleaning);
}

static void stop_and_start(void) {
    bool clean = kc_log_close(life.f.log) == KC_OK;
    MUST(clean || crashed() || life.shortages);
    if (crashed()) return;
    kc_log_release(life.f.log);
    life.f.log = NULL;
    if (clean) life.flushed = life.recovery_point = life.acknowledged;
    life.doubted = false;
    life.f.options.clean = clean;
    life.f.options.process_died = false;
    /* A start that finds no room ends, and is tried again. */
    kc_disk_fault_fail_at(life.f.fault, 0, KC_OK, false);
    life.f.options.recovery_point = life.recovery_point;
    life.f.options.log_start_offset = life.start_offset_kept;
    kc_status status = kc_log_open(life.f.directory, &life.f.options, &life.f.recovery, &life.f.log);
    if (status != KC_OK) {
        life.f.log = NULL;
        MUST(crashed());
        return;
    }
    MUST(kc_log_end_offset(life.f.log) == life.acknowledged);
}

static void step(void) {
    uint64_t dice = draw(100);
    life.f.now_ms += 20;
    if (dice < 55) append_some();
    else if (dice < 68) perhaps_short(flush_now);
    else if (dice < 76) perhaps_short(roll);
    else if (dice < 82) (void)kc_log_assign_epoch(life.f.log, ++life.epoch);
    else if (dice < 92 && life.compact) perhaps_short(compact);
    else if (dice < 92) perhaps_short(delete_some);
    else perhaps_short(stop_and_start);
}

/* Plays the life of `seed` until its end or its crash at `point` (0: none).  Returns the points seen. */
static uint64_t play(uint64_t seed, uint64_t point, uint64_t disk_seed) {
    memset(&life, 0, sizeof life);
    chance = seed;
    life.compact = draw(3) == 0;
    life.flush_each = draw(2) == 0;
    life.shortages = draw(3) == 0;
    fixture_start(&life.f, disk_seed);
    life.f.options.config = small_config();
    life.f.options.config.segment_size_bytes = 800 + (int64_t)draw(3000);
    life.f.options.config.index_interval_bytes = (int32_t)draw(600);
    life.f.options.landmark_bytes = 1 + (int64_t)draw(3000);
    kc_disk_fault_crash_at(life.f.fault, point);
    if (kc_log_open(life.f.directory, &life.f.options, &life.f.recovery, &life.f.log) != KC_OK) life.f.log = NULL;
    /* The name of the directory itself is the business of whoever makes it. */
    if (life.f.log && life.f.disk->sync_directory(life.f.disk->state, "/") == KC_OK)
        for (int i = 0; i < STEPS && life.f.log && !crashed(); i++) step();
    return kc_disk_fault_points(life.f.fault);
}

/* ---- judgement ---------------------------------------------------------------------------------------------------------------- */

static void check_record(int64_t offset, const struct kc_batch_header *header, const struct kc_record *record) {
    char key[16], value[160];
    MUST(offset >= 0 && offset < OFFSETS);
    const struct entry *entry = &life.entries[offset];
    snprintf(key, sizeof key, "key-%d", entry->key);
    int prefix = snprintf(value, sizeof value, "value-%d-", entry->value);
    memset(value + prefix, '0', (size_t)(entry->value_size - prefix));
    MUST(kc_slice_equal(record->key, kc_slice_make(key, strlen(key))));
    MUST(kc_slice_equal(record->value, kc_slice_make(value, (size_t)entry->value_size)));
    MUST(header->base_timestamp + record->timestamp_delta == entry->timestamp);
}

/* Reads everything; last_of[key]: the offset of the key's last record. */
static void check_content(int64_t *last_of) {
    static uint8_t bytes[1 << 16];
    int64_t offset = kc_log_start_offset(life.f.log), end = kc_log_end_offset(life.f.log);
    for (int i = 0; i < KEYS; i++) last_of[i] = -1;
    while (offset < end) {
        size_t size = read_bytes(&life.f, offset, INT64_MAX, 3000, true, bytes, sizeof bytes), at = 0;
        MUST(size > 0);
        struct kc_batch_header header;
        while (at < size && kc_batch_check_stored(kc_slice_make(bytes + at, size - at), &header) == KC_OK) {
            struct kc_record_iterator it;
            struct kc_record record;
            MUST(life.compact || header.base_offset <= offset);
            MUST(kc_batch_last_offset(&header) >= offset);
            kc_record_iterator_init(&it, kc_slice_make(bytes + at + KC_BATCH_HEADER_SIZE, (size_t)header.size_bytes - KC_BATCH_HEADER_SIZE),
                                    header.record_count);
            int records = 0;
            while (kc_record_next(&it, &record) == KC_OK) {
                int64_t here = header.base_offset + record.offset_delta;
                check_record(here, &header, &record);
                if (here >= kc_log_start_offset(life.f.log)) last_of[life.entries[here].key] = here;
                records++;
            }
            MUST(records == header.record_count);
            MUST(life.compact || records == header.last_offset_delta + 1);
            offset = kc_batch_last_offset(&header) + 1;
            at += (size_t)header.size_bytes;
        }
        MUST(at > 0);
    }
    MUST(offset == end || life.start_offset >= end);
}

/* The newest record of each key below the end is there. */
static void check_keys(const int64_t *last_of) {
    int64_t newest[KEYS];
    for (int i = 0; i < KEYS; i++) newest[i] = -1;
    for (int64_t offset = kc_log_start_offset(life.f.log); offset < kc_log_end_offset(life.f.log); offset++) newest[life.entries[offset].key] = offset;
    for (int i = 0; i < KEYS; i++) MUST(last_of[i] == newest[i]);
}

static enum kc_append_fault append_again(struct appended *w, int64_t *base_offset) {
    uint8_t bytes[BATCH_MAX];
    memcpy(bytes, w->bytes, w->size);
    struct kc_batch_info info = info_of(bytes);
    struct kc_append append = {.batch = bytes, .info = &info, .leader_epoch = life.epoch};
    kc_log_append(life.f.log, &append, 1);
    *base_offset = append.base_offset;
    return append.fault;
}

static void check_producers(void) {
    int64_t end = kc_log_end_offset(life.f.log), start = kc_log_start_offset(life.f.log), found;
    for (int producer = 0; producer < PRODUCERS; producer++) {
        struct appended *last = NULL;
        for (int i = 0; i < life.batch_count; i++)
            if (life.batches[i].producer == producer && life.batches[i].last_offset < end) last = &life.batches[i];
        /* A producer whose batches were all deleted may be forgotten, and with it the offsets' own segment. */
        if (!last || last->last_offset < start) continue;
        MUST(append_again(last, &found) == KC_APPEND_DUPLICATE);
        MUST(found == last->base_offset);
        struct appended gap = *last;
        struct kc_batch_header header;
        kc_store_i32(gap.bytes + KC_BATCH_BASE_SEQUENCE, last->base_sequence + last->count + 5);
        kc_batch_seal(gap.bytes);
        MUST(kc_batch_check_stored(kc_slice_make(gap.bytes, gap.size), &header) == KC_OK);
        MUST(append_again(&gap, &found) == KC_APPEND_OUT_OF_ORDER_SEQUENCE);
    }
    MUST(kc_log_end_offset(life.f.log) == end);
}

static void open_again(bool clean, bool process_died) {
    life.f.options.clean = clean;
    life.f.options.process_died = process_died;
    life.f.options.recovery_point = life.recovery_point;
    life.f.options.log_start_offset = life.start_offset_kept;
    kc_status status = kc_log_open(life.f.directory, &life.f.options, &life.f.recovery, &life.f.log);
    if (status != KC_OK) {
        life.f.log = NULL;
        fail(__LINE__, "the log opens");
    }
}

static void judge(int mode) {
    int64_t last_of[KEYS], attempted = life.batch_count ? life.batches[life.batch_count - 1].last_offset + 1 : 0;
    bool kept = modes[mode].restart == KC_RESTART_KEEP;
    kc_log_release(life.f.log);
    life.f.log = NULL;
    MUST(kc_disk_fault_restart(life.f.fault, modes[mode].restart) == KC_OK);
    open_again(false, modes[mode].process_died && !life.doubted);
    MUST(kc_log_end_offset(life.f.log) >= (kept ? life.acknowledged : life.flushed));
    MUST(kc_log_end_offset(life.f.log) <= attempted || kc_log_end_offset(life.f.log) <= life.start_offset);
    MUST(kc_log_start_offset(life.f.log) <= smaller(life.start_offset_kept, kc_log_end_offset(life.f.log)));
    check_content(last_of);
    check_keys(last_of);
    check_producers();

    int32_t fresh[PRODUCERS] = {0};
    struct appended more;
    int64_t at, before = kc_log_end_offset(life.f.log);
    do make(&more, before, fresh);
    while (more.producer >= 0);
    life.epoch += 5;
    MUST(append_again(&more, &at) == KC_APPEND_OK && at == before);
    MUST(kc_log_close(life.f.log) == KC_OK);
    kc_log_release(life.f.log);
    life.f.log = NULL;
    life.recovery_point = before + more.count;
    open_again(true, false);
    MUST(kc_log_end_offset(life.f.log) == before + more.count);
    check_content(last_of);
    check_keys(last_of);
    MUST(kc_log_close(life.f.log) == KC_OK);
    fixture_stop(&life.f);
}

static void put_away(void) {
    kc_log_release(life.f.log);
    life.f.log = NULL;
    fixture_stop(&life.f);
}

static int lives_short;

static void ended(void) { lives_short += life.was_short; }

int main(int argc, char **argv) {
    campaign(argc, argv, ended);
    printf(", %d of them on a disk that was full for a moment\n", lives_short);
    return 0;
}
