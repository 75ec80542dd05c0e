// SPDX-License-Identifier: Apache-2.0
//
// Domains and their fields through descriptors; and the promises that all code relies on, held against every descriptor
// there is: flat bodies, small field numbers, no recursion (protobuf-c has no limit of its own).
#include "proto/bounds.h"
#include "proto/domain.h"
#include "store.pb-c.h"
#include "verdict.pb-c.h"
#include "wire.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static void test_names(void **state) {
    assert_string_equal(domain_name(1), "population");
    assert_string_equal(domain_name(4), "social_security");
    assert_null(domain_name(0));
    assert_null(domain_name(8));
    assert_null(domain_name(-1));
    for (int domain = DOMAIN_MIN; domain <= DOMAIN_MAX; domain++)
        assert_int_equal(domain_by_name(domain_name(domain)), domain);
    assert_int_equal(domain_by_name(""), 0);
    assert_int_equal(domain_by_name("Health"), 0);
    assert_null(domain_descriptor(0));
    assert_null(domain_descriptor(99));
}

// The table agrees with event.proto: each domain's oneof member has its name, type and number 10 + Domain.
static void test_table_is_the_schema(void **state) {
    const ProtobufCMessageDescriptor *event = &dongbo__change_event__descriptor;
    unsigned members = 0;
    for (unsigned i = 0; i < event->n_fields; i++)
        if (event->fields[i].flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
            int domain = (int)event->fields[i].id - 10;
            assert_string_equal(domain_name(domain), event->fields[i].name);
            assert_ptr_equal(domain_descriptor(domain), event->fields[i].descriptor);
            members++;
        }
    assert_int_equal(members, DOMAIN_MAX);
    assert_int_equal(dongbo__domain__descriptor.n_values, DOMAIN_MAX + 1);
}

static void test_bodies_are_flat(void **state) {
    for (int domain = DOMAIN_MIN; domain <= DOMAIN_MAX; domain++) {
        const ProtobufCMessageDescriptor *body = domain_descriptor(domain);
        for (unsigned i = 0; i < body->n_fields; i++) {
            const ProtobufCFieldDescriptor *field = &body->fields[i];
            assert_true(field->id >= 1 && field->id <= DOMAIN_FIELDS_MAX);
            assert_true(field->type == PROTOBUF_C_TYPE_STRING || field->type == PROTOBUF_C_TYPE_UINT32);
            assert_int_equal(field->label, PROTOBUF_C_LABEL_NONE);
            assert_int_equal(field->flags, 0);
        }
    }
}

// Depth of the deepest message below; fails where a message holds itself. At most 64 fields, for check.c keeps a bit
// each, and of the types that it knows.
static unsigned depth_below(const ProtobufCMessageDescriptor *descriptor, unsigned depth) {
    assert_true(depth <= 6);
    assert_true(descriptor->n_fields <= 64);
    unsigned deepest = depth;
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
        ProtobufCType type = field->type;
        assert_true(type == PROTOBUF_C_TYPE_STRING || type == PROTOBUF_C_TYPE_BYTES ||
                    type == PROTOBUF_C_TYPE_MESSAGE || type == PROTOBUF_C_TYPE_UINT32 ||
                    type == PROTOBUF_C_TYPE_UINT64 || type == PROTOBUF_C_TYPE_INT64 || type == PROTOBUF_C_TYPE_ENUM ||
                    type == PROTOBUF_C_TYPE_BOOL);
        if (type != PROTOBUF_C_TYPE_MESSAGE)
            continue;
        unsigned below = depth_below(field->descriptor, depth + 1);
        deepest = below > deepest ? below : deepest;
    }
    return deepest;
}

static void test_no_recursion(void **state) {
    assert_true(depth_below(&dongbo__change_event__descriptor, 1) <= EVENT_DEPTH_MAX);
    const ProtobufCMessageDescriptor *const wire[] = {
        &dongbo__hello_publish__descriptor,
        &dongbo__welcome_publish__descriptor,
        &dongbo__batch_header__descriptor,
        &dongbo__sealed_batch__descriptor,
        &dongbo__receipt_body__descriptor,
        &dongbo__receipt__descriptor,
        &dongbo__verdicts__descriptor,
        &dongbo__refusal__descriptor,
        &dongbo__hello_subscribe__descriptor,
        &dongbo__welcome_subscribe__descriptor,
        &dongbo__credit__descriptor,
        &dongbo__records__descriptor,
        &dongbo__feed_record__descriptor,
        &dongbo__watermark__descriptor,
        &dongbo__ack__descriptor,
        &dongbo__ping__descriptor,
        &dongbo__pong__descriptor,
        &dongbo__error__descriptor,
        &dongbo__record__descriptor,
        &dongbo__segment_payload__descriptor,
        &dongbo__segment_summary__descriptor,
    };
    for (size_t i = 0; i < sizeof(wire) / sizeof(wire[0]); i++)
        assert_true(depth_below(wire[i], 1) <= WIRE_DEPTH_MAX);
}

