/* A log on the failing disk (or the real one), a clock that stands still until told, and batches to put in. */
#ifndef KC_TESTS_LOG_FIXTURE_H
#define KC_TESTS_LOG_FIXTURE_H

#include "../check.h"
#include "io/disk_fault.h"
#include "log/log.h"
#include "record/build.h"
#include "record/validate.h"

struct fixture {
    struct kc_disk_fault *fault;
    const struct kc_disk *disk;
    struct kc_file_cache *files;
    struct kc_log_options options;
    struct kc_log_recovery recovery;
    struct kc_log *log;
    const char *directory;
    int64_t now_ms;
};

static int64_t fixture_wall_ms(void *state) { return ((struct fixture *)state)->now_ms; }
static int64_t fixture_monotonic_us(void *state) { return ((struct fixture *)state)->now_ms * 1000; }

__attribute__((unused)) static struct kc_log_config small_config(void) {
    struct kc_log_config config = kc_log_config_default();
    config.segment_size_bytes = 4096;
    config.index_interval_bytes = 200;
    return config;
}

__attribute__((unused)) static void fixture_start(struct fixture *f, uint64_t seed) {
    memset(f, 0, sizeof *f);
    f->directory = "/t-0";
    f->now_ms = 1700000000000;
    EXPECT_EQ(kc_disk_fault_create(seed, &f->fault), KC_OK);
    f->disk = kc_disk_fault_disk(f->fault);
    EXPECT_EQ(kc_file_cache_create(f->disk, 16, &f->files), KC_OK);
    f->options = (struct kc_log_options){.files = f->files,
                                         .clock = {fixture_wall_ms, fixture_monotonic_us, f},
                                         .config = kc_log_config_default(),
                                         .clean = false,
                                         .recovery_point = 0,
                                         .log_start_offset = -1};
}

__attribute__((unused)) static void fixture_open(struct fixture *f) {
    EXPECT_EQ(kc_log_open(f->directory, &f->options, &f->recovery, &f->log), KC_OK);
}

__attribute__((unused)) static void fixture_close(struct fixture *f) {
    EXPECT_EQ(kc_log_close(f->log), KC_OK);
    kc_log_release(f->log);
    f->log = NULL;
}

/* As if the process had died: nothing is written any more. */
__attribute__((unused)) static void fixture_kill(struct fixture *f, enum kc_restart mode) {
    kc_log_release(f->log);
    f->log = NULL;
    EXPECT_EQ(kc_disk_fault_restart(f->fault, mode), KC_OK);
}

__attribute__((unused)) static void fixture_reopen(struct fixture *f, bool clean) {
    if (clean)
        fixture_close(f);
    else
        fixture_kill(f, KC_RESTART_KEEP);
    f->options.clean = clean;
    fixture_open(f);
}

__attribute__((unused)) static void fixture_stop(struct fixture *f) {
    kc_log_release(f->log);
    kc_file_cache_destroy(f->files);
    kc_disk_fault_destroy(f->fault);
}

struct batch {
    uint8_t bytes[4096];
    size_t size;
    struct kc_batch_info info;
};

/* A batch of `count` records with values of value_size bytes and timestamps timestamp, timestamp + 1, ... */
__attribute__((unused)) static void make_batch_spec(struct batch *batch, const struct kc_batch_spec *spec, int count,
                                                    size_t value_size, int64_t timestamp) {
    struct kc_batch_builder builder;
    struct kc_slice out;
    static const uint8_t value[4000] = "value";
    kc_batch_builder_init(&builder, batch->bytes, sizeof batch->bytes, spec);
    for (int i = 0; i < count; i++)
        EXPECT_EQ(kc_batch_builder_add(&builder, timestamp + i, kc_slice_make("key", 3), kc_slice_make(value, value_size), NULL, 0),
                  KC_OK);
    EXPECT_EQ(kc_batch_builder_finish(&builder, &out), KC_OK);
    EXPECT(out.data == batch->bytes);
    batch->size = out.size;
    memset(&batch->info, 0, sizeof batch->info);
    kc_batch_header_load(batch->bytes, &batch->info.header);
    batch->info.max_timestamp = batch->info.header.max_timestamp;
}

__attribute__((unused)) static void make_batch(struct batch *batch, int count, size_t value_size, int64_t timestamp) {
    struct kc_batch_spec spec = kc_batch_spec_plain();
    make_batch_spec(batch, &spec, count, value_size, timestamp);
}

__attribute__((unused)) static void make_producer_batch(struct batch *batch, int count, int64_t producer_id, int16_t epoch,
                                                        int32_t sequence, bool transactional) {
    struct kc_batch_spec spec = kc_batch_spec_plain();
    spec.producer_id = producer_id;
    spec.producer_epoch = epoch;
    spec.base_sequence = sequence;
    if (transactional) spec.attributes |= KC_ATTRIBUTE_TRANSACTIONAL;
    make_batch_spec(batch, &spec, count, 10, 1700000000000);
}

