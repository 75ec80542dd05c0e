// SPDX-License-Identifier: Apache-2.0
//
// A case for an officer at a terminal: what was said beside what the store has, of each person who may be meant.
// Masked unless the case says otherwise.
#pragma once

#include "operators/review_case.h"

int review_text_print(const ReviewCase *of); // ERROR_MEMORY
