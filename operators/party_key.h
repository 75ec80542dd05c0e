// SPDX-License-Identifier: Apache-2.0
//
// A party's keys: `dongbo agency key` and `dongbo subscription key` add, list, retire and revoke them. A key file's
// transport and signing key come together, and go together unless one of them is asked for. Nothing is deleted: what
// was signed with a revoked key stays provable.
#pragma once

#include "operators/party.h"

// What PartyKind.keys selects for the list: one row for the keys that came together. `owner` is the party's table and
// key, `name` what it is called by.
#define PARTY_KEYS(owner, name)                                                                                        \
    "SELECT p." name ", min(exchange.key_id(k.key)) FILTER (WHERE k.purpose = 'ed25519'), "                            \
    "min(exchange.key_state(k)) FILTER (WHERE k.purpose = 'ed25519'), "                                                \
    "min(exchange.key_id(k.key)) FILTER (WHERE k.purpose = 'curve'), "                                                 \
    "min(exchange.key_state(k)) FILTER (WHERE k.purpose = 'curve'), "                                                  \
    "k.valid_from, max(k.valid_to), max(k.revoked_at), min(k.added_by) FROM exchange.key k "                           \
    "JOIN exchange." owner " p ON p." owner " = k." owner " GROUP BY p." name ", k.valid_from "                        \
    "ORDER BY p." name ", k.valid_from"

// The whole command, given its words.
int party_key_add(Desk *desk, int argc, char **argv, const PartyKind *kind);
int party_key_list(Desk *desk, int argc, char **argv, const PartyKind *kind);
int party_key_retire(Desk *desk, int argc, char **argv, const PartyKind *kind);
int party_key_revoke(Desk *desk, int argc, char **argv, const PartyKind *kind);
