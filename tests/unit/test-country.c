// SPDX-License-Identifier: Apache-2.0
//
// The synthetic country keeps its own promises: the same seed gives the same bytes, numbers are built as the law says
// and are unique, tables have exactly the documented sizes, and a wrong claim is never right by chance.

#include "broker/name.h"
#include "tests/country/claims.h"
#include "tests/country/offices.h"
#include "tests/country/sheets.h"
#include "tests/country/spelling.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CITIZENS 6000
#define LATER 62

static Country made(uint64_t seed) {
    Country country;
    assert_true(country_make(&country, seed, CITIZENS, LATER));
    return country;
}

static char *population_of(uint64_t seed) {
    Country country = made(seed);
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    country_write_population(&country, out);
    fclose(out);
    country_free(&country);
    return text;
}

static void same_seed_same_country(void **state) {
    char *one = population_of(7), *two = population_of(7), *other = population_of(8);
    assert_string_equal(one, two);
    assert_string_not_equal(one, other);
    free(one);
    free(two);
    free(other);
}

static int by_number(const void *a, const void *b) {
    const uint64_t x = ((const Citizen *)a)->number, y = ((const Citizen *)b)->number;
    return x < y ? -1 : x > y;
}

static void numbers_are_built_as_the_law_says(void **state) {
    Country country = made(1);
    for (uint32_t i = 0; i < country.n; i++) {
        const Citizen *c = &country.citizens[i];
        const Civil born = days_civil(c->born);
        char text[NUMBER_TEXT_BYTES], head[16];
        citizen_number_text(c, text);
        assert_int_equal(strlen(text), 12);
        snprintf(head, sizeof head, "%03d%d%02d", PLACE_TABLE[c->birth_place].code,
                 (born.year >= 2000 ? 2 : 0) + c->female, born.year % 100);
        assert_memory_equal(text, head, 6);
        assert_true(born.year >= 1900 && c->born <= country.today - 31);
        assert_true(c->died == 0 || (c->died > c->born && c->died < country.today));
    }
    qsort(country.citizens, country.n, sizeof *country.citizens, by_number);
    for (uint32_t i = 1; i < country.n; i++)
        assert_true(country.citizens[i - 1].number != country.citizens[i].number);
    country_free(&country);
}

static void neighbours_differ_in_one_digit(void **state) {
    Country country = made(2);
    uint32_t found = 0;
    for (uint32_t i = 0; i < country.n; i++) {
        if (country.citizens[i].neighbour == NO_CITIZEN)
            continue;
        char a[NUMBER_TEXT_BYTES], b[NUMBER_TEXT_BYTES];
        citizen_number_text(&country.citizens[i], a);
        citizen_number_text(&country.citizens[country.citizens[i].neighbour], b);
        int differing = 0;
        for (int k = 0; k < 12; k++)
            differing += a[k] != b[k];
        assert_int_equal(differing, 1);
        found++;
    }
    assert_true(found > CITIZENS / 50);
    country_free(&country);
}

static void days_go_both_ways(void **state) {
    assert_int_equal(days_of(1970, 1, 1), 0);
    assert_int_equal(days_of(2022, 3, 31), 19082);
    for (int32_t day = days_of(1899, 12, 31); day < days_of(2101, 1, 1); day++) {
        const Civil civil = days_civil(day);
        assert_int_equal(days_of(civil.year, civil.month, civil.day), day);
    }
    char text[DAYS_TEXT_BYTES];
    days_text(days_of(2000, 2, 29), text);
    assert_string_equal(text, "2000-02-29");
}

static void names_are_spelled_in_other_ways(void **state) {
    char out[64];
    spelling_without_accents("Đỗ Thị Thuý Hường", out, sizeof out);
    assert_string_equal(out, "Do Thi Thuy Huong");
    spelling_upper("Đỗ Thị Thuý", out, sizeof out);
    assert_string_equal(out, "ĐỖ THỊ THUÝ");
    spelling_decomposed("Lê", out, sizeof out);
    assert_string_equal(out, "Le\xcc\x82");
}

