// SPDX-License-Identifier: Apache-2.0
//
// Counts against a real database (with-postgres starts it) that is written here as the broker writes it: more segments
// and more record versions than one page holds, so that a page's end falls within a record's history.
#include "broker/segment.h"
#include "operators/migration.h"
#include "operators/tally.h"
#include "proto/base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void done(int r) {
    if (r < 0)
        fail_msg("%d: %s", r, error_text());
}

static int set_up(void **state) {
    Pg *pg = NULL;
    char schemas[4096];
    int applied = 0;
    snprintf(schemas, sizeof schemas, "%s/schemas", getenv("DONGBO_SOURCE"));
    done(pg_new(&pg, "", "test"));
    done(pg_connect(pg));
    FILE *said = fopen("/dev/null", "w");
    done(migration_apply(pg, MIGRATION_EXCHANGE, schemas, said, &applied));
    done(pg_command(pg, "SELECT exchange.look_at_all('test', '')"));
    assert_true(applied > 0);
    fclose(said);
    *state = pg;
    return 0;
}

static int empty(void **state) {
    done(pg_command(*state, "TRUNCATE exchange.segment, exchange.record_version, exchange.exception"));
    return 0;
}

static int tear_down(void **state) {
    pg_destroy((Pg **)state);
    return 0;
}

typedef struct Said {
    int kind, domain, verdict, reason;
} Said;

// One segment with these lines.
static void put_segment(Pg *pg, int64_t first, const Said *said, size_t n) {
    static const PgStatement insert = {
        "put_segment",
        "INSERT INTO exchange.segment (first_position, last_position, epoch, format, kind, stored_at_us, "
        "population_position, leaf_index, hash, frontier, summary) VALUES ($1, $2, 1, 1, $3, 1, 0, 0, '', '', $4)",
        4, NULL};
    Dongbo__Entry entries[8], *pointers[8];
    Dongbo__Reason reasons[8], *reason_pointers[8];
    const uint8_t *leaves[8] = {0};
    const char *masked[8] = {0};
    assert_true(n <= 8);
    for (size_t i = 0; i < n; i++) {
        dongbo__entry__init(&entries[i]);
        dongbo__reason__init(&reasons[i]);
        pointers[i] = &entries[i];
        reason_pointers[i] = &reasons[i];
        entries[i].kind = (Dongbo__EntryKind)said[i].kind;
        entries[i].domain = (Dongbo__Domain)said[i].domain;
        entries[i].verdict = (Dongbo__Verdict)said[i].verdict;
        entries[i].n_reasons = said[i].reason != 0;
        entries[i].reasons = &reason_pointers[i];
        reasons[i].code = (Dongbo__ReasonCode)said[i].reason;
    }
    const Segment segment = {.first_position = (uint64_t)first,
                             .last_position = (uint64_t)first + n - 1,
                             .epoch = 1,
                             .kind = said[0].kind,
                             .entries = (const Dongbo__Entry *const *)pointers,
                             .n_entries = n,
                             .leaves = leaves,
                             .masked = masked};
    SegmentPack packed = {0};
    PgParams params = {0};
    done(segment_encode(NULL, &segment, &packed));
    pg_param_i64(&params, first);
    pg_param_i64(&params, first + (int64_t)n - 1);
    pg_param_i16(&params, (int16_t)said[0].kind);
    pg_param_bytes(&params, packed.summary.data, packed.summary.n);
    done(pg_run(pg, &insert, &params, NULL));
    pg_params_free(&params);
    segment_pack_free(&packed);
}

typedef struct Version {
    int64_t person, position;
    const char *key;
    bool superseded, retracted;
} Version;

static void put_version(Pg *pg, int domain, const ProtobufCMessage *body, const Version *version) {
    static const PgStatement insert = {"put_version",
                                       "INSERT INTO exchange.record_version (person, domain, record_key, position, "
                                       "superseded, record) VALUES ($1, $2, $3, $4, $5, $6)",
                                       6, NULL};
    Bytes packed = {0}, bytes = {0};
    PgParams params = {0};
    bytes_append_message(&packed, body);
    Dongbo__Record record = DONGBO__RECORD__INIT;
    record.body = (ProtobufCBinaryData){packed.n, packed.data};
    record.retracted = version->retracted;
    bytes_append_message(&bytes, &record.base);
    pg_param_i64(&params, version->person);
    pg_param_i16(&params, (int16_t)domain);
    pg_param_text(&params, version->key);
    pg_param_i64(&params, version->position);
    pg_param_bool(&params, version->superseded);
    pg_param_bytes(&params, bytes.data, bytes.n);
    done(pg_run(pg, &insert, &params, NULL));
    pg_params_free(&params);
    bytes_free(&packed);
    bytes_free(&bytes);
}

