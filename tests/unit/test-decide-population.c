// SPDX-License-Identifier: Apache-2.0
//
// Population events one by one on what is known of a person: what they may say of them.
#include "broker/decide_population.h"
#include "dose-case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static const Grants NPC = {.agency = 5, .code = "NPC"};

typedef struct Told {
    Dongbo__ChangeEvent event;
    Dongbo__PopulationChange body;
    uint8_t id[EVENT_ID_BYTES];
    Item item;
} Told;

// Onto what an earlier event left, or NULL; of somebody of whom the store knows these days, or not (""). Their number
// is A.
static int tell_dead(Told *t, const Told *before, const char *birth_date, const char *died_on) {
    Person *person = arena_alloc(arena, sizeof *person);
    *person = (Person){.key = 1, .citizen_number = "A", .birth_date = birth_date, .died_on = died_on};
    t->event.event_id = (ProtobufCBinaryData){EVENT_ID_BYTES, t->id};
    t->event.population = &t->body;
    bool reissues = population_is_reissue(&t->body);
    t->item = (Item){.event = &t->event,
                     .domain = DONGBO__DOMAIN__POPULATION,
                     .claimed_number = reissues ? t->event.subject->citizen_number : t->body.citizen_number,
                     .person = person,
                     .settled = t->item.settled,
                     .yields = t->item.yields && t->item.settled,
                     .onto = before == NULL ? NULL : before->item.merged.record,
                     .earlier = before == NULL ? NULL : &before->item,
                     .decision = {.verdict = DONGBO__VERDICT__ACCEPTED}};
    Merge merge = {rules, &NPC, arena, 0};
    assert_int_equal(decide_population(&merge, NULL, &t->item), 0);
    return t->item.decision.n_reasons == 0 ? 0 : t->item.decision.reasons[0].code;
}

static int tell(Told *t, const Told *before, const char *birth_date) {
    return tell_dead(t, before, birth_date, "");
}

static Told told(const char *kind, const char *birth_date, const char *died_on, int64_t time) {
    Told t = {.event = DONGBO__CHANGE_EVENT__INIT, .body = DONGBO__POPULATION_CHANGE__INIT};
    memset(t.id, (int)time, sizeof t.id);
    t.event.operation = DONGBO__OPERATION__UPSERT;
    t.event.event_time_us = time;
    t.event.body_case = DONGBO__CHANGE_EVENT__BODY_POPULATION;
    t.body.kind = (char *)kind;
    t.body.citizen_number = "A";
    t.body.birth_date = (char *)birth_date;
    t.body.died_on = (char *)died_on;
    return t;
}

static void test_nobody_dies_unborn(void **state) {
    static const int UNBORN = DONGBO__REASON_CODE__DATE_BEFORE_BIRTH;
    Told death = told("death", "", "1990-05-01", 20), entered = told("registered", "1991-01-02", "", 10);
    assert_int_equal(tell(&death, NULL, "1990-05-02"), UNBORN);
    assert_int_equal(death.item.decision.verdict, DONGBO__VERDICT__MISMATCH);
    assert_false(death.item.merged.store);
    assert_int_equal(tell(&death, NULL, "1990-05-01"), 0);
    assert_int_equal(tell(&death, NULL, "1990"), 0);
    assert_int_equal(tell(&death, NULL, ""), 0);
    assert_true(death.item.merged.store);
    // By what the batch itself has said of them so far.
    assert_int_equal(tell(&entered, NULL, NULL), 0);
    assert_int_equal(tell(&death, &entered, NULL), UNBORN);
    Told mended = told("correction", "1989-01-02", "", 30);
    assert_int_equal(tell(&mended, &entered, "1991-01-02"), 0);
    assert_int_equal(tell(&death, &mended, "1991-01-02"), 0);
    Told again = told("correction", "1990-06-01", "", 40);
    assert_int_equal(tell(&again, &death, "1989-01-02"), DONGBO__REASON_CODE__PERIOD_REVERSED);
}

static void test_nobody_is_born_after_a_death_that_was_loaded(void **state) {
    static const int REVERSED = DONGBO__REASON_CODE__PERIOD_REVERSED;
    static const char BORN[] = "1950-01-02", DIED[] = "1990-05-01";
    Told born = told("correction", "1995-01-02", "", 20), earlier = told("correction", "1960-01-02", "", 10);
    assert_int_equal(tell_dead(&born, NULL, BORN, DIED), REVERSED);
    assert_int_equal(tell_dead(&earlier, NULL, BORN, DIED), 0);
    assert_int_equal(tell_dead(&born, &earlier, BORN, DIED), REVERSED);
    Told later = told("death", "", "1996-05-01", 10); // the store has not been told of it yet
    assert_int_equal(tell_dead(&later, NULL, BORN, DIED), 0);
    assert_int_equal(tell_dead(&born, &later, BORN, DIED), 0);
    Told alive = told("correction", "", "", 10);
    uint32_t death = 10;
    alive.event.cleared_fields = &death;
    alive.event.n_cleared_fields = 1;
    assert_int_equal(tell_dead(&alive, NULL, BORN, DIED), 0);
    assert_int_equal(tell_dead(&born, &alive, BORN, DIED), 0);
    assert_int_equal(tell_dead(&born, &alive, BORN, NULL), 0);
}

