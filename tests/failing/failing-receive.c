// SPDX-License-Identifier: Apache-2.0
//
// A committee's sinks, files and PostgreSQL (with-postgres): whatever call fails while records are taken in, what is
// there is what the sink's own place says, no record less and none twice, and from there it goes on to the same end.
#include "agents/sink_jsonl.h"
#include "agents/sink_postgres.h"
#include "proto/base/error.h"
#include "proto/base/pg.h"
#include "tests/failing/report.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HELD 5 // committed before anything fails
#define FIRST_COMMIT 8
#define LAST 12
#define FILE_BYTES_MAX 700 // so that some commits begin a new file

typedef struct Way {
    const char *name;
    int (*open)(Sink **ret);
    uint64_t (*count)(const char *at); // records there, which must be those from 1 on
    void (*forget)(void);
} Way;

static char directory[128];
static Pg *pg;

// ---- files ----

static int files_open(Sink **ret) {
    return sink_jsonl_new(ret, &(SinkJsonlOptions){.directory = directory, .file_bytes_max = FILE_BYTES_MAX});
}

static uint64_t files_count(const char *at) {
    uint64_t n = 0;
    for (unsigned number = 1; number < 100; number++) {
        char path[256], line[1024];
        snprintf(path, sizeof path, "%s/records-%06u.jsonl", directory, number);
        FILE *file = fopen(path, "r");
        while (file != NULL && fgets(line, sizeof line, file) != NULL) {
            unsigned long long position;
            MUST(sscanf(line, "{\"position\":%llu,", &position) == 1 && line[strlen(line) - 1] == '\n', at);
            MUST(position == ++n, at);
        }
        if (file != NULL)
            fclose(file);
    }
    return n;
}

static void files_forget(void) {
    DIR *list = opendir(directory);
    for (struct dirent *entry; list != NULL && (entry = readdir(list)) != NULL;) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
        if (entry->d_name[0] != '.')
            unlink(path);
    }
    if (list != NULL)
        closedir(list);
}

// ---- PostgreSQL ----

static int tables_open(Sink **ret) {
    return sink_postgres_new(ret, "", "received");
}

static uint64_t tables_count(const char *at) {
    PGresult *result = PQexec(pg_raw(pg), "SELECT count(*), coalesce(min(position), 1), coalesce(max(position), 0),"
                                          " count(DISTINCT record_id) FROM received.health");
    MUST(PQresultStatus(result) == PGRES_TUPLES_OK, at);
    unsigned long long n[4];
    for (int i = 0; i < 4; i++)
        n[i] = strtoull(PQgetvalue(result, 0, i), NULL, 10);
    PQclear(result);
    MUST(n[1] == 1 && n[2] == n[0] && n[3] == n[0], at);
    return n[0];
}

static void tables_forget(void) {
    MUST(pg_command(pg, "DROP SCHEMA IF EXISTS received CASCADE") == 0, "setting up");
}

static const Way FILES = {"files", files_open, files_count, files_forget};
static const Way TABLES = {"tables", tables_open, tables_count, tables_forget};

// ---- a session ----

static int record_write(Sink *sink, uint64_t position) {
    uint8_t id[16] = {(uint8_t)position, 1}, packed[256];
    uint32_t changed[] = {2, 4};
    char lot[32];
    Dongbo__Vaccination dose = DONGBO__VACCINATION__INIT;
    Dongbo__FeedRecord record = DONGBO__FEED_RECORD__INIT;
    snprintf(lot, sizeof lot, "L%" PRIu64, position);
    dose.dose_number = 1;
    dose.lot_number = lot;
    record.position = position;
    record.previous = position - 1;
    record.domain = DONGBO__DOMAIN__HEALTH;
    record.change = DONGBO__CHANGE_KIND__CHANGE_UPSERT;
    record.record_id = (ProtobufCBinaryData){sizeof id, id};
    record.citizen_number = "001099000001";
    record.event_time_us = 1650000000000000LL;
    record.agency = "MOH";
    record.n_changed_fields = 2;
    record.changed_fields = changed;
    record.body = (ProtobufCBinaryData){dongbo__vaccination__pack(&dose, packed), packed};
    return sink->kind->write(sink, &record);
}

