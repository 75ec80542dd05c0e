// SPDX-License-Identifier: Apache-2.0
//
// The engine on lists made here: who is who is known, and it is not told.
#include "broker/match/block.h"
#include "broker/match/candidates.h"
#include "broker/match/engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const MatchField FIELDS[] = {{.label = "person", .kind = MATCH_NAME, .n_columns = 2},
                                    {.label = "born", .kind = MATCH_DATE, .n_columns = 1},
                                    {.label = "phone", .kind = MATCH_IDENTIFIER, .n_columns = 1}};
#define N_FIELDS 3

static uint32_t mixed(uint32_t x) {
    x = (x ^ x >> 16) * 0x7feb352du;
    x = (x ^ x >> 15) * 0x846ca68bu;
    return x ^ x >> 16;
}

// A made-up word of three syllables, one of `variety`.
static void word(uint32_t number, uint32_t variety, char out[8]) {
    static const char CONSONANTS[] = "bcdghklmnprstv", VOWELS[] = "aeiou";
    uint32_t x = mixed(number % variety + 77 * variety);
    for (int i = 0; i < 6; i += 2, x /= 70) {
        out[i] = CONSONANTS[x % 14];
        out[i + 1] = VOWELS[x / 14 % 5];
    }
    out[6] = '\0';
}

// One person's row; copy 1 has an error in one of its fields, whichever `number` says.
static void add_person(Roster *roster, bool right, uint32_t number, int copy) {
    char given[8], surname[8], date[16], phone[16];
    uint32_t x = mixed(number * 8), day = mixed(number * 8 + 2);
    word(x, 90, given);
    word(mixed(number * 8 + 1), 300, surname);
    snprintf(date, sizeof date, "%u-%02u-%02u", 1940 + day % 60, 1 + day / 60 % 12, 1 + day / 720 % 28);
    snprintf(phone, sizeof phone, "09%08u", mixed(number * 8 + 3) % 100000000);
    const char *cells[] = {given, surname, date, phone};
    if (copy == 1 && number % 4 == 0)
        given[3] = 'z';
    if (copy == 1 && number % 4 == 1)
        date[9] = date[9] == '1' ? '2' : '1';
    if (copy == 1 && number % 4 == 2)
        phone[0] = '\0';
    if (copy == 1 && number % 4 == 3)
        cells[0] = surname, cells[1] = given;
    assert_int_equal(roster_add(roster, right, cells), 0);
}

static uint32_t person_of[4000];

// Persons 0..n_left on the left, from..from + n_right on the right, in another order.
static Roster *two_lists(uint32_t n_left, uint32_t from, uint32_t n_right) {
    Roster *roster = NULL;
    assert_int_equal(roster_new(&roster, FIELDS, N_FIELDS), 0);
    for (uint32_t i = 0; i < n_left; i++)
        add_person(roster, false, person_of[roster->n] = i, 0);
    for (uint32_t i = 0; i < n_right; i++)
        add_person(roster, true, person_of[roster->n] = from + i * 7 % n_right, 1);
    assert_int_equal(roster_seal(roster), 0);
    return roster;
}

static int wrong_links(const MatchResult *result) {
    int wrong = 0;
    for (size_t i = 0; i < result->n; i++)
        wrong += person_of[result->links[i].a] != person_of[result->links[i].b];
    return wrong;
}

static void links_two_lists(void **state) {
    Roster *roster = two_lists(1000, 500, 1000); // half of each has a partner
    MatchResult result;
    assert_int_equal(engine_run(roster, &(MatchOptions){0}, &result), 0);
    assert_in_range(result.n, 490, 502);
    assert_in_range(wrong_links(&result), 0, 2);
    for (size_t i = 0; i < result.n; i++) {
        assert_true(result.links[i].a < 1000 && result.links[i].b >= 1000);
        assert_in_range(result.links[i].posterior, MATCH_DECIDED, PROBABILITY_ONE);
        assert_true(i == 0 || result.links[i].a > result.links[i - 1].a); // one partner each
    }
    engine_free(&result);
    roster_destroy(&roster);
}

static void finds_nobody_where_there_is_nobody(void **state) {
    Roster *roster = two_lists(800, 800, 800);
    MatchResult result;
    assert_int_equal(engine_run(roster, &(MatchOptions){0}, &result), 0);
    assert_in_range(result.n, 0, 3);
    engine_free(&result);
    roster_destroy(&roster);
}

