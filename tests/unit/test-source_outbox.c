// SPDX-License-Identifier: Apache-2.0
//
// When an outbox is looked at: at once where its notification came, be it with the answer to a statement of the
// source's own, and not time and again where nothing did. The table that the source counts is a view here, which adds
// a row of its own while it is counted: behind the count's snapshot, and told of with its answer.
#include "agents/source_outbox.h"

#include "proto/base/error.h"
#include "proto/base/pg.h"
#include "tests/unit/publish-case.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

typedef struct OutboxCase {
    PublishCase *test;
    SourceConfig config;
    Map *map;
    Arena *arena;
    Source *source;
    Intake intake;
    Pg *ministry;
} OutboxCase;

static const char MAPPING[] = "domain: health\nsource_key: [id]\nfields:\n  - {to: lot_number, column: lot}\n";

static const char ROW[] =
    "INSERT INTO public.dongbo_outbox (op, \"row\") VALUES ('I', '{\"id\": \"1\", \"lot\": \"L\"}')";
// Adds a row as often as public.coming says.
static const char BUSY[] =
    "CREATE TABLE public.coming (n int); INSERT INTO public.coming VALUES (0);"
    "CREATE FUNCTION public.come() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN"
    "    UPDATE public.coming SET n = n - 1 WHERE n > 0;"
    "    IF FOUND THEN"
    "        INSERT INTO public.dongbo_outbox (op, \"row\") VALUES ('I', '{\"id\": \"2\", \"lot\": \"L\"}');"
    "        NOTIFY dongbo_outbox;"
    "    END IF;"
    "    RETURN true; END $$;"
    "CREATE VIEW public.busy AS SELECT * FROM public.dongbo_outbox WHERE (SELECT public.come())";

static void done(int r) {
    if (r < 0)
        fail_msg("%d: %s", r, error_text());
}

static void make_outbox(OutboxCase *c) {
    char path[4096], sql[16384];
    const char *source = getenv("DONGBO_SOURCE");
    assert_non_null(source);
    snprintf(path, sizeof path, "%s/agents/outbox.sql", source);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t n = fread(sql, 1, sizeof sql - 1, file);
    fclose(file);
    sql[n] = 0;
    done(pg_new(&c->ministry, "", "ministry"));
    done(pg_connect(c->ministry));
    done(pg_command(c->ministry, sql));
    done(pg_command(c->ministry, BUSY));
}

static int setup(void **state) {
    OutboxCase *c = calloc(1, sizeof *c);
    char path[128];
    assert_int_equal(publish_case_setup((void **)&c->test), 0);
    scratch_write(c->test->directory, "m.yaml", MAPPING);
    snprintf(path, sizeof path, "%s/m.yaml", c->test->directory);
    done(map_load(&c->map, path));
    done(arena_new(&c->arena, 1 << 20));
    make_outbox(c);
    c->config = (SourceConfig){.name = "s", .kind = SOURCE_OUTBOX, .conninfo = "", .table = "public.busy"};
    SourceOptions options = {&c->config, c->test->spool, c->map, &c->test->clock};
    done(source_new(&c->source, &options));
    c->intake = (Intake){.spool = c->test->spool, .map = c->map, .sealer = c->test->sealer, .arena = c->arena};
    *state = c;
    return 0;
}

static int teardown(void **state) {
    OutboxCase *c = *state;
    source_destroy(&c->source);
    done(pg_command(c->ministry, "DROP TABLE public.dongbo_outbox, public.dongbo_outbox_result, public.coming CASCADE;"
                                 "DROP FUNCTION public.come()"));
    pg_destroy(&c->ministry);
    map_destroy(&c->map);
    arena_destroy(&c->arena);
    void *test = c->test;
    free(c);
    return publish_case_teardown(&test);
}

static uint64_t look(OutboxCase *c) {
    uint64_t bytes;
    done(c->source->kind->look(c->source, &bytes));
    return bytes;
}

