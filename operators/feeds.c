// SPDX-License-Identifier: Apache-2.0
//
// See feeds.h. A subscription that several consumers share is told as a whole, and then share by share. Those that are
// switched off stand apart: nobody need look after their lag.
#include "operators/feeds.h"

#include "operators/answer.h"
#include "operators/columns.h"
#include "operators/result.h"
#include "proto/base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static const PgStatement SUBSCRIPTIONS = {
    "feeds_subscriptions",
    "SELECT s.subscription, s.name, s.state = 'active', coalesce(p.acked, 0), coalesce(p.released, 0), p.at, "
    "coalesce(p.shares, 0), coalesce(p.sessions, 0) FROM exchange.subscription s "
    "LEFT JOIN exchange.subscription_place p USING (subscription) ORDER BY s.name",
    0, NULL};
enum { SUBSCRIPTION, NAME, IS_ACTIVE, ACKED, RELEASED, AT, SHARES, SESSIONS };
static const PgStatement OF_SHARES = {
    "feeds_shares",
    "SELECT subscription, share, shares, acked, released, at, "
    "opened_at IS NOT NULL AND heard_at > now() - interval '30 seconds' "
    "FROM exchange.subscription_position WHERE shares > 0 ORDER BY subscription, share",
    0, NULL};
enum { OF_SUBSCRIPTION, SHARE, OF, SHARE_ACKED, SHARE_RELEASED, SHARE_AT, IS_OPEN };

#define CELL_BYTES 64

int feeds_read(Feeds *feeds, Pg *exchange) {
    int r = pg_run(exchange, &SUBSCRIPTIONS, NULL, &feeds->subscriptions);
    if (r == 0)
        r = pg_run(exchange, &OF_SHARES, NULL, &feeds->shares);
    return r < 0 ? r : lag_read(exchange, &feeds->lags, &feeds->n_lags);
}

void feeds_free(Feeds *feeds) {
    PQclear(feeds->subscriptions);
    PQclear(feeds->shares);
    free(feeds->lags);
}

static const Lag *lag_of(const Feeds *feeds, int row) {
    return lag_find(feeds->lags, feeds->n_lags, pg_i32(feeds->subscriptions, row, SUBSCRIPTION));
}

static json_t *instant_json(const PGresult *rows, int row, int column) {
    return pg_is_null(rows, row, column) ? json_null() : answer_instant(pg_us(rows, row, column));
}

static json_t *shares_json(const Feeds *feeds, int32_t subscription) {
    const PGresult *rows = feeds->shares;
    json_t *list = json_array();
    for (int row = 0; row < PQntuples(rows); row++) {
        char share[16];
        if (pg_i32(rows, row, OF_SUBSCRIPTION) != subscription)
            continue;
        snprintf(share, sizeof share, "%d/%d", pg_i16(rows, row, SHARE), pg_i16(rows, row, OF));
        json_array_append_new(list,
                              json_pack("{s:s, s:I, s:I, s:o, s:b}", "share", share, "acked",
                                        (json_int_t)pg_i64(rows, row, SHARE_ACKED), "released",
                                        (json_int_t)pg_i64(rows, row, SHARE_RELEASED), "last_ack",
                                        instant_json(rows, row, SHARE_AT), "connected", pg_bool(rows, row, IS_OPEN)));
    }
    return list;
}

void feeds_json(const Feeds *feeds, json_t *object) {
    const PGresult *rows = feeds->subscriptions;
    json_t *active = json_array(), *disabled = json_array();
    for (int row = 0; row < PQntuples(rows); row++) {
        const Lag *lag = lag_of(feeds, row);
        json_t *one = json_pack("{s:s, s:I, s:I, s:o}", "subscription", pg_text(rows, row, NAME), "acked",
                                (json_int_t)pg_i64(rows, row, ACKED), "released",
                                (json_int_t)pg_i64(rows, row, RELEASED), "last_ack", instant_json(rows, row, AT));
        json_array_append_new(lag ? active : disabled, one);
        if (!lag)
            continue;
        json_object_set_new(one, "lag_positions", json_integer((json_int_t)lag->positions));
        json_object_set_new(one, "lag_records",
                            lag->records < 0 ? json_null() : json_integer((json_int_t)lag->records));
        json_object_set_new(one, "lag_seconds", json_integer((json_int_t)lag_seconds(lag)));
        json_object_set_new(one, "sessions", json_integer(pg_i32(rows, row, SESSIONS)));
        json_object_set_new(one, "shares", shares_json(feeds, lag->subscription));
    }
    json_object_set_new(object, "subscriptions", active);
    json_object_set_new(object, "disabled_subscriptions", disabled);
}

