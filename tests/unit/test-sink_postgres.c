// SPDX-License-Identifier: Apache-2.0
//
// The PostgreSQL sink against a real server (with-postgres): rows as granted, the newest state of each record, place
// and rows as one whatever fails in between.
#include "agents/sink_postgres.h"

#include "proto/base/error.h"
#include "proto/base/pg.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

// Needs quoting, and would say more than its name if it were not quoted.
#define SCHEMA "received \"x\"; DROP TABLE t"
#define QUOTED "\"received \"\"x\"\"; DROP TABLE t\""

static Pg *pg;

static int setup(void **state) {
    return pg_new(&pg, "", "test") < 0 || pg_connect(pg) < 0 ? -1 : 0;
}

static int teardown(void **state) {
    pg_destroy(&pg);
    return 0;
}

static int drop(void **state) {
    assert_int_equal(pg_command(pg, "DROP SCHEMA IF EXISTS " QUOTED " CASCADE"), 0);
    return 0;
}

static void ok(int r) {
    if (r != 0)
        fail_msg("%d: %s", r, error_text());
}

static void assert_query(const char *sql, const char *expected) {
    PGresult *result = PQexec(pg_raw(pg), sql);
    if (PQresultStatus(result) != PGRES_TUPLES_OK)
        fail_msg("%s", PQerrorMessage(pg_raw(pg)));
    assert_string_equal(PQntuples(result) ? PQgetvalue(result, 0, 0) : "", expected);
    PQclear(result);
}

static Sink *sink_opened(uint64_t expected) {
    Sink *sink;
    SinkPlace place;
    ok(sink_postgres_new(&sink, "", SCHEMA));
    int r = sink->kind->begin(sink, &place);
    if (r < 0)
        fail_msg("%s", error_text());
    assert_int_equal(r, expected ? 0 : 1);
    assert_int_equal(place.position, expected);
    char *fields[] = {(char *)"citizen_number", (char *)"health.lot_number", (char *)"health.dose_number",
                      (char *)"health.not_known_here"};
    ok(sink->kind->grant(sink, fields, 4));
    return sink;
}

typedef struct Put {
    uint64_t position;
    uint8_t id;
    const char *lot; // NULL: a deletion
    uint32_t dose;
    const char *facility;
    bool moves;     // came to live where it may be seen, or left
    uint8_t person; // 0: not granted
} Put;

static Put put_of(uint64_t position, uint8_t id, const char *lot, uint32_t dose, const char *facility) {
    return (Put){.position = position, .id = id, .lot = lot, .dose = dose, .facility = facility};
}

static int put(Sink *sink, Put what) {
    uint8_t id[16] = {what.id}, person[16] = {what.person}, packed[256];
    Dongbo__Vaccination body = DONGBO__VACCINATION__INIT;
    body.lot_number = (char *)(what.lot ? what.lot : "");
    body.dose_number = what.dose;
    body.facility_code = (char *)(what.facility ? what.facility : "");
    Dongbo__FeedRecord record = DONGBO__FEED_RECORD__INIT;
    record.position = what.position;
    record.domain = DONGBO__DOMAIN__HEALTH;
    record.change = what.lot ? DONGBO__CHANGE_KIND__CHANGE_UPSERT : DONGBO__CHANGE_KIND__CHANGE_DELETE;
    if (what.moves)
        record.change = what.lot ? DONGBO__CHANGE_KIND__CHANGE_ENTERED : DONGBO__CHANGE_KIND__CHANGE_LEFT;
    record.record_id = (ProtobufCBinaryData){16, id};
    record.citizen_number = (char *)"001099012345";
    record.person_id = (ProtobufCBinaryData){what.person ? sizeof person : 0, person};
    record.agency = (char *)"MOH";
    record.event_time_us = 1637723167123456;
    record.body = (ProtobufCBinaryData){dongbo__vaccination__pack(&body, packed), packed};
    return sink->kind->write(sink, &record);
}

static int commit(Sink *sink, uint64_t position) {
    SinkPlace place = {.epoch = 3, .position = position, .hash = {0xcd}};
    return sink->kind->commit(sink, &place);
}

