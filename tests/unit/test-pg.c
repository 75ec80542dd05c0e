// SPDX-License-Identifier: Apache-2.0
//
// Sessions against a real server (with-postgres starts it): values both ways, COPY, errors that keep values to
// themselves, and what is left of a session whose connection broke.
#include "proto/base/error.h"
#include "proto/base/pg.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BOOL 16
#define BYTEA 17
#define INT8 20
#define INT2 21
#define INT4 23
#define TEXT 25
#define DATE 1082
#define TIMESTAMPTZ 1184

static int set_up(void **state) {
    Pg *pg = NULL;
    if (pg_new(&pg, "", "test") < 0 || pg_connect(pg) < 0) {
        print_error("%s\n", error_text());
        return 1;
    }
    *state = pg;
    return 0;
}

static int tear_down(void **state) {
    pg_destroy((Pg **)state);
    pg_destroy((Pg **)state);
    return 0;
}

static void done(int r) {
    if (r < 0)
        fail_msg("%d: %s", r, error_text());
}

static void test_scalars(void **state) {
    static const Oid types[] = {INT2, INT4, INT8, BOOL, TEXT, BYTEA, DATE, TIMESTAMPTZ, INT8};
    static const PgStatement statement = {
        "scalars",
        "SELECT $1, $2, $3, $4, $5, $6, $7::text, $8, $8 = '2022-03-01 01:00:00.000001+00'::timestamptz, $9, "
        "'infinity'::timestamptz",
        9, types};
    PgParams params = {0};
    PGresult *result = NULL;
    for (int round = 0; round < 2; round++) {
        pg_params_clear(&params);
        pg_param_i16(&params, -2);
        pg_param_i32(&params, -70000);
        pg_param_i64(&params, INT64_MIN);
        pg_param_bool(&params, true);
        pg_param_text(&params, "Đỗ");
        pg_param_bytes(&params, "a\0b", 3);
        pg_param_text(&params, "1990-05-01");
        pg_param_us(&params, 1646096400000001);
        pg_param_null(&params);
        done(pg_run(*state, &statement, &params, &result));
        assert_int_equal(pg_i16(result, 0, 0), -2);
        assert_int_equal(pg_i32(result, 0, 1), -70000);
        assert_int_equal(pg_i64(result, 0, 1), -70000);
        assert_true(pg_i64(result, 0, 2) == INT64_MIN);
        assert_true(pg_bool(result, 0, 3));
        assert_string_equal(pg_text(result, 0, 4), "Đỗ");
        size_t n;
        assert_memory_equal(pg_bytes(result, 0, 5, &n), "a\0b", 3);
        assert_int_equal(n, 3);
        assert_string_equal(pg_text(result, 0, 6), "1990-05-01");
        assert_true(pg_us(result, 0, 7) == 1646096400000001);
        assert_true(pg_bool(result, 0, 8));
        assert_true(pg_is_null(result, 0, 9));
        assert_int_equal(pg_i64(result, 0, 9), 0);
        assert_true(pg_us(result, 0, 10) == INT64_MAX);
        PQclear(result);
    }
    pg_params_free(&params);
}

static void test_empty_is_not_null(void **state) {
    static const Oid types[] = {TEXT, BYTEA, BYTEA};
    static const PgStatement statement = {"empty", "SELECT $1, $2, $3", 3, types};
    PgParams params = {0};
    PGresult *result = NULL;
    size_t n;
    pg_param_text(&params, "");
    pg_param_bytes(&params, NULL, 0);
    pg_param_null(&params);
    done(pg_run(*state, &statement, &params, &result));
    assert_false(pg_is_null(result, 0, 0));
    assert_false(pg_is_null(result, 0, 1));
    assert_true(pg_is_null(result, 0, 2));
    assert_string_equal(pg_text(result, 0, 2), "");
    pg_bytes(result, 0, 2, &n);
    assert_int_equal(n, 0);
    assert_false(pg_bool(result, 0, 2));
    PQclear(result);
    pg_params_free(&params);
}

