// SPDX-License-Identifier: Apache-2.0
//
// Every kind of rule about other records, and every such rule as shipped: what breaks it, whichever of two records came
// first, and what only nearly does.
#include "shipped.h"

#include "broker/beside.h"
#include "proto/bounds.h"
#include "proto/domain.h"
#include "proto/reason.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#define ACCEPTED DONGBO__VERDICT__ACCEPTED

static Rules *rules;
static Arena *arena;

static int setup(void **state) {
    return shipped_rules(&rules);
}

static int teardown(void **state) {
    rules_destroy(&rules);
    return 0;
}

static int begin(void **state) {
    return arena_new(&arena, BATCH_ARENA_BYTES);
}

static int end(void **state) {
    arena_destroy(&arena);
    return 0;
}

// "field=value field=value", in the domain's own names.
static ProtobufCMessage *body_of(int domain, const char *text) {
    const ProtobufCMessageDescriptor *descriptor = domain_descriptor(domain);
    ProtobufCMessage *body = arena_alloc(arena, descriptor->sizeof_message);
    protobuf_c_message_init(descriptor, body);
    char *rest = arena_strndup(arena, text, strlen(text)), *pair;
    while ((pair = strsep(&rest, " "))) {
        char *value = strchr(pair, '=');
        assert_non_null(value);
        *value++ = 0;
        unsigned field = field_by_name(descriptor, pair);
        assert_int_not_equal(field, 0);
        assert_int_equal(field_set_text(body, field, value), 0);
    }
    return body;
}

static Neighbourhood hood_of(int domain) {
    return (Neighbourhood){.of = {1, ""}, .domain = domain};
}

static void put(Neighbourhood *hood, const char *key, const char *text) {
    assert_int_equal(neighbourhood_move(hood, arena, (NeighbourName){1, key}, body_of(hood->domain, text)), 0);
}

static const char *names_of(const Decision *decision) {
    const char *names = "";
    for (size_t i = 0; i < decision->n_reasons; i++)
        names = arena_printf(arena, "%s%s%s", names, i ? " " : "", reason_find(decision->reasons[i].code)->name);
    return names;
}

// What is said of it. Fills in the rules, the name where there is none, and the arena.
static const char *judged(Beside beside) {
    Decision decision = {.verdict = ACCEPTED};
    beside.rules = rules_domain(rules, beside.hood->domain);
    if (beside.name.person == 0)
        beside.name = (NeighbourName){1, "own"};
    beside.arena = arena;
    assert_int_equal(beside_judge(&beside, &decision), 0);
    assert_int_equal(decision.verdict, ACCEPTED);
    return names_of(&decision);
}

// What is said of a record that comes beside one other.
static const char *told(int domain, const char *other, const char *own) {
    Neighbourhood hood = hood_of(domain);
    put(&hood, "other", other);
    ProtobufCMessage *body = body_of(domain, own);
    return judged((Beside){.said = body, .after = body, .tells = true, .hood = &hood});
}

// Whichever comes first, the second is told the same.
#define PAIR(domain, a, b, expected)                                                                                   \
    do {                                                                                                               \
        assert_string_equal(told(domain, a, b), expected);                                                             \
        assert_string_equal(told(domain, b, a), expected);                                                             \
    } while (0)

#define DOSES(a, b, expected)                                                                                          \
    PAIR(DONGBO__DOMAIN__HEALTH, "vaccine_group=covid-19 " a, "vaccine_group=covid-19 " b, expected)

