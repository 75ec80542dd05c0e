// SPDX-License-Identifier: Apache-2.0
//
// What is learnt of an agency's events, and that it cannot be talked further than the bound.
#include "broker/weights.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

// An event that shows these levels of name, birth date and sex, so many times.
static void add(WeightCounts *counts, SearchLevel name, SearchLevel birth, SearchLevel sex, int times) {
    uint8_t level[SEARCH_FIELDS] = {
        [SEARCH_NAME] = (uint8_t)name, [SEARCH_BIRTH] = (uint8_t)birth, [SEARCH_SEX] = (uint8_t)sex};
    level[SEARCH_PROVINCE] = SEARCH_ELSE;
    level[SEARCH_NUMBER] = SEARCH_EXACT;
    for (int i = 0; i < times; i++)
        weights_count(counts, level);
}

static void test_no_field_is_counted_by_itself(void **state) {
    (void)state;
    WeightCounts counts = {0};
    add(&counts, SEARCH_EXACT, SEARCH_EXACT, SEARCH_EXACT, 10);
    add(&counts, SEARCH_FOLDED, SEARCH_EXACT, SEARCH_EXACT, 7);
    add(&counts, SEARCH_ELSE, SEARCH_EXACT, SEARCH_EXACT, 3);
    add(&counts, SEARCH_EXACT, SEARCH_SWAPPED, SEARCH_EXACT, 5);
    add(&counts, SEARCH_EXACT, SEARCH_YEAR_ONLY, SEARCH_EXACT, 4);
    add(&counts, SEARCH_EXACT, SEARCH_EXACT, SEARCH_ELSE, 2);
    add(&counts, SEARCH_ELSE, SEARCH_ELSE, SEARCH_EXACT, 100); // somebody else's number
    assert_int_equal(counts.events, 131);
    const int64_t *name = counts.n[SEARCH_NAME], *birth = counts.n[SEARCH_BIRTH], *sex = counts.n[SEARCH_SEX];
    assert_int_equal(name[SEARCH_EXACT], 10);
    assert_int_equal(name[SEARCH_FOLDED], 7);
    assert_int_equal(name[SEARCH_ELSE], 3);
    assert_int_equal(birth[SEARCH_EXACT], 17);
    assert_int_equal(birth[SEARCH_SWAPPED], 5);
    assert_int_equal(birth[SEARCH_YEAR_ONLY], 0);
    assert_int_equal(sex[SEARCH_EXACT], 17);
    assert_int_equal(sex[SEARCH_ELSE], 2);
    assert_int_equal(weights_counted(&counts, SEARCH_PROVINCE), 19);
    assert_int_equal(weights_counted(&counts, SEARCH_NUMBER), 0);
    assert_int_equal(weights_counted(&counts, SEARCH_MOTHER), 0);
}

static void test_few_events_teach_nothing(void **state) {
    (void)state;
    WeightCounts counts = {0};
    int32_t bits[SEARCH_LEVELS];
    add(&counts, SEARCH_FOLDED, SEARCH_EXACT, SEARCH_EXACT, WEIGHTS_EVENTS_MIN - 1);
    assert_false(weights_learn(&counts, SEARCH_NAME, bits));
    assert_memory_equal(bits, search_shipped()->m[SEARCH_NAME], sizeof bits);
    add(&counts, SEARCH_FOLDED, SEARCH_EXACT, SEARCH_EXACT, 1);
    assert_true(weights_learn(&counts, SEARCH_NAME, bits));
    assert_true(bits[SEARCH_FOLDED] > search_shipped()->m[SEARCH_NAME][SEARCH_FOLDED]);
}