static void test_arrays(void **state) {
    static const Oid types[] = {1016, 1009, 1001, 1005, 1007, 1000, 1185, 1016}; // int8[], text[], bytea[], …
    static const PgStatement statement = {
        "arrays", "SELECT $1, $2, $3, $4, $5, $6, $7, $8, $2::text, $6::text, $7::text, NULL::int8[]", 8, types};
    PgParams params = {0};
    PGresult *result = NULL;
    PgElement *elements = NULL;
    pg_param_array_begin(&params, INT8, 1000);
    for (int64_t i = 0; i < 1000; i++)
        pg_array_i64(&params, i - 500);
    pg_param_array_begin(&params, TEXT, 3);
    pg_array_text(&params, "a\"b", 3);
    pg_array_null(&params);
    pg_array_text(&params, "", 0);
    pg_param_array_begin(&params, BYTEA, 1);
    pg_array_bytes(&params, "\0\1", 2);
    pg_param_array_begin(&params, INT2, 1);
    pg_array_i16(&params, -7);
    pg_param_array_begin(&params, INT4, 1);
    pg_array_i32(&params, -8);
    pg_param_array_begin(&params, BOOL, 2);
    pg_array_bool(&params, true);
    pg_array_bool(&params, false);
    pg_param_array_begin(&params, TIMESTAMPTZ, 1);
    pg_array_us(&params, 0);
    pg_param_array_begin(&params, INT8, 0);
    done(pg_run(*state, &statement, &params, &result));
    pg_params_free(&params);
    assert_int_equal(pg_array(result, 0, 0, &elements), 1000);
    for (int64_t i = 0; i < 1000; i++)
        assert_true(pg_element_int(elements[i]) == i - 500);
    free(elements);
    assert_int_equal(pg_array(result, 0, 1, &elements), 3);
    assert_int_equal(elements[0].n, 3);
    assert_memory_equal(elements[0].data, "a\"b", 3);
    assert_int_equal(elements[1].n, 0);
    free(elements);
    assert_int_equal(pg_array(result, 0, 2, &elements), 1);
    assert_memory_equal(elements[0].data, "\0\1", 2);
    free(elements);
    assert_int_equal(pg_array(result, 0, 3, &elements), 1);
    assert_int_equal(pg_element_int(elements[0]), -7);
    free(elements);
    assert_int_equal(pg_array(result, 0, 4, &elements), 1);
    assert_int_equal(pg_element_int(elements[0]), -8);
    free(elements);
    assert_int_equal(pg_array(result, 0, 7, &elements), 0);
    assert_null(elements);
    uint32_t bits = 1;
    assert_int_equal(pg_array_bits(result, 0, 7, 31, &bits), 0);
    assert_int_equal(bits, 0);
    assert_int_equal(pg_array_bits(result, 0, 0, 31, &bits), 0); // -500 to 499
    assert_int_equal(bits, 0xFFFFFFFE);
    assert_int_equal(pg_array_bits(result, 0, 0, 3, &bits), 0);
    assert_int_equal(bits, 0xE);
    assert_int_equal(pg_array(result, 0, 11, &elements), 0);
    assert_string_equal(pg_text(result, 0, 8), "{\"a\\\"b\",NULL,\"\"}");
    assert_string_equal(pg_text(result, 0, 9), "{t,f}");
    assert_string_equal(pg_text(result, 0, 10), "{\"1970-01-01 00:00:00+00\"}");
    PQclear(result);
}

// Every prefix of an array, and dimensions that lie, in a result of our own making.
static void test_broken_arrays(void **state) {
    static const uint8_t whole[] = {0, 0, 0, 1, 0, 0, 0, 0, 0,   0, 0, 25, 0, 0,   0,  2,
                                    0, 0, 0, 1, 0, 0, 0, 1, 'a', 0, 0, 0,  2, 'b', 'c'};
    PgElement *elements = NULL;
    for (size_t n = 1; n <= sizeof whole; n++) {
        PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
        PGresAttDesc column = {.name = (char *)"a", .format = 1};
        uint8_t *copy = malloc(n); // so that a sanitizer sees its end
        memcpy(copy, whole, n);
        assert_true(PQsetResultAttrs(result, 1, &column));
        assert_true(PQsetvalue(result, 0, 0, (char *)copy, (int)n));
        if (n == sizeof whole) {
            assert_int_equal(pg_array(result, 0, 0, &elements), 2);
            assert_memory_equal(elements[1].data, "bc", 2);
            free(elements);
        } else {
            uint32_t bits;
            assert_int_equal(pg_array(result, 0, 0, &elements), ERROR_DATABASE);
            assert_null(elements);
            assert_int_equal(pg_array_bits(result, 0, 0, 31, &bits), ERROR_DATABASE);
        }
        free(copy);
        PQclear(result);
    }
}

