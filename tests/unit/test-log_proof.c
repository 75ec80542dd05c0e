// SPDX-License-Identifier: Apache-2.0
//
// Proofs of entries that an exchange made up itself, in a tree that it signed: what no agency's word stands behind is
// not proved to be an event, whatever key or kind it comes under.
#include "operators/log_proof.h"

#include "proto/base/error.h"
#include "proto/head.h"
#include "proto/origin.h"
#include "tests/unit/log-case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define EVENTS 3
#define CHANGED 1 // the entry that is proved

typedef struct Fixture {
    LogCase made;
    FILE *file;
    char *data;
    size_t n;
    Arena *arena;
    // What is proved: the segment as the exchange has it, to be changed before prove().
    Segment segment;
    Bytes sealed;
    Batch batch;
    Dongbo__Entry entries[EVENTS];
    const Dongbo__Entry *entries_at[EVENTS];
    Dongbo__Reason reason, *reasons[1];
    const uint8_t *leaves[EVENTS];
    LogProofCheck check;
} Fixture;
static Fixture f;

static void ok(int r) {
    if (r < 0)
        fail_msg("%s", error_text());
    assert_int_equal(r, 0);
}

static void seal(Signer *signer, const uint8_t sign_public[KEY_BYTES]) {
    static uint8_t texts[EVENTS][4] = {"one", "two", "3rd"};
    ProtobufCBinaryData events[EVENTS];
    char key_id[KEY_ID_TEXT_BYTES];
    CLEANUP(verifier_destroy) Verifier *verifier = NULL;
    for (size_t i = 0; i < EVENTS; i++)
        events[i] = (ProtobufCBinaryData){sizeof texts[i], texts[i]};
    keys_id(sign_public, key_id);
    const BatchSeal how = {f.made.stream, 1, events, EVENTS, key_id, signer, clock_system(), f.made.merkle};
    bytes_clear(&f.sealed);
    ok(batch_seal(&how, &f.sealed));
    ok(verifier_new(&verifier, sign_public));
    ok(batch_open(f.sealed.data, f.sealed.n, verifier, f.made.merkle, f.arena, &f.batch));
    f.segment.last_sequence = EVENTS;
    f.segment.batch_root = f.batch.header->root.data;
    f.segment.header = f.batch.header_bytes;
    f.segment.signature = f.batch.signature.data;
    for (size_t i = 0; i < EVENTS; i++)
        f.leaves[i] = f.batch.leaves + i * HASH_BYTES;
}

static int set_up(void **state) {
    f = (Fixture){0};
    f.file = open_memstream(&f.data, &f.n);
    ok(log_case_begin(&f.made, f.file, false));
    ok(arena_new(&f.arena, 4 * BATCH_ARENA_BYTES));
    for (size_t i = 0; i < EVENTS; i++) {
        dongbo__entry__init(&f.entries[i]);
        f.entries[i].kind = DONGBO__ENTRY_KIND__ENTRY_EVENT;
        f.entries[i].sequence = 1 + i;
        f.entries[i].domain = DONGBO__DOMAIN__HEALTH;
        f.entries[i].verdict = DONGBO__VERDICT__ACCEPTED;
        f.entries_at[i] = &f.entries[i];
    }
    f.segment = (Segment){.kind = DONGBO__ENTRY_KIND__ENTRY_EVENT,
                          .first_position = 1,
                          .last_position = EVENTS,
                          .epoch = 1,
                          .agency = LOG_CASE_AGENCY,
                          .stream = f.made.stream,
                          .first_sequence = 1,
                          .stored_at_us = 1769000000000000LL,
                          .entries = f.entries_at,
                          .n_entries = EVENTS,
                          .leaves = f.leaves};
    seal(f.made.signer, f.made.keys.sign_public);
    return 0;
}

static int tear_down(void **state) {
    fclose(f.file);
    free(f.data);
    bytes_free(&f.sealed);
    arena_destroy(&f.arena);
    log_case_free(&f.made);
    return 0;
}

// ---- the proof ----------------------------------------------------------------------------------------------------

static ProtobufCBinaryData bytes_of(const uint8_t *data, size_t n) {
    return (ProtobufCBinaryData){data != NULL ? n : 0, (uint8_t *)data};
}

static void sign_head(Bytes *head, uint8_t signature[SIGNATURE_BYTES], Dongbo__SignedHead *ret) {
    uint8_t root[HASH_BYTES];
    Dongbo__TreeHead tree = DONGBO__TREE_HEAD__INIT;
    frontier_root(f.made.merkle, &f.made.head.frontier, root);
    tree.number = tree.size = tree.epoch = 1;
    tree.root = bytes_of(root, HASH_BYTES);
    tree.last_position = EVENTS;
    tree.key_id = f.made.exchange_id;
    tree.segment_hash = bytes_of(f.made.head.hash, HASH_BYTES);
    ok(head_sign(&tree, f.made.exchange_signer, head, signature));
    dongbo__signed_head__init(ret);
    ret->head = bytes_of(head->data, head->n);
    ret->signature = bytes_of(signature, SIGNATURE_BYTES);
}

