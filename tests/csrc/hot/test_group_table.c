/* Goal: a heartbeat is answered for just those members of just that generation that were published last, and no time is lost.
 * Method: groups opened, closed and forgotten, against a model where there are many. */
#include "../check.h"

#include "hot/group_table.h"

static struct kc_slice slice(const char *s) { return kc_slice_make(s, strlen(s)); }
static const struct kc_slice none;

static struct kc_group_table *make_table(void) {
    struct kc_group_table *table;
    EXPECT_EQ(kc_group_table_create(kc_test_random(), &table), KC_OK);
    return table;
}

static void open_two(struct kc_group_table *table, int32_t generation) {
    struct kc_group_member members[] = {{.id = slice("dynamic")}, {.id = slice("static"), .instance = slice("i")}};
    EXPECT_EQ(kc_group_table_open(table, slice("g"), generation, members, 2), KC_OK);
}

TEST(only_a_member_of_the_open_generation_is_known) {
    struct kc_group_table *table = make_table();
    EXPECT(!kc_group_table_beat(table, slice("g"), 3, slice("dynamic"), none, 1));
    open_two(table, 3);
    EXPECT(kc_group_table_beat(table, slice("g"), 3, slice("dynamic"), none, 1));
    EXPECT(kc_group_table_beat(table, slice("g"), 3, slice("static"), none, 1));
    EXPECT(kc_group_table_beat(table, slice("g"), 3, slice("static"), slice("i"), 1));
    EXPECT(!kc_group_table_beat(table, slice("g"), 3, slice("static"), slice("j"), 2));
    EXPECT(!kc_group_table_beat(table, slice("g"), 3, slice("dynamic"), slice("i"), 2));
    EXPECT(!kc_group_table_beat(table, slice("g"), 3, slice("dynamic"), slice(""), 2));
    EXPECT(!kc_group_table_beat(table, slice("g"), 3, slice("dynami"), none, 2));
    EXPECT(!kc_group_table_beat(table, slice("g"), 3, slice(""), none, 2));
    EXPECT(!kc_group_table_beat(table, slice("g"), 2, slice("dynamic"), none, 2));
    EXPECT(!kc_group_table_beat(table, slice("g"), 4, slice("dynamic"), none, 2));
    EXPECT(!kc_group_table_beat(table, slice(""), 3, slice("dynamic"), none, 2));
    EXPECT_EQ(kc_group_table_heard_us(table, slice("g"), slice("dynamic")), 1);
    EXPECT_EQ(kc_group_table_heard_us(table, slice("g"), slice("static")), 1);
    kc_group_table_close(table, slice("g"));
    EXPECT(!kc_group_table_beat(table, slice("g"), 3, slice("dynamic"), none, 2));
    kc_group_table_destroy(table);
}

TEST(times_outlive_generations_and_end_with_the_group) {
    struct kc_group_table *table = make_table();
    open_two(table, 1);
    EXPECT_EQ(kc_group_table_heard_us(table, slice("g"), slice("static")), -1);
    EXPECT(kc_group_table_beat(table, slice("g"), 1, slice("static"), none, 77));
    kc_group_table_close(table, slice("g"));
    EXPECT_EQ(kc_group_table_heard_us(table, slice("g"), slice("static")), 77);
    open_two(table, 2);
    EXPECT_EQ(kc_group_table_heard_us(table, slice("g"), slice("static")), 77);
    EXPECT_EQ(kc_group_table_heard_us(table, slice("g"), slice("stranger")), -1);
    EXPECT_EQ(kc_group_table_open(table, slice("g"), 3, NULL, 0), KC_OK);
    EXPECT_EQ(kc_group_table_heard_us(table, slice("g"), slice("static")), -1);
    open_two(table, 4);
    EXPECT(kc_group_table_beat(table, slice("g"), 4, slice("static"), none, 78));
    kc_group_table_forget(table, slice("g"));
    kc_group_table_forget(table, slice("g"));
    kc_group_table_close(table, slice("g"));
    EXPECT_EQ(kc_group_table_heard_us(table, slice("g"), slice("static")), -1);
    EXPECT(!kc_group_table_beat(table, slice("g"), 4, slice("static"), none, 79));
    kc_group_table_destroy(table);
}

TEST(many_groups_come_and_go) {
    enum { GROUPS = 500, STEPS = 20000, MEMBERS = 40 };
    struct kc_group_table *table = make_table();
    static struct { int32_t generation; uint32_t members; bool open; } model[GROUPS];
    memset(model, 0, sizeof model);
    for (int step = 0; step < STEPS; step++) {
        uint32_t g = (uint32_t)kc_test_random_below(GROUPS);
        char name[32], ids[MEMBERS][32];
        snprintf(name, sizeof name, "group-%u", g);
        struct kc_group_member members[MEMBERS];
        switch (kc_test_random_below(8)) {
        case 0:
            model[g].generation++;
            model[g].members = (uint32_t)kc_test_random_below(MEMBERS + 1);
            model[g].open = true;
            for (uint32_t i = 0; i < model[g].members; i++) {
                snprintf(ids[i], sizeof ids[i], "member-%u", i);
                members[i] = (struct kc_group_member){.id = slice(ids[i])};
            }
            EXPECT_EQ(kc_group_table_open(table, slice(name), model[g].generation, members, model[g].members), KC_OK);
            break;
        case 1:
            model[g].open = false;
            kc_group_table_close(table, slice(name));
            break;
        case 2:
            model[g].open = false;
            kc_group_table_forget(table, slice(name));
            break;
        default: {
            uint32_t m = (uint32_t)kc_test_random_below(MEMBERS);
            int32_t generation = model[g].generation - (int32_t)kc_test_random_below(2);
            snprintf(ids[0], sizeof ids[0], "member-%u", m);
            bool known = model[g].open && generation == model[g].generation && m < model[g].members;
            EXPECT_EQ(kc_group_table_beat(table, slice(name), generation, slice(ids[0]), none, step), known);
            if (known) EXPECT_EQ(kc_group_table_heard_us(table, slice(name), slice(ids[0])), step);
        }
        }
    }
    kc_group_table_destroy(table);
}

RUN_ALL()
