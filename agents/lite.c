// SPDX-License-Identifier: Apache-2.0
//
// See lite.h.
#include "agents/lite.h"

#include "proto/base/error.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STATEMENTS_MAX 128

struct Lite {
    sqlite3 *db;
    int n;
    struct {
        const char *sql;
        sqlite3_stmt *statement;
    } statements[STATEMENTS_MAX];
};

// What to do about it stands before the statement, which is for whoever mends the program.
static int lite_fail(const Lite *lite, const char *what) {
    int code = sqlite3_errcode(lite->db) & 0xFF;
    const char *advice = code == SQLITE_FULL    ? "; make room on its disk, nothing is lost"
                         : code == SQLITE_IOERR ? "; see whether its disk is whole and has room"
                         : code == SQLITE_CORRUPT || code == SQLITE_NOTADB
                             ? "; move it away: files are then read again, and rows of an outbox once their mark is "
                               "taken away (RESTORE.md, An agent's machine)"
                             : "";
    return error_fail(ERROR_SYSTEM, "spool %s: %s%s (%.60s)", sqlite3_db_filename(lite->db, "main"),
                      sqlite3_errmsg(lite->db), advice, what);
}

// WAL with a sync at each commit; larger pages, because what is stored is mostly batches of 128 KiB.
static const char SETTINGS[] = "PRAGMA page_size = 16384; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                               "PRAGMA secure_delete = FAST; PRAGMA foreign_keys = OFF; PRAGMA cache_size = -32768;"
                               "PRAGMA temp_store = MEMORY;";

