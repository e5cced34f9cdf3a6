/* held.h: answers to Produce that wait for the disk, and what of a connection waits behind them.
 *
 * Where a topic's flush.messages asks for it, an acknowledgement leaves only after a sync that covers its records.  The answer is
 * written at once, into memory of its own, and held; the Produce behind it goes on meanwhile, so that the next sync covers many.
 * Held answers leave a connection in request order: one that is ready waits for those before it, and so does an answer that
 * needs no sync.  A request of any other kind is copied and looked at when nothing is held any more.
 *
 * A sync that fails turns the answers that waited for it into KAFKA_STORAGE_ERROR; nothing is acknowledged on it.
 *
 * Threads: the reactor's, but for `outstanding`, which a worker counts down. */
#ifndef KC_HOT_HELD_H
#define KC_HOT_HELD_H

#include "hot/gather.h"
#include "hot/hot.h"

struct kc_hot_conn;

/* Answers that one connection may have waiting before no more frames are taken from it. */
enum { KC_HELD_MAX = 256 };

/* Does this request's answer have to wait, for the disk or for answers before it? */
bool kc_held_needed(const struct kc_hot *hot, const struct kc_gathered_request *request);
/* Writes and holds its answer, and asks for the syncs that it waits for. */
void kc_held_answer(struct kc_hot *hot, const struct kc_gathered_request *request);
/* True: as many are held as may be, counting what is gathered; the connection shall hold, and is resumed from here. */
bool kc_held_full(struct kc_hot_conn *state);
/* After its gathered requests have been answered or held: a connection that was full for nothing goes on. */
void kc_held_check_room(struct kc_conn *conn);

/* Keeps a frame that must not be looked at yet; it is handed to kc_hot_frame when nothing is held any more.  KC_FRAME_HOLD, or
 * KC_FRAME_CLOSE: no memory. */
enum kc_frame_verdict kc_held_defer(struct kc_hot *hot, struct kc_conn *conn, const uint8_t *frame, size_t size);

/* The connection is gone: what is held for it is forgotten when its syncs are done. */
void kc_held_abandon(struct kc_hot_conn *state);

/* Frees what frames were copied into; none of them is in use after turn_end. */
void kc_held_turn_end(struct kc_hot *hot);
void kc_held_free(struct kc_hot *hot);

#endif
