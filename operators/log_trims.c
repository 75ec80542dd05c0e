// SPDX-License-Identifier: Apache-2.0
//
// See log_trims.h. Believes the entry's text no more than its place: whoever asks reads the entry.
#include "operators/log_trims.h"

#include "operators/result.h"

static const PgStatement TRIMS = {"log_trims",
                                  "SELECT t.position, coalesce((SELECT max(s.first_position) FROM exchange.segment s "
                                  "WHERE s.first_position <= c.logged_position), 0) FROM " LOG_TRIMS_DECLARED
                                  "ORDER BY t.position DESC, c.logged_position DESC NULLS LAST LIMIT 1",
                                  0, NULL};

static const PgStatement ERASED = {
    "log_trims_erased",
    "SELECT coalesce((SELECT max(s.first_position) FROM exchange.segment s "
    "WHERE s.first_position <= e.logged_position), 0) FROM exchange.erasure e WHERE e.position = $1",
    1, NULL};

int log_trims_erased(Pg *exchange, uint64_t position, uint64_t *ret) {
    RESULT rows = NULL;
    PgParams params = {0};
    pg_param_i64(&params, (int64_t)position);
    int r = pg_run(exchange, &ERASED, &params, &rows);
    pg_params_free(&params);
    if (r < 0)
        return r;
    bool ordered = PQntuples(rows) > 0;
    *ret = ordered ? (uint64_t)pg_i64(rows, 0, 0) : 0;
    return !ordered;
}

int log_trims_read(Pg *exchange, LogTrim *ret) {
    RESULT rows = NULL;
    *ret = (LogTrim){0};
    int r = pg_run(exchange, &TRIMS, NULL, &rows);
    if (r == 0 && PQntuples(rows) > 0)
        *ret = (LogTrim){(uint64_t)pg_i64(rows, 0, 0), (uint64_t)pg_i64(rows, 0, 1)};
    return r;
}