static void test_doses_in_order(void **state) {
    DOSES("dose_number=1 occurrence_date=2021-07-01", "dose_number=2 occurrence_date=2021-09-01", "");
    DOSES("dose_number=1 occurrence_date=2021-09-01", "dose_number=2 occurrence_date=2021-07-01", "DOSE_OUT_OF_ORDER");
    DOSES("dose_number=1 occurrence_date=2021-09-01", "dose_number=4 occurrence_date=2021-07-01", "DOSE_OUT_OF_ORDER");
    DOSES("dose_number=1 occurrence_date=2021-09", "dose_number=2 occurrence_date=2021-08-31", "DOSE_OUT_OF_ORDER");
    DOSES("dose_number=1 occurrence_date=2021", "dose_number=2 occurrence_date=2021-07-01", "");
    DOSES("dose_number=1 occurrence_date=2021-09-01 status=entered-in-error",
          "dose_number=2 occurrence_date=2021-07-01", "");
    PAIR(DONGBO__DOMAIN__HEALTH, "vaccine_group=rabies dose_number=1 occurrence_date=2021-09-01",
         "vaccine_group=covid-19 dose_number=2 occurrence_date=2021-07-01", "");
}

static void test_dose_intervals(void **state) {
    DOSES("dose_number=1 occurrence_date=2021-07-01", "dose_number=2 occurrence_date=2021-07-18", "");
    DOSES("dose_number=1 occurrence_date=2021-07-01", "dose_number=2 occurrence_date=2021-07-17", "DOSE_TOO_SOON");
    // By product before group: four weeks instead of three, less four days.
    DOSES("dose_number=1 occurrence_date=2021-07-01",
          "dose_number=2 occurrence_date=2021-07-24 product_code=EU/1/20/1507", "DOSE_TOO_SOON");
    DOSES("dose_number=1 occurrence_date=2021-07-01",
          "dose_number=2 occurrence_date=2021-07-25 product_code=EU/1/20/1507", "");
    DOSES("dose_number=3 occurrence_date=2021-07-01", "dose_number=4 occurrence_date=2021-07-20", "DOSE_TOO_SOON");
    DOSES("dose_number=1 occurrence_date=2021-07-01", "dose_number=3 occurrence_date=2021-07-10", "");
    DOSES("dose_number=1 occurrence_date=2021-07", "dose_number=2 occurrence_date=2021-07-10", "");
}

static void test_doses_of_two_facilities(void **state) {
    DOSES("dose_number=1 occurrence_date=2021-07-01 facility_code=A",
          "dose_number=3 occurrence_date=2021-07-03 facility_code=B", "DOSE_REPEATED");
    DOSES("dose_number=1 occurrence_date=2021-07-01 facility_code=A",
          "dose_number=3 occurrence_date=2021-07-04 facility_code=B", "");
    DOSES("dose_number=1 occurrence_date=2021-07-01 facility_code=A",
          "dose_number=3 occurrence_date=2021-07-01 facility_code=A", "");
    DOSES("dose_number=1 occurrence_date=2021-07-01", "dose_number=3 occurrence_date=2021-07-01 facility_code=A", "");
    DOSES("dose_number=1 occurrence_date=2021-07-01 facility_code=A",
          "dose_number=2 occurrence_date=2021-07-01 facility_code=B", "DOSE_TOO_SOON DOSE_REPEATED");
}

// The same dose once more, by another facility: one record, told twice.
static const char *told_again(const char *held, const char *said, bool tells, bool wins) {
    Neighbourhood hood = hood_of(DONGBO__DOMAIN__HEALTH);
    Dongbo__Record before = DONGBO__RECORD__INIT;
    ProtobufCMessage *was = body_of(hood.domain, held), *body = body_of(hood.domain, said);
    before.body.data = arena_alloc(arena, protobuf_c_message_get_packed_size(was) + 1);
    before.body.len = protobuf_c_message_pack(was, before.body.data);
    put(&hood, "own", held);
    return judged(
        (Beside){.said = body, .after = wins ? body : NULL, .before = &before, .tells = tells, .hood = &hood});
}

static void test_one_dose_told_twice(void **state) {
    static const char HELD[] = "vaccine_group=covid-19 dose_number=1 occurrence_date=2021-07-01 facility_code=A";
    static const char AGAIN[] = "vaccine_group=covid-19 dose_number=1 occurrence_date=2021-07-02 facility_code=B";
    static const char SAME[] = "vaccine_group=covid-19 dose_number=1 occurrence_date=2021-07-02 facility_code=A";
    assert_string_equal(told_again(HELD, AGAIN, true, true), "DOSE_REPEATED");
    assert_string_equal(told_again(HELD, AGAIN, true, false), "DOSE_REPEATED");
    assert_string_equal(told_again(HELD, AGAIN, false, true), "");
    assert_string_equal(told_again(HELD, SAME, true, true), "");
}

