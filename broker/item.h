// SPDX-License-Identifier: Apache-2.0
//
// The unit that passes through the broker: one batch, its events, what was looked up and what was decided. Lives in
// one arena, belongs to one stage at a time.
#pragma once

#include "broker/agencies.h"
#include "broker/bearers.h"
#include "broker/cases.h"
#include "broker/neighbourhood.h"
#include "broker/person.h"
#include "broker/queue.h"
#include "broker/reconcile.h"
#include "broker/review.h"
#include "broker/search.h"
#include "broker/segment.h"
#include "broker/verify.h"
#include "proto/base/arena.h"
#include "proto/batch.h"

#include <czmq.h>

// Who was found to be another person.
typedef struct Went {
    Person person; // as they were; only key, number and residence are known
    int64_t into;
    const struct Went *before; // who went under the same number before, NULL for nobody
} Went;

// Whose records are to go over to another person, and by which event's word.
typedef struct Link {
    Went went;
    uint8_t event_id[EVENT_ID_BYTES];
    int64_t event_time_us, position; // of the event
    uint32_t agency;
} Link;

// How far records have been moved or told again: up to this one, and of which event.
#define ADVANCE_KEY_BYTES 4096
typedef struct AdvancePlace {
    int64_t position, cause; // of what is told again
    int domain;
    char record_key[ADVANCE_KEY_BYTES];
} AdvancePlace;

typedef struct Advance {
    uint32_t agency;
    bool alone; // one event at a time, to find the one at fault
    AdvancePlace from, to;
    int rows;             // that the work looked at
    int32_t subscription; // of WORK_FOLLOW: whose list ...
    int64_t person;       // ... and behind which person
} Advance;

