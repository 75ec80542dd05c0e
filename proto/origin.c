// SPDX-License-Identifier: Apache-2.0
//
// A batch's beginning is read as the whole of it is (batch.h), so that one that was refused there proves nothing here.
#include "proto/origin.h"

#include "event.pb-c.h"
#include "log.pb-c.h"
#include "proto/batch.h"
#include "proto/check.h"
#include "proto/domain.h"
#include "proto/proof.h"

#include <string.h>

int origin_read_batch(ProtobufCBinaryData bytes, Arena *arena, OriginBatch *ret) {
    *ret = (OriginBatch){0};
    int r = batch_read_header(bytes.data, bytes.len, arena, &ret->header);
    if (r != 0)
        return r;
    return batch_read_origin(bytes.data, bytes.len, &ret->header_bytes, &ret->signature);
}

int origin_check_signature(const OriginBatch *batch, Verifier *verifier) {
    return verifier_check(verifier, BATCH_DOMAIN, batch->header_bytes.data, batch->header_bytes.len,
                          batch->signature.data);
}

const char *origin_check(Merkle *merkle, const OriginBatch *batch, const Dongbo__OriginProof *proof) {
    const Dongbo__BatchHeader *header = batch->header;
    ProofPath path;
    uint8_t hash[HASH_BYTES];
    if (proof->leaf.len != HASH_BYTES || proof_path_read(proof->path, proof->n_path, &path) != 0 ||
        proof_root(merkle, (ProofPlace){proof->index, header->count}, proof->leaf.data, &path, hash) != 0 ||
        memcmp(hash, header->root.data, HASH_BYTES) != 0)
        return "the event is not one of the batch";
    if (proof->event.len == 0)
        return proof->salt.len == 0 ? NULL : "there is a salt without an event";
    if (proof->salt.len != SALT_BYTES || proof->event.len > EVENT_BYTES_MAX)
        return "there is no salt to hold the event against";
    merkle_salted_leaf(merkle, proof->salt.data, proof->event.data, proof->event.len, hash);
    return memcmp(hash, proof->leaf.data, HASH_BYTES) == 0 ? NULL : "the event is not the one that was signed";
}

// ---- the record that comes with it ----------------------------------------------------------------------------------

#define POPULATION_NUMBER 2 // PopulationChange.citizen_number
#define BIT(number) (UINT32_C(1) << (number))

// What the exchange makes of the event's word: places by the 63 provinces are kept by today's codes, of a number that
// was cancelled there is none, and who is one with another has what that one had.
static bool is_made(const Dongbo__ChangeEvent *event, const ProtobufCFieldDescriptor *field) {
    if (strstr(field->name, "province") || strstr(field->name, "commune"))
        return strcmp(event->subject->province_code_set, "63") == 0;
    return event_domain(event) == DONGBO__DOMAIN__POPULATION &&
           (field->id == POPULATION_NUMBER || population_is_merger(event->population));
}

// Whether this field of the record is as the event has it. The key says which record it is, whatever is done to it.
static bool is_word(const Dongbo__ChangeEvent *event, const ProtobufCMessage *body,
                    const ProtobufCFieldDescriptor *field) {
    bool is_key = domain_keys(event_domain(event)) & BIT(field->id);
    return event->operation == DONGBO__OPERATION__RETRACT && !is_key ? !field_is_said(body, field->id)
                                                                     : field_equal(event_body(event), body, field->id);
}

// What a record says has changed is the word of the event that made it; so is which record it is. What is not known
// here, whoever stores the record refuses.
static void fit_fields(const Dongbo__ChangeEvent *event, const Dongbo__FeedRecord *record, const ProtobufCMessage *body,
                       OriginFit *ret) {
    uint32_t changed = domain_keys((int)record->domain);
    for (size_t i = 0; i < record->n_changed_fields; i++)
        if (record->changed_fields[i] <= DOMAIN_FIELDS_MAX)
            changed |= BIT(record->changed_fields[i]);
    for (unsigned i = 0; i < body->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &body->descriptor->fields[i];
        if (is_word(event, body, field))
            continue;
        if (changed & BIT(field->id) && !is_made(event, field))
            ret->lies |= BIT(field->id);
        else if (field_is_said(body, field->id))
            ret->others |= BIT(field->id);
    }
    if (ret->lies != 0)
        ret->wrong = "the event says otherwise than the record";
}