static void finds_copies_in_one_list(void **state) {
    Roster *roster = NULL;
    assert_int_equal(roster_new(&roster, FIELDS, N_FIELDS), 0);
    for (uint32_t i = 0; i < 1000; i++)
        add_person(roster, false, person_of[roster->n] = i, 0);
    for (uint32_t i = 0; i < 300; i++)
        add_person(roster, false, person_of[roster->n] = i * 3, 1);
    for (uint32_t i = 0; i < 100; i++)
        add_person(roster, false, person_of[roster->n] = i * 3, 0);
    assert_int_equal(roster_seal(roster), 0);
    MatchResult result;
    assert_int_equal(engine_run(roster, &(MatchOptions){0}, &result), 0);
    assert_in_range(result.n, 490, 502); // 300, and 100 that make three of one person
    assert_in_range(wrong_links(&result), 0, 2);
    engine_free(&result);
    roster_destroy(&roster);
}

static void add_at_home(Roster *roster, bool right, uint32_t house, uint32_t member) {
    char given[8], surname[8], street[8], date[16], address[32];
    uint32_t day = mixed(house * 16 + member * 4 + 9), at_home = mixed(house + 100000);
    word(mixed(house * 16 + member * 4 + 8), 90, given);
    word(at_home, 300, surname);
    word(at_home / 300, 500, street);
    snprintf(date, sizeof date, "%u-%02u-%02u", 1940 + day % 60, 1 + day / 60 % 12, 1 + day / 720 % 28);
    snprintf(address, sizeof address, "%u %s street", 1 + mixed(house) % 200, street);
    assert_int_equal(roster_add(roster, right, (const char *const[]){given, surname, date, address, street}), 0);
}

// A third of the houses sends another of its people to the second list: one surname, one address, not one person.
static void people_of_one_house_are_not_one(void **state) {
    static const MatchField HOUSE[] = {{.label = "person", .kind = MATCH_NAME, .n_columns = 2},
                                       {.label = "born", .kind = MATCH_DATE, .n_columns = 1},
                                       {.label = "address", .kind = MATCH_TEXT, .n_columns = 1},
                                       {.label = "ward", .kind = MATCH_TEXT, .n_columns = 1}};
    Roster *roster = NULL;
    assert_int_equal(roster_new(&roster, HOUSE, 4), 0);
    for (uint32_t i = 0; i < 900; i++)
        add_at_home(roster, false, person_of[roster->n] = i, 0);
    for (uint32_t i = 0; i < 900; i++) {
        person_of[roster->n] = i % 3 == 0 ? 10000 + i : i;
        add_at_home(roster, true, i, i % 3 == 0);
    }
    assert_int_equal(roster_seal(roster), 0);
    MatchResult result;
    assert_int_equal(engine_run(roster, &(MatchOptions){0}, &result), 0);
    assert_in_range(result.n, 595, 615);
    assert_in_range(wrong_links(&result), 0, 15); // some share a given name's beginning, or a year
    engine_free(&result);
    roster_destroy(&roster);
}

static void same_answer_twice(void **state) {
    Bytes models[2] = {{0}, {0}};
    MatchResult results[2];
    for (int run = 0; run < 2; run++) {
        Roster *roster = two_lists(500, 250, 500);
        assert_int_equal(engine_run(roster, &(MatchOptions){.all_pairs = true, .above = 1000}, &results[run]), 0);
        model_write(&results[run].model, roster, &models[run]);
        roster_destroy(&roster);
    }
    assert_int_equal(models[0].n, models[1].n);
    assert_memory_equal(models[0].data, models[1].data, models[0].n);
    assert_int_equal(results[0].n, results[1].n);
    assert_memory_equal(results[0].links, results[1].links, results[0].n * sizeof *results[0].links);
    for (int run = 0; run < 2; run++) {
        engine_free(&results[run]);
        bytes_free(&models[run]);
    }
}

static void empty_lists(void **state) {
    for (uint32_t n = 0; n < 3; n++) {
        Roster *roster = two_lists(n, 0, n / 2);
        MatchResult result;
        assert_int_equal(engine_run(roster, &(MatchOptions){0}, &result), 0);
        engine_free(&result);
        roster_destroy(&roster);
    }
}

