/* Input buffers: growth follows what has arrived, buffers come back warm, and the limit holds with its exceptions. */
#include "../check.h"
#include "net/buffer.h"

static const size_t min = KC_BUFFER_SIZE_MIN;

static void fill(struct kc_buffer *buffer) {
    for (; buffer->end < buffer->capacity; buffer->end++) buffer->data[buffer->end] = (uint8_t)(buffer->end * 13);
}

TEST(growing_keeps_the_bytes_and_doubles) {
    struct kc_buffer_pool *pool;
    struct kc_buffer buffer = {0};
    EXPECT_EQ(kc_buffer_pool_create(1u << 30, &pool), KC_OK);
    EXPECT_EQ(kc_buffer_acquire(pool, 1, &buffer), KC_OK);
    EXPECT_EQ(buffer.capacity, min);
    size_t before = 0;
    while (buffer.capacity < 20u << 20) {
        fill(&buffer);
        before = buffer.capacity;
        EXPECT_EQ(kc_buffer_grow(pool, 30u << 20, &buffer), KC_OK);
        EXPECT(buffer.capacity <= before * 2 && buffer.capacity > before);
        for (size_t i = 0; i < before; i += 4093) EXPECT_EQ(buffer.data[i], (uint8_t)(i * 13));
        EXPECT_EQ(kc_buffer_pool_lent(pool), buffer.capacity);
    }
    EXPECT_EQ(buffer.capacity, 30u << 20);      /* not doubled beyond what is needed */
    kc_buffer_release(pool, &buffer);
    kc_buffer_release(pool, &buffer);
    EXPECT_EQ(kc_buffer_pool_lent(pool), 0);
    kc_buffer_pool_destroy(pool);
}

TEST(growing_moves_what_waits_to_the_front) {
    struct kc_buffer_pool *pool;
    struct kc_buffer buffer = {0};
    EXPECT_EQ(kc_buffer_pool_create(1u << 30, &pool), KC_OK);
    EXPECT_EQ(kc_buffer_acquire(pool, 1, &buffer), KC_OK);
    fill(&buffer);
    buffer.start = 1000;
    EXPECT_EQ(kc_buffer_grow(pool, min * 2, &buffer), KC_OK);
    EXPECT_EQ(buffer.start, 0);
    EXPECT_EQ(buffer.end, min - 1000);
    EXPECT_EQ(buffer.data[0], (uint8_t)(1000 * 13));
    kc_buffer_release(pool, &buffer);
    kc_buffer_pool_destroy(pool);
}

TEST(the_latest_to_come_back_is_the_first_to_go_out) {
    struct kc_buffer_pool *pool;
    struct kc_buffer a = {0}, b = {0}, c = {0};
    EXPECT_EQ(kc_buffer_pool_create(1u << 30, &pool), KC_OK);
    EXPECT_EQ(kc_buffer_acquire(pool, min, &a), KC_OK);
    EXPECT_EQ(kc_buffer_acquire(pool, min, &b), KC_OK);
    uint8_t *last = b.data;
    kc_buffer_release(pool, &a);
    kc_buffer_release(pool, &b);
    EXPECT_EQ(kc_buffer_acquire(pool, min, &c), KC_OK);
    EXPECT(c.data == last);
    kc_buffer_release(pool, &c);
    kc_buffer_pool_destroy(pool);
}

TEST(the_limit_stops_lending_but_not_the_one_that_can_still_finish) {
    struct kc_buffer_pool *pool;
    struct kc_buffer buffers[5] = {{0}};
    EXPECT_EQ(kc_buffer_pool_create(4 * min, &pool), KC_OK);
    /* Nobody gets a large one once half is lent. */
    for (int i = 0; i < 4; i++) EXPECT_EQ(kc_buffer_acquire(pool, i ? 8 * min : min, &buffers[i]), KC_OK);
    EXPECT_EQ(kc_buffer_pool_lent(pool), 4 * min);
    EXPECT_EQ(kc_buffer_pool_room(pool), 0);
    EXPECT_EQ(kc_buffer_acquire(pool, 1, &buffers[4]), KC_LIMIT);
    fill(&buffers[0]);
    EXPECT_EQ(kc_buffer_grow(pool, 8 * min, &buffers[0]), KC_LIMIT);     /* the others hold three quarters */
    kc_buffer_release(pool, &buffers[1]);
    EXPECT_EQ(kc_buffer_grow(pool, 8 * min, &buffers[0]), KC_OK);
    for (int i = 0; i < 4; i++) kc_buffer_release(pool, &buffers[i]);
    kc_buffer_pool_destroy(pool);
}

TEST(what_is_not_needed_goes_back_to_the_system) {
    struct kc_buffer_pool *pool;
    struct kc_buffer buffers[16] = {{0}}, one = {0};
    EXPECT_EQ(kc_buffer_pool_create(1u << 30, &pool), KC_OK);
    for (int i = 0; i < 16; i++) EXPECT_EQ(kc_buffer_acquire(pool, min, &buffers[i]), KC_OK);
    for (int i = 0; i < 16; i++) kc_buffer_release(pool, &buffers[i]);
    EXPECT_EQ(kc_buffer_pool_kept(pool), 16 * min);
    kc_buffer_pool_trim(pool);      /* all were needed since the last trim */
    EXPECT_EQ(kc_buffer_pool_kept(pool), 16 * min);
    for (int i = 0; i < 10; i++) {
        EXPECT_EQ(kc_buffer_acquire(pool, min, &one), KC_OK);
        kc_buffer_release(pool, &one);
        kc_buffer_pool_trim(pool);
    }
    EXPECT(kc_buffer_pool_kept(pool) <= 2 * min);
    kc_buffer_pool_trim(pool);
    kc_buffer_pool_trim(pool);
    EXPECT_EQ(kc_buffer_pool_kept(pool), 0);
    kc_buffer_pool_destroy(pool);
}

RUN_ALL()
