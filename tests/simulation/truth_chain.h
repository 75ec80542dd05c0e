// SPDX-License-Identifier: Apache-2.0
//
// Whether the log proves itself: each segment's leaf, hash and frontier by its own bytes and those before it, and its
// payload by what its summary commits to.
#pragma once

#include "base_rows.h"

void truth_chain_open(void); // once
void truth_chain_close(void);
void truth_chain_begin(void);
// Of each segment in the order of commits; fails the run.
void truth_chain_judge(const BaseSegment *segment);
