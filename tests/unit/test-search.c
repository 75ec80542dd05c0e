// SPDX-License-Identifier: Apache-2.0
//
// Scores of candidates: what is said, against what is held and how common that is.
#include "broker/search.h"
#include "shipped-rules.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define CITIZENS 1000000

static SearchCandidate an(int64_t key) {
    return (SearchCandidate){
        .person = {.key = key,
                   .citizen_number = "001090123456",
                   .full_name = "Trịnh Xuân Ánh",
                   .birth_date = "1990-05-12",
                   .sex = "male",
                   .residence_province = "01",
                   .residence_province63 = "01",
                   .died_on = ""},
        .mother_name = "Lê Thị Mẫu Đơn",
        .father_name = "",
        .counts = {.name = 40, .said = 40, .given = 9000, .birth = 35, .year = 14000, .province = 80000}};
}

typedef struct Case {
    Dongbo__Subject subject;
    SearchQuestion question;
    SearchCandidate candidates[8];
    size_t n;
    SearchAnswer answer;
} Case;

// All of An's but the number, which is missing.
static Case about_an(void) {
    Case c = {.question = {.number = "", .citizens = CITIZENS, .model = 1}, .candidates = {an(7)}, .n = 1};
    dongbo__subject__init(&c.subject);
    c.subject.full_name = "Trịnh Xuân Ánh";
    c.subject.birth_date = "1990-05-12";
    c.subject.sex = "male";
    return c;
}

static const SearchAnswer *judge(Case *c) {
    c->question.subject = &c->subject;
    search_judge(&c->question, c->candidates, c->n, &c->answer);
    return &c->answer;
}

static void test_all_but_the_number(void **state) {
    (void)state;
    Case c = about_an();
    const SearchAnswer *answer = judge(&c);
    assert_int_equal(answer->n, 1);
    assert_int_equal(answer->matches[0].person, 7);
    assert_non_null(search_sure(answer));
    assert_in_range(answer->matches[0].posterior + answer->nobody, SEARCH_ONE - 2, SEARCH_ONE);
    // 41 of a million and 36 of a million, less what clerks' errors take off.
    assert_int_equal(answer->matches[0].field_bits[SEARCH_NAME], 14574 - 269);
    assert_int_equal(answer->matches[0].field_bits[SEARCH_BIRTH], 14762 - 120);
}

static void test_what_is_not_said_is_no_evidence(void **state) {
    (void)state;
    Case c = about_an();
    c.subject.sex = "unknown";
    c.subject.birth_date = "";
    const SearchAnswer *answer = judge(&c);
    const SearchMatch *match = &c.answer.matches[0];
    const SearchField silent[] = {SEARCH_BIRTH,  SEARCH_SEX,    SEARCH_PROVINCE,
                                  SEARCH_MOTHER, SEARCH_FATHER, SEARCH_NUMBER};
    for (size_t i = 0; i < sizeof silent / sizeof *silent; i++) {
        assert_int_equal(match->level[silent[i]], SEARCH_MISSING);
        assert_int_equal(match->field_bits[silent[i]], 0);
    }
    assert_int_equal(match->bits, match->field_bits[SEARCH_NAME]);
    assert_null(search_sure(answer)); // a name alone
}

static void test_placeholders_are_no_dates(void **state) {
    (void)state;
    const struct {
        const char *said, *held;
        SearchLevel level;
    } dates[] = {{"1990-05-12", "1990-05-12", SEARCH_EXACT},
                 {"1990-12-05", "1990-05-12", SEARCH_SWAPPED},
                 {"1990-05-13", "1990-05-12", SEARCH_NEAR},
                 {"1990-11-30", "1990-05-12", SEARCH_SAME_YEAR},
                 {"1971-11-30", "1990-05-12", SEARCH_ELSE},
                 {"1990", "1990-05-12", SEARCH_YEAR_ONLY},
                 {"1990-01-01", "1990-05-12", SEARCH_YEAR_ONLY},
                 {"1990-01-01", "1990-01-01", SEARCH_YEAR_ONLY},
                 {"1991", "1990-05-12", SEARCH_ELSE},
                 {"1900-01-01", "1900-01-01", SEARCH_MISSING},
                 {"1990-06", "1990-05-12", SEARCH_SAME_YEAR},
                 {"", "1990-05-12", SEARCH_MISSING}};
    for (size_t i = 0; i < sizeof dates / sizeof *dates; i++) {
        Case c = about_an();
        c.subject.birth_date = (char *)dates[i].said;
        c.candidates[0].person.birth_date = dates[i].held;
        c.candidates[0].counts.name = c.candidates[0].counts.said = 1; // keeps the worst of them above doubt
        judge(&c);
        assert_int_equal(c.answer.n > 0 ? c.answer.matches[0].level[SEARCH_BIRTH] : 99, dates[i].level);
    }
}

