// SPDX-License-Identifier: Apache-2.0
//
// Who turned out to be dead, or to be somebody who is: their current records are held against their life anew
// (exchange.judging), by the same rules as if they had only come now. Which records are contradicted is found here, a
// page at a time and without a lock; broker/redecide_lives.c has the events decided that they are by.
#pragma once

#include "broker/decide.h"
#include "broker/prepare.h"
#include "broker/testimony.h"

#define JUDGING_PERSONS_MAX 200 // at once
#define JUDGING_RECORDS_MAX 500 // ... of their records
#define JUDGING_WORDS_MAX 16    // of events in one record

// Notes whose records are to be judged because of the work: its deaths, and what it took out of records. In the
// writer's transaction, once positions are known; asks nothing of works without.
int judging_note(Pg *exchange, const Work *work);

// Some who wait, from the front, and how far their records have been looked at.
typedef struct Judging {
    Prepare *prepare;
    Arena *arena; // what is found, until the next page
    PGresult *waiting;
    int64_t at; // of the waiting, from 1
    int domain;
    char record_key[RECORD_KEY_BYTES_MAX + 1];
} Judging;

// An event that may contradict the life of the person in whose record its word stands.
typedef struct Contradiction {
    Testimony by;
    int64_t because; // position of the event because of which
    const Person *person;
    const Dongbo__Record *record;
} Contradiction;

// 1 when nobody waits. ERROR_DATABASE, ERROR_MEMORY.
int judging_begin(Judging *judging);
// The next page's: *ret_n of them, in the arena; fewer records where they are large, and one that does not fit even
// alone is named in the log and passed over. 1 when there is no further page.
int judging_next(Judging *judging, Contradiction **ret, size_t *ret_n);
// Notes that they are done with.
int judging_done(Judging *judging);
void judging_end(Judging *judging); // frees what judging_begin() made