static Sink *sink_of(const char *conninfo, const char *subscription, int share) {
    Sink *sink;
    ok(sink_postgres_new(&sink, conninfo, SCHEMA));
    sink_postgres_subscription(sink, subscription);
    sink_postgres_share(sink, share, share ? 2 : 0);
    return sink;
}

static void assert_begins(Sink *sink, int expected) {
    SinkPlace place;
    int r = sink->kind->begin(sink, &place);
    if (r != expected)
        fail_msg("%d, not %d: %s", r, expected, error_text());
    if (r == ERROR_CONFIG)
        assert_non_null(strstr(error_text(), "is subscription health-hn's"));
}

// A snapshot of another subscription would let go of all rows that it may not see.
static void test_another_subscription_is_refused(void **state) {
    Sink *first = sink_of("", "health-hn", 0), *other = sink_of("", "other", 1), *wrong = sink_of("", "healthhn", 0);
    assert_begins(wrong, 1); // the exchange knows no such name, and nothing is stored
    assert_begins(first, 1);
    assert_begins(other, 1);
    assert_query("SELECT count(*) FROM " QUOTED ".dongbo_subscription", "0");
    ok(commit(first, 5));
    assert_int_equal(commit(other, 7), ERROR_CONFIG); // was as early, and comes second
    assert_query("SELECT count(*) FROM " QUOTED ".dongbo_position_1_of_2", "0");
    assert_begins(other, ERROR_CONFIG);
    assert_begins(wrong, ERROR_CONFIG);
    assert_begins(first, 0);
    ok(commit(first, 6));
    assert_query("SELECT name FROM " QUOTED ".dongbo_subscription", "health-hn");
    ok(pg_command(pg, "DROP TABLE " QUOTED ".dongbo_subscription, " QUOTED ".dongbo_position")); // by who knows why
    assert_begins(other, 1);
    ok(commit(other, 8));
    assert_query("SELECT name FROM " QUOTED ".dongbo_subscription", "other");
    sink_destroy(&first);
    sink_destroy(&other);
    sink_destroy(&wrong);
}

// Of before there was dongbo_subscription.
static void test_an_older_schema_is_whose_snapshot_it_holds(void **state) {
    Sink *first = sink_of("", "health-hn", 0), *other = sink_of("", "other", 0);
    assert_begins(first, 1);
    ok(commit(first, 5));
    ok(pg_command(pg, "DROP TABLE " QUOTED ".dongbo_subscription;"
                      " UPDATE " QUOTED ".dongbo_position SET snapshot_of = 'health-hn'"));
    assert_begins(other, ERROR_CONFIG);
    assert_query("SELECT to_regclass('" QUOTED ".dongbo_subscription') IS NULL", "t"); // nothing was changed
    assert_begins(first, 0);
    assert_query("SELECT name FROM " QUOTED ".dongbo_subscription", "health-hn");
    assert_begins(other, ERROR_CONFIG);
    ok(pg_command(pg, "DROP TABLE " QUOTED ".dongbo_subscription, " QUOTED ".dongbo_position")); // by who knows why
    assert_begins(other, 1);
    sink_destroy(&first);
    sink_destroy(&other);
}

// The other share's receiver has a login of its own, which owns nothing of what the first one made.
static void test_shares_with_their_own_logins(void **state) {
    ok(pg_command(pg, "DROP ROLE IF EXISTS dongbo_share; CREATE ROLE dongbo_share LOGIN"));
    Sink *first = sink_of("", "health-hn", 1), *second = sink_of("user=dongbo_share", "health-hn", 2);
    Sink *other = sink_of("user=dongbo_share", "other", 0);
    assert_begins(first, 1);
    ok(pg_command(pg, "GRANT CREATE, USAGE ON SCHEMA " QUOTED " TO dongbo_share"));
    assert_begins(second, 1);
    ok(commit(second, 4));
    assert_begins(other, 1);
    ok(commit(first, 5));
    assert_int_equal(commit(other, 6), ERROR_CONFIG);
    assert_begins(second, 0);
    ok(commit(second, 6));
    ok(pg_command(pg, "REVOKE ALL ON " QUOTED ".dongbo_subscription FROM PUBLIC")); // as a copy may be restored
    assert_begins(second, 0);
    ok(commit(second, 7));
    sink_destroy(&first);
    sink_destroy(&second);
    sink_destroy(&other);
    ok(pg_command(pg, "DROP OWNED BY dongbo_share; DROP ROLE dongbo_share"));
}