static void test_body_of_event(void **state) {
    Dongbo__ChangeEvent event = DONGBO__CHANGE_EVENT__INIT;
    assert_int_equal(event_domain(&event), 0);
    assert_null(event_body(&event));
    Dongbo__Enrolment body = DONGBO__ENROLMENT__INIT;
    event_set_body(&event, DONGBO__DOMAIN__EDUCATION, &body.base);
    assert_int_equal(event.body_case, DONGBO__CHANGE_EVENT__BODY_EDUCATION);
    assert_ptr_equal(event.education, &body);
    assert_int_equal(event_domain(&event), DONGBO__DOMAIN__EDUCATION);
    assert_ptr_equal(event_body(&event), &body);
}

static void test_fields(void **state) {
    Dongbo__Vaccination dose = DONGBO__VACCINATION__INIT;
    const ProtobufCMessageDescriptor *descriptor = dose.base.descriptor;
    char buffer[12];
    assert_int_equal(fields_said(&dose.base), 0);
    assert_string_equal(field_text(&dose.base, 2, buffer), "");
    assert_string_equal(field_text(&dose.base, 1, buffer), "");
    assert_string_equal(field_text(&dose.base, 31, buffer), "");
    assert_int_equal(field_set_text(&dose.base, 1, "COVID-19"), 0);
    assert_int_equal(field_set_text(&dose.base, 2, "4294967295"), 0);
    assert_string_equal(field_text(&dose.base, 1, buffer), "COVID-19");
    assert_string_equal(field_text(&dose.base, 2, buffer), "4294967295");
    assert_int_equal(fields_said(&dose.base), 1u << 1 | 1u << 2);
    assert_true(field_is_said(&dose.base, 2));
    assert_false(field_is_said(&dose.base, 3));
    assert_false(field_is_said(&dose.base, 30));
    field_clear(&dose.base, 1);
    field_clear(&dose.base, 2);
    assert_int_equal(fields_said(&dose.base), 0);
    dose.lot_number = NULL; // as a careless caller leaves it
    assert_string_equal(field_text(&dose.base, 4, buffer), "");
    assert_false(field_is_said(&dose.base, 4));
    assert_string_equal(field_name(descriptor, 5), "occurrence_date");
    assert_null(field_name(descriptor, 8));
    assert_null(field_name(descriptor, 0));
    assert_int_equal(field_by_name(descriptor, "status"), 7);
    assert_int_equal(field_by_name(descriptor, "no_such"), 0);
}

static void test_numbers_are_strict(void **state) {
    static const char *const bad[] = {"",   "-1", "+1", " 1", "1 ", "0x1", "4294967296", "99999999999999999999999",
                                      "1.0"};
    Dongbo__Vaccination dose = DONGBO__VACCINATION__INIT;
    dose.dose_number = 7;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(field_set_text(&dose.base, 2, bad[i]), 1);
    assert_int_equal(dose.dose_number, 7);
    assert_int_equal(field_set_text(&dose.base, 2, "007"), 0);
    assert_int_equal(dose.dose_number, 7);
}

static void test_copy_and_equal(void **state) {
    Dongbo__Vaccination a = DONGBO__VACCINATION__INIT, b = DONGBO__VACCINATION__INIT;
    char status[] = "completed";
    a.dose_number = 2;
    a.status = status;
    assert_false(field_equal(&a.base, &b.base, 2));
    assert_false(field_equal(&a.base, &b.base, 7));
    assert_true(field_equal(&a.base, &b.base, 1));
    field_copy(&b.base, &a.base, 2);
    field_copy(&b.base, &a.base, 7);
    field_copy(&b.base, &a.base, 29); // no such field: nothing
    assert_true(field_equal(&a.base, &b.base, 2));
    assert_ptr_equal(b.status, status);
    assert_int_equal(fields_said(&b.base), fields_said(&a.base));
}

static void test_verdicts(void **state) {
    assert_string_equal(verdict_name(DONGBO__VERDICT__ACCEPTED), "ACCEPTED");
    assert_string_equal(verdict_name(DONGBO__VERDICT__REJECTED), "REJECTED");
    assert_string_equal(verdict_name(0), "?");
    assert_string_equal(verdict_name(77), "?");
    assert_int_equal(verdict_by_name("DEFERRED"), DONGBO__VERDICT__DEFERRED);
    assert_int_equal(verdict_by_name("deferred"), 0);
    assert_int_equal(verdict_by_name("?"), 0);
    for (int verdict = 0; verdict < 10; verdict++)
        assert_int_equal(verdict_is_open(verdict),
                         verdict == DONGBO__VERDICT__MISMATCH || verdict == DONGBO__VERDICT__DEFERRED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_table_is_the_schema),
        cmocka_unit_test(test_bodies_are_flat),
        cmocka_unit_test(test_no_recursion),
        cmocka_unit_test(test_body_of_event),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_numbers_are_strict),
        cmocka_unit_test(test_copy_and_equal),
        cmocka_unit_test(test_verdicts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