#define ENROLMENTS(a, b, expected) PAIR(DONGBO__DOMAIN__EDUCATION, a, b, expected)

static void test_levels_of_education(void **state) {
    ENROLMENTS("isced_level=3 status=graduated start_date=2015-09-05 end_date=2018-05-31",
               "isced_level=6 status=enrolled start_date=2018-09-05", "");
    ENROLMENTS("isced_level=6 status=graduated start_date=2018-09-05 end_date=2022-05-31",
               "isced_level=3 status=enrolled start_date=2023-09-05", "LEVEL_REVERSED");
    ENROLMENTS("isced_level=6 status=withdrawn start_date=2018-09-05 end_date=2022-05-31",
               "isced_level=5 status=enrolled start_date=2023-09-05", "");
    ENROLMENTS("isced_level=6 status=graduated start_date=2018-09-05 end_date=2022",
               "isced_level=5 status=enrolled start_date=2022-09-05", "");
    // What leads to a level is told of the record that begins it.
    int domain = DONGBO__DOMAIN__EDUCATION;
    assert_string_equal(told(domain, "isced_level=1 start_date=2010 end_date=2015", "isced_level=3 start_date=2018"),
                        "LEVEL_SKIPPED");
    assert_string_equal(told(domain, "isced_level=3 start_date=2018", "isced_level=1 start_date=2010 end_date=2015"),
                        "");
    assert_string_equal(told(domain, "isced_level=2 start_date=2013 end_date=2017", "isced_level=3 start_date=2018"),
                        "");
    assert_string_equal(told(domain, "isced_level=3 start_date=2018", "isced_level=8 start_date=2030"),
                        "LEVEL_SKIPPED");
    assert_string_equal(told(domain, "isced_level=0 start_date=2005 end_date=2009", "isced_level=1 start_date=2010"),
                        "");
    assert_string_equal(told(domain, "isced_level=7 start_date=2005", "isced_level=8 start_date=2010"), "");
}

static void test_enrolments_side_by_side(void **state) {
    ENROLMENTS("isced_level=2 start_date=2021-09-05 end_date=2022-05-31", "isced_level=2 start_date=2022-09-05", "");
    ENROLMENTS("isced_level=2 start_date=2021-09-05", "isced_level=2 start_date=2022-09-05", "ENROLMENTS_OVERLAP");
    ENROLMENTS("isced_level=2 start_date=2021-09-05 status=transferred", "isced_level=2 start_date=2022-09-05", "");
    ENROLMENTS("isced_level=6 start_date=2021-09-05", "isced_level=6 start_date=2022-09-05", "");
    ENROLMENTS("isced_level=2 start_date=2021-09-05 end_date=2022", "isced_level=2 start_date=2022-09-05", "");
    ENROLMENTS("isced_level=2 start_date=2021 end_date=2023", "isced_level=2 start_date=2022 end_date=2024",
               "ENROLMENTS_OVERLAP");
}

// One record by itself: whether it was there before.
static const char *told_alone(const char *text, const Dongbo__Record *before) {
    Neighbourhood hood = hood_of(DONGBO__DOMAIN__EDUCATION);
    ProtobufCMessage *body = body_of(hood.domain, text);
    return judged((Beside){.said = body, .after = body, .before = before, .tells = true, .hood = &hood});
}

static void test_graduation_without_enrolment(void **state) {
    Dongbo__Record before = DONGBO__RECORD__INIT;
    assert_string_equal(told_alone("isced_level=6 status=graduated", NULL), "GRADUATED_UNENROLLED");
    assert_string_equal(told_alone("isced_level=6 status=graduated start_date=2018", NULL), "");
    assert_string_equal(told_alone("isced_level=6 status=graduated", &before), "");
    assert_string_equal(told_alone("isced_level=6 status=enrolled", NULL), "");
    before.retracted = true;
    assert_string_equal(told_alone("isced_level=6 status=graduated", &before), "GRADUATED_UNENROLLED");
}

