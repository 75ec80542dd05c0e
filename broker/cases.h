// SPDX-License-Identifier: Apache-2.0
//
// Which exceptions ask a reviewer the same question. A case is all open ones of one key: the same agency says the same
// of its person, and of the same record of theirs; or it is told no more of a person (broker/guesses.h). Pure; who
// stores the rows asks the database which keys are open.
#pragma once

#include "broker/rules.h"
#include "proto/base/bytes.h"

#define CASE_KEY_BYTES 16

// Of agency, domain, subject and the record's key fields, as said. All of a population event's body is its key: what
// differs there is another change.
void cases_key(const Rules *rules, uint32_t agency, const Dongbo__ChangeEvent *event, uint8_t out[CASE_KEY_BYTES]);

// Of agency, domain and person, of whom whatever is said is held: one question, however much is tried.
void cases_held_key(uint32_t agency, int domain, int64_t person, uint8_t out[CASE_KEY_BYTES]);

// COPY rows of exceptions begin with position, case and key; the last two are null in those that are in nobody's
// question. The case is written in late.
void cases_put(Bytes *rows, const uint8_t key[CASE_KEY_BYTES]); // NULL: none

typedef struct CaseRow {
    const uint8_t *key;
    uint8_t *review_case; // 8 bytes, to be written
    int64_t position;
} CaseRow;
typedef struct Cases {
    CaseRow *rows; // sorted by key, then position; they point into the COPY rows
    size_t n;
} Cases;
// Rows whose positions are in place. ERROR_MEMORY.
int cases_read(Bytes *rows, Cases *ret);
void cases_free(Cases *cases);
// The rows from `from` on that share its key end before this.
size_t cases_end(const Cases *cases, size_t from);
// They all join the case; the first one begins it where it is 0.
void cases_join(const Cases *cases, size_t from, int64_t review_case);
