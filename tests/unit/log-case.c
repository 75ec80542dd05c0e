// SPDX-License-Identifier: Apache-2.0
//
// Events differ in what a real log's differ in: names, numbers, dates, lots. Nobody of these is anybody.
#include "tests/unit/log-case.h"

#include "log.pb-c.h"
#include "proto/base/error.h"
#include "proto/base/text.h"
#include "proto/head.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define STORED_AT_US 1769000000000000LL
#define ARENA_BYTES ((size_t)64 * 1024 * 1024)

int log_case_begin(LogCase *log, FILE *to, bool payloads) {
    *log = (LogCase){.payloads = payloads, .head = {.epoch = 1, .stored_at_us = STORED_AT_US}};
    memset(log->stream, 0x5a, sizeof log->stream);
    int r = keys_generate(&log->keys);
    if (r == 0)
        r = keys_generate(&log->exchange);
    if (r == 0)
        r = signer_new(&log->exchange_signer, log->exchange.sign_secret);
    if (r == 0)
        r = signer_new(&log->signer, log->keys.sign_secret);
    if (r == 0)
        r = merkle_new(&log->merkle);
    if (r == 0)
        r = segment_coder_new(&log->coder, clock_system());
    if (r == 0)
        r = arena_new(&log->arena, ARENA_BYTES);
    if (r == 0)
        r = logfile_writer_new(&log->writer, to);
    if (r < 0)
        return r;
    keys_id(log->keys.sign_public, log->key_id);
    keys_id(log->exchange.sign_public, log->exchange_id);
    uint8_t none[HASH_BYTES] = {0};
    Dongbo__LogBegin begin = DONGBO__LOG_BEGIN__INIT;
    begin.first_position = 1;
    begin.previous_hash = (ProtobufCBinaryData){HASH_BYTES, none};
    begin.payloads = payloads;
    Dongbo__LogAgency agency = DONGBO__LOG_AGENCY__INIT;
    agency.agency = LOG_CASE_AGENCY;
    agency.code = LOG_CASE_CODE;
    r = logfile_put_message(log->writer, LOGFILE_BEGIN, &begin.base);
    return r < 0 ? r : logfile_put_message(log->writer, LOGFILE_AGENCY, &agency.base);
}

void log_case_free(LogCase *log) {
    signer_destroy(&log->signer);
    signer_destroy(&log->exchange_signer);
    merkle_destroy(&log->merkle);
    segment_coder_destroy(&log->coder);
    arena_destroy(&log->arena);
    logfile_writer_destroy(&log->writer);
}

// ---- an event and its entry ---------------------------------------------------------------------------------------

typedef struct Made { // of one segment, in the arena
    ProtobufCBinaryData *events;
    const Dongbo__Entry **entries;
    const uint8_t **leaves;
    const char **masked;
} Made;

static ProtobufCBinaryData copy(Arena *arena, const void *data, size_t n) {
    uint8_t *to = arena_alloc(arena, n ? n : 1);
    memcpy(to, data, n);
    return (ProtobufCBinaryData){n, to};
}

static ProtobufCBinaryData pack(Arena *arena, const ProtobufCMessage *message) {
    size_t n = protobuf_c_message_get_packed_size(message);
    uint8_t *data = arena_alloc(arena, n);
    protobuf_c_message_pack(message, data);
    return (ProtobufCBinaryData){n, data};
}

static void make_subject(Arena *arena, uint64_t n, Dongbo__Subject *subject) {
    static const char *const NAMES[] = {"Nguyễn Văn An", "Trần Thị Bình", "Lê Minh Cường", "Phạm Thu Hà"};
    dongbo__subject__init(subject);
    subject->citizen_number = arena_printf(arena, "001%09" PRIu64, n * 7919 % 1000000000);
    subject->full_name = (char *)NAMES[n % 4];
    subject->birth_date = arena_printf(arena, "19%02u-%02u-%02u", (unsigned)(n % 90 + 10), (unsigned)(n % 12 + 1),
                                       (unsigned)(n % 28 + 1));
    subject->sex = n % 2 ? "female" : "male";
}

static void make_dose(Arena *arena, uint64_t n, Dongbo__Vaccination *dose) {
    dongbo__vaccination__init(dose);
    dose->vaccine_group = "covid-19";
    dose->dose_number = (uint32_t)(n % 3 + 1);
    dose->product_code = "EU/1/20/1528";
    dose->lot_number = arena_printf(arena, "LOT-%04u", (unsigned)(n % 9973));
    dose->occurrence_date = "2022-03-01";
    dose->facility_code = arena_printf(arena, "%02u-%03u", (unsigned)(n % 34 + 1), (unsigned)(n % 700));
    dose->status = "completed";
}