__attribute__((unused)) static struct kc_append append_batch(struct fixture *f, struct batch *batch, int32_t epoch) {
    struct kc_append append = {.batch = batch->bytes, .info = &batch->info, .leader_epoch = epoch, .guard = KC_TXN_GUARD_TRUSTED};
    kc_log_append(f->log, &append, 1);
    return append;
}

/* Appends `count` batches of one record each; returns the log end offset. */
__attribute__((unused)) static int64_t append_many(struct fixture *f, int count, size_t value_size) {
    struct batch batch;
    for (int i = 0; i < count; i++) {
        make_batch(&batch, 1, value_size, f->now_ms + kc_log_end_offset(f->log));
        EXPECT_EQ(append_batch(f, &batch, 0).fault, KC_APPEND_OK);
    }
    return kc_log_end_offset(f->log);
}

/* The bytes of one read. */
__attribute__((unused)) static size_t read_bytes(struct fixture *f, int64_t offset, int64_t limit, int32_t max, bool min_one,
                                                 uint8_t *out, size_t capacity) {
    struct kc_log_slice slice;
    EXPECT_EQ(kc_log_read(f->log, offset, limit, max, min_one, &slice), KC_OK);
    if (slice.size_bytes == 0) {
        EXPECT(slice.file == NULL);
        return 0;
    }
    EXPECT((size_t)slice.size_bytes <= capacity);
    size_t got;
    EXPECT_EQ(kc_file_read(slice.file, out, (size_t)slice.size_bytes, slice.position, &got), KC_OK);
    EXPECT_EQ(got, slice.size_bytes);
    kc_file_release(slice.file);
    return got;
}

/* Reads the log batch by batch from its start and checks that offsets go on; returns the number of batches. */
__attribute__((unused)) static int walk_log(struct fixture *f) {
    static uint8_t bytes[1 << 16];
    int batches = 0;
    int64_t offset = kc_log_start_offset(f->log), end = kc_log_end_offset(f->log);
    while (offset < end) {
        size_t size = read_bytes(f, offset, INT64_MAX, 3000, true, bytes, sizeof bytes), at = 0;
        EXPECT(size > 0);
        struct kc_batch_header header;
        while (at < size && kc_batch_check_stored(kc_slice_make(bytes + at, size - at), &header) == KC_OK) {
            EXPECT(header.base_offset <= offset);
            offset = kc_batch_last_offset(&header) + 1;
            at += (size_t)header.size_bytes;
            batches++;
        }
        EXPECT(at > 0);
    }
    EXPECT_EQ(offset, end);
    return batches;
}

/* A whole file of the log's directory. */
__attribute__((unused)) static int64_t file_bytes(struct fixture *f, const char *name, uint8_t *out, size_t capacity) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", f->directory, name);
    int handle;
    if (f->disk->open(f->disk->state, path, KC_OPEN_READ, &handle) != KC_OK) return -1;
    size_t got;
    EXPECT_EQ(f->disk->read(f->disk->state, handle, out, capacity, 0, &got), KC_OK);
    f->disk->close(f->disk->state, handle);
    return (int64_t)got;
}

__attribute__((unused)) static void write_file(struct fixture *f, const char *name, const void *bytes, size_t size) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", f->directory, name);
    int handle;
    EXPECT_EQ(f->disk->open(f->disk->state, path, KC_OPEN_WRITE | KC_OPEN_CREATE | KC_OPEN_TRUNCATE, &handle), KC_OK);
    struct iovec iov = {(void *)(uintptr_t)bytes, size};
    if (size) EXPECT_EQ(f->disk->write(f->disk->state, handle, &iov, 1, 0), KC_OK);
    f->disk->close(f->disk->state, handle);
}

__attribute__((unused)) static kc_status remove_file(struct fixture *f, const char *name) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", f->directory, name);
    return f->disk->unlink(f->disk->state, path);
}

struct file_names {
    char names[1000][64];
    int count;
};

__attribute__((unused)) static kc_status note_file_name(void *context, const char *name, bool is_directory) {
    struct file_names *found = context;
    if (!is_directory && strlen(name) < sizeof found->names[0] && found->count < 1000) strcpy(found->names[found->count++], name);
    return KC_OK;
}

/* The files of the log's directory; valid until the next call. */
__attribute__((unused)) static const struct file_names *list_files(struct fixture *f) {
    static struct file_names found;
    found.count = 0;
    EXPECT_EQ(f->disk->list(f->disk->state, f->directory, note_file_name, &found), KC_OK);
    return &found;
}

#endif