static void test_rows_as_granted(void **state) {
    Sink *sink = sink_opened(0);
    ok(put(sink, put_of(10, 1, "LÔ'1\\", 2, NULL)));
    ok(put(sink, put_of(11, 2, "", 0, NULL)));
    ok(commit(sink, 15));
    assert_query(
        "SELECT string_agg(format('%s %s %s %s %s', citizen_number, agency, event_time, lot_number, dose_number),"
        " ';' ORDER BY position) FROM " QUOTED ".health",
        "001099012345 MOH 2021-11-24 03:06:07.123456+00 LÔ'1\\ 2;"
        "001099012345 MOH 2021-11-24 03:06:07.123456+00  ");
    assert_query(
        "SELECT string_agg(column_name || ' ' || data_type, ',' ORDER BY ordinal_position)"
        " FROM information_schema.columns WHERE table_name = 'health'",
        "record_id bytea,position bigint,citizen_number text,person_id bytea,agency text,"
        "event_time timestamp with time zone,snapshot bigint,epoch integer,dose_number bigint,lot_number text");
    assert_query("SELECT epoch || ' ' || position || ' ' || left(encode(hash, 'hex'), 4) FROM " QUOTED
                 ".dongbo_position",
                 "3 15 cd00");
    sink_destroy(&sink);
    sink = sink_opened(15);
    sink_destroy(&sink);
}

// Also in a table of before there was such a column; what is granted no more goes from the row with the next change.
static void test_the_persons_key(void **state) {
    Sink *sink = sink_opened(0);
    ok(put(sink, put_of(1, 1, "a", 1, NULL)));
    ok(commit(sink, 1));
    sink_destroy(&sink);
    ok(pg_command(pg, "ALTER TABLE " QUOTED ".health DROP COLUMN person_id"));
    sink = sink_opened(1);
    ok(put(sink, (Put){.position = 2, .id = 1, .lot = "b", .dose = 1, .person = 0xfe}));
    ok(commit(sink, 2));
    assert_query("SELECT encode(person_id, 'hex') FROM " QUOTED ".health", "fe000000000000000000000000000000");
    ok(put(sink, put_of(3, 1, "c", 1, NULL)));
    ok(commit(sink, 3));
    assert_query("SELECT count(*) || ' ' || count(person_id) FROM " QUOTED ".health", "1 0");
    sink_destroy(&sink);
}

static void test_the_newest_state_wins(void **state) {
    Sink *sink = sink_opened(0);
    const char *all = "SELECT string_agg(position || lot_number, ',' ORDER BY record_id) FROM " QUOTED ".health";
    ok(put(sink, put_of(1, 1, "a", 1, NULL)));
    ok(put(sink, put_of(2, 1, "b", 1, NULL))); // twice in one batch
    ok(put(sink, put_of(3, 2, "c", 1, NULL)));
    ok(put(sink, put_of(4, 3, "d", 1, NULL)));
    ok(put(sink, put_of(5, 3, NULL, 0, NULL))); // put and deleted in one batch
    ok(commit(sink, 5));
    assert_query(all, "2b,3c");
    ok(put(sink, (Put){.position = 6, .id = 2, .moves = true}));
    ok(put(sink, (Put){.position = 7, .id = 2, .lot = "e", .dose = 1, .moves = true})); // let go and put
    ok(commit(sink, 7));
    assert_query(all, "2b,7e");
    // All of it again: nothing moves back.
    ok(put(sink, put_of(1, 1, "a", 1, NULL)));
    ok(put(sink, put_of(3, 2, "c", 1, NULL)));
    ok(put(sink, put_of(6, 2, NULL, 0, NULL)));
    ok(commit(sink, 7));
    assert_query(all, "2b,7e");
    ok(put(sink, put_of(8, 1, NULL, 0, NULL)));
    ok(commit(sink, 8));
    assert_query(all, "7e");
    sink_destroy(&sink);
}

