// SPDX-License-Identifier: Apache-2.0
//
// Our calls to libpq. A connection that is lost is cut at its socket, so that libpq and the server find out as they
// would; a refusal is a real one of the server's, so that the transaction has failed there too.
#include "tests/failing/failing_state.h"

#include <libpq-fe.h>
#include <string.h>
#include <sys/socket.h>

static const char REFUSE[] = "DO $$BEGIN RAISE EXCEPTION 'out of memory' USING ERRCODE = '53200'; END$$";

static void cut(PGconn *connection) {
    if (PQsocket(connection) >= 0)
        shutdown(PQsocket(connection), SHUT_RDWR);
}

static bool ends_transaction(const char *sql) {
    return strncmp(sql, "ROLLBACK", 8) == 0;
}

// ---- one after the other ----

PGresult *__real_PQexec(PGconn *connection, const char *sql);
PGresult *__wrap_PQexec(PGconn *connection, const char *sql);
PGresult *__wrap_PQexec(PGconn *connection, const char *sql) {
    if (!ends_transaction(sql) && fail_now(FAIL_PG_REFUSED))
        return __real_PQexec(connection, REFUSE);
    if (fail_now(FAIL_PG_LOST))
        cut(connection);
    if (!fail_now(FAIL_PG_LOST_AFTER))
        return __real_PQexec(connection, sql);
    PQclear(__real_PQexec(connection, sql));
    cut(connection);
    return __real_PQexec(connection, "SELECT 1");
}

PGresult *__real_PQprepare(PGconn *connection, const char *name, const char *sql, int n, const Oid *types);
PGresult *__wrap_PQprepare(PGconn *connection, const char *name, const char *sql, int n, const Oid *types);
PGresult *__wrap_PQprepare(PGconn *connection, const char *name, const char *sql, int n, const Oid *types) {
    if (fail_now(FAIL_PG_REFUSED))
        return __real_PQexec(connection, REFUSE);
    if (fail_now(FAIL_PG_LOST))
        cut(connection);
    return __real_PQprepare(connection, name, sql, n, types);
}

PGresult *__real_PQexecPrepared(PGconn *connection, const char *name, int n, const char *const *values,
                                const int *lengths, const int *formats, int format);
PGresult *__wrap_PQexecPrepared(PGconn *connection, const char *name, int n, const char *const *values,
                                const int *lengths, const int *formats, int format);
PGresult *__wrap_PQexecPrepared(PGconn *connection, const char *name, int n, const char *const *values,
                                const int *lengths, const int *formats, int format) {
    if (fail_now(FAIL_PG_REFUSED))
        return __real_PQexec(connection, REFUSE);
    if (fail_now(FAIL_PG_LOST))
        cut(connection);
    if (!fail_now(FAIL_PG_LOST_AFTER))
        return __real_PQexecPrepared(connection, name, n, values, lengths, formats, format);
    PQclear(__real_PQexecPrepared(connection, name, n, values, lengths, formats, format));
    cut(connection);
    return __real_PQexec(connection, "SELECT 1");
}

// ---- sent, and answered later ----

int __real_PQsendQueryPrepared(PGconn *connection, const char *name, int n, const char *const *values,
                               const int *lengths, const int *formats, int format);
int __wrap_PQsendQueryPrepared(PGconn *connection, const char *name, int n, const char *const *values,
                               const int *lengths, const int *formats, int format);
int __wrap_PQsendQueryPrepared(PGconn *connection, const char *name, int n, const char *const *values,
                               const int *lengths, const int *formats, int format) {
    if (fail_now(FAIL_PG_REFUSED))
        return PQsendQueryParams(connection, REFUSE, 0, NULL, NULL, NULL, NULL, 1);
    if (fail_now(FAIL_PG_LOST))
        cut(connection);
    bool after = fail_now(FAIL_PG_LOST_AFTER);
    int r = __real_PQsendQueryPrepared(connection, name, n, values, lengths, formats, format);
    if (after)
        cut(connection);
    return r;
}

int __real_PQsendQuery(PGconn *connection, const char *sql);
int __wrap_PQsendQuery(PGconn *connection, const char *sql);
int __wrap_PQsendQuery(PGconn *connection, const char *sql) {
    if (!ends_transaction(sql) && fail_now(FAIL_PG_REFUSED))
        return __real_PQsendQuery(connection, REFUSE);
    if (fail_now(FAIL_PG_LOST))
        cut(connection);
    return __real_PQsendQuery(connection, sql);
}

PGresult *__real_PQgetResult(PGconn *connection);
PGresult *__wrap_PQgetResult(PGconn *connection);
PGresult *__wrap_PQgetResult(PGconn *connection) {
    if (fail_now(FAIL_PG_LOST))
        cut(connection);
    return __real_PQgetResult(connection);
}

int __real_PQpipelineSync(PGconn *connection);
int __wrap_PQpipelineSync(PGconn *connection);
int __wrap_PQpipelineSync(PGconn *connection) {
    if (fail_now(FAIL_PG_LOST))
        cut(connection);
    return __real_PQpipelineSync(connection);
}

// ---- COPY ----

int __real_PQputCopyData(PGconn *connection, const char *data, int n);
int __wrap_PQputCopyData(PGconn *connection, const char *data, int n);
int __wrap_PQputCopyData(PGconn *connection, const char *data, int n) {
    if (fail_now(FAIL_PG_LOST))
        cut(connection);
    return __real_PQputCopyData(connection, data, n);
}

int __real_PQputCopyEnd(PGconn *connection, const char *message);
int __wrap_PQputCopyEnd(PGconn *connection, const char *message);
int __wrap_PQputCopyEnd(PGconn *connection, const char *message) {
    if (fail_now(FAIL_PG_REFUSED))
        return __real_PQputCopyEnd(connection, "out of memory");
    if (fail_now(FAIL_PG_LOST))
        cut(connection);
    bool after = fail_now(FAIL_PG_LOST_AFTER);
    int r = __real_PQputCopyEnd(connection, message);
    if (after)
        cut(connection);
    return r;
}

// ---- connecting ----

PGconn *__real_PQconnectdbParams(const char *const *keywords, const char *const *values, int expand);
PGconn *__wrap_PQconnectdbParams(const char *const *keywords, const char *const *values, int expand);
PGconn *__wrap_PQconnectdbParams(const char *const *keywords, const char *const *values, int expand) {
    PGconn *connection = __real_PQconnectdbParams(keywords, values, expand);
    if (fail_now(FAIL_PG_LOST))
        cut(connection);
    return connection;
}
