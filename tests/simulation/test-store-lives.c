// SPDX-License-Identifier: Apache-2.0
//
// As test-store.c: what judges lives, counts guesses and keeps lists of followed persons. Run against both databases.
#include "store-actor.h"

#include "broker/follower_store.h"
#include "broker/judging.h"
#include "broker/store.h"
#include "proto/base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define DIED_ON_BIT (1u << 10)
#define OK(actor, step, argument) assert_int_equal(actor_do(actor, step, argument), 0)

static Actor *a, *b;

static int begin(void **state) {
    actors_begin();
    a = actor_new("a");
    b = actor_new("b");
    return 0;
}

static int end(void **state) {
    actors_end();
    return 0;
}

static int command(Pg *pg, void *argument) {
    return pg_command(pg, argument);
}

// ---- lives ---------------------------------------------------------------------------------------------------------

// The death of person 1, told at that position.
static int note(Pg *pg, void *argument) {
    Dongbo__ChangeEvent event = DONGBO__CHANGE_EVENT__INIT;
    Person person = {.key = 1};
    Item item = {.domain = DONGBO__DOMAIN__POPULATION,
                 .event = &event,
                 .person = &person,
                 .position = *(uint64_t *)argument,
                 .merged.won = DIED_ON_BIT};
    Item *items[] = {&item};
    item.decision.verdict = DONGBO__VERDICT__ACCEPTED;
    return judging_note(pg, &(Work){.entry_items = items, .n_entries = 1});
}

static void test_who_died_is_noted_once(void **state) {
    uint64_t position = 5;
    OK(a, command, "BEGIN");
    OK(a, note, &position);
    OK(b, command, "BEGIN");
    actor_begin(b, note, &position);
    assert_true(actor_waits(b));
    OK(a, command, "ROLLBACK");
    assert_int_equal(actor_end(b), 0);
    actor_begin(a, note, &position);
    assert_true(actor_waits(a));
    OK(b, command, "COMMIT");
    assert_int_equal(actor_end(a), ERROR_DATA);
}

// ---- lists ---------------------------------------------------------------------------------------------------------

typedef struct Wish {
    const char *number;
    bool removed;
    int64_t person;
    FollowerCount count;
    int64_t turn, request;
    int result;
} Wish;

static int keep(Pg *pg, void *argument) {
    Wish *wish = argument;
    FollowerNumber one = {.number = wish->number, .removed = wish->removed};
    FollowerNumbers numbers = {.list = &one, .n = 1, .turn = wish->turn, .request = wish->request};
    FollowerStore *store = NULL;
    int r = follower_store_new(&store, "", "");
    if (r == 0)
        r = follower_store_connect(store);
    if (r == 0)
        r = follower_store_find(store, &numbers);
    one.covered = !one.removed && one.person != 0;
    if (r == 0)
        wish->result = r = follower_store_keep(store, 1, &numbers, &wish->count);
    wish->person = one.person;
    follower_store_destroy(&store);
    return r < 0 ? r : 0;
}

static int draw(Pg *pg, void *argument) {
    FollowerStore *store = NULL;
    int r = follower_store_new(&store, "", "");
    if (r == 0)
        r = follower_store_connect(store);
    if (r == 0)
        r = follower_store_turn(store, 1, argument);
    follower_store_destroy(&store);
    return r;
}

static int said(bool removed, int64_t turn, int64_t request) {
    Wish wish = {.number = "001200000001", .removed = removed, .turn = turn, .request = request};
    OK(a, keep, &wish);
    return wish.result;
}

static void assert_kept(const char *number, bool removed, int64_t person, uint64_t waiting) {
    Wish wish = {.number = number, .removed = removed};
    OK(a, keep, &wish);
    assert_int_equal(wish.person, person);
    assert_int_equal(wish.count.followed, 0);
    assert_int_equal(wish.count.waiting, waiting);
}

// Of one person the last word waits; what changes nothing is not kept.
static void test_what_is_asked_of_a_list(void **state) {
    assert_kept("001200000009", false, 0, 0); // nobody
    assert_kept("001200000001", true, 1, 0);  // not on the list
    assert_kept("001200000001", false, 1, 1);
    assert_kept("001200000001", false, 1, 1);
    assert_kept("001200000001", true, 1, 1);
}

// None undoes a later one, whoever said it; one that comes twice is taken twice.
static void test_changes_of_a_list_have_an_order(void **state) {
    int64_t first, second;
    OK(a, draw, &first);
    assert_true(first > 0);
    assert_int_equal(said(false, 0, 9), 0); // by a program of before
    assert_int_equal(said(false, first, 5), 0);
    assert_int_equal(said(false, 0, 10), 3);
    assert_int_equal(said(true, first, 4), 3);
    assert_int_equal(said(false, first, 5), 0);
    assert_int_equal(said(true, first, 6), 0);
    assert_int_equal(said(false, first, 5), 3);
    OK(a, draw, &second);
    assert_true(second > first);
    assert_int_equal(said(false, second, 1), 0);
    assert_int_equal(said(true, first, 7), 3);
    assert_int_equal(said(true, second + 1, 1), 0); // as after a failover to a clock that is behind
    OK(a, draw, &first);
    assert_true(first > second + 1);
    assert_int_equal(said(true, INT64_MAX, 1), 3); // nobody drew it
    assert_int_equal(said(true, first, 1), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_who_died_is_noted_once),
        TEST(test_what_is_asked_of_a_list),
        TEST(test_changes_of_a_list_have_an_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
