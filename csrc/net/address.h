/* address.h: socket addresses as "host:port", numeric, IPv6 in brackets. */
#ifndef KC_NET_ADDRESS_H
#define KC_NET_ADDRESS_H

#include <stddef.h>
#include <sys/socket.h>

/* Holds "[" the longest IPv6 address with its scope "]:65535" and the NUL. */
#define KC_ADDRESS_SIZE 80

/* Writes a NUL-terminated text of less than `size` bytes; an address of another family is "?". */
void kc_address_format(const struct sockaddr *address, char *out, size_t size);

#endif
