/* Request headers, classic and flexible, and every way to cut them short. */
#include "../check.h"
#include "wire/header.h"

/* ApiVersions v3 with correlation id 7 and client id "app"; the last two bytes are the body. */
static const uint8_t flexible[] = {0, 18, 0, 3, 0, 0, 0, 7, 0, 3, 'a', 'p', 'p', 1, 0, 2, 'x', 'y', 0x55, 0x66};

TEST(a_flexible_header_ends_after_its_tags) {
    struct kc_request_header h;
    EXPECT_EQ(kc_request_header_parse(kc_slice_make(flexible, sizeof flexible), true, &h), KC_OK);
    EXPECT_EQ(h.api_key, 18);
    EXPECT_EQ(h.api_version, 3);
    EXPECT_EQ(h.correlation_id, 7);
    EXPECT(kc_slice_equal(h.client_id, kc_slice_make("app", 3)));
    EXPECT_EQ(h.size_bytes, sizeof flexible - 2);
}

TEST(a_classic_header_ends_after_its_client_id) {
    struct kc_request_header h;
    EXPECT_EQ(kc_request_header_parse(kc_slice_make(flexible, sizeof flexible), false, &h), KC_OK);
    EXPECT_EQ(h.size_bytes, 13);
    static const uint8_t no_client_id[] = {0, 0, 0, 7, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    EXPECT_EQ(kc_request_header_parse(kc_slice_make(no_client_id, sizeof no_client_id), false, &h), KC_OK);
    EXPECT(h.client_id.data == NULL);
    EXPECT_EQ(h.correlation_id, -1);
    EXPECT_EQ(h.size_bytes, 10);
}

TEST(each_truncation_is_refused_and_leaves_the_result_alone) {
    for (size_t size = 0; size < sizeof flexible - 2; size++) {
        uint8_t *copy = malloc(size ? size : 1);
        memcpy(copy, flexible, size);
        struct kc_request_header h = {.api_key = 99};
        EXPECT_EQ(kc_request_header_parse(kc_slice_make(copy, size), true, &h), KC_CORRUPT);
        EXPECT_EQ(h.api_key, 99);
        EXPECT_EQ(kc_request_header_peek(kc_slice_make(copy, size), &h), size < 8 ? KC_CORRUPT : KC_OK);
        free(copy);
    }
}

RUN_ALL()
