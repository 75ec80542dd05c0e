// SPDX-License-Identifier: Apache-2.0
//
// What an agency was told of lately about the persons of a batch. Only reads.
#pragma once

#include "broker/item.h"
#include "proto/base/pg.h"

// Fills item->guesses of stale events that guesses_concern(): of those in which something differs, and of all where the
// agency has come to GUESSES_MAX with anybody. ERROR_DATABASE, ERROR_DATA, ERROR_MEMORY.
int lookup_guesses(Pg *exchange, Work *work);
