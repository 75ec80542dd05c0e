// SPDX-License-Identifier: Apache-2.0
//
// Files of JSON lines that `dongbo-agent receive` wrote with proofs of origin, in the forms plain and json: the proof
// of each record, checked offline, and each record against the event that its proof tells (proto/origin.h). A forger
// may have written every byte of such a file. What it cannot show is that no line is missing, and in which order they
// came: positions, names of records and persons, and where snapshots begin, are the exchange's word and the receiver's.
#pragma once

#include "operators/log_proof.h"

typedef struct ReceivedCheck {
    const LogProofKeys *keys;
    Arena *arena; // reset for each line
    bool json;
    bool all; // what no event proves is wrong, too: records without one, and fields that other events said
} ReceivedCheck;
#define RECEIVED_NOT 2
// Prints what was found. 0: every proof is good, there was one, and no record says otherwise than its event. 1: not so.
// RECEIVED_NOT: the file does not begin as a line of JSON does, and nothing was printed. ERROR_CONFIG: it cannot be
// read, or is of something else.
int received_check(const char *path, const ReceivedCheck *check);
