// SPDX-License-Identifier: Apache-2.0
//
// Message SubscriberRecord in both forms: the canonical mapping to the letter, and protobuf's bytes field by field.
// Nothing is written for what cannot be read. (test_formats.py reads both with Google's own library.)
#include "agents/record_message.h"

#include "proto/base/clock.h"
#include "proto/walk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static uint8_t body[128];
static const uint8_t ID[16] = {0xde, 0xad, 0xbe, 0xef, 0xff};

static Dongbo__FeedRecord record_make(void) {
    Dongbo__Vaccination vaccination = DONGBO__VACCINATION__INIT;
    vaccination.vaccine_group = (char *)"covid-19";
    vaccination.dose_number = 4294967295u;
    vaccination.lot_number = (char *)"F\"F";
    Dongbo__FeedRecord record = DONGBO__FEED_RECORD__INIT;
    record.position = 18446744073709551615ull;
    record.previous = 7;
    record.domain = DONGBO__DOMAIN__HEALTH;
    record.change = DONGBO__CHANGE_KIND__CHANGE_UPSERT;
    record.record_id = (ProtobufCBinaryData){16, (uint8_t *)ID};
    record.event_time_us = 1637723167123456;
    record.agency = (char *)"MOH";
    record.body = (ProtobufCBinaryData){dongbo__vaccination__pack(&vaccination, body), body};
    return record;
}

static void assert_json(const Dongbo__FeedRecord *record, const char *expected) {
    Bytes out = {0};
    assert_int_equal(record_message_append_json(record, NULL, &out), 0);
    bytes_append_u8(&out, 0);
    assert_string_equal((char *)out.data, expected);
    bytes_free(&out);
}

static void test_the_canonical_mapping(void **state) {
    uint32_t changed[] = {1, 4};
    Dongbo__FeedRecord record = record_make();
    record.citizen_number = (char *)"001099012345";
    record.person_id = (ProtobufCBinaryData){1, (uint8_t *)ID};
    record.changed_fields = changed;
    record.n_changed_fields = 2;
    assert_json(&record,
                "{\"position\":\"18446744073709551615\",\"domain\":\"HEALTH\",\"change\":\"CHANGE_UPSERT\","
                "\"recordId\":\"3q2+7/8AAAAAAAAAAAAAAA==\",\"personId\":\"3g==\",\"citizenNumber\":\"001099012345\","
                "\"eventTime\":\"2021-11-24T03:06:07.123456Z\",\"agency\":\"MOH\","
                "\"changed\":[\"vaccine_group\",\"lot_number\"],\"previous\":\"7\",\"health\":{\"vaccineGroup\":"
                "\"covid-19\",\"doseNumber\":4294967295,\"lotNumber\":\"F\\\"F\"}}\n");
}

static void test_with_its_origin(void **state) {
    const ProtobufCBinaryData origin = {5, (uint8_t *)"proof"};
    Dongbo__FeedRecord record = record_make();
    Bytes out = {0};
    assert_int_equal(record_message_append_json(&record, &origin, &out), 0);
    assert_non_null(memmem(out.data, out.n, ",\"origin\":\"cHJvb2Y=\",\"health\":", 30));
    bytes_clear(&out);
    assert_int_equal(record_message_append_delimited(&record, &origin, &out), 0);
    assert_non_null(memmem(out.data, out.n, "\x62\x05proof", 7)); // field 12
    size_t length = out.data[0] & 0x7f, at = 1;
    if (out.data[0] & 0x80)
        length |= (size_t)out.data[at++] << 7;
    assert_int_equal(length, out.n - at);
    bytes_free(&out);
}

