// SPDX-License-Identifier: Apache-2.0
//
// Rows of exchange.erasure are an administrator's word. Each is held against the entry at its position before anything
// goes for it: an event's word leaves its record only by a row that names that event where it stands in the log.
#pragma once

#include "proto/base/arena.h"
#include "proto/base/pg.h"

// Columns of the rows. STANDS is who has the record now, UNTOLD that others of it were logged, and may have changed
// what nobody was told; the rest is as it was ordered.
enum {
    ERASING_POSITION,
    ERASING_AGENCY,
    ERASING_LEAF,
    ERASING_ORDERED,
    ERASING_REQUESTED_BY,
    ERASING_STANDS,
    ERASING_DOMAIN,
    ERASING_RECORD_KEY,
    ERASING_EVENT_ID,
    ERASING_EVENT_TIME,
    ERASING_PERSON,
    ERASING_ABOUT,
    ERASING_STREAM,
    ERASING_SEQUENCE,
    ERASING_UNTOLD
};

// Of the first n rows, in rising position and all of one record or none: *ret, in the arena, is why each is refused, or
// NULL where it fits. ERROR_DATABASE, ERROR_MEMORY.
int erasing_fit(Pg *exchange, Arena *arena, const PGresult *rows, int n, const char ***ret);
// Notes those as refused, and says so in the log.
int erasing_refuse(Pg *exchange, const PGresult *rows, int n, const char *const *reasons);
