// SPDX-License-Identifier: Apache-2.0
//
// The walk over wire bytes: what it lets through, each thing it refuses and by which name, and that protobuf-c accepts
// all that passed. Truncations and bit flips of a whole event are tried one by one.
#include "event.pb-c.h"
#include "proto/base/bytes.h"
#include "proto/base/error.h"
#include "proto/bounds.h"
#include "proto/check.h"
#include "wire.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#define EVENT &dongbo__change_event__descriptor

static void pack_event(Bytes *out, const char *name) {
    Dongbo__Subject subject = DONGBO__SUBJECT__INIT;
    subject.citizen_number = (char *)"001099012345";
    subject.full_name = (char *)name;
    subject.birth_date = (char *)"1999-05-01";
    subject.sex = (char *)"male";
    subject.residence_province = (char *)"01";
    Dongbo__Vaccination dose = DONGBO__VACCINATION__INIT;
    dose.vaccine_group = (char *)"COVID-19";
    dose.dose_number = 2;
    dose.product_code = (char *)"EU/1/20/1528";
    dose.lot_number = (char *)"FK9900-77";
    dose.occurrence_date = (char *)"2022-03-01";
    dose.facility_code = (char *)"01234";
    dose.status = (char *)"completed";
    uint32_t cleared[2] = {3, 300};
    Dongbo__ChangeEvent event = DONGBO__CHANGE_EVENT__INIT;
    event.event_id = (ProtobufCBinaryData){.len = 16, .data = (uint8_t *)"0123456789abcdef"};
    event.schema_version = 1;
    event.operation = DONGBO__OPERATION__UPSERT;
    event.event_time_us = 1646096400000000;
    event.source_key = (char *)"row-000123";
    event.subject = &subject;
    event.cleared_fields = cleared;
    event.n_cleared_fields = 2;
    event.body_case = DONGBO__CHANGE_EVENT__BODY_HEALTH;
    event.health = &dose;
    bytes_append_message(out, &event.base);
    assert_false(out->failed);
}

static void test_a_whole_event_passes(void **state) {
    CLEANUP(bytes_free) Bytes bytes = {0};
    pack_event(&bytes, "Nguyễn Thị Hoà");
    char field[64];
    assert_int_equal(check_message(EVENT, &CHECK_EVENT, bytes.data, bytes.n, field), 0);
    assert_string_equal(field, "");
    assert_int_equal(check_message(EVENT, &CHECK_EVENT, NULL, 0, field), 0);
}

typedef struct Case {
    const char *what;
    const char *hex;
    int expected;
    const char *field;
} Case;

static const Case CASES[] = {
    {"tag cut", "80", 1, ""},
    {"tag of eleven bytes", "ffffffffffffffffffff01", 1, ""},
    {"field number zero", "0001", 1, ""},
    {"tag beyond 32 bits",
     "8080808010"
     "01",
     1, ""},
    {"value cut", "10", 1, "schema_version"},
    {"varint not in its shortest form", "108100", 1, "schema_version"},
    {"tag not in its shortest form", "900001", 1, ""},
    {"length not in its shortest form", "0a8000", 1, "event_id"},
    {"uint32 of 33 bits", "108080808010", 1, "schema_version"},
    {"the greatest uint32", "10ffffffff0f", 0, ""},
    {"varint beyond 64 bits", "20ffffffffffffffffff02", 1, "event_time_us"},
    {"minus one as int64", "20ffffffffffffffffff01", 0, ""},
    {"minus one as enum", "18ffffffffffffffffff01", 0, ""},
    {"enum beyond int32", "188080808008", 1, "operation"},
    {"unknown enum value is not our matter", "187f", 0, ""},
    {"length beyond the end", "0a05", 1, "event_id"},
    {"length beyond the end by far", "0affffffffffffffffff01", 1, "event_id"},
    {"length beyond the inner message", "32030a0531", 1, "subject.citizen_number"},
    {"length beyond the inner message, not the outer", "32020a032a0131", 1, "subject.citizen_number"},
    {"group start", "0b", 1, "event_id"},
    {"unknown group start", "a301", 1, ""},
    {"unknown group end", "a401", 1, ""},
    {"wire type 6", "a601", 1, ""},
    {"varint where bytes belong", "0801", 1, "event_id"},
    {"bytes where a varint belongs", "120101", 1, "schema_version"},
    {"fixed where a varint belongs", "1501000000", 1, "schema_version"},
    {"unknown varint, bytes, fixed64, fixed32",
     "a0060a"
     "a20601ff"
     "a1060000000000000000"
     "a50600000000",
     0, ""},
    {"unknown fixed64 cut", "a10600000000000000", 1, ""},
    {"unknown fixed32 cut", "a506000000", 1, ""},
    {"unknown inside subject is named by the message", "3202a106", 1, "subject"},
    {"field twice", "10011001", 1, "schema_version"},
    {"message twice", "32003200", 1, "subject"},
    {"two bodies", "5a006200", 1, "health"},
    {"two bodies, later one first", "62005a00", 1, "population"},
    {"fields out of order", "32001001", 0, ""},
    {"packed", "3a020103", 0, ""},
    {"not packed", "38013803", 0, ""},
    {"packed element cut", "3a0280", 1, "cleared_fields"},
    {"packed element cut inside", "3a020180", 1, "cleared_fields"},
    {"packed element of 33 bits", "3a058080808010", 1, "cleared_fields"},
    {"packed and empty", "3a00", 0, ""},
    {"NUL in a string", "2a0100", 3, "source_key"},
    {"new line in a string", "2a026100", 3, "source_key"},
    {"DEL in a string", "2a0161", 0, ""},
    {"DEL", "2a017f", 3, "source_key"},
    {"not UTF-8", "2a01ff", 3, "source_key"},
    {"UTF-8 cut", "2a02c3", 1, "source_key"},
    {"overlong UTF-8", "2a02c080", 3, "source_key"},
    {"C1 control character", "2a02c285", 3, "source_key"},
    {"surrogate", "2a03eda080", 3, "source_key"},
    {"not UTF-8, in the body", "62060a0461c3c361", 3, "health.vaccine_group"},
};