// Records behind *at up to `last`, and their commit.
static int take(Sink *sink, uint64_t *at, uint64_t last) {
    int r = 0;
    while (r == 0 && *at < last)
        r = record_write(sink, ++*at);
    SinkPlace place = {.epoch = 1, .position = last, .hash = {0xab, (uint8_t)last}, .policy_version = 1};
    return r == 0 ? sink->kind->commit(sink, &place) : r;
}

// From where the sink is; *ret_stored is how far commits went well.
static int session(const Way *way, uint64_t stop, uint64_t *ret_stored) {
    char *fields[] = {"citizen_number", "health.lot_number", "health.dose_number"};
    Sink *sink = NULL;
    SinkPlace place = {0};
    int r = way->open(&sink);
    if (r == 0)
        r = sink->kind->begin(sink, &place);
    uint64_t at = r == 1 ? 0 : place.position;
    if (r >= 0)
        r = sink->kind->grant(sink, fields, 3);
    while (r == 0 && at < stop) {
        uint64_t next = at < HELD ? HELD : at < FIRST_COMMIT ? FIRST_COMMIT : LAST;
        r = take(sink, &at, next);
        if (r == 0)
            *ret_stored = next;
    }
    sink_destroy(&sink);
    return r;
}

// Where the sink says it is. What is beyond it, and was not committed, is gone once it has begun.
static uint64_t place_of(const Way *way, const char *at) {
    Sink *sink = NULL;
    SinkPlace place = {0};
    MUST(way->open(&sink) == 0, at);
    int r = sink->kind->begin(sink, &place);
    MUST(r == 0 || r == 1, at);
    sink_destroy(&sink);
    return r == 1 ? 0 : place.position;
}

// ---- the Nth call fails ----

static bool fail_one(const Way *way, FailKind kind, unsigned long n, bool all_after) {
    char at[96];
    uint64_t stored = 0;
    snprintf(at, sizeof at, "%s, %s %lu%s", way->name, fail_name(kind), n, all_after ? " and all after" : "");
    way->forget();
    MUST(session(way, HELD, &stored) == 0 && stored == HELD, at);
    fail_arm(kind, n, all_after);
    int r = session(way, LAST, &stored);
    bool fired = fail_disarm();
    MUST(fired || r == 0, at);
    MUST(r <= 0, at);
    uint64_t place = place_of(way, at);
    MUST(place == HELD || place == FIRST_COMMIT || place == LAST, at);
    MUST(place >= stored && (r != 0 || place == LAST), at); // what was said to be durable is
    MUST(way->count(at) == place, at);
    MUST(session(way, LAST, &stored) == 0 && place_of(way, at) == LAST && way->count(at) == LAST, at);
    report.injected[kind] += fired;
    return fired;
}

static void fail_all(const Way *way, FailKind kind, bool all_after) {
    for (unsigned long n = report_next(kind, 0); fail_one(way, kind, n, all_after); n = report_next(kind, n))
        continue;
}

int main(int argc, char **argv) {
    report_begin("receive", argc, argv);
    const char *place = getenv("TMPDIR");
    snprintf(directory, sizeof directory, "%.90s/dongbo-failing-XXXXXX", place ? place : "/tmp");
    MUST(mkdtemp(directory) != NULL, directory);
    MUST(pg_new(&pg, "", "look") == 0 && pg_connect(pg) == 0, "setting up");
    static const FailKind OF_TABLES[] = {FAIL_PG_REFUSED, FAIL_PG_LOST, FAIL_PG_LOST_AFTER, FAIL_MEMORY};
    for (int all_after = 0; all_after < 2; all_after++) {
        fail_all(&FILES, FAIL_FILE, all_after);
        fail_all(&FILES, FAIL_MEMORY, all_after);
    }
    for (size_t i = 0; i < sizeof OF_TABLES / sizeof *OF_TABLES; i++)
        fail_all(&TABLES, OF_TABLES[i], false);
    tables_forget();
    pg_destroy(&pg);
    files_forget();
    rmdir(directory);
    return report_end();
}
