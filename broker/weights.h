// SPDX-License-Identifier: Apache-2.0
//
// m learnt from an agency's own events: how often the right person shows each level, counted over events whose person
// is known by the number and by what is independent of the field that is counted. Pure, integers and log2 only: the
// same events give the same weights.
#pragma once

#include "broker/search.h"

#define WEIGHTS_EVENTS_MIN 50 // of a field; of fewer the shipped weights are kept
#define WEIGHTS_PRIOR 200     // as many events of the shipped shares are counted with those that were seen

typedef struct WeightCounts {
    int64_t events;                          // looked at
    int64_t n[SEARCH_FIELDS][SEARCH_LEVELS]; // ... that show a level of a field, where it may be counted
} WeightCounts;

// An event with a well-formed number, and what it shows of that number's bearer. A name is counted where birth date and
// sex agree, a birth date where name and sex do, the sex where name and birth date do, province and parents where name
// and birth date do: never by itself. Numbers are not counted, for they are what the person is known by, nor dates that
// say no day.
void weights_count(WeightCounts *counts, const uint8_t level[SEARCH_FIELDS]);
int64_t weights_counted(const WeightCounts *counts, int field);
// false where too few were counted: the field's weights are the shipped ones, as they are for levels that cannot be
// counted.
bool weights_learn(const WeightCounts *counts, int field, int32_t ret[SEARCH_LEVELS]);