static int wait_ms(OutboxCase *c) {
    return c->source->kind->wait_ms(c->source);
}

static void read_all(OutboxCase *c) {
    c->intake.rows = 0;
    sealer_mark(c->test->sealer);
    done(spool_begin(c->test->spool));
    assert_int_equal(c->source->kind->read(c->source, &c->intake), 1);
    done(sealer_flush(c->test->sealer));
    done(spool_commit(c->test->spool));
    done(c->source->kind->settle(c->source, true));
}

static void test_told_of_with_the_count(void **state) {
    OutboxCase *c = *state;
    assert_int_equal(look(c), 0);
    assert_int_equal(wait_ms(c), -1); // until the socket tells
    done(pg_command(c->ministry, "UPDATE public.coming SET n = 1"));
    c->test->now_us += 60000000; // it is looked at now and then without news, too
    assert_int_equal(look(c), 0);
    assert_int_equal(wait_ms(c), 0);
    assert_true(look(c) > 0);
    read_all(c);
    assert_int_equal(publish_case_stream(c->test).last_sequence, 1);
    assert_int_equal(look(c), 0);
    assert_int_equal(wait_ms(c), -1);
}

static void test_told_of_with_the_commit(void **state) {
    OutboxCase *c = *state;
    assert_int_equal(look(c), 0);
    done(pg_command(c->ministry, ROW));
    done(pg_command(c->ministry, "UPDATE public.coming SET n = 2")); // with the count, and with the read
    c->test->now_us += 60000000;
    assert_true(look(c) > 0);
    assert_int_equal(wait_ms(c), -1); // while it has something to read, it is not woken for more
    read_all(c);
    assert_int_equal(wait_ms(c), 0);
    assert_true(look(c) > 0);
}

static void open_on(OutboxCase *c, char *table) {
    source_destroy(&c->source);
    c->config.table = table;
    SourceOptions options = {&c->config, c->test->spool, c->map, &c->test->clock};
    done(source_new(&c->source, &options));
}

// On the documented table itself.
static void open_table(OutboxCase *c) {
    open_on(c, "public.dongbo_outbox");
}

static bool take_what_is_there(OutboxCase *c) {
    c->test->now_us += 60000000;
    bool there = look(c) > 0;
    if (there)
        read_all(c);
    return there;
}

static int try_to_hand_back(OutboxCase *c) {
    Origin origin;
    int n;
    assert_int_equal(ledger_origin(c->test->spool, 1, &origin), 0);
    int r = c->source->kind->hand_back(c->source, &origin, &n);
    return r < 0 ? r : n;
}

static int hand_back(OutboxCase *c) {
    int r = try_to_hand_back(c);
    done(r);
    return r;
}

static int number(OutboxCase *c, const PgStatement *statement) {
    PGresult *result;
    done(pg_run(c->ministry, statement, NULL, &result));
    int n = pg_i32(result, 0, 0);
    PQclear(result);
    return n;
}

static void test_answers_each_refusal_once(void **state) {
    static const PgStatement ANSWERS = {"answers", "SELECT count(*)::int FROM public.dongbo_outbox_result", 0, NULL},
                             ROWS = {"rows", "SELECT count(DISTINCT \"row\")::int FROM public.dongbo_outbox_result", 0,
                                     NULL};
    static const char KEEP[] = "CREATE TABLE kept AS SELECT * FROM result",
                      REVIVE[] = "INSERT INTO result SELECT * FROM kept";
    OutboxCase *c = *state;
    open_table(c);
    done(pg_command(c->ministry, "INSERT INTO public.dongbo_outbox (op, \"row\") VALUES ('I', '{\"id\": \"\"}')"));
    assert_true(take_what_is_there(c));
    assert_int_equal(hand_back(c), 1);
    // Corrected wrongly where it stands, and put back.
    done(pg_command(c->ministry,
                    "UPDATE public.dongbo_outbox SET taken_at = NULL, \"row\" = '{\"id\": \"\", \"x\": 1}'"));
    (void)look(c);
    assert_true(take_what_is_there(c));
    // The agent dies behind the answer, before it forgets that it owes it.
    done(lite_script(spool_lite(c->test->spool), KEEP));
    assert_int_equal(hand_back(c), 1);
    done(lite_script(spool_lite(c->test->spool), REVIVE));
    assert_int_equal(hand_back(c), 1);
    assert_int_equal(number(c, &ANSWERS), 2);
    assert_int_equal(number(c, &ROWS), 2);
}

