// SPDX-License-Identifier: Apache-2.0
//
// An agency is told what differs of so many different things that it says of one person, and no more. Whoever is
// honestly wrong, of many persons or the same way again and again, is told every time.
#include "broker/guesses.h"
#include "proto/base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define ACCEPTED DONGBO__VERDICT__ACCEPTED
#define MISMATCH DONGBO__VERDICT__MISMATCH
#define DEFERRED DONGBO__VERDICT__DEFERRED
#define REJECTED DONGBO__VERDICT__REJECTED
#define EVENTS_MAX 64

typedef struct Said {
    Dongbo__ChangeEvent event;
    Dongbo__Subject subject;
    char birth_date[12];
} Said;

typedef struct Case {
    Work work;
    Said said[EVENTS_MAX];
} Case;

static const Person AN = {.key = 11}, BINH = {.key = 12};

static int make(void **state) {
    Case *c = calloc(1, sizeof *c);
    assert_non_null(c);
    assert_int_equal(arena_new(&c->work.arena, WORK_ARENA_BYTES), 0);
    c->work.items = arena_zalloc(c->work.arena, EVENTS_MAX * sizeof *c->work.items);
    assert_non_null(c->work.items);
    *state = c;
    return 0;
}

static int unmake(void **state) {
    Case *c = *state;
    arena_destroy(&c->work.arena);
    free(c);
    return 0;
}

// Somebody born on such a day in May 1990, and what came of the comparison.
static Item *say(Case *c, const Person *person, int day, int verdict) {
    Said *said = &c->said[c->work.n_items];
    Item *item = &c->work.items[c->work.n_items++];
    dongbo__change_event__init(&said->event);
    dongbo__subject__init(&said->subject);
    snprintf(said->birth_date, sizeof said->birth_date, "1990-05-%02d", day);
    said->subject.full_name = "Trần Văn An";
    said->subject.birth_date = said->birth_date;
    said->event.subject = &said->subject;
    item->event = &said->event;
    item->domain = DONGBO__DOMAIN__HEALTH;
    item->person = person;
    item->record_hash = verdict == ACCEPTED;
    item->form.verdict = item->decision.verdict = ACCEPTED;
    if (verdict != ACCEPTED)
        decision_add(&item->decision, verdict, DONGBO__REASON_CODE__BIRTH_DATE_DIFFERS, "subject.birth_date", "");
    return item;
}

static void judge(Case *c) {
    assert_int_equal(guesses_judge(&c->work), 0);
}

static void assert_told(const Item *item, int verdict) {
    assert_false(item->held);
    assert_int_equal(item->decision.verdict, verdict);
    assert_int_equal(item->decision.n_reasons, verdict != ACCEPTED);
    if (verdict != ACCEPTED)
        assert_int_equal(item->decision.reasons[0].code, DONGBO__REASON_CODE__BIRTH_DATE_DIFFERS);
}

static void assert_held(const Item *item) {
    assert_true(item->held);
    assert_false(item->is_guess);
    assert_int_equal(item->decision.verdict, MISMATCH);
    assert_int_equal(item->decision.n_reasons, 1);
    assert_int_equal(item->decision.reasons[0].code, DONGBO__REASON_CODE__GUESSES_TOO_MANY);
    assert_string_equal(item->decision.reasons[0].expected, "");
    assert_int_equal(item->record_hash, 0);
}

static void test_so_many_are_told_of_and_then_nothing(void **state) {
    Case *c = *state;
    Item *items = c->work.items;
    for (int day = 1; day <= GUESSES_MAX + 1; day++)
        say(c, &AN, day, MISMATCH);
    Item *right = say(c, &AN, 20, ACCEPTED), *impossible = say(c, &AN, 21, REJECTED);
    judge(c);
    for (size_t i = 0; i < GUESSES_MAX; i++) {
        assert_told(&items[i], MISMATCH);
        assert_true(items[i].is_guess);
        assert_int_equal(items[i].is_last_guess, i == GUESSES_MAX - 1);
    }
    assert_held(&items[GUESSES_MAX]);
    assert_held(right); // or it would be told by not being held
    assert_held(impossible);
}

static void test_the_same_is_told_again_and_again(void **state) {
    Case *c = *state;
    for (int i = 0; i < 4 * GUESSES_MAX; i++)
        say(c, &AN, 1 + i % GUESSES_MAX, MISMATCH);
    judge(c);
    for (size_t i = 0; i < c->work.n_items; i++) {
        assert_told(&c->work.items[i], MISMATCH);
        assert_int_equal(c->work.items[i].is_guess, i < GUESSES_MAX);
    }
}

static void test_many_persons_are_each_wrong_once(void **state) {
    Case *c = *state;
    Person persons[EVENTS_MAX - 1];
    for (int i = 0; i < EVENTS_MAX - 1; i++) {
        persons[i] = (Person){.key = 100 + i};
        say(c, &persons[i], 1 + i % 28, MISMATCH);
    }
    Item *right = say(c, &persons[3], 30, ACCEPTED);
    judge(c);
    for (size_t i = 0; i < EVENTS_MAX - 1; i++)
        assert_true(c->work.items[i].is_guess);
    assert_told(right, ACCEPTED);
}

