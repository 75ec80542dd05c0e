// SPDX-License-Identifier: Apache-2.0
//
// A dose as a FHIR Immunization: the whole of it to the letter, systems of codes, the patient as far as granted, and
// what is left of a withdrawn one. (test_sinks.py holds it against FHIR's own definition.)
#include "agents/record_fhir.h"

#include "proto/base/error.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static uint8_t body[256];
static const uint8_t ID[2] = {0xde, 0xad};

static Dongbo__FeedRecord record_make(const char *product) {
    Dongbo__Vaccination vaccination = DONGBO__VACCINATION__INIT;
    vaccination.vaccine_group = (char *)"covid-19";
    vaccination.dose_number = 2;
    vaccination.product_code = (char *)product;
    vaccination.lot_number = (char *)"F\"F";
    vaccination.occurrence_date = (char *)"2021-11";
    vaccination.facility_code = (char *)"01-001";
    vaccination.status = (char *)"not-done";
    Dongbo__FeedRecord record = DONGBO__FEED_RECORD__INIT;
    record.position = 7;
    record.domain = DONGBO__DOMAIN__HEALTH;
    record.change = DONGBO__CHANGE_KIND__CHANGE_UPSERT;
    record.record_id = (ProtobufCBinaryData){2, (uint8_t *)ID};
    record.agency = (char *)"MOH";
    record.body = (ProtobufCBinaryData){dongbo__vaccination__pack(&vaccination, body), body};
    return record;
}

// The line, closed by a 0; free it.
static char *line_of(const Dongbo__FeedRecord *record) {
    Bytes out = {0};
    assert_int_equal(record_fhir_append(record, &out), 0);
    bytes_append_u8(&out, 0);
    return (char *)out.data;
}

static void assert_says(const Dongbo__FeedRecord *record, const char *part) {
    char *line = line_of(record);
    json_t *json = json_loads(line, 0, NULL);
    assert_non_null(json);
    json_decref(json);
    if (!strstr(line, part))
        fail_msg("%s does not say %s", line, part);
    free(line);
}

static void test_the_whole_of_it(void **state) {
    Dongbo__FeedRecord record = record_make("EU/1/20/1528");
    record.citizen_number = (char *)"001099012345";
    char *line = line_of(&record);
    assert_string_equal(
        line,
        "{\"resourceType\":\"Immunization\",\"id\":\"dead\",\"meta\":{\"versionId\":\"7\",\"tag\":["
        "{\"system\":\"urn:x-dongbo:change\",\"code\":\"upsert\"},{\"system\":\"urn:x-dongbo:agency\",\"code\":"
        "\"MOH\"}]},\"identifier\":[{\"system\":\"urn:x-dongbo:record\",\"value\":\"dead\"}],\"status\":\"not-done\","
        "\"vaccineCode\":{\"coding\":[{\"system\":\"https://ec.europa.eu/health/documents/community-register/html/\","
        "\"code\":\"EU/1/20/1528\"}]},\"patient\":{\"type\":\"Patient\",\"identifier\":{\"system\":"
        "\"urn:x-dongbo:citizen-number\",\"value\":\"001099012345\"}},\"occurrenceDateTime\":\"2021-11\","
        "\"lotNumber\":\"F\\\"F\",\"performer\":[{\"actor\":{\"type\":\"Organization\",\"identifier\":{\"system\":"
        "\"urn:x-dongbo:facility\",\"value\":\"01-001\"}}}],\"protocolApplied\":[{\"targetDisease\":[{\"coding\":["
        "{\"system\":\"urn:x-dongbo:vaccine-group\",\"code\":\"covid-19\"},{\"system\":\"http://snomed.info/sct\","
        "\"code\":\"840539006\"}]}],\"doseNumberPositiveInt\":2}]}\n");
    free(line);
}

static void test_systems_of_codes(void **state) {
    Dongbo__FeedRecord record = record_make("208");
    assert_says(&record,
                "\"vaccineCode\":{\"coding\":[{\"system\":\"http://hl7.org/fhir/sid/cvx\",\"code\":\"208\"}]}");
    record = record_make("Sputnik-V");
    assert_says(&record, "\"system\":\"http://ec.europa.eu/temp/vaccineproductname\",\"code\":\"Sputnik-V\"");
    record = record_make("");
    assert_says(&record, "\"vaccineCode\":{\"coding\":[{\"system\":\"urn:x-dongbo:vaccine-group\",");
}

static void test_the_patient_as_far_as_granted(void **state) {
    Dongbo__FeedRecord record = record_make("208");
    assert_says(&record, "\"patient\":{\"display\":\"withheld\"}");
    record.person_id = record.record_id;
    assert_says(&record, "\"identifier\":{\"system\":\"urn:x-dongbo:person\",\"value\":\"dead\"}}");
}

static void test_what_is_left_of_a_withdrawn_one(void **state) {
    Dongbo__FeedRecord record = record_make("208");
    record.change = DONGBO__CHANGE_KIND__CHANGE_DELETE;
    assert_says(&record, "\"status\":\"entered-in-error\"");
    record.body.len = 0;
    assert_says(&record, "\"status\":\"entered-in-error\",\"vaccineCode\":{\"text\":\"withdrawn\"},\"patient\":"
                         "{\"display\":\"withheld\"},\"occurrenceString\":\"withdrawn\"}\n");
    record = record_make("208");
    record.change = DONGBO__CHANGE_KIND__CHANGE_LEFT;
    assert_says(&record, "\"code\":\"left\"");
    assert_says(&record, "\"status\":\"not-done\"");
}

static void test_refuses_what_is_no_vaccination(void **state) {
    Bytes out = {0};
    Dongbo__FeedRecord record = record_make("208");
    record.domain = DONGBO__DOMAIN__EDUCATION;
    assert_int_equal(record_fhir_append(&record, &out), 1);
    record = record_make("208");
    record.body.len--;
    assert_int_equal(record_fhir_append(&record, &out), 1);
    assert_int_equal(out.n, 0);
}

static void test_needs_what_fhir_needs(void **state) {
    static char *const ALL[] = {(char *)"citizen_number", (char *)"health.status", (char *)"health.occurrence_date",
                                (char *)"health.product_code", (char *)"e_id.level"};
    assert_int_equal(record_fhir_grant(ALL, 4), 0);
    assert_int_equal(record_fhir_grant(ALL, 3), ERROR_CONFIG);
    assert_int_equal(record_fhir_grant(ALL + 2, 2), ERROR_CONFIG);
    assert_int_equal(record_fhir_grant(ALL, 5), ERROR_CONFIG);
    assert_non_null(strstr(error_text(), "e_id.level"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_whole_of_it),
        cmocka_unit_test(test_systems_of_codes),
        cmocka_unit_test(test_the_patient_as_far_as_granted),
        cmocka_unit_test(test_what_is_left_of_a_withdrawn_one),
        cmocka_unit_test(test_refuses_what_is_no_vaccination),
        cmocka_unit_test(test_needs_what_fhir_needs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