// What the truth says of a wrong name is what verification finds.
static void expect_name_reason(ClaimKind kind, const char *said, const char *stored) {
    const unsigned found = name_compare(said, stored);
    unsigned expected = NAME_OTHER | (kind == CLAIM_NAME_OTHER ? NAME_SIMILAR : NAME_MIDDLE);
    if (kind == CLAIM_ACCENTS_LOST)
        expected = NAME_ACCENTS;
    if (found == 0 || (found & ~expected) != 0)
        fail_msg("%s for %s is %#x", said, stored, found);
}

// Each kind of wrong claim differs from the truth in what it is named for.
static void wrong_claims_are_wrong(void **state) {
    Country country = made(3);
    uint32_t seen[CLAIM_KINDS] = {0};
    for (uint32_t i = 0; i < country.n - country.n_later; i++) {
        char number[NUMBER_TEXT_BYTES], name[NAME_TEXT_BYTES], born[DAYS_TEXT_BYTES];
        const Citizen *citizen = &country.citizens[i];
        citizen_number_text(citizen, number);
        name_text(citizen->name, name);
        citizen_birth_text(citizen, born);
        Claim claim;
        const ClaimKind kind = claim_make(&country, i, claim_draw_wrong(&country.dice), &claim);
        seen[kind]++;
        assert_true(kind >= CLAIM_ACCENTS_LOST && kind <= CLAIM_NUMBER_TYPO);
        const bool wrong_number = kind == CLAIM_NUMBER_OTHER || kind == CLAIM_NUMBER_TYPO;
        const bool wrong_date = kind >= CLAIM_DATE_SWAPPED && kind <= CLAIM_YEAR_OFF;
        assert_int_equal(strcmp(number, claim.number) != 0, wrong_number);
        assert_int_equal(strcmp(born, claim.born) != 0, wrong_date);
        assert_int_equal(strcmp(name, claim.name) != 0, !wrong_number && !wrong_date);
        if (!wrong_number && !wrong_date)
            expect_name_reason(kind, claim.name, name);
    }
    for (int kind = CLAIM_ACCENTS_LOST; kind <= CLAIM_NUMBER_TYPO; kind++)
        assert_true(seen[kind] > 0);
    country_free(&country);
}

static void another_number_is_a_living_persons(void **state) {
    Country country = made(4);
    for (uint32_t i = 0; i < 500; i++) {
        Claim claim;
        if (claim_make(&country, i, CLAIM_NUMBER_OTHER, &claim) != CLAIM_NUMBER_OTHER)
            continue;
        const Citizen *victim = NULL;
        for (uint32_t k = 0; k < country.n - country.n_later && !victim; k++)
            if (country.citizens[k].number == strtoull(claim.number, NULL, 10))
                victim = &country.citizens[k];
        assert_non_null(victim);
        assert_int_equal(victim->died, 0);
        assert_false(name_equal(victim->name, country.citizens[i].name));
    }
    country_free(&country);
}

static void unusable_numbers_are_not_twelve_digits(void **state) {
    Country country = made(5);
    for (uint32_t i = 0; i < 2000; i++) {
        Claim claim;
        claim_make(&country, i, claim_draw_unusable(&country.dice), &claim);
        assert_true(strlen(claim.number) != 12 || strspn(claim.number, "0123456789") != 12);
    }
    country_free(&country);
}

typedef struct Written {
    Country country;
    Scenario scenario;
    char *sheet, *truth;
    Office office;
} Written;

static Written write_with(void (*writer)(Office *)) {
    Written w = {.scenario = scenario_march_2022(50)};
    size_t n = 0, m = 0;
    assert_true(country_make(&w.country, 9, CITIZENS, w.scenario.vaccinations_later + w.scenario.born_later));
    w.office = (Office){.country = &w.country, .scenario = &w.scenario};
    w.office.sheet = open_memstream(&w.sheet, &n);
    w.office.truth = open_memstream(&w.truth, &m);
    writer(&w.office);
    fclose(w.office.sheet);
    fclose(w.office.truth);
    return w;
}

static void free_written(Written *w) {
    free(w->sheet);
    free(w->truth);
    country_free(&w->country);
}

static uint32_t count(const char *text, const char *piece) {
    uint32_t n = 0;
    for (; (text = strstr(text, piece)) != NULL; text++)
        n++;
    return n;
}