#define PERIODS(a, b, expected) PAIR(DONGBO__DOMAIN__SOCIAL_SECURITY, a, b, expected)

static void test_insurance_periods(void **state) {
    PERIODS("scheme=compulsory period_start=2021-01-01 period_end=2021-06-30",
            "scheme=compulsory period_start=2021-06-01", "SCHEME_OVERLAPS");
    PERIODS("scheme=compulsory period_start=2021-01-01 period_end=2021-06-30",
            "scheme=compulsory period_start=2021-07-01", "");
    PERIODS("scheme=compulsory period_start=2021-01-01 period_end=2021-06-30", "scheme=health period_start=2021-06-01",
            "");
    PERIODS("period_start=2021-01-01", "period_start=2021-06-01", "");
    PERIODS("scheme=compulsory period_start=2021-01-01 period_end=2021-06-30",
            "scheme=compulsory period_start=2021-08-01", "CONTRIBUTION_GAP");
    PERIODS("scheme=compulsory period_start=2021-01-01 period_end=2021-01-31",
            "scheme=compulsory period_start=2021-03-01", "CONTRIBUTION_GAP");
    PERIODS("scheme=compulsory period_start=2021-01-01 period_end=2021-06-30",
            "scheme=compulsory period_start=2021-07-20", "");
    PERIODS("scheme=compulsory period_start=2021-01-01 period_end=2021", "scheme=compulsory period_start=2023-01-01",
            "");
    PERIODS("scheme=health period_start=2021-01-01 period_end=2021-06-30", "scheme=health period_start=2022-01-01", "");
}

static void test_a_gap_that_is_filled(void **state) {
    Neighbourhood hood = hood_of(DONGBO__DOMAIN__SOCIAL_SECURITY);
    put(&hood, "a", "scheme=compulsory period_start=2020-01-01 period_end=2020-06-30");
    put(&hood, "b", "scheme=compulsory period_start=2020-07-01 period_end=2020-12-31");
    put(&hood, "c", "scheme=compulsory period_start=2021-07-01 period_end=2021-12-31");
    ProtobufCMessage *body = body_of(hood.domain, "scheme=compulsory period_start=2021-01-01 period_end=2021-06-30");
    assert_string_equal(judged((Beside){.said = body, .after = body, .hood = &hood}), "");
}

static void test_residences(void **state) {
    int domain = DONGBO__DOMAIN__RESIDENCE;
    PAIR(domain, "kind=permanent start_date=2019-01-01", "kind=permanent start_date=2021-01-01", "RESIDENCES_OVERLAP");
    PAIR(domain, "kind=permanent start_date=2019-01-01 end_date=2021-01-01", "kind=permanent start_date=2021-01-01",
         "");
    PAIR(domain, "kind=permanent start_date=2019-01-01 status=ended", "kind=permanent start_date=2021-01-01", "");
    PAIR(domain, "kind=permanent start_date=2019-01-01", "kind=permanent start_date=2021-01-01 status=applied", "");
    PAIR(domain, "kind=permanent start_date=2019-01-01", "kind=temporary start_date=2021-01-01", "");
}

static void test_accounts(void **state) {
    PAIR(DONGBO__DOMAIN__E_ID, "account_id=A status=active", "account_id=B status=registered", "ACCOUNT_SECOND");
    PAIR(DONGBO__DOMAIN__E_ID, "account_id=A status=closed", "account_id=B status=registered", "");
}

static const char *told_holder(const char *other, const char *own, int64_t person) {
    Neighbourhood hood = hood_of(DONGBO__DOMAIN__ELECTRICITY);
    Neighbourhood holders = {.of = {0, "PE01"}, .domain = hood.domain};
    ProtobufCMessage *body = body_of(hood.domain, own);
    assert_int_equal(neighbourhood_move(&holders, arena, (NeighbourName){person, "PE01"}, body_of(hood.domain, other)),
                     0);
    return judged((Beside){.name = {1, "PE01"}, .said = body, .after = body, .hood = &hood, .holders = &holders});
}

