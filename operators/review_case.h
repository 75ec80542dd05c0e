// SPDX-License-Identifier: Apache-2.0
//
// One case of the review queue: the event that a person must look at, those that repeat it, whom it may be about as the
// population store has them now, and what was decided of it. Reads; how it is shown is the printers' (review_text.h,
// review_json.h), and masking is theirs too.
#pragma once

#include "broker/search.h"
#include "operators/comparison.h"
#include "operators/desk.h"
#include "operators/names.h"
#include "proto/base/arena.h"

#define REVIEW_REPEATS_SHOWN 10
#define REVIEW_CHECK_BYTES 5
// Those that a search keeps, whom it was compared with, and the number's bearers.
#define REVIEW_ALTERNATIVES_MAX (SEARCH_MATCHES_MAX + 1 + BEARERS_MAX)
#define REVIEW_NEXT_MAX 6
#define REVIEW_NEXT_BYTES 160

typedef struct ReviewAlternative {
    int64_t person;
    int candidate;       // as `--candidate` counts them, from 1; 0: not one of those that a search found likely
    bool is_bearer;      // the number said is theirs, or was
    const json_t *match; // NULL where nobody weighed them
    // Stands behind the candidate's number: who decides by both means the person whom they were shown, not who came
    // into that place since.
    char check[REVIEW_CHECK_BYTES];
    int row; // of `persons`; -1: the population store has them no more
    Comparison comparison;
} ReviewAlternative;

typedef struct ReviewCase {
    const Rules *rules;
    const Names *names;
    bool unmask;
    int64_t number;                      // the case: position of its first event
    PGresult *events;                    // the one to look at first, then the rest, the latest first
    int64_t n_events, n_open;            // of the whole case
    Arena *arena;                        // of what is decoded
    const Dongbo__ChangeEvent *event;    // NULL where it cannot be read
    const Dongbo__EventVerdict *verdict; // NULL where it cannot be read
    const ProtobufCMessage *body;        // NULL where there is none
    const DomainRules *domain;           // NULL where unknown
    json_t *search;                      // what a search left, NULL for nothing
    PGresult *persons;                   // as the population store has them now
    PGresult *claim;                     // one row (ReviewClaimColumn), or none where nobody works on it
    PGresult *decisions;                 // the latest first (ReviewDecisionColumn)
    const char *record_key;              // of the record that the event is about
    PGresult *records;                   // what the alternatives hold in its domain (review_record.h)
    ReviewAlternative alternatives[REVIEW_ALTERNATIVES_MAX];
    int n_alternatives; // the likeliest first; those whom nobody weighed last
} ReviewCase;

// Of the event that stands for the case: the first one that is open, or the first one.
typedef enum ReviewColumn {
    REVIEW_POSITION,
    REVIEW_SEQUENCE,
    REVIEW_AGENCY,
    REVIEW_DOMAIN,
    REVIEW_FIRST_VERDICT,
    REVIEW_VERDICT,
    REVIEW_OPEN,
    REVIEW_NUMBER, // as claimed
    REVIEW_PERSON, // whom it was compared with
    REVIEW_AT,
    REVIEW_DECIDED_POSITION,
} ReviewColumn;

typedef enum ReviewClaimColumn { REVIEW_CLAIM_OFFICER, REVIEW_CLAIM_UNTIL, REVIEW_CLAIM_MINE } ReviewClaimColumn;
typedef enum ReviewDecisionColumn {
    REVIEW_DECISION,
    REVIEW_ACTION,
    REVIEW_LINKED_TO,
    REVIEW_WHY,
    REVIEW_DECIDED_BY,
    REVIEW_DECIDED_AT,
    REVIEW_STATE,
    REVIEW_OUTCOME,
    REVIEW_OUTCOME_POSITION,
} ReviewDecisionColumn;

// `number` is a case, or the position of any event of one; rules, names and unmask are set.
// 1 when there is none. ERROR_CONFIG, ERROR_DATABASE, ERROR_MEMORY.
int review_case_read(Desk *desk, int64_t number, ReviewCase *ret);
void review_case_free(ReviewCase *of);

int64_t review_case_i64(const ReviewCase *of, ReviewColumn column);
bool review_case_is_open(const ReviewCase *of);
bool review_case_stands(const ReviewCase *of);     // open, and yet in a record: it was accepted before
bool review_case_is_mine(const ReviewCase *of);    // claimed by whoever asks
bool review_case_is_decided(const ReviewCase *of); // by a decision that waits to be carried out
// A person's field as the store has it; "" where it has not.
const char *review_case_held(const ReviewCase *of, const ReviewAlternative *alternative, const char *column);
// In millionths; 0 where nobody weighed them. `nobody`: that it is none of the candidates.
int64_t review_case_posterior(const ReviewAlternative *alternative);
int64_t review_case_nobody(const ReviewCase *of);
// Commands worth trying next, the likeliest first; how many.
int review_case_next(const ReviewCase *of, char next[REVIEW_NEXT_MAX][REVIEW_NEXT_BYTES]);
