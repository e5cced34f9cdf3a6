/* Addresses as text. */
#include <arpa/inet.h>
#include <netinet/in.h>

#include "../check.h"
#include "net/address.h"

static const char *ipv6(const char *host, uint16_t port, uint32_t scope) {
    static char text[KC_ADDRESS_SIZE];
    struct sockaddr_in6 in = {.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_scope_id = scope};
    EXPECT_EQ(inet_pton(AF_INET6, host, &in.sin6_addr), 1);
    kc_address_format((struct sockaddr *)&in, text, sizeof text);
    return text;
}

TEST(addresses_are_numeric_with_brackets_where_needed) {
    char text[KC_ADDRESS_SIZE];
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(9092), .sin_addr.s_addr = htonl(0x0a000102)};
    kc_address_format((struct sockaddr *)&in, text, sizeof text);
    EXPECT_STR(text, "10.0.1.2:9092");
    EXPECT_STR(ipv6("::1", 9092, 0), "[::1]:9092");
    EXPECT_STR(ipv6("fe80::1", 65535, 3), "[fe80::1%3]:65535");
    EXPECT_STR(ipv6("::ffff:192.168.1.9", 1, 0), "192.168.1.9:1");
    struct sockaddr other = {.sa_family = AF_UNIX};
    kc_address_format(&other, text, sizeof text);
    EXPECT_STR(text, "?");
}

RUN_ALL()
