// SPDX-License-Identifier: Apache-2.0
//
// A function of the database may say no to what an officer asks for (RAISE EXCEPTION): that is an answer with a
// sentence of its own, not a failure.
#pragma once

#include "proto/base/pg.h"

// r is what the call gave. 1 where the database said no, and the sentence is logged; r itself otherwise.
int refusal_tell(const Pg *pg, int r);
// As refusal_tell(), saying nothing.
int refusal_of(const Pg *pg, int r);
