// SPDX-License-Identifier: Apache-2.0
//
// Counts all, shows the oldest positions. What is done is never read.
#include "operators/unfinished.h"

#include "operators/columns.h"
#include "operators/result.h"

#include <inttypes.h>
#include <stdio.h>

static const PgStatement UNFINISHED = {
    "status_erasures",
    "SELECT position, CASE WHEN refused IS NOT NULL THEN 'refused' WHEN logged_position IS NULL THEN 'waiting' "
    "ELSE 'logged' END, ordered, requested_by, "
    "to_char(requested_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), coalesce(refused, ''), "
    "count(*) FILTER (WHERE refused IS NULL AND logged_position IS NULL) OVER (), "
    "count(*) FILTER (WHERE refused IS NULL AND logged_position IS NOT NULL) OVER (), "
    "count(*) FILTER (WHERE refused IS NOT NULL) OVER () FROM exchange.erasure "
    "WHERE NOT done OR refused IS NOT NULL ORDER BY position LIMIT 20",
    0, NULL};
enum { POSITION, STATE, ORDERED, BY, AT, REASON, WAITING, LOGGED, REFUSED };

int unfinished_read(PGresult **ret, Pg *exchange) {
    return pg_run(exchange, &UNFINISHED, NULL, ret);
}

static int64_t count(const PGresult *rows, int column) {
    return PQntuples(rows) > 0 ? pg_i64(rows, 0, column) : 0;
}

void unfinished_json(const PGresult *rows, json_t *object) {
    json_t *list = json_array();
    for (int row = 0; row < PQntuples(rows); row++) {
        json_t *one = json_pack("{s:I, s:s, s:s, s:s, s:s}", "position", (json_int_t)pg_i64(rows, row, POSITION),
                                "state", pg_text(rows, row, STATE), "order", pg_text(rows, row, ORDERED),
                                "requested_by", pg_text(rows, row, BY), "requested_at", pg_text(rows, row, AT));
        if (*pg_text(rows, row, REASON))
            json_object_set_new(one, "reason", json_string(pg_text(rows, row, REASON)));
        json_array_append_new(list, one);
    }
    json_object_set_new(object, "erasures",
                        json_pack("{s:I, s:I, s:I, s:o}", "waiting", (json_int_t)count(rows, WAITING), "logged",
                                  (json_int_t)count(rows, LOGGED), "refused", (json_int_t)count(rows, REFUSED), "first",
                                  list));
}

static const char *why(const PGresult *rows, int row) {
    switch (*pg_text(rows, row, STATE)) {
    case 'w':
        return "no broker has come to it";
    case 'l':
        return "its tombstone stands, its content is still there";
    default:
        return pg_text(rows, row, REASON);
    }
}

int unfinished_print(const PGresult *rows) {
    CLEANUP(columns_destroy) Columns *columns = NULL;
    int r = columns_new(&columns, 5);
    if (r < 0 || PQntuples(rows) == 0)
        return r;
    printf("\n");
    columns_add(columns, (const char *[]){"ERASURES", "STATE", "SINCE", "ORDERED BY", "WHY"});
    for (int row = 0; row < PQntuples(rows); row++) {
        char position[24];
        snprintf(position, sizeof position, "%" PRId64, pg_i64(rows, row, POSITION));
        columns_add(columns, (const char *[]){position, pg_text(rows, row, STATE), pg_text(rows, row, AT),
                                              pg_text(rows, row, BY), why(rows, row)});
    }
    r = columns_print(columns, stdout);
    if (r == 0)
        printf("%" PRId64 " wait for a broker, %" PRId64 " for dongbo erase to be run again, %" PRId64
               " were refused\n",
               count(rows, WAITING), count(rows, LOGGED), count(rows, REFUSED));
    return r;
}