static void test_layers_of_names(void **state) {
    (void)state;
    const struct {
        const char *said, *held;
        SearchLevel level;
    } names[] = {{"TRỊNH  xuân Ánh", "Trịnh Xuân Ánh", SEARCH_EXACT},
                 {"Trinh Xuan Anh", "Trịnh Xuân Ánh", SEARCH_FOLDED},
                 {"Trịnh Thuý Hoà", "Trịnh Thúy Hòa", SEARCH_EXACT},
                 {"Trịnh Thuỳ Hoà", "Trịnh Thúy Hòa", SEARCH_FOLDED},
                 {"Lê Lan", "Lê Thị Lan", SEARCH_SHORT},
                 {"Lê Văn Thị", "Lê Thị", SEARCH_SHORT},
                 {"Lê Thị", "Lê", SEARCH_ELSE},
                 {"Ánh Trịnh Xuân", "Trịnh Xuân Ánh", SEARCH_ORDER},
                 {"TrịnhXuân Ánh", "Trịnh Xuân Ánh", SEARCH_ORDER},
                 {"Trịnh Xuân Ánhh", "Trịnh Xuân Ánh", SEARCH_NEAR},
                 {"Quách Ngọc Bội Ánh", "Lý Ánh", SEARCH_GIVEN},
                 {"Quách Ngọc Bội", "Trịnh Xuân Ánh", SEARCH_ELSE},
                 {"Trịnh", "", SEARCH_MISSING}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        Case c = about_an();
        c.subject.full_name = (char *)names[i].said;
        c.candidates[0].person.full_name = names[i].held;
        c.question.number = c.candidates[0].person.citizen_number; // keeps the worst of them above doubt
        c.candidates[0].counts.given = 1;
        judge(&c);
        assert_int_equal(c.answer.n, 1);
        assert_int_equal(c.answer.matches[0].level[SEARCH_NAME], names[i].level);
    }
}

static void test_common_names_weigh_less(void **state) {
    (void)state;
    Case rare = about_an(), common = about_an();
    common.candidates[0].counts.name = common.candidates[0].counts.said = 950;
    assert_true(judge(&rare)->matches[0].bits > judge(&common)->matches[0].bits + 4000);
    assert_null(search_sure(&common.answer));
    // A spelling that nobody has is as common as what it is like.
    common.subject.full_name = "Trịnh Xuân Ánhh";
    common.candidates[0].counts.said = 0;
    rare.subject.full_name = "Trịnh Xuân Ánhh";
    assert_true(judge(&rare)->matches[0].bits > judge(&common)->matches[0].bits);
}

static void test_two_of_one_name_and_date(void **state) {
    (void)state;
    Case c = about_an();
    c.candidates[1] = an(3);
    c.candidates[1].person.citizen_number = "001090654321";
    c.n = 2;
    const SearchAnswer *answer = judge(&c);
    assert_int_equal(answer->n, 2);
    assert_int_equal(answer->matches[0].posterior, answer->matches[1].posterior);
    assert_int_equal(answer->matches[0].person, 3); // and always in this order
    assert_null(search_sure(answer));
    // A mother's name tells them apart.
    c.subject.mother_name = "Lê Thị Mẫu Đơn";
    c.candidates[0].mother_name = c.candidates[0].person.key == 3 ? "Phan Thị Sen" : "Lê Thị Mẫu Đơn";
    c.candidates[1].mother_name = c.candidates[1].person.key == 3 ? "Phan Thị Sen" : "Lê Thị Mẫu Đơn";
    answer = judge(&c);
    assert_int_equal(answer->matches[0].person, 7);
    assert_non_null(search_sure(answer));
}