typedef struct Item Item;
struct Item {
    uint64_t sequence;
    ProtobufCBinaryData bytes;  // the event, verbatim; empty when the batch was unreadable
    const uint8_t *leaf;        // 32 bytes; NULL when the batch was unreadable
    Dongbo__ChangeEvent *event; // NULL when unreadable
    int domain;
    const char *claimed_number; // "" when none
    const Person *person;       // NULL when not found
    Bearers *bearers;           // whose claimed_number was, where it is nobody's; NULL for nobody
    Bearers *insured;           // whose the insurance number is, by others' word; NULL for nobody
    const char *record_key;     // "" until a person was decided on
    uint64_t record_hash;       // of (person, domain, record key); 0 until a person was decided on
    const Dongbo__Record *read; // current version in the store when it was looked up, NULL for none
    const Dongbo__Record *onto; // what it was merged onto: `read`, or what an earlier event of the batch made of it
    Neighbourhood *hood;        // what the record is judged beside, shared; NULL where the domain has no rules for that
    Neighbourhood *holders;     // of its key; likewise
    const SearchAnswer *found;  // who may be meant, where that was looked for; NULL otherwise. `person` may be of it
    uint8_t case_key[CASE_KEY_BYTES]; // what is asked of a reviewer, where the event is in question
    bool has_case_key, case_is_held;  // ... that of what is held
    uint64_t row_key;                 // of the agency's row (broker/resent.h), where it may matter; 0 else
    bool replaces;                    // there may be an older event of the row that is open
    const char *why;                  // re-decision: said in the log in place of the review's; NULL: that
    Person named;                     // whom a number that is not the current one led to
    Decision form;                    // verify_form()'s, kept: it does not depend on the store
    Decision decision;                // final
    Merged merged;
    const char *province_before, *province63_before; // residence before a population event; else as the person's
    const char *province_after, *province63_after;
    uint64_t position;           // set when stored
    size_t reasons_before;       // of the decision's reasons, those that are not from its record's neighbourhood
    uint32_t row;                // of its record among the work's rows, from 1; 0: none. Set by entries_build()
    int64_t exception;           // re-decision: position of the exception row; 0 for a fresh event
    int was;                     // re-decision: the verdict that holds so far
    int64_t stands;              // the person in whose record its word stands, of what was accepted before; 0 otherwise
    int64_t because;             // ... and is judged anew: position of the event because of which
    int64_t erases;              // WORK_ERASE: the position of the entry that is erased ...
    const char *note, *noted_by; // ... and what the log says of that; NULL otherwise
    bool leaves;                 // beside the event's own item: its word is only taken out of that record
    bool overtaken;              // ... its word stands there no more
    const Dongbo__Record *const *versions; // ... all of that record, where its word is taken out
    size_t n_versions;
    const Item *earlier; // the item of the work that was on the record before
    bool wanted;         // the next look-up reads for this item
    bool stale_person;   // the person, and so the record, may have changed since they were looked up
    bool stale_record;   // the record may have
    bool pair_is_known;  // the person and their insurance number, and need not be kept
    const Went *went;    // of a merger: who the store says went; NULL otherwise
    int64_t went_to;     // ... before, by an earlier event's word: who that is by now; 0: they did not go before
    const Person *goes;  // of a merger: who is to go, or went, where they have a population record; NULL otherwise
    const Dongbo__Record *coming; // ... that record as it was stored
    bool goes_several;            // of a merger: the number that goes is nobody's, and was several persons'
    int64_t applied_to;           // a population event: the person whom the store applied it to, 0 for none
    uint32_t told_by;             // of what is told again, or moves: the agency that told of the record last; 0: none
    bool fixed;                   // the person is not to be looked up: the store has them no more
    bool unknown_to_store;        // a population event that the store could apply to nobody
    bool taken_in_store;          // ... for its new number is another person's
    bool yields;                  // it is about a number that was replaced, and says nothing of the present one
    bool settled;                 // a population event that was applied, or was not: not to be decided otherwise
    int64_t settled_on;           // ... and of this person (0: of none known), who had the number then
    bool settled_by_alias;        // ... whose present one it was not
    bool in_store;                // ... which the store has, or may have
    int unsettled_verdict;        // ... of its form before that ...
    size_t unsettled_reasons;     // ... and how many of its reasons
    bool poisoned;                // the database refused its row
    bool expired;                 // re-decision: has been unknown for too long
    bool repeated;                // it is among the versions of its record already
    bool dropped;                 // re-decision: nothing new to say, or somebody else decided it
    // Of what is said of the person whom the number names (broker/guesses.h).
    const uint8_t *guesses; // that the agency was told of lately: n_guesses of GUESS_BYTES
    size_t n_guesses;
    uint8_t guess[GUESS_BYTES];   // this one, where it may matter
    bool is_guess, is_last_guess; // told of now, and not before; and as many as are
    bool held;                    // ... not told of any more. Re-decision: nor was it
};

// A position, and the life of the database that gave it out: which database, and since when its server runs. What has
// the same life never forgets a position; a standby that was promoted, or a restored copy, is another life, and may
// give the same positions out again.
typedef struct Place {
    int64_t life, position;
} Place;

typedef enum WorkKind {
    WORK_BATCH,
    WORK_REDECIDE,
    WORK_JUDGE,  // events of one stream that stand in records, against their persons' lives
    WORK_MOVE,   // of records from one person to another; its items are made by the writer. All from here on are such
    WORK_RETELL, // of records as they are, for something about their persons changed; likewise
    WORK_HOME,   // of moves that no event of the log tells of; likewise (homes.c)
    WORK_ERASE,  // of tombstones, and of records without what was erased; likewise (erasing.c)
    WORK_FOLLOW, // of records as they are, to one subscription: it follows their persons from now on, or no longer
} WorkKind;

// What becomes of a work; the ingress answers accordingly.
typedef enum Outcome {
    OUTCOME_OPEN,      // not decided yet
    OUTCOME_STORED,    // committed
    OUTCOME_DUPLICATE, // was stored earlier: answered with what was said then
    OUTCOME_REFUSED,   // code is a Refusal code: nothing was stored
    OUTCOME_ERROR,     // code is an Error code: the session is over
    OUTCOME_NOTHING,   // re-decision: nothing had changed
} Outcome;