static void fill_row(Dongbo__LogSegment *row, Bytes *origin) {
    Dongbo__SealedBatch batch = DONGBO__SEALED_BATCH__INIT;
    const Segment *segment = &f.segment;
    dongbo__log_segment__init(row);
    row->first_position = segment->first_position;
    row->last_position = segment->last_position;
    row->epoch = segment->epoch;
    row->format = SEGMENT_FORMAT;
    row->kind = (uint32_t)segment->kind;
    row->agency = segment->agency;
    row->stream = bytes_of(segment->stream, STREAM_BYTES);
    row->first_sequence = segment->first_sequence;
    row->last_sequence = segment->last_sequence;
    row->batch_root = bytes_of(segment->batch_root, HASH_BYTES);
    row->stored_at_us = segment->stored_at_us;
    if (segment->signature == NULL)
        return;
    batch.header = segment->header;
    batch.signature = bytes_of(segment->signature, SIGNATURE_BYTES);
    bytes_append_message(origin, &batch.base);
    row->origin = bytes_of(origin->data, origin->n);
}

static void fill_paths(const Dongbo__SegmentSummary *summary, Dongbo__EntryProof *proof) {
    uint8_t leaves[EVENTS][HASH_BYTES];
    ProofPath path;
    for (size_t i = 0; i < EVENTS; i++)
        ok(segment_entry_leaf(f.made.merkle, summary->lines[i], leaves[i]));
    proof_path(f.made.merkle, (const uint8_t(*)[HASH_BYTES])leaves, EVENTS, CHANGED, &path);
    ok(log_path_put(f.arena, &path, &proof->entry_path, &proof->n_entry_path));
    proof_path(f.made.merkle, (const uint8_t(*)[HASH_BYTES])f.batch.leaves, EVENTS, CHANGED, &path);
    ok(log_path_put(f.arena, &path, &proof->event_path, &proof->n_event_path));
}

static void check(const Dongbo__Proof *proof) {
    uint8_t keys[2][KEY_BYTES];
    memcpy(keys[0], f.made.exchange.sign_public, KEY_BYTES);
    memcpy(keys[1], f.made.keys.sign_public, KEY_BYTES);
    ok(log_proof_check(proof, &(LogProofKeys){.keys = (const uint8_t(*)[KEY_BYTES])keys, .n = 2}, f.arena, &f.check));
}

// Of the entry CHANGED, in a log that has this segment alone.
static void prove(void) {
    SegmentPack packed = {0};
    Dongbo__SegmentSummary *summary = NULL;
    CLEANUP(bytes_free) Bytes head_bytes = {0};
    CLEANUP(bytes_free) Bytes origin = {0};
    uint8_t signature[SIGNATURE_BYTES];
    Dongbo__LogSegment row;
    Dongbo__SignedHead head;
    Dongbo__EntryProof entry = DONGBO__ENTRY_PROOF__INIT;
    Dongbo__Proof proof = DONGBO__PROOF__INIT;
    ok(segment_encode(f.made.coder, &f.segment, &packed));
    ok(segment_decode_summary(packed.summary.data, packed.summary.n, SEGMENT_FORMAT, f.arena, &summary));
    segment_chain(&f.segment, packed.entries_root, f.made.merkle, &f.made.head);
    sign_head(&head_bytes, signature, &head);
    fill_row(&row, &origin);
    fill_paths(summary, &entry);
    entry.position = 1 + CHANGED;
    entry.line = summary->lines[CHANGED];
    entry.segment = &row;
    entry.head = &head;
    proof.what_case = DONGBO__PROOF__WHAT_ENTRY;
    proof.entry = &entry;
    check(&proof);
    segment_pack_free(&packed);
}

static void is_proved(void) {
    if (f.check.wrong != NULL)
        fail_msg("%s", f.check.wrong);
    assert_true(log_proof_is_good(&f.check));
}

static void is_wrong(const char *why) {
    assert_false(log_proof_is_good(&f.check));
    assert_non_null(f.check.wrong);
    assert_string_equal(f.check.wrong, why);
}

// ---- what is proved -----------------------------------------------------------------------------------------------

static void test_an_agencys_event(void **state) {
    prove();
    is_proved();
    assert_int_equal(f.check.agency, LOG_PROOF_GOOD);
}

