// SPDX-License-Identifier: Apache-2.0
//
// What the writer may believe of a work that was read before, on a real log (with-postgres): nothing, when the database
// is in another life than it was read in, or when more was read than there is.
#include "exchange-log.h"
#include "shipped.h"

#include "broker/entries.h"
#include "broker/lookup.h"
#include "broker/recheck.h"
#include "proto/base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define N_ITEMS 3

static Rules *rules;
static Prepare *prepare;
static Recheck *recheck;
static Work *work;
static Dongbo__ChangeEvent event = DONGBO__CHANGE_EVENT__INIT;
static Person persons[N_ITEMS];

// Items as they are looked up: the records of the log's first entries, each of its own person.
static void read_work(void) {
    work_reset(work);
    work->n_items = N_ITEMS;
    work->items = arena_zalloc(work->arena, N_ITEMS * sizeof *work->items);
    work->mark = arena_mark(work->arena);
    for (int i = 0; i < N_ITEMS; i++) {
        Item *item = &work->items[i];
        persons[i] = (Person){.key = i + 1, .citizen_number = "001099012345"};
        item->event = &event;
        item->domain = DONGBO__DOMAIN__HEALTH;
        item->claimed_number = "001099012345";
        item->person = &persons[i];
        item->record_key = "COVID-19\0371";
        item->record_hash = record_hash(i + 1, item->domain, item->record_key);
    }
    exchange_ok(lookup_head_position(exchange.pg, &work->read));
    exchange_ok(lookup_population_position(prepare_population(prepare), &work->population));
}

static void begin_transaction(void) {
    exchange_ok(recheck_follow(recheck, exchange.head.last_position));
    exchange_ok(recheck_population(recheck));
}

static int n_stale(void) {
    int n = 0;
    for (int i = 0; i < N_ITEMS; i++)
        n += work->items[i].stale_person || work->items[i].stale_record;
    return n;
}

static int start(void **state) {
    exchange_start(state);
    exchange_run("CREATE SCHEMA population; CREATE TABLE population.state (position bigint);"
                 "INSERT INTO population.state VALUES (7);"
                 "CREATE TABLE population.change (position bigint, person bigint, citizen_number text)");
    exchange_append(N_ITEMS);
    exchange_ok(shipped_rules(&rules));
    PrepareOptions options = {
        .exchange_session = exchange.pg, .population = "", .name = "test", .rules = rules, .clock = clock_system()};
    exchange_ok(prepare_new(&prepare, &options));
    exchange_ok(pg_connect(prepare_population(prepare)));
    exchange_ok(recheck_new(&recheck, prepare));
    exchange_ok(work_new(&work));
    return 0;
}

static int stop(void **state) {
    work_destroy(&work);
    recheck_destroy(&recheck);
    prepare_destroy(&prepare);
    rules_destroy(&rules);
    return exchange_stop(state);
}

static void test_only_what_moved_is_stale(void **state) {
    begin_transaction();
    read_work();
    assert_int_equal(recheck_mark(recheck, work), 0);
    exchange_append(1);
    begin_transaction();
    assert_int_equal(recheck_mark(recheck, work), 0);
    work->read.position = 2;
    assert_int_equal(recheck_mark(recheck, work), 2);
    assert_int_equal(n_stale(), N_ITEMS); // nothing is known of what was before the head that was begun with
    read_work();
    work->items[0].record_hash =
        record_hash((int64_t)exchange.head.last_position, DONGBO__DOMAIN__HEALTH, work->items[0].record_key);
    work->read.position--;
    assert_int_equal(recheck_mark(recheck, work), 2);
    assert_int_equal(n_stale(), 1);
}