static void test_copy(void **state) {
    static const char copy[] = "COPY pg_temp.t (i, l, s, o, b, x, d, a) FROM STDIN (FORMAT binary)";
    static const PgStatement sum = {"sum",
                                    "SELECT count(*), sum(l)::int8, min(s), bool_and(o), max(length(x)), count(d), "
                                    "min(d), count(*) FILTER (WHERE a = '{200,-1}'), count(*) FILTER (WHERE a = '{}') "
                                    "FROM pg_temp.t",
                                    0, NULL};
    Bytes rows = {0};
    PGresult *result = NULL;
    done(pg_command(*state, "CREATE TEMP TABLE t (i int4 PRIMARY KEY, l int8, s int2, o bool, b bytea, x text, "
                            "d timestamptz, a int2[])"));
    done(pg_copy(*state, copy, &rows));
    for (int i = 0; i < 40000; i++) {
        copy_row(&rows, 8);
        copy_i32(&rows, i);
        copy_i64(&rows, 1LL << 33);
        copy_i16(&rows, -1);
        copy_bool(&rows, true);
        copy_bytes(&rows, "\0\377", 2);
        copy_bytes(&rows, "Đỗ", strlen("Đỗ"));
        if (i == 0)
            copy_us(&rows, 1);
        else
            copy_null(&rows);
        copy_i16_array(&rows, (const int16_t[]){200, -1}, i % 2 * 2);
    }
    assert_true(rows.n > 1024 * 1024);
    done(pg_copy(*state, copy, &rows));
    done(pg_run(*state, &sum, NULL, &result));
    assert_int_equal(pg_i64(result, 0, 0), 40000);
    assert_true(pg_i64(result, 0, 1) == 40000LL << 33);
    assert_int_equal(pg_i16(result, 0, 2), -1);
    assert_true(pg_bool(result, 0, 3));
    assert_int_equal(pg_i32(result, 0, 4), 2);
    assert_int_equal(pg_i64(result, 0, 5), 1);
    assert_true(pg_us(result, 0, 6) == 1);
    assert_int_equal(pg_i64(result, 0, 7), 20000);
    assert_int_equal(pg_i64(result, 0, 8), 20000);
    PQclear(result);
    // The same rows again break the key; the session lives on.
    assert_int_equal(pg_copy(*state, copy, &rows), ERROR_DATA);
    assert_string_equal(pg_sqlstate(*state), "23505");
    assert_null(strstr(error_text(), "(0)"));
    assert_true(pg_connected(*state));
    rows.n -= 3; // cut short
    assert_int_equal(pg_copy(*state, copy, &rows), ERROR_DATA);
    assert_int_equal(pg_copy(*state, "COPY pg_temp.none FROM STDIN", &rows), ERROR_DATABASE);
    rows.failed = true;
    assert_int_equal(pg_copy(*state, copy, &rows), ERROR_MEMORY);
    done(pg_command(*state, "DROP TABLE pg_temp.t"));
    bytes_free(&rows);
}

static void test_data_errors(void **state) {
    static const Oid types[] = {TEXT};
    static const PgStatement statement = {"to date", "SELECT $1::date", 1, types};
    PgParams params = {0};
    PGresult *result = NULL;
    pg_param_text(&params, "born 001099012345");
    assert_int_equal(pg_run(*state, &statement, &params, &result), ERROR_DATA);
    assert_null(result);
    assert_string_equal(error_text(), "test: to date: invalid input syntax for type date (22007)");
    assert_string_equal(pg_sqlstate(*state), "22007");
    assert_int_equal(pg_command(*state, "SELEKT"), ERROR_DATABASE);
    assert_string_equal(error_text(), "test: SELEKT: syntax error at or near \"SELEKT\" (42601)");
    pg_params_clear(&params);
    pg_param_array_begin(&params, TEXT, 1);
    bytes_reserve(&params.buffer[0], SIZE_MAX);
    assert_int_equal(pg_run(*state, &statement, &params, &result), ERROR_MEMORY);
    pg_params_free(&params);
}

