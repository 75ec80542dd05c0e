// SPDX-License-Identifier: Apache-2.0
//
// A number is a position, anything else a time; refuses to guess what a text means that is neither, or both.
#include "operators/since.h"
#include "operators/result.h"
#include "proto/base/clock.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const PgStatement STORED_BY = {
    "since_stored_by", "SELECT exchange.position_before(least($1::bigint, 9223372036854775806) + 1)", 1, NULL};

int since_stored_by(Pg *exchange, int64_t us, int64_t *ret) {
    PgParams params = {0};
    RESULT result = NULL;
    pg_param_i64(&params, us);
    int r = pg_run(exchange, &STORED_BY, &params, &result);
    pg_params_free(&params);
    if (r == 0)
        *ret = pg_i64(result, 0, 0);
    return r;
}

// Four digits of this century or the last, without a sign.
static bool may_be_year(const char *since) {
    return strlen(since) == 4 && strspn(since, "0123456789") == 4 && strcmp(since, "1900") >= 0 &&
           strcmp(since, "2100") < 0;
}

int since_find(Pg *exchange, const char *since, int64_t *ret) {
    int64_t us = 0;
    if (may_be_year(since))
        return error_fail(ERROR_CONFIG, "--since: \"%s\" may be a year or a position: say %s-01-01, or +%s", since,
                          since, since);
    char *end;
    long long position = strtoll(since, &end, 10);
    if (*end == '\0' && end != since) {
        *ret = position;
        return 0;
    }
    if (clock_parse_us(since, &us) != 0)
        return error_fail(ERROR_CONFIG,
                          "--since: \"%s\" is neither a position nor a time (2022-03-01, or "
                          "2022-03-01T08:00:00+07:00)",
                          since);
    int r = since_stored_by(exchange, us - 1, ret);
    if (r == 0)
        *ret += 1;
    return r;
}
