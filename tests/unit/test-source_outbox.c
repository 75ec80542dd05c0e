// SPDX-License-Identifier: Apache-2.0
//
// When an outbox is looked at: at once where its notification came, be it with the answer to a statement of the
// source's own, and not time and again where nothing did. Which rows are taken, and that each is once.
#include "tests/unit/outbox-case.h"

#include "proto/base/error.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static const char ROW[] =
    "INSERT INTO public.dongbo_outbox (op, \"row\") VALUES ('I', '{\"id\": \"1\", \"lot\": \"L\"}')";
static int wait_ms(OutboxCase *c) {
    return c->source->kind->wait_ms(c->source);
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

static bool try_to_read(OutboxCase *c) {
    c->intake.rows = 0;
    sealer_mark(c->test->sealer);
    done(spool_begin(c->test->spool));
    bool read = c->source->kind->read(c->source, &c->intake) >= 0;
    if (read) {
        done(sealer_flush(c->test->sealer));
        done(spool_commit(c->test->spool));
    } else {
        sealer_clear(c->test->sealer);
        spool_rollback(c->test->spool);
    }
    done(c->source->kind->settle(c->source, read));
    return read;
}

// Of rows that are slow to be made text, so many are asked for as the server manages.
static void test_reads_slow_rows(void **state) {
    static const char SLOW[] =
        "CREATE FUNCTION public.weigh(jsonb) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$ "
        "DECLARE n int := coalesce(nullif(current_setting('public.weighed', true), ''), '0')::int + 1; BEGIN "
        "PERFORM set_config('public.weighed', n::text, true); "
        "IF n > 20 THEN RAISE query_canceled; END IF; RETURN $1; END $$;"
        "CREATE VIEW public.slow AS SELECT id, op, public.weigh(\"row\") AS \"row\", at, taken_at "
        "FROM public.dongbo_outbox";
    OutboxCase *c = *state;
    done(pg_command(c->ministry, SLOW));
    for (int i = 0; i < 40; i++)
        done(pg_command(c->ministry, ROW));
    open_on(c, "public.slow");
    int read = 0, failed = 0;
    while (sealed(c) < 40 && failed < 40)
        try_to_read(c) ? read++ : failed++;
    assert_int_equal(sealed(c), 40);
    assert_true(read > 1);
    done(pg_command(c->ministry, "DROP FUNCTION public.weigh(jsonb) CASCADE"));
}

// Whether their size is seen before they are text or behind.
static void test_refuses_large_rows(void **state) {
    OutboxCase *c = *state;
    open_table(c);
    done(pg_command(c->ministry,
                    "INSERT INTO public.dongbo_outbox (op, \"row\") SELECT 'I', jsonb_build_object('id', '1', 'x', x) "
                    "FROM (VALUES (repeat('x', 70000)), (repeat('x', 9000000)), ((SELECT string_agg(md5(n::text), '') "
                    "FROM generate_series(1, 30000) AS n))) AS v (x)"));
    done(pg_command(c->ministry, ROW));
    assert_true(take_what_is_there(c));
    assert_int_equal(sealed(c), 1);
    assert_int_equal(hand_back(c), 3);
    assert_false(take_what_is_there(c));
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
        cmocka_unit_test_setup_teardown(test_told_of_with_the_count, outbox_case_setup, outbox_case_teardown),
        cmocka_unit_test_setup_teardown(test_told_of_with_the_commit, outbox_case_setup, outbox_case_teardown),
        cmocka_unit_test_setup_teardown(test_seals_once_what_a_lost_session_locks, outbox_case_setup,
                                        outbox_case_teardown),
        cmocka_unit_test_setup_teardown(test_waits_for_no_locked_table, outbox_case_setup, outbox_case_teardown),
        cmocka_unit_test_setup_teardown(test_leaves_no_slow_statement_behind, outbox_case_setup, outbox_case_teardown),
        cmocka_unit_test_setup_teardown(test_reads_slow_rows, outbox_case_setup, outbox_case_teardown),
        cmocka_unit_test_setup_teardown(test_refuses_large_rows, outbox_case_setup, outbox_case_teardown),
        cmocka_unit_test_setup_teardown(test_waits_for_no_frozen_server, outbox_case_setup, outbox_case_teardown),
        cmocka_unit_test_setup_teardown(test_takes_what_is_corrected_before_the_mark, outbox_case_setup,
                                        outbox_case_teardown),
        cmocka_unit_test_setup_teardown(test_takes_what_is_withdrawn_before_the_mark, outbox_case_setup,
                                        outbox_case_teardown),
        cmocka_unit_test_setup_teardown(test_seals_once_what_is_touched_before_the_mark, outbox_case_setup,
                                        outbox_case_teardown),
        cmocka_unit_test_setup_teardown(test_takes_once_more_what_an_older_program_took, outbox_case_setup,
                                        outbox_case_teardown),
        cmocka_unit_test_setup_teardown(test_takes_again_what_is_put_back_beside_others, outbox_case_setup,
                                        outbox_case_teardown),
        cmocka_unit_test_setup_teardown(test_takes_again_what_is_put_back_after_a_rollback, outbox_case_setup,
                                        outbox_case_teardown),
        cmocka_unit_test_setup_teardown(test_takes_again_what_is_put_back_over_a_stop, outbox_case_setup,
                                        outbox_case_teardown),
        cmocka_unit_test_setup_teardown(test_seals_once_beside_what_its_name_was_before, outbox_case_setup,
                                        outbox_case_teardown),
        cmocka_unit_test_setup_teardown(test_seals_once_what_cannot_be_marked, outbox_case_setup, outbox_case_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
