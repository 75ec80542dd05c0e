// SPDX-License-Identifier: Apache-2.0
//
// The broker's way of a batch into PostgreSQL, on a server of the test's own (with-postgres): looked up, decided,
// stored in a transaction. Whatever call fails, the log has all of the batch or nothing, and doing it again, as the
// writer does, stores it once: what is there already is found to be a duplicate.
//
// Every run stores the next batch of one stream: what agrees with its person, what differs, and what is of nobody.
#include "broker/prepare.h"
#include "broker/receipt.h"
#include "broker/transaction.h"
#include "proto/base/error.h"
#include "tests/failing/report.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EVENTS 3
#define TRIES 4
#define FACTS 8
#define SQL_MAX ((size_t)512 * 1024)

static Pg *pg; // to set up and to look
static Rules *rules;
static Merkle *merkle;
static Signer *signer;
static Keys agency_keys, broker_keys;
static AgencyKey agency_key_row;
static Agency agency;
static Prepare *prepare;
static Transaction *transaction;
static Work *work;
static uint8_t stream[STREAM_BYTES] = {9, 9, 9};
static uint64_t next_sequence = 1;
static Bytes sealed;

// ---- the database ----

static void run(const char *sql) {
    MUST(pg_command(pg, sql) == 0, "setting up");
}