static void test_many_events_are_believed(void **state) {
    (void)state;
    WeightCounts counts = {0};
    int32_t bits[SEARCH_LEVELS];
    add(&counts, SEARCH_FOLDED, SEARCH_EXACT, SEARCH_EXACT, 8000);
    add(&counts, SEARCH_EXACT, SEARCH_EXACT, SEARCH_EXACT, 2000);
    assert_true(weights_learn(&counts, SEARCH_NAME, bits));
    assert_in_range(bits[SEARCH_FOLDED] + 10000, 10000 - 350, 10000 - 320); // log2(.8) = -322
    assert_in_range(bits[SEARCH_EXACT] + 10000, 10000 - 2330, 10000 - 2220);
    assert_true(bits[SEARCH_ELSE] < -10000 && bits[SEARCH_ELSE] > -20000); // never seen, and not impossible
    assert_int_equal(bits[SEARCH_SWAPPED], 0);                             // no level of names
    // Levels that are not counted stay as shipped.
    assert_true(weights_learn(&counts, SEARCH_BIRTH, bits));
    assert_int_equal(bits[SEARCH_YEAR_ONLY], search_shipped()->m[SEARCH_BIRTH][SEARCH_YEAR_ONLY]);
}

// Bits of a person who differs in these ways, under weights.
static SearchMatch judged(const char *name, const char *birth, const SearchWeights *weights) {
    Dongbo__Subject subject = DONGBO__SUBJECT__INIT;
    subject.full_name = (char *)name;
    subject.birth_date = (char *)birth;
    subject.sex = "male";
    SearchCandidate candidate = {.person = {.key = 7,
                                            .citizen_number = "001090123456",
                                            .full_name = "Trịnh Xuân Ánh",
                                            .birth_date = "1990-05-12",
                                            .sex = "male",
                                            .residence_province = "01",
                                            .residence_province63 = "01",
                                            .died_on = ""},
                                 .mother_name = "",
                                 .father_name = "",
                                 .counts = {.name = 40, .birth = 35, .year = 14000}};
    const SearchQuestion question = {
        .subject = &subject, .number = "", .citizens = 1000000, .model = 1, .weights = weights};
    SearchAnswer answer;
    search_judge(&question, &candidate, 1, &answer);
    assert_int_equal(answer.n, 1);
    assert_int_equal(answer.learnt, weights ? weights->learnt : 0);
    return answer.matches[0];
}

static void test_nobody_talks_themselves_into_being_believed(void **state) {
    (void)state;
    SearchWeights moved = *search_shipped(), up, down;
    moved.learnt = 3;
    moved.m[SEARCH_NAME][SEARCH_FOLDED] += 600;
    up = down = moved;
    memset(up.m, 0, sizeof up.m); // all that is wrong is always so
    for (int field = 0; field < SEARCH_FIELDS; field++)
        for (int level = 0; level < SEARCH_LEVELS; level++)
            down.m[field][level] = -20000;
    static const char *const NAMES[] = {"Trịnh Xuân Ánh", "TRINH XUAN ANH", "Trịnh Xuân Ánhh"};
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        int32_t shipped = judged(NAMES[i], "1990-12-05", NULL).bits;
        assert_in_range(judged(NAMES[i], "1990-12-05", &up).bits, shipped, shipped + SEARCH_BOUND);
        assert_int_equal(judged(NAMES[i], "1990-05-12", &down).bits,
                         judged(NAMES[i], "1990-05-12", NULL).bits - SEARCH_BOUND);
    }
    // Within the bound, what was learnt is what counts.
    SearchMatch shipped = judged("TRINH XUAN ANH", "1990-05-12", NULL),
                learnt = judged("TRINH XUAN ANH", "1990-05-12", &moved);
    assert_int_equal(learnt.bits, shipped.bits + 600);
    assert_int_equal(learnt.field_bits[SEARCH_NAME], shipped.field_bits[SEARCH_NAME] + 600);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_field_is_counted_by_itself),
        cmocka_unit_test(test_few_events_teach_nothing),
        cmocka_unit_test(test_many_events_are_believed),
        cmocka_unit_test(test_nobody_talks_themselves_into_being_believed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
