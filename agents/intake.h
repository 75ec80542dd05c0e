// SPDX-License-Identifier: Apache-2.0
//
// Where a source puts its rows: mapped and sealed into the spool, or refused on the spot with a reason. One per source.
// Never stops at a row, and never drops one: what cannot be an event becomes a result to hand back.
#pragma once

#include "proto/base/csv.h"
#include "agents/map.h"
#include "agents/sealer.h"

#include <stdbool.h>

// A transaction of the spool takes about so many batches, or rows refused.
#define INTAKE_BATCHES_MAX 8
#define INTAKE_ROWS_MAX 8192

typedef struct Intake {
    Spool *spool;
    const Map *map;
    Sealer *sealer;
    Arena *arena;                 // for one row at a time
    int rows;                     // taken since the transaction began
    uint64_t n_events, n_refused; // since the start
} Intake;

// One row. `item` says where it is.
int intake_row(Intake *intake, const MapRow *row, const Item *item);

// A row that cannot even be read as one, or a file: code and what to tell its keeper.
typedef struct IntakeFault {
    int code;
    const char *field;
    const char *vi, *en;
} IntakeFault;
int intake_refuse(Intake *intake, const Item *item, const IntakeFault *fault);

// True when the spool's transaction should be committed before more is read.
bool intake_is_full(const Intake *intake);
