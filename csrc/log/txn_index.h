/* txn_index.h: the aborted transactions whose markers are in one segment, `<base>.txnindex`.
 *
 * A consumer that reads committed data gets all bytes and, with them, the list of aborted transactions in their range; it leaves
 * out what they wrote.  An entry is written when an abort marker of a transaction with data is appended; a segment without such
 * markers has no file.
 *
 * Entry, 34 bytes: int16 version 0, int64 producer id, int64 first offset (of the transaction's first batch here), int64 last
 * offset (of the marker), int64 last stable offset as the marker left it.  Last offsets rise; so do last stable offsets.
 * An entry whose last stable offset is at or above a range's end ends the search for that range: whatever ends later began
 * at or above it.
 *
 * Each entry goes to the file at once: aborts are rare, and what is not there after a crash is rebuilt by recovery.  The newest are
 * kept in memory as well, for consumers at the tail.
 *
 * Threads: the owner of the log's lock, except kc_txn_index_scan_file, which touches only the page and what never changes while the
 * segment lives and is not truncated.  Source: org.apache.kafka.storage.internals.log.{TransactionIndex, AbortedTxn}. */
#ifndef KC_LOG_TXN_INDEX_H
#define KC_LOG_TXN_INDEX_H

#include <stdbool.h>
#include <stdint.h>

#include "io/file.h"
#include "log/aborted_txns.h"
#include "log/index_file.h"

enum { KC_TXN_INDEX_ENTRY_SIZE = 34, KC_TXN_INDEX_VERSION = 0, KC_TXN_INDEX_TAIL_COUNT = 32 };

struct kc_txn_index {
    struct kc_file *file;
    uint64_t id;                           /* of its own among the indexes that share a page */
    int64_t count;
    int64_t last_offset;                   /* of the newest entry, -1: none */
    struct kc_aborted_txn *tail;           /* the newest tail_count entries, oldest first; NULL until the first append */
    uint32_t tail_count;
    bool exists;                           /* the file is on disk */
    bool dirty;                            /* written to since the last sync */
};

/* Takes over one reference to `file`, which will be created by the first append. */
void kc_txn_index_init(struct kc_txn_index *index, struct kc_file *file, uint64_t id);
void kc_txn_index_release(struct kc_txn_index *index);

/* Reads and checks a file that exists.  Entries of a segment that begins at base_offset and ends before end_offset.  KC_CORRUPT: not
 * such entries, or a part of one at the end; the index is empty then and the file as it was. */
kc_status kc_txn_index_load(struct kc_txn_index *index, int64_t base_offset, int64_t end_offset);

/* KC_INVALID: its last offset is not above that of the newest entry.  After another failure the file may hold a part of it, which
 * kc_txn_index_cut removes. */
kc_status kc_txn_index_append(struct kc_txn_index *index, const struct kc_aborted_txn *txn);
/* Makes the file as long as the index. */
kc_status kc_txn_index_cut(struct kc_txn_index *index);
/* Makes these its entries, all at once: whoever looks after the death of the process finds the old ones or the new ones.  durable: also
 * after a power cut, and nothing is left to be synced; otherwise the file and the directory are the caller's to sync. */
kc_status kc_txn_index_replace(struct kc_txn_index *index, const struct kc_aborted_txns *list, bool durable);
/* Forgets the copies in memory: the segment is sealed, and few will look into it. */
void kc_txn_index_trim(struct kc_txn_index *index);
/* Leaves the entries whose last offset is below this one. */
kc_status kc_txn_index_truncate(struct kc_txn_index *index, int64_t offset);

/* Whether the copies in memory tell all that the index knows from this offset on. */
bool kc_txn_index_tail_covers(const struct kc_txn_index *index, int64_t offset);
/* Adds the transactions with last offset >= offset and first offset < end_offset to the list.  *complete: later segments have
 * none.  The first from memory, where the tail covers the offset; the second from the first `count` entries of the file, through a page
 * that the caller has locked: a consumer that reads on finds there what it needs next. */
kc_status kc_txn_index_scan_tail(const struct kc_txn_index *index, int64_t offset, int64_t end_offset,
                                 struct kc_aborted_txns *list, bool *complete);
kc_status kc_txn_index_scan_file(const struct kc_txn_index *index, struct kc_index_page *page, int64_t count, int64_t offset,
                                 int64_t end_offset, struct kc_aborted_txns *list, bool *complete);
/* Before the file is cut, and where it was cut under a scan.  The page is locked. */
void kc_txn_index_forget(const struct kc_txn_index *index, struct kc_index_page *page);

#endif
