// SPDX-License-Identifier: Apache-2.0
//
// What a receiver writes of a record of each domain and change, in both forms, is read back as the record that it was;
// and what no receiver writes is not read.
#include "operators/received_line.h"

#include "agents/record_json.h"
#include "agents/record_message.h"
#include "proto/base/error.h"
#include "proto/bounds.h"
#include "proto/domain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define AT 1637723167123456
#define POSITION INT64_C(9007199254740993) // beyond what a double holds

static Arena *arena;
static const uint8_t ID[16] = {0xde, 0xad, 0xbe, 0xef, 0xff};
static uint8_t packed[1024];

static int set_up(void **state) {
    return arena_new(&arena, BATCH_ARENA_BYTES);
}

static int tear_down(void **state) {
    arena_destroy(&arena);
    return 0;
}

// With every field of its domain.
static Dongbo__FeedRecord record_make(int domain, int change) {
    static uint32_t changed[] = {1, 2};
    const ProtobufCMessageDescriptor *descriptor = domain_descriptor(domain);
    ProtobufCMessage *body = arena_alloc(arena, descriptor->sizeof_message);
    assert_non_null(body);
    protobuf_c_message_init(descriptor, body);
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        bool is_text = descriptor->fields[i].type == PROTOBUF_C_TYPE_STRING;
        assert_int_equal(
            field_set_text(body, descriptor->fields[i].id, is_text ? "Đặng \"A\" \\ /\u2028" : "4294967295"), 0);
    }
    Dongbo__FeedRecord record = DONGBO__FEED_RECORD__INIT;
    record.position = POSITION;
    record.domain = (Dongbo__Domain)domain;
    record.change = (Dongbo__ChangeKind)change;
    record.record_id = record.person_id = (ProtobufCBinaryData){sizeof ID, (uint8_t *)ID};
    record.citizen_number = (char *)"001099012345";
    record.agency = (char *)"MOH";
    record.event_time_us = AT;
    record.changed_fields = changed;
    record.n_changed_fields = 2;
    if (!change_lets_go(change))
        record.body = (ProtobufCBinaryData){protobuf_c_message_pack(body, packed), packed};
    return record;
}

static json_t *line_of(const Dongbo__FeedRecord *record, bool is_plain) {
    Bytes out = {0};
    if (is_plain)
        assert_int_equal(record_json_append(record, NULL, &out), 0);
    else
        assert_int_equal(record_message_append_json(record, NULL, &out), 0);
    json_t *line = json_loadb((const char *)out.data, out.n, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(line);
    bytes_free(&out);
    return line;
}

static void assert_same(const Dongbo__FeedRecord *record, const ReceivedLine *line) {
    const Dongbo__FeedRecord *read = &line->record;
    assert_false(line->is_border);
    assert_null(line->proof);
    assert_int_equal(read->position, record->position);
    assert_int_equal(read->domain, record->domain);
    assert_int_equal(read->change, record->change);
    assert_string_equal(read->citizen_number, record->citizen_number);
    assert_string_equal(read->agency, record->agency);
    assert_int_equal(read->event_time_us, record->event_time_us);
    assert_int_equal(read->n_changed_fields, record->n_changed_fields);
    assert_memory_equal(read->changed_fields, record->changed_fields, record->n_changed_fields * sizeof(uint32_t));
    assert_int_equal(read->body.len, record->body.len);
    if (record->body.len)
        assert_memory_equal(read->body.data, record->body.data, record->body.len);
}

static void test_what_was_written_is_read(void **state) {
    for (int domain = DOMAIN_MIN; domain <= DOMAIN_MAX; domain++) {
        for (int change = 1; change_name(change); change++) {
            for (int is_plain = 0; is_plain < 2; is_plain++) {
                ReceivedLine line;
                arena_reset(arena);
                Dongbo__FeedRecord record = record_make(domain, change);
                json_t *text = line_of(&record, is_plain);
                assert_int_equal(received_line_read(text, arena, &line), 0);
                assert_same(&record, &line);
                json_decref(text);
            }
        }
    }
}

// Each key of a line: without it, if it is needed, and with every value that it never has.
static void test_what_nobody_writes_is_not_read(void **state) {
    static const char *const NEVER[] = {"null", "true", "1.5", "-1", "0",      "\"\"",     "\"x\"",
                                        "[1]",  "[[]]", "{}",  "99", "[\"\"]", "{\"x\":1}"};
    static const char *const NEEDED = "position domain change record recordId event_time eventTime fields changed";
    for (int is_plain = 0; is_plain < 2; is_plain++) {
        Dongbo__FeedRecord record = record_make(DONGBO__DOMAIN__SOCIAL_SECURITY, 1);
        json_t *whole = line_of(&record, is_plain), *value;
        const char *name;
        ReceivedLine line;
        json_object_foreach(whole, name, value) {
            json_t *changed = json_deep_copy(whole);
            for (size_t i = 0; i < sizeof NEVER / sizeof *NEVER; i++) {
                json_t *never = json_loads(NEVER[i], JSON_DECODE_ANY, NULL);
                bool may = (json_is_string(value) && json_is_string(never) &&
                            strstr("agency citizen_number citizenNumber", name) && *json_string_value(never)) ||
                           (json_is_integer(value) && json_integer_value(never) > 0) ||
                           (json_is_object(value) && json_is_object(never) && json_object_size(never) == 0);
                json_object_set_new(changed, name, never);
                if (received_line_read(changed, arena, &line) != (may ? 0 : 1))
                    fail_msg("%s: %s", name, NEVER[i]);
                assert_true(may || line.wrong != NULL);
            }
            json_object_del(changed, name);
            bool is_needed = strstr(NEEDED, name) && (is_plain || strcmp(name, "changed") != 0);
            assert_int_equal(received_line_read(changed, arena, &line), is_needed);
            json_decref(changed);
        }
        json_decref(whole);
    }
}

static void assert_border(const char *text, bool is_border) {
    ReceivedLine line;
    json_t *json = json_loads(text, 0, NULL);
    assert_non_null(json);
    assert_int_equal(received_line_read(json, arena, &line), is_border ? 0 : 1);
    assert_int_equal(line.is_border, is_border);
    json_decref(json);
}

static void test_borders_of_snapshots(void **state) {
    assert_border("{\"snapshot\":\"begin\",\"first\":17}", true);
    assert_border("{\"snapshot\":\"end\",\"first\":0}", true);
    assert_border("{\"snapshot\":\"end\"}", false);
    assert_border("{\"snapshot\":\"now\",\"first\":17}", false);
    assert_border("{\"snapshot\":\"begin\",\"first\":\"17\"}", false);
    assert_border("{\"snapshot\":\"begin\",\"first\":17,\"position\":18}", false);
    assert_border("{}", false);
}

static void test_base64(void **state) {
    uint8_t *bytes;
    assert_int_equal(received_line_decode("AQID", arena, &bytes), 3);
    assert_int_equal(received_line_decode("AQ==", arena, &bytes), 1);
    assert_int_equal(bytes[0], 1);
    assert_int_equal(received_line_decode("", arena, &bytes), -1);
    assert_int_equal(received_line_decode("AQI", arena, &bytes), -1);
    assert_int_equal(received_line_decode("A!ID", arena, &bytes), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_what_was_written_is_read),
                                       cmocka_unit_test(test_what_nobody_writes_is_not_read),
                                       cmocka_unit_test(test_borders_of_snapshots), cmocka_unit_test(test_base64)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