static void test_lost_commit(void **state) {
    done(pg_command(*state, "BEGIN"));
    assert_int_equal(pg_command(*state, "SELECT 1/0"), ERROR_DATA);
    assert_int_equal(pg_command(*state, "COMMIT"), ERROR_DATABASE);
    assert_string_equal(pg_sqlstate(*state), "40000");
    done(pg_command(*state, "BEGIN"));
    done(pg_command(*state, "COMMIT"));
    done(pg_command(*state, "ROLLBACK"));
}

static int64_t count_queued(Pg *pg) {
    static const PgStatement count = {"count queued", "SELECT count(*), sum(length(b)) FROM pg_temp.q", 0, NULL};
    PGresult *result = NULL;
    done(pg_run(pg, &count, NULL, &result));
    int64_t n = pg_i64(result, 0, 0);
    PQclear(result);
    return n;
}

static const Oid QUEUED_TYPES[] = {INT4, BYTEA};
static const PgStatement QUEUED = {"queued", "INSERT INTO pg_temp.q (i, b) VALUES ($1, $2) RETURNING i", 2,
                                   QUEUED_TYPES};
static const PgStatement QUEUED_TOO = {"queued too", "INSERT INTO pg_temp.q (i, b) VALUES (-$1, $2)", 2, QUEUED_TYPES};

static int queue(Pg *pg, const PgStatement *statement, int i) {
    static uint8_t large[300 * 1024]; // more than a socket's buffers take
    PgParams params = {0};
    pg_param_i32(&params, i);
    pg_param_bytes(&params, large, sizeof large);
    int r = pg_queue(pg, statement, &params);
    pg_params_free(&params);
    return r;
}

// Whatever comes next waits for what is queued, and sees it.
static void test_queue(void **state) {
    done(pg_command(*state, "CREATE TEMP TABLE q (i int4 PRIMARY KEY, b bytea)"));
    done(pg_flush(*state));
    for (int i = 1; i <= 20; i++) {
        done(queue(*state, &QUEUED, i));
        done(queue(*state, &QUEUED_TOO, i)); // its first use prepares it, amid the others
    }
    assert_int_equal(count_queued(*state), 40);
    done(queue(*state, &QUEUED, 21));
    done(pg_command(*state, "DELETE FROM pg_temp.q WHERE i = 21"));
    assert_int_equal(count_queued(*state), 40);
    done(queue(*state, &QUEUED, 22));
    done(pg_flush(*state));
    done(pg_flush(*state));
    assert_int_equal(count_queued(*state), 41);
    Bytes rows = {0};
    copy_row(&rows, 2);
    copy_i32(&rows, 23);
    copy_null(&rows);
    done(queue(*state, &QUEUED, 24));
    done(pg_copy(*state, "COPY pg_temp.q (i, b) FROM STDIN (FORMAT binary)", &rows));
    assert_int_equal(count_queued(*state), 43);
    bytes_free(&rows);
}

// One that fails is told at the next call, what came after it did not run, and the session lives on.
static void test_queue_fails_as_one(void **state) {
    done(pg_command(*state, "TRUNCATE pg_temp.q"));
    done(pg_command(*state, "BEGIN"));
    done(queue(*state, &QUEUED, 1));
    done(queue(*state, &QUEUED, 1));
    done(queue(*state, &QUEUED, 2));
    assert_int_equal(pg_command(*state, "COMMIT"), ERROR_DATA);
    assert_string_equal(pg_sqlstate(*state), "23505");
    assert_true(pg_connected(*state));
    done(pg_command(*state, "ROLLBACK"));
    assert_int_equal(count_queued(*state), 0);
    done(queue(*state, &QUEUED, 1));
    done(pg_flush(*state));
    done(pg_command(*state, "DROP TABLE pg_temp.q"));
}

