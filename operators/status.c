// SPDX-License-Identifier: Apache-2.0
//
// `dongbo status`: where the exchange stands, from a few small queries and the log's last entries; nothing that grows
// with the log is read.
#include "operators/answer.h"
#include "operators/columns.h"
#include "operators/commands.h"
#include "operators/feeds.h"
#include "operators/names.h"
#include "operators/result.h"
#include "operators/unfinished.h"
#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "proto/domain.h"
#include "verdict.pb-c.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

static const PgStatement HEAD = {
    "status_head",
    "SELECT coalesce(h.last_position, 0), coalesce(h.epoch, 0), coalesce(h.stored_at_us, 0), "
    "coalesce(h.population_position, 0), coalesce(h.leaf_index + 1, 0), "
    "(SELECT coalesce(sum(last_position - first_position + 1), 0)::bigint FROM exchange.segment WHERE kind = 1), "
    "i.system_identifier, i.timeline, "
    "(SELECT count(*) FROM exchange.epoch_request WHERE epoch IS NULL), "
    "(SELECT e.reason FROM exchange.epoch e ORDER BY e.epoch DESC LIMIT 1) "
    "FROM exchange.server_identity() i LEFT JOIN exchange.head h ON true",
    0, NULL};
static const PgStatement EXCEPTIONS = {
    "status_exceptions",
    "SELECT domain, verdict, sum(events) FILTER (WHERE open)::bigint, sum(events)::bigint "
    "FROM exchange.exception_count GROUP BY domain, verdict ORDER BY domain, verdict",
    0, NULL};
static const PgStatement STREAMS = {
    "status_streams",
    "SELECT a.code, s.agent, s.kind, s.last_sequence, s.session_epoch, encode(s.stream, 'hex') "
    "FROM exchange.stream s JOIN exchange.agency a ON a.agency = s.agency ORDER BY a.code, s.agent, s.opened_at",
    0, NULL};
// A small table is counted, a large one estimated as the planner does: by rows a page as of the last ANALYZE, and the
// pages that there are now. NULL where there are no such figures: never analysed, or a view of somebody else's table.
static const PgStatement POPULATION = {
    "status_population",
    "SELECT s.position, CASE WHEN c.relkind = 'r' AND pg_relation_size(c.oid) < 67108864 "
    "THEN (SELECT count(*) FROM population.citizen) WHEN c.relpages > 0 AND c.reltuples >= 0 "
    "THEN (c.reltuples / c.relpages * (pg_relation_size(c.oid) / current_setting('block_size')::integer))::bigint END, "
    "c.relkind = 'r' AND pg_relation_size(c.oid) < 67108864 "
    "FROM population.state s, pg_class c WHERE c.oid = 'population.citizen'::regclass",
    0, NULL};

// How common things were when they were counted last, and whether more than 2 % of the citizens changed since.
static const PgStatement MODEL = {
    "status_model",
    "SELECT m.model, to_char(m.made_at AT TIME ZONE 'UTC', 'YYYY-MM-DD'), "
    "EXISTS (SELECT FROM population.change c WHERE c.position > m.position OFFSET m.citizens * 2 / 100) "
    "FROM population.model m ORDER BY m.model DESC LIMIT 1",
    0, NULL};
enum { MODEL_NUMBER, MODEL_MADE_ON, MODEL_IS_STALE };

typedef struct Status {
    PGresult *head, *exceptions, *streams, *erasures, *population, *model;
    Feeds feeds;
    char population_error[512]; // why it cannot be reached; "" when it was
} Status;

static void status_free(Status *status) {
    PQclear(status->head);
    PQclear(status->exceptions);
    PQclear(status->streams);
    PQclear(status->erasures);
    feeds_free(&status->feeds);
    PQclear(status->population);
    PQclear(status->model);
}

// A store that counts nothing is not searched, and that is no failure.
static void read_model(Pg *population, Status *status) {
    if (pg_run(population, &MODEL, NULL, &status->model) < 0)
        status->model = NULL;
}

static bool has_model(const Status *status) {
    return status->model && PQntuples(status->model) > 0;
}

static bool is_stale(const Status *status) {
    return pg_bool(status->model, 0, MODEL_IS_STALE);
}