static void add_reason(Arena *arena, Dongbo__Entry *entry) {
    Dongbo__Reason **reasons = arena_alloc(arena, sizeof *reasons + sizeof **reasons);
    *reasons = (Dongbo__Reason *)(reasons + 1);
    dongbo__reason__init(*reasons);
    (*reasons)->code = DONGBO__REASON_CODE__NAME_DIFFERS;
    (*reasons)->field = "subject.full_name";
    entry->reasons = reasons;
    entry->n_reasons = 1;
    entry->verdict = DONGBO__VERDICT__MISMATCH;
}

static void make(LogCase *log, const Made *made, size_t i) {
    uint64_t n = log->sequence + i;
    uint8_t id[HASH_BYTES];
    Dongbo__Subject subject;
    Dongbo__Vaccination dose;
    Dongbo__ChangeEvent event = DONGBO__CHANGE_EVENT__INIT;
    merkle_sha256(log->merkle, (const uint8_t *)&n, sizeof n, id); // as good as random
    make_subject(log->arena, n, &subject);
    make_dose(log->arena, n, &dose);
    event.event_id = copy(log->arena, id, EVENT_ID_BYTES);
    event.schema_version = SCHEMA_VERSION;
    event.operation = DONGBO__OPERATION__UPSERT;
    event.event_time_us = STORED_AT_US + (int64_t)n;
    event.source_key = arena_printf(log->arena, "row-%" PRIu64, n);
    event.subject = &subject;
    event.body_case = DONGBO__CHANGE_EVENT__BODY_HEALTH;
    event.health = &dose;
    made->events[i] = pack(log->arena, &event.base);

    Dongbo__Entry *entry = arena_alloc(log->arena, sizeof *entry);
    dongbo__entry__init(entry);
    entry->kind = DONGBO__ENTRY_KIND__ENTRY_EVENT;
    entry->sequence = n + 1;
    entry->event_id = event.event_id;
    entry->domain = DONGBO__DOMAIN__HEALTH;
    entry->verdict = DONGBO__VERDICT__ACCEPTED;
    entry->citizen_number = subject.citizen_number;
    entry->event_time_us = event.event_time_us;
    entry->agency = LOG_CASE_AGENCY;
    if (n % 7 == 6) {
        add_reason(log->arena, entry);
    } else {
        entry->person = (int64_t)(n * 7919 % 1000000000);
        entry->record_key = arena_printf(log->arena, "covid-19/%u", dose.dose_number);
        entry->province_before = entry->province_after = "01";
        entry->province63_before = entry->province63_after = "01";
        entry->body = pack(log->arena, &dose.base);
    }
    made->entries[i] = entry;
    char *masked = arena_alloc(log->arena, TEXT_MASK_BYTES);
    text_mask_number(entry->citizen_number, masked);
    made->masked[i] = masked;
}

// ---- segments -----------------------------------------------------------------------------------------------------

static ProtobufCBinaryData hash_or_none(const uint8_t *hash, size_t n) {
    return (ProtobufCBinaryData){hash ? n : 0, (uint8_t *)hash};
}

static void fill(LogCase *log, const Segment *segment, Dongbo__LogSegment *record) {
    const SegmentHead *head = &log->head;
    dongbo__log_segment__init(record);
    record->first_position = segment->first_position;
    record->last_position = segment->last_position;
    record->epoch = segment->epoch;
    record->format = SEGMENT_FORMAT;
    record->kind = (uint32_t)segment->kind;
    record->agency = segment->agency;
    record->stream = hash_or_none(segment->stream, STREAM_BYTES);
    record->first_sequence = segment->first_sequence;
    record->last_sequence = segment->last_sequence;
    record->batch_root = hash_or_none(segment->batch_root, HASH_BYTES);
    record->stored_at_us = segment->stored_at_us;
    record->leaf_index = head->leaf_index - 1;
    record->hash = hash_or_none(head->hash, HASH_BYTES);
    record->frontier = (ProtobufCBinaryData){frontier_bytes(&head->frontier), (uint8_t *)head->frontier.nodes};
    if (!segment->signature)
        return;
    Dongbo__SealedBatch origin = DONGBO__SEALED_BATCH__INIT;
    origin.header = segment->header;
    origin.signature = hash_or_none(segment->signature, SIGNATURE_BYTES);
    record->origin = pack(log->arena, &origin.base);
}

static int put_group(LogCase *log, Dongbo__LogSegment *record, const SegmentPack *packed, const Bytes *batch) {
    CLEANUP(bytes_free) Bytes plain = {0};
    int r = logfile_unpack(packed->summary.data, packed->summary.n, &plain);
    record->summary = (ProtobufCBinaryData){plain.n, plain.data};
    if (r == 0)
        r = logfile_put_message(log->writer, LOGFILE_SEGMENT, &record->base);
    if (r < 0 || !log->payloads)
        return r;
    r = logfile_unpack(packed->payload.data, packed->payload.n, &plain);
    if (r == 0)
        r = logfile_put(log->writer, LOGFILE_PAYLOAD, plain.data, plain.n);
    return r < 0 || !batch ? r : logfile_put(log->writer, LOGFILE_BATCH, batch->data, batch->n);
}

