// SPDX-License-Identifier: Apache-2.0
//
// Digests of copies: the same content adds up to the same number, in whatever order and from bytes or columns; whatever
// differs in one record shows in its bucket alone. Cursors: what was sealed is read by whom it was sealed for.
#include "broker/snapshot_cursor.h"
#include "proto/base/error.h"
#include "proto/buckets.h"
#include "proto/domain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#define ALL 0xfffffffeu

static Buckets *one, *other;

static int setup(void **state) {
    return buckets_new(&one) | buckets_new(&other);
}

static int teardown(void **state) {
    buckets_destroy(&one);
    buckets_destroy(&other);
    return 0;
}

static void clear(void) {
    buckets_clear(one);
    buckets_clear(other);
}

// lot_number "AB" and dose_number 3, in either order.
static const uint8_t BODY[] = {0x10, 3, 0x22, 2, 'A', 'B'}, TURNED[] = {0x22, 2, 'A', 'B', 0x10, 3};

static BucketsRecord record_of(uint8_t id, const uint8_t *body, size_t n) {
    static uint8_t ids[256][RECORD_ID_BYTES];
    memset(ids[id], id, RECORD_ID_BYTES);
    return (BucketsRecord){
        .id = ids[id], .domain = 2, .citizen_number = "001", .body = body, .body_n = n, .granted = ALL};
}

static unsigned differing(void) {
    uint8_t map[BUCKETS_MAP_BYTES];
    return buckets_differing(one, other, map);
}

static void test_order_does_not_count(void **state) {
    BucketsRecord a = record_of(1, BODY, sizeof BODY), b = record_of(2, TURNED, sizeof TURNED);
    clear();
    assert_int_equal(buckets_add(one, &a) | buckets_add(one, &b), 0);
    assert_int_equal(differing(), 2);
    b.body = BODY;
    assert_int_equal(buckets_add(other, &b) | buckets_add(other, &a), 0);
    assert_int_equal(differing(), 0);
}

static void test_columns_say_the_same(void **state) {
    const ProtobufCMessageDescriptor *descriptor = domain_descriptor(2);
    Bytes body = {0};
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        const char *name = descriptor->fields[i].name;
        buckets_body(&body, &descriptor->fields[i],
                     strcmp(name, "lot_number") == 0    ? "AB"
                     : strcmp(name, "dose_number") == 0 ? "3"
                                                        : "");
    }
    const uint8_t *at = body.data;
    assert_int_equal(body.n, sizeof BODY);
    clear();
    BucketsRecord a = record_of(1, at, body.n);
    Dongbo__Vaccination *said = dongbo__vaccination__unpack(NULL, body.n, body.data);
    assert_string_equal(said->lot_number, "AB");
    assert_int_equal(said->dose_number, 3);
    assert_int_equal(buckets_add(one, &a), 0);
    Bytes packed = {0};
    bytes_append_message(&packed, &said->base);
    a.body = packed.data;
    assert_int_equal(buckets_add(other, &a), 0);
    assert_int_equal(differing(), 0);
    dongbo__vaccination__free_unpacked(said, NULL);
    bytes_free(&packed);
    bytes_free(&body);
}

static void test_what_differs_shows_in_its_bucket(void **state) {
    BucketsRecord a = record_of(0x12, BODY, sizeof BODY), b = a;
    uint8_t map[BUCKETS_MAP_BYTES];
    for (int what = 0; what < 3; what++) {
        b = a;
        b.domain = what == 0 ? 3 : 2;
        b.citizen_number = what == 1 ? "002" : "001";
        b.granted = what == 2 ? 1u << 2 : ALL;
        clear();
        assert_int_equal(buckets_add(one, &a) | buckets_add(other, &b), 0);
        assert_int_equal(buckets_differing(one, other, map), 1);
        assert_true(buckets_has(map, 0x121));
        assert_int_equal(buckets_of(a.id), 0x121);
    }
    clear();
    b.granted = 1u << 9; // none of the fields said
    assert_int_equal(buckets_add(one, &b), 0);
    assert_int_equal(differing(), 0);
    static const uint8_t broken[] = {0x22, 9, 'A'};
    b = record_of(1, broken, sizeof broken);
    assert_int_equal(buckets_add(one, &b), 1);
}

static void test_sums_add_up(void **state) {
    BucketsRecord a = record_of(1, BODY, sizeof BODY);
    clear();
    assert_int_equal(buckets_add(one, &a) | buckets_add(one, &a) | buckets_add(other, &a), 0);
    uint8_t sums[BUCKETS_SUMS_BYTES];
    memcpy(sums, buckets_sums(other), sizeof sums);
    buckets_add_sums(other, sums);
    assert_int_equal(differing(), 0);
}

static void test_a_cursor_is_for_one(void **state) {
    SnapshotAsked asked = {.subscription = 7};
    memset(asked.secret, 9, sizeof asked.secret);
    SnapshotPlace place = {.first = {.epoch = 2, .position = 1000},
                           .last = {.position = 1200, .hash = {5, 6}},
                           .policy_version = 3,
                           .persons = 12,
                           .person = -5,
                           .domain = 6,
                           .release = 44},
                  read;
    memset(place.record_key, 'k', RECORD_KEY_BYTES_MAX); // the longest
    uint8_t cursor[SNAPSHOT_CURSOR_BYTES_MAX], again[SNAPSHOT_CURSOR_BYTES_MAX];
    size_t n, m;
    assert_int_equal(snapshot_cursor_seal(&place, &asked, clock_system(), cursor, &n), 0);
    assert_int_equal(snapshot_cursor_seal(&place, &asked, clock_system(), again, &m), 0);
    assert_true(n == m && n <= SNAPSHOT_CURSOR_BYTES_MAX && memcmp(cursor, again, n) != 0);
    assert_int_equal(snapshot_cursor_open(cursor, n, &asked, &read), 0);
    assert_memory_equal(&read, &place, sizeof place);
    for (size_t i = 0; i < n; i++) {
        cursor[i] ^= 1;
        assert_int_equal(snapshot_cursor_open(cursor, n, &asked, &read), 1);
        cursor[i] ^= 1;
        assert_int_equal(snapshot_cursor_open(cursor, i, &asked, &read), 1);
    }
    SnapshotAsked others[4] = {asked, asked, asked, asked};
    others[0].subscription++;
    others[1].digests = true;
    others[2].of_buckets = true;
    others[3].secret[0]++;
    for (int i = 0; i < 4; i++)
        assert_int_equal(snapshot_cursor_open(cursor, n, &others[i], &read), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_does_not_count),
        cmocka_unit_test(test_columns_say_the_same),
        cmocka_unit_test(test_what_differs_shows_in_its_bucket),
        cmocka_unit_test(test_sums_add_up),
        cmocka_unit_test(test_a_cursor_is_for_one),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
