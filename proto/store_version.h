// SPDX-License-Identifier: Apache-2.0
//
// Whether a database is one that this program can work with: set up by `dongbo init`, at the migration that this
// program was written for, and open to the role of this session. Each refusal says what to do.
#pragma once

#include "proto/base/pg.h"

// How many migrations schemas/ has. A new one is one more here; a test holds that.
#define STORE_VERSION_EXCHANGE 52

#define STORE_VERSION_POPULATION 17

typedef enum StoreUse {
    STORE_EXCHANGE_READ,    // operators
    STORE_EXCHANGE_WRITE,   // the broker
    STORE_POPULATION_READ,  // somebody else's store has no migrations: it is taken as it is
    STORE_POPULATION_WRITE, // its version is not looked at, for its role may not
} StoreUse;

// On a session that is connected; reading a population store of ours, also whether its names are folded as this program
// folds them. ERROR_CONFIG when this cannot go well before somebody mends it, ERROR_DATABASE.
int store_version_check(Pg *pg, StoreUse use);
// Only that, of a store of ours, for whoever is to write folded names.
int store_fold_check(Pg *pg);