int log_case_segment(LogCase *log, Segment *segment, const Bytes *batch) {
    SegmentPack packed = {0};
    Dongbo__LogSegment record;
    SegmentHead *head = &log->head;
    segment->epoch = head->epoch;
    segment->first_position = head->last_position + 1;
    segment->last_position = head->last_position + segment->n_entries;
    segment->stored_at_us = head->stored_at_us + 1000;
    int r = segment_encode(log->coder, segment, &packed);
    if (r == 0) {
        segment_chain(segment, packed.entries_root, log->merkle, head);
        fill(log, segment, &record);
        r = put_group(log, &record, &packed, batch);
    }
    log->segments++;
    segment_pack_free(&packed);
    return r;
}

int log_case_batch(LogCase *log, size_t n) {
    CLEANUP(bytes_free) Bytes sealed = {0};
    Batch batch;
    Verifier *verifier = NULL;
    arena_reset(log->arena);
    Made made = {arena_alloc(log->arena, n * sizeof *made.events), arena_alloc(log->arena, n * sizeof *made.entries),
                 arena_alloc(log->arena, n * sizeof *made.leaves), arena_alloc(log->arena, n * sizeof *made.masked)};
    for (size_t i = 0; i < n; i++)
        make(log, &made, i);
    const BatchSeal seal = {log->stream, log->sequence + 1, made.events,    n,
                            log->key_id, log->signer,       clock_system(), log->merkle};
    int r = batch_seal(&seal, &sealed);
    if (r == 0)
        r = verifier_new(&verifier, log->keys.sign_public);
    if (r == 0)
        r = batch_open(sealed.data, sealed.n, verifier, log->merkle, log->arena, &batch);
    verifier_destroy(&verifier);
    if (r != 0)
        return r < 0 ? r : error_fail(ERROR_CRYPTO, "a batch of %zu events cannot be opened", n);
    for (size_t i = 0; i < n; i++)
        made.leaves[i] = batch.leaves + i * HASH_BYTES;
    Segment segment = {.kind = DONGBO__ENTRY_KIND__ENTRY_EVENT,
                       .agency = LOG_CASE_AGENCY,
                       .stream = log->stream,
                       .first_sequence = log->sequence + 1,
                       .last_sequence = log->sequence + n,
                       .batch_root = batch.header->root.data,
                       .header = batch.header_bytes,
                       .signature = batch.signature.data,
                       .entries = made.entries,
                       .n_entries = n,
                       .leaves = made.leaves,
                       .masked = made.masked};
    log->sequence += n;
    return log_case_segment(log, &segment, &sealed);
}

int log_case_note(LogCase *log, int kind, const char *text) {
    Dongbo__Entry entry = DONGBO__ENTRY__INIT;
    const Dongbo__Entry *entries[] = {&entry};
    entry.kind = (Dongbo__EntryKind)kind;
    entry.text = (char *)text;
    Segment segment = {.kind = kind, .entries = entries, .n_entries = 1};
    arena_reset(log->arena);
    return log_case_segment(log, &segment, NULL);
}

int log_case_new_epoch(LogCase *log) {
    log->head.epoch++;
    return log_case_note(log, DONGBO__ENTRY_KIND__ENTRY_EPOCH, "a new epoch");
}

int log_case_head(LogCase *log) {
    CLEANUP(bytes_free) Bytes head = {0};
    uint8_t root[HASH_BYTES], signature[SIGNATURE_BYTES];
    Dongbo__TreeHead tree = DONGBO__TREE_HEAD__INIT;
    frontier_root(log->merkle, &log->head.frontier, root);
    tree.number = ++log->heads;
    tree.size = log->head.leaf_index;
    tree.root = hash_or_none(root, HASH_BYTES);
    tree.last_position = log->head.last_position;
    tree.epoch = log->head.epoch;
    tree.signed_at_us = log->head.stored_at_us;
    tree.previous = hash_or_none(log->heads > 1 ? log->head_hash : NULL, HASH_BYTES);
    tree.key_id = log->exchange_id;
    tree.segment_hash = hash_or_none(log->head.hash, HASH_BYTES);
    int r = head_sign(&tree, log->exchange_signer, &head, signature);
    if (r < 0)
        return r;
    Dongbo__SignedHead made = DONGBO__SIGNED_HEAD__INIT;
    made.head = (ProtobufCBinaryData){head.n, head.data};
    made.signature = hash_or_none(signature, SIGNATURE_BYTES);
    head_hash(log->merkle, made.head, log->head_hash);
    return logfile_put_message(log->writer, LOGFILE_HEAD, &made.base);
}

int log_case_put_end(LogCase *log) {
    Dongbo__LogEnd end = DONGBO__LOG_END__INIT;
    end.segments = log->segments;
    end.last_position = end.log_last_position = log->head.last_position;
    int r = logfile_put_message(log->writer, LOGFILE_END, &end.base);
    return r < 0 ? r : logfile_flush(log->writer);
}