static void test_columns_come_with_what_is_granted(void **state) {
    Sink *sink = sink_opened(0);
    ok(put(sink, put_of(1, 1, "a", 1, NULL)));
    ok(commit(sink, 1));
    char *fields[] = {(char *)"health.facility_code", (char *)"population.citizen_number", (char *)"e_id.level"};
    ok(sink->kind->grant(sink, fields, 3));
    ok(put(sink, put_of(2, 2, "b", 1, "79001")));
    ok(commit(sink, 2));
    assert_query("SELECT facility_code FROM " QUOTED ".health WHERE position = 2", "79001");
    assert_query("SELECT count(population_citizen_number)::text FROM " QUOTED ".population", "0");
    assert_query("SELECT count(level)::text FROM " QUOTED ".e_id", "0");
    sink_destroy(&sink);
    // A field that only an older policy granted gets its column with the record.
    sink = sink_opened(2);
    ok(put(sink, put_of(3, 3, "c", 1, "01002")));
    ok(commit(sink, 3));
    assert_query("SELECT facility_code FROM " QUOTED ".health WHERE position = 3", "01002");
    sink_destroy(&sink);
}

#define COMMENT(column)                                                                                                \
    "SELECT coalesce(max(col_description(attrelid, attnum)), '') FROM pg_attribute WHERE attname = '" column "'"

static void grant(Sink *sink, size_t n) {
    char *fields[] = {(char *)"health.lot_number", (char *)"health.dose_number", (char *)"health.facility_code"};
    ok(sink->kind->grant(sink, fields, n));
}

// What is no longer sent must not look as if it belonged to a record that came later.
static void test_a_narrower_grant_leaves_no_stale_values(void **state) {
    const char *all =
        "SELECT string_agg(position || coalesce(facility_code, '-'), ',' ORDER BY record_id) FROM " QUOTED ".health";
    Sink *sink = sink_opened(0);
    grant(sink, 3);
    ok(put(sink, put_of(1, 1, "a", 1, "01001")));
    ok(put(sink, put_of(2, 2, "b", 1, "01002")));
    ok(commit(sink, 2));
    grant(sink, 2);
    ok(put(sink, put_of(3, 1, "c", 1, NULL)));
    ok(commit(sink, 3));
    assert_query(all, "3-,201002");
    sink_destroy(&sink);
    // A program that never knew of the column.
    ok(pg_command(pg, "UPDATE " QUOTED ".health SET facility_code = '01001' WHERE position = 3"));
    sink = sink_opened(3);
    grant(sink, 2);
    assert_query(COMMENT("facility_code"),
                 "dongbo: no longer granted. A row loses its value here when its record changes.");
    ok(put(sink, put_of(4, 1, "d", 1, NULL)));
    ok(commit(sink, 4));
    assert_query(all, "4-,201002");
    sink_destroy(&sink);
    sink = sink_opened(4);
    grant(sink, 3);
    assert_query(COMMENT("facility_code"), "");
    assert_query(COMMENT("lot_number"), "");
    sink_destroy(&sink);
}

static void alter(const char *what) {
    char sql[256];
    snprintf(sql, sizeof sql, "ALTER TABLE " QUOTED ".health %s", what);
    ok(pg_command(pg, sql));
}

static int put_and_commit(Sink *sink, uint64_t position) {
    ok(put(sink, put_of(position, (uint8_t)position, "a", 1, NULL)));
    return commit(sink, position);
}

static void begin_again(Sink *sink, uint64_t expected) {
    SinkPlace place;
    assert_true(sink->kind->begin(sink, &place) >= 0);
    assert_int_equal(place.position, expected);
    grant(sink, 2);
}

