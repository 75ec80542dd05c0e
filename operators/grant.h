// SPDX-License-Identifier: Apache-2.0
//
// A subscription and its rights in the database: found, added, changed from a position on.
#pragma once

#include "operators/party.h"
#include "operators/rights.h"

extern const PartyKind GRANT_PARTY; // subscriptions

typedef struct Grant {
    int32_t subscription; // 0: there is none of this name
    char name[SUBSCRIPTION_NAME_BYTES_MAX + 1];
    char subscriber[POLICY_TEXT_BYTES_MAX + 1];
    char state[16];
    Rights rights;   // the newest
    const char *why; // grant_change(): the operator's reason for it; NULL: none
} Grant;

// No such subscription is no error. ERROR_DATABASE, ERROR_MEMORY.
int grant_find(Pg *exchange, const char *name, Grant *ret);
// Adds it with its first rights, and the keys of that file. *ret_position: from which they hold. ERROR_CONFIG,
// ERROR_DATABASE.
int grant_add(Desk *desk, const Grant *grant, const char *key, int64_t *ret_position);
// Its next rights, unless they are those it has, and what its holder is called. ERROR_CONFIG, ERROR_DATABASE.
int grant_change(Pg *exchange, const Grant *was, const Grant *now, int64_t *ret_position);