static void test_session_settings(void **state) {
    static const PgStatement statement = {"settings",
                                          "SELECT current_setting('search_path'), current_setting('application_name'), "
                                          "current_setting('client_encoding'), current_setting('TimeZone')",
                                          0, NULL};
    PGresult *result = NULL;
    done(pg_command(*state, "CREATE TABLE IF NOT EXISTS public.hidden (i int)"));
    assert_int_equal(pg_command(*state, "SELECT * FROM hidden"), ERROR_DATABASE);
    done(pg_run(*state, &statement, NULL, &result));
    assert_string_equal(pg_text(result, 0, 0), "pg_catalog, pg_temp");
    assert_string_equal(pg_text(result, 0, 1), "test");
    assert_string_equal(pg_text(result, 0, 2), "UTF8");
    assert_string_equal(pg_text(result, 0, 3), "UTC");
    PQclear(result);
}

static int queue_and_flush(Pg *pg, const PgStatement *statement) {
    int r = pg_queue(pg, statement, NULL);
    return r < 0 ? r : pg_flush(pg);
}

static void test_broken_connection(void **state) {
    static const Oid types[] = {INT4};
    static const PgStatement end = {"end", "SELECT pg_terminate_backend($1, 10000)", 1, types};
    static const PgStatement one = {"one", "SELECT 1", 0, NULL};
    Pg *other = NULL;
    PGresult *result = NULL;
    for (int way = 0; way < 5; way++) {
        PgParams params = {0};
        Bytes rows = {0};
        done(pg_new(&other, "connect_timeout=3", "other"));
        done(pg_connect(other));
        done(pg_connect(other));
        done(pg_run(other, &one, NULL, NULL));
        if (way == 4)
            done(pg_queue(other, &one, NULL));
        pg_param_i32(&params, PQbackendPID(pg_raw(other)));
        done(pg_run(*state, &end, &params, NULL));
        pg_params_free(&params);
        copy_row(&rows, 0);
        int r = way == 0   ? pg_run(other, &one, NULL, &result)
                : way == 1 ? pg_command(other, "BEGIN")
                : way >= 3 ? queue_and_flush(other, &one)
                           : pg_copy(other, "COPY pg_temp.t FROM STDIN (FORMAT binary)", &rows);
        bytes_free(&rows);
        assert_int_equal(r, ERROR_DATABASE);
        assert_true(strcmp(pg_sqlstate(other), "57P01") == 0 || strcmp(pg_sqlstate(other), "08006") == 0);
        assert_false(pg_connected(other));
        // Nothing but pg_connect() connects: a transaction is never half run.
        assert_int_equal(pg_run(other, &one, NULL, &result), ERROR_DATABASE);
        assert_int_equal(pg_command(other, "BEGIN"), ERROR_DATABASE);
        done(pg_connect(other));
        done(pg_run(other, &one, NULL, &result));
        assert_int_equal(pg_i32(result, 0, 0), 1);
        PQclear(result);
        pg_destroy(&other);
    }
}

static void test_patience(void **state) {
    static const Oid types[] = {BYTEA};
    static const PgStatement length = {"length", "SELECT length($1)", 1, types};
    static const PgStatement slow = {"slow", "SELECT pg_sleep(60)", 0, NULL};
    static uint8_t data[8 * 1024 * 1024]; // more than fits between two processes
    Pg *other = NULL;
    PGresult *result = NULL;
    PgParams params = {0};
    pg_param_bytes(&params, data, sizeof data);
    done(pg_new(&other, "", "other"));
    pg_set_patience(other, 2000);
    done(pg_connect(other));
    done(pg_run(other, &length, &params, &result));
    assert_int_equal(pg_i32(result, 0, 0), sizeof data);
    PQclear(result);
    assert_int_equal(pg_command(other, "SELECT 1; SELECT 1 / 0; SELECT 2"), ERROR_DATA);
    assert_string_equal(pg_sqlstate(other), "22012");
    assert_true(pg_connected(other));
    pid_t server = PQbackendPID(pg_raw(other));
    bool frozen = kill(server, SIGSTOP) == 0; // where we may
    for (int i = 0; i < 2; i++) {
        pg_forget_failure(other);
        assert_int_equal(i == 0 && frozen ? pg_run(other, &length, &params, NULL) : pg_run(other, &slow, NULL, NULL),
                         ERROR_DATABASE);
        assert_true(pg_is_passing(other));
        assert_false(pg_connected(other));
        assert_non_null(strstr(error_text(), "no answer within 2000 ms"));
        done(pg_connect(other));
    }
    if (frozen)
        kill(server, SIGCONT);
    pg_params_free(&params);
    pg_destroy(&other);
}

