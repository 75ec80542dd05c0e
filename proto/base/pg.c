// SPDX-License-Identifier: Apache-2.0
//
// One session and what is run in it. Several statements at once are had by several sessions, so that no statement's
// error is another's; what is queued fails or succeeds as one. Retries nothing and hides no lost transaction; values
// are kept out of error sentences.
#include "proto/base/pg.h"
#include "proto/base/clock.h"
#include "proto/base/error.h"
#include "proto/base/pg-advice.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PG_COPY_PIECE_BYTES ((size_t)256 * 1024)
#define PG_BROKEN "08006"

struct Pg {
    char *conninfo;
    char name[64];
    PGconn *connection;
    char sqlstate[6];
    const PgStatement *prepared[PG_STATEMENTS_MAX];
    int n_prepared;
    int n_queued;    // libpq's pipeline mode is on while there are any
    int patience_ms; // 0: without end
    bool untold;     // what came of the last statement that was run ...
    bool completed;  // ... which was carried out, and may have been committed
};

// Conninfo stands between: it overrules what is before it and not what comes after.
static const char *const pg_keywords[] = {
    "connect_timeout",  "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count",
    "tcp_user_timeout", "dbname",     "client_encoding", "application_name",    NULL,
};
static const char *const pg_values[] = {"5", "1", "30", "10", "3", "30000", NULL, "UTF8", NULL, NULL};
#define PG_DBNAME 6
#define PG_APPLICATION_NAME 8

static void drop_notice(void *self, const PGresult *notice) {}

// libpq's messages are lines of sentences; an error sentence is one, and goes on behind this.
static void one_line(const char *message, char *out, size_t bytes) {
    size_t n = 0;
    for (const char *c = message && *message ? message : "no reason given"; *c != '\0' && n + 1 < bytes; c++) {
        bool space = (unsigned char)*c <= ' ';
        if (!space || (n > 0 && out[n - 1] != ' '))
            out[n++] = space ? ' ' : *c;
    }
    while (n > 0 && (out[n - 1] == ' ' || out[n - 1] == '.'))
        n--;
    out[n] = '\0';
}

int pg_new(Pg **ret, const char *conninfo, const char *name) {
    char *wrong = NULL, line[256];
    PQconninfoOption *options = PQconninfoParse(conninfo, &wrong);
    if (!options) {
        one_line(wrong, line, sizeof line);
        PQfreemem(wrong);
        return error_fail(ERROR_CONFIG, "%s: wrong connection string: %s", name, line);
    }
    PQconninfoFree(options);
    Pg *pg = calloc(1, sizeof *pg);
    if (pg)
        pg->conninfo = strdup(conninfo);
    if (!pg || !pg->conninfo) {
        free(pg);
        return error_fail(ERROR_MEMORY, "%s: no memory for a session", name);
    }
    snprintf(pg->name, sizeof pg->name, "%s", name);
    *ret = pg;
    return 0;
}

void pg_destroy(Pg **pg) {
    if (!*pg)
        return;
    pg_disconnect(*pg);
    free((*pg)->conninfo);
    free(*pg);
    *pg = NULL;
}

bool pg_connected(const Pg *pg) {
    return pg->connection && PQstatus(pg->connection) == CONNECTION_OK;
}

void pg_disconnect(Pg *pg) {
    PQfinish(pg->connection);
    pg->connection = NULL;
    pg->n_prepared = 0;
    pg->n_queued = 0;
}

PGconn *pg_raw(Pg *pg) {
    return pg->connection;
}

const char *pg_sqlstate(const Pg *pg) {
    return pg->sqlstate;
}

static bool state_is(const Pg *pg, const char *prefix) {
    return strncmp(pg->sqlstate, prefix, strlen(prefix)) == 0;
}

bool pg_is_passing(const Pg *pg) {
    // Connection, transaction rollback, read-only, ended for idling, insufficient resources, lock not available,
    // operator intervention: appendix A of PostgreSQL's documentation.
    static const char *const PASSING[] = {"08", "40", "25006", "25P03", "25P04", "53", "55006", "55P03", "57"};
    for (size_t i = 0; i < sizeof PASSING / sizeof *PASSING; i++) {
        if (state_is(pg, PASSING[i]))
            return true;
    }
    return false;
}

void pg_forget_failure(Pg *pg) {
    pg->sqlstate[0] = '\0';
}

bool pg_is_undone(const Pg *pg) {
    return !pg->untold;
}

static int fail_advised(const Pg *pg, const char *what, const char *line, const char *state) {
    const char *advice = pg_advice(pg->sqlstate, line);
    return error_fail(ERROR_DATABASE, "%s: %s: %s%s%s%s", pg->name, what, line, state, advice == NULL ? "" : "; ",
                      advice == NULL ? "" : advice);
}

