// SPDX-License-Identifier: Apache-2.0
//
// Proofs about the log, as files, and checked without it; broker/log_path.h makes what they are of. What a proof file
// is, says PROTOCOL.md, Proofs.
#pragma once

#include "broker/log_path.h"
#include "log.pb-c.h"
#include "proto/base/pg.h"
#include "proto/keys.h"
#include "proto/proof.h"

#define LOG_PROOF_BYTES_MAX ((size_t)1024 * 1024) // of a file

// ---- heads

// A signed head by its number, 0: the newest. Points into *ret_rows, which the caller clears. 1 when there is none.
int log_proof_head(Pg *exchange, int64_t number, PGresult **ret_rows, Dongbo__SignedHead *ret);
int log_proof_tree(const Dongbo__SignedHead *head, Arena *arena, const Dongbo__TreeHead **ret); // ERROR_DATABASE

// What a command that reads the log ends with: a failure that is no fault of the session, for a row cannot be read or
// contradicts what was signed, is said, and 1: the log is broken there.
int log_proof_end(const Pg *exchange, int r);

// ---- as a file

int log_proof_write(const char *path, const Dongbo__Proof *proof); // "-": standard output. ERROR_CONFIG, ERROR_SYSTEM
// 1 when it is none: error_text() says what is wrong with it. ERROR_CONFIG: it cannot be opened.
int log_proof_read(const char *path, Arena *arena, const Dongbo__Proof **ret);
int log_proof_parse(const uint8_t *data, size_t n, Arena *arena, const Dongbo__Proof **ret); // 1 when it is none

// ---- checked

typedef enum LogProofSignature { LOG_PROOF_NO_KEY, LOG_PROOF_GOOD, LOG_PROOF_BAD, LOG_PROOF_NONE } LogProofSignature;
typedef struct LogProofCheck {
    const char *wrong; // what does not fit; NULL: all does
    LogProofSignature head, older, agency, receipt;
    char head_key[KEY_ID_TEXT_BYTES], older_key[KEY_ID_TEXT_BYTES], agency_key[KEY_ID_TEXT_BYTES];
    const Dongbo__TreeHead *tree, *older_tree; // in the arena
    const Dongbo__BatchHeader *batch;          // of an event that stands for itself; likewise
    const char *agency_who;                    // by `who` of the agency's key; "": unknown
    bool has_content;
} LogProofCheck;
#define LOG_PROOF_EXCHANGE "exchange"
#define LOG_PROOF_WHO_BYTES 32 // as in key_given.h
typedef struct LogProofKeys {
    const uint8_t (*keys)[KEY_BYTES];
    size_t n;
    // Whose each is: LOG_PROOF_EXCHANGE, for heads and receipts alone; an agency's code, for batches alone; "": either.
    // NULL: nobody's is known.
    const char (*who)[LOG_PROOF_WHO_BYTES];
} LogProofKeys;
// ERROR_CRYPTO, ERROR_MEMORY.
int log_proof_check(const Dongbo__Proof *proof, const LogProofKeys *keys, Arena *arena, LogProofCheck *ret);
// That nothing of it is wrong, and all that it says is signed by keys that were given.
bool log_proof_is_good(const LogProofCheck *check);
