// SPDX-License-Identifier: Apache-2.0
//
// An event's word taken back: cases by name, and then the promise: whatever else is said, before or after, in whatever
// order, the record and its history are what they would be had it never been said.

#include "broker/history.h"
#include "broker/withdraw.h"
#include "dose-case.h"
#include "proto/base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#define VERSIONS_MAX 16

typedef struct Kept {
    const Dongbo__Record *versions[VERSIONS_MAX];
    size_t n;
    const Dongbo__Record *current;
} Kept;

static void put(Kept *kept, const Merged *merged) {
    if (!merged->store)
        return;
    assert_true(kept->n < VERSIONS_MAX);
    const Dongbo__Record *version = read_back(merged->record);
    kept->versions[kept->n++] = version;
    if (!merged->superseded)
        kept->current = version;
}

static void keep(Kept *kept, Said *s) {
    Merged merged = step(s, kept->current);
    put(kept, &merged);
}

static Withdraw of(const Kept *kept, const WithdrawWord *words, size_t n) {
    return (Withdraw){.rules = rules_domain(rules, DONGBO__DOMAIN__HEALTH),
                      .arena = arena,
                      .versions = kept->versions,
                      .n = kept->n,
                      .current = kept->current,
                      .words = words,
                      .n_words = n};
}

static WithdrawWord word(Said *s) {
    return (WithdrawWord){event_of(s), s->grants->agency};
}

static Merged take_back(Kept *kept, Said *s) {
    WithdrawWord its = word(s);
    Withdraw asked = of(kept, &its, 1);
    Merged merged;
    assert_int_equal(withdraw(&asked, &merged), 0);
    put(kept, &merged);
    return merged;
}

static const Dongbo__Vaccination *body(const Merged *merged) {
    return (const Dongbo__Vaccination *)merged->body;
}

static void test_the_only_word(void **state) {
    Said a = said(&MOH, 10, 1, "208", "L1");
    Kept kept = {0};
    keep(&kept, &a);
    assert_true(withdraw_stands(kept.current, event_of(&a)));
    Merged merged = take_back(&kept, &a);
    assert_true(merged.store && merged.deleted && merged.record->retracted);
    assert_int_equal(merged.record->n_origins, 0);
    assert_int_equal(merged.changed, BIT(GROUP) | BIT(DOSE) | BIT(PRODUCT) | BIT(LOT));
    assert_string_equal(body(&merged)->vaccine_group, "covid-19");
    assert_string_equal(body(&merged)->lot_number, "");
    assert_false(withdraw_stands(kept.current, event_of(&a)));
    // Nothing weighs against who says it next, however long ago that was, and against the same word neither.
    Said b = said(&ANOTHER, 5, 2, "", "L2");
    Merged next = step(&b, kept.current);
    assert_int_equal(next.verdict, ACCEPTED);
    assert_string_equal(body(&next)->lot_number, "L2");
    assert_int_equal(step(&a, kept.current).verdict, ACCEPTED);
}

static void test_the_others_words_stand(void **state) {
    Said a = said(&MOH, 10, 1, "208", "L1"), b = said(&MOH, 20, 2, "", "L2"), late = said(&MOH, 5, 3, "207", "L0");
    Kept kept = {0};
    keep(&kept, &a);
    keep(&kept, &b);
    Merged merged = take_back(&kept, &b);
    assert_int_equal(merged.verdict, ACCEPTED);
    assert_int_equal(merged.changed, BIT(LOT));
    assert_string_equal(body(&merged)->lot_number, "L1");
    assert_false(merged.deleted);
    keep(&kept, &late);
    merged = take_back(&kept, &a);
    assert_string_equal(body(&merged)->product_code, "207");
    assert_string_equal(body(&merged)->lot_number, "L0");
}

static void test_a_retraction_stays(void **state) {
    Said a = said(&MOH, 20, 1, "208", "L1"), r = retraction(&MOH, 10, 2), late = said(&MOH, 5, 3, "", "L0");
    Kept kept = {0};
    keep(&kept, &r);
    keep(&kept, &a);
    assert_true(take_back(&kept, &a).deleted);
    assert_int_equal(step(&late, kept.current).verdict, SUPERSEDED);
}

static void test_what_holds_no_more_changes_nothing(void **state) {
    Said a = said(&MOH, 10, 1, "", "L1"), b = said(&MOH, 20, 2, "208", "L2"), never = said(&MOH, 30, 3, "", "L3");
    Kept kept = {0};
    assert_false(take_back(&kept, &a).store); // there is no record
    keep(&kept, &a);
    keep(&kept, &b);
    assert_false(withdraw_stands(kept.current, event_of(&a)));
    assert_int_equal(take_back(&kept, &a).verdict, UNCHANGED);
    assert_int_equal(take_back(&kept, &never).verdict, UNCHANGED);
    Merged merged = take_back(&kept, &b); // and does not come back
    assert_true(merged.deleted);
}

