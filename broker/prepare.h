// SPDX-License-Identifier: Apache-2.0
//
// Everything about a batch that needs no lock: opening and checking it, looking up, deciding, packing. One Prepare
// belongs to one thread and has sessions of its own; it writes nothing. Each prepare worker has one, and so have the
// writer (to look again under its lock) and the re-decider.
#pragma once

#include "broker/decide.h"
#include "broker/stats.h"
#include "proto/base/clock.h"
#include "proto/base/pg.h"

typedef struct PrepareOptions {
    const char *exchange, *population; // conninfo; the exchange's may be NULL when `exchange_session` is given
    Pg *exchange_session;              // not owned: the writer looks up inside its own transaction
    const char *name;                  // of the sessions
    const Rules *rules;
    const Clock *clock;
    Stats *stats;
} PrepareOptions;

typedef struct Prepare Prepare;
int prepare_new(Prepare **ret, const PrepareOptions *options); // connects on first use
void prepare_destroy(Prepare **prepare);
Pg *prepare_exchange(Prepare *prepare);
Pg *prepare_population(Prepare *prepare);
const Rules *prepare_rules(const Prepare *prepare);
// Of an ERROR_DATABASE: a database is away, or cannot just now; otherwise the same would fail again.
bool prepare_is_passing(const Prepare *prepare);
void prepare_note_passing(Prepare *prepare); // where it is not the database's word
void prepare_forget_failure(Prepare *prepare);

// Opens the batch: signature, root, sequences. Settles the work when nothing of it can be stored. ERROR_MEMORY.
int prepare_open(Prepare *prepare, Work *work);
// Looks up and decides all items, and packs what is to be stored. May be called again after ERROR_DATABASE.
int prepare_decide(Prepare *prepare, Work *work);
// Looks up again for stale items only, and decides the whole work again. Leaves positions and packing to the caller.
int prepare_again(Prepare *prepare, Work *work);
// Looks whether what holds nowhere came before, and says so. Part of prepare_again().
int prepare_repeats(Prepare *prepare, Work *work);
// Decides the whole work again from what was looked up before.
int prepare_merge(Prepare *prepare, Work *work);
// A batch may have been prepared for long when one of its keys is revoked: it is stored with both, or settled here.
// Whether both hold.
bool prepare_keys_hold(Work *work, bool transport, bool signer);
// Some event of it changes the population store, so that it is packed only once the store has been changed.
bool prepare_changes_population(const Work *work);