static void put_account(Pg *pg, const char *province, const Version *version) {
    Dongbo__EidAccount account = DONGBO__EID_ACCOUNT__INIT;
    account.province_code = (char *)province;
    put_version(pg, DONGBO__DOMAIN__E_ID, &account.base, version);
}

static void put_stay(Pg *pg, const char *words[3], const Version *version) {
    Dongbo__ResidencePeriod period = DONGBO__RESIDENCE_PERIOD__INIT;
    period.kind = (char *)words[0];
    period.status = (char *)words[1];
    period.reporter_kind = (char *)words[2];
    put_version(pg, DONGBO__DOMAIN__RESIDENCE, &period.base, version);
}

static uint64_t count_of(const TallyNamed *named, const char *name) {
    for (int i = 0; i < named->n; i++)
        if (strcmp(named->list[i].name, name) == 0)
            return named->list[i].count;
    return 0;
}

static Tally *read_tally(Pg *pg) {
    Tally *tally = NULL;
    done(tally_read(&tally, pg));
    return tally;
}

static void test_first_and_present_verdicts(void **state) {
    const int event = DONGBO__ENTRY_KIND__ENTRY_EVENT, health = DONGBO__DOMAIN__HEALTH;
    const Said said[] = {{event, health, DONGBO__VERDICT__ACCEPTED, 0},
                         {event, health, DONGBO__VERDICT__DEFERRED, DONGBO__REASON_CODE__NOT_FOUND},
                         {event, health, DONGBO__VERDICT__MISMATCH, DONGBO__REASON_CODE__NAME_DIFFERS},
                         {event, 0, DONGBO__VERDICT__REJECTED, DONGBO__REASON_CODE__EVENT_UNREADABLE}};
    const Said decision = {DONGBO__ENTRY_KIND__ENTRY_DECISION, health, DONGBO__VERDICT__ACCEPTED, 0};
    const Said epoch = {DONGBO__ENTRY_KIND__ENTRY_EPOCH, 0, 0, 0};
    done(pg_command(*state, "BEGIN"));
    put_segment(*state, 1, &epoch, 1);
    for (int i = 0; i < 450; i++)
        put_segment(*state, 2 + i * 4, said, 4);
    put_segment(*state, 5000, &decision, 1);
    done(pg_command(*state, "COMMIT"));
    done(pg_command(*state,
                    "INSERT INTO exchange.exception (position, stream, sequence, agency, domain, first_verdict, "
                    "verdict, open, citizen_number, reasons, event, leaf) VALUES "
                    "(3, '', 1, 1, 2, 5, 1, false, '', '', '', ''), "
                    "(4, '', 2, 1, 2, 4, 4, true, '', '', '', '')"));
    Tally *tally = read_tally(*state);
    assert_int_equal(tally->events, 1800);
    assert_int_equal(tally->decisions, 1);
    assert_int_equal(tally->first[health][DONGBO__VERDICT__ACCEPTED], 450);
    assert_int_equal(tally->first[health][DONGBO__VERDICT__DEFERRED], 450);
    assert_int_equal(tally->present[health][DONGBO__VERDICT__ACCEPTED], 451);
    assert_int_equal(tally->present[health][DONGBO__VERDICT__DEFERRED], 449);
    assert_int_equal(tally->present[health][DONGBO__VERDICT__MISMATCH], 450);
    assert_int_equal(tally->first[0][DONGBO__VERDICT__REJECTED], 450);
    uint64_t reasons = 0;
    for (int i = 0; i < TALLY_REASONS; i++)
        reasons += tally->reasons[health][DONGBO__VERDICT__MISMATCH][i];
    assert_int_equal(reasons, 450);
    free(tally);
}

