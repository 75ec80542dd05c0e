// SPDX-License-Identifier: Apache-2.0
//
// What a record was on a day, from its versions. Two times are kept apart, and the caller chooses both: what was
// *known* is which versions are handed over (those stored by an instant), what was *true* is as_of, held against event
// times.
//   A change holds from its event time on.
//   A correction holds from when the value that it corrects began to: that was wrong all along. Where nothing had been
//   said of the field, from the record's beginning; of a person, for whom the population store knew it, always.
//   A retraction holds always: the record never was true, and only what was said of it later counts.
//   An event's word that was taken back (broker/withdraw.h) holds never, as far as it had been stored by then.
// Of what holds on that day, each field has what reconcile.h gives it. Pure; the order of the versions says nothing but
// that.
#pragma once

#include "broker/rules.h"
#include "proto/base/arena.h"
#include "store.pb-c.h"

typedef struct HistoryQuestion {
    const DomainRules *rules;
    Arena *arena;
    // Of one record, superseded ones too, as they were stored; those of persons who were merged into its person first.
    const Dongbo__Record *const *versions;
    size_t n;
    int64_t as_of_us; // INT64_MAX: whatever was said
} HistoryQuestion;

typedef struct HistoryAnswer {
    const Dongbo__Record
        *record; // NULL: nothing had been said by then; else with body and origins as if it were stored
    const ProtobufCMessage *body; // record's, decoded
} HistoryAnswer;

// ERROR_MEMORY; 1 when a version's bytes are unreadable.
int history_read(const HistoryQuestion *question, HistoryAnswer *ret);
// As that, and a record also where nothing is said any more: of the retractions, or of nobody's word. There is a
// version.
int history_rest(const HistoryQuestion *question, HistoryAnswer *ret);

// Whether it says, among what a version's event said of others, that an event's word in earlier versions does not
// count.
bool history_takes_back(const Dongbo__Origin *origin);

// Where a field of a record's body comes from; NULL where nobody said anything of it.
const Dongbo__Origin *history_origin(const Dongbo__Record *record, unsigned field, bool *ret_cleared);