static void test_what_is_absent_is_left_out(void **state) {
    Dongbo__FeedRecord record = DONGBO__FEED_RECORD__INIT;
    record.position = 1;
    record.domain = DONGBO__DOMAIN__E_ID;
    record.change = DONGBO__CHANGE_KIND__CHANGE_DELETE;
    assert_json(&record, "{\"position\":\"1\",\"domain\":\"E_ID\",\"change\":\"CHANGE_DELETE\","
                         "\"eventTime\":\"1970-01-01T00:00:00.000000Z\"}\n");
    uint8_t account[] = {0x0a, 1, 'x'};
    record.body = (ProtobufCBinaryData){sizeof account, account};
    assert_json(&record, "{\"position\":\"1\",\"domain\":\"E_ID\",\"change\":\"CHANGE_DELETE\","
                         "\"eventTime\":\"1970-01-01T00:00:00.000000Z\",\"eId\":{\"accountId\":\"x\"}}\n");
}

// The message behind its length, as a walk over it finds its fields.
static void assert_delimited(const Dongbo__FeedRecord *record, const unsigned *numbers, WalkField *fields) {
    Bytes out = {0};
    bytes_append_text(&out, "before");
    assert_int_equal(record_message_append_delimited(record, NULL, &out), 0);
    size_t n = 0;
    const uint8_t *at = out.data + 6, *end = out.data + out.n;
    for (unsigned shift = 0;; shift += 7) {
        n |= (size_t)(*at & 0x7f) << shift;
        if (!(*at++ & 0x80))
            break;
    }
    assert_int_equal(n, end - at);
    static uint8_t kept[1024];
    memcpy(kept, at, n);
    at = kept;
    for (; *numbers; numbers++, fields++) {
        assert_int_equal(walk_next(&at, kept + n, fields), 0);
        assert_int_equal(fields->number, *numbers);
    }
    assert_int_equal(walk_next(&at, kept + n, fields), 1);
    bytes_free(&out);
}

static void test_protobufs_bytes(void **state) {
    uint32_t changed[] = {4};
    Dongbo__FeedRecord record = record_make();
    record.changed_fields = changed;
    record.n_changed_fields = 1;
    record.person_id = record.record_id;
    WalkField fields[16];
    assert_delimited(&record, (unsigned[]){1, 2, 3, 4, 6, 7, 8, 10, 11, 22, 0}, fields);
    assert_int_equal(fields[0].value, record.position);
    assert_int_equal(fields[3].n, 16);
    assert_memory_equal(fields[4].data, "2021-11-24T03:06:07.123456Z", 27);
    assert_memory_equal(fields[6].data, "lot_number", 10);
    assert_int_equal(fields[8].n, 16);
    assert_int_equal(fields[9].n, record.body.len);
    assert_memory_equal(fields[9].data, body, record.body.len);
}

static void assert_unreadable(const Dongbo__FeedRecord *record) {
    Bytes out = {0};
    bytes_append_text(&out, "before");
    assert_int_equal(record_message_append_json(record, NULL, &out), 1);
    assert_int_equal(record_message_append_delimited(record, NULL, &out), 1);
    assert_int_equal(out.n, 6);
    bytes_free(&out);
}

static void test_refuses_what_it_cannot_read(void **state) {
    Dongbo__FeedRecord record = record_make();
    record.body.len--;
    assert_unreadable(&record);
    record = record_make();
    record.domain = 8;
    assert_unreadable(&record);
    record = record_make();
    record.change = DONGBO__CHANGE_KIND__CHANGE_UNSPECIFIED;
    assert_unreadable(&record);
    record = record_make();
    uint32_t changed = 30;
    record.changed_fields = &changed;
    record.n_changed_fields = 1;
    assert_unreadable(&record);
    static uint8_t unknown[] = {0xf2, 0x01, 1, 'x'}, odd[] = {0x12, 1, 'x'}, twice[] = {0x0a, 0, 0x0a, 0};
    ProtobufCBinaryData bodies[] = {{sizeof unknown, unknown}, {sizeof odd, odd}, {sizeof twice, twice}};
    for (size_t i = 0; i < 3; i++) {
        record = record_make();
        record.body = bodies[i];
        assert_unreadable(&record);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_canonical_mapping),       cmocka_unit_test(test_with_its_origin),
        cmocka_unit_test(test_what_is_absent_is_left_out),  cmocka_unit_test(test_protobufs_bytes),
        cmocka_unit_test(test_refuses_what_it_cannot_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