// Lets go of a connection that is of no more use.
static int fail_broken(Pg *pg, const char *what, const char *line) {
    snprintf(pg->sqlstate, sizeof pg->sqlstate, PG_BROKEN);
    pg_disconnect(pg);
    return fail_advised(pg, what, line, "");
}

static int fail_connection(Pg *pg, const char *what) {
    char line[300];
    one_line(pg->connection ? PQerrorMessage(pg->connection) : "there is no connection", line, sizeof line);
    return fail_broken(pg, what, line);
}

int pg_connect(Pg *pg) {
    if (pg_connected(pg))
        return 0;
    pg_disconnect(pg);
    const char *values[sizeof pg_values / sizeof *pg_values];
    memcpy(values, pg_values, sizeof values);
    values[PG_DBNAME] = pg->conninfo;
    values[PG_APPLICATION_NAME] = pg->name;
    pg->connection = PQconnectdbParams(pg_keywords, values, 1);
    if (!pg->connection)
        return error_fail(ERROR_MEMORY, "%s: no memory for a connection", pg->name);
    if (PQstatus(pg->connection) != CONNECTION_OK)
        return fail_connection(pg, "cannot connect");
    PQsetNoticeReceiver(pg->connection, drop_notice, NULL);
    PQsetnonblocking(pg->connection, pg->patience_ms > 0);
    // pg_temp is named, since it stands first where it is not.
    return pg_command(pg,
                      "SET search_path = pg_catalog, pg_temp; SET client_min_messages = error; SET timezone = 'UTC'");
}

// The server's last word to the session.
static bool is_fatal(const PGresult *result) {
    const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    return severity && (strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0);
}

// Keeps the failure's SQLSTATE and sentence, and lets go of a connection that is of no more use.
static int fail_result(Pg *pg, const char *what, PGresult *result) {
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    char line[300], shown[16];
    if (!result && pg->patience_ms > 0 && PQstatus(pg->connection) == CONNECTION_OK) {
        snprintf(line, sizeof line, "no answer within %d ms", pg->patience_ms);
        return fail_broken(pg, what, line);
    }
    if (!state) { // made by libpq, not by the server
        PQclear(result);
        return fail_connection(pg, what);
    }
    snprintf(pg->sqlstate, sizeof pg->sqlstate, "%s", state);
    one_line(message, line, sizeof line);
    bool data = state_is(pg, "22") || state_is(pg, "23");
    char *quoted = state_is(pg, "22") ? strstr(line, ": ") : NULL; // "invalid input syntax for type date: "…""
    if (quoted)
        *quoted = '\0';
    bool fatal = is_fatal(result);
    // A server that ends the session says so behind what it has done. A pooler may say that it lost the server as if
    // that were the statement's own failure.
    bool last_word = !fatal || (pg->patience_ms > 0 && !pg->completed);
    pg->untold = pg->untold && (!last_word || state_is(pg, "08") || state_is(pg, "40003"));
    PQclear(result);
    // 26000, 0A000: the server forgot a prepared statement, or the tables under it changed. Prepare anew. 25006: it
    // only reads; the conninfo may name another that writes.
    if (fatal || PQstatus(pg->connection) != CONNECTION_OK || state_is(pg, "26000") || state_is(pg, "0A000") ||
        state_is(pg, "25006"))
        pg_disconnect(pg);
    if (data)
        return error_fail(ERROR_DATA, "%s: %s: %s (%s)", pg->name, what, line, pg->sqlstate);
    snprintf(shown, sizeof shown, " (%s)", pg->sqlstate);
    return fail_advised(pg, what, line, shown);
}

void pg_set_patience(Pg *pg, int patience_ms) {
    pg->patience_ms = patience_ms;
}

static int64_t monotonic_ms(void) {
    return clock_monotonic_ms(clock_system());
}

// Until the socket has one of the events. False when the time is over, or the socket is.
static bool wait_until(const Pg *pg, short events, int64_t deadline_ms) {
    struct pollfd fd = {.fd = PQsocket(pg->connection), .events = events};
    for (;;) {
        int64_t left = deadline_ms - monotonic_ms();
        int n = poll(&fd, 1, left > 0 ? (int)left : 0);
        if (n > 0 || (n < 0 && errno != EINTR))
            return n > 0;
        if (n == 0)
            return false;
    }
}

// Sends what libpq still has, and reads until an answer is there whole.
static bool wait_for_answer(Pg *pg) {
    int64_t deadline_ms = monotonic_ms() + pg->patience_ms;
    int left = PQflush(pg->connection);
    while (left > 0) {
        if (!wait_until(pg, POLLIN | POLLOUT, deadline_ms) || PQconsumeInput(pg->connection) != 1)
            return false;
        left = PQflush(pg->connection);
    }
    while (left == 0 && PQisBusy(pg->connection)) {
        if (!wait_until(pg, POLLIN, deadline_ms) || PQconsumeInput(pg->connection) != 1)
            return false;
    }
    return left == 0;
}

