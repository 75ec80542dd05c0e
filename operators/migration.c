// SPDX-License-Identifier: Apache-2.0
//
// Files are read and hashed first, so that what is remembered is what was run. Nothing is guessed: a gap in the numbers
// or a file with another name pattern is an error, not skipped.
#include "operators/migration.h"
#include "operators/result.h"
#include "proto/base/bytes.h"
#include "proto/base/clock.h"
#include "proto/base/error.h"
#include "proto/merkle.h"
#include "proto/store_version.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MIGRATIONS_MAX 1000
#define MIGRATION_BYTES_MAX (4 * 1024 * 1024)
#define WAS "\n-- was "

typedef struct Migration {
    int number;
    char *name; // the file's
    Bytes sql;  // closed by 0
    uint8_t sha256[HASH_BYTES];
} Migration;

typedef struct Migrations {
    Migration *list;
    int n;
} Migrations;

// SQL text is constant, so each store has its own.
typedef struct Store {
    const char *name;
    int version; // that this program works with
    PgStatement present, applied, insert;
} Store;
#define STATEMENT(schema, what, sql, n)                                                                                \
    { schema "_migration_" what, sql, n, NULL }
#define STORE(schema, version)                                                                                         \
    {                                                                                                                  \
        schema, version, STATEMENT(schema, "present", "SELECT to_regclass('" schema ".migration') IS NOT NULL", 0),    \
            STATEMENT(schema, "applied", "SELECT number, name, sha256 FROM " schema ".migration ORDER BY number", 0),  \
            STATEMENT(schema, "insert", "INSERT INTO " schema ".migration (number, name, sha256) VALUES ($1, $2, $3)", \
                      3)                                                                                               \
    }
static const Store STORES[] = {[MIGRATION_EXCHANGE] = STORE("exchange", STORE_VERSION_EXCHANGE),
                               [MIGRATION_POPULATION] = STORE("population", STORE_VERSION_POPULATION)};

static void migrations_free(Migrations *migrations) {
    for (int i = 0; i < migrations->n; i++) {
        free(migrations->list[i].name);
        bytes_free(&migrations->list[i].sql);
    }
    free(migrations->list);
    *migrations = (Migrations){0};
}

static int read_file(const char *path, Bytes *out) {
    FILE *file = fopen(path, "rb");
    if (!file)
        return error_fail(ERROR_CONFIG, "%s: %s", path, strerror(errno));
    char piece[8192];
    size_t n;
    while ((n = fread(piece, 1, sizeof piece, file)) > 0 && out->n <= MIGRATION_BYTES_MAX)
        bytes_append(out, piece, n);
    bool bad = ferror(file) || out->n > MIGRATION_BYTES_MAX || memchr(out->data, 0, out->n);
    fclose(file);
    bytes_append_u8(out, 0);
    if (out->failed)
        return error_fail(ERROR_MEMORY, "%s: no memory to read it", path);
    return bad ? error_fail(ERROR_CONFIG, "%s cannot be read as SQL text", path) : 0;
}

static int is_sql(const struct dirent *entry) {
    size_t n = strlen(entry->d_name);
    return n > 4 && entry->d_name[0] != '.' && strcmp(entry->d_name + n - 4, ".sql") == 0;
}

static int read_one(Migrations *migrations, Merkle *merkle, const char *dir, const char *name) {
    Migration *migration = &migrations->list[migrations->n];
    char path[4096];
    char *end;
    migration->number = (int)strtol(name, &end, 10);
    if (end != name + 4 || *end != '_' || migration->number != migrations->n + 1)
        return error_fail(ERROR_CONFIG, "%s/%s: the next migration is %04d_NAME.sql", dir, name, migrations->n + 1);
    if (snprintf(path, sizeof path, "%s/%s", dir, name) >= (int)sizeof path)
        return error_fail(ERROR_CONFIG, "%s: the path is too long", dir);
    migrations->n++;
    migration->name = strdup(name);
    if (!migration->name)
        return error_fail(ERROR_MEMORY, "no memory for a migration's name");
    int r = read_file(path, &migration->sql);
    if (r == 0)
        merkle_sha256(merkle, migration->sql.data, migration->sql.n - 1, migration->sha256);
    return r;
}

static int migrations_read(Migrations *ret, const char *dir) {
    CLEANUP(merkle_destroy) Merkle *merkle = NULL;
    int r = merkle_new(&merkle);
    if (r < 0)
        return r;
    struct dirent **names = NULL;
    int n = scandir(dir, &names, is_sql, alphasort);
    if (n <= 0) {
        free(names);
        return error_fail(ERROR_CONFIG, "%s: %s; \"schemas\" in the configuration names the folder above it", dir,
                          n < 0 ? strerror(errno) : "no migrations in it");
    }
    ret->list = calloc((size_t)n, sizeof *ret->list);
    if (!ret->list)
        r = error_fail(ERROR_MEMORY, "no memory for %d migrations", n);
    for (int i = 0; i < n; i++) {
        if (r == 0)
            r = read_one(ret, merkle, dir, names[i]->d_name);
        free(names[i]);
    }
    free(names);
    return r;
}