static void test_holders(void **state) {
    assert_string_equal(told_holder("status=active", "status=active", 2), "HOLDER_OTHER");
    assert_string_equal(told_holder("status=ended", "status=active", 2), "");
    assert_string_equal(told_holder("status=active", "status=ended", 2), "");
    assert_string_equal(told_holder("status=active", "status=active", 1), "");
}

static void test_too_many_are_not_judged(void **state) {
    Neighbourhood hood = hood_of(DONGBO__DOMAIN__HEALTH);
    for (int i = 0; i < NEIGHBOURS_MAX + 1; i++)
        put(&hood, arena_printf(arena, "%d", i), "vaccine_group=covid-19 dose_number=1 occurrence_date=2021-07-01");
    ProtobufCMessage *body = body_of(hood.domain, "vaccine_group=covid-19 dose_number=2 occurrence_date=2021-01-01");
    assert_string_equal(judged((Beside){.said = body, .after = body, .tells = true, .hood = &hood}),
                        "RECORDS_TOO_MANY");
    neighbourhood_begin(&hood); // what the batch added is none of the next batch's
    assert_int_equal(hood.n, 0);
    assert_false(neighbourhood_too_many(&hood));
}

static void add(Neighbourhood *hood, const char *key, int64_t position, const char *text, bool retracted) {
    Dongbo__Record record = DONGBO__RECORD__INIT;
    ProtobufCMessage *body = body_of(hood->domain, text);
    uint8_t packed[256], bytes[512];
    record.body = (ProtobufCBinaryData){protobuf_c_message_pack(body, packed), packed};
    record.retracted = retracted;
    NeighbourVersion version = {{1, key}, position, bytes, dongbo__record__pack(&record, bytes)};
    assert_int_equal(neighbourhood_add(hood, arena, &version), 0);
}

static const char *lot(Neighbourhood *hood, size_t n) {
    const ProtobufCMessage *body;
    assert_int_equal(neighbourhood_body(hood, n, arena, &body), 0);
    return body ? ((const Dongbo__Vaccination *)body)->lot_number : "none";
}

static void test_the_newest_version_stands(void **state) {
    Neighbourhood hood = hood_of(DONGBO__DOMAIN__HEALTH);
    add(&hood, "a", 5, "lot_number=five", false);
    add(&hood, "a", 3, "lot_number=three", false);
    add(&hood, "b", 4, "lot_number=four", true);
    assert_int_equal(hood.n, 2);
    assert_string_equal(lot(&hood, 0), "five");
    assert_string_equal(lot(&hood, 1), "none");
    put(&hood, "a", "lot_number=batch");
    put(&hood, "c", "lot_number=new");
    assert_string_equal(lot(&hood, 0), "batch");
    assert_string_equal(lot(&hood, 2), "new");
    neighbourhood_begin(&hood);
    assert_int_equal(hood.n, 2);
    assert_string_equal(lot(&hood, 0), "five");
    add(&hood, "a", 9, "lot_number=nine", false);
    assert_string_equal(lot(&hood, 0), "nine");
    assert_null(neighbourhood_find(&hood, (NeighbourName){1, "c"}));
}

int main(void) {
#define TEST(function) cmocka_unit_test_setup_teardown(function, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(test_doses_in_order),
        TEST(test_dose_intervals),
        TEST(test_doses_of_two_facilities),
        TEST(test_levels_of_education),
        TEST(test_enrolments_side_by_side),
        TEST(test_graduation_without_enrolment),
        TEST(test_insurance_periods),
        TEST(test_a_gap_that_is_filled),
        TEST(test_residences),
        TEST(test_accounts),
        TEST(test_holders),
        TEST(test_one_dose_told_twice),
        TEST(test_too_many_are_not_judged),
        TEST(test_the_newest_version_stands),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
