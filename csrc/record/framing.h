/* framing.h: the first bytes of each codec.
 *
 * Compressed records are not opened on the way into the log, so this is the cheapest test that they are what the batch's
 * attributes say.  It catches a client that set the wrong codec, not a hostile one: whoever needs to be sure decompresses. */
#ifndef KC_RECORD_FRAMING_H
#define KC_RECORD_FRAMING_H

#include "record/batch.h"

/* True where the bytes can be the output of codec; of KC_CODEC_NONE anything can. */
bool kc_framing_plausible(enum kc_codec codec, struct kc_slice records);

#endif
