// SPDX-License-Identifier: Apache-2.0
//
// Projection: whatever set of fields is granted, exactly those come out, in every domain, and never another byte.
#include "broker/project.h"

#include "wire.pb-c.h"

#include <openssl/hmac.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const uint8_t SECRET[32] = "a secret of thirty-two bytes....";

// Every field of a body filled with a text that names the field, or a number.
static ProtobufCMessage *body_full(int domain, Bytes *texts) {
    const ProtobufCMessageDescriptor *descriptor = domain_descriptor(domain);
    ProtobufCMessage *body = calloc(1, descriptor->sizeof_message);
    protobuf_c_message_init(descriptor, body);
    texts->n = 0;
    bytes_reserve(texts, 4096);
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
        char *text = (char *)texts->data + texts->n;
        if (field->type == PROTOBUF_C_TYPE_STRING) {
            bytes_append_text(texts, "<");
            bytes_append_text(texts, field->name);
            bytes_append(texts, ">", 2);
        } else {
            bytes_append(texts, "777", 4);
        }
        assert_int_equal(field_set_text(body, field->id, text), 0);
    }
    return body;
}

// For each domain and each single field, and for many sets of fields: exactly the granted ones come out.
static void test_copies_granted_fields_and_no_other_byte(void **state) {
    (void)state;
    Bytes texts = {0}, packed = {0}, out = {0};
    for (int domain = DOMAIN_MIN; domain <= DOMAIN_MAX; domain++) {
        const ProtobufCMessageDescriptor *descriptor = domain_descriptor(domain);
        ProtobufCMessage *body = body_full(domain, &texts);
        bytes_clear(&packed);
        bytes_append_message(&packed, body);
        for (uint32_t set = 0; set < 4096; set++) {
            uint32_t granted = set * 2654435761u;
            bytes_clear(&out);
            assert_int_equal(project_body(packed.data, packed.n, granted, &out), 0);
            ProtobufCMessage *seen = protobuf_c_message_unpack(descriptor, NULL, out.n, out.data);
            assert_non_null(seen);
            assert_int_equal(fields_said(seen), fields_said(body) & granted);
            assert_int_equal(protobuf_c_message_get_packed_size(seen), out.n);
            assert_int_equal(seen->n_unknown_fields, 0);
            protobuf_c_message_free_unpacked(seen, NULL);
        }
        free(body);
    }
    bytes_free(&texts);
    bytes_free(&packed);
    bytes_free(&out);
}

static void test_drops_unknown_fields_and_refuses_malformed_ones(void **state) {
    (void)state;
    Bytes out = {0};
    const uint8_t unknown[] = {0x0a, 1, 'a', 0x82, 0x02, 1, 'x'}; // 1: "a", 32: "x"
    assert_int_equal(project_body(unknown, sizeof unknown, UINT32_MAX, &out), 0);
    assert_int_equal(out.n, 3);
    const uint8_t cut[] = {0x0a, 1, 'a', 0x12, 5, 'x'};
    assert_int_equal(project_body(cut, sizeof cut, UINT32_MAX, &out), 1);
    assert_int_equal(out.n, 3);
    bytes_free(&out);
}

typedef struct Fixture {
    Projector *projector;
    PolicyVersion version;
    Dongbo__Entry entry;
    uint32_t changed[3];
    uint8_t body[256];
    PolicyPassage passage;
    Bytes out;
} Fixture;

static int setup(void **state) {
    Fixture *f = calloc(1, sizeof *f);
    assert_int_equal(projector_new(&f->projector, SECRET), 0);
    f->passage = POLICY_STAYS;
    f->version.domains = 1u << DONGBO__DOMAIN__HEALTH;
    policy_grant_field(&f->version, "health.dose_number");
    policy_grant_field(&f->version, "health.occurrence_date");
    Dongbo__Vaccination body = DONGBO__VACCINATION__INIT;
    body.vaccine_group = (char *)"COVID-19";
    body.dose_number = 2;
    body.lot_number = (char *)"SECRETLOT";
    body.occurrence_date = (char *)"2021-11-24";
    dongbo__entry__init(&f->entry);
    f->entry.body = (ProtobufCBinaryData){dongbo__vaccination__pack(&body, f->body), f->body};
    f->entry.domain = DONGBO__DOMAIN__HEALTH;
    f->entry.person = 42;
    f->entry.record_key = (char *)"COVID-19\0372";
    f->entry.citizen_number = (char *)"001099012345";
    f->changed[0] = 2;
    f->changed[1] = 4;
    f->entry.changed_fields = f->changed;
    f->entry.n_changed_fields = 2;
    *state = f;
    return 0;
}

static int teardown(void **state) {
    Fixture *f = *state;
    projector_destroy(&f->projector);
    bytes_free(&f->out);
    free(f);
    return 0;
}

static int append(Fixture *f) {
    Projection projection = {.version = &f->version,
                             .entry = &f->entry,
                             .passage = f->passage,
                             .position = 100,
                             .previous = 90,
                             .agency = "MOH"};
    return projector_append(f->projector, &projection, &f->out);
}