static const char *left(const OutboxCase *c) {
    return c->source->kind->left(c->source);
}

static int answers(OutboxCase *c) {
    static const PgStatement ANSWERS = {"answers", "SELECT count(*)::int FROM public.dongbo_outbox_result", 0, NULL};
    return number(c, &ANSWERS);
}

static void refuse_rows(OutboxCase *c, int n) {
    char sql[200];
    snprintf(sql, sizeof sql,
             "INSERT INTO public.dongbo_outbox (op, \"row\") SELECT 'I', jsonb_build_object('id', '', 'n', n) "
             "FROM generate_series(1, %d) AS n",
             n);
    done(pg_command(c->ministry, sql));
    assert_true(take_what_is_there(c));
}

// The table's keeper has made it take less: by its type, by a constraint at once or at the end, or by a trigger.
static void test_sets_aside_what_cannot_be_stored(void **state) {
    static const struct {
        const char *guard, *end, *said;
    } GUARDS[] = {
        {"ALTER TABLE public.dongbo_outbox_result ADD CONSTRAINT guard CHECK (\"row\" ->> 'n' <> '2')",
         "ALTER TABLE public.dongbo_outbox_result DROP CONSTRAINT guard", "(23514)"},
        {"ALTER TABLE public.dongbo_outbox_result ADD n varchar(1) GENERATED ALWAYS AS "
         "(repeat('x', (\"row\" ->> 'n')::int % 3)) STORED",
         "ALTER TABLE public.dongbo_outbox_result DROP n", "(22001)"},
        {"CREATE FUNCTION public.guard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
         "IF NEW.\"row\" ->> 'n' = '2' THEN RAISE 'not this one'; END IF; RETURN NULL; END $$;"
         "CREATE CONSTRAINT TRIGGER guard AFTER INSERT ON public.dongbo_outbox_result DEFERRABLE INITIALLY DEFERRED "
         "FOR EACH ROW EXECUTE FUNCTION public.guard()",
         "DROP FUNCTION public.guard() CASCADE", "not this one"},
    };
    OutboxCase *c = *state;
    open_table(c);
    for (int i = 0; i < 3; i++) {
        done(pg_command(c->ministry, GUARDS[i].guard));
        refuse_rows(c, 4);
        assert_int_equal(hand_back(c), 3);
        assert_non_null(strstr(left(c), GUARDS[i].said));
        refuse_rows(c, 1); // what comes later goes on
        assert_int_equal(hand_back(c), 1);
        done(pg_command(c->ministry, GUARDS[i].end));
        assert_int_equal(hand_back(c), 0);
        assert_non_null(left(c));
        if (i == 0)
            open_table(c); // a start
        else
            c->test->now_us += 600LL * 1000000;
        assert_int_equal(hand_back(c), 1);
        assert_int_equal(answers(c), 5);
        assert_null(left(c));
        done(pg_command(c->ministry, "DELETE FROM public.dongbo_outbox_result"));
    }
}

static void guard_by_trigger(OutboxCase *c, const char *condition, const char *state) {
    char sql[500];
    snprintf(sql, sizeof sql,
             "CREATE FUNCTION public.guard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
             "IF %s THEN RAISE 'not this one' USING ERRCODE = '%s'; END IF; RETURN NEW; END $$;"
             "CREATE TRIGGER guard BEFORE INSERT ON public.dongbo_outbox_result "
             "FOR EACH ROW EXECUTE FUNCTION public.guard()",
             condition, state);
    done(pg_command(c->ministry, sql));
}

