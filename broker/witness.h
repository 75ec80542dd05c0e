// SPDX-License-Identifier: Apache-2.0
//
// What is answered to whoever follows the log's signed heads from outside (PROTOCOL.md, Witnesses): the next heads
// behind the one that they know, a proof that the log went on from there, and of a new key where the log announced it.
// Nothing of anybody's data. Reads on a session of its own; judges nothing, for whoever asks does.
#pragma once

#include "proto/base/arena.h"
#include "wire.pb-c.h"

typedef struct Witness Witness;
int witness_new(Witness **ret, const char *exchange); // conninfo, copied. ERROR_CONFIG, ERROR_CRYPTO, ERROR_MEMORY
void witness_destroy(Witness **witness);
// The answer, in the arena, until the next one. A log that was damaged gives no proof. ERROR_DATABASE, ERROR_MEMORY.
int witness_answer(Witness *witness, const Dongbo__AskHeads *ask, Arena *arena, Dongbo__Heads *ret);
void witness_drop(Witness *witness); // after a failure: the next answer begins with a new session