static void test_cases(void **state) {
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        uint8_t data[64];
        size_t n = strlen(CASES[i].hex) / 2;
        assert_int_equal(hex_decode(CASES[i].hex, data, n), 0);
        // A block of just that size, so that a sanitizer sees any byte read beyond it.
        uint8_t *exact = malloc(n);
        memcpy(exact, data, n);
        char field[64];
        int r = check_message(EVENT, &CHECK_EVENT, exact, n, field);
        free(exact);
        if (r != CASES[i].expected || strcmp(field, CASES[i].field) != 0)
            fail_msg("%s: %d %s", CASES[i].what, r, field);
    }
}

// field number 5 (source_key) with n bytes.
static void append_text(Bytes *out, size_t n, char c) {
    bytes_append_u8(out, 5 << 3 | 2);
    bytes_append_u8(out, (uint8_t)(0x80 | (n & 0x7F)));
    bytes_append_u8(out, (uint8_t)(n >> 7));
    memset(bytes_reserve(out, n), c, n);
    out->n += n;
}

static void test_string_limit(void **state) {
    char field[64];
    CLEANUP(bytes_free) Bytes bytes = {0};
    append_text(&bytes, TEXT_BYTES_MAX, 'a');
    assert_int_equal(check_message(EVENT, &CHECK_EVENT, bytes.data, bytes.n, field), 0);
    bytes_clear(&bytes);
    append_text(&bytes, TEXT_BYTES_MAX + 1, 'a');
    assert_int_equal(check_message(EVENT, &CHECK_EVENT, bytes.data, bytes.n, field), 2);
    assert_string_equal(field, "source_key");
}

// Every control character at every place in a long string: the eight-at-a-time path must not miss one.
static void test_control_characters_anywhere(void **state) {
    CLEANUP(bytes_free) Bytes bytes = {0};
    append_text(&bytes, 131, ' ');
    for (size_t at = 3; at < bytes.n; at++)
        for (unsigned c = 0; c < 128; c++) {
            bytes.data[at] = (uint8_t)c;
            int expected = c < 0x20 || c == 0x7F ? 3 : 0;
            assert_int_equal(check_message(EVENT, &CHECK_EVENT, bytes.data, bytes.n, NULL), expected);
            bytes.data[at] = ' ';
        }
}

static void test_bytes_limit(void **state) {
    char field[64];
    CLEANUP(bytes_free) Bytes bytes = {0};
    append_text(&bytes, TEXT_BYTES_MAX, 'a');
    bytes.data[0] = 1 << 3 | 2; // event_id
    assert_int_equal(check_message(EVENT, &CHECK_EVENT, bytes.data, bytes.n, field), 0);
    bytes_clear(&bytes);
    append_text(&bytes, TEXT_BYTES_MAX + 1, 'a');
    bytes.data[0] = 1 << 3 | 2;
    assert_int_equal(check_message(EVENT, &CHECK_EVENT, bytes.data, bytes.n, field), 2);
    assert_string_equal(field, "event_id");
    bytes.data[0] = 10 << 3 | 2; // unknown, and limited all the same
    assert_int_equal(check_message(EVENT, &CHECK_EVENT, bytes.data, bytes.n, field), 2);
}

static void test_bool_is_one_bit(void **state) {
    static const uint8_t two[] = {8 << 3, 2}, one[] = {8 << 3, 1};
    char field[64];
    assert_int_equal(check_message(&dongbo__receipt_body__descriptor, &CHECK_WIRE, one, 2, field), 0);
    assert_int_equal(check_message(&dongbo__receipt_body__descriptor, &CHECK_WIRE, two, 2, field), 1);
    assert_string_equal(field, "duplicate");
}

static void test_field_count_limit(void **state) {
    CLEANUP(bytes_free) Bytes bytes = {0};
    for (int i = 0; i < EVENT_FIELDS_MAX; i++)
        bytes_append(&bytes, "\xa0\x06\x01", 3); // field 100, unknown
    assert_int_equal(check_message(EVENT, &CHECK_EVENT, bytes.data, bytes.n, NULL), 0);
    bytes_append(&bytes, "\x10\x01", 2);
    assert_int_equal(check_message(EVENT, &CHECK_EVENT, bytes.data, bytes.n, NULL), 2);
}