static void test_said_again_it_counts_again(void **state) {
    Said a = said(&MOH, 10, 1, "", "L1");
    Kept kept = {0};
    keep(&kept, &a);
    take_back(&kept, &a);
    keep(&kept, &a);
    const HistoryQuestion question = {rules_domain(rules, DONGBO__DOMAIN__HEALTH), arena, kept.versions, kept.n, 10};
    HistoryAnswer answer;
    assert_int_equal(history_read(&question, &answer), 0);
    assert_non_null(answer.record);
    assert_string_equal(((const Dongbo__Vaccination *)answer.body)->lot_number, "L1");
}

static void test_unreadable_and_too_little_memory(void **state) {
    Said a = said(&MOH, 10, 1, "208", "L1"), b = said(&VSS, 20, 2, "", "L2");
    Kept kept = {0};
    keep(&kept, &a);
    keep(&kept, &b);
    WithdrawWord its = word(&a);
    Withdraw asked = of(&kept, &its, 1);
    Merged merged;
    asked.current = &RECONCILE_UNREADABLE;
    assert_int_equal(withdraw(&asked, &merged), 1);
    asked.current = kept.current;
    for (size_t left = 0;; left += 64) {
        Arena *small = NULL;
        assert_int_equal(arena_new(&small, left + 1), 0);
        asked.arena = small;
        int r = withdraw(&asked, &merged);
        arena_destroy(&small);
        if (r == 0)
            break;
        assert_int_equal(r, ERROR_MEMORY);
    }
}

// ---- whatever else is said ------------------------------------------------------------------------------------------

#define EVENTS_MAX 5
static const int64_t DAYS[] = {99, 100, 101, 102, INT64_MAX};
#define N_DAYS (sizeof DAYS / sizeof *DAYS)

static void assert_same(const Dongbo__Record *a, const Dongbo__Record *b, const char *what) {
    static uint8_t left[PACKED_BYTES], right[PACKED_BYTES];
    size_t n = pack_record(a, left);
    if (pack_record(b, right) != n || memcmp(left, right, n) != 0)
        fail_msg("seed %u: %s is another one", seed, what);
}

static void compare(const Kept *with, const Kept *without) {
    const DomainRules *health = rules_domain(rules, DONGBO__DOMAIN__HEALTH);
    if (without->current == NULL)
        assert_true(with->current->retracted && with->current->n_origins == 0);
    else
        assert_same(with->current, without->current, "the record");
    for (size_t day = 0; day < N_DAYS; day++) {
        const HistoryQuestion one = {health, arena, with->versions, with->n, DAYS[day]},
                              other = {health, arena, without->versions, without->n, DAYS[day]};
        HistoryAnswer a = {0}, b = {0};
        assert_int_equal(history_read(&one, &a), 0);
        assert_int_equal(without->n == 0 ? 0 : history_read(&other, &b), 0);
        assert_same(a.record, b.record, "a day");
    }
}

static void test_as_if_it_had_never_been_said(void **state) {
    for (uint32_t round = 0; round < 3000; round++) {
        seed = round;
        Said events[EVENTS_MAX];
        int n = 2 + (int)next(EVENTS_MAX - 1), which = (int)next((uint32_t)n),
            when = which + (int)next((uint32_t)(n - which));
        Kept with = {0}, without = {0};
        for (int i = 0; i < n; i++) {
            events[i] = random_event((uint8_t)(i + 1));
            keep(&with, &events[i]);
            if (i != which)
                keep(&without, &events[i]);
            if (i == when)
                take_back(&with, &events[which]);
        }
        compare(&with, &without);
        arena_reset(arena);
    }
}

// Some of the events' words, in one.
static void test_several_at_once_as_one_after_the_other(void **state) {
    for (uint32_t round = 0; round < 3000; round++) {
        seed = round;
        Said events[EVENTS_MAX];
        WithdrawWord words[EVENTS_MAX];
        size_t n_words = 0;
        Kept once = {0}, each = {0}, without = {0};
        for (int i = 0; i < EVENTS_MAX; i++) {
            bool goes = next(2) == 0;
            events[i] = random_event((uint8_t)(i + 1));
            keep(&once, &events[i]);
            keep(&each, &events[i]);
            if (goes)
                words[n_words++] = word(&events[i]);
            else
                keep(&without, &events[i]);
        }
        if (n_words == 0)
            continue;
        for (size_t i = 0; i < n_words; i++) {
            Withdraw one = of(&each, &words[i], 1);
            Merged merged;
            assert_int_equal(withdraw(&one, &merged), 0);
            put(&each, &merged);
        }
        Withdraw all = of(&once, words, n_words);
        Merged merged;
        assert_int_equal(withdraw(&all, &merged), 0);
        assert_int_equal(merged.record->lost->n_origins, n_words);
        put(&once, &merged);
        compare(&once, &without);
        compare(&each, &without);
        arena_reset(arena);
    }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, dose_arena_new, dose_arena_end)
    const struct CMUnitTest tests[] = {
        TEST(test_the_only_word),
        TEST(test_the_others_words_stand),
        TEST(test_a_retraction_stays),
        TEST(test_what_holds_no_more_changes_nothing),
        TEST(test_said_again_it_counts_again),
        TEST(test_unreadable_and_too_little_memory),
        TEST(test_as_if_it_had_never_been_said),
        TEST(test_several_at_once_as_one_after_the_other),
    };
    return cmocka_run_group_tests(tests, dose_setup, dose_teardown);
}