static void test_what_was_read_in_another_life_is_stale_as_a_whole(void **state) {
    for (int i = 0; i < 2; i++) {
        begin_transaction();
        read_work();
        Place *place = i == 0 ? &work->read : &work->population;
        place->life++;
        assert_int_equal(recheck_mark(recheck, work), 2);
        assert_int_equal(n_stale(), N_ITEMS);
        assert_true(work->rewound && work->items[0].person == NULL && work->items[0].record_hash == 0);
        read_work();
        place->position++; // more than there is
        assert_int_equal(recheck_mark(recheck, work), 2);
        assert_int_equal(n_stale(), N_ITEMS);
    }
}

// ---- neighbourhoods -------------------------------------------------------------------------------------------------

static Neighbourhood hood;

static void read_hood(int64_t person) {
    read_work();
    hood = (Neighbourhood){.of = {person, ""},
                           .domain = DONGBO__DOMAIN__HEALTH,
                           .hash = neighbourhood_hash((NeighbourName){person, ""}, DONGBO__DOMAIN__HEALTH),
                           .position = work->read.position};
    work->items[0].hood = &hood;
}

// What another broker wrote of the person, whatever record it was, makes the neighbourhood stale.
static void test_a_neighbourhood_is_stale_by_any_of_its_records(void **state) {
    begin_transaction();
    read_hood((int64_t)exchange.head.last_position + 2);
    exchange_append(1);
    begin_transaction();
    assert_int_equal(recheck_mark(recheck, work), 0);
    exchange_append(1);
    begin_transaction();
    assert_int_equal(recheck_mark(recheck, work), 2);
    assert_int_equal(n_stale(), 1);
    hood.position = (int64_t)exchange.head.last_position; // it was read again
    work->items[0].stale_record = false;
    assert_int_equal(recheck_mark(recheck, work), 0);
}

// A work of this broker's own: `n` records of person 77, written in one transaction at positions from `first` on. The
// rows come in the order of their keys, the positions in the reverse one.
static void write_work(Work *own, uint64_t first, int n) {
    static Person person = {.key = 77, .citizen_number = "001099012345"};
    static Dongbo__Vaccination body = DONGBO__VACCINATION__INIT;
    static Dongbo__Record record = DONGBO__RECORD__INIT;
    static const Agency agency = {.grants = {.code = "MOH"}};
    work_reset(own);
    own->kind = WORK_REDECIDE;
    own->agency = &agency;
    own->n_items = (size_t)n;
    own->items = decide_items_new(own, own->n_items);
    for (int i = 0; i < n; i++) {
        Item *item = &own->items[i];
        item->event = &event;
        item->domain = DONGBO__DOMAIN__HEALTH;
        item->person = &person;
        item->record_key = arena_printf(own->arena, "%d", 9 - i);
        item->record_hash = record_hash(77, item->domain, item->record_key);
        item->merged = (Merged){
            .verdict = DONGBO__VERDICT__ACCEPTED, .store = true, .record = &record, .body = &body.base, .changed = 2};
    }
    own->n_hoods = 1;
    exchange_ok(entries_build(own));
    entries_place(own, first);
    recheck_note(recheck, own);
}

static void test_what_this_broker_wrote_is_at_hand(void **state) {
    Work *own = NULL;
    exchange_ok(work_new(&own));
    begin_transaction();
    uint64_t head = exchange.head.last_position;
    read_hood(77);
    write_work(own, head + 1, 3);
    write_work(own, head + 4, 1);
    assert_int_equal(recheck_mark(recheck, work), 1);
    assert_int_equal(hood.n, 3);
    assert_int_equal(hood.position, head + 4);
    assert_int_equal(neighbourhood_find(&hood, (NeighbourName){77, "9"})->position, head + 4);
    assert_int_equal(neighbourhood_find(&hood, (NeighbourName){77, "8"})->position, head + 2);
    assert_int_equal(neighbourhood_find(&hood, (NeighbourName){77, "7"})->position, head + 3);
    assert_int_equal(recheck_mark(recheck, work), 0);
    write_work(own, head + 5, 1);
    assert_int_equal(recheck_mark(recheck, work), 1); // only what came since
    assert_int_equal(neighbourhood_find(&hood, (NeighbourName){77, "9"})->position, head + 5);
    // The transaction came to nothing, and another gives the same positions to others: nothing of it is believed.
    recheck_failed(recheck);
    read_hood(77);
    write_work(own, head + 1, 2);
    assert_int_equal(recheck_mark(recheck, work), 2);
    assert_int_equal(n_stale(), 1);
    recheck_failed(recheck);
    work_destroy(&own);
}

