/* The machine's disk keeps the contract of io/disk.h. */
#include "disk_contract.h"

TEST(the_real_disk_keeps_the_contract) {
    char root[] = "/tmp/kc-disk-XXXXXX";
    EXPECT(mkdtemp(root) != NULL);
    check_disk_contract(kc_disk_system(), root);
    EXPECT_EQ(rmdir(root), 0);
}

TEST(a_read_only_handle_cannot_write) {
    char path[] = "/tmp/kc-disk-XXXXXX";
    int made = mkstemp(path);
    EXPECT(made >= 0);
    close(made);
    const struct kc_disk *disk = kc_disk_system();
    int handle;
    EXPECT_EQ(disk->open(disk->state, path, KC_OPEN_READ, &handle), KC_OK);
    struct iovec iov = {"x", 1};
    EXPECT(disk->write(disk->state, handle, &iov, 1, 0) != KC_OK);
    disk->close(disk->state, handle);
    unlink(path);
}

RUN_ALL()