static void test_repeated_limit(void **state) {
    CLEANUP(bytes_free) Bytes bytes = {0};
    for (int i = 0; i < CLEARED_FIELDS_MAX - 2; i++)
        bytes_append(&bytes, "\x38\x01", 2);
    bytes_append(&bytes, "\x3a\x02\x01\x01", 4); // two more, packed
    char field[64];
    assert_int_equal(check_message(EVENT, &CHECK_EVENT, bytes.data, bytes.n, field), 0);
    bytes_append(&bytes, "\x38\x01", 2);
    assert_int_equal(check_message(EVENT, &CHECK_EVENT, bytes.data, bytes.n, field), 2);
    assert_string_equal(field, "cleared_fields");
}

static void test_depth_limit(void **state) {
    CLEANUP(bytes_free) Bytes bytes = {0};
    bytes_append(&bytes, "\x12\x06\x22\x04\x12\x02hi", 8); // Verdicts, EventVerdict, Reason, field
    CheckLimits limits = CHECK_WIRE;
    limits.depth_max = 3;
    char field[64];
    assert_int_equal(check_message(&dongbo__verdicts__descriptor, &limits, bytes.data, bytes.n, field), 0);
    limits.depth_max = 2;
    assert_int_equal(check_message(&dongbo__verdicts__descriptor, &limits, bytes.data, bytes.n, field), 2);
    assert_string_equal(field, "verdicts.reasons");
}

// What passed must unpack; and nothing may be read outside the block (a sanitizer watches).
static void check_and_unpack(const uint8_t *data, size_t n) {
    uint8_t *exact = malloc(n > 0 ? n : 1);
    memcpy(exact, data, n);
    char field[64];
    int r = check_message(EVENT, &CHECK_EVENT, exact, n, field);
    assert_true(r >= 0 && r <= 3);
    if (r == 0) {
        Dongbo__ChangeEvent *event = dongbo__change_event__unpack(NULL, n, exact);
        assert_non_null(event);
        dongbo__change_event__free_unpacked(event, NULL);
    }
    free(exact);
}

static void test_every_truncation(void **state) {
    CLEANUP(bytes_free) Bytes bytes = {0};
    pack_event(&bytes, "Đặng Văn Ấn");
    for (size_t n = 0; n < bytes.n; n++)
        check_and_unpack(bytes.data, n);
}

static void test_every_bit_flip(void **state) {
    CLEANUP(bytes_free) Bytes bytes = {0};
    pack_event(&bytes, "Đặng Văn Ấn");
    for (size_t bit = 0; bit < 8 * bytes.n; bit++) {
        bytes.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        check_and_unpack(bytes.data, bytes.n);
        bytes.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

static void test_random_damage(void **state) {
    CLEANUP(bytes_free) Bytes bytes = {0}, damaged = {0};
    pack_event(&bytes, "Đặng Văn Ấn");
    unsigned seed = 20220301;
    for (int round = 0; round < 20000; round++) {
        bytes_clear(&damaged);
        bytes_append(&damaged, bytes.data, bytes.n);
        for (int i = rand_r(&seed) % 6; i >= 0; i--)
            damaged.data[(size_t)rand_r(&seed) % damaged.n] = (uint8_t)rand_r(&seed);
        check_and_unpack(damaged.data, (size_t)rand_r(&seed) % 4 == 0 ? (size_t)rand_r(&seed) % damaged.n : damaged.n);
    }
}

// Not a promise, but a watch: DONGBO_MEASURE=1 prints what one event costs.
static void test_cost(void **state) {
    if (getenv("DONGBO_MEASURE") == NULL)
        return;
    static const char *const names[] = {"NGUYEN THI HOA", "Nguyễn Thị Hoà"};
    for (int k = 0; k < 2; k++) {
        CLEANUP(bytes_free) Bytes bytes = {0};
        pack_event(&bytes, names[k]);
        enum { ROUNDS = 2000000 };
        struct timespec from, to;
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
        for (int i = 0; i < ROUNDS; i++)
            assert_int_equal(check_message(EVENT, &CHECK_EVENT, bytes.data, bytes.n, NULL), 0);
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
        double ns = (double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec);
        printf("%s: %zu bytes, %.0f ns\n", names[k], bytes.n, ns / ROUNDS);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_whole_event_passes),
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_string_limit),
        cmocka_unit_test(test_control_characters_anywhere),
        cmocka_unit_test(test_bytes_limit),
        cmocka_unit_test(test_bool_is_one_bit),
        cmocka_unit_test(test_field_count_limit),
        cmocka_unit_test(test_repeated_limit),
        cmocka_unit_test(test_depth_limit),
        cmocka_unit_test(test_every_truncation),
        cmocka_unit_test(test_every_bit_flip),
        cmocka_unit_test(test_random_damage),
        cmocka_unit_test(test_cost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
