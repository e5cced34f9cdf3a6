/* codec.h: compression as somebody else does it.
 *
 * csrc has no compressors of its own; whoever drives a load lends one.  Called once for a batch, never for a record. */
#ifndef KC_CLIENT_CODEC_H
#define KC_CLIENT_CODEC_H

#include "base/bytes.h"
#include "base/status.h"

struct kc_codec_loan {
    /* codec: enum kc_codec, not none.  *out lives until the next call. */
    kc_status (*run)(void *state, int codec, struct kc_slice in, struct kc_slice *out);
    void *state;
};

#endif