static void test_a_record_holds_what_is_granted(void **state) {
    Fixture *f = *state;
    assert_int_equal(append(f), 0);
    assert_null(memmem(f->out.data, f->out.n, "SECRETLOT", 9));
    assert_null(memmem(f->out.data, f->out.n, "COVID-19", 8));
    assert_null(memmem(f->out.data, f->out.n, "001099012345", 12));
    Dongbo__FeedRecord *record = dongbo__feed_record__unpack(NULL, f->out.n, f->out.data);
    assert_non_null(record);
    assert_int_equal(record->position, 100);
    assert_int_equal(record->previous, 90);
    assert_int_equal(record->change, DONGBO__CHANGE_KIND__CHANGE_UPSERT);
    assert_string_equal(record->agency, "MOH");
    assert_int_equal(record->n_changed_fields, 1);
    assert_int_equal(record->changed_fields[0], 2);
    Dongbo__Vaccination *body = dongbo__vaccination__unpack(NULL, record->body.len, record->body.data);
    assert_int_equal(body->dose_number, 2);
    assert_string_equal(body->occurrence_date, "2021-11-24");
    dongbo__vaccination__free_unpacked(body, NULL);
    dongbo__feed_record__free_unpacked(record, NULL);
}

static void test_the_number_only_where_granted(void **state) {
    Fixture *f = *state;
    policy_grant_field(&f->version, "citizen_number");
    assert_int_equal(append(f), 0);
    assert_non_null(memmem(f->out.data, f->out.n, "001099012345", 12));
}

static void test_the_persons_key_only_where_granted(void **state) {
    Fixture *f = *state;
    uint8_t expected[32], input[] = {'p', 'e', 'r', 's', 'o', 'n', 0, 0, 0, 0, 0, 0, 0, 42};
    assert_non_null(HMAC(EVP_sha256(), SECRET, 32, input, sizeof input, expected, NULL));
    assert_int_equal(append(f), 0);
    assert_null(memmem(f->out.data, f->out.n, expected, PERSON_ID_BYTES));
    bytes_clear(&f->out);
    policy_grant_field(&f->version, "person_id");
    for (int deleted = 0; deleted < 2; deleted++) {
        f->entry.deleted = deleted;
        assert_int_equal(append(f), 0);
        Dongbo__FeedRecord *record = dongbo__feed_record__unpack(NULL, f->out.n, f->out.data);
        assert_int_equal(record->person_id.len, PERSON_ID_BYTES);
        assert_memory_equal(record->person_id.data, expected, PERSON_ID_BYTES);
        assert_memory_not_equal(record->record_id.data, expected, PERSON_ID_BYTES);
        assert_string_equal(record->citizen_number, "");
        dongbo__feed_record__free_unpacked(record, NULL);
        bytes_clear(&f->out);
    }
}

static void test_nothing_granted_changed(void **state) {
    Fixture *f = *state;
    f->changed[0] = 1;
    assert_int_equal(append(f), 1);
    f->entry.n_changed_fields = 0;
    assert_int_equal(append(f), 1);
    f->version.fields[DONGBO__DOMAIN__HEALTH] = 0;
    f->entry.n_changed_fields = 2;
    assert_int_equal(append(f), 1);
    assert_int_equal(f->out.n, 0);
}

static void test_who_enters_brings_all_and_who_leaves_takes_all(void **state) {
    Fixture *f = *state;
    f->entry.n_changed_fields = 0;
    f->passage = POLICY_ENTERS;
    assert_int_equal(append(f), 0);
    Dongbo__FeedRecord *record = dongbo__feed_record__unpack(NULL, f->out.n, f->out.data);
    assert_int_equal(record->change, DONGBO__CHANGE_KIND__CHANGE_ENTERED);
    assert_true(record->body.len > 0);
    dongbo__feed_record__free_unpacked(record, NULL);
    bytes_clear(&f->out);
    f->passage = POLICY_LEAVES;
    assert_int_equal(append(f), 0);
    record = dongbo__feed_record__unpack(NULL, f->out.n, f->out.data);
    assert_int_equal(record->change, DONGBO__CHANGE_KIND__CHANGE_LEFT);
    assert_int_equal(record->body.len, 0);
    dongbo__feed_record__free_unpacked(record, NULL);
    // What is told again is whole, too.
    bytes_clear(&f->out);
    f->passage = POLICY_STAYS;
    assert_int_equal(append(f), 1);
    f->entry.kind = DONGBO__ENTRY_KIND__ENTRY_RETOLD;
    assert_int_equal(append(f), 0);
}