// A file that had to be changed, and leaves the same, names the hash of what it was.
static bool is_file(const Migration *migration, const uint8_t sha256[HASH_BYTES]) {
    uint8_t was[HASH_BYTES];
    const char *said = strstr((const char *)migration->sql.data, WAS);
    if (memcmp(sha256, migration->sha256, HASH_BYTES) == 0)
        return true;
    char digits[2 * HASH_BYTES + 1] = "";
    if (said)
        snprintf(digits, sizeof digits, "%s", said + sizeof WAS - 1);
    return hex_decode(digits, was, HASH_BYTES) == 0 && memcmp(sha256, was, HASH_BYTES) == 0;
}

// How many are applied, after holding them against the files.
static int count_applied(Pg *pg, const Store *store, const Migrations *migrations, int *ret) {
    RESULT present = NULL;
    RESULT applied = NULL;
    *ret = 0;
    int r = pg_run(pg, &store->present, NULL, &present);
    if (r < 0 || !pg_bool(present, 0, 0))
        return r;
    r = pg_run(pg, &store->applied, NULL, &applied);
    if (r < 0)
        return r;
    int n = PQntuples(applied);
    if (n > migrations->n)
        return error_fail(ERROR_CONFIG,
                          "%s: the database is at migration %d, this program knows %d: use the newer dongbo that "
                          "made it so",
                          store->name, n, migrations->n);
    for (int i = 0; i < n; i++) {
        size_t bytes = 0;
        const uint8_t *sha256 = pg_bytes(applied, i, 2, &bytes);
        if (pg_i32(applied, i, 0) != i + 1)
            return error_fail(ERROR_CONFIG, "%s: migration %d is missing in the database", store->name, i + 1);
        if (bytes != HASH_BYTES || !is_file(&migrations->list[i], sha256))
            return error_fail(ERROR_CONFIG,
                              "%s: %s is not the file that was applied (%s): put it back, and bring changes as a new "
                              "migration",
                              store->name, migrations->list[i].name, pg_text(applied, i, 1));
    }
    *ret = n;
    return 0;
}

// Runs the file's text. pg_command() would repeat it in its sentence; here the sentence names the line.
static int run_file(Pg *pg, const Store *store, const Migration *migration) {
    RESULT result = PQexec(pg_raw(pg), (const char *)migration->sql.data);
    ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY)
        return 0;
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    const char *position = PQresultErrorField(result, PG_DIAG_STATEMENT_POSITION);
    long characters = position ? strtol(position, NULL, 10) : 0;
    int line = 1;
    for (const uint8_t *at = migration->sql.data; *at && characters > 1; at++) {
        line += *at == '\n';
        characters -= (*at & 0xC0) != 0x80;
    }
    // What the server says of the text is no matter of reaching it.
    bool said = PQresultErrorField(result, PG_DIAG_SQLSTATE) != NULL && PQstatus(pg_raw(pg)) == CONNECTION_OK;
    return error_fail(said ? ERROR_DATA : ERROR_DATABASE, "%s/%s:%d: %s", store->name, migration->name,
                      position ? line : 1, message ? message : PQerrorMessage(pg_raw(pg)));
}

static int apply_one(Pg *pg, const Store *store, const Migration *migration) {
    int r = pg_command(pg, "BEGIN");
    if (r == 0)
        r = run_file(pg, store, migration);
    PgParams params = {0};
    if (r == 0) {
        pg_param_i32(&params, migration->number);
        pg_param_text(&params, migration->name);
        pg_param_bytes(&params, migration->sha256, HASH_BYTES);
        r = pg_run(pg, &store->insert, &params, NULL);
    }
    pg_params_free(&params);
    if (r == 0)
        r = pg_command(pg, "COMMIT");
    if (r < 0)
        pg_disconnect(pg); // rolls back
    return r;
}

int migration_apply(Pg *pg, MigrationStore which, const char *schemas_dir, FILE *said, int *ret_applied) {
    const Store *store = &STORES[which];
    CLEANUP(migrations_free) Migrations migrations = {0};
    char dir[4096];
    *ret_applied = 0;
    if (snprintf(dir, sizeof dir, "%s/%s", schemas_dir, store->name) >= (int)sizeof dir)
        return error_fail(ERROR_CONFIG, "%s: the path is too long", schemas_dir);
    int r = migrations_read(&migrations, dir);
    if (r == 0 && migrations.n < store->version)
        r = error_fail(ERROR_CONFIG,
                       "%s ends at %s, and this program works with migration %d: `schemas` of the configuration names "
                       "those of an older version",
                       dir, migrations.list[migrations.n - 1].name, store->version);
    // Until the session ends: two operators at once come one after the other.
    if (r == 0)
        r = pg_command(pg, "SELECT pg_catalog.pg_advisory_lock(7237124516519804930)");
    int applied = 0;
    if (r == 0)
        r = count_applied(pg, store, &migrations, &applied);
    for (int i = applied; r == 0 && i < migrations.n; i++) {
        int64_t begun_ms = clock_monotonic_ms(clock_system());
        r = apply_one(pg, store, &migrations.list[i]);
        long long s = (long long)(clock_monotonic_ms(clock_system()) - begun_ms) / 1000;
        if (r == 0) {
            fprintf(said, "%s: applied %s", store->name, migrations.list[i].name);
            fprintf(said, s > 0 ? " in %lld s\n" : "\n", s);
            fflush(said);
            ++*ret_applied;
        }
    }
    if (r == 0 && *ret_applied == 0)
        fprintf(said, "%s: nothing to do, at %s\n", store->name, migrations.list[migrations.n - 1].name);
    return r;
}
