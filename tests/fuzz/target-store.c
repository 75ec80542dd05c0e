// SPDX-License-Identifier: Apache-2.0
//
// What stands in the database as bytes: a segment's payload, summary and batch, and a record version. As they are, or
// compressed first, so that what is behind zstd is reached. What is read is read the same when it is stored again, and
// a record that is in any state takes an event or is told to be unreadable.
#include "broker/entries.h"
#include "broker/reconcile.h"
#include "broker/segment.h"
#include "proto/check.h"
#include "proto/domain.h"
#include "proto/reason.h"
#include "tests/fuzz/fuzz.h"

#include <zstd.h>

#include <stdio.h>
#include <string.h>

static Arena *arena;
static Rules *rules;
static SegmentCoder *coder;
enum { PAYLOAD, SUMMARY, BATCH, RECORD, KINDS };
#define COMPRESS 0x80

// protobuf-c takes a field's number 0 in a long form, and not in the short one that it writes itself. proto/check.h
// lets neither in.
static bool has_number_0(const ProtobufCMessage *message) {
    for (unsigned i = 0; i < message->n_unknown_fields; i++)
        if (message->unknown_fields[i].tag == 0)
            return true;
    return false;
}

// Of an entry that was read back nothing but its bytes is sure; written is only what has its place in the tables.
static bool is_writable(const Dongbo__Entry *entry) {
    bool known = entry->kind >= 0 && entry->kind <= DONGBO__ENTRY_KIND__ENTRY_FOLLOWED && entry->domain >= 0 &&
                 entry->domain <= DOMAIN_MAX && entry->verdict >= 0 && entry->verdict <= DONGBO__VERDICT__REJECTED &&
                 entry->n_reasons <= REASONS_MAX && entry->sequence <= INT64_MAX && !has_number_0(&entry->base);
    for (size_t i = 0; known && i < entry->n_reasons; i++)
        known = !has_number_0(&entry->reasons[i]->base) &&
                reason_find((int)entry->reasons[i]->code)->code == (int)entry->reasons[i]->code &&
                strlen(entry->reasons[i]->field) < 64;
    return known;
}

static void payload_again(const Dongbo__SegmentPayload *payload) {
    static const uint8_t *leaves[4096];
    static const char *masked[4096];
    if (payload->n_entries == 0 || payload->n_entries > 4096)
        return;
    for (size_t i = 0; i < payload->n_entries; i++)
        if (!is_writable(payload->entries[i]))
            return;
    Segment segment = {.first_position = 1,
                       .last_position = payload->n_entries,
                       .entries = (const Dongbo__Entry *const *)payload->entries,
                       .n_entries = payload->n_entries,
                       .leaves = leaves,
                       .masked = masked};
    SegmentPack pack = {0};
    FUZZ_ASSERT(segment_encode(coder, &segment, &pack) == 0);
    Dongbo__SegmentPayload *read;
    Dongbo__SegmentSummary *lines;
    int r = segment_decode_payload(pack.payload.data, pack.payload.n, SEGMENT_FORMAT, arena, &read);
    FUZZ_ASSERT(r == 0 || arena_failed(arena));
    FUZZ_ASSERT(r != 0 || read->n_entries == payload->n_entries);
    for (size_t i = 0; r == 0 && i < read->n_entries; i++)
        FUZZ_ASSERT(fuzz_same(&read->entries[i]->base, &payload->entries[i]->base));
    r = segment_decode_summary(pack.summary.data, pack.summary.n, SEGMENT_FORMAT, arena, &lines);
    FUZZ_ASSERT(r != 0 || lines->n_lines == payload->n_entries);
    for (size_t i = 0; i < payload->n_entries && i < 64; i++)
        (void)entries_verdict_of(arena, payload->entries[i], i + 1);
    segment_pack_free(&pack);
}

static void record_takes(const uint8_t *data, size_t n) {
    Dongbo__Record *current = dongbo__record__unpack(arena_protobuf(arena), n, data);
    Bytes packed = {0};
    fuzz_event(DONGBO__DOMAIN__HEALTH, 1, &packed);
    Dongbo__ChangeEvent *event = dongbo__change_event__unpack(arena_protobuf(arena), packed.n, packed.data);
    FUZZ_ASSERT(event != NULL || arena_failed(arena));
    if (current != NULL && event != NULL) {
        Grants grants = {.agency = 5, .code = "MOH", .domains = 0xFE};
        Merge merge = {.rules = rules, .grants = &grants, .arena = arena};
        Merged merged = {0};
        int r = reconcile(&merge, current, event, &merged);
        FUZZ_ASSERT(r <= 1);
        if (r == 0 && merged.store) {
            FUZZ_ASSERT(merged.record != NULL);
            FUZZ_ASSERT(merged.verdict >= DONGBO__VERDICT__ACCEPTED && merged.verdict <= DONGBO__VERDICT__SUPERSEDED);
        }
    }
    bytes_free(&packed);
}

