// SPDX-License-Identifier: Apache-2.0
//
// Who may be meant, by each key that can lead to them, and nobody where the keys have nothing in common.

#include "operators/canvass.h"
#include "proto/base/bytes.h"
#include "proto/base/error.h"
#include "proto/bounds.h"
#include "scratch.h"
#include "shipped.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define OTHERS 3000 // who share nothing with her but what is common

static Rules *rules;
static Census *census;
static Canvass *canvass;
static Arena *arena;
static char scratch[SCRATCH_BYTES];

static int setup(void **state) {
    static const char *const SURNAMES[] = {"Trần", "Lê", "Phạm", "Hoàng", "Vũ"}, *const GIVEN[] = {"An",  "Bình", "Hà",
                                                                                                   "Lan", "Minh", "Quý",
                                                                                                   "Sơn"};
    CLEANUP(bytes_free) Bytes text = {0};
    char path[SCRATCH_BYTES + 16], line[256];
    bytes_append_text(&text, "citizen_number,full_name,birth_date,sex,mother_name,father_name,residence_province,"
                             "residence_province63,residence_commune,died_on\n"
                             "001190000001,Nguyễn Thị Ngọc Hoà,1990-03-02,female,Đỗ Thị Mận,,01,01,00004,\n");
    for (int i = 0; i < OTHERS; i++) {
        snprintf(line, sizeof line, "0010%02d1%05d,%s Văn %s,19%02d-%02d-%02d,male,,,79,79,00004,\n", 50 + i % 49, i,
                 SURNAMES[i % 5], GIVEN[i % 7], 50 + i % 49, 1 + i % 12, 2 + i % 26);
        bytes_append_text(&text, line);
    }
    for (int i = 0; i <= SEARCH_BLOCK_MAX; i++) { // more of one name and birth date than anybody looks at
        snprintf(line, sizeof line, "0010772%05d,Bùi Văn Một,1977-07-07,male,,,79,79,00004,\n", i);
        bytes_append_text(&text, line);
    }
    bytes_append_u8(&text, 0);
    scratch_make(scratch);
    scratch_write(scratch, "p.csv", (const char *)text.data);
    int r = shipped_rules(&rules);
    snprintf(path, sizeof path, "%s/p.csv", scratch);
    if (r == 0)
        r = census_load(&census, path, rules);
    if (r == 0)
        r = canvass_new(&canvass, census, rules);
    return r < 0 ? r : arena_new(&arena, 4 << 20);
}

static int teardown(void **state) {
    canvass_destroy(&canvass);
    census_destroy(&census);
    rules_destroy(&rules);
    arena_destroy(&arena);
    scratch_remove(scratch);
    return 0;
}

static Dongbo__Subject her(void) {
    Dongbo__Subject subject = DONGBO__SUBJECT__INIT;
    subject.full_name = "Nguyễn Thị Ngọc Hoà";
    subject.birth_date = "1990-03-02";
    subject.sex = "female";
    return subject;
}

static const SearchAnswer *ask(const Dongbo__Subject *subject, const char *number) {
    Dongbo__ChangeEvent event = DONGBO__CHANGE_EVENT__INIT;
    event.subject = (Dongbo__Subject *)subject;
    const Item item = {.event = &event, .claimed_number = number};
    const SearchAnswer *answer = NULL;
    arena_reset(arena);
    assert_int_equal(canvass_ask(canvass, &item, arena, &answer), 0);
    return answer;
}

static void she_is_found(const Dongbo__Subject *subject) {
    const SearchAnswer *answer = ask(subject, "");
    assert_int_equal(answer->n, 1);
    assert_string_equal(answer->matches[0].citizen_number, "001190000001");
    assert_true(answer->matches[0].posterior > SEARCH_ONE / 2);
}

static void test_each_key_leads_to_her(void **state) {
    Dongbo__Subject subject = her();
    she_is_found(&subject);
    subject.full_name = "Hoà Thị Ngọc Nguyễn"; // the ends, the other way round
    she_is_found(&subject);
    subject = her();
    subject.birth_date = "1990-02-03"; // day and month swapped
    she_is_found(&subject);
    subject = her();
    subject.full_name = "NguyenThiNgoc Hoa"; // lost spaces
    she_is_found(&subject);
    subject = her();
    subject.full_name = "nguyen ngoc hoa"; // without Thị; the year alone, and where she lives
    subject.birth_date = "1990";
    subject.residence_province = "01";
    she_is_found(&subject);
    subject = her();
    subject.full_name = "Ngọc Hoà"; // the mother's name, and no surname
    subject.birth_date = "1990";
    subject.mother_name = "đỗ thị mận";
    assert_int_equal(ask(&subject, "")->n, 1);
    subject.full_name = "Nguyễn Thị Ngọc Hào"; // a slip in the given name: birth date and mother
    subject.birth_date = "1990-03-02";
    subject.sex = "";
    she_is_found(&subject);
    subject.mother_name = ""; // ... or the rest of the name, and where she lives
    subject.residence_province = "01";
    she_is_found(&subject);
    subject = her();
    subject.birth_date = "1991-03-02"; // a slip in the year: name, mother, and where she lives
    subject.mother_name = "đỗ thị mận";
    subject.residence_province = "01";
    she_is_found(&subject);
}

static void test_nobody_is_made_up(void **state) {
    Dongbo__Subject subject = her();
    subject.full_name = "Đinh Quốc Khánh";
    assert_int_equal(ask(&subject, "")->n, 0);
    assert_int_equal(ask(&subject, "")->nobody, SEARCH_ONE);
    subject = her();
    subject.full_name = "";
    assert_int_equal(ask(&subject, "")->n, 0);
    subject = her();
    subject.birth_date = "";
    assert_int_equal(ask(&subject, "")->n, 0);
}

static void test_too_many_are_not_looked_at(void **state) {
    Dongbo__Subject subject = her();
    subject.full_name = "Bùi Văn Một";
    subject.birth_date = "1977-07-07";
    subject.sex = "male";
    const SearchAnswer *answer = ask(&subject, "");
    assert_true(answer->too_large);
    assert_int_equal(answer->n, 0);
}

static void test_the_numbers_bearer_is_a_candidate(void **state) {
    Dongbo__Subject subject = her();
    subject.full_name = "Nguyễn Thị Ngọc Hòa"; // no key is needed
    subject.birth_date = "";
    const SearchAnswer *answer = ask(&subject, "001190000001");
    assert_int_equal(answer->n, 1);
    assert_string_equal(answer->matches[0].citizen_number, "001190000001");
}

// One slip of a finger away, whatever else is said; two are too many.
static void test_a_number_beside_hers_leads_to_her(void **state) {
    static const struct {
        const char *number;
        size_t n;
    } numbers[] = {{"001190000002", 1}, {"901190000001", 1}, {"001910000001", 1}, {"001190000010", 1},
                   {"001190000022", 0}, {"00119000001", 0},  {"001190000001", 1}};
    Dongbo__Subject subject = her();
    subject.birth_date = "1990-12";
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        assert_int_equal(ask(&subject, numbers[i].number)->n, numbers[i].n);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_key_leads_to_her),
        cmocka_unit_test(test_nobody_is_made_up),
        cmocka_unit_test(test_too_many_are_not_looked_at),
        cmocka_unit_test(test_the_numbers_bearer_is_a_candidate),
        cmocka_unit_test(test_a_number_beside_hers_leads_to_her),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