static void test_the_order_of_candidates_does_not_matter(void **state) {
    (void)state;
    Case one = about_an(), other = about_an();
    for (size_t i = 0; i < 8; i++) {
        one.candidates[i] = an((int64_t)i + 1);
        one.candidates[i].counts.birth = i < 4 ? 35 : 36;
        one.candidates[i].person.sex = i % 3 ? "male" : "unknown";
        other.candidates[7 - i] = one.candidates[i];
    }
    one.n = other.n = 8;
    Bytes a = {0}, b = {0};
    search_write(judge(&one), &a);
    search_write(judge(&other), &b);
    assert_int_equal(one.answer.n, SEARCH_MATCHES_MAX);
    assert_int_equal(a.n, b.n);
    assert_memory_equal(a.data, b.data, a.n);
    bytes_free(&a);
    bytes_free(&b);
}

static void test_numbers(void **state) {
    (void)state;
    const struct {
        const char *said;
        SearchLevel level;
    } numbers[] = {{"001090123456", SEARCH_EXACT},    {"001090123465", SEARCH_NEAR},   {"001090123457", SEARCH_NEAR},
                   {"00109012345", SEARCH_NEAR},      {"0010901234566", SEARCH_NEAR},  {"O01090123456", SEARCH_NEAR},
                   {"079090999999", SEARCH_ELSE},     {"123456789", SEARCH_MISSING},   {"", SEARCH_MISSING},
                   {"001.090.123-456", SEARCH_EXACT}, {"079 090 999 999", SEARCH_ELSE}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        Case c = about_an();
        c.question.number = numbers[i].said;
        judge(&c);
        assert_int_equal(c.answer.matches[0].level[SEARCH_NUMBER], numbers[i].level);
    }
    Case c = about_an(); // a number that was theirs once
    c.question.number = "079090999999";
    c.question.number_of = 7;
    assert_int_equal(judge(&c)->matches[0].level[SEARCH_NUMBER], SEARCH_EXACT);
}

// A number that fits but is somebody else's: the others' fields decide.
static void test_somebody_elses_number(void **state) {
    (void)state;
    Case c = about_an();
    c.candidates[1] = an(9);
    c.candidates[1].person.citizen_number = "001090123457";
    c.candidates[1].person.full_name = "Quách Thành Danh";
    c.candidates[1].person.birth_date = "1971-11-30";
    c.n = 2;
    c.question.number = "001090123457";
    const SearchMatch *sure = search_sure(judge(&c));
    assert_non_null(sure);
    assert_int_equal(sure->person, 7);
}

static void test_nobody(void **state) {
    (void)state;
    Case c = about_an();
    c.n = 0;
    assert_int_equal(judge(&c)->nobody, SEARCH_ONE);
    assert_int_equal(c.answer.n, 0);
    c.n = 1;
    c.candidates[0].person.full_name = "Quách Thành Danh";
    assert_int_equal(judge(&c)->n, 0); // the birth date alone is not worth a look
    assert_true(c.answer.nobody > SEARCH_ONE - SEARCH_DOUBT);
}