// An entry about who somebody is, of which nothing that is granted changed: their number or their home did.
static void make_population(Fixture *f, uint32_t changed) {
    Dongbo__PopulationChange body = DONGBO__POPULATION_CHANGE__INIT;
    body.full_name = (char *)"AN";
    f->entry.body = (ProtobufCBinaryData){dongbo__population_change__pack(&body, f->body), f->body};
    f->entry.domain = DONGBO__DOMAIN__POPULATION;
    f->entry.province63_before = f->entry.province63_after = (char *)"";
    f->entry.province_before = f->entry.province_after = (char *)"01";
    f->changed[0] = changed;
    f->entry.n_changed_fields = 1;
    policy_grant_province(&f->version, "01");
    policy_grant_field(&f->version, "population.full_name");
}

static void test_another_number_is_told_with_who_has_it(void **state) {
    Fixture *f = *state;
    make_population(f, 2);
    assert_int_equal(append(f), 1);
    policy_grant_field(&f->version, "citizen_number");
    assert_int_equal(append(f), 0);
    Dongbo__FeedRecord *record = dongbo__feed_record__unpack(NULL, f->out.n, f->out.data);
    assert_int_equal(record->change, DONGBO__CHANGE_KIND__CHANGE_UPSERT);
    assert_string_equal(record->citizen_number, "001099012345");
    assert_int_equal(record->n_changed_fields, 0);
    assert_int_equal(record->body.len, f->entry.body.len);
    dongbo__feed_record__free_unpacked(record, NULL);
    f->changed[0] = 6;
    assert_int_equal(append(f), 1);
    // Of whom nothing that is granted is known, there is no record.
    f->changed[0] = 2;
    f->version.fields[DONGBO__DOMAIN__POPULATION] = 1u << 10;
    assert_int_equal(append(f), 1);
}

static void test_who_comes_from_nowhere_is_new_to_a_province(void **state) {
    Fixture *f = *state;
    make_population(f, 8);
    assert_int_equal(append(f), 1);
    f->entry.province_before = (char *)"";
    assert_int_equal(append(f), 0);
    bytes_clear(&f->out);
    f->version.any_province = true; // which had them before
    assert_int_equal(append(f), 1);
    f->version.any_province = false;
    f->version.fields[DONGBO__DOMAIN__POPULATION] = 1u << 10;
    assert_int_equal(append(f), 1);
    assert_int_equal(f->out.n, 0);
}

static void test_a_deletion_carries_no_body(void **state) {
    Fixture *f = *state;
    f->entry.deleted = true;
    f->entry.n_changed_fields = 0;
    assert_int_equal(append(f), 0);
    Dongbo__FeedRecord *record = dongbo__feed_record__unpack(NULL, f->out.n, f->out.data);
    assert_int_equal(record->change, DONGBO__CHANGE_KIND__CHANGE_DELETE);
    assert_int_equal(record->body.len, 0);
    dongbo__feed_record__free_unpacked(record, NULL);
    // Without a field of its domain not even that something is gone is told.
    bytes_clear(&f->out);
    f->version.fields[DONGBO__DOMAIN__HEALTH] = 0;
    assert_int_equal(append(f), 1);
    assert_int_equal(f->out.n, 0);
}

static void test_a_malformed_body_is_said(void **state) {
    Fixture *f = *state;
    f->entry.body.len--;
    assert_int_equal(append(f), 2);
    assert_int_equal(f->out.n, 0);
}

static void test_record_ids_are_the_documented_hash(void **state) {
    Fixture *f = *state;
    uint8_t id[RECORD_ID_BYTES], again[RECORD_ID_BYTES], expected[32];
    uint8_t input[] = {0, 0, 0, 0, 0, 0, 0, 42, 2, 'C', 'O', 'V', 'I', 'D', '-', '1', '9', 037, '2'};
    assert_non_null(HMAC(EVP_sha256(), SECRET, 32, input, sizeof input, expected, NULL));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(projector_record_id(f->projector, &f->entry, id), 0);
        assert_memory_equal(id, expected, RECORD_ID_BYTES);
    }
    f->entry.person = 43;
    assert_int_equal(projector_record_id(f->projector, &f->entry, again), 0);
    assert_memory_not_equal(id, again, RECORD_ID_BYTES);
    Projector *other;
    uint8_t secret[32] = {1};
    f->entry.person = 42;
    assert_int_equal(projector_new(&other, secret), 0);
    assert_int_equal(projector_record_id(other, &f->entry, again), 0);
    assert_memory_not_equal(id, again, RECORD_ID_BYTES);
    projector_destroy(&other);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copies_granted_fields_and_no_other_byte),
        cmocka_unit_test(test_drops_unknown_fields_and_refuses_malformed_ones),
        cmocka_unit_test_setup_teardown(test_a_record_holds_what_is_granted, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_number_only_where_granted, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_persons_key_only_where_granted, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nothing_granted_changed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_who_enters_brings_all_and_who_leaves_takes_all, setup, teardown),
        cmocka_unit_test_setup_teardown(test_another_number_is_told_with_who_has_it, setup, teardown),
        cmocka_unit_test_setup_teardown(test_who_comes_from_nowhere_is_new_to_a_province, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_deletion_carries_no_body, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_malformed_body_is_said, setup, teardown),
        cmocka_unit_test_setup_teardown(test_record_ids_are_the_documented_hash, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
