// SPDX-License-Identifier: Apache-2.0
//
// See answer.h.
#include "operators/answer.h"
#include "proto/base/clock.h"
#include "proto/base/error.h"

#include <stdio.h>

json_t *answer_text(const char *text) {
    return text && *text ? json_string(text) : json_null();
}

json_t *answer_instant(int64_t us) {
    char at[CLOCK_TEXT_BYTES];
    clock_format_us(us, at);
    return json_string(at);
}

int answer_print(json_t *answer, unsigned digits) {
    if (!answer)
        return error_fail(ERROR_MEMORY, "no memory for the answer");
    json_dumpf(answer, stdout, JSON_COMPACT | JSON_REAL_PRECISION(digits));
    printf("\n");
    json_decref(answer);
    return 0;
}
