/* SPDX-License-Identifier: Apache-2.0
 *
 * Keeps a copy of a subscription's records in an SQLite file: filled by a snapshot, then kept in step until it is
 * stopped, or with --until-quiet until nothing has come for a second. The state file may be older than the copy,
 * whatever dies when: epochs and positions tell what is newer. Does the copy hold what the exchange may have forgotten,
 * for its database was set back, it is filled anew.
 *   cc copy.c $(pkg-config --cflags --libs dongbo sqlite3) -o copy
 *   ./copy hn-health keys/hn-health.yaml keys/broker.yaml.pub tcp://exchange:7702 hn.position hn.db
 */
#include <dongbo.h>

#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#define GROUP 1000 /* records in one transaction, at most */

static volatile sig_atomic_t stopped;

static void stop(int number) {
    (void)number;
    stopped = 1;
}

static int failed(sqlite3 *db) {
    fprintf(stderr, "copy: %s\n", sqlite3_errmsg(db));
    return DONGBO_ERROR_SYSTEM;
}

static int run(sqlite3 *db, const char *sql) {
    return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : failed(db);
}

/* A parameter that a statement does not have is not bound, which is no harm. 1: it has a row to tell. */
static int row(sqlite3 *db, const char *sql, const DongboRecord *record) {
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
        return failed(db);
    sqlite3_bind_blob(statement, 1, record->record_id, (int)record->record_id_bytes, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 2, (sqlite3_int64)record->position);
    sqlite3_bind_int64(statement, 3, record->snapshot);
    sqlite3_bind_text(statement, 4, record->json, -1, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 5, record->epoch);
    int step = sqlite3_step(statement), r = step == SQLITE_ROW;
    if (step != SQLITE_ROW && step != SQLITE_DONE)
        r = failed(db);
    sqlite3_finalize(statement);
    return r;
}

static int take(sqlite3 *db, const DongboRecord *record) {
    if (record->change == DONGBO_SNAPSHOT_END)
        return row(db, "DELETE FROM record WHERE snapshot <> ?3", record);
    if (record->snapshot)
        return row(db, "INSERT OR REPLACE INTO record VALUES (?1, ?2, ?3, ?4, ?5)", record);
    if (record->change == DONGBO_RECORD_DELETE || record->change == DONGBO_RECORD_LEFT)
        return row(db, "DELETE FROM record WHERE id = ?1 AND (epoch, position) < (?5, ?2)", record);
    return row(db,
               "INSERT INTO record VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (id) DO UPDATE "
               "SET position = ?2, json = ?4, epoch = ?5 WHERE (epoch, position) < (?5, ?2)",
               record);
}

/* 1: the log was set back, and something is held of what it had told before. */
static int set_back(sqlite3 *db, const DongboRecord *record) {
    return record->snapshot ? 0 : row(db, "SELECT 1 FROM record WHERE epoch < ?5 AND position >= ?2 LIMIT 1", record);
}

static int acknowledge(DongboSubscriber *subscriber, sqlite3 *db) {
    int r = run(db, "COMMIT; BEGIN");
    return r < 0 ? r : dongbo_subscriber_acknowledge_all(subscriber);
}

static int receive(DongboSubscriber *subscriber, sqlite3 *db, int until_quiet) {
    const DongboRecord *record;
    uint32_t epoch = 0;
    int n = 0, r = run(db, "BEGIN");
    while (r >= 0 && !stopped) {
        r = dongbo_subscriber_next(subscriber, &record, n ? 0 : 1000);
        if (r == DONGBO_GONE || dongbo_subscriber_rights_changed(subscriber)) {
            r = dongbo_subscriber_take_snapshot(subscriber);
            continue;
        }
        int quiet = r == DONGBO_LATER && n == 0 && !*dongbo_error();
        if (r == DONGBO_REFUSED || (quiet && until_quiet))
            break;
        if (r == DONGBO_OK && record->epoch != epoch) {
            epoch = record->epoch;
            r = set_back(db, record);
            if (r == 1) {
                r = dongbo_subscriber_take_snapshot(subscriber);
                continue;
            }
        }
        if (r == DONGBO_OK)
            r = take(db, record);
        n += r == DONGBO_OK;
        if (r >= 0 && n && (r != DONGBO_OK || n >= GROUP)) {
            r = acknowledge(subscriber, db);
            n = 0;
        }
    }
    return r;
}

/* A copy of before there were epochs is made to have them. */
static int prepare(sqlite3 *db) {
    int r = run(db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE IF NOT EXISTS record (id BLOB "
                    "PRIMARY KEY, position INTEGER NOT NULL, snapshot INTEGER NOT NULL, json TEXT NOT NULL, "
                    "epoch INTEGER NOT NULL)");
    if (r < 0 || sqlite3_table_column_metadata(db, NULL, "record", "epoch", NULL, NULL, NULL, NULL, NULL) == SQLITE_OK)
        return r;
    return run(db, "ALTER TABLE record ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0");
}

int main(int argc, char **argv) {
    DongboSubscriber *subscriber;
    sqlite3 *db;
    if (argc < 7 || argc > 8 || (argc == 8 && strcmp(argv[7], "--until-quiet") != 0)) {
        fprintf(stderr, "usage: copy SUBSCRIPTION KEYS BROKER.pub ENDPOINT STATE COPY.db [--until-quiet]\n");
        return 2;
    }
    signal(SIGINT, stop);
    signal(SIGTERM, stop);
    if (sqlite3_open(argv[6], &db) != SQLITE_OK || prepare(db) < 0)
        return 1;
    DongboSubscriberOptions options = DONGBO_INIT(DongboSubscriberOptions);
    options.subscription = argv[1];
    options.keys = argv[2];
    options.broker_key = argv[3];
    options.endpoints = (const char *const *)&argv[4];
    options.n_endpoints = 1;
    options.state = argv[5];
    options.from = DONGBO_FROM_SNAPSHOT;
    int r = dongbo_subscriber_open(&subscriber, &options);
    if (r == 0)
        r = receive(subscriber, db, argc == 8);
    if (r < 0 || r == DONGBO_REFUSED)
        fprintf(stderr, "copy: %s\n", dongbo_error());
    dongbo_subscriber_close(&subscriber);
    sqlite3_close(db);
    return r < 0 || r == DONGBO_REFUSED;
}
