/* fetch_session.h: incremental fetch sessions (KIP-227): the broker remembers which partitions a client reads, the client sends only what
 * changes, and a fetch costs what is new, not what is subscribed.
 *
 * A session belongs to its connection and ends with it: a client that comes back on another one hears FETCH_SESSION_ID_NOT_FOUND and starts
 * a new session with a full fetch, as it would after a restart of the broker. There is one a connection at the most.
 *
 * A partition is active while there may be something to say about it: after the client has named it, and after an append until a look has
 * found nothing more. For that it keeps a waiter in each of its partitions for as long as it lives; an append pushes the partition on a
 * stack that the reactor empties before it looks. So an idle partition costs nothing, however many there are.
 *
 *   full fetch, epoch 0          -> answered as a whole; a session is begun with its partitions
 *   incremental, epoch 1, 2, ... -> kc_fetch_session_take: the changes are noted, the active partitions become the fetch's entries
 *                                   look, park, look ... (fetch.c)
 *                                   kc_fetch_session_settle: only what changed is answered
 *   epoch -1                     -> the session ends; answered as a whole, without one
 *
 * Threads: the reactor's, but for what an appender does under a partition's waiters lock: push, count down `missing_bytes`, post.
 * A session that ends while its message is under way is freed when that arrives.
 * Limits: sessions per reactor (max.incremental.fetch.session.cache.slots, shared out) and partitions in one. Beyond them a client is told
 * session id 0, which sends it back to full fetches.  Source: kafka.server.FetchSession, KIP-227. */
#ifndef KC_HOT_FETCH_SESSION_H
#define KC_HOT_FETCH_SESSION_H

#include "hot/fetch.h"
#include "hot/hot_state.h"

enum { KC_FETCH_EPOCH_FULL = 0, KC_FETCH_EPOCH_FINAL = -1, KC_SESSION_PARTITIONS_MAX = 20000 };

struct kc_fetch_session;

/* After the parse of a request of version >= 7: finds, ends or refuses (f->error) the session that it names, notes what it changes, and
 * replaces the entries by the active ones.  f->session is set for an incremental fetch.  KC_NO_MEMORY: close the connection. */
kc_status kc_fetch_session_take(struct kc_fetch *f);
/* Looks for partitions that have become active, and makes the active ones the fetch's entries. */
kc_status kc_fetch_session_gather(struct kc_fetch *f);

/* The fetch waits / does not wait any more; missing_bytes: how many more would be enough. */
void kc_fetch_session_park(struct kc_fetch *f, int64_t missing_bytes);
void kc_fetch_session_unpark(struct kc_fetch *f);

/* Before the answer of an incremental fetch: leaves in the fetch only what the client has not been told. */
void kc_fetch_session_settle(struct kc_fetch *f);
/* Before the answer of a full fetch of epoch 0: begins a session if there is room for one.  f->session_id is what the client is told. */
void kc_fetch_session_begin(struct kc_fetch *f);

/* The connection is gone, or begins another one.  No fetch of it is parked. */
void kc_fetch_session_end(struct kc_hot_conn *state);

#endif
