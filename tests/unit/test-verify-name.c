// SPDX-License-Identifier: Apache-2.0
//
// What becomes of an event whose name is written otherwise than stored: by the shipped policy, by an agency's own, and
// where something else does not agree. And the number that is one digit off: whoever it leads to, it is not accepted.

#include "proto/base/error.h"
#include "tests/unit/scratch.h"
#include "tests/unit/verify-case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define CODE(name) DONGBO__REASON_CODE__##name

static Rules *lenient; // accepts all of VSS; of MOH lost accents only

static const char LENIENT[] =
    "default: {accents_lost: review, middle: review, order: review, spaces: review, spelling: review}\n"
    "agencies:\n"
    "  - {agency: MOH, accents_lost: accept}\n"
    "  - {agency: VSS, accents_lost: accept, middle: accept, order: accept, spaces: accept, spelling: accept}\n";

static int setup(void **state) {
    char directory[SCRATCH_BYTES];
    scratch_make(directory);
    scratch_copy_schemas(directory);
    scratch_write(directory, "rules/names.yaml", LENIENT);
    int r = rules_load(&lenient, directory);
    scratch_remove(directory);
    return r < 0 ? 1 : case_setup(state);
}

static int teardown(void **state) {
    rules_destroy(&lenient);
    return case_teardown(state);
}

static Case case_of(const char *agency, const char *said, const char *stored) {
    Case c = case_dose();
    c.grants.code = agency;
    c.subject.full_name = (char *)said;
    c.person.full_name = stored;
    return c;
}

// Decided by the lenient policy.
static void decide_leniently(Case *c) {
    context.rules = lenient;
    case_whole(c);
    context.rules = rules;
}

typedef struct Word {
    const char *said;
    int code;
} Word;

static const char STORED[] = "Lý Thị Hoà";
static const Word SOFT[] = {{"Ly Thi Hoa", CODE(NAME_ACCENTS_LOST)},
                            {"Lý Hoà", CODE(NAME_MIDDLE)},
                            {"Hoà Thị Lý", CODE(NAME_ORDER)},
                            {"LýThị Hoà", CODE(NAME_SPACES)},
                            {"Lí Thị Hoà", CODE(NAME_SPELLING)}};
#define COUNT(list) (sizeof(list) / sizeof *(list))

static void expect_word(void (*decide)(Case *), const char *agency, Word word, int verdict) {
    Case c = case_of(agency, word.said, STORED);
    decide(&c);
    expect(&c, verdict, word.code, NAME);
}

static void test_shipped_policy(void **state) {
    for (size_t i = 0; i < COUNT(SOFT); i++)
        expect_word(case_whole, "MOH", SOFT[i], MISMATCH);
    expect_word(case_whole, "MOH", (Word){"LÝ THỊ HÒA", CODE(NAME_TONE)}, ACCEPTED);
    expect_word(case_whole, "MOH", (Word){"Lý Thị Hoa Ly", CODE(NAME_DIFFERS)}, MISMATCH);
}

static void test_agency_s_policy(void **state) {
    for (size_t i = 0; i < COUNT(SOFT); i++) {
        expect_word(decide_leniently, "VSS", SOFT[i], ACCEPTED);
        expect_word(decide_leniently, "MOH", SOFT[i], i == 0 ? ACCEPTED : MISMATCH);
        expect_word(decide_leniently, "MOET", SOFT[i], MISMATCH);
    }
    expect_word(decide_leniently, "VSS", (Word){"Lý Thị Hoá", CODE(NAME_SIMILAR)}, MISMATCH);
    expect_word(decide_leniently, "VSS", (Word){"", CODE(NAME_MISSING)}, MISMATCH);
}

// All reasons are told; it is accepted only where each of them is.
static void test_several_differences(void **state) {
    Case c = case_of("VSS", "HOA LI", STORED);
    decide_leniently(&c);
    assert_int_equal(c.decision.verdict, ACCEPTED);
    assert_int_equal(c.decision.n_reasons, 4);
    HAS(&c, NAME_ACCENTS_LOST);
    HAS(&c, NAME_MIDDLE);
    HAS(&c, NAME_ORDER);
    HAS(&c, NAME_SPELLING);
    c = case_of("MOH", "LY HOA", STORED);
    decide_leniently(&c);
    assert_int_equal(c.decision.verdict, MISMATCH);
    assert_int_equal(c.decision.n_reasons, 2);
    HAS(&c, NAME_ACCENTS_LOST);
    HAS(&c, NAME_MIDDLE);
}

static void expect_reviewed(Case *c) {
    decide_leniently(c);
    assert_int_equal(c->decision.verdict, MISMATCH);
    HAS(c, NAME_ACCENTS_LOST);
}