// By what a trigger, a policy or a view says of one as it would of all, or a limit.
static void test_sets_aside_what_others_show_to_be_at_fault(void **state) {
    static const char *const STATES[] = {"U0001", "42501", "44000", "54000"};
    OutboxCase *c = *state;
    open_table(c);
    for (int i = 0; i < 4; i++) {
        guard_by_trigger(c, "NEW.\"row\" ->> 'n' < '4'", STATES[i]);
        refuse_rows(c, 5);
        assert_int_equal(hand_back(c), 2);
        assert_non_null(strstr(left(c), STATES[i]));
        // First in the line again, before what is new.
        open_table(c);
        refuse_rows(c, 4);
        assert_int_equal(hand_back(c), 1);
        done(pg_command(c->ministry, "DROP FUNCTION public.guard() CASCADE"));
        open_table(c);
        assert_int_equal(hand_back(c), 6);
        done(pg_command(c->ministry, "DELETE FROM public.dongbo_outbox_result"));
    }
}

static void test_finds_what_is_new_behind_many_refused(void **state) {
    OutboxCase *c = *state;
    open_table(c);
    guard_by_trigger(c, "(NEW.\"row\" ->> 'n')::int > 1", "U0001");
    refuse_rows(c, 1);
    assert_int_equal(hand_back(c), 1);
    refuse_rows(c, 301);
    assert_int_equal(hand_back(c), 1);
    open_table(c);
    assert_int_equal(try_to_hand_back(c), ERROR_DATABASE); // of all that there are: it may be the table
    refuse_rows(c, 1);
    assert_int_equal(hand_back(c), 1);
    assert_non_null(left(c));
    assert_int_equal(answers(c), 3);
    done(pg_command(c->ministry, "DROP FUNCTION public.guard() CASCADE"));
}

// Nor is anything set aside where the table takes nothing at all for now.
static void test_waits_for_a_right(void **state) {
    OutboxCase *c = *state;
    open_table(c);
    guard_by_trigger(c, "true", "42501");
    refuse_rows(c, 50);
    for (int i = 0; i < 8; i++)
        assert_int_equal(try_to_hand_back(c), ERROR_DATABASE);
    assert_non_null(strstr(error_text(), "not this one"));
    assert_null(left(c));
    done(pg_command(c->ministry, "DROP FUNCTION public.guard() CASCADE"));
    assert_int_equal(hand_back(c), 50);
}

// By the time of the answer, the last one holds, though one before it could be written only later.
static void test_keeps_answers_in_their_order(void **state) {
    static const PgStatement LAST = {
        "last", "SELECT (\"row\" ->> 'n')::int FROM public.dongbo_outbox_result ORDER BY at DESC LIMIT 1", 0, NULL};
    OutboxCase *c = *state;
    open_table(c);
    done(pg_command(c->ministry, "ALTER TABLE public.dongbo_outbox_result ADD CONSTRAINT guard "
                                 "CHECK (\"row\" ->> 'n' <> '1')"));
    refuse_rows(c, 1);
    assert_int_equal(hand_back(c), 0);
    done(pg_command(c->ministry,
                    "UPDATE public.dongbo_outbox SET taken_at = NULL, \"row\" = '{\"id\": \"\", \"n\": 2}'"));
    (void)look(c);
    assert_true(take_what_is_there(c));
    assert_int_equal(hand_back(c), 1);
    done(pg_command(c->ministry, "ALTER TABLE public.dongbo_outbox_result DROP CONSTRAINT guard"));
    c->test->now_us += 600LL * 1000000;
    assert_int_equal(hand_back(c), 1);
    assert_int_equal(number(c, &LAST), 2);
}

