// SPDX-License-Identifier: Apache-2.0
//
// What the persons who may be meant hold already in the event's domain: whose the event is, and whether it can be, is
// often plain from that. Current versions only; `dongbo citizen` has the rest.
#pragma once

#include "operators/review_case.h"

#define REVIEW_RECORDS_SHOWN 6 // of one person

typedef struct ReviewRecord {
    const char *key;
    bool is_same;                 // the record that the event is about
    const ProtobufCMessage *body; // NULL where it cannot be read
} ReviewRecord;

// Of every alternative at once, into `records`. ERROR_DATABASE, ERROR_MEMORY.
int review_record_read(Pg *exchange, ReviewCase *of);
// How many this person has, those that are not shown too.
int64_t review_record_count(const ReviewCase *of, const ReviewAlternative *alternative);
// The n-th of theirs, from 0, the one that the event is about first. 1: there are no more that are shown.
int review_record_get(const ReviewCase *of, const ReviewAlternative *alternative, int n, ReviewRecord *ret);