static int status_read(Desk *desk, Status *status) {
    Pg *exchange = NULL, *population = NULL;
    int r = desk_exchange(desk, &exchange);
    if (r == 0)
        r = pg_run(exchange, &HEAD, NULL, &status->head);
    if (r == 0)
        r = pg_run(exchange, &EXCEPTIONS, NULL, &status->exceptions);
    if (r == 0)
        r = pg_run(exchange, &STREAMS, NULL, &status->streams);
    if (r == 0)
        r = unfinished_read(&status->erasures, exchange);
    if (r == 0)
        r = feeds_read(&status->feeds, exchange);
    if (r < 0)
        return r;
    // Somebody else's database: that it is away is an answer, not a failure of this command.
    r = desk_population(desk, &population);
    if (r == 0)
        r = pg_run(population, &POPULATION, NULL, &status->population);
    if (r == 0)
        read_model(population, status);
    if (r < 0)
        snprintf(status->population_error, sizeof status->population_error, "%s", error_text());
    return r == ERROR_CONFIG ? r : 0;
}

static int64_t not_taken(const Status *status) {
    int64_t n = 0;
    for (int row = 0; row < PQntuples(status->exceptions); row++)
        if (pg_i16(status->exceptions, row, 1) >= DONGBO__VERDICT__MISMATCH)
            n += pg_i64(status->exceptions, row, 3);
    return n;
}

// ---- JSON

static json_t *exceptions_json(const PGresult *rows) {
    json_t *list = json_array();
    for (int row = 0; row < PQntuples(rows); row++) {
        json_array_append_new(list,
                              json_pack("{s:s, s:s, s:I, s:I}", "domain", names_domain(pg_i16(rows, row, 0)), "verdict",
                                        verdict_name(pg_i16(rows, row, 1)), "open", (json_int_t)pg_i64(rows, row, 2),
                                        "events", (json_int_t)pg_i64(rows, row, 3)));
    }
    return list;
}

static json_t *streams_json(const PGresult *rows) {
    json_t *list = json_array();
    for (int row = 0; row < PQntuples(rows); row++)
        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:I, s:i, s:s}", "agency", pg_text(rows, row, 0),
                                              "agent", pg_text(rows, row, 1), "kind", pg_text(rows, row, 2),
                                              "last_sequence", (json_int_t)pg_i64(rows, row, 3), "session_epoch",
                                              pg_i32(rows, row, 4), "stream", pg_text(rows, row, 5)));
    return list;
}

static json_t *population_json(const Status *status) {
    if (status->population_error[0])
        return json_pack("{s:b, s:s}", "reachable", 0, "error", status->population_error);
    json_t *citizens =
        pg_is_null(status->population, 0, 1) ? json_null() : json_integer((json_int_t)pg_i64(status->population, 0, 1));
    json_t *model = has_model(status)
                        ? json_pack("{s:I, s:s, s:b}", "model", (json_int_t)pg_i64(status->model, 0, MODEL_NUMBER),
                                    "made_on", pg_text(status->model, 0, MODEL_MADE_ON), "stale", is_stale(status))
                        : json_null();
    return json_pack("{s:b, s:I, s:o, s:o}", "reachable", 1, "position", (json_int_t)pg_i64(status->population, 0, 0),
                     "citizens_about", citizens, "model", model);
}

static int print_json(const Status *status) {
    const PGresult *head = status->head;
    char identity[24];
    snprintf(identity, sizeof identity, "%" PRId64, pg_i64(head, 0, 6)); // beyond what JSON readers hold as a number
    int64_t events = pg_i64(head, 0, 5);
    json_t *object = json_pack(
        "{s:I, s:i, s:I, s:I, s:I, s:I, s:I, s:s, s:i, s:I}", "head", (json_int_t)pg_i64(head, 0, 0), "epoch",
        pg_i32(head, 0, 1), "segments", (json_int_t)pg_i64(head, 0, 4), "population_position_at_head",
        (json_int_t)pg_i64(head, 0, 3), "events", (json_int_t)events, "taken", (json_int_t)(events - not_taken(status)),
        "not_taken", (json_int_t)not_taken(status), "system_identifier", identity, "timeline", pg_i32(head, 0, 7),
        "epoch_requests", (json_int_t)pg_i64(head, 0, 8));
    json_object_set_new(object, "exceptions", exceptions_json(status->exceptions));
    json_object_set_new(object, "streams", streams_json(status->streams));
    unfinished_json(status->erasures, object);
    feeds_json(&status->feeds, object);
    json_object_set_new(object, "population", population_json(status));
    return answer_print(object, 0);
}

// ---- for people

static void print_population(const Status *status) {
    const PGresult *population = status->population;
    char citizens[64] = "an unknown number of";
    if (status->population_error[0]) {
        printf("population  cannot be reached: %s\n", status->population_error);
        return;
    }
    if (!pg_is_null(population, 0, 1))
        snprintf(citizens, sizeof citizens, "%s%" PRId64, pg_bool(population, 0, 2) ? "" : "about ",
                 pg_i64(population, 0, 1));
    printf("population  position %" PRId64 " (%" PRId64 " at the head), %s citizens\n", pg_i64(population, 0, 0),
           pg_i64(status->head, 0, 3), citizens);
    if (pg_i64(population, 0, 0) < pg_i64(status->head, 0, 3))
        printf("            it was set back alone, or is a standby that lags: nothing is decided until it has what the "
               "log was decided by (deploy/RESTORE.md)\n");
}

