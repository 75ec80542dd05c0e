// SPDX-License-Identifier: Apache-2.0
//
// Judges proofs of origin as they come with records (PROTOCOL.md, Proofs of origin), by agencies' public signing keys
// that whoever receives has from the agencies, not from the exchange. What is false is an exchange's lie, and nothing
// of its frame may be stored. That a proof is missing proves nothing.
#pragma once

#include "agents/record_origin.h"
#include "proto/base/arena.h"
#include "wire.pb-c.h"

#define ORIGIN_AGENCY_BYTES 32 // longer than any code
#define ORIGIN_KEYS_MAX 256

typedef struct OriginKey {
    char agency[ORIGIN_AGENCY_BYTES]; // whose it is, by its code
    uint8_t key[KEY_BYTES];
} OriginKey;
// "MOH=FILE.pub", as `dongbo log verify --keys` takes it. ERROR_CONFIG.
int origin_key_load(const char *given, OriginKey *ret);

typedef struct OriginJudge OriginJudge;

int origin_judge_new(OriginJudge **ret, const OriginKey *keys, size_t n); // ERROR_CRYPTO, ERROR_MEMORY
void origin_judge_destroy(OriginJudge **judge);
// *ret: for each record of a frame what proves it, NULL where nothing came; good until the next call, and as long as
// frame and arena. 1 when something of it is false, 2 when it is signed with a key that is not known here, as an
// agency's next one may be: origin_judge_text() says what. ERROR_CRYPTO, ERROR_MEMORY.
int origin_judge_frame(OriginJudge *judge, const Dongbo__Records *frame, Dongbo__FeedRecord *const *records,
                       Arena *arena, const RecordOrigin *const **ret);
const char *origin_judge_text(const OriginJudge *judge);