static void test_what_loses_or_was_applied_is_not_held_against_anybody(void **state) {
    Told death = told("death", "", "1991-05-01", 20), older = told("death", "", "1980-05-01", 10),
         newer = told("death", "", "1980-05-01", 30);
    assert_int_equal(tell(&death, NULL, "1990-05-02"), 0);
    assert_int_equal(tell(&older, &death, "1990-05-02"), 0);
    assert_true(older.item.merged.superseded);
    newer.item.settled = true;
    assert_int_equal(tell(&newer, &death, "1990-05-02"), 0);
    Told merged = told("merged", "", "1980-05-01", 40);
    assert_int_equal(tell(&merged, &death, "1990-05-02"), 0);
}

static Told numbered(const char *kind, const char *subject, const char *number, int64_t time) {
    static Dongbo__Subject subjects[8];
    static size_t n;
    Told t = told(kind, "", "", time);
    Dongbo__Subject *who = &subjects[n++ % 8];
    dongbo__subject__init(who);
    who->citizen_number = (char *)subject;
    t.event.subject = who;
    t.body.citizen_number = (char *)number;
    return t;
}

#define NUMBER_BIT (1u << 2)

static void test_what_names_a_replaced_number_does_not_end_the_present_one(void **state) {
    Told cancelled = numbered("number-cancelled", "A", "A", 20), stays = numbered("merged", "X", "A", 20);
    assert_int_equal(tell(&cancelled, NULL, ""), 0);
    assert_false(cancelled.item.yields);
    assert_int_equal(tell(&stays, NULL, ""), 0);
    assert_true((stays.item.merged.won & NUMBER_BIT) != 0);
    Told of_b = numbered("number-cancelled", "B", "B", 20), to_b = numbered("merged", "X", "B", 20);
    assert_int_equal(tell(&of_b, NULL, ""), 0);
    assert_true(of_b.item.yields && of_b.item.merged.store && of_b.item.merged.superseded);
    to_b.body.mother_name = "Lan";
    assert_int_equal(tell(&to_b, NULL, ""), 0); // nothing says which number holds but the store
    assert_true(to_b.item.yields && to_b.item.merged.store && !to_b.item.merged.superseded);
    assert_int_equal(to_b.item.merged.won & NUMBER_BIT, 0);
    // A re-issue of the batch tells, too; one that is newer than the event leaves nothing to yield.
    Told reissued = numbered("number-reissued", "A", "B", 10), newer = numbered("number-reissued", "A", "B", 30);
    assert_int_equal(tell(&reissued, NULL, ""), 0);
    assert_int_equal(tell(&cancelled, &reissued, ""), 0);
    assert_true(cancelled.item.yields && cancelled.item.merged.superseded);
    assert_int_equal(tell(&of_b, &reissued, ""), 0);
    assert_false(of_b.item.yields);
    assert_int_equal(tell(&newer, NULL, ""), 0);
    assert_int_equal(tell(&cancelled, &newer, ""), 0);
    assert_false(cancelled.item.yields);
}

// What the store had when it applied the event holds, whatever was supposed before and whoever is asked since.
static void test_the_store_says_whose_number_it_was(void **state) {
    Told cancelled = numbered("number-cancelled", "A", "A", 20), reissued = numbered("number-reissued", "A", "B", 10);
    tell(&reissued, NULL, "");
    tell(&cancelled, &reissued, "");
    decide_numbered(&cancelled.item, "A"); // the re-issue was refused
    assert_false(cancelled.item.yields);
    cancelled.item.settled = true;
    tell(&cancelled, NULL, "");
    assert_true((cancelled.item.merged.won & NUMBER_BIT) != 0);
    decide_numbered(&cancelled.item, "A--"); // cancelled before, and told again
    assert_false(cancelled.item.yields);
    decide_numbered(&cancelled.item, "B");
    assert_true(cancelled.item.yields);
    cancelled.item.yields = true;
    tell(&cancelled, NULL, "");
    assert_true(cancelled.item.merged.superseded);
    decide_numbered(&reissued.item, "B");
    assert_false(reissued.item.yields);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, dose_arena_new, dose_arena_end)
    const struct CMUnitTest tests[] = {
        TEST(test_nobody_dies_unborn),
        TEST(test_nobody_is_born_after_a_death_that_was_loaded),
        TEST(test_what_names_a_replaced_number_does_not_end_the_present_one),
        TEST(test_the_store_says_whose_number_it_was),
        TEST(test_what_loses_or_was_applied_is_not_held_against_anybody),
    };
    return cmocka_run_group_tests(tests, dose_setup, dose_teardown);
}
