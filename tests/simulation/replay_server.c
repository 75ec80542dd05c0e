// SPDX-License-Identifier: Apache-2.0
//
// The server that a tape is held against: the one that PGHOST names (tests/unit/with-postgres), with all migrations,
// for which it is the simulation's time: a schema before pg_catalog has the functions that tell the time and which
// server it is.
#include "replay.h"

#include <assert.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SEARCH_PATH "SET search_path = simulated, pg_catalog, pg_temp"

static char clock_path[512];

static void need(PGconn *connection, PGresult *result) {
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
        fprintf(stderr, "replay: %s", PQerrorMessage(connection));
        exit(2);
    }
    PQclear(result);
}

static void drop_notice(void *self, const PGresult *notice) {}

PGconn *server_connect(const char *database) {
    const char *const names[] = {"dbname", "client_encoding", NULL}, *const values[] = {database, "UTF8", NULL};
    PGconn *connection = PQconnectdbParams(names, values, 0);
    if (PQstatus(connection) != CONNECTION_OK) {
        fprintf(stderr, "replay: %s", PQerrorMessage(connection));
        exit(2);
    }
    PQsetNoticeReceiver(connection, drop_notice, NULL);
    need(connection, PQexec(connection, SEARCH_PATH "; SET timezone = 'UTC'"));
    return connection;
}

static int by_name(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void run_file(PGconn *connection, const char *path) {
    static char sql[512 * 1024];
    FILE *file = fopen(path, "r");
    assert(file != NULL);
    sql[fread(sql, 1, sizeof sql - 1, file)] = 0;
    fclose(file);
    need(connection, PQexec(connection, sql));
}

static void migrate(PGconn *connection, const char *schema) {
    char directory[400], path[800];
    const char *source = getenv("DONGBO_SOURCE");
    struct dirent **files;
    snprintf(directory, sizeof directory, "%s/schemas/%s", source == NULL ? "." : source, schema);
    int n = scandir(directory, &files, NULL, by_name);
    assert(n > 0);
    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof path, "%s/%s", directory, files[i]->d_name);
        if (strstr(path, ".sql") != NULL)
            run_file(connection, path);
        free(files[i]);
    }
    free(files);
}

// What the time is stands in a file: a session needs to be told nothing.
static void make_clock(PGconn *connection) {
    char sql[2000];
    const char *host = getenv("PGHOST");
    assert(host != NULL);
    snprintf(clock_path, sizeof clock_path, "%s/simulated-clock", host);
    snprintf(sql, sizeof sql,
             "CREATE SCHEMA simulated;"
             "CREATE FUNCTION simulated.clock_timestamp() RETURNS timestamptz LANGUAGE sql STABLE AS"
             " $$ SELECT 'epoch'::timestamptz + pg_catalog.pg_read_file('%s')::bigint * interval '1 microsecond' $$;"
             "CREATE FUNCTION simulated.now() RETURNS timestamptz LANGUAGE sql STABLE AS"
             " $$ SELECT simulated.clock_timestamp() $$",
             clock_path);
    need(connection, PQexec(connection, sql));
    server_set_clock(0);
}

void server_begin(void) {
    PGconn *connection = server_connect("postgres");
    need(connection, PQexec(connection, "CREATE DATABASE migrated"));
    PQfinish(connection);
    connection = server_connect("migrated");
    make_clock(connection);
    migrate(connection, "exchange");
    migrate(connection, "population");
    need(connection, PQexec(connection, "CREATE OR REPLACE FUNCTION exchange.server_identity("
                                        "OUT system_identifier bigint, OUT timeline integer) LANGUAGE sql AS"
                                        " $$ SELECT 7000000000000000001, 1 $$"));
    PQfinish(connection);
}

void server_end(void) {
    unlink(clock_path);
}

PGconn *server_fresh(void) {
    PGconn *connection = server_connect("postgres");
    need(connection, PQexec(connection, "DROP DATABASE IF EXISTS replayed"));
    need(connection, PQexec(connection, "CREATE DATABASE replayed TEMPLATE migrated"));
    PQfinish(connection);
    return server_connect("replayed");
}

void server_set_clock(int64_t us) {
    static int64_t said = -1;
    char text[32], fresh[sizeof clock_path + 8];
    if (us == said)
        return;
    said = us;
    snprintf(fresh, sizeof fresh, "%s.new", clock_path);
    FILE *file = fopen(fresh, "w");
    assert(file != NULL);
    snprintf(text, sizeof text, "%lld", (long long)us);
    fputs(text, file);
    if (fclose(file) != 0 || rename(fresh, clock_path) != 0) { // or all would be judged at another time
        fprintf(stderr, "replay: %s cannot be written\n", clock_path);
        exit(2);
    }
}

bool server_waits(PGconn *control, PGconn *session) {
    char pid[16];
    const char *const values[] = {pid};
    snprintf(pid, sizeof pid, "%d", PQbackendPID(session));
    PGresult *rows = PQexecParams(control, "SELECT FROM pg_locks WHERE pid = $1::integer AND NOT granted", 1, NULL,
                                  values, NULL, NULL, 0);
    bool waits = PQntuples(rows) > 0;
    PQclear(rows);
    return waits;
}
