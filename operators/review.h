// SPDX-License-Identifier: Apache-2.0
//
// What the commands on single cases share.
#pragma once

#include "operators/review_case.h"

// A case's number from the command line. ERROR_CONFIG.
int review_number(const char *operand, int64_t *ret);
// Logs that there is no such case. 1.
int review_no_case(int64_t number);

typedef struct ReviewShow {
    bool unmask, json;
} ReviewShow;
// Reads and prints a case, after noting whom it unmasks. 1, logged: there is no such case.
int review_print(Desk *desk, int64_t number, const ReviewShow *show);