// What is missing is made again; what does not fit is said, with what to do, and nothing is half done.
static void test_what_people_alter(void **state) {
    static const struct {
        const char *how, *back;
    } ALTERED[] = {
        {"ADD CONSTRAINT c CHECK (lot_number <> 'a') NOT VALID", "DROP CONSTRAINT c"},
        {"ALTER dose_number TYPE date USING NULL", "ALTER dose_number TYPE bigint USING NULL"},
        {"DROP CONSTRAINT health_pkey", "ADD CONSTRAINT health_pkey PRIMARY KEY (record_id)"},
    };
    Sink *sink = sink_opened(0);
    ok(put_and_commit(sink, 1));
    alter("DROP lot_number");
    assert_int_equal(put_and_commit(sink, 2), ERROR_DATABASE);
    begin_again(sink, 1);
    ok(put_and_commit(sink, 2));
    for (size_t i = 0; i < sizeof ALTERED / sizeof *ALTERED; i++) {
        alter(ALTERED[i].how);
        assert_int_equal(put_and_commit(sink, 3), ERROR_CONFIG);
        if (!strstr(error_text(), "altered by hand"))
            fail_msg("%s: %s", ALTERED[i].how, error_text());
        alter(ALTERED[i].back);
        begin_again(sink, 2);
    }
    ok(put_and_commit(sink, 3));
    alter("ALTER lot_number TYPE varchar(3)");
    ok(put(sink, put_of(4, 4, "longer", 1, NULL)));
    assert_int_equal(commit(sink, 4), ERROR_DATA);
    assert_non_null(strstr(error_text(), "altered by hand"));
    begin_again(sink, 3);
    ok(pg_command(pg, "DROP TABLE " QUOTED ".health"));
    assert_int_equal(put_and_commit(sink, 4), ERROR_DATABASE);
    begin_again(sink, 3);
    ok(put_and_commit(sink, 4));
    ok(pg_command(pg, "ALTER TABLE " QUOTED ".dongbo_position DROP epoch"));
    assert_int_equal(put_and_commit(sink, 5), ERROR_DATABASE);
    SinkPlace place;
    assert_int_equal(sink->kind->begin(sink, &place), ERROR_CONFIG);
    assert_non_null(strstr(error_text(), "dongbo_position"));
    sink_destroy(&sink);
}

static void test_place_and_rows_are_one(void **state) {
    Sink *sink = sink_opened(0);
    ok(put(sink, put_of(1, 1, "a", 1, NULL)));
    ok(commit(sink, 1));
    ok(put(sink, put_of(2, 2, "b", 1, NULL)));
    ok(put(sink, put_of(3, 3, "\xff", 1, NULL))); // no text that PostgreSQL can hold
    assert_int_equal(commit(sink, 3), ERROR_DATA);
    assert_query("SELECT string_agg(lot_number, ',') FROM " QUOTED ".health", "a");
    SinkPlace place;
    ok(sink->kind->begin(sink, &place));
    assert_int_equal(place.position, 1);
    // The server goes away between write and commit: the batch is forgotten as a whole.
    ok(put(sink, put_of(2, 2, "b", 1, NULL)));
    assert_query("SELECT count(pg_terminate_backend(pid, 5000))::text FROM pg_stat_activity"
                 " WHERE application_name = 'dongbo receive'",
                 "1");
    assert_int_equal(commit(sink, 2), ERROR_DATABASE);
    ok(sink->kind->begin(sink, &place));
    assert_int_equal(place.position, 1);
    ok(put(sink, put_of(2, 2, "b", 1, NULL)));
    ok(commit(sink, 2));
    assert_query("SELECT string_agg(lot_number, ',' ORDER BY position) FROM " QUOTED ".health", "a,b");
    sink_destroy(&sink);
}

static int commit_in(Sink *sink, uint32_t epoch, uint64_t position) {
    SinkPlace place = {.epoch = epoch, .position = position, .hash = {0xcd}};
    return sink->kind->commit(sink, &place);
}

// A snapshot's rows are of positions beyond the place, which a log that was set back gives out anew.
static void test_a_log_that_was_set_back(void **state) {
    Sink *sink = sink_opened(0);
    SinkSnapshot snapshot = {.mark = 7, .first = {.epoch = 3, .position = 50}};
    SinkTally tally = {0};
    ok(sink->kind->snapshots->begin(sink, &snapshot));
    for (uint8_t id = 1; id <= 4; id++)
        ok(put(sink, put_of(90, id, "was", 1, NULL)));
    ok(sink->kind->snapshots->end(sink, &snapshot, &snapshot.first, &tally));
    ok(put(sink, put_of(60, 1, "older", 1, NULL)));
    ok(commit_in(sink, 3, 70));
    assert_query("SELECT string_agg(lot_number, ' ' ORDER BY record_id) FROM " QUOTED ".health", "was was was was");
    sink_destroy(&sink);
    sink = sink_opened(70);
    ok(put(sink, put_of(71, 2, "is", 1, NULL)));
    ok(put(sink, put_of(72, 3, NULL, 0, NULL)));
    ok(commit_in(sink, 4, 75));
    ok(put(sink, put_of(76, 4, "is", 1, NULL)));
    ok(commit_in(sink, 4, 80));
    assert_query("SELECT string_agg(lot_number || ' ' || position, ' ' ORDER BY record_id) FROM " QUOTED ".health",
                 "was 90 is 71 is 76");
    sink_destroy(&sink);
}