static void take(unsigned kind, const uint8_t *data, size_t n) {
    Dongbo__SegmentPayload *payload;
    Dongbo__SegmentSummary *summary;
    switch (kind) {
    case PAYLOAD:
        if (segment_decode_payload(data, n, SEGMENT_FORMAT, arena, &payload) == 0)
            payload_again(payload);
        break;
    case SUMMARY:
        (void)segment_decode_summary(data, n, SEGMENT_FORMAT, arena, &summary);
        break;
    case BATCH:
        (void)segment_decode_batch(data, n, 2, arena);
        break;
    default:
        record_takes(data, n);
    }
}

static void begin(void) {
    char path[4096];
    snprintf(path, sizeof path, "%s/schemas", fuzz_source());
    FUZZ_ASSERT(arena_new(&arena, WORK_ARENA_BYTES) == 0 && rules_load(&rules, path) == 0);
    FUZZ_ASSERT(segment_coder_new(&coder, fuzz_clock()) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    static uint8_t compressed[ZSTD_COMPRESSBOUND(1024 * 1024)];
    if (arena == NULL)
        begin();
    arena_reset(arena);
    if (n == 0 || n > 1024 * 1024)
        return 0;
    unsigned kind = (data[0] & 0x7f) % KINDS;
    if ((data[0] & COMPRESS) == 0) {
        take(kind, data + 1, n - 1);
        return 0;
    }
    size_t size = ZSTD_compress(compressed, sizeof compressed, data + 1, n - 1, 1);
    FUZZ_ASSERT(!ZSTD_isError(size));
    take(kind, compressed, size);
    return 0;
}

static void seed(const char *name, unsigned kind, const Bytes *bytes) {
    Bytes out = {0};
    bytes_append_u8(&out, (uint8_t)kind);
    bytes_append(&out, bytes->data, bytes->n);
    fuzz_seed(name, out.data, out.n);
    bytes_free(&out);
}

static void seed_segment(void) {
    Bytes body = {0}, packed = {0};
    SegmentPack pack = {0};
    fuzz_body(DONGBO__DOMAIN__HEALTH, &body);
    Dongbo__Entry entry = DONGBO__ENTRY__INIT;
    Dongbo__Reason reason = DONGBO__REASON__INIT, *reasons[] = {&reason};
    reason.code = DONGBO__REASON_CODE__NAME_CASE;
    reason.field = "subject.full_name";
    entry.kind = DONGBO__ENTRY_KIND__ENTRY_EVENT;
    entry.verdict = DONGBO__VERDICT__ACCEPTED;
    entry.domain = DONGBO__DOMAIN__HEALTH;
    entry.person = 11;
    entry.n_reasons = 1;
    entry.reasons = reasons;
    entry.body = (ProtobufCBinaryData){body.n, body.data};
    const Dongbo__Entry *entries[] = {&entry, &entry};
    static const uint8_t LEAF[HASH_BYTES] = {1};
    const uint8_t *leaves[] = {LEAF, NULL};
    const char *masked[] = {"001*******01", NULL};
    Segment segment = {.entries = entries, .n_entries = 2, .leaves = leaves, .masked = masked};
    FUZZ_ASSERT(segment_encode(NULL, &segment, &pack) == 0);
    seed("payload", PAYLOAD, &pack.payload);
    seed("summary", SUMMARY, &pack.summary);
    Dongbo__SegmentPayload plain = DONGBO__SEGMENT_PAYLOAD__INIT;
    plain.n_entries = 2;
    plain.entries = (Dongbo__Entry **)entries;
    bytes_append_message(&packed, &plain.base);
    seed("payload-plain", PAYLOAD | COMPRESS, &packed);
    bytes_free(&body);
    bytes_free(&packed);
    segment_pack_free(&pack);
}

static void seed_record(void) {
    Bytes body = {0}, packed = {0};
    fuzz_body(DONGBO__DOMAIN__HEALTH, &body);
    uint8_t id[EVENT_ID_BYTES] = {9};
    uint32_t fields[] = {1, 2, 3, 4, 5, 7}, cleared[] = {6};
    Dongbo__Origin origin = DONGBO__ORIGIN__INIT, *origins[] = {&origin};
    Dongbo__Record record = DONGBO__RECORD__INIT;
    origin.authority = 1;
    origin.event_time_us = FUZZ_NOW - 5000000;
    origin.event_id = (ProtobufCBinaryData){sizeof id, id};
    origin.agency = 5;
    origin.n_fields = 6;
    origin.fields = fields;
    origin.n_cleared = 1;
    origin.cleared = cleared;
    record.body = (ProtobufCBinaryData){body.n, body.data};
    record.n_origins = 1;
    record.origins = origins;
    bytes_append_message(&packed, &record.base);
    seed("record", RECORD, &packed);
    bytes_free(&body);
    bytes_free(&packed);
}

void fuzz_seeds(void) {
    seed_segment();
    seed_record();
    Bytes event = {0}, batch = {0};
    fuzz_event(DONGBO__DOMAIN__HEALTH, 1, &event);
    ProtobufCBinaryData events[] = {{event.n, event.data}, {event.n, event.data}};
    Dongbo__SealedBatch sealed = DONGBO__SEALED_BATCH__INIT;
    sealed.n_events = 2;
    sealed.events = events;
    sealed.salts = sealed.header = sealed.signature = events[0];
    bytes_append_message(&batch, &sealed.base);
    seed("batch", BATCH, &batch);
    bytes_free(&event);
    bytes_free(&batch);
}