static void unread(size_t i) {
    dongbo__reason__init(&f.reason);
    f.reason.code = DONGBO__REASON_CODE__BATCH_UNREADABLE;
    f.reasons[0] = &f.reason;
    f.entries[i].verdict = DONGBO__VERDICT__REJECTED;
    f.entries[i].reasons = f.reasons;
    f.entries[i].n_reasons = 1;
    f.leaves[i] = NULL;
}

static void test_what_could_not_be_read(void **state) {
    for (size_t i = 0; i < EVENTS; i++)
        unread(i);
    prove();
    is_proved();
}

static void without_batch(void) {
    f.segment.header = (ProtobufCBinaryData){0};
    f.segment.signature = NULL;
}

static void test_an_event_that_nobody_signed(void **state) {
    without_batch();
    prove();
    is_wrong("no agency signed the batch of this event");
}

static void test_an_event_of_no_batch(void **state) {
    f.segment.kind = DONGBO__ENTRY_KIND__ENTRY_DECISION;
    f.segment.batch_root = NULL;
    f.segment.first_sequence = f.segment.last_sequence = 0;
    without_batch();
    prove();
    is_wrong("the entry is none of its segment");
}

static void test_an_event_of_another_place(void **state) {
    f.entries[CHANGED].sequence = 7;
    prove();
    is_wrong("the entry is none of its segment");
}

static void test_an_event_without_a_leaf(void **state) {
    f.leaves[CHANGED] = NULL;
    prove();
    is_wrong("the event is not one of the batch");
}

// The exchange's key is given for its heads; it is no agency's.
static void test_the_exchange_is_no_agency(void **state) {
    seal(f.made.exchange_signer, f.made.exchange.sign_public);
    prove();
    is_wrong("the batch is signed with the exchange's own key");
}

// ---- whose keys are ------------------------------------------------------------------------------------------------

// An event by itself, by its batch's signature alone; keys: the exchange's, the agency's.
static void prove_alone(const char (*who)[LOG_PROOF_WHO_BYTES]) {
    uint8_t keys[2][KEY_BYTES];
    ProofPath path;
    CLEANUP(bytes_free) Bytes packed = {0};
    Dongbo__SealedBatch batch = DONGBO__SEALED_BATCH__INIT;
    Dongbo__OriginProof origin = DONGBO__ORIGIN_PROOF__INIT;
    Dongbo__EventProof event = DONGBO__EVENT_PROOF__INIT;
    Dongbo__Proof proof = DONGBO__PROOF__INIT;
    batch.header = f.segment.header;
    batch.signature = bytes_of(f.segment.signature, SIGNATURE_BYTES);
    bytes_append_message(&packed, &batch.base);
    proof_path(f.made.merkle, (const uint8_t(*)[HASH_BYTES])f.batch.leaves, EVENTS, CHANGED, &path);
    ok(log_path_put(f.arena, &path, &origin.path, &origin.n_path));
    origin.index = CHANGED;
    origin.leaf = bytes_of(f.leaves[CHANGED], HASH_BYTES);
    event.batch = bytes_of(packed.data, packed.n);
    event.proof = &origin;
    proof.what_case = DONGBO__PROOF__WHAT_EVENT;
    proof.event = &event;
    memcpy(keys[0], f.made.exchange.sign_public, KEY_BYTES);
    memcpy(keys[1], f.made.keys.sign_public, KEY_BYTES);
    ok(log_proof_check(&proof, &(LogProofKeys){(const uint8_t(*)[KEY_BYTES])keys, 2, who}, f.arena, &f.check));
}

static const char WHO[2][LOG_PROOF_WHO_BYTES] = {LOG_PROOF_EXCHANGE, LOG_CASE_CODE};
static const char OTHERS[2][LOG_PROOF_WHO_BYTES] = {LOG_CASE_CODE, LOG_PROOF_EXCHANGE};

static void test_an_agencys_key_is_for_batches(void **state) {
    prove_alone(WHO);
    is_proved();
    assert_string_equal(f.check.agency_who, LOG_CASE_CODE);
    prove_alone(NULL);
    is_proved();
    assert_string_equal(f.check.agency_who, "");
    prove_alone(OTHERS);
    assert_false(log_proof_is_good(&f.check));
}

static void test_the_exchanges_key_is_for_heads(void **state) {
    seal(f.made.exchange_signer, f.made.exchange.sign_public);
    prove_alone(WHO);
    assert_false(log_proof_is_good(&f.check));
    assert_int_equal(f.check.agency, LOG_PROOF_NO_KEY);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_an_agencys_event, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_could_not_be_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_event_that_nobody_signed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_event_of_no_batch, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_event_of_another_place, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_event_without_a_leaf, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_exchange_is_no_agency, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_agencys_key_is_for_batches, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_exchanges_key_is_for_heads, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