static void print_model(const Status *status) {
    if (status->population_error[0])
        return;
    if (!has_model(status))
        printf("model       none: who is meant by an event without a number is not looked for. Run dongbo population "
               "model\n");
    else
        printf("model       %" PRId64 ", counted on %s%s\n", pg_i64(status->model, 0, MODEL_NUMBER),
               pg_text(status->model, 0, MODEL_MADE_ON),
               is_stale(status) ? ". More than 2 % of the citizens changed since: run dongbo population model" : "");
}

static void print_head(const Status *status) {
    const PGresult *head = status->head;
    int64_t stored_at_us = pg_i64(head, 0, 2);
    char at[CLOCK_TEXT_BYTES] = "never";
    if (stored_at_us)
        clock_format_us(stored_at_us, at);
    printf("head        position %" PRId64 ", last write %.19s\n", pg_i64(head, 0, 0), at);
    char reason[256];
    snprintf(reason, sizeof reason, "%s", pg_text(head, 0, 9));
    text_cut(reason, sizeof reason);
    text_make_visible(reason);
    printf("epoch       %" PRId32 "%s%s%s\n", pg_i32(head, 0, 1), *reason ? ": " : "", reason,
           pg_i64(head, 0, 8) ? " (a new one was asked for)" : "");
    printf("events      %" PRId64 ", of which %" PRId64 " taken and %" PRId64 " not\n", pg_i64(head, 0, 5),
           pg_i64(head, 0, 5) - not_taken(status), not_taken(status));
    print_population(status);
    print_model(status);
}

static int print_exceptions(const PGresult *rows) {
    CLEANUP(columns_destroy) Columns *columns = NULL;
    int r = columns_new(&columns, 4);
    if (r < 0 || PQntuples(rows) == 0)
        return r;
    printf("\n");
    columns_add(columns, (const char *[]){"EXCEPTIONS", "VERDICT", "OPEN", "ALL"});
    int64_t to_be_decided = 0;
    for (int row = 0; row < PQntuples(rows); row++) {
        if (pg_i16(rows, row, 1) == DONGBO__VERDICT__MISMATCH)
            to_be_decided += pg_i64(rows, row, 2);
        char open[24], all[24];
        snprintf(open, sizeof open, "%" PRId64, pg_i64(rows, row, 2));
        snprintf(all, sizeof all, "%" PRId64, pg_i64(rows, row, 3));
        columns_add(columns, (const char *[]){names_domain(pg_i16(rows, row, 0)), verdict_name(pg_i16(rows, row, 1)),
                                              open, all});
    }
    r = columns_print(columns, stdout);
    if (r == 0 && to_be_decided > 0)
        printf("%" PRId64 " wait for an officer: dongbo review next\n", to_be_decided);
    return r;
}

static int print_streams(const PGresult *rows) {
    CLEANUP(columns_destroy) Columns *columns = NULL;
    int r = columns_new(&columns, 5);
    if (r < 0 || PQntuples(rows) == 0)
        return r;
    printf("\n");
    columns_add(columns, (const char *[]){"STREAMS", "AGENT", "KIND", "LAST SEQUENCE", "STREAM"});
    for (int row = 0; row < PQntuples(rows); row++) {
        char last[24];
        snprintf(last, sizeof last, "%" PRId64, pg_i64(rows, row, 3));
        columns_add(columns, (const char *[]){pg_text(rows, row, 0), pg_text(rows, row, 1), pg_text(rows, row, 2), last,
                                              pg_text(rows, row, 5)});
    }
    return columns_print(columns, stdout);
}

int status_show(Desk *desk, int argc, char **argv) {
    CLEANUP(status_free) Status status = {0};
    bool json = false;
    int operand = 0;
    const Option options[] = {{"json", 0, OPTION_FLAG, NULL, "one JSON object", &json}, {0}};
    int r = desk_parse(desk, options, argc, argv, &operand);
    if (r != 0)
        return r < 0 ? r : 0;
    r = status_read(desk, &status);
    if (r < 0)
        return r;
    if (json)
        return print_json(&status);
    print_head(&status);
    r = print_exceptions(status.exceptions);
    if (r == 0)
        r = print_streams(status.streams);
    if (r == 0)
        r = unfinished_print(status.erasures);
    return r < 0 ? r : feeds_print(&status.feeds);
}
