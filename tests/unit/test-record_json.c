// SPDX-License-Identifier: Apache-2.0
//
// Lines of JSON: the documented form to the letter, any text escaped so that jansson reads the same back, and nothing
// written for what cannot be read.
#include "agents/record_json.h"

#include "proto/domain.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static const uint8_t ID[16] = {0xde, 0xad, 0xbe, 0xef};

static Dongbo__FeedRecord record_make(uint8_t *body, const char *lot) {
    Dongbo__Vaccination vaccination = DONGBO__VACCINATION__INIT;
    vaccination.vaccine_group = (char *)"COVID-19";
    vaccination.dose_number = 4294967295u;
    vaccination.lot_number = (char *)lot;
    Dongbo__FeedRecord record = DONGBO__FEED_RECORD__INIT;
    record.position = 18446744073709551615ull;
    record.domain = DONGBO__DOMAIN__HEALTH;
    record.change = DONGBO__CHANGE_KIND__CHANGE_UPSERT;
    record.record_id = (ProtobufCBinaryData){16, (uint8_t *)ID};
    record.event_time_us = 1637723167123456;
    record.agency = (char *)"MOH";
    record.body = (ProtobufCBinaryData){dongbo__vaccination__pack(&vaccination, body), body};
    return record;
}

static void test_the_documented_form(void **state) {
    uint8_t body[128];
    uint32_t changed[] = {1, 4};
    Dongbo__FeedRecord record = record_make(body, "FF3318");
    record.citizen_number = (char *)"001099012345";
    record.person_id = (ProtobufCBinaryData){3, (uint8_t[]){0xab, 0xcd, 0x01}};
    record.changed_fields = changed;
    record.n_changed_fields = 2;
    Bytes out = {0};
    assert_int_equal(record_json_append(&record, NULL, &out), 0);
    bytes_append_u8(&out, 0);
    assert_string_equal(
        (char *)out.data,
        "{\"position\":18446744073709551615,\"domain\":\"health\",\"change\":\"upsert\","
        "\"record\":\"deadbeef000000000000000000000000\",\"citizen_number\":\"001099012345\","
        "\"person\":\"abcd01\",\"agency\":\"MOH\",\"event_time\":\"2021-11-24T03:06:07.123456Z\",\"fields\":"
        "{\"vaccine_group\":\"COVID-19\",\"dose_number\":4294967295,\"lot_number\":\"FF3318\"},"
        "\"changed\":[\"vaccine_group\",\"lot_number\"]}\n");
    bytes_free(&out);
}

static void test_with_its_origin(void **state) {
    uint8_t stream[STREAM_BYTES] = {0x5a}, leaf[HASH_BYTES] = {0x1f};
    RecordOrigin origin = {.proof = {5, (uint8_t *)"proof"},
                           .key_id = "21fe31dfa154a261",
                           .stream = stream,
                           .sequence = 17,
                           .sealed_at_us = 1646096400000000,
                           .leaf = leaf,
                           .has_event = true};
    Dongbo__FeedRecord record = record_make((uint8_t[128]){0}, "A");
    const char *expected = "\"changed\":[],\"origin\":{\"key\":\"21fe31dfa154a261\","
                           "\"stream\":\"5a000000000000000000000000000000\",\"sequence\":17,"
                           "\"sealed_at\":\"2022-03-01T01:00:00.000000Z\","
                           "\"leaf\":\"1f00000000000000000000000000000000000000000000000000000000000000\","
                           "\"event\":true,\"proof\":\"cHJvb2Y=\"}}\n";
    Bytes out = {0};
    assert_int_equal(record_json_append(&record, &origin, &out), 0);
    assert_non_null(memmem(out.data, out.n, expected, strlen(expected)));
    origin.has_event = false;
    origin.erased = 99;
    bytes_clear(&out);
    assert_int_equal(record_json_append(&record, &origin, &out), 0);
    assert_non_null(memmem(out.data, out.n, "\"event\":false,\"erased\":99,\"proof\"", 33));
    bytes_free(&out);
}

