// SPDX-License-Identifier: Apache-2.0
//
// All that the feed says to PostgreSQL, on one session: heads, segments, policies, positions of subscriptions, and the
// notifications that something moved. Reads the log and never writes it. Every function may return ERROR_DATABASE,
// after which feed_store_drop() and a later feed_store_connect() are the way on.
#pragma once

#include "broker/policy.h"
#include "broker/subscriber.h"
#include "proto/base/pg.h"

// Every change of a policy raises this: versions are only added, and what operators change is numbered under the log's
// lock. In the statement that reads segments it shares their snapshot: whoever sees a segment knows whether the
// policies that were in force there are known, even if no notification ever comes.
#define FEED_STORE_POLICY_STAMP                                                                                        \
    "((SELECT count(*) FROM exchange.subscription_policy) +"                                                           \
    " (SELECT coalesce(max(change), 0) FROM exchange.policy_change))"

typedef struct FeedStore FeedStore;

int feed_store_new(FeedStore **ret, const char *conninfo);
void feed_store_destroy(FeedStore **store);
int feed_store_connect(FeedStore *store); // and LISTEN
void feed_store_drop(FeedStore *store);
Pg *feed_store_pg(FeedStore *store);           // for feed_account.c
int feed_store_socket(const FeedStore *store); // to poll for notifications; -1 when there is no session

typedef struct FeedNews {
    bool commit;       // somebody committed
    uint64_t position; // the greatest head told of, 0 when none was
    bool policy;
    bool signed_head; // there is a newer one
} FeedNews;
int feed_store_news(FeedStore *store, FeedNews *ret); // never blocks
// Whether there is any that the socket does not tell of: it came with the answer to a statement.
bool feed_store_has_news(FeedStore *store);

int feed_store_head(FeedStore *store, FeedPlace *ret); // position 0 in an empty log
// The newest signed head, as stored; number 0 when there is none.
int feed_store_signed(FeedStore *store, uint64_t *ret_number, Bytes *ret_head, Bytes *ret_signature);
int feed_store_trimmed(FeedStore *store, uint64_t *ret); // up to this position the log is not kept
typedef struct FeedStamp {
    int64_t policies; // what is written down later raises it (see SegmentRow)
    int64_t turn;     // ... and an erasure this
} FeedStamp;
// Into an empty set.
int feed_store_policies(FeedStore *store, PolicySet *set, FeedStamp *ret_stamp);
int feed_store_turn(FeedStore *store, int64_t *ret);
// Nothing that was read before this turn is sent any more: erasures wait for that (exchange.feeding).
int feed_store_let_go(FeedStore *store, int64_t turn);

// Columns of a segment's row. Bytes live as long as `result`, which the caller clears.
typedef struct SegmentRow {
    uint64_t first, last;
    uint32_t epoch;
    int format;
    int64_t stored_at_us;
    const uint8_t *hash;    // HASH_BYTES, or NULL when the row is damaged
    const uint8_t *payload; // NULL once erased
    size_t payload_n;
    int64_t policy_stamp; // of the policies in the same snapshot: whoever holds older ones reads them again first
} SegmentRow;
// Who followed whom at some of these positions.
typedef struct FollowedQuestion {
    const int64_t *persons;
    size_t n_persons;
    const int32_t *subscriptions;
    size_t n_subscriptions;
    uint64_t first, last;
} FollowedQuestion;
typedef struct FollowedRow {
    int32_t subscription;
    int64_t person;
    uint64_t from, to; // `to` is the first position at which no more
} FollowedRow;
int feed_store_followed(FeedStore *store, const FollowedQuestion *question, PGresult **ret); // rows for the caller
void feed_store_followed_row(const PGresult *result, int row, FollowedRow *ret);

#define FEED_STORE_SEGMENTS 8
// The segment that holds `position` (or the last one before it) and those after it.
int feed_store_segments(FeedStore *store, uint64_t position, PGresult **ret);
void feed_store_row(const PGresult *result, int row, SegmentRow *ret);
// Positions of entries that go, though their content is still there. How many, to be freed; ERROR_MEMORY,
// ERROR_DATABASE.
int feed_store_row_erased(const PGresult *result, int row, PgElement **ret);

// Of entries that are about events of other segments: which batch's, and which of its events. Rows: which question,
// from 1, the first position of the batch's segment, the event's place in it; none for what was not found. For an entry
// of no sequence the erased event is looked for whose tombstone it is.
#define FEED_STORE_ORIGINS_ASKED 64
typedef struct OriginFind {
    uint64_t first; // of the entry's segment
    uint64_t position, sequence;
} OriginFind;
int feed_store_find_origins(FeedStore *store, const OriginFind *questions, size_t n, PGresult **ret);
// Of records that are told again: by which event of which agency's own batch their present version was made. Rows as
// above; none where it was made otherwise.
typedef struct OriginTold {
    uint64_t position; // of the entry; the version is an older one
    int64_t person;
    int domain;
    const char *record_key;
    uint32_t agency; // whose event it must be
} OriginTold;
int feed_store_find_told(FeedStore *store, const OriginTold *questions, size_t n, PGresult **ret);
// What proofs of origin are made of, for segments by their first positions; events only where `whole`.
#define FEED_STORE_ORIGINS 8
typedef struct OriginRow {
    uint64_t first, last;
    int format;
    const uint8_t *root, *origin, *summary, *batch; // root: HASH_BYTES; NULL: there is none
    size_t origin_n, summary_n, batch_n;
    PgElement *erased; // n_erased positions, each with its tombstone's behind it; to be freed
    size_t n_erased;
} OriginRow;
int feed_store_origins(FeedStore *store, const uint64_t *firsts, size_t n, bool whole, PGresult **ret);
int feed_store_origin_row(const PGresult *result, int row, OriginRow *ret); // ERROR_DATABASE, ERROR_MEMORY

typedef struct StoredPosition {
    uint64_t acked;
    bool fresh; // the subscription was shared otherwise until now: begin behind `acked`, whatever the receiver holds
} StoredPosition;
int feed_store_position(FeedStore *store, int32_t subscription, Share share, StoredPosition *ret);
// A session begins: subscriber->number. The one before it of this share is over, and so are all of another number of
// shares.
int feed_store_open(FeedStore *store, Subscriber *subscriber);
// Stores what n sessions acknowledged and that they go on; over[i] is set where a session does not.
#define FEED_STORE_KEEP_MAX 512
int feed_store_keep(FeedStore *store, Subscriber *const *subscribers, int n, bool *over);
// Of a session that is over: whether a newer one is why, rather than a database that has forgotten it; and how many
// share the subscription now.
int feed_store_is_replaced(FeedStore *store, const Subscriber *subscriber, bool *ret, int *ret_shares);
int feed_store_close(FeedStore *store, const Subscriber *subscriber); // ... and that it does not
// The greatest position stored before this time.
int feed_store_before(FeedStore *store, int64_t us, uint64_t *ret);
// The first epoch after `epoch`, and why it began. 1 when there is none. Texts are cut to fit.
int feed_store_epoch(FeedStore *store, uint32_t epoch, uint64_t *ret_position, char reason[128]);
