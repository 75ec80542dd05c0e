// SPDX-License-Identifier: Apache-2.0
//
// Answers are written into the agency's own table, of which anything may have become: each is there once, one that it
// does not take is in nobody's way, and no call takes long.
#include "tests/unit/outbox-case.h"

#include "proto/base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

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

static void wait_to_try_again(OutboxCase *c) {
    c->test->now_us += 600LL * 1000000;
    (void)look(c);
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
            wait_to_try_again(c);
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
    wait_to_try_again(c);
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
    wait_to_try_again(c);
    assert_int_equal(hand_back(c), 1500);
    assert_int_equal(answers(c), 1510);
}

static int64_t origin_to_hand_back(OutboxCase *c) {
    int64_t origin;
    done(ledger_results_origin(c->test->spool, 0, &origin));
    return origin;
}

// What is set aside costs nothing until it is tried again.
static void test_passes_over_what_is_set_aside(void **state) {
    OutboxCase *c = *state;
    open_table(c);
    done(pg_command(c->ministry,
                    "ALTER TABLE public.dongbo_outbox_result ADD CONSTRAINT guard CHECK (\"row\" IS NULL)"));
    refuse_rows(c, 20);
    assert_int_equal(origin_to_hand_back(c), 1);
    assert_int_equal(hand_back(c), 0);
    assert_int_equal(origin_to_hand_back(c), 0);
    wait_to_try_again(c);
    assert_int_equal(origin_to_hand_back(c), 1);
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_answers_each_refusal_once, outbox_case_setup, outbox_case_teardown),
        cmocka_unit_test_setup_teardown(test_sets_aside_what_cannot_be_stored, outbox_case_setup, outbox_case_teardown),
        cmocka_unit_test_setup_teardown(test_sets_aside_what_others_show_to_be_at_fault, outbox_case_setup,
                                        outbox_case_teardown),
        cmocka_unit_test_setup_teardown(test_finds_what_is_new_behind_many_refused, outbox_case_setup,
                                        outbox_case_teardown),
        cmocka_unit_test_setup_teardown(test_waits_for_a_right, outbox_case_setup, outbox_case_teardown),
        cmocka_unit_test_setup_teardown(test_keeps_answers_in_their_order, outbox_case_setup, outbox_case_teardown),
        cmocka_unit_test_setup_teardown(test_sets_aside_all_that_cannot_be_stored, outbox_case_setup,
                                        outbox_case_teardown),
        cmocka_unit_test_setup_teardown(test_passes_over_what_is_set_aside, outbox_case_setup, outbox_case_teardown),
        cmocka_unit_test_setup_teardown(test_hands_back_for_a_while, outbox_case_setup, outbox_case_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