static void test_the_latest_version_that_holds_is_counted_once(void **state) {
    done(pg_command(*state, "BEGIN"));
    // Three versions each: a page of 5000 ends within a record's history.
    for (int64_t person = 1; person <= 1700; person++) {
        put_account(*state, "79", &(Version){person, person * 10, "a", false, false});
        put_account(*state, "48", &(Version){person, person * 10 + 1, "a", false, false});
        put_account(*state, "01", &(Version){person, person * 10 + 2, "a", false, false});
    }
    put_account(*state, "79", &(Version){1, 90000, "a", true, false});  // older than what is held
    put_account(*state, "79", &(Version){2, 90001, "a", false, true});  // withdrawn
    put_account(*state, "79", &(Version){3, 90002, "b", false, false}); // another account
    put_account(*state, "", &(Version){4, 90003, "c", false, false});
    const Dongbo__ElectricityContract contract = DONGBO__ELECTRICITY_CONTRACT__INIT;
    put_version(*state, DONGBO__DOMAIN__ELECTRICITY, &contract.base, &(Version){5, 90004, "a", false, false});
    done(pg_command(*state, "COMMIT"));
    Tally *tally = read_tally(*state);
    assert_int_equal(tally->records[DONGBO__DOMAIN__ELECTRICITY], 1);
    assert_int_equal(tally->records[DONGBO__DOMAIN__E_ID], 1701);
    assert_int_equal(count_of(&tally->e_id_by_province, "01"), 1699);
    assert_int_equal(count_of(&tally->e_id_by_province, "79"), 1);
    assert_int_equal(count_of(&tally->e_id_by_province, ""), 1);
    assert_int_equal(tally_named_total(&tally->e_id_by_province), 1701);
    assert_string_equal(tally->e_id_by_province.list[0].name, "01");
    free(tally);
}

static void test_stays_and_applications_are_told_apart(void **state) {
    const char *rows[][3] = {{"short-stay", "reported", "individual"}, {"short-stay", "reported", "clinic"},
                             {"short-stay", "", "individual"},         {"temporary", "applied", ""},
                             {"temporary", "granted", "authority"},    {"temporary", "ended", ""},
                             {"permanent", "granted", "individual"}};
    for (int i = 0; i < 7; i++)
        put_stay(*state, rows[i], &(Version){i + 1, i + 1, "k", false, false});
    Tally *tally = read_tally(*state);
    assert_int_equal(tally_named_total(&tally->temporary_stay_by_reporter), 3);
    assert_int_equal(count_of(&tally->temporary_stay_by_reporter, "individual"), 2);
    assert_int_equal(tally_named_total(&tally->temporary_residence_by_status), 2);
    assert_int_equal(tally->records[DONGBO__DOMAIN__RESIDENCE], 7);
    free(tally);
}

static void test_what_cannot_be_read_is_said_not_skipped(void **state) {
    done(pg_command(*state, "INSERT INTO exchange.record_version VALUES (1, 6, 'a', 1, false, '\\xff')"));
    Tally *tally = NULL;
    assert_int_equal(tally_read(&tally, *state), ERROR_DATABASE);
    assert_non_null(strstr(error_text(), "record"));
    pg_disconnect(*state);
    done(pg_connect(*state));
    done(pg_command(*state, "SELECT exchange.look_at_all('test', '')"));
    done(pg_command(*state, "TRUNCATE exchange.record_version; INSERT INTO exchange.segment (first_position, "
                            "last_position, epoch, format, kind, stored_at_us, population_position, leaf_index, hash, "
                            "frontier, summary) VALUES (17, 17, 1, 1, 1, 1, 0, 0, '', '', '\\xff')"));
    assert_int_equal(tally_read(&tally, *state), ERROR_DATABASE);
    assert_non_null(strstr(error_text(), "position 17"));
    pg_disconnect(*state);
    done(pg_connect(*state));
    done(pg_command(*state, "SELECT exchange.look_at_all('test', '')"));
}

static void test_names_beyond_the_last_place_count_as_other(void **state) {
    TallyNamed named = {0};
    char name[16];
    for (int i = 0; i < TALLY_NAMES + 50; i++) {
        snprintf(name, sizeof name, "%d", i);
        tally_named_add(&named, name);
    }
    assert_int_equal(named.n, TALLY_NAMES);
    assert_int_equal(tally_named_total(&named), TALLY_NAMES + 50);
    assert_int_equal(count_of(&named, "other"), 51);
    tally_named_sort(&named);
    assert_string_equal(named.list[0].name, "other");
    assert_string_equal(named.list[1].name, "0");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_first_and_present_verdicts, empty),
        cmocka_unit_test_setup(test_the_latest_version_that_holds_is_counted_once, empty),
        cmocka_unit_test_setup(test_stays_and_applications_are_told_apart, empty),
        cmocka_unit_test_setup(test_what_cannot_be_read_is_said_not_skipped, empty),
        cmocka_unit_test(test_names_beyond_the_last_place_count_as_other),
    };
    return cmocka_run_group_tests_name("tally", tests, set_up, tear_down);
}
