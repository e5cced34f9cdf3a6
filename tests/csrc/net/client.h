/* client.h: a raw client on loopback, for tests that need to say exactly which bytes are sent when.
 *
 * Each call ends the test when it fails, or when the other side takes longer than CLIENT_WAIT_MS. */
#ifndef KC_TESTS_NET_CLIENT_H
#define KC_TESTS_NET_CLIENT_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "../check.h"
#include "base/bytes.h"

#define CLIENT_WAIT_MS 20000

#define CLIENT __attribute__((unused)) static

/* A listening socket on a free port of 127.0.0.1. */
CLIENT int client_listen(uint16_t *port) {
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    EXPECT(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    EXPECT(!bind(fd, (struct sockaddr *)&at, sizeof at));
    EXPECT(!listen(fd, 512));
    EXPECT(!getsockname(fd, (struct sockaddr *)&at, &size));
    *port = ntohs(at.sin_port);
    return fd;
}

/* receive_buffer > 0: a window as small as that, so that the other side is soon blocked. */
CLIENT int client_connect_small(uint16_t port, int receive_buffer) {
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
    EXPECT(fd >= 0);
    if (receive_buffer > 0) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    EXPECT(!connect(fd, (struct sockaddr *)&at, sizeof at));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}
CLIENT int client_connect(uint16_t port) { return client_connect_small(port, 0); }

CLIENT bool client_wait(int fd, short events, int timeout_ms) {
    struct pollfd p = {.fd = fd, .events = events};
    int n;
    do n = poll(&p, 1, timeout_ms);
    while (n < 0 && errno == EINTR);
    return n > 0;
}

CLIENT void client_send(int fd, const void *bytes, size_t size) {
    const char *at = bytes;
    while (size > 0) {
        EXPECT(client_wait(fd, POLLOUT, CLIENT_WAIT_MS));
        ssize_t n = send(fd, at, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) continue;
        EXPECT(n > 0);
        at += n;
        size -= (size_t)n;
    }
}

/* As much as goes out before the peer resets the connection; true if it was everything. */
CLIENT bool client_try_send(int fd, const void *bytes, size_t size) {
    const char *at = bytes;
    while (size > 0) {
        if (!client_wait(fd, POLLOUT, CLIENT_WAIT_MS)) return false;
        ssize_t n = send(fd, at, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) continue;
        if (n <= 0) return false;
        at += n;
        size -= (size_t)n;
    }
    return true;
}

/* Up to `size` bytes, fewer only at the end of the stream. */
CLIENT size_t client_receive_up_to(int fd, void *bytes, size_t size) {
    size_t have = 0;
    while (have < size) {
        EXPECT(client_wait(fd, POLLIN, CLIENT_WAIT_MS));
        ssize_t n = recv(fd, (char *)bytes + have, size - have, 0);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) break;
        have += (size_t)n;
    }
    return have;
}
CLIENT void client_receive(int fd, void *bytes, size_t size) { EXPECT_EQ(client_receive_up_to(fd, bytes, size), size); }

/* Nothing arrives, and the connection stays open, for so long. */
CLIENT void client_expect_silence(int fd, int ms) { EXPECT(!client_wait(fd, POLLIN, ms)); }
/* The other side has closed (in order or by a reset) and sent nothing more. */
CLIENT void client_expect_closed(int fd) {
    char byte;
    EXPECT(client_wait(fd, POLLIN, CLIENT_WAIT_MS));
    EXPECT(recv(fd, &byte, 1, 0) <= 0);
}
/* close() with a reset instead of an orderly end. */
CLIENT void client_reset(int fd) {
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(fd);
}

/* Writes size field, first byte and pattern at `out` (4 + size bytes); returns the byte after it. */
CLIENT uint8_t *client_build_frame(uint8_t *out, char kind, size_t size, unsigned seed) {
    kc_store_u32(out, (uint32_t)size);
    for (size_t i = 0; i < size; i++) out[4 + i] = (uint8_t)(seed * 31 + i * 7);
    if (size) out[4] = (uint8_t)kind;
    return out + 4 + size;
}

CLIENT void client_send_frame(int fd, char kind, size_t size, unsigned seed) {
    uint8_t *bytes = malloc(4 + size);
    EXPECT(bytes);
    client_build_frame(bytes, kind, size, seed);
    client_send(fd, bytes, 4 + size);
    free(bytes);
}

/* The next frame is the one that client_send_frame sends. */
CLIENT void client_expect_frame(int fd, char kind, size_t size, unsigned seed) {
    uint8_t *expected = malloc(4 + size), *got = malloc(4 + size);
    EXPECT(expected && got);
    client_build_frame(expected, kind, size, seed);
    client_receive(fd, got, 4 + size);
    EXPECT_MEM(got, expected, 4 + size);
    free(expected);
    free(got);
}

CLIENT void client_sleep_ms(int ms) {
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    while (nanosleep(&t, &t) && errno == EINTR) {}
}

/* Waits until the condition holds. */
#define CLIENT_UNTIL(condition)                                    \
    do {                                                           \
        int client_left_ms = CLIENT_WAIT_MS;                       \
        while (!(condition) && client_left_ms-- > 0) client_sleep_ms(1); \
        EXPECT(condition);                                         \
    } while (0)

#endif
