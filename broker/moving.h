// SPDX-License-Identifier: Apache-2.0
//
// The records of somebody who was found to be another person go over to that one: field by field as if all events had
// been about them (broker/unite.h). A work at a time, read and made under the log's lock, so that nothing else moves.
#pragma once

#include "broker/prepare.h"

#define MOVING_RECORDS_MAX 500 // of one work

// Makes the work's items of its link, from the records that are left to move; none when all are. Settled as
// OUTCOME_NOTHING while the store does not have the person who stays. ERROR_DATABASE, ERROR_MEMORY.
int moving_build(Prepare *prepare, Pg *exchange, Work *work);
// Notes that nothing is left, and that whoever was taken for the one who went is the one who stays.
int moving_done(Pg *exchange, const Work *work);
