/* A directory of this run's own, removed when the program ends well (a failed one leaves it for the reader). */
#ifndef KC_TESTS_TEMPORARY_H
#define KC_TESTS_TEMPORARY_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char kc_test_directory_path[256];

static void kc_test_remove_directory(void) {
    char command[300];
    snprintf(command, sizeof command, "rm -rf '%s'", kc_test_directory_path);
    if (system(command) != 0) fprintf(stderr, "could not remove %s\n", kc_test_directory_path);
}

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
