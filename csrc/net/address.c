#include "net/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

void kc_address_format(const struct sockaddr *address, char *out, size_t size) {
    char host[INET6_ADDRSTRLEN];
    if (address->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, address, sizeof in);
        inet_ntop(AF_INET, &in.sin_addr, host, sizeof host);
        snprintf(out, size, "%s:%u", host, (unsigned)ntohs(in.sin_port));
    } else if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 in;
        memcpy(&in, address, sizeof in);
        unsigned port = ntohs(in.sin6_port);
        if (IN6_IS_ADDR_V4MAPPED(&in.sin6_addr)) {      /* a dual-stack listener: say what the peer would say */
            inet_ntop(AF_INET, &in.sin6_addr.s6_addr[12], host, sizeof host);
            snprintf(out, size, "%s:%u", host, port);
            return;
        }
        inet_ntop(AF_INET6, &in.sin6_addr, host, sizeof host);
        if (in.sin6_scope_id) snprintf(out, size, "[%s%%%u]:%u", host, (unsigned)in.sin6_scope_id, port);
        else snprintf(out, size, "[%s]:%u", host, port);
    } else {
        snprintf(out, size, "?");
    }
}
