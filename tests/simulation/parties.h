// SPDX-License-Identifier: Apache-2.0
//
// Who takes part: brokers, agencies' agents, committees' receivers. Each is a party that is started, dies or ends, and
// is started again, as its service manager would; its files, and what its own application remembers, stay.
#pragma once

#include "world.h"

typedef struct Party Party;

typedef struct PartiesPlan {
    int n_brokers, n_agents, n_committees; // the last agent is the population centre's
    bool provinces;                        // the last committee sees some of them only
    bool follows;                          // the first one follows some persons only
} PartiesPlan;

// Keys and a scratch directory, once for all runs.
void parties_open(const char *schemas);
void parties_close(void);

void parties_begin(const PartiesPlan *plan);
void parties_end(void);
size_t parties_count(void);
Party *party_at(size_t i);

typedef enum PartyKind { PARTY_BROKER, PARTY_AGENT, PARTY_COMMITTEE } PartyKind;
PartyKind party_kind(const Party *party);
const char *party_name(const Party *party);
bool party_is_centre(const Party *party); // the population centre's agent
Process *party_process(Party *party);     // NULL while it is down
bool party_is_up(const Party *party);
// Ends now, or at one of its next waits; is down for so long. `power`: what is not synced goes, too.
void party_kill(Party *party, int64_t waits, int64_t down_us, bool power);
// A committee's receiver ends, and is started with --from snapshot.
void party_want_snapshot(Party *party);
// An agent's machine: its disk is full; a backup is made of it, and brought back.
void party_fill_disk(Party *party, int64_t until_us);
void party_back_up(Party *party);
void party_set_back(Party *party);
void parties_forget_lists(void); // the exchange's database was set back: whoever keeps a list says all of it again
void party_lose(Party *party);   // its spool is gone: its application reads its source again
// No sink fails any more. Each agent has a little more to say, so that sessions without a fault are used.
void parties_calm(void);
// An agent's spool is empty, or a committee holds what it must. NULL, or what is missing.
const char *party_missing(const Party *party);
