// SPDX-License-Identifier: Apache-2.0
//
// What an agent knows of its rows beside the batches: the files and outboxes they came from and how far those are read,
// the verdicts that are not final yet, what still has to be handed back to the source, and counts. It stands in the
// spool's file and changes only inside the spool's transactions.
#pragma once

#include "agents/item.h"
#include "agents/spool.h"
#include "verdict.pb-c.h"

#include <stdbool.h>
#include <stdint.h>

// Verdicts waiting for a later word, at most; beyond it the oldest are let go, and a later verdict on one of those is
// reported by its event's number only.
#define LEDGER_UNDECIDED_MAX (4 * 1000 * 1000)

typedef enum OriginState { ORIGIN_READING, ORIGIN_READ, ORIGIN_DONE } OriginState;

typedef struct Origin {
    int64_t id;
    char source[64];
    char name[256];      // of the file in the drop folder; the outbox's table
    char kept_name[256]; // of the file once it is done
    uint8_t hash[32];    // SHA-256 of the file
    OriginState state;
    uint64_t row, at;  // the next row, and where it begins
    char encoding[64]; // of the file; "" until it is known
    int confidence;    // in that, percent; -1 when it was declared
    int64_t waiting;   // its events without a receipt
} Origin;

int ledger_origin_add(Spool *spool, Origin *origin); // sets its id
// By number. 1 when there is none.
int ledger_origin(Spool *spool, int64_t id, Origin *ret);
// The source's next unfinished origin with this hash and a greater number. 1 when there is none.
typedef struct OriginQuery {
    const char *source;
    uint8_t hash[32];
    int64_t after;
} OriginQuery;
int ledger_origin_by_hash(Spool *spool, const OriginQuery *query, Origin *ret);
// The source's only one with this kept name, finished or not. 1 when there is none.
int ledger_origin_kept(Spool *spool, const char *source, const char *kept_name, Origin *ret);
// The source's next unfinished origin with a greater number. 1 when there is none.
int ledger_origin_next(Spool *spool, const char *source, int64_t after, Origin *ret);
// The same, of those that have no event without a receipt.
int ledger_origin_ready(Spool *spool, const char *source, int64_t after, Origin *ret);
// Calls each() for every unfinished origin, in order.
typedef int (*LedgerEachOrigin)(void *self, int64_t id, const char *source);
int ledger_unfinished(Spool *spool, LedgerEachOrigin each, void *self);
int ledger_origin_read(Spool *spool, const Origin *origin); // stores state, row, at, name, encoding
// No file has its hash from now on.
int ledger_origin_hash_clear(Spool *spool, int64_t id);
// *ret 1 when an origin of this source has this kept name.
int ledger_kept_name_taken(Spool *spool, const char *source, const char *kept_name, int64_t *ret);
// The greatest number of an origin so far; 0 when there is none.
int ledger_origin_last(Spool *spool, int64_t *ret);
int ledger_waiting_add(Spool *spool, int64_t origin, int64_t n);

typedef enum ResultKind { RESULT_REFUSED, RESULT_DECIDED } ResultKind;
#define RESULT_KINDS 2

// One row to hand back. mark is unique for what it says and the occasion on which it is said, and stays as it is
// stored, so that who has it already can tell.
typedef struct Result {
    int64_t id;
    ResultKind kind;
    char mark[96];
    Item item;
    const Dongbo__EventVerdict *verdict;
    const char *text_vi, *text_en; // said beside the reasons' own sentences; NULL when nothing
    int64_t at_us;
} Result;

int ledger_result_add(Spool *spool, const Result *result);
// Calls each() for the results of an origin in order, at most `limit`, and until it gives 1; *ret_last is the last
// one's number, 0 when none. The result lives during the call only.
typedef int (*LedgerEach)(void *self, const Result *result);
typedef struct ResultQuery {
    int64_t origin;
    ResultKind kind;
    int limit;
    bool newest; // from the last one on
} ResultQuery;
int ledger_results(Spool *spool, const ResultQuery *query, LedgerEach each, void *self, int64_t *ret_last);
int ledger_results_delete(Spool *spool, int64_t origin, ResultKind kind, int64_t up_to);
// One that its source cannot take is kept, and neither given to each() nor deleted, until all of the source's are to be
// tried again.
int ledger_result_set_aside(Spool *spool, int64_t id);
int ledger_results_again(Spool *spool, const char *source); // NULL: of all; in a transaction of its own
// The next origin after this one with results to hand back that are not set aside; 0 when there is none.
int ledger_results_origin(Spool *spool, int64_t after, int64_t *ret);
// What is owed to each source, by kind.
typedef struct LedgerOwed {
    const char *source;
    int64_t n[RESULT_KINDS];
} LedgerOwed;
typedef int (*LedgerEachOwed)(void *self, const LedgerOwed *owed);
int ledger_owed(Spool *spool, LedgerEachOwed each, void *self);
// Drops what is owed to a source, and all that will be: its origins belong to nobody ("") from now on. In a transaction
// of its own. *ret_n is how many origins it had.
int ledger_forget(Spool *spool, const char *source, int64_t *ret_n);
// How long the file of this kind was before the append under way; -1 when none is.
int ledger_append_from(Spool *spool, int64_t origin, ResultKind kind, int64_t *ret);
int ledger_append_begin(Spool *spool, int64_t origin, ResultKind kind, int64_t from);
int ledger_append_end(Spool *spool, int64_t origin, ResultKind kind);

typedef struct Undecided {
    int64_t stream;
    uint64_t sequence;
    uint8_t event_id[EVENT_ID_BYTES];
    int verdict;
    uint64_t position; // 0: the exchange seems to have forgotten since where it said that
    uint64_t stood;    // ... which was here; 0 where that is not known
    Item item;         // its text lives until the next call
} Undecided;
int ledger_undecided_put(Spool *spool, const Undecided *undecided);
int ledger_undecided(Spool *spool, int64_t stream, uint64_t sequence, Undecided *ret);               // 1: none
int ledger_undecided_by_event(Spool *spool, const uint8_t event_id[EVENT_ID_BYTES], Undecided *ret); // 1: none
int ledger_undecided_delete(Spool *spool, int64_t stream, uint64_t sequence);
// How many of this range are there already.
int ledger_undecided_within(Spool *spool, int64_t stream, uint64_t first, uint64_t last, int64_t *ret);
int ledger_undecided_trim(Spool *spool);

// Counts by verdict, and by the first reason of each verdict that has one (0: none).
int ledger_tally(Spool *spool, int64_t origin, int verdict, int reason, int64_t n);
// How many rows of an origin have a verdict, *ret.
int ledger_rows(Spool *spool, int64_t origin, int64_t *ret);
typedef int (*LedgerCount)(void *self, int verdict, int reason, int64_t n);
int ledger_tallies(Spool *spool, int64_t origin, LedgerCount each, void *self);

// Outbox rows that are in the spool and perhaps not yet marked as taken in their own database, each with a hash of what
// it was: one that was corrected since is another.
typedef struct TakenRow {
    int64_t origin;
    uint64_t row;
    int64_t content;
} TakenRow;
int ledger_taken_put(Spool *spool, const TakenRow *taken);
int ledger_is_taken(Spool *spool, const TakenRow *taken, int64_t *ret);
// The next greater one. 1 when there is none.
int ledger_taken_next(Spool *spool, int64_t origin, int64_t after, int64_t *ret);
int ledger_taken_delete(Spool *spool, int64_t origin, uint64_t row);
int ledger_taken_clear(Spool *spool, int64_t origin);
