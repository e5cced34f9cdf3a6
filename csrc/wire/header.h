/* header.h: the header of a request.
 *
 * int16 api key, int16 api version, int32 correlation id, nullable string client id, and from header version 2 on a section of
 * tagged fields.  Which header version a request has depends on its api key and version, which the caller knows
 * (KIP-482); the client id keeps its classic encoding in all of them.  The frame's int32 size is not part of the slice.
 * Thread: any. */
#ifndef KC_WIRE_HEADER_H
#define KC_WIRE_HEADER_H

#include "base/bytes.h"
#include "base/status.h"

enum {
    KC_REQUEST_HEADER_SIZE_MIN = 8, /* key, version, correlation id */
    KC_RESPONSE_HEADER_SIZE = 4,    /* correlation id; flexible ones add a byte for no tagged fields */
};

struct kc_request_header {
    int16_t api_key;
    int16_t api_version;
    int32_t correlation_id;
    struct kc_slice client_id; /* into the frame; data NULL: null */
    size_t size_bytes;         /* the body starts here */
};

/* Key, version and correlation id alone, so that the caller can tell whether the header is flexible.  The client id is left
 * null and size_bytes 8.  KC_CORRUPT: fewer than 8 bytes. */
kc_status kc_request_header_peek(struct kc_slice frame, struct kc_request_header *out);

/* The whole header.  KC_CORRUPT: the bytes end early or a length cannot be. */
kc_status kc_request_header_parse(struct kc_slice frame, bool flexible, struct kc_request_header *out);

#endif