// In its session alone, with patience or without.
static bool is_undone(const char *before, const char *sql, int patience_ms) {
    const PgStatement statement = {"statement", sql, 0, NULL};
    Pg *pg = NULL;
    done(pg_new(&pg, "", "other"));
    pg_set_patience(pg, patience_ms);
    done(pg_connect(pg));
    done(pg_command(pg, before));
    assert_true(pg_run(pg, &statement, NULL, NULL) < 0);
    bool undone = pg_is_undone(pg);
    if (!pg_connected(pg)) {
        assert_int_equal(pg_run(pg, &statement, NULL, NULL), ERROR_DATABASE);
        assert_true(pg_is_undone(pg)); // it was not sent
    }
    pg_destroy(&pg);
    return undone;
}

#define RAISE(state) "DO $$ BEGIN RAISE 'refused' USING ERRCODE = '" state "'; END $$"
#define END_ITSELF "SELECT pg_terminate_backend(pg_backend_pid()), pg_sleep(60)"

static void test_what_is_undone(void **state) {
    // Behind the statement, and before its commit is said.
    static const char at_commit[] =
        "CREATE TEMP TABLE t (i int); CREATE FUNCTION pg_temp.f() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()), pg_sleep(60); RETURN NULL; END'; "
        "CREATE CONSTRAINT TRIGGER t AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW "
        "EXECUTE FUNCTION pg_temp.f()";
    assert_true(is_undone("SELECT 1", RAISE("55P03"), 2000));
    assert_true(is_undone("SELECT 1", RAISE("23505"), 0));
    assert_true(is_undone("SELECT 1", "SELEKT", 2000));
    assert_false(is_undone("SELECT 1", RAISE("08006"), 2000));
    assert_false(is_undone("SELECT 1", "SELECT pg_sleep(60)", 100));
    assert_true(is_undone("SELECT 1", END_ITSELF, 5000));
    assert_false(is_undone("SELECT 1", END_ITSELF, 0));
    assert_false(is_undone(at_commit, "INSERT INTO pg_temp.t VALUES (1)", 5000));
}

static void test_forgotten_statement(void **state) {
    static const PgStatement one = {"one", "SELECT 1", 0, NULL};
    done(pg_run(*state, &one, NULL, NULL));
    done(pg_command(*state, "DEALLOCATE ALL"));
    assert_int_equal(pg_run(*state, &one, NULL, NULL), ERROR_DATABASE);
    assert_string_equal(pg_sqlstate(*state), "26000");
    assert_false(pg_connected(*state));
    done(pg_connect(*state));
    done(pg_run(*state, &one, NULL, NULL));
}