static void vaccinations_have_exact_sizes(void **state) {
    Written w = write_with(office_write_vaccinations);
    const Scenario *s = &w.scenario;
    assert_int_equal(count(w.truth, ",ACCEPTED,ACCEPTED\n"), s->vaccinations_agree);
    assert_int_equal(count(w.truth, ",MISMATCH,MISMATCH\n"), s->vaccinations_wrong + s->vaccinations_unusable);
    assert_int_equal(count(w.truth, ",number-cmnd,") + count(w.truth, ",number-short,") +
                         count(w.truth, ",number-long,") + count(w.truth, ",number-letter,"),
                     s->vaccinations_unusable);
    assert_int_equal(count(w.truth, ",DEFERRED,ACCEPTED\n"), s->vaccinations_later);
    assert_int_equal(count(w.sheet, "\nvac-"), count(w.truth, "vac-"));
    free_written(&w);
}

static void accounts_are_in_every_province(void **state) {
    Written w = write_with(office_write_e_id);
    assert_int_equal(count(w.sheet, "\neid-"), w.scenario.e_id);
    assert_int_equal(count(w.sheet, ",VN01"), w.scenario.e_id_ha_noi);
    for (size_t i = 0; i < PLACES; i++) {
        char account[8];
        snprintf(account, sizeof account, ",VN%02u", PLACE_TABLE[i].code);
        assert_true(count(w.sheet, account) > 0);
        assert_true(i == PLACE_HA_NOI || count(w.sheet, account) < w.scenario.e_id_ha_noi);
    }
    free_written(&w);
}

static void sizes_are_the_problems_own(void **state) {
    const Scenario whole = scenario_march_2022(1), tenth = scenario_march_2022(10);
    assert_int_equal(whole.e_id, 24211);
    assert_int_equal(whole.e_id_ha_noi, 5270);
    assert_int_equal(whole.electricity, 173000);
    assert_int_equal(whole.stay, 265000);
    assert_int_equal(whole.temporary, 5000);
    assert_int_equal(whole.vaccinations_agree + whole.vaccinations_wrong + whole.vaccinations_unusable +
                         whole.vaccinations_later,
                     76626);
    assert_int_equal(tenth.vaccinations_agree, 5149);
    assert_int_equal(tenth.e_id, 2421);
}

static int by_text(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

// A short stay's record key is person and first day: no pair may come twice, or rows would not be records.
static void stays_are_on_different_days(void **state) {
    Written w = write_with(office_write_stay);
    const uint32_t n = count(w.sheet, "\nst-");
    assert_int_equal(n, w.scenario.stay);
    char **keys = calloc(n, sizeof *keys), *saved = NULL;
    uint32_t k = 0;
    for (char *line = strtok_r(w.sheet, "\n", &saved); (line = strtok_r(NULL, "\n", &saved)) != NULL; k++) {
        char number[16], start[16];
        assert_int_equal(sscanf(line, "%*[^,],%*[^,],%15[^,],%*[^,],%*[^,],%*[^,],%15[^,]", number, start), 2);
        assert_true(asprintf(&keys[k], "%s %s", number, start) > 0);
    }
    qsort(keys, n, sizeof *keys, by_text);
    for (k = 1; k < n; k++)
        assert_string_not_equal(keys[k - 1], keys[k]);
    for (k = 0; k < n; k++)
        free(keys[k]);
    free(keys);
    free_written(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_seed_same_country),
        cmocka_unit_test(numbers_are_built_as_the_law_says),
        cmocka_unit_test(neighbours_differ_in_one_digit),
        cmocka_unit_test(days_go_both_ways),
        cmocka_unit_test(names_are_spelled_in_other_ways),
        cmocka_unit_test(wrong_claims_are_wrong),
        cmocka_unit_test(another_number_is_a_living_persons),
        cmocka_unit_test(unusable_numbers_are_not_twelve_digits),
        cmocka_unit_test(vaccinations_have_exact_sizes),
        cmocka_unit_test(accounts_are_in_every_province),
        cmocka_unit_test(sizes_are_the_problems_own),
        cmocka_unit_test(stays_are_on_different_days),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
