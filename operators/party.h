// SPDX-License-Identifier: Apache-2.0
//
// What `dongbo agency` and `dongbo subscription` have in common: to add, list, disable and enable. Each change is one
// transaction under the log's lock (policy.h).
#pragma once

#include "operators/columns.h"
#include "operators/policy.h"

typedef struct PartyKind {
    const char *word; // "agency" | "subscription"
    bool is_agency;
    const PgStatement *list;
    // Gives (key, changed) of the party by ($1 name, $2 state), no row when there is none.
    const PgStatement *set_state;
    const PgStatement *find;     // its key by its name
    const PgStatement *keys;     // party_key.h's list
    const char *const *headings; // of the list's columns
    int n_headings;
    int (*row)(const PGresult *result, int row, Columns *columns); // adds its cells
    json_t *(*json)(const PGresult *result, int row);
} PartyKind;

// The whole command, given its words.
int party_list(Desk *desk, int argc, char **argv, const PartyKind *kind);
// Sets change->agency or change->subscription. 1, and said, when there is no such party.
int party_find(Pg *exchange, const PartyKind *kind, const char *name, PolicyChange *change);
// Says what became of it. 1 when there is no such party.
int party_set_state(Desk *desk, int argc, char **argv, const PartyKind *kind, const char *state);

typedef struct PartyAddition {
    const PartyKind *kind;
    const char *name;
    const char *key; // FILE.pub; read before anything is locked. NULL: it has none yet
    // Writes what is its own, and sets change->agency or change->subscription.
    int (*insert)(const void *self, Pg *exchange, PolicyChange *change);
    const void *self;
} PartyAddition;
// What two people compare by voice once keys have come by a way that somebody may have had a hand in.
void party_tell_keys(const Keys *keys);
// *ret_position: from which it holds.
int party_add(Desk *desk, const PartyAddition *addition, int64_t *ret_position);
