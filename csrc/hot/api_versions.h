/* api_versions.h: what ApiVersions is answered, as Python has published it.
 *
 * It is the first request on every connection, and at a start the first that anybody waits for.  Python publishes one body for each
 * version; the reactors answer requests that ask for no more.  Whatever is unusual goes up whole: other versions, a client's name that
 * is not fit for a metric, another cluster or node than this one, bytes that are no such request.
 *
 * Invariant: what is answered here Python would have answered the same way, byte for byte, when it last published.
 *
 * One lock, held for a copy of some hundred bytes or an exchange of pointers.  Threads: any.  The table copies what it is given.
 * Source: KIP-35, KIP-511, KIP-1242. */
#ifndef KC_HOT_API_VERSIONS_H
#define KC_HOT_API_VERSIONS_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"

enum { KC_API_VERSIONS_COUNT = 6, KC_API_VERSIONS_ANSWER_MAX = 4096 };

struct kc_api_versions;

kc_status kc_api_versions_create(int32_t node_id, struct kc_api_versions **out);
void kc_api_versions_destroy(struct kc_api_versions *table);

/* bodies[version], from here on and for every reactor.  KC_LIMIT: an answer is too long.  KC_NO_MEMORY: what was there stays. */
kc_status kc_api_versions_publish(struct kc_api_versions *table, const struct kc_slice bodies[KC_API_VERSIONS_COUNT],
                                  struct kc_slice cluster_id);

/* The answer to a request with its size field, written to `out`, which has room for KC_API_VERSIONS_ANSWER_MAX bytes.  Returns its size;
 * 0: this request is for Python. */
size_t kc_api_versions_answer(struct kc_api_versions *table, struct kc_slice frame, uint8_t *out);

#endif
