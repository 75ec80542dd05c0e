// SPDX-License-Identifier: Apache-2.0
//
// What subscribers ask of their lists (exchange.follow_request) takes effect: whom they follow from a position of the
// log on, or no longer, and the entries by which they, and nobody else, get these persons' records or let them go. As
// with retellings nothing about the records changes, so there is no new version.
#pragma once

#include "broker/prepare.h"

#define FOLLOWING_PERSONS_MAX 250  // of one work
#define FOLLOWING_RECORDS_MAX 1000 // ... but always those of one person
#define FOLLOWING_BYTES_MAX (4 * 1024 * 1024)

// Makes the work's items, from requests of advance->subscription about persons behind advance->person, which then is
// the last one; advance->rows says how many are carried out, 0 when none can be now. Under the log's lock: what is told
// is what holds. Persons who live elsewhere now, and those who are merged into others, wait until that has been told.
// ERROR_DATABASE, ERROR_MEMORY.
int following_build(Prepare *prepare, Pg *exchange, Work *work);
// Notes whom the subscription follows from `position` on, and that the requests are done with.
int following_done(Pg *exchange, const Work *work, uint64_t position);
// All records of the work's link have gone over: who followed the one who went follows the one who stays. Asks for
// that.
int following_moved(Pg *exchange, const Work *work);