typedef struct Work {
    WorkKind kind;
    Arena *arena;
    SegmentCoder *coder;
    uint64_t ticket;    // order of arrival; the writer keeps to it
    Agencies *agencies; // counted reference; grants and keys point into it
    const Agency *agency;
    const Link *link;          // of WORK_MOVE, which has no agency; in the arena
    Advance *advance;          // of WORK_MOVE, WORK_RETELL and WORK_FOLLOW, which have no agency either; in the arena
    const struct Wish *wishes; // of WORK_FOLLOW: what it carries out (following.c); in the arena
    size_t n_wishes;
    const Review *review; // a re-decision that an officer asked for; NULL otherwise. In the arena
    uint8_t stream[STREAM_BYTES];
    uint32_t session_epoch;
    uint64_t session;               // to answer to
    uint8_t transport[KEY_BYTES];   // the key of whoever sent it
    const struct AgencyKey *signer; // ... and of whoever signed it, once that was checked; in `agencies`
    Turn turn;                      // by which the ingress counts it
    zframe_t *frame;                // the batch's bytes, owned
    const uint8_t *batch_bytes;
    size_t batch_n;
    Batch batch;
    bool unreadable; // stored as it came, its range consumed
    bool decoded;    // decide_forms() is done
    bool rewound;    // all that was done after it is to be done again
    ArenaMark mark;  // of the arena when decide_forms() was done
    uint64_t first_sequence, last_sequence;
    Item *items;
    size_t n_items;
    Neighbourhood **hoods; // of all items
    size_t n_hoods;
    Place read;       // head when persons and versions were read
    Place population; // population clock then
    // Ready to be stored, made by entries_build().
    SegmentPack packed;
    Bytes records;                            // COPY rows of record_version, sorted; positions are patched in
    Bytes exceptions;                         // COPY rows of exception; likewise
    uint32_t *record_start, *exception_start; // where each row begins
    uint32_t *record_at, *exception_at;       // where each row's position stands
    uint32_t *packed_at, *packed_n;           // where each record row's packed record stands, and its length
    uint32_t *record_index, *exception_index; // the index of the entry whose position it gets
    size_t n_records, n_exceptions;
    const Dongbo__Entry **entries;
    const uint8_t **leaves;
    const char **masked;
    Item **entry_items;
    size_t n_entries;
    // The answer.
    Outcome outcome;
    int code;
    uint64_t expected_sequence;
    char text[256];
    uint64_t first_position, last_position;
    uint32_t epoch;
    int64_t stored_at_us;
    uint8_t segment_hash[HASH_BYTES];
    bool population_moved; // it changed the population store
    bool replaces;         // it noted open events as replaced
    Bytes receipt;         // packed ReceiptBody
    uint8_t receipt_signature[SIGNATURE_BYTES];
} Work;

int work_new(Work **ret); // ERROR_MEMORY
void work_destroy(Work **work);
// Ready for the next batch; memory is kept.
void work_reset(Work *work);
// Gives up all that was looked up and decided since decide_forms(), and its memory: trying again costs none, however
// often. Every event counts as stale.
void work_rewind(Work *work);
// Of what is stored already: its items are made by the writer, behind the mark, and it is of no stream.
bool work_is_of_records(const Work *work);
// The event because of which such a work says something. NULL for want of memory.
Dongbo__ChangeEvent *work_cause(Arena *arena, const uint8_t event_id[EVENT_ID_BYTES], int64_t event_time_us);
// The event that told of the record last, and its agency; where nobody's word is left, as they are. ERROR_MEMORY.
int work_told_by(Arena *arena, const Dongbo__Record *record, Item *item);
// The agency in whose name it is stored, of any kind of work.
uint32_t work_agency(const Work *work);
// Settles that nothing is stored. `code` is of Refusal or Error, as the outcome says.
void work_settle(Work *work, Outcome outcome, int code, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
// It cannot be finished, and would not be another time: TOO_BIG for want of memory, else the session is over with
// INTERNAL. The sentence for the log is error_text().
void work_give_up(Work *work, int error);
// The person was found by all else that is said, not by a number: they are whom `found` is sure of.
bool item_is_adopted(const Item *item);
// The database refused this event's row: REJECTED/NOT_STORABLE, whatever else it is.
void work_poison(Item *item);
// 64 bits that stand for a record in sets of touched ones; never 0. A collision costs one more look-up.
uint64_t record_hash(int64_t person, int domain, const char *record_key);
