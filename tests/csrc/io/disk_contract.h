/* What every disk promises (io/disk.h), checked on an empty directory of it. */
#ifndef KC_TESTS_IO_DISK_CONTRACT_H
#define KC_TESTS_IO_DISK_CONTRACT_H

#include "../check.h"
#include "io/disk.h"

struct seen_names {
    int files, directories;
    bool saw_b;
};

static kc_status see_name(void *context, const char *name, bool is_directory) {
    struct seen_names *seen = context;
    if (is_directory)
        seen->directories++;
    else
        seen->files++;
    if (strcmp(name, "b") == 0) seen->saw_b = true;
    return KC_OK;
}

static kc_status stop_listing(void *context, const char *name, bool is_directory) {
    (void)name, (void)is_directory;
    ++*(int *)context;
    return KC_LIMIT;
}

static void write_text(const struct kc_disk *disk, int handle, const char *text, int64_t position) {
    struct iovec iov = {(void *)(uintptr_t)text, strlen(text)};
    EXPECT_EQ(disk->write(disk->state, handle, &iov, 1, position), KC_OK);
}

static void check_disk_contract(const struct kc_disk *disk, const char *root) {
    void *state = disk->state;
    char a[300], b[300], sub[300], inner[300];
    snprintf(a, sizeof a, "%s/a", root);
    snprintf(b, sizeof b, "%s/b", root);
    snprintf(sub, sizeof sub, "%s/sub", root);
    snprintf(inner, sizeof inner, "%s/sub/inner", root);
    int handle = -7;
    EXPECT_EQ(disk->open(state, a, KC_OPEN_READ, &handle), KC_NOT_FOUND);
    EXPECT_EQ(handle, -7);
    EXPECT_EQ(disk->open(state, a, KC_OPEN_WRITE | KC_OPEN_CREATE | KC_OPEN_EXCLUSIVE, &handle), KC_OK);
    int second;
    EXPECT_EQ(disk->open(state, a, KC_OPEN_WRITE | KC_OPEN_CREATE | KC_OPEN_EXCLUSIVE, &second), KC_EXISTS);

    /* More pieces than the kernel takes in one call, some of them empty. */
    static uint8_t big[5000];
    struct iovec iov[2500];
    for (int i = 0; i < 5000; i++) big[i] = (uint8_t)(i * 7);
    for (int i = 0; i < 2500; i++) iov[i] = (struct iovec){big + 2 * i, i % 5 == 4 ? 0 : 2};
    EXPECT_EQ(disk->write(state, handle, iov, 2500, 10), KC_OK);
    int64_t size;
    EXPECT_EQ(disk->size(state, handle, &size), KC_OK);
    EXPECT_EQ(size, 10 + 4000);
    static uint8_t back[6000];
    size_t got;
    EXPECT_EQ(disk->read(state, handle, back, sizeof back, 0, &got), KC_OK);
    EXPECT_EQ(got, 4010);
    EXPECT_EQ(back[9], 0);
    EXPECT_MEM(back + 10, big, 8);
    EXPECT_MEM(back + 18, big + 10, 8);
    EXPECT_EQ(disk->read(state, handle, back, 10, 4010, &got), KC_OK);
    EXPECT_EQ(got, 0);

    EXPECT_EQ(disk->truncate(state, handle, 3), KC_OK);
    write_text(disk, handle, "x", 5);
    EXPECT_EQ(disk->read(state, handle, back, 100, 0, &got), KC_OK);
    EXPECT_EQ(got, 6);
    EXPECT_MEM(back, "\0\0\0\0\0x", 6);
    kc_status allocated = disk->allocate(state, handle, 6, 1 << 16);
    EXPECT(allocated == KC_OK || allocated == KC_INVALID);
    EXPECT_EQ(disk->size(state, handle, &size), KC_OK);
    EXPECT_EQ(size, 6);
    EXPECT_EQ(disk->sync(state, handle), KC_OK);

    /* An open handle follows its file through a rename and an unlink. */
    EXPECT_EQ(disk->rename(state, a, b), KC_OK);
    EXPECT_EQ(disk->open(state, a, KC_OPEN_READ, &second), KC_NOT_FOUND);
    EXPECT_EQ(disk->make_directory(state, sub), KC_OK);
    EXPECT_EQ(disk->make_directory(state, sub), KC_EXISTS);
    EXPECT_EQ(disk->open(state, inner, KC_OPEN_WRITE | KC_OPEN_CREATE, &second), KC_OK);
    disk->close(state, second);
    EXPECT_EQ(disk->remove_directory(state, sub), KC_EXISTS);
    struct seen_names seen = {0};
    EXPECT_EQ(disk->list(state, root, see_name, &seen), KC_OK);
    EXPECT_EQ(seen.files, 1);
    EXPECT_EQ(seen.directories, 1);
    EXPECT(seen.saw_b);
    int visits = 0;
    EXPECT_EQ(disk->list(state, root, stop_listing, &visits), KC_LIMIT);
    EXPECT_EQ(visits, 1);
    EXPECT_EQ(disk->list(state, inner, see_name, &seen) == KC_OK, false);
    EXPECT_EQ(disk->unlink(state, inner), KC_OK);
    EXPECT_EQ(disk->unlink(state, inner), KC_NOT_FOUND);
    EXPECT_EQ(disk->remove_directory(state, sub), KC_OK);
    EXPECT_EQ(disk->unlink(state, b), KC_OK);
    write_text(disk, handle, "still", 0);
    EXPECT_EQ(disk->read(state, handle, back, 5, 0, &got), KC_OK);
    EXPECT_MEM(back, "still", 5);
    disk->close(state, handle);
    EXPECT_EQ(disk->sync_directory(state, root), KC_OK);
    EXPECT_EQ(disk->sync_directory(state, sub), KC_NOT_FOUND);
}

#endif