// All of several portions.
static void test_sets_aside_all_that_cannot_be_stored(void **state) {
    OutboxCase *c = *state;
    open_table(c);
    done(pg_command(c->ministry, "ALTER TABLE public.dongbo_outbox_result ADD CONSTRAINT guard "
                                 "CHECK ((\"row\" ->> 'n')::int > 1500)"));
    refuse_rows(c, 1510);
    assert_int_equal(hand_back(c), 10);
    assert_int_equal(hand_back(c), 0);
    done(pg_command(c->ministry, "ALTER TABLE public.dongbo_outbox_result DROP CONSTRAINT guard"));
    c->test->now_us += 600LL * 1000000;
    assert_int_equal(hand_back(c), 1500);
    assert_int_equal(answers(c), 1510);
}

// Time goes by as often as somebody looks.
static int64_t passing_ms(void *self) {
    PublishCase *test = self;
    test->now_us += 10000;
    return test->now_us / 1000;
}

// A call takes so long only, and the next one goes on there, be it that all are refused or that the table is slow.
static void test_hands_back_for_a_while(void **state) {
    static const char *const GUARDS[] = {"CHECK (\"row\" IS NULL)", "CHECK ((\"row\" ->> 'n')::int % 50 <> 0)",
                                         "CHECK (true)"};
    static const int STORED[] = {0, 980, 1000};
    OutboxCase *c = *state;
    Origin origin;
    char sql[200];
    for (int i = 0; i < 3; i++) {
        open_table(c);
        refuse_rows(c, 1000);
        snprintf(sql, sizeof sql, "ALTER TABLE public.dongbo_outbox_result ADD CONSTRAINT guard %s", GUARDS[i]);
        done(pg_command(c->ministry, sql));
        assert_int_equal(ledger_origin(c->test->spool, 1, &origin), 0);
        int n, r, calls = 0;
        int64_t (*standing_ms)(void *self) = c->test->clock.monotonic_ms;
        c->test->clock.monotonic_ms = passing_ms;
        do {
            int64_t before_us = c->test->now_us;
            r = c->source->kind->hand_back(c->source, &origin, &n);
            assert_in_range(c->test->now_us - before_us, 0, 2200000);
            calls++;
        } while (r == 1);
        c->test->clock.monotonic_ms = standing_ms;
        done(r);
        assert_in_range(calls, 4, 40);
        assert_int_equal(answers(c), STORED[i]);
        done(pg_command(c->ministry, "ALTER TABLE public.dongbo_outbox_result DROP CONSTRAINT guard"));
        open_table(c);
        assert_int_equal(hand_back(c), 1000 - STORED[i]);
        done(pg_command(c->ministry, "DELETE FROM public.dongbo_outbox_result"));
    }
}

// Reads what is there into the spool, and does not tell the source yet.
static void read_without_mark(OutboxCase *c) {
    c->test->now_us += 60000000;
    assert_true(look(c) > 0);
    c->intake.rows = 0;
    sealer_mark(c->test->sealer);
    done(spool_begin(c->test->spool));
    assert_int_equal(c->source->kind->read(c->source, &c->intake), 1);
    done(sealer_flush(c->test->sealer));
}

static int sealed(OutboxCase *c) {
    return (int)publish_case_stream(c->test).last_sequence;
}

static void put_back_first(OutboxCase *c) {
    done(pg_command(c->ministry, "UPDATE public.dongbo_outbox SET taken_at = NULL WHERE id = 1"));
}