static void test_a_deletion(void **state) {
    Dongbo__FeedRecord record = record_make((uint8_t[128]){0}, "");
    record.change = DONGBO__CHANGE_KIND__CHANGE_DELETE;
    record.body.len = 0;
    Bytes out = {0};
    assert_int_equal(record_json_append(&record, NULL, &out), 0);
    assert_non_null(memmem(out.data, out.n, "\"change\":\"delete\"", 17));
    assert_non_null(memmem(out.data, out.n, "\"fields\":{},\"changed\":[]}\n", 26));
    assert_null(memmem(out.data, out.n, "citizen_number", 14));
    assert_null(memmem(out.data, out.n, "\"person\"", 8));
    static const char *const NAMES[] = {NULL, "upsert", "delete", "entered", "left", NULL};
    for (int change = 0; change < 6; change++) {
        char name[32] = "";
        record.change = (Dongbo__ChangeKind)change;
        bytes_clear(&out);
        assert_int_equal(record_json_append(&record, NULL, &out), NAMES[change] == NULL);
        if (NAMES[change] != NULL)
            snprintf(name, sizeof name, "\"change\":\"%s\"", NAMES[change]);
        assert_true(NAMES[change] == NULL || memmem(out.data, out.n, name, strlen(name)) != NULL);
    }
    bytes_free(&out);
}

static void test_any_text_comes_back(void **state) {
    const char *texts[] = {"Đỗ Thị Hoà", "a\"b\\c", "\x01\x1f\t\r\n", "𝔘nicode", "/", "\x7f"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        uint8_t body[128];
        Dongbo__FeedRecord record = record_make(body, texts[i]);
        Bytes out = {0};
        assert_int_equal(record_json_append(&record, NULL, &out), 0);
        assert_ptr_equal(memchr(out.data, '\n', out.n), out.data + out.n - 1);
        record.position = 1; // jansson's integers are signed
        bytes_clear(&out);
        assert_int_equal(record_json_append(&record, NULL, &out), 0);
        json_t *json = json_loadb((char *)out.data, out.n, 0, NULL);
        assert_non_null(json);
        const char *lot = json_string_value(json_object_get(json_object_get(json, "fields"), "lot_number"));
        assert_string_equal(lot, texts[i]);
        json_decref(json);
        bytes_free(&out);
    }
}

static void test_refuses_what_it_cannot_read(void **state) {
    uint8_t body[128];
    Bytes out = {0};
    bytes_append_text(&out, "before");
    Dongbo__FeedRecord record = record_make(body, "FF3318");
    record.body.len--;
    assert_int_equal(record_json_append(&record, NULL, &out), 1);
    record = record_make(body, "FF3318");
    record.domain = 8;
    assert_int_equal(record_json_append(&record, NULL, &out), 1);
    record = record_make(body, "FF3318");
    record.change = DONGBO__CHANGE_KIND__CHANGE_UNSPECIFIED;
    assert_int_equal(record_json_append(&record, NULL, &out), 1);
    record = record_make(body, "FF3318");
    uint32_t changed = 30;
    record.changed_fields = &changed;
    record.n_changed_fields = 1;
    assert_int_equal(record_json_append(&record, NULL, &out), 1);
    uint8_t unknown[] = {0xf2, 0x01, 1, 'x'}, odd[] = {0x12, 1, 'x'}; // field 30; a text where a number belongs
    record = record_make(body, "");
    record.body = (ProtobufCBinaryData){sizeof unknown, unknown};
    assert_int_equal(record_json_append(&record, NULL, &out), 1);
    record.body = (ProtobufCBinaryData){sizeof odd, odd};
    assert_int_equal(record_json_append(&record, NULL, &out), 1);
    assert_int_equal(out.n, 6);
    bytes_free(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_documented_form),
        cmocka_unit_test(test_with_its_origin),
        cmocka_unit_test(test_a_deletion),
        cmocka_unit_test(test_any_text_comes_back),
        cmocka_unit_test(test_refuses_what_it_cannot_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