// What a judgement opened of a row is found by a batch that was read before.
static void test_what_a_judgement_opens_is_noted(void **state) {
    static const Agency agency = {.grants = {.agency = 5, .code = "MOH"}};
    Work *own = NULL;
    exchange_ok(work_new(&own));
    for (int again = 0; again < 2; again++) {
        begin_transaction();
        write_work(own, exchange.head.last_position + 1, 1);
        own->kind = WORK_JUDGE;
        own->agency = &agency;
        own->items[0].row_key = 41 + (uint64_t)again;
        own->items[0].decision.verdict = again ? DONGBO__VERDICT__UNCHANGED : DONGBO__VERDICT__MISMATCH;
        own->items[0].replaces = true;
        assert_false(recheck_resent(recheck, own)); // it replaces nothing itself
        read_work();
        work->agency = &agency;
        work->items[0].row_key = own->items[0].row_key;
        work->items[0].decision.verdict = DONGBO__VERDICT__ACCEPTED;
        recheck_mark(recheck, work);
        assert_int_equal(work->items[0].replaces, !again);
        recheck_failed(recheck);
    }
    work_destroy(&own);
}

// What a transaction itself has placed is beyond the log's head, and known all the same.
static void test_what_is_dated_is_fresh(void **state) {
    begin_transaction();
    read_work();
    recheck_date(recheck, work, exchange.head.last_position + 5);
    assert_int_equal(recheck_mark(recheck, work), 0);
    begin_transaction(); // it came to nothing
    assert_int_equal(recheck_mark(recheck, work), 2);
}

static void test_another_session_begins_with_nothing(void **state) {
    begin_transaction();
    read_work();
    exchange_append(1);
    recheck_forget(recheck);
    begin_transaction();
    assert_int_equal(recheck_mark(recheck, work), 2);
    assert_int_equal(n_stale(), N_ITEMS);
    read_work();
    assert_int_equal(recheck_mark(recheck, work), 0);
    work->population.position--;
    recheck_forget_population(recheck);
    begin_transaction();
    assert_int_equal(recheck_mark(recheck, work), 2);
    assert_int_equal(n_stale(), N_ITEMS);
}

// A population store that was set back, and one that is ahead again.
static void test_a_population_store_that_is_behind_is_begun_anew(void **state) {
    begin_transaction();
    read_work();
    exchange_run("UPDATE population.state SET position = 3");
    begin_transaction();
    assert_int_equal(recheck_population_position(recheck), 3);
    assert_int_equal(recheck_mark(recheck, work), 2);
    read_work();
    exchange_run("INSERT INTO population.change VALUES (4, 2, ''); UPDATE population.state SET position = 4");
    begin_transaction();
    assert_int_equal(recheck_mark(recheck, work), 2);
    assert_int_equal(n_stale(), 1);
    assert_true(work->items[1].stale_person);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_what_moved_is_stale),
        cmocka_unit_test(test_what_was_read_in_another_life_is_stale_as_a_whole),
        cmocka_unit_test(test_a_neighbourhood_is_stale_by_any_of_its_records),
        cmocka_unit_test(test_what_this_broker_wrote_is_at_hand),
        cmocka_unit_test(test_what_a_judgement_opens_is_noted),
        cmocka_unit_test(test_what_is_dated_is_fresh),
        cmocka_unit_test(test_another_session_begins_with_nothing),
        cmocka_unit_test(test_a_population_store_that_is_behind_is_begun_anew),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
