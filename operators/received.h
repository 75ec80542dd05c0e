// SPDX-License-Identifier: Apache-2.0
//
// Files of JSON lines that `dongbo-agent receive` wrote with proofs of origin, in the forms plain and json: the proof
// of each record, checked offline.
#pragma once

#include "operators/log_proof.h"

typedef struct ReceivedCheck {
    const LogProofKeys *keys;
    Arena *arena; // reset for each line
    bool json;
} ReceivedCheck;
#define RECEIVED_NOT 2
// Prints what was found. 0: every proof is good, and there was one. 1: not so. RECEIVED_NOT: the file does not begin as
// a line of JSON does, and nothing was printed. ERROR_CONFIG: it cannot be read, or is of something else.
int received_check(const char *path, const ReceivedCheck *check);