// From the start, or a time, or behind what another number of shares had: rows that are newer stay as they are, also
// where an old epoch ends on the way.
static void test_an_old_epoch_is_read_again(void **state) {
    Sink *sink = sink_opened(0);
    ok(put(sink, put_of(10, 1, "a", 1, NULL)));
    ok(commit_in(sink, 3, 100));
    ok(put(sink, put_of(120, 1, "b", 1, NULL)));
    ok(put(sink, put_of(200, 1, "c", 1, NULL)));
    ok(commit_in(sink, 4, 200));
    sink_destroy(&sink);
    sink = sink_opened(200);
    ok(put(sink, put_of(10, 1, "a", 1, NULL)));
    ok(commit_in(sink, 3, 90));
    ok(put(sink, put_of(120, 1, "b", 1, NULL)));
    ok(put(sink, put_of(125, 1, NULL, 0, NULL)));
    ok(commit_in(sink, 4, 130));
    assert_query("SELECT lot_number || ' ' || position FROM " QUOTED ".health", "c 200");
    ok(put(sink, put_of(150, 1, "d", 1, NULL))); // set back, and the place had been there already
    ok(commit_in(sink, 5, 160));
    assert_query("SELECT lot_number || ' ' || position || ' ' || epoch FROM " QUOTED ".health", "d 150 5");
    sink_destroy(&sink);
}

// Rows of before there were epochs go by their positions, until they change.
static void test_rows_without_an_epoch(void **state) {
    Sink *sink = sink_opened(0);
    ok(put(sink, put_of(10, 1, "a", 1, NULL)));
    ok(put(sink, put_of(20, 2, "b", 1, NULL)));
    ok(commit_in(sink, 3, 20));
    sink_destroy(&sink);
    ok(pg_command(pg, "ALTER TABLE " QUOTED ".health DROP COLUMN epoch"));
    sink = sink_opened(20);
    ok(put(sink, put_of(10, 2, "older", 1, NULL)));
    ok(put(sink, put_of(30, 1, "c", 1, NULL)));
    ok(commit_in(sink, 3, 30));
    assert_query("SELECT string_agg(lot_number || ' ' || coalesce(epoch, 0), ' ' ORDER BY record_id) FROM " QUOTED
                 ".health",
                 "c 3 b 0");
    sink_destroy(&sink);
}

static void test_refuses_what_it_cannot_read(void **state) {
    Sink *sink = sink_opened(0);
    Dongbo__FeedRecord record = DONGBO__FEED_RECORD__INIT;
    record.domain = 8;
    record.change = DONGBO__CHANGE_KIND__CHANGE_UPSERT;
    assert_int_equal(sink->kind->write(sink, &record), 1);
    uint8_t unknown[] = {0xf2, 0x01, 1, 'x'};
    record.domain = DONGBO__DOMAIN__HEALTH;
    record.body = (ProtobufCBinaryData){sizeof unknown, unknown};
    assert_int_equal(sink->kind->write(sink, &record), 1);
    sink_destroy(&sink);
    assert_int_equal(sink_postgres_new(&sink, "no conninfo", SCHEMA), ERROR_CONFIG);
}

#define CASE(test) cmocka_unit_test_setup(test, drop)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(test_another_subscription_is_refused),
        CASE(test_an_older_schema_is_whose_snapshot_it_holds),
        CASE(test_shares_with_their_own_logins),
        CASE(test_rows_as_granted),
        CASE(test_the_persons_key),
        CASE(test_the_newest_state_wins),
        CASE(test_columns_come_with_what_is_granted),
        CASE(test_a_narrower_grant_leaves_no_stale_values),
        CASE(test_what_people_alter),
        CASE(test_place_and_rows_are_one),
        CASE(test_a_log_that_was_set_back),
        CASE(test_an_old_epoch_is_read_again),
        CASE(test_rows_without_an_epoch),
        CASE(test_refuses_what_it_cannot_read),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