// A first dose may come before the birth that it belongs to, while the twin is there already.
static void test_a_twin_is_never_sure(void **state) {
    (void)state;
    const struct {
        const char *said, *number;
        bool sure;
    } cases[] = {{"Trịnh Xuân Bình", "001090999888", false}, // a number and a given name of their own
                 {"Trịnh Xuân Anhh", "001090999888", false},
                 {"Trịnh Xuân Ảnh", "001090999888", false}, // ... of the same letters but for the accents
                 {"Trinh Xuan Anh", "001090999888", true},  // ... says nothing of accents
                 {"Trịnh Ánh Xuân", "001090999888", false}, // of the same words
                 {"Trịnh Xuân Ánh", "001090999888", true},  // only the number is another
                 {"Trịng Xuân Ánh", "001090999888", true},
                 {"Ánh Trịnh Xuân", "001090999888", true},
                 {"Trịnh Xuân Bình", "001090123465", true}, // nearly their number
                 {"Trịnh XuânÁnh", "001090999888", true},
                 {"Trịnh Xuân Ảnh", "001090123465", true},
                 {"Trịnh Xuân Bình", "", false}, // no number at all: whatever it is that is the other's
                 {"Trịnh Xuân Ảnh", "", false},
                 {"Trịnh Xuân Anh", "", false},
                 {"TRINH XUAN ANH", "", true}, // no accents at all
                 {"Trịnh Xuân Ánh", "", true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Case c = about_an();
        c.subject.full_name = (char *)cases[i].said;
        c.subject.mother_name = "Lê Thị Mẫu Đơn";
        c.candidates[0].counts.mother = 1;
        c.question.number = cases[i].number;
        const SearchAnswer *answer = judge(&c);
        assert_int_equal(answer->n, 1);
        assert_int_equal(answer->matches[0].person, 7); // worth a look all the same
        assert_int_equal(search_sure(answer) != NULL, cases[i].sure);
    }
}

static void test_too_many_are_never_sure(void **state) {
    (void)state;
    Case c = about_an();
    c.question.too_large = true;
    assert_int_equal(judge(&c)->n, 1);
    assert_null(search_sure(&c.answer));
}

// Every slip of a finger, but for numbers that nobody of this sex and birth year can have.
static void test_numbers_beside_one(void **state) {
    (void)state;
    const struct {
        const char *number, *sex, *birth_date;
        size_t n;
        const char *among;
    } cases[] = {{"001090123456", "male", "1990-05-12", 68, "001090123465"},
                 {"001090123456", "male", "1990-05-12", 68, "002090123456"},
                 {"001090123456", "male", "1980-05-12", 1, "001080123456"}, // the year is where it slipped
                 {"001009123456", "male", "1990-05-12", 1, "001090123456"},
                 {"001190123456", "male", "1990-05-12", 1, "001090123456"},
                 {"001190123456", "male", "1980-05-12", 0, NULL}, // twice
                 {"00109012345", "male", "1990-05-12", 0, NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Dongbo__Subject subject = DONGBO__SUBJECT__INIT;
        SearchNumber beside[SEARCH_NEIGHBOURS_MAX];
        subject.sex = (char *)cases[i].sex;
        subject.birth_date = (char *)cases[i].birth_date;
        size_t n = search_neighbours(rules, &subject, cases[i].number, beside), found = 0;
        for (size_t k = 0; k < n; k++)
            found += cases[i].among != NULL && strcmp(beside[k], cases[i].among) == 0;
        assert_int_equal(n, cases[i].n);
        assert_int_equal(found, cases[i].among != NULL);
    }
}

static void test_swapped_dates(void **state) {
    (void)state;
    const char *const dates[][2] = {{"1990-05-12", "1990-12-05"},
                                    {"1990-05-13", ""},
                                    {"1990-05-05", ""},
                                    {"1990-05", ""},
                                    {"", ""},
                                    {"no date", ""}};
    for (size_t i = 0; i < sizeof dates / sizeof *dates; i++) {
        char out[11];
        search_swapped(dates[i][0], out);
        assert_string_equal(out, dates[i][1]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_but_the_number),
        cmocka_unit_test(test_what_is_not_said_is_no_evidence),
        cmocka_unit_test(test_placeholders_are_no_dates),
        cmocka_unit_test(test_layers_of_names),
        cmocka_unit_test(test_common_names_weigh_less),
        cmocka_unit_test(test_two_of_one_name_and_date),
        cmocka_unit_test(test_the_order_of_candidates_does_not_matter),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_somebody_elses_number),
        cmocka_unit_test(test_nobody),
        cmocka_unit_test(test_a_twin_is_never_sure),
        cmocka_unit_test(test_too_many_are_never_sure),
        cmocka_unit_test(test_numbers_beside_one),
        cmocka_unit_test(test_swapped_dates),
    };
    return cmocka_run_group_tests(tests, load_rules, free_rules);
}
