/* broker.h: the other side of a load, in the same thread: a listener, and frames in and out of what it accepted. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../check.h"
#include "base/clock.h"
#include "client/link.h"
#include "record/build.h"
#include "record/iterate.h"
#include "record/validate.h"
#include "wire/reader.h"
#include "wire/writer.h"

struct broker {
    int listener, fd, port;
    uint8_t in[1 << 20], out[1 << 16];
    size_t size;
};

__attribute__((unused)) static void broker_open(struct broker *b) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    b->listener = socket(AF_INET, SOCK_STREAM, 0);
    b->fd = -1;
    b->size = 0;
    EXPECT_EQ(bind(b->listener, (struct sockaddr *)&address, sizeof address), 0);
    EXPECT_EQ(listen(b->listener, 4), 0);
    EXPECT_EQ(getsockname(b->listener, (struct sockaddr *)&address, &size), 0);
    b->port = ntohs(address.sin_port);
}

__attribute__((unused)) static void broker_accept(struct broker *b) {
    b->fd = accept(b->listener, NULL, NULL);
    EXPECT_EQ(b->fd >= 0, 1);
    EXPECT_EQ(fcntl(b->fd, F_SETFL, O_NONBLOCK), 0);
}

__attribute__((unused)) static void broker_close(struct broker *b) {
    if (b->fd >= 0) close(b->fd);
    close(b->listener);
}

/* The next whole request, waiting a little for it; false: there is none. */
__attribute__((unused)) static bool broker_request(struct broker *b, struct kc_slice *request) {
    for (int turn = 0; turn < 20; turn++) {
        if (b->size >= 4) {
            size_t size = (size_t)kc_load_i32(b->in);
            if (b->size >= 4 + size) {
                *request = kc_slice_make(b->in + 4, size);
                return true;
            }
        }
        ssize_t n = recv(b->fd, b->in + b->size, sizeof b->in - b->size, 0);
        if (n > 0) b->size += (size_t)n;
        else {
            struct pollfd waited = {.fd = b->fd, .events = POLLIN};
            if (poll(&waited, 1, 1) == 0) return false;
        }
    }
    return false;
}

__attribute__((unused)) static void broker_done(struct broker *b, struct kc_slice request) {
    size_t taken = 4 + request.size;
    memmove(b->in, b->in + taken, b->size - taken);
    b->size -= taken;
}

__attribute__((unused)) static void broker_answer(struct broker *b, struct kc_writer *w) {
    EXPECT_EQ(w->overflow, 0);
    kc_store_i32(w->data, (int32_t)(w->used - 4));
    EXPECT_EQ(send(b->fd, w->data, w->used, 0), (ssize_t)w->used);
}

__attribute__((unused)) static int64_t soon(int64_t us) {
    struct kc_clock clock = kc_clock_system();
    return kc_clock_monotonic_us(&clock) + us;
}