static void test_what_passes(void **state) {
    static const struct {
        const char *state;
        bool passing;
    } cases[] = {{"40001", true},  {"53100", true},  {"55P03", true},  {"57014", true},  {"25006", true},
                 {"23514", false}, {"22003", false}, {"42501", false}, {"P0001", false}, {"XX000", false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char sql[100];
        snprintf(sql, sizeof sql, "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '%s'; END $$", cases[i].state);
        done(pg_connect(*state));
        assert_true(pg_command(*state, sql) < 0);
        assert_string_equal(pg_sqlstate(*state), cases[i].state);
        assert_int_equal(pg_is_passing(*state), cases[i].passing);
        // Who only reads may have become another than the one that the conninfo leads to.
        assert_int_equal(pg_connected(*state), strcmp(cases[i].state, "25006") != 0);
        pg_forget_failure(*state);
        assert_false(pg_is_passing(*state));
    }
}

typedef struct Heard {
    int n;
    char channel[16], text[16]; // of the last
} Heard;

static void note(void *self, const char *channel, const char *text) {
    Heard *heard = self;
    heard->n++;
    snprintf(heard->channel, sizeof heard->channel, "%s", channel);
    snprintf(heard->text, sizeof heard->text, "%s", text);
}

static bool socket_tells(Pg *pg, int timeout_ms) {
    struct pollfd fd = {.fd = PQsocket(pg_raw(pg)), .events = POLLIN};
    return poll(&fd, 1, timeout_ms) == 1;
}

static Pg *listener(void) {
    Pg *pg = NULL;
    done(pg_new(&pg, "", "listener"));
    assert_false(pg_heard(pg, NULL, NULL));
    done(pg_connect(pg));
    done(pg_command(pg, "LISTEN told"));
    assert_false(pg_heard(pg, NULL, NULL));
    return pg;
}

static void test_notified_with_an_answer(void **state) {
    Heard heard = {0};
    Pg *pg = listener();
    done(pg_command(pg, "NOTIFY told, 'first'; NOTIFY told, 'second'"));
    assert_false(socket_tells(pg, 0)); // which is why pg_heard() is there
    assert_true(pg_heard(pg, note, &heard));
    assert_int_equal(heard.n, 2);
    assert_string_equal(heard.channel, "told");
    assert_string_equal(heard.text, "second");
    assert_false(pg_heard(pg, note, &heard));
    done(pg_command(pg, "NOTIFY told, 'third'"));
    done(pg_hear(pg, note, &heard));
    assert_int_equal(heard.n, 3);
    done(pg_command(pg, "NOTIFY told, 'nobody'"));
    assert_true(pg_heard(pg, NULL, NULL));
    assert_false(pg_heard(pg, note, &heard));
    pg_destroy(&pg);
}

static void test_notified_while_waiting(void **state) {
    Heard heard = {0};
    Pg *pg = listener();
    done(pg_command(*state, "NOTIFY told"));
    assert_true(socket_tells(pg, 10000));
    assert_false(pg_heard(pg, note, &heard)); // nobody has read it yet
    done(pg_hear(pg, note, &heard));
    assert_int_equal(heard.n, 1);
    assert_string_equal(heard.text, "");
    assert_false(socket_tells(pg, 0));
    done(pg_hear(pg, note, &heard));
    assert_int_equal(heard.n, 1);
    pg_destroy(&pg);
}

static void test_notified_of_the_end(void **state) {
    int r = 0;
    Pg *pg = listener();
    done(pg_command(*state, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = "
                            "'listener'"));
    while (r == 0) {
        assert_true(socket_tells(pg, 10000));
        r = pg_hear(pg, NULL, NULL);
    }
    assert_int_equal(r, ERROR_DATABASE);
    assert_true(pg_is_passing(pg));
    assert_false(pg_connected(pg));
    assert_false(pg_heard(pg, NULL, NULL));
    pg_destroy(&pg);
}

static void test_no_server(void **state) {
    Pg *pg = NULL;
    assert_int_equal(pg_new(&pg, "nonsense", "test"), ERROR_CONFIG);
    assert_null(pg);
    done(pg_new(&pg, "host=/nonexistent user=u password=secret", "test"));
    assert_int_equal(pg_connect(pg), ERROR_DATABASE);
    assert_string_equal(pg_sqlstate(pg), "08006");
    assert_true(pg_is_passing(pg));
    assert_null(strstr(error_text(), "secret"));
    assert_null(strchr(error_text(), '\n'));
    assert_false(pg_connected(pg));
    pg_destroy(&pg);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scalars),
        cmocka_unit_test(test_empty_is_not_null),
        cmocka_unit_test(test_arrays),
        cmocka_unit_test(test_broken_arrays),
        cmocka_unit_test(test_copy),
        cmocka_unit_test(test_data_errors),
        cmocka_unit_test(test_lost_commit),
        cmocka_unit_test(test_queue),
        cmocka_unit_test(test_queue_fails_as_one),
        cmocka_unit_test(test_session_settings),
        cmocka_unit_test(test_broken_connection),
        cmocka_unit_test(test_patience),
        cmocka_unit_test(test_what_is_undone),
        cmocka_unit_test(test_forgotten_statement),
        cmocka_unit_test(test_what_passes),
        cmocka_unit_test(test_notified_with_an_answer),
        cmocka_unit_test(test_notified_while_waiting),
        cmocka_unit_test(test_notified_of_the_end),
        cmocka_unit_test(test_no_server),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
