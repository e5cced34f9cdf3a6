/* A directory of this run's own, removed when the program ends well (a failed one leaves it for the reader). */
#ifndef KC_TESTS_TEMPORARY_H
#define KC_TESTS_TEMPORARY_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char kc_test_directory_path[256];

static int kc_test_remove_one(const char *path, const struct stat *status, int type, struct FTW *at) {
    (void)status, (void)type, (void)at;
    return remove(path);
}

static void kc_test_remove_directory(void) { nftw(kc_test_directory_path, kc_test_remove_one, 16, FTW_DEPTH | FTW_PHYS); }

__attribute__((unused)) static const char *kc_test_directory(void) {
    if (!kc_test_directory_path[0]) {
        const char *base = getenv("TMPDIR");
        snprintf(kc_test_directory_path, sizeof kc_test_directory_path, "%s/kc-test-XXXXXX", base ? base : "/tmp");
        if (!mkdtemp(kc_test_directory_path)) {
            perror(kc_test_directory_path);
            exit(1);
        }
        atexit(kc_test_remove_directory);
    }
    return kc_test_directory_path;
}

#endif
