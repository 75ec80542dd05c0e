// SPDX-License-Identifier: Apache-2.0
//
// What a batch needs to know from the databases, one query per kind for all of its events: persons by number, and the
// current version of each record. Only reads.
#pragma once

#include "broker/item.h"
#include "proto/base/pg.h"

// Fills item->person (NULL where not found) for every item with `wanted` set, by present numbers: lookup_bearers() goes
// on from there. ERROR_DATABASE, ERROR_DATA, ERROR_MEMORY.
int lookup_persons(Pg *population, Work *work);
// Fills item->found for every item with `wanted` set; each has a subject with a name. One query for some dozens of
// them; NULL where the store has no model to judge by. `waiting`, or NULL, is a session in a transaction that would end
// for idleness meanwhile: it is spoken to between two queries.
int lookup_candidates(Pg *population, const Rules *rules, Pg *waiting, Work *work);
// Fills item->read (NULL where there is none, RECONCILE_UNREADABLE where it does not decode) for every item with
// `wanted` set; each has a person and a record key.
int lookup_records(Pg *exchange, Work *work);
// Fills the neighbourhoods with `wanted` set, from all versions (`before` INT64_MAX: the broker), or from those before
// it that an operator is shown, and with them item->read of the wanted items that have one of these, which are not
// wanted any more then.
int lookup_neighbours(Pg *exchange, Work *work, int64_t before);
// Which of the items with `wanted` set are among the latest versions of their record already: `repeated`.
int lookup_repeats(Pg *exchange, Work *work);
// Connects when needed, and sees to it that look-ups go by index: a plan made while a table was small is kept, and
// would read all of it long after it has grown.
int lookup_connect(Pg *pg);
// The population store's own clock.
int lookup_population_position(Pg *population, Place *ret);
// The last position given out, 0 for an empty log.
int lookup_head_position(Pg *exchange, Place *ret);

// Of population.citizen c, or of rows like it, behind one column of the statement's own.
#define LOOKUP_PERSON_COLUMNS                                                                                                  \
    "c.person, rtrim(c.citizen_number, '-'), c.full_name, c.birth_date, c.sex, c.residence_province, c.residence_province63, " \
    "c.died_on, c.mother_name"
Person lookup_person(const PGresult *rows, int row); // its texts are the row's
typedef struct LookupKeys {
    const int64_t *list;
    size_t n;
} LookupKeys;
// The persons with these keys, as far as the store has them; in the arena. ERROR_DATABASE, ERROR_MEMORY.
int lookup_keys(Pg *population, Arena *arena, const LookupKeys *keys, Person **ret, size_t *ret_n);
// Texts are copied into the arena. ERROR_MEMORY.
int lookup_read_person(Arena *arena, const PGresult *rows, int row, Person *ret);
// Somebody who is in the store no more: number, residence and its 63-code stand in columns `at` to `at` + 2.
int lookup_read_gone(Arena *arena, const PGresult *rows, int row, int at, Person *ret); // likewise; not the key
const char *lookup_read_text(Arena *arena, const PGresult *rows, int row, int column);  // NULL for want of memory
