// SPDX-License-Identifier: Apache-2.0
//
// Bytes against a descriptor. What check_message() lets through decodes, within its bounds; walk_next() steps over it
// to its end; and what the feeds copy of it field by field decodes too, and holds no other field. The first byte
// chooses the descriptor.
#include "agents/record_body.h"
#include "broker/project.h"
#include "proto/base/arena.h"
#include "proto/check.h"
#include "proto/domain.h"
#include "proto/walk.h"
#include "store.pb-c.h"
#include "tests/fuzz/fuzz.h"

#include <stdio.h>

static const ProtobufCMessageDescriptor *const DESCRIPTORS[] = {
    &dongbo__population_change__descriptor,    &dongbo__vaccination__descriptor,      &dongbo__enrolment__descriptor,
    &dongbo__insurance_period__descriptor,     &dongbo__residence_period__descriptor, &dongbo__eid_account__descriptor,
    &dongbo__electricity_contract__descriptor, &dongbo__change_event__descriptor,     &dongbo__feed_record__descriptor,
    &dongbo__segment_payload__descriptor,      &dongbo__segment_summary__descriptor,  &dongbo__record__descriptor,
    &dongbo__receipt_body__descriptor,         &dongbo__batch_header__descriptor,
};
#define N_DESCRIPTORS (sizeof DESCRIPTORS / sizeof *DESCRIPTORS)
#define N_BODIES 7

static Arena *arena;

static size_t walk_all(const uint8_t *data, size_t n, int *ret) {
    const uint8_t *at = data, *end = data + n;
    WalkField field;
    size_t fields = 0;
    while ((*ret = walk_next(&at, end, &field)) == 0) {
        FUZZ_ASSERT(field.start >= data && field.start + field.bytes == at && at <= end && field.bytes > 0);
        FUZZ_ASSERT(field.type == 0 || (field.data >= field.start && field.data + field.n <= end));
        fields++;
    }
    FUZZ_ASSERT(*ret != 1 || at == end);
    return fields;
}

static void check_body(int domain, const uint8_t *data, size_t n, uint32_t granted) {
    const ProtobufCMessageDescriptor *descriptor = domain_descriptor(domain);
    Bytes out = {0};
    int r = project_body(data, n, granted, &out);
    FUZZ_ASSERT(r == 0 || (r == 1 && out.n == 0));
    if (r == 0 && check_message(descriptor, &CHECK_EVENT, data, n, NULL) == 0) {
        ProtobufCMessage *seen = protobuf_c_message_unpack(descriptor, arena_protobuf(arena), out.n, out.data);
        FUZZ_ASSERT(seen != NULL && (fields_said(seen) & ~granted) == 0);
        ProtobufCMessage *whole = protobuf_c_message_unpack(descriptor, arena_protobuf(arena), n, data);
        FUZZ_ASSERT(whole != NULL && (fields_said(whole) & granted) == fields_said(seen));
    }
    Dongbo__FeedRecord record = DONGBO__FEED_RECORD__INIT;
    record.domain = (Dongbo__Domain)domain;
    record.body = (ProtobufCBinaryData){n, (uint8_t *)data};
    RecordBody body = record_body_begin(&record);
    while ((r = record_body_next(&body)) == 0)
        FUZZ_ASSERT(body.known != NULL && body.known->id == body.field.number);
    bytes_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    if (arena == NULL)
        FUZZ_ASSERT(arena_new(&arena, 64 * 1024 * 1024) == 0);
    arena_reset(arena);
    if (n < 2)
        return 0;
    unsigned which = data[0] % N_DESCRIPTORS;
    const ProtobufCMessageDescriptor *descriptor = DESCRIPTORS[which];
    uint32_t granted = (uint32_t)data[1] * 0x01030507u;
    data += 2;
    n -= 2;
    char field[64];
    int walked, r = check_message(descriptor, &CHECK_WIRE, data, n, field);
    size_t fields = walk_all(data, n, &walked);
    FUZZ_ASSERT(r >= 0 && r <= 3);
    if (r == 0) {
        ProtobufCMessage *message = protobuf_c_message_unpack(descriptor, arena_protobuf(arena), n, data);
        FUZZ_ASSERT(message != NULL || arena_failed(arena));
        FUZZ_ASSERT(walked == 1 && fields <= CHECK_WIRE.fields_max);
    }
    if (which < N_BODIES)
        check_body((int)which + 1, data, n, granted);
    return 0;
}

static void seed(const char *name, unsigned which, const Bytes *message) {
    Bytes out = {0};
    bytes_append_u8(&out, (uint8_t)which);
    bytes_append_u8(&out, 0x55);
    bytes_append(&out, message->data, message->n);
    fuzz_seed(name, out.data, out.n);
    bytes_free(&out);
}

static void seed_entry(void) {
    Bytes body = {0}, out = {0};
    Dongbo__Entry entry = DONGBO__ENTRY__INIT, *entries[] = {&entry, &entry};
    Dongbo__SegmentPayload payload = DONGBO__SEGMENT_PAYLOAD__INIT;
    uint32_t changed[] = {1, 2, 3};
    fuzz_body(DONGBO__DOMAIN__HEALTH, &body);
    entry.kind = DONGBO__ENTRY_KIND__ENTRY_EVENT;
    entry.domain = DONGBO__DOMAIN__HEALTH;
    entry.body = (ProtobufCBinaryData){body.n, body.data};
    entry.record_key = "covid-19\0371";
    entry.n_changed_fields = 3;
    entry.changed_fields = changed;
    payload.n_entries = 2;
    payload.entries = entries;
    bytes_append_message(&out, &payload.base);
    seed("payload", 9, &out);
    bytes_free(&body);
    bytes_free(&out);
}

void fuzz_seeds(void) {
    for (unsigned domain = 1; domain <= N_BODIES; domain++) {
        Bytes body = {0}, event = {0};
        char name[64];
        fuzz_body((int)domain, &body);
        seed(domain_name((int)domain), domain - 1, &body);
        fuzz_event((int)domain, 1, &event);
        snprintf(name, sizeof name, "event-%s", domain_name((int)domain));
        seed(name, 7, &event);
        bytes_free(&body);
        bytes_free(&event);
    }
    seed_entry();
}