// ---- for people

static void number_cell(char cell[CELL_BYTES], int64_t number) {
    snprintf(cell, CELL_BYTES, "%" PRId64, number);
}

static void at_cell(char cell[CELL_BYTES], const PGresult *rows, int row, int column) {
    char text[CLOCK_TEXT_BYTES] = "never";
    if (!pg_is_null(rows, row, column))
        clock_format_us(pg_us(rows, row, column), text);
    snprintf(cell, CELL_BYTES, "%s", text);
}

static void shares_add(const Feeds *feeds, const Lag *lag, Columns *columns) {
    const PGresult *rows = feeds->shares;
    for (int row = 0; row < PQntuples(rows); row++) {
        char share[CELL_BYTES], acked[CELL_BYTES], released[CELL_BYTES], behind[CELL_BYTES], at[CELL_BYTES];
        if (pg_i32(rows, row, OF_SUBSCRIPTION) != lag->subscription)
            continue;
        snprintf(share, sizeof share, "  %d/%d", pg_i16(rows, row, SHARE), pg_i16(rows, row, OF));
        number_cell(acked, pg_i64(rows, row, SHARE_ACKED));
        number_cell(released, pg_i64(rows, row, SHARE_RELEASED));
        snprintf(behind, sizeof behind, "%" PRId64 " positions",
                 lag->acked + lag->positions - pg_i64(rows, row, SHARE_ACKED));
        at_cell(at, rows, row, SHARE_AT);
        columns_add(columns, (const char *[]){share, acked, released, behind, "", at,
                                              pg_bool(rows, row, IS_OPEN) ? "connected" : "-"});
    }
}

static void subscription_add(const Feeds *feeds, int row, Columns *columns) {
    const PGresult *rows = feeds->subscriptions;
    const Lag *lag = lag_of(feeds, row);
    char acked[CELL_BYTES], released[CELL_BYTES], behind[CELL_BYTES], age[CELL_BYTES], at[CELL_BYTES],
        sessions[CELL_BYTES];
    number_cell(acked, pg_i64(rows, row, ACKED));
    number_cell(released, pg_i64(rows, row, RELEASED));
    at_cell(at, rows, row, AT);
    snprintf(behind, sizeof behind, "%" PRId64 " %s", lag->records < 0 ? lag->positions : lag->records,
             lag->records < 0 ? "positions" : "records");
    snprintf(age, sizeof age, "%" PRId64 " s", lag_seconds(lag));
    int n = pg_i32(rows, row, SHARES), open = pg_i32(rows, row, SESSIONS);
    if (n > 0)
        snprintf(sessions, sizeof sessions, "%d of %d connected", open, n);
    else
        snprintf(sessions, sizeof sessions, "%s", open ? "connected" : "-");
    columns_add(columns, (const char *[]){pg_text(rows, row, NAME), acked, released, behind, age, at, sessions});
    shares_add(feeds, lag, columns);
}

static int print_disabled(const Feeds *feeds) {
    const PGresult *rows = feeds->subscriptions;
    CLEANUP(columns_destroy) Columns *columns = NULL;
    int r = columns_new(&columns, 4), n = 0;
    if (r < 0)
        return r;
    columns_add(columns, (const char *[]){"DISABLED", "ACKED", "RELEASED", "LAST ACK"});
    for (int row = 0; row < PQntuples(rows); row++) {
        char acked[CELL_BYTES], released[CELL_BYTES], at[CELL_BYTES];
        if (lag_of(feeds, row))
            continue;
        n++;
        number_cell(acked, pg_i64(rows, row, ACKED));
        number_cell(released, pg_i64(rows, row, RELEASED));
        at_cell(at, rows, row, AT);
        columns_add(columns, (const char *[]){pg_text(rows, row, NAME), acked, released, at});
    }
    if (n == 0)
        return 0;
    printf("\n");
    return columns_print(columns, stdout);
}

int feeds_print(const Feeds *feeds) {
    CLEANUP(columns_destroy) Columns *columns = NULL;
    int r = columns_new(&columns, 7);
    if (r < 0)
        return r;
    columns_add(columns, (const char *[]){"SUBSCRIPTIONS", "ACKED", "RELEASED", "LAG", "SINCE", "LAST ACK", "SESSION"});
    for (int row = 0; row < PQntuples(feeds->subscriptions); row++)
        if (lag_of(feeds, row))
            subscription_add(feeds, row, columns);
    if (feeds->n_lags > 0) {
        printf("\n");
        r = columns_print(columns, stdout);
    }
    return r < 0 ? r : print_disabled(feeds);
}
