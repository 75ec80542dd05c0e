// SPDX-License-Identifier: Apache-2.0
//
// A party's keys: `dongbo agency key` and `dongbo subscription key` add, list and revoke them. A key file's transport
// and signing key come and go together, under the id of the signing key. Nothing is deleted: what was signed with a
// revoked key stays provable.
#pragma once

#include "operators/party.h"

// The whole command, given its words.
int party_key_add(Desk *desk, int argc, char **argv, const PartyKind *kind);
int party_key_list(Desk *desk, int argc, char **argv, const PartyKind *kind);
int party_key_revoke(Desk *desk, int argc, char **argv, const PartyKind *kind);
