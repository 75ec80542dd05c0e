// SPDX-License-Identifier: Apache-2.0
//
// See trimmed.h. A sentence beside the answer, for the answer itself is right about what is kept.
#include "operators/trimmed.h"

#include "operators/result.h"

#include <inttypes.h>
#include <stdio.h>

static const PgStatement TRIMMED = {
    "trimmed",
    "SELECT position, to_char(at AT TIME ZONE 'Asia/Ho_Chi_Minh', 'YYYY-MM-DD'), trimmed_by FROM exchange.trim "
    "ORDER BY position DESC, trim LIMIT 1",
    0, NULL};

int trimmed_note(Pg *exchange, int64_t since) {
    RESULT rows = NULL;
    int r = pg_run(exchange, &TRIMMED, NULL, &rows);
    if (r == 0 && PQntuples(rows) > 0 && since <= pg_i64(rows, 0, 0))
        fprintf(stderr,
                "The log was trimmed up to position %" PRId64 " on %s by %s: of what it held before, only masked "
                "summaries are left, and what needs more leaves that out.\n",
                pg_i64(rows, 0, 0), pg_text(rows, 0, 1), pg_text(rows, 0, 2));
    return r;
}