// Nothing else ends a record: what is said and not taken back holds.
static bool may_end(const Dongbo__ChangeEvent *event) {
    bool population = event_domain(event) == DONGBO__DOMAIN__POPULATION;
    return event->operation == DONGBO__OPERATION__RETRACT || event->n_cleared_fields > 0 ||
           (population && (population_is_merger(event->population) || population_is_cancellation(event->population)));
}

static void fit_end(const Dongbo__ChangeEvent *event, const Dongbo__FeedRecord *record, OriginFit *ret) {
    if (record->change != DONGBO__CHANGE_KIND__CHANGE_DELETE)
        ret->wrong = "where a person went to is told to who is not to know";
    else if (record->body.len > 0)
        ret->wrong = "the record is gone, and holds something";
    else if (!may_end(event))
        ret->wrong = "the event takes nothing back";
    if (ret->wrong)
        ret->about = "change";
}

static void fit_change(const Dongbo__ChangeEvent *event, const Dongbo__FeedRecord *record, Arena *arena,
                       OriginFit *ret) {
    const ProtobufCMessageDescriptor *descriptor = domain_descriptor((int)record->domain);
    const ProtobufCMessage *body = NULL;
    if (change_lets_go((int)record->change)) {
        fit_end(event, record, ret);
        return;
    }
    if (check_message(descriptor, &CHECK_WIRE, record->body.data, record->body.len, NULL) == 0)
        body = protobuf_c_message_unpack(descriptor, arena_protobuf(arena), record->body.len, record->body.data);
    if (body)
        fit_fields(event, record, body, ret);
    else
        ret->wrong = "the record cannot be read";
}

// What of the record's head is not the event's; NULL: all is.
static const char *fit_head(const Dongbo__ChangeEvent *event, const Dongbo__FeedRecord *record) {
    if (event_domain(event) != (int)record->domain)
        return "domain";
    if (event->event_time_us != record->event_time_us)
        return "event_time";
    bool same = *record->citizen_number && strcmp(event->subject->citizen_number, record->citizen_number) == 0;
    return same ? NULL : "citizen_number";
}

void origin_fit(const Dongbo__OriginProof *proof, const Dongbo__FeedRecord *record, Arena *arena, OriginFit *ret) {
    const Dongbo__ChangeEvent *event = NULL;
    ProtobufCBinaryData bytes = proof->event;
    *ret = (OriginFit){0};
    if (bytes.len == 0)
        return;
    if (proof->erased) {
        ret->wrong = "an event that was erased is told";
        return;
    }
    if (check_message(&dongbo__change_event__descriptor, &CHECK_EVENT, bytes.data, bytes.len, NULL) == 0)
        event = dongbo__change_event__unpack(arena_protobuf(arena), bytes.len, bytes.data);
    if (!event || !event->subject || !event_domain(event)) {
        ret->wrong = "the event cannot be read";
        return;
    }
    ret->about = fit_head(event, record);
    if (ret->about)
        ret->wrong = "the event is another one";
    else
        fit_change(event, record, arena, ret);
}

void origin_append_file(ProtobufCBinaryData batch, const Dongbo__OriginProof *proof, Bytes *out) {
    Dongbo__Proof file = DONGBO__PROOF__INIT;
    Dongbo__EventProof event = DONGBO__EVENT_PROOF__INIT;
    Dongbo__OriginProof alone = *proof;
    alone.batch = 0;
    event.batch = batch;
    event.proof = &alone;
    file.what_case = DONGBO__PROOF__WHAT_EVENT;
    file.event = &event;
    bytes_append_text(out, PROOF_MAGIC);
    bytes_append_message(out, &file.base);
}