// All of one name and nothing else to tell them apart.
static void a_block_too_large_is_counted(void **state) {
    Roster *roster = NULL;
    assert_int_equal(roster_new(&roster, FIELDS, N_FIELDS), 0);
    for (int i = 0; i < 2000; i++)
        assert_int_equal(roster_add(roster, false, (const char *const[]){"an", "nguyen", "", ""}), 0);
    assert_int_equal(roster_seal(roster), 0);
    Blocks blocks;
    assert_int_equal(blocks_find(roster, &blocks), 0);
    assert_int_equal(blocks.n, 0);
    assert_true(blocks.n_too_large > 0);
    assert_int_equal(blocks.n_not_covered, 2000);
    blocks_free(&blocks);
    roster_destroy(&roster);
}

static void blocks_hold_each_pair_once(void **state) {
    Roster *roster = two_lists(300, 0, 300);
    Blocks blocks;
    assert_int_equal(blocks_find(roster, &blocks), 0);
    int found = 0;
    for (size_t i = 0; i < blocks.n; i++) {
        assert_true(i == 0 || blocks.pairs[i] > blocks.pairs[i - 1]);
        found += person_of[blocks.pairs[i] >> 32] == person_of[(uint32_t)blocks.pairs[i]];
    }
    assert_int_equal(found, 300);
    blocks_free(&blocks);
    roster_destroy(&roster);
}

static void sorts(void **state) {
    uint64_t items[1000];
    for (uint32_t i = 0; i < 1000; i++)
        items[i] = (uint64_t)mixed(i) << (i % 33);
    assert_int_equal(blocks_sort(items, 1000), 0);
    for (int i = 1; i < 1000; i++)
        assert_true(items[i] >= items[i - 1]);
}

// Two left records want one right record; the weaker has another candidate.
static void partners_share_one_record(void **state) {
    Roster *roster = two_lists(2, 0, 2);
    Candidates candidates = {.n_components = 5};
    Comparison comparison;
    memset(&comparison, 0, sizeof comparison);
    uint32_t probability[3];
    assert_int_equal(candidates_add(&candidates, 0, 2, &comparison, 30000), 0);
    assert_int_equal(candidates_add(&candidates, 1, 2, &comparison, 20000), 0);
    assert_int_equal(candidates_add(&candidates, 1, 3, &comparison, 15000), 0);
    assert_int_equal(candidates_posterior(&candidates, roster, -2000, probability), 0);
    assert_true(probability[0] > 990000);
    assert_true(probability[1] < 10000);
    assert_true(probability[2] > 990000); // alone, 1 would have preferred 2
    candidates.many_to_one = true;
    assert_int_equal(candidates_posterior(&candidates, roster, -2000, probability), 0);
    assert_true(probability[0] > 990000 && probability[1] > 900000 && probability[2] < 50000);
    candidates_free(&candidates);
    roster_destroy(&roster);
}

static void reasons_say_what_agrees(void **state) {
    Roster *roster = two_lists(400, 0, 400);
    MatchResult result;
    assert_int_equal(engine_run(roster, &(MatchOptions){0}, &result), 0);
    assert_true(result.n > 390);
    Bytes reasons = {0};
    engine_reasons(roster, &result.model, result.links[3].a, result.links[3].b, &reasons);
    bytes_append(&reasons, "", 1);
    assert_non_null(strstr((const char *)reasons.data, "person first elsewhere +"));
    assert_non_null(strstr((const char *)reasons.data, "born exact +"));
    bytes_free(&reasons);
    engine_free(&result);
    roster_destroy(&roster);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(links_two_lists),
        cmocka_unit_test(finds_nobody_where_there_is_nobody),
        cmocka_unit_test(finds_copies_in_one_list),
        cmocka_unit_test(same_answer_twice),
        cmocka_unit_test(people_of_one_house_are_not_one),
        cmocka_unit_test(empty_lists),
        cmocka_unit_test(a_block_too_large_is_counted),
        cmocka_unit_test(blocks_hold_each_pair_once),
        cmocka_unit_test(sorts),
        cmocka_unit_test(partners_share_one_record),
        cmocka_unit_test(reasons_say_what_agrees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
