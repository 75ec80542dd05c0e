// SPDX-License-Identifier: Apache-2.0
//
// A log's signed heads as one chain (PROTOCOL.md, Witnesses): keeps the last head that was found good, and judges what
// an exchange shows next: signatures, numbers, that each names the one before, and that the log went on from there and
// was not written anew. Believes nothing but the keys that it knows, and those that such a log announced. Pure.
#pragma once

#include "proto/cosigned.h"
#include "proto/keys.h"

typedef enum ChainVerdict {
    CHAIN_NOTHING,   // as it was: nothing was signed since
    CHAIN_BEGINS,    // the first head: nothing is known of what was before it
    CHAIN_GOES_ON,   // to a newer head
    CHAIN_BEHIND,    // it shows no way on from the last head; it may do so in a moment
    CHAIN_SET_BACK,  // of a later epoch, which does not know the last head any more
    CHAIN_BROKEN,    // two heads contradict each other
    CHAIN_UNPROVEN,  // the newer head follows by its name, and its log does not begin with the older one's
    CHAIN_NO_KEY,    // signed by a key that is not known, or that the log did not announce
    CHAIN_NO_ANSWER, // malformed, or not signed as it says: nothing follows from it
} ChainVerdict;

typedef struct ChainJudgement {
    ChainVerdict verdict;
    const char *why;                // for people; NULL where the verdict says all
    Cosigned older, newer;          // where there are two: what speaks against each other
    char key_id[KEY_ID_TEXT_BYTES]; // CHAIN_NO_KEY: which
    bool more;                      // CHAIN_GOES_ON: newer heads are there to be asked for
} ChainJudgement;

typedef struct Chain Chain;
// sign_keys: the exchange's, KEY_BYTES each: its present one, and one that it may go over to (the same again, or NULL).
// ERROR_CRYPTO, ERROR_MEMORY.
int chain_new(Chain **ret, const uint8_t *const sign_keys[2]);
// Another one that it may go over to, besides those. ERROR_CRYPTO, ERROR_MEMORY.
int chain_know(Chain *chain, const uint8_t sign_key[KEY_BYTES]);
void chain_destroy(Chain **chain);
// Goes on from a head that was found good before. 1 when that cannot be read. ERROR_CRYPTO, ERROR_MEMORY.
int chain_resume(Chain *chain, const Cosigned *last);
// Of the last head: what AskHeads asks; zeros before the first.
void chain_place(const Chain *chain, uint64_t *ret_number, uint64_t *ret_size);
// Whether these bytes are signed, in this domain, by a key that is known: 0; 1 when not.
int chain_check(const Chain *chain, const char *domain, ProtobufCBinaryData bytes, ProtobufCBinaryData signature);
// Judges an answer to that question. Takes its last head over where it begins or goes on. ERROR_CRYPTO, ERROR_MEMORY.
int chain_take(Chain *chain, const Dongbo__Heads *answer, ChainJudgement *ret);
// Begins anew with the newest head of an answer, which somebody has decided to go on from. As chain_take().
int chain_begin(Chain *chain, const Dongbo__Heads *answer, ChainJudgement *ret);
// The last head, and its tree; NULL before the first.
const Cosigned *chain_last(const Chain *chain, const Dongbo__TreeHead **ret_tree);