static bool is_done(const PGresult *result) {
    ExecStatusType status = PQresultStatus(result);
    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY;
}

// The last answer, or the first failure, of what was sent; NULL when it did not come in time. As PQexec() gives it.
static PGresult *take_answer(Pg *pg, int sent) {
    PGresult *answer = NULL;
    while (sent == 1) {
        if (!wait_for_answer(pg)) {
            if (is_fatal(answer))
                return answer;
            PQclear(answer);
            return NULL;
        }
        PGresult *next = PQgetResult(pg->connection);
        if (next == NULL)
            break;
        bool failed = answer != NULL && PQresultStatus(answer) == PGRES_FATAL_ERROR;
        pg->completed = pg->completed || is_done(next);
        PQclear(failed ? next : answer);
        answer = failed ? answer : next;
    }
    return answer;
}

static PGresult *execute(Pg *pg, const char *sql) {
    return pg->patience_ms == 0 ? PQexec(pg->connection, sql) : take_answer(pg, PQsendQuery(pg->connection, sql));
}

static PGresult *execute_prepare(Pg *pg, const PgStatement *statement) {
    if (pg->patience_ms == 0)
        return PQprepare(pg->connection, statement->name, statement->sql, statement->n_params, statement->types);
    return take_answer(
        pg, PQsendPrepare(pg->connection, statement->name, statement->sql, statement->n_params, statement->types));
}

static bool is_prepared(const Pg *pg, const PgStatement *statement) {
    for (int i = 0; i < pg->n_prepared; i++) {
        if (pg->prepared[i] == statement)
            return true;
    }
    return false;
}

static int prepare(Pg *pg, const PgStatement *statement) {
    if (is_prepared(pg, statement))
        return 0;
    assert(pg->n_prepared < PG_STATEMENTS_MAX);
    int r = pg_flush(pg);
    if (r < 0)
        return r;
    PGresult *result = execute_prepare(pg, statement);
    if (!is_done(result))
        return fail_result(pg, statement->name, result);
    PQclear(result);
    pg->prepared[pg->n_prepared++] = statement;
    return 0;
}

// As libpq takes them: pointers into the parameters.
typedef struct Values {
    const char *values[PG_PARAMS_MAX];
    int lengths[PG_PARAMS_MAX];
} Values;

static const PgParams NO_PARAMS;

static int values_of(const Pg *pg, const PgStatement *statement, const PgParams *params, Values *ret) {
    assert(params->n == statement->n_params);
    for (int i = 0; i < params->n; i++) {
        const Bytes *buffer = &params->buffer[i];
        if (buffer->failed || buffer->n > INT32_MAX)
            return error_fail(ERROR_MEMORY, "%s: %s: no memory for its parameters", pg->name, statement->name);
        ret->values[i] = buffer->n ? (const char *)buffer->data : params->values[i];
        ret->lengths[i] = buffer->n ? (int)buffer->n : params->lengths[i];
    }
    return 0;
}

static PGresult *execute_prepared(Pg *pg, const PgStatement *statement, const PgParams *params, const Values *values) {
    if (pg->patience_ms == 0)
        return PQexecPrepared(pg->connection, statement->name, params->n, values->values, values->lengths,
                              params->formats, 1);
    return take_answer(pg, PQsendQueryPrepared(pg->connection, statement->name, params->n, values->values,
                                               values->lengths, params->formats, 1));
}

int pg_run(Pg *pg, const PgStatement *statement, const PgParams *params, PGresult **ret) {
    Values values;
    params = params ? params : &NO_PARAMS;
    pg->untold = false;
    if (ret)
        *ret = NULL;
    int r = values_of(pg, statement, params, &values);
    if (r < 0)
        return r;
    if (!pg_connected(pg))
        return fail_connection(pg, statement->name);
    r = pg_flush(pg);
    if (r == 0)
        r = prepare(pg, statement);
    if (r < 0)
        return r;
    pg->untold = true;
    pg->completed = false;
    PGresult *result = execute_prepared(pg, statement, params, &values);
    if (!is_done(result))
        return fail_result(pg, statement->name, result);
    pg->untold = false;
    if (ret)
        *ret = result;
    else
        PQclear(result);
    return 0;
}

