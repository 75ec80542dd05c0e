// SPDX-License-Identifier: Apache-2.0
//
// See the header.
#include "tests/failing/store-case.h"

#include "proto/base/error.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SQL_MAX ((size_t)512 * 1024)
#define BIRTHS (STORE_CASE_STREAMS - 1) // the stream of them

static void ok(bool holds, const char *what) {
    if (holds)
        return;
    fprintf(stderr, "setting up: %s: %s\n", what, error_text());
    abort();
}

static const char *source(void) {
    const char *place = getenv("DONGBO_SOURCE");
    return place ? place : ".";
}

static int by_name(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void migrate(StoreCase *test, const char *store) {
    static char sql[SQL_MAX];
    char path[4096];
    struct dirent **files;
    snprintf(path, sizeof path, "%s/schemas/%s", source(), store);
    int n = scandir(path, &files, NULL, by_name);
    ok(n > 0, path);
    for (int i = 0; i < n; i++) {
        if (strstr(files[i]->d_name, ".sql") != NULL) {
            snprintf(path, sizeof path, "%s/schemas/%s/%s", source(), store, files[i]->d_name);
            FILE *file = fopen(path, "r");
            ok(file != NULL, path);
            sql[fread(sql, 1, sizeof sql - 1, file)] = 0;
            fclose(file);
            ok(pg_command(test->pg, sql) == 0, path);
        }
        free(files[i]);
    }
    free(files);
}

static void add_bytes(StoreCase *test, const char *sql, const uint8_t *data, size_t n) {
    static const Oid TYPES[] = {17};
    PgStatement statement = {"", sql, 1, TYPES};
    PGresult *result =
        PQexecParams(pg_raw(test->pg), statement.sql, 1, TYPES, (const char *const[]){(const char *)data},
                     (const int[]){(int)n}, (const int[]){1}, 1);
    ok(PQresultStatus(result) == PGRES_COMMAND_OK, PQresultErrorMessage(result));
    PQclear(result);
}

static void add_rows(StoreCase *test) {
    static const char STREAM[] =
        "INSERT INTO exchange.stream (stream, agency, agent, kind, last_sequence, session_epoch)"
        " VALUES ($1, 1, 'a', 'live', 0, 1)";
    ok(pg_command(test->pg,
                  "INSERT INTO exchange.agency (agency, code, name, domains) VALUES (1, 'MOH', 'Health', '{1,2}');"
                  "INSERT INTO population.citizen (person, citizen_number, full_name, birth_date, sex,"
                  " residence_province, residence_province63)"
                  " VALUES (11, '001099000001', 'Nguyễn Văn An', '1999-01-02', 'male', '01', '01')") == 0,
       "rows");
    add_bytes(test, "INSERT INTO exchange.key (key, purpose, agency) VALUES ($1, 'ed25519', 1)",
              test->agency_keys.sign_public, KEY_BYTES);
    add_bytes(test, "INSERT INTO exchange.key (key, purpose, agency) VALUES ($1, 'curve', 1)",
              test->agency_keys.curve_public, KEY_BYTES);
    for (int i = 0; i < STORE_CASE_STREAMS; i++) {
        memset(test->streams[i], i + 1, STREAM_BYTES);
        test->next[i] = 1;
        add_bytes(test, STREAM, test->streams[i], STREAM_BYTES);
    }
}

void store_case_begin(StoreCase *test) {
    char path[4096];
    *test = (StoreCase){0};
    snprintf(path, sizeof path, "%s/schemas", source());
    ok(rules_load(&test->rules, path) == 0 && merkle_new(&test->merkle) == 0, path);
    ok(keys_generate(&test->agency_keys) == 0 && keys_generate(&test->broker_keys) == 0, "keys");
    ok(signer_new(&test->signer, test->agency_keys.sign_secret) == 0, "keys");
    keys_id(test->agency_keys.sign_public, test->key_id);
    ok(pg_new(&test->pg, "", "look") == 0 && pg_connect(test->pg) == 0, "connecting");
    migrate(test, "exchange");
    migrate(test, "population");
    add_rows(test);
    ok(agencies_read(&test->agencies, test->pg) == 0, "agencies");
    test->agency = agencies_find(test->agencies, 1);
    ok(test->agency != NULL && test->agency->n_keys == 1, "the agency");
}

void store_case_end(StoreCase *test) {
    agencies_unref(&test->agencies);
    signer_destroy(&test->signer);
    merkle_destroy(&test->merkle);
    rules_destroy(&test->rules);
    pg_destroy(&test->pg);
}

int64_t store_case_number(StoreCase *test, const char *sql) {
    PGresult *result = PQexec(pg_raw(test->pg), sql);
    ok(PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1, sql);
    int64_t number = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
    PQclear(result);
    return number;
}

// ---- events ----

typedef struct Said {
    Dongbo__ChangeEvent event;
    Dongbo__Subject subject;
    Dongbo__Vaccination dose;
    Dongbo__PopulationChange birth;
    uint8_t id[EVENT_ID_BYTES];
    char number[16], lot[32];
} Said;

static void say_dose(Said *said, int stream, uint64_t sequence, int which) {
    said->event.body_case = DONGBO__CHANGE_EVENT__BODY_HEALTH;
    said->event.health = &said->dose;
    // The third of every batch is of somebody who is registered by the last stream in its turn, or not yet.
    if (which == 2)
        snprintf(said->number, sizeof said->number, "001099%06u", 100 + (unsigned)(sequence / STORE_CASE_EVENTS));
    said->subject.full_name = which == 1 ? "Trần Thị Bình" : "Nguyễn Văn An";
    said->dose.vaccine_group = "covid-19";
    said->dose.dose_number = (uint32_t)stream + 1;
    said->dose.product_code = "EU/1/20/1528";
    said->dose.lot_number = said->lot;
    said->dose.occurrence_date = stream == 0 ? "2022-01-01" : stream == 1 ? "2022-03-01" : "2022-06-01";
    said->dose.status = "completed";
}

static void say_birth(Said *said, uint64_t sequence) {
    snprintf(said->number, sizeof said->number, "001099%06u", 100 + (unsigned)sequence);
    said->event.body_case = DONGBO__CHANGE_EVENT__BODY_POPULATION;
    said->event.population = &said->birth;
    said->subject.full_name = "Nguyễn Văn An";
    said->birth.kind = "registered";
    said->birth.citizen_number = said->number;
    said->birth.full_name = "Nguyễn Văn An";
    said->birth.birth_date = "1999-01-02";
    said->birth.sex = "male";
    said->birth.residence_province = "01";
}

static void say(Said *said, int stream, uint64_t sequence, int which) {
    *said = (Said){.event = DONGBO__CHANGE_EVENT__INIT,
                   .subject = DONGBO__SUBJECT__INIT,
                   .dose = DONGBO__VACCINATION__INIT,
                   .birth = DONGBO__POPULATION_CHANGE__INIT,
                   .number = "001099000001"};
    memcpy(said->id, &sequence, sizeof sequence);
    said->id[EVENT_ID_BYTES - 1] = (uint8_t)(stream + 1);
    snprintf(said->lot, sizeof said->lot, "L%d-%" PRIu64, stream, sequence);
    said->event.event_id = (ProtobufCBinaryData){EVENT_ID_BYTES, said->id};
    said->event.schema_version = 1;
    said->event.operation = DONGBO__OPERATION__UPSERT;
    said->event.event_time_us = 1650000000000000LL + (int64_t)sequence;
    said->event.source_key = said->lot;
    said->event.subject = &said->subject;
    said->subject.citizen_number = said->number;
    said->subject.birth_date = "1999-01-02";
    said->subject.sex = "male";
    if (stream == BIRTHS)
        say_birth(said, sequence);
    else
        say_dose(said, stream, sequence, which);
}

void store_case_seal(StoreCase *test, int stream, Bytes *sealed) {
    Bytes packed[STORE_CASE_EVENTS];
    ProtobufCBinaryData events[STORE_CASE_EVENTS];
    for (int i = 0; i < STORE_CASE_EVENTS; i++) {
        Said said;
        say(&said, stream, test->next[stream] + (uint64_t)i, i);
        packed[i] = (Bytes){0};
        bytes_append_message(&packed[i], &said.event.base);
        events[i] = (ProtobufCBinaryData){packed[i].n, packed[i].data};
    }
    BatchSeal seal = {test->streams[stream], test->next[stream], events,         STORE_CASE_EVENTS,
                      test->key_id,          test->signer,       clock_system(), test->merkle};
    bytes_clear(sealed);
    ok(batch_seal(&seal, sealed) == 0 && !sealed->failed, "sealing");
    for (int i = 0; i < STORE_CASE_EVENTS; i++)
        bytes_free(&packed[i]);
    test->next[stream] += STORE_CASE_EVENTS;
}

void store_case_work(const StoreCase *test, int stream, uint64_t first_sequence, const Bytes *sealed, Work *work) {
    work_reset(work);
    work->agencies = agencies_ref(test->agencies);
    work->agency = test->agency;
    work->batch_bytes = sealed->data;
    work->batch_n = sealed->n;
    work->first_sequence = first_sequence;
    work->session_epoch = 1;
    memcpy(work->transport, test->agency_keys.curve_public, KEY_BYTES);
    memcpy(work->stream, test->streams[stream], STREAM_BYTES);
}
