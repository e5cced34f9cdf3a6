/* `leader-epoch-checkpoint`: a file is refused and leaves nothing, or it loads, rises strictly, and is the same after being stored and
 * loaded again; the answers to a follower's question stay in order.  The input is the file. */
#include "io/disk_fault.h"
#include "log/leader_epochs.h"
#include "log/names.h"
#include "target.h"

static void write_whole(const struct kc_disk *disk, const char *path, const uint8_t *data, size_t size) {
    int handle;
    FUZZ_EXPECT_OK(disk->open(disk->state, path, KC_OPEN_WRITE | KC_OPEN_CREATE | KC_OPEN_TRUNCATE, &handle));
    struct iovec iov = {(void *)(uintptr_t)data, size};
    if (size) FUZZ_EXPECT_OK(disk->write(disk->state, handle, &iov, 1, 0));
    disk->close(disk->state, handle);
}

static void expect_rising(const struct kc_leader_epochs *epochs) {
    for (size_t i = 1; i < epochs->count; i++) {
        FUZZ_EXPECT(epochs->entries[i - 1].epoch < epochs->entries[i].epoch);
        FUZZ_EXPECT(epochs->entries[i - 1].start_offset < epochs->entries[i].start_offset);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct kc_disk_fault *fault;
    FUZZ_EXPECT_OK(kc_disk_fault_create(1, &fault));
    const struct kc_disk *disk = kc_disk_fault_disk(fault);
    FUZZ_EXPECT_OK(disk->make_directory(disk->state, "/t-0"));
    write_whole(disk, "/t-0/" KC_LEADER_EPOCH_CHECKPOINT, data, size);

    struct kc_leader_epochs epochs = {0}, again = {0};
    kc_status status = kc_leader_epochs_load(&epochs, disk, "/t-0");
    FUZZ_EXPECT(status == KC_OK || status == KC_CORRUPT);
    if (status == KC_CORRUPT) FUZZ_EXPECT(epochs.count == 0);
    expect_rising(&epochs);
    epochs.dirty = true;
    FUZZ_EXPECT_OK(kc_leader_epochs_store(&epochs, disk, "/t-0", true));
    FUZZ_EXPECT_OK(kc_leader_epochs_load(&again, disk, "/t-0"));
    FUZZ_EXPECT(again.count == epochs.count);
    for (size_t i = 0; i < again.count; i++)
        FUZZ_EXPECT(again.entries[i].epoch == epochs.entries[i].epoch && again.entries[i].start_offset == epochs.entries[i].start_offset);

    int64_t end_before = -1;
    for (size_t i = 0; i < epochs.count; i++) {
        int32_t epoch;
        int64_t end;
        kc_leader_epochs_end_offset(&epochs, epochs.entries[i].epoch, INT64_MAX, &epoch, &end);
        FUZZ_EXPECT(epoch == epochs.entries[i].epoch && end > end_before);
        end_before = end;
        FUZZ_EXPECT(kc_leader_epochs_at(&epochs, epochs.entries[i].start_offset) == epochs.entries[i].epoch);
    }
    if (epochs.count) {
        int64_t middle = epochs.entries[epochs.count / 2].start_offset;
        kc_leader_epochs_truncate_start(&epochs, middle);
        expect_rising(&epochs);
        FUZZ_EXPECT(epochs.entries[0].start_offset == middle);
        kc_leader_epochs_truncate_end(&epochs, middle + (middle < INT64_MAX));
        expect_rising(&epochs);
        FUZZ_EXPECT(epochs.count <= 1);
        FUZZ_EXPECT_OK(kc_leader_epochs_assign(&epochs, INT32_MAX, INT64_MAX));
        expect_rising(&epochs);
    }
    kc_leader_epochs_release(&epochs);
    kc_leader_epochs_release(&again);

    /* The same bytes as the name of a file. */
    char name[64] = {0}, formatted[KC_LOG_NAME_SIZE];
    memcpy(name, data, size < sizeof name - 1 ? size : sizeof name - 1);
    struct kc_log_name parsed;
    if (kc_log_name_parse(name, &parsed)) {
        FUZZ_EXPECT(parsed.offset >= 0);
        kc_log_name_format(formatted, parsed.offset, parsed.kind, parsed.stage);
        FUZZ_EXPECT(strcmp(name, formatted) == 0);
    }
    kc_disk_fault_destroy(fault);
    return 0;
}