static void test_all_else_must_agree(void **state) {
    const Case good = case_of("MOH", "Ly Thi Hoa", STORED);
    Case c = good;
    decide_leniently(&c);
    EXPECT(&c, ACCEPTED, NAME_ACCENTS_LOST, NAME);
    c = good;
    c.person.by_alias = true; // and the present number is another
    c.person.citizen_number = "001090099999";
    expect_reviewed(&c);
    c = good;
    c.subject.birth_date = "1990";
    expect_reviewed(&c);
    c = good;
    c.person.birth_date = "1990";
    expect_reviewed(&c);
    c = good;
    c.subject.birth_date = "1990-02";
    c.person.birth_date = "1990-02";
    expect_reviewed(&c);
    c = good;
    c.subject.birth_date = "1990-05-02";
    expect_reviewed(&c);
    c = good;
    c.subject.birth_date = "";
    expect_reviewed(&c);
    static char *const SEXES[][2] = {{"", "male"}, {"unknown", "male"}, {"male", "unknown"}, {"unknown", "unknown"}};
    for (size_t i = 0; i < COUNT(SEXES); i++) {
        c = good;
        c.subject.sex = SEXES[i][0];
        c.person.sex = SEXES[i][1];
        expect_reviewed(&c);
    }
    c = good; // what never needed the rest does not need it now
    c.subject.full_name = "LÝ THỊ HÒA";
    c.subject.birth_date = "1990";
    c.subject.sex = "";
    decide_leniently(&c);
    assert_int_equal(c.decision.verdict, ACCEPTED);
    HAS(&c, NAME_TONE);
}

// ---- a number that is one digit off -------------------------------------------------------------------------------

// The worst neighbours: born on the same day, of the same sex, of the same family.
static const char *const SIBLINGS[] = {
    "Nguyễn Thị Hoà",  "Nguyễn Thị Hoa",   "Nguyễn Thị Hoá",   "Nguyễn Hoà",       "Nguyễn Hoà Thị",
    "Nguyễn Thị Hòan", "Nguyễn Thị Hoàng", "Nguyễn Thị Hoàn",  "Nguyễn Thị Lý",    "Nguyễn Thị Lí",
    "Nguyễn Thị Quý",  "Nguyễn Thị Qúy",   "Nguyễn Thị Quí",   "Nguyễn Thị Minh",  "Nguyễn Minh Hoà",
    "Nguyễn Văn Hoà",  "Nguyên Thị Hoà",   "Nguyễn Thị An",    "Nguyễn Thị Ân",    "Nguyễn Thị Ấn",
    "Nguyễn Thị Anh",  "Nguyễn Thị Đan",   "Nguyễn Thị Dan",   "Trần Thị Hoà",     "Hoà Thị Nguyễn",
    "Nguyễn Thị Thuỳ", "Nguyễn Thị Thuý",  "Nguyễn Thị Thuỷ",  "NguyễnThị Hoà",    "Nguyễn Thị  Thu",
    "Nguyen Thi Hoa",  "Nguyễn Thị Mỹ An", "Nguyễn Thị Mĩ An", "Nguyễn Thị An Mỹ", "Nguyễn Thị An Anh",
    "Nguyễn Thị Thi",
};
#define NUMBERS 1000

static const char *somebody(size_t i) {
    static const char *const FAR[] = {"Nguyễn Thị Liên", "Nguyễn Thị Nga", "Trần Thị Bích", "Lê Thị Hồng Nhung"};
    return FAR[i % COUNT(FAR)];
}

static void meet(Case *c, const char *number, const char *name) {
    c->subject.citizen_number = (char *)number;
    c->person.citizen_number = number;
    c->person.full_name = name;
}

static void expect_not_accepted(const Case *c) {
    if (c->decision.verdict == ACCEPTED)
        fail_msg("%s, said of %s, is accepted for %s", c->subject.full_name, c->subject.citizen_number,
                 c->person.full_name);
}

// Every number that one wrong digit makes of this one belongs to a living person, who differs in the name alone.
static void try_neighbours(const char *number, size_t seed) {
    char neighbour[13];
    for (size_t at = 0; at < 12; at++)
        for (char digit = '0'; digit <= '9'; digit++) {
            if (number[at] == digit)
                continue;
            snprintf(neighbour, sizeof neighbour, "%s", number);
            neighbour[at] = digit;
            size_t said = (seed + at) % COUNT(SIBLINGS), other = (said + 1 + (size_t)(digit - '0')) % COUNT(SIBLINGS);
            Case c = case_of("MOET", SIBLINGS[said], SIBLINGS[other]);
            meet(&c, neighbour, SIBLINGS[other]);
            case_whole(&c);
            expect_not_accepted(&c);
            c.grants.code = "VSS"; // whatever is accepted of an agency, another person is not
            meet(&c, neighbour, somebody(said + at));
            decide_leniently(&c);
            expect_not_accepted(&c);
        }
}

static void test_neighbours_of_a_number(void **state) {
    char number[13];
    uint32_t random = 20220315;
    for (size_t i = 0; i < NUMBERS; i++) {
        random = random * 1664525u + 1013904223u;
        snprintf(number, sizeof number, "001090%06u", random >> 8 & 0x7FFFF);
        try_neighbours(number, i);
    }
    Case c = case_of("MOH", SIBLINGS[0], SIBLINGS[0]); // the right one is
    case_whole(&c);
    expect_plain(&c);
}

// ... and nobody of them is taken for any other by the shipped policy, were their numbers what they may.
static void test_siblings(void **state) {
    for (size_t i = 0; i < COUNT(SIBLINGS); i++)
        for (size_t j = 0; j < COUNT(SIBLINGS); j++) {
            Case c = case_of("MOH", SIBLINGS[i], SIBLINGS[j]);
            case_whole(&c);
            if (i != j)
                expect_not_accepted(&c);
            else
                expect_plain(&c);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shipped_policy),         cmocka_unit_test(test_agency_s_policy),
        cmocka_unit_test(test_several_differences),    cmocka_unit_test(test_all_else_must_agree),
        cmocka_unit_test(test_neighbours_of_a_number), cmocka_unit_test(test_siblings),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