// As the database has them: of the person, not of the item's own event.
static void tell_before(Case *c, Item *item, int from, int to) {
    Case *before;
    make((void **)&before);
    for (int day = from; day <= to; day++)
        say(before, item->person, day, MISMATCH);
    judge(before);
    size_t n = before->work.n_items;
    uint8_t *guesses = arena_alloc(c->work.arena, n * GUESS_BYTES);
    assert_non_null(guesses);
    for (size_t i = 0; i < n; i++)
        memcpy(guesses + i * GUESS_BYTES, before->work.items[i].guess, GUESS_BYTES);
    item->guesses = guesses;
    item->n_guesses = n;
    unmake((void **)&before);
}

static void test_what_was_told_before_counts(void **state) {
    Case *c = *state;
    Item *again = say(c, &AN, 2, MISMATCH), *last = say(c, &AN, 25, MISMATCH), *next = say(c, &AN, 26, MISMATCH),
         *right = say(c, &AN, 20, ACCEPTED), *other = say(c, &BINH, 20, ACCEPTED);
    tell_before(c, again, 1, GUESSES_MAX - 1);
    tell_before(c, last, 1, GUESSES_MAX - 1);
    tell_before(c, next, 1, GUESSES_MAX - 1);
    judge(c);
    assert_told(again, MISMATCH);
    assert_false(again->is_guess);
    assert_told(last, MISMATCH);
    assert_true(last->is_last_guess);
    assert_held(next);
    assert_held(right); // of whom nothing was looked up: those before it say what was told
    assert_told(other, ACCEPTED);
}

static void test_where_all_were_told_nothing_new_is(void **state) {
    Case *c = *state;
    Item *right = say(c, &AN, 20, ACCEPTED), *known = say(c, &AN, 3, MISMATCH);
    tell_before(c, right, 1, GUESSES_MAX);
    tell_before(c, known, 1, GUESSES_MAX);
    judge(c);
    assert_held(right);
    assert_told(known, MISMATCH);
}

static void test_a_little_more_than_nothing_is_no_reason_to_hold(void **state) {
    Case *c = *state;
    Item *right = say(c, &AN, 20, ACCEPTED);
    tell_before(c, right, 1, GUESSES_MAX - 1);
    judge(c);
    assert_told(right, ACCEPTED);
}

static void test_only_comparisons_count(void **state) {
    Case *c = *state;
    Item *items = c->work.items;
    for (int day = 1; day <= 2 * GUESSES_MAX; day++)
        say(c, &AN, day, MISMATCH)->form.verdict = MISMATCH; // its own fault, whoever is meant
    for (int day = 1; day <= 2 * GUESSES_MAX; day++)
        say(c, NULL, day, DEFERRED);
    Item *right = say(c, &AN, 20, ACCEPTED);
    judge(c);
    for (size_t i = 0; i < c->work.n_items; i++)
        assert_false(items[i].is_guess || items[i].held);
    assert_told(right, ACCEPTED);
}

// What waited for its person is a guess when they come; what was told of before is none, and officers are not held.
static void test_decided_again(void **state) {
    Case *c = *state;
    c->work.kind = WORK_REDECIDE;
    for (int day = 1; day <= GUESSES_MAX + 1; day++)
        say(c, &AN, day, MISMATCH)->was = MISMATCH;
    judge(c);
    for (size_t i = 0; i < c->work.n_items; i++)
        assert_false(c->work.items[i].is_guess || c->work.items[i].held);
    for (size_t i = 0; i < c->work.n_items; i++)
        c->work.items[i].was = DEFERRED;
    judge(c);
    assert_true(c->work.items[0].is_guess);
    assert_held(&c->work.items[GUESSES_MAX]);
    const Review review = {.action = REVIEW_ACCEPT};
    c->work.review = &review;
    judge(c);
    assert_true(c->work.items[GUESSES_MAX].held); // stays known to who decides
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_so_many_are_told_of_and_then_nothing, make, unmake),
        cmocka_unit_test_setup_teardown(test_the_same_is_told_again_and_again, make, unmake),
        cmocka_unit_test_setup_teardown(test_many_persons_are_each_wrong_once, make, unmake),
        cmocka_unit_test_setup_teardown(test_what_was_told_before_counts, make, unmake),
        cmocka_unit_test_setup_teardown(test_where_all_were_told_nothing_new_is, make, unmake),
        cmocka_unit_test_setup_teardown(test_a_little_more_than_nothing_is_no_reason_to_hold, make, unmake),
        cmocka_unit_test_setup_teardown(test_only_comparisons_count, make, unmake),
        cmocka_unit_test_setup_teardown(test_decided_again, make, unmake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