// The source's.
static void end_session(OutboxCase *c) {
    done(
        pg_command(c->ministry, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 's'"));
}

// A session that was closed holds what it locked until its server has noticed: whoever reads meanwhile passes over it.
static void wait_for_locks(OutboxCase *c) {
    done(pg_command(c->ministry,
                    "DO $$ BEGIN WHILE EXISTS (SELECT FROM pg_locks WHERE pid <> pg_backend_pid() AND "
                    "relation = 'public.dongbo_outbox'::regclass) LOOP PERFORM pg_sleep(0.005); END LOOP; END $$"));
}

// The connection breaks before the mark is committed, and for a while the server has not noticed.
static void test_seals_once_what_a_lost_session_locks(void **state) {
    static const PgStatement WAITING = {
        "waiting", "SELECT count(*)::int FROM public.dongbo_outbox WHERE taken_at IS NULL", 0, NULL};
    OutboxCase *c = *state;
    open_table(c);
    done(pg_command(c->ministry, ROW));
    read_without_mark(c);
    done(spool_commit(c->test->spool));
    end_session(c);
    done(pg_command(c->ministry, "BEGIN; SELECT 1 FROM public.dongbo_outbox FOR UPDATE")); // waits for its end
    assert_true(c->source->kind->settle(c->source, true) < 0);
    for (int i = 0; i < 3; i++)
        assert_true(take_what_is_there(c));
    done(pg_command(c->ministry, "ROLLBACK"));
    assert_int_equal(number(c, &WAITING), 1);
    assert_true(take_what_is_there(c));
    assert_int_equal(number(c, &WAITING), 0);
    assert_int_equal(sealed(c), 1);
    // It is known no longer: put back, it is taken again.
    put_back_first(c);
    assert_true(take_what_is_there(c));
    assert_int_equal(sealed(c), 2);
}

// Whoever changes the table holds nobody else up, and leaves no session waiting when they are done.
static void test_waits_for_no_locked_table(void **state) {
    static const PgStatement WAITING = {
        "waiting", "SELECT count(*)::int FROM pg_stat_activity WHERE application_name = 's' AND state = 'active'", 0,
        NULL};
    OutboxCase *c = *state;
    uint64_t bytes;
    open_table(c);
    done(pg_command(c->ministry, "INSERT INTO public.dongbo_outbox (op, \"row\") VALUES ('I', '{\"id\": \"\"}')"));
    assert_true(take_what_is_there(c));
    done(pg_command(c->ministry, "BEGIN; LOCK TABLE public.dongbo_outbox, public.dongbo_outbox_result"));
    c->test->now_us += 60000000;
    assert_int_equal(c->source->kind->look(c->source, &bytes), ERROR_DATABASE);
    assert_int_equal(try_to_hand_back(c), ERROR_DATABASE);
    assert_int_equal(number(c, &WAITING), 0);
    done(pg_command(c->ministry, "COMMIT"));
    assert_int_equal(hand_back(c), 1);
}

// Nor is a session left working that nobody waits for any more.
static void test_leaves_no_slow_statement_behind(void **state) {
    static const PgStatement WORKING = {
        "working", "SELECT count(*)::int FROM pg_stat_activity WHERE application_name = 's' AND state = 'active'", 0,
        NULL};
    OutboxCase *c = *state;
    uint64_t bytes;
    done(pg_command(c->ministry, "CREATE VIEW public.slow AS SELECT * FROM public.dongbo_outbox "
                                 "WHERE (SELECT pg_sleep(60)) IS NOT NULL"));
    done(pg_command(c->ministry, ROW));
    open_on(c, "public.slow");
    assert_int_equal(c->source->kind->look(c->source, &bytes), ERROR_DATABASE);
    assert_int_equal(number(c, &WORKING), 0);
}

// A server that stands still, as where its disk does.
static void test_waits_for_no_frozen_server(void **state) {
    static const PgStatement SERVER = {"server", "SELECT pid FROM pg_stat_activity WHERE application_name = 's'", 0,
                                       NULL};
    OutboxCase *c = *state;
    uint64_t bytes;
    assert_int_equal(look(c), 0);
    done(pg_command(c->ministry, ROW));
    pid_t server = number(c, &SERVER);
    if (kill(server, SIGSTOP) != 0)
        skip();
    c->test->now_us += 60000000;
    int r = c->source->kind->look(c->source, &bytes);
    kill(server, SIGCONT);
    assert_int_equal(r, ERROR_DATABASE);
    assert_true(take_what_is_there(c));
    assert_int_equal(sealed(c), 1);
}

// Its keeper corrects it where it stands, while it is in the spool and has no mark.
static void correct_before_the_mark(OutboxCase *c, const char *correction, int expected) {
    open_table(c);
    done(pg_command(c->ministry, ROW));
    read_without_mark(c);
    done(spool_commit(c->test->spool));
    end_session(c);
    assert_true(c->source->kind->settle(c->source, true) < 0);
    done(pg_command(c->ministry, correction)); // waits for the end of the session
    open_table(c);
    assert_true(take_what_is_there(c));
    assert_int_equal(sealed(c), expected);
    assert_false(take_what_is_there(c));
}

static void test_takes_what_is_corrected_before_the_mark(void **state) {
    correct_before_the_mark(
        *state, "UPDATE public.dongbo_outbox SET \"row\" = jsonb_set(\"row\", '{lot}', '\"M\"') WHERE id = 1", 2);
}

static void test_takes_what_is_withdrawn_before_the_mark(void **state) {
    correct_before_the_mark(*state, "UPDATE public.dongbo_outbox SET op = 'D' WHERE id = 1", 2);
}

static void test_seals_once_what_is_touched_before_the_mark(void **state) {
    correct_before_the_mark(*state, "UPDATE public.dongbo_outbox SET \"row\" = \"row\" WHERE id = 1", 1);
}

// The note is of a program that did not keep what the row was.
static void test_takes_once_more_what_an_older_program_took(void **state) {
    OutboxCase *c = *state;
    open_table(c);
    done(pg_command(c->ministry, ROW));
    read_without_mark(c);
    done(lite_script(spool_lite(c->test->spool), "UPDATE taken SET content = 0"));
    done(spool_commit(c->test->spool));
    end_session(c);
    assert_true(c->source->kind->settle(c->source, true) < 0);
    wait_for_locks(c);
    assert_true(take_what_is_there(c));
    assert_false(take_what_is_there(c));
    assert_int_equal(sealed(c), 2);
}

// The agent dies without having heard what became of the mark, which is there, and finds other rows at each look.
static void test_takes_again_what_is_put_back_beside_others(void **state) {
    OutboxCase *c = *state;
    open_table(c);
    done(pg_command(c->ministry, ROW));
    read_without_mark(c);
    done(spool_commit(c->test->spool));
    open_table(c);
    done(pg_command(c->ministry, ROW));
    done(pg_command(c->ministry, "UPDATE public.dongbo_outbox SET taken_at = at WHERE id = 1"));
    assert_true(take_what_is_there(c));
    put_back_first(c);
    assert_true(take_what_is_there(c));
    assert_int_equal(sealed(c), 3);
}

static void test_takes_again_what_is_put_back_after_a_rollback(void **state) {
    OutboxCase *c = *state;
    open_table(c);
    done(pg_command(c->ministry, ROW));
    assert_true(take_what_is_there(c));
    done(pg_command(c->ministry, ROW));
    read_without_mark(c);
    sealer_clear(c->test->sealer);
    spool_rollback(c->test->spool);
    done(c->source->kind->settle(c->source, false));
    put_back_first(c);
    assert_true(take_what_is_there(c));
    assert_int_equal(sealed(c), 3);
}

// Its keeper is told at once, and the agent is killed before it looks again.
static void test_takes_again_what_is_put_back_over_a_stop(void **state) {
    OutboxCase *c = *state;
    open_table(c);
    done(pg_command(c->ministry, ROW));
    assert_true(take_what_is_there(c));
    put_back_first(c);
    open_table(c);
    assert_true(take_what_is_there(c));
    assert_int_equal(sealed(c), 2);
}

// The name was a drop folder's before, and a row of one of its files is answered only now.
static void test_seals_once_beside_what_its_name_was_before(void **state) {
    OutboxCase *c = *state;
    Origin before = {.source = "s", .name = "a.csv", .kept_name = "a.csv", .state = ORIGIN_DONE};
    done(spool_begin(c->test->spool));
    done(ledger_origin_add(c->test->spool, &before));
    done(spool_commit(c->test->spool));
    open_table(c);
    done(pg_command(c->ministry, ROW));
    read_without_mark(c);
    done(spool_commit(c->test->spool));
    end_session(c);
    assert_true(c->source->kind->settle(c->source, true) < 0);
    assert_int_equal(hand_back(c), 0);
    assert_true(take_what_is_there(c));
    assert_int_equal(sealed(c), 1);
}

// As a trigger does that guards a table against changes, or marks rows as deleted itself.
static void test_seals_once_what_cannot_be_marked(void **state) {
    static const TakeKind TAKES[] = {TAKE_MARK, TAKE_DELETE};
    OutboxCase *c = *state;
    done(pg_command(c->ministry, "CREATE FUNCTION public.guard() RETURNS trigger LANGUAGE plpgsql AS "
                                 "$$ BEGIN RETURN NULL; END $$;"
                                 "CREATE TRIGGER guard BEFORE UPDATE OR DELETE ON public.dongbo_outbox "
                                 "FOR EACH ROW EXECUTE FUNCTION public.guard()"));
    done(pg_command(c->ministry, ROW));
    for (size_t i = 0; i < sizeof TAKES / sizeof *TAKES; i++) {
        c->config.take = TAKES[i];
        open_table(c);
        for (int round = 0; round < 3; round++) {
            wait_for_locks(c);
            read_without_mark(c);
            done(spool_commit(c->test->spool));
            assert_int_equal(c->source->kind->settle(c->source, true), ERROR_DATABASE);
            assert_non_null(strstr(error_text(), "only 0 of 1 rows"));
        }
    }
    assert_int_equal(sealed(c), 1);
    done(pg_command(c->ministry, "DROP FUNCTION public.guard() CASCADE"));
    assert_true(take_what_is_there(c));
    assert_int_equal(sealed(c), 1);
    assert_int_equal(look(c), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_told_of_with_the_count, setup, teardown),
        cmocka_unit_test_setup_teardown(test_told_of_with_the_commit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_answers_each_refusal_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sets_aside_what_cannot_be_stored, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sets_aside_all_that_cannot_be_stored, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sets_aside_what_others_show_to_be_at_fault, setup, teardown),
        cmocka_unit_test_setup_teardown(test_finds_what_is_new_behind_many_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_waits_for_a_right, setup, teardown),
        cmocka_unit_test_setup_teardown(test_keeps_answers_in_their_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hands_back_for_a_while, setup, teardown),
        cmocka_unit_test_setup_teardown(test_seals_once_what_a_lost_session_locks, setup, teardown),
        cmocka_unit_test_setup_teardown(test_waits_for_no_locked_table, setup, teardown),
        cmocka_unit_test_setup_teardown(test_leaves_no_slow_statement_behind, setup, teardown),
        cmocka_unit_test_setup_teardown(test_waits_for_no_frozen_server, setup, teardown),
        cmocka_unit_test_setup_teardown(test_takes_what_is_corrected_before_the_mark, setup, teardown),
        cmocka_unit_test_setup_teardown(test_takes_what_is_withdrawn_before_the_mark, setup, teardown),
        cmocka_unit_test_setup_teardown(test_seals_once_what_is_touched_before_the_mark, setup, teardown),
        cmocka_unit_test_setup_teardown(test_takes_once_more_what_an_older_program_took, setup, teardown),
        cmocka_unit_test_setup_teardown(test_takes_again_what_is_put_back_beside_others, setup, teardown),
        cmocka_unit_test_setup_teardown(test_takes_again_what_is_put_back_after_a_rollback, setup, teardown),
        cmocka_unit_test_setup_teardown(test_takes_again_what_is_put_back_over_a_stop, setup, teardown),
        cmocka_unit_test_setup_teardown(test_seals_once_beside_what_its_name_was_before, setup, teardown),
        cmocka_unit_test_setup_teardown(test_seals_once_what_cannot_be_marked, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
