// SPDX-License-Identifier: Apache-2.0
//
// What commands answer scripts with (--json): one JSON value on a line of standard output. Its texts and instants are
// written alike everywhere.
#pragma once

#include <jansson.h>
#include <stdint.h>

#define ANSWER_DIGITS 9 // significant ones, of shares that are kept in millionths and bits in thousandths

json_t *answer_text(const char *text); // null for NULL and ""
json_t *answer_instant(int64_t us);    // RFC 3339 in UTC
// Prints it and drops it; digits: of reals, 0 for all that they have. ERROR_MEMORY where it is NULL.
int answer_print(json_t *answer, unsigned digits);