static int by_name(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void migrate(const char *store) {
    static char sql[SQL_MAX];
    char path[4096];
    struct dirent **files;
    const char *source = getenv("DONGBO_SOURCE");
    snprintf(path, sizeof path, "%s/schemas/%s", source ? source : ".", store);
    int n = scandir(path, &files, NULL, by_name);
    MUST(n > 0, path);
    for (int i = 0; i < n; i++) {
        if (strstr(files[i]->d_name, ".sql") != NULL) {
            snprintf(path, sizeof path, "%s/schemas/%s/%s", source ? source : ".", store, files[i]->d_name);
            FILE *file = fopen(path, "r");
            MUST(file != NULL, path);
            sql[fread(sql, 1, sizeof sql - 1, file)] = 0;
            fclose(file);
            run(sql);
        }
        free(files[i]);
    }
    free(files);
}

static void database_make(void) {
    MUST(pg_new(&pg, "", "look") == 0 && pg_connect(pg) == 0, "connecting");
    migrate("exchange");
    migrate("population");
    run("INSERT INTO exchange.agency (agency, code, name, domains) VALUES (1, 'MOH', 'Health', '{2}');"
        "INSERT INTO population.citizen (person, citizen_number, full_name, birth_date, sex, residence_province,"
        " residence_province63) VALUES (11, '001099000001', 'Nguyễn Văn An', '1999-01-02', 'male', '01', '01')");
    static const Oid types[] = {17};
    static const PgStatement STREAM = {
        "stream",
        "INSERT INTO exchange.stream (stream, agency, agent, kind, last_sequence, session_epoch) VALUES ($1, 1, 'a', 'live', 0, 1)",
        1, types};
    PgParams params = {0};
    pg_param_bytes(&params, stream, sizeof stream);
    MUST(pg_run(pg, &STREAM, &params, NULL) == 0, "setting up");
    pg_params_free(&params);
}

// What is there of all that a batch changes: as many numbers.
typedef struct Facts {
    int64_t n[FACTS];
} Facts;

static Facts look(void) {
    static const PgStatement LOOK = {
        "look",
        "SELECT (SELECT count(*) FROM exchange.segment), (SELECT coalesce(max(last_position), 0) FROM exchange.segment),"
        " (SELECT count(*) FROM exchange.record_version), (SELECT count(*) FROM exchange.exception),"
        " (SELECT last_sequence FROM exchange.stream), (SELECT count(*) FROM exchange.guess),"
        " (SELECT coalesce(sum(last_position - first_position + 1), 0)::bigint FROM exchange.segment),"
        " (SELECT count(DISTINCT hash) FROM exchange.segment)",
        0, NULL};
    PGresult *rows = NULL;
    Facts facts;
    MUST(pg_run(pg, &LOOK, NULL, &rows) == 0, "looking");
    for (int i = 0; i < FACTS; i++)
        facts.n[i] = pg_i64(rows, 0, i);
    PQclear(rows);
    return facts;
}

static bool same(const Facts *a, const Facts *b) {
    return memcmp(a, b, sizeof *a) == 0;
}

// ---- a batch ----

static void event_pack(int which, Bytes *out) {
    static const char *const NUMBERS[] = {"001099000001", "001099000001", "001099000002"};
    static const char *const NAMES[] = {"Nguyễn Văn An", "Trần Thị Bình", "Lê Văn Cường"};
    Dongbo__ChangeEvent event = DONGBO__CHANGE_EVENT__INIT;
    Dongbo__Subject subject = DONGBO__SUBJECT__INIT;
    Dongbo__Vaccination dose = DONGBO__VACCINATION__INIT;
    uint8_t id[EVENT_ID_BYTES] = {0};
    char lot[32];
    uint64_t sequence = next_sequence + (uint64_t)which;
    memcpy(id, &sequence, sizeof sequence);
    snprintf(lot, sizeof lot, "L%" PRIu64, sequence);
    event.event_id = (ProtobufCBinaryData){sizeof id, id};
    event.schema_version = 1;
    event.operation = DONGBO__OPERATION__UPSERT;
    event.event_time_us = 1650000000000000LL + (int64_t)sequence;
    event.source_key = lot;
    event.subject = &subject;
    event.body_case = DONGBO__CHANGE_EVENT__BODY_HEALTH;
    event.health = &dose;
    subject.citizen_number = (char *)NUMBERS[which];
    subject.full_name = (char *)NAMES[which];
    subject.birth_date = "1999-01-02";
    subject.sex = "male";
    dose.vaccine_group = "covid-19";
    dose.dose_number = 1;
    dose.product_code = "EU/1/20/1528";
    dose.lot_number = lot;
    dose.occurrence_date = "2022-03-01";
    dose.status = "completed";
    bytes_append_message(out, &event.base);
}

static void batch_make(void) {
    Bytes packed[EVENTS];
    ProtobufCBinaryData events[EVENTS];
    for (int i = 0; i < EVENTS; i++) {
        packed[i] = (Bytes){0};
        event_pack(i, &packed[i]);
        events[i] = (ProtobufCBinaryData){packed[i].n, packed[i].data};
    }
    BatchSeal seal = {stream, next_sequence, events, EVENTS, agency_key_row.id, signer, clock_system(), merkle};
    bytes_clear(&sealed);
    MUST(batch_seal(&seal, &sealed) == 0, "sealing");
    for (int i = 0; i < EVENTS; i++)
        bytes_free(&packed[i]);
}

static void work_begin(void) {
    work_reset(work);
    work->agency = &agency;
    work->batch_bytes = sealed.data;
    work->batch_n = sealed.n;
    work->first_sequence = next_sequence;
    work->session_epoch = 1;
    memcpy(work->stream, stream, sizeof stream);
}

// As a worker and the writer do it, once. 0 when the work is settled.
static int store_once(void) {
    uint64_t head;
    int r = pg_connect(prepare_exchange(prepare));
    if (r == 0)
        r = pg_connect(prepare_population(prepare));
    if (r == 0 && work->batch.header == NULL)
        r = prepare_open(prepare, work);
    if (r == 0 && work->n_entries == 0)
        r = prepare_decide(prepare, work);
    if (r < 0)
        return r;
    TransactionGroup group = {&work, 1, false, true};
    return transaction_run(transaction, &group, &head);
}

// ---- the Nth call fails ----

static Facts grown; // by one batch

static Facts after(const Facts *before) {
    Facts facts;
    for (int i = 0; i < FACTS; i++)
        facts.n[i] = before->n[i] + grown.n[i];
    return facts;
}

static void batch_stored(const char *at) {
    MUST(work->outcome == OUTCOME_STORED || work->outcome == OUTCOME_DUPLICATE, at);
    MUST(work->receipt.n > 0 && !work->receipt.failed, at);
    next_sequence += EVENTS;
}

static bool fail_one(FailKind kind, unsigned long n) {
    char at[64];
    snprintf(at, sizeof at, "%s %lu", fail_name(kind), n);
    Facts before = look(), done = after(&before);
    batch_make();
    work_begin();
    fail_arm(kind, n, false);
    int r = store_once();
    bool fired = fail_disarm();
    MUST(fired || r == 0, at);
    MUST(r <= 0, at);
    Facts found = look();
    MUST(r == 0 ? same(&found, &done) : same(&found, &before) || same(&found, &done), at);
    for (int i = 0; r < 0 && i < TRIES; i++)
        r = store_once();
    MUST(r == 0, at);
    batch_stored(at);
    found = look();
    MUST(same(&found, &done), at);
    report.injected[kind] += fired;
    return fired;
}

// ---- the whole ----

static void sessions_make(void) {
    static Stats stats;
    PrepareOptions prepare_options = {
        .exchange = "", .population = "", .name = "prepare", .rules = rules, .clock = clock_system(), .stats = &stats};
    TransactionOptions options = {.exchange = "",
                                  .population_reader = "",
                                  .population_writer = "",
                                  .rules = rules,
                                  .clock = clock_system(),
                                  .keys = &broker_keys,
                                  .stats = &stats};
    MUST(prepare_new(&prepare, &prepare_options) == 0 && transaction_new(&transaction, &options) == 0, "sessions");
}

static void begin(void) {
    char path[4096];
    const char *source = getenv("DONGBO_SOURCE");
    snprintf(path, sizeof path, "%s/schemas", source ? source : ".");
    MUST(rules_load(&rules, path) == 0 && merkle_new(&merkle) == 0 && work_new(&work) == 0, "beginning");
    MUST(keys_generate(&agency_keys) == 0 && keys_generate(&broker_keys) == 0, "keys");
    MUST(signer_new(&signer, agency_keys.sign_secret) == 0, "keys");
    memcpy(agency_key_row.key, agency_keys.sign_public, KEY_BYTES);
    keys_id(agency_keys.sign_public, agency_key_row.id);
    agency_key_row.until_us = INT64_MAX;
    agency = (Agency){.grants = {.agency = 1, .code = "MOH", .domains = 1u << DONGBO__DOMAIN__HEALTH},
                      .keys = &agency_key_row,
                      .n_keys = 1};
    database_make();
    sessions_make();
}

static void end(void) {
    transaction_destroy(&transaction);
    prepare_destroy(&prepare);
    work_destroy(&work);
    signer_destroy(&signer);
    merkle_destroy(&merkle);
    rules_destroy(&rules);
    pg_destroy(&pg);
    bytes_free(&sealed);
}

int main(int argc, char **argv) {
    report_begin("store", argc, argv);
    begin();
    for (int i = 0; i < 3; i++) { // the first one logs the database's epoch, too
        Facts before = look();
        batch_make();
        work_begin();
        MUST(store_once() == 0, "without a failure");
        batch_stored("without a failure");
        Facts found = look();
        for (int j = 0; j < FACTS; j++)
            grown.n[j] = found.n[j] - before.n[j];
    }
    MUST(grown.n[0] == 1 && grown.n[1] == EVENTS && grown.n[2] == 1 && grown.n[3] == 2 && grown.n[4] == EVENTS,
         "without a failure");
    static const FailKind KINDS[] = {FAIL_MEMORY, FAIL_PG_REFUSED, FAIL_PG_LOST, FAIL_PG_LOST_AFTER};
    for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++)
        for (unsigned long n = 1; fail_one(KINDS[i], n); n = report_next(KINDS[i], n))
            continue;
    end();
    return report_end();
}