int pg_queue(Pg *pg, const PgStatement *statement, const PgParams *params) {
    Values values;
    params = params ? params : &NO_PARAMS;
    int r = values_of(pg, statement, params, &values);
    if (r < 0)
        return r;
    if (!pg_connected(pg))
        return fail_connection(pg, statement->name);
    r = prepare(pg, statement);
    if (r < 0)
        return r;
    if (pg->n_queued == 0 && PQenterPipelineMode(pg->connection) != 1)
        return fail_connection(pg, statement->name);
    if (PQsendQueryPrepared(pg->connection, statement->name, params->n, values.values, values.lengths, params->formats,
                            1) != 1)
        return fail_connection(pg, statement->name);
    pg->n_queued++;
    return 0;
}

// The first of the queued statements' failures, or NULL. Those after it were not run.
static PGresult *collect_queued(Pg *pg) {
    PGresult *failure = NULL;
    for (; pg->n_queued > 0; pg->n_queued--) {
        PGresult *result;
        while ((result = PQgetResult(pg->connection)) != NULL) {
            if (is_done(result) || failure || PQresultStatus(result) == PGRES_PIPELINE_ABORTED)
                PQclear(result);
            else
                failure = result;
        }
        if (PQstatus(pg->connection) != CONNECTION_OK)
            break;
    }
    return failure;
}

int pg_flush(Pg *pg) {
    static const char what[] = "queued statements";
    if (pg->n_queued == 0)
        return 0;
    if (!pg_connected(pg) || PQpipelineSync(pg->connection) != 1)
        return fail_connection(pg, what);
    PGresult *failure = collect_queued(pg);
    if (pg->n_queued == 0)
        PQclear(PQgetResult(pg->connection)); // the synchronisation's own
    bool out = pg->n_queued == 0 && PQexitPipelineMode(pg->connection) == 1;
    if (failure)
        return fail_result(pg, what, failure);
    return out ? 0 : fail_connection(pg, what);
}

int pg_command(Pg *pg, const char *sql) {
    if (!pg_connected(pg))
        return fail_connection(pg, sql);
    int r = pg_flush(pg);
    if (r < 0)
        return r;
    PGresult *result = execute(pg, sql);
    if (!is_done(result))
        return fail_result(pg, sql, result);
    bool lost = strncasecmp(sql, "COMMIT", 6) == 0 && strcmp(PQcmdStatus(result), "ROLLBACK") == 0;
    PQclear(result);
    if (!lost)
        return 0;
    snprintf(pg->sqlstate, sizeof pg->sqlstate, "40000");
    return error_fail(ERROR_DATABASE, "%s: the transaction had failed; COMMIT rolled it back", pg->name);
}

static bool put_copy(PGconn *connection, const uint8_t *data, size_t n) {
    while (n > 0) {
        size_t piece = n < PG_COPY_PIECE_BYTES ? n : PG_COPY_PIECE_BYTES;
        if (PQputCopyData(connection, (const char *)data, (int)piece) != 1)
            return false;
        data += piece;
        n -= piece;
    }
    return true;
}

int pg_copy(Pg *pg, const char *copy_sql, const Bytes *rows) {
    static const uint8_t header[19] = "PGCOPY\n\377\r\n"; // and a 0, flags, no extension
    static const uint8_t trailer[2] = {0xFF, 0xFF};
    if (rows->failed)
        return error_fail(ERROR_MEMORY, "%s: no memory for rows", pg->name);
    if (!rows->n)
        return 0;
    if (!pg_connected(pg))
        return fail_connection(pg, copy_sql);
    int r = pg_flush(pg);
    if (r < 0)
        return r;
    PGresult *result = PQexec(pg->connection, copy_sql);
    if (PQresultStatus(result) != PGRES_COPY_IN)
        return fail_result(pg, copy_sql, result);
    PQclear(result);
    bool sent = put_copy(pg->connection, header, sizeof header) && put_copy(pg->connection, rows->data, rows->n) &&
                put_copy(pg->connection, trailer, sizeof trailer) && PQputCopyEnd(pg->connection, NULL) == 1;
    if (!sent)
        return fail_connection(pg, copy_sql);
    result = PQgetResult(pg->connection);
    for (PGresult *more; (more = PQgetResult(pg->connection)) != NULL;)
        PQclear(more);
    if (!is_done(result))
        return fail_result(pg, copy_sql, result);
    PQclear(result);
    return 0;
}

// ---- notifications ----

bool pg_heard(Pg *pg, PgHear *hear, void *self) {
    bool any = false;
    if (pg->connection == NULL)
        return false;
    for (PGnotify *notify; (notify = PQnotifies(pg->connection)) != NULL; PQfreemem(notify)) {
        if (hear != NULL)
            hear(self, notify->relname, notify->extra);
        any = true;
    }
    return any;
}

int pg_hear(Pg *pg, PgHear *hear, void *self) {
    bool lost = PQconsumeInput(pg->connection) == 0;
    (void)pg_heard(pg, hear, self); // also of a session that is lost: they were told
    return lost ? fail_connection(pg, "notifications") : 0;
}
