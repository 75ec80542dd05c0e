// SPDX-License-Identifier: Apache-2.0
//
// Numbered migrations, forward only: NNNN_name.sql from 0001 on, each in a transaction of its own with the row that
// remembers it. Run twice they do no harm. Refuses a database that is newer than the files, and a file that was
// changed after it had been applied.
#pragma once

#include "proto/base/pg.h"

#include <stdio.h>

typedef enum MigrationStore { MIGRATION_EXCHANGE, MIGRATION_POPULATION } MigrationStore;

// Applies what is missing from schemas_dir/exchange or .../population, with the session of somebody who may. One at a
// time, by an advisory lock. Says each step on `said`. *ret_applied how many. ERROR_CONFIG, ERROR_DATABASE,
// ERROR_DATA.
int migration_apply(Pg *pg, MigrationStore store, const char *schemas_dir, FILE *said, int *ret_applied);
