// SPDX-License-Identifier: Apache-2.0
//
// A party's keys: `dongbo agency key` and `dongbo subscription key` add, list and revoke them. A key file's transport
// and signing key come and go together, under the id of the signing key. Nothing is deleted: what was signed with a
// revoked key stays provable.
#pragma once

#include "operators/party.h"

// What PartyKind.keys selects for the list: the party's name `name`, and of each signing key its id, since when it
// holds and when it was revoked. `owner` is the party's table and key.
#define PARTY_KEYS(owner, name)                                                                                        \
    "SELECT p." name ", encode(substr(sha256(k.key), 1, 8), 'hex'), k.valid_from, k.revoked_at FROM exchange.key k "   \
    "JOIN exchange." owner " p ON p." owner " = k." owner " WHERE k.purpose = 'ed25519' "                              \
    "ORDER BY p." name ", k.valid_from, k.key"

// The whole command, given its words.
int party_key_add(Desk *desk, int argc, char **argv, const PartyKind *kind);
int party_key_list(Desk *desk, int argc, char **argv, const PartyKind *kind);
int party_key_revoke(Desk *desk, int argc, char **argv, const PartyKind *kind);
