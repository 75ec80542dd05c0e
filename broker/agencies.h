// SPDX-License-Identifier: Apache-2.0
//
// Who may speak, with which keys and for what: read from the exchange as one immutable, counted snapshot, so that each
// batch is judged by one version from beginning to end. Refuses nothing itself; ZAP and verify do.
#pragma once

#include "broker/search.h"
#include "broker/verify.h"
#include "proto/base/pg.h"
#include "proto/zap.h"

// One that is retired is kept for KEY_GRACE_DAYS more, for what was sealed before. One that is revoked never is:
// whoever has it can write any time into what they seal.
typedef struct AgencyKey {
    uint8_t key[KEY_BYTES];
    char id[17];
    int64_t until_us; // what was sealed later is not this agency's word; INT64_MAX: it holds
} AgencyKey;

typedef struct Agency {
    Grants grants;
    const AgencyKey *keys; // Ed25519
    size_t n_keys;
    const SearchWeights *weights; // learnt of its events; NULL: the shipped ones
} Agency;

typedef struct Agencies Agencies;
// A grant that cannot be read is an error, never a wider grant. ERROR_DATABASE, ERROR_MEMORY.
int agencies_read(Agencies **ret, Pg *pg);
Agencies *agencies_ref(Agencies *agencies);
void agencies_unref(Agencies **agencies);
const Agency *agencies_find(const Agencies *agencies, uint32_t agency); // NULL when unknown or disabled
// By ZAP user id, "agency:3:<hex of the transport key's first 8 bytes>"; NULL when that key is no longer allowed.
const Agency *agencies_of_user(const Agencies *agencies, const char *user);
// That transport key, of anybody; NULL likewise.
const uint8_t *agencies_transport(const Agencies *agencies, const char *user);
const AgencyKey *agency_key(const Agency *agency, const char *key_id); // NULL when unknown
// Every transport key that may connect, of agencies and subscriptions ("subscription:7:…").
const ZapKey *agencies_zap(const Agencies *agencies, size_t *ret_n);
bool agencies_equal(const Agencies *a, const Agencies *b);