int lite_open(Lite **ret, const char *path) {
    // SQLite creates files by the umask; a spool holds citizens' data.
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_fail(ERROR_SYSTEM, "cannot open %s: %s", path, strerror(errno));
    close(fd);
    Lite *lite = calloc(1, sizeof *lite);
    if (lite == NULL)
        return error_fail(ERROR_MEMORY, "no memory for a spool");
    int r = sqlite3_open_v2(path, &lite->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (r != SQLITE_OK) {
        r = error_fail(ERROR_SYSTEM, "cannot open %s: %s", path, sqlite3_errstr(r));
        lite_close(&lite);
        return r;
    }
    sqlite3_busy_timeout(lite->db, 10000);
    r = lite_script(lite, SETTINGS);
    if (r == 0)
        r = lite_settle(lite);
    if (r < 0) {
        lite_close(&lite);
        return r;
    }
    *ret = lite;
    return 0;
}

int lite_look(Lite **ret, const char *path) {
    if (access(path, F_OK) != 0)
        return error_fail(ERROR_CONFIG, "there is no spool %s yet: an agent makes it when it is started", path);
    Lite *lite = calloc(1, sizeof *lite);
    if (lite == NULL)
        return error_fail(ERROR_MEMORY, "no memory for a spool");
    int r = sqlite3_open_v2(path, &lite->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);
    if (r != SQLITE_OK) {
        r = error_fail(ERROR_SYSTEM, "cannot open %s: %s", path, sqlite3_errstr(r));
        lite_close(&lite);
        return r;
    }
    sqlite3_busy_timeout(lite->db, 10000);
    *ret = lite;
    return 0;
}

void lite_close(Lite **lite) {
    if (*lite == NULL)
        return;
    for (int i = 0; i < (*lite)->n; i++)
        sqlite3_finalize((*lite)->statements[i].statement);
    sqlite3_close((*lite)->db);
    free(*lite);
    *lite = NULL;
}

void lite_rollback(Lite *lite) {
    if (sqlite3_get_autocommit(lite->db) == 0)
        (void)sqlite3_exec(lite->db, "ROLLBACK", NULL, NULL, NULL);
}

int lite_script(Lite *lite, const char *sql) {
    if (sqlite3_exec(lite->db, sql, NULL, NULL, NULL) != SQLITE_OK)
        return lite_fail(lite, sql);
    return 0;
}

static int lite_prepare(Lite *lite, const char *sql, sqlite3_stmt **ret) {
    for (int i = 0; i < lite->n; i++) {
        if (lite->statements[i].sql == sql) {
            *ret = lite->statements[i].statement;
            return 0;
        }
    }
    assert(lite->n < STATEMENTS_MAX);
    if (sqlite3_prepare_v3(lite->db, sql, -1, SQLITE_PREPARE_PERSISTENT, ret, NULL) != SQLITE_OK)
        return lite_fail(lite, sql);
    lite->statements[lite->n].sql = sql;
    lite->statements[lite->n++].statement = *ret;
    return 0;
}

static int lite_bind(Lite *lite, const char *sql, sqlite3_stmt **ret, const char *types, va_list args) {
    int r = lite_prepare(lite, sql, ret);
    if (r < 0)
        return r;
    assert((int)strlen(types) == sqlite3_bind_parameter_count(*ret));
    for (int i = 0; types[i] != 0; i++) {
        int bound = SQLITE_MISUSE;
        if (types[i] == 'i') {
            bound = sqlite3_bind_int64(*ret, i + 1, va_arg(args, int64_t));
        } else if (types[i] == 't') {
            bound = sqlite3_bind_text(*ret, i + 1, va_arg(args, const char *), -1, SQLITE_STATIC);
        } else if (types[i] == 'b') {
            const void *data = va_arg(args, const void *);
            bound = sqlite3_bind_blob64(*ret, i + 1, data, va_arg(args, size_t), SQLITE_STATIC);
        }
        if (bound != SQLITE_OK)
            return lite_fail(lite, sql);
    }
    return 0;
}

int lite_row(Lite *lite, sqlite3_stmt *statement) {
    int r = sqlite3_step(statement);
    if (r == SQLITE_ROW)
        return 0;
    int result = r == SQLITE_DONE ? 1 : lite_fail(lite, sqlite3_sql(statement));
    lite_end(statement);
    return result;
}

void lite_end(sqlite3_stmt *statement) {
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
}

int lite_run(Lite *lite, const char *sql, const char *types, ...) {
    sqlite3_stmt *statement;
    va_list args;
    va_start(args, types);
    int r = lite_bind(lite, sql, &statement, types, args);
    va_end(args);
    if (r < 0)
        return r;
    while ((r = lite_row(lite, statement)) == 0)
        continue;
    return r < 0 ? r : 0;
}

int lite_query(Lite *lite, sqlite3_stmt **ret, const char *sql, const char *types, ...) {
    va_list args;
    va_start(args, types);
    int r = lite_bind(lite, sql, ret, types, args);
    va_end(args);
    return r;
}

int lite_number(Lite *lite, const char *sql, int64_t none, int64_t *ret, const char *types, ...) {
    sqlite3_stmt *statement;
    va_list args;
    va_start(args, types);
    int r = lite_bind(lite, sql, &statement, types, args);
    va_end(args);
    if (r < 0)
        return r;
    *ret = none;
    r = lite_row(lite, statement);
    if (r == 0) {
        *ret = sqlite3_column_int64(statement, 0);
        lite_end(statement);
    }
    return r < 0 ? r : 0;
}

const uint8_t *lite_blob(sqlite3_stmt *statement, int column, size_t *ret_n) {
    const uint8_t *data = sqlite3_column_blob(statement, column);
    *ret_n = (size_t)sqlite3_column_bytes(statement, column);
    return data;
}

const char *lite_text(sqlite3_stmt *statement, int column) {
    const char *text = (const char *)sqlite3_column_text(statement, column);
    return text == NULL ? "" : text;
}

int64_t lite_last_id(const Lite *lite) {
    return sqlite3_last_insert_rowid(lite->db);
}

int lite_changes(const Lite *lite) {
    return sqlite3_changes(lite->db);
}

// Where a sync failed, the kernel takes what it could not write for written, and no later sync writes it: the log that
// is read back now may be gone with the power, header and all. So what it holds goes into the file, and it begins anew.
int lite_settle(Lite *lite) {
    int64_t busy;
    int r = lite_number(lite, "PRAGMA wal_checkpoint(TRUNCATE)", 1, &busy, "");
    if (r == 0 && busy != 0)
        r = error_fail(ERROR_SYSTEM, "spool %s: somebody else reads it", sqlite3_db_filename(lite->db, "main"));
    return r;
}
