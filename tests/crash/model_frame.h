/* What the models of crashes have in common: the ways of coming up again, chance, and the campaign over lives, points and ways.
 *
 * A model includes this, says who it is (MODEL_NAME) and defines
 *
 *     play        one life from its seed, up to the disk's call `point` (0: all of it); returns how many calls there were
 *     judge       brings the logs up again, checks what they hold, and puts them away
 *     put_away    what a life leaves that was played to its end
 *     tell        more about the life at hand, for the line of a failure
 *
 * One thread.  A failure prints the seed, the point and the mode that repeat it. */
#ifndef KC_TESTS_CRASH_MODEL_FRAME_H
#define KC_TESTS_CRASH_MODEL_FRAME_H

#include <time.h>

#include "../csrc/log/fixture.h"

enum { MODES = 5 };

static const struct {
    enum kc_restart restart;
    bool process_died;                    /* and the engine knows it */
    const char *name;
} modes[MODES] = {
    {KC_RESTART_KEEP, true, "process died, same boot"},
    {KC_RESTART_KEEP, false, "process died"},
    {KC_RESTART_LOSE, false, "power cut, nothing unsynced survives"},
    {KC_RESTART_SEEDED, false, "power cut, chance decides"},
    {KC_RESTART_SEEDED, false, "power cut, chance decides again"},
};

static uint64_t play(uint64_t seed, uint64_t point, uint64_t disk_seed);
static void judge(int mode);
static void put_away(void);
static void tell(FILE *out);

static uint64_t chance;                   /* of the life at hand: set to its seed when it begins */
static uint64_t running_seed, running_point;
static int running_mode;

static uint64_t draw(uint64_t bound) {
    uint64_t z = (chance += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (z ^ (z >> 31)) % bound;
}

__attribute__((noreturn)) static void fail(int line, const char *what) {
    fprintf(stderr, "%s.c:%d: not so: %s\n  %s 1 %llu %llu %d    (%s; ", MODEL_NAME, line, what, MODEL_NAME,
            (unsigned long long)running_seed, (unsigned long long)running_point, running_mode, modes[running_mode].name);
    tell(stderr);
    fprintf(stderr, ")\n");
    exit(1);
}

#define MUST(condition) do { if (!(condition)) fail(__LINE__, #condition); } while (0)

static void crash(uint64_t seed, uint64_t point, int mode) {
    running_seed = seed, running_point = point, running_mode = mode;
    play(seed, point, seed * 1000003 + point * 8 + (uint64_t)mode);
    judge(mode);
}

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* SECONDS [SEED [POINT MODE]].  ended: told of each life that was played to its end; NULL: nobody. */
static void campaign(int argc, char **argv, void (*ended)(void)) {
    double until = seconds() + (argc > 1 ? atof(argv[1]) : 1);
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : (uint64_t)time(NULL), lives = 0, points = 0;
    if (argc > 4) {
        crash(seed, strtoull(argv[3], NULL, 10), atoi(argv[4]) % MODES);
        printf("passed\n");
        exit(0);
    }
    for (uint64_t first = seed; lives == 0 || seconds() < until; seed++, lives++) {
        running_seed = seed, running_point = 0, running_mode = 0;
        uint64_t end = play(seed, 0, first);
        if (ended) ended();
        put_away();
        for (uint64_t point = 1; point <= end && (lives == 0 || seconds() < until); point++)
            for (int mode = 0; mode < MODES; mode++, points++) crash(seed, point, mode);
    }
    printf("%llu crash points, %llu lives", (unsigned long long)points, (unsigned long long)lives);
}

#endif
