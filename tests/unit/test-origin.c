// SPDX-License-Identifier: Apache-2.0
//
// Proofs that an agency said an event: each of every small batch holds, with its content and without, and nothing that
// was changed in any bit does. And records beside events: of every domain, each field is held against the event.
#include "event.pb-c.h"
#include "proto/base/bytes.h"
#include "proto/base/error.h"
#include "proto/batch.h"
#include "proto/domain.h"
#include "proto/origin.h"
#include "proto/proof.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define N 21

static Keys keys;
static Signer *signer;
static Verifier *verifier, *stranger;
static Merkle *merkle;
static Arena *arena;

static int set_up(void **state) {
    Keys other;
    return keys_generate(&keys) | keys_generate(&other) | signer_new(&signer, keys.sign_secret) |
           verifier_new(&verifier, keys.sign_public) | verifier_new(&stranger, other.sign_public) |
           merkle_new(&merkle) | arena_new(&arena, BATCH_ARENA_BYTES);
}

static int tear_down(void **state) {
    signer_destroy(&signer);
    verifier_destroy(&verifier);
    verifier_destroy(&stranger);
    merkle_destroy(&merkle);
    arena_destroy(&arena);
    return 0;
}

// A batch of n events, and where header and signature end in it.
typedef struct Made {
    Bytes bytes;
    Batch batch;
    ProtobufCBinaryData origin;
} Made;

static void seal(size_t n, Made *ret) {
    static char texts[N][16];
    char key_id[KEY_ID_TEXT_BYTES];
    ProtobufCBinaryData events[N];
    uint8_t stream[STREAM_BYTES] = {1, 2, 3};
    for (size_t i = 0; i < n; i++)
        events[i] = (ProtobufCBinaryData){.len = (size_t)snprintf(texts[i], sizeof texts[i], "event %zu", i),
                                          .data = (uint8_t *)texts[i]};
    keys_id(keys.sign_public, key_id);
    const BatchSeal parts = {.stream = stream,
                             .first_sequence = 7,
                             .events = events,
                             .n_events = n,
                             .key_id = key_id,
                             .signer = signer,
                             .clock = clock_system(),
                             .merkle = merkle};
    arena_reset(arena);
    *ret = (Made){0};
    assert_int_equal(batch_seal(&parts, &ret->bytes), 0);
    assert_int_equal(batch_open(ret->bytes.data, ret->bytes.n, verifier, merkle, arena, &ret->batch), BATCH_OK);
    ret->origin = (ProtobufCBinaryData){.len = ret->batch.origin_n, .data = ret->bytes.data};
}

static void prove(const Made *made, size_t n, size_t index, ProofPath *path, ProtobufCBinaryData *hashes,
                  Dongbo__OriginProof *ret) {
    proof_path(merkle, (const uint8_t(*)[HASH_BYTES])made->batch.leaves, n, index, path);
    for (size_t i = 0; i < path->n; i++)
        hashes[i] = (ProtobufCBinaryData){.len = HASH_BYTES, .data = path->hashes[i]};
    dongbo__origin_proof__init(ret);
    ret->index = (uint32_t)index;
    ret->leaf = (ProtobufCBinaryData){.len = HASH_BYTES, .data = (uint8_t *)made->batch.leaves + index * HASH_BYTES};
    ret->n_path = path->n;
    ret->path = hashes;
    ret->salt = (ProtobufCBinaryData){.len = SALT_BYTES, .data = made->batch.sealed->salts.data + index * SALT_BYTES};
    ret->event = made->batch.sealed->events[index];
}

static void assert_no_bit_may_change(const OriginBatch *batch, const Dongbo__OriginProof *proof,
                                     ProtobufCBinaryData bytes) {
    for (size_t bit = 0; bit < 8 * bytes.len; bit++) {
        bytes.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_non_null(origin_check(merkle, batch, proof));
        bytes.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_null(origin_check(merkle, batch, proof));
}

static void test_every_proof_holds_and_no_changed_one(void **state) {
    for (size_t n = 1; n <= N; n++) {
        Made made;
        OriginBatch batch;
        seal(n, &made);
        assert_int_equal(origin_read_batch(made.origin, arena, &batch), 0);
        assert_int_equal(origin_check_signature(&batch, verifier), 0);
        assert_int_equal(origin_check_signature(&batch, stranger), 1);
        for (size_t index = 0; index < n; index++) {
            ProofPath path;
            ProtobufCBinaryData hashes[PROOF_MAX];
            Dongbo__OriginProof proof;
            prove(&made, n, index, &path, hashes, &proof);
            assert_null(origin_check(merkle, &batch, &proof));
            assert_no_bit_may_change(&batch, &proof, proof.leaf);
            assert_no_bit_may_change(&batch, &proof, proof.salt);
            assert_no_bit_may_change(&batch, &proof, proof.event);
            for (size_t i = 0; i < proof.n_path; i++)
                assert_no_bit_may_change(&batch, &proof, hashes[i]);
            for (proof.index = 0; proof.index < n + 2; proof.index++)
                assert_true((proof.index == index) == (origin_check(merkle, &batch, &proof) == NULL));
        }
        bytes_free(&made.bytes);
    }
}

static void test_what_is_told_of_the_content(void **state) {
    Made made;
    OriginBatch batch;
    ProofPath path;
    ProtobufCBinaryData hashes[PROOF_MAX];
    Dongbo__OriginProof proof;
    seal(5, &made);
    assert_int_equal(origin_read_batch(made.origin, arena, &batch), 0);
    prove(&made, 5, 3, &path, hashes, &proof);
    Dongbo__OriginProof other = proof;
    other.salt = other.event = (ProtobufCBinaryData){0};
    assert_null(origin_check(merkle, &batch, &other));
    other.salt = proof.salt;
    assert_non_null(origin_check(merkle, &batch, &other));
    other.salt.len = 0;
    other.event = proof.event;
    assert_non_null(origin_check(merkle, &batch, &other));
    other = proof;
    other.salt.len--;
    assert_non_null(origin_check(merkle, &batch, &other));
    other = proof;
    other.event = made.batch.sealed->events[2];
    assert_non_null(origin_check(merkle, &batch, &other));
    other = proof;
    other.leaf.len--;
    assert_non_null(origin_check(merkle, &batch, &other));
    other = proof;
    hashes[0].len--;
    assert_non_null(origin_check(merkle, &batch, &other));
    hashes[0].len++;
    other.n_path--;
    assert_non_null(origin_check(merkle, &batch, &other));
    bytes_free(&made.bytes);
}

// Each flipped bit of header and signature is no such batch, or is not signed by this key.
static void test_every_bit_of_a_batch_counts(void **state) {
    Made made;
    OriginBatch batch;
    seal(5, &made);
    for (size_t bit = 0; bit < 8 * made.origin.len; bit++) {
        made.origin.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        int r = origin_read_batch(made.origin, arena, &batch);
        assert_true(r == 1 || (r == 0 && origin_check_signature(&batch, verifier) == 1));
        made.origin.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t n = 0; n < made.origin.len; n++)
        assert_int_equal(origin_read_batch((ProtobufCBinaryData){.len = n, .data = made.origin.data}, arena, &batch),
                         1);
    assert_int_equal(origin_read_batch((ProtobufCBinaryData){0}, arena, &batch), 1);
    ProtobufCBinaryData whole = {.len = made.bytes.n, .data = made.bytes.data};
    assert_int_equal(origin_read_batch(whole, arena, &batch), 1); // with its events
    bytes_free(&made.bytes);
}

// ---- records beside events ------------------------------------------------------------------------------------------

#define NUMBER "001099012345"
#define AT 1637723167123456

// An event that says every field of its domain but `silent`, and the record that it makes, all of which it changed.
typedef struct Pair {
    Dongbo__Subject subject;
    Dongbo__ChangeEvent event;
    ProtobufCMessage *body, *held;
    Dongbo__OriginProof proof;
    Dongbo__FeedRecord record;
    uint32_t changed[DOMAIN_FIELDS_MAX];
    OriginFit fit;
} Pair;
static Pair pair;

static ProtobufCMessage *body_make(int domain, unsigned silent) {
    const ProtobufCMessageDescriptor *descriptor = domain_descriptor(domain);
    ProtobufCMessage *body = arena_alloc(arena, descriptor->sizeof_message);
    assert_non_null(body);
    protobuf_c_message_init(descriptor, body);
    for (unsigned i = 0; i < descriptor->n_fields; i++)
        if (descriptor->fields[i].id != silent)
            assert_int_equal(field_set_text(body, descriptor->fields[i].id, "1"), 0);
    return body;
}

static void pair_make(int domain, unsigned silent) {
    arena_reset(arena);
    pair = (Pair){.body = body_make(domain, silent), .held = body_make(domain, silent)};
    dongbo__subject__init(&pair.subject);
    dongbo__change_event__init(&pair.event);
    dongbo__origin_proof__init(&pair.proof);
    dongbo__feed_record__init(&pair.record);
    pair.subject.citizen_number = (char *)NUMBER;
    pair.event.subject = &pair.subject;
    pair.event.operation = DONGBO__OPERATION__UPSERT;
    pair.event.event_time_us = AT;
    event_set_body(&pair.event, domain, pair.body);
    pair.record.domain = (Dongbo__Domain)domain;
    pair.record.change = DONGBO__CHANGE_KIND__CHANGE_UPSERT;
    pair.record.citizen_number = (char *)NUMBER;
    pair.record.event_time_us = AT;
    pair.record.changed_fields = pair.changed;
    for (unsigned i = 0; i < pair.body->descriptor->n_fields; i++)
        pair.changed[pair.record.n_changed_fields++] = pair.body->descriptor->fields[i].id;
}

static void message_pack(const ProtobufCMessage *message, ProtobufCBinaryData *ret) {
    ret->len = protobuf_c_message_get_packed_size(message);
    ret->data = arena_alloc(arena, ret->len + 1);
    assert_non_null(ret->data);
    protobuf_c_message_pack(message, ret->data);
}

static const OriginFit *fit(void) {
    message_pack(&pair.event.base, &pair.proof.event);
    if (change_lets_go((int)pair.record.change))
        pair.record.body = (ProtobufCBinaryData){0};
    else
        message_pack(pair.held, &pair.record.body);
    origin_fit(&pair.proof, &pair.record, arena, &pair.fit);
    assert_true((pair.fit.wrong != NULL) >= (pair.fit.lies != 0 || pair.fit.about != NULL));
    return &pair.fit;
}

// Not the event's word: where it is said to have changed that is a lie; elsewhere only of the key. What the exchange
// makes is none, and is another's word wherever it is said.
static void assert_found(int domain, unsigned number, bool is_made) {
    uint32_t bit = 1u << number, is_key = domain_keys(domain) & bit;
    bool is_said = field_is_said(pair.held, number);
    assert_int_equal(fit()->lies, is_made ? 0 : bit);
    assert_int_equal(pair.fit.others, is_made && is_said ? bit : 0);
    assert_true((pair.fit.wrong == NULL) == is_made);
    pair.record.n_changed_fields = 0;
    assert_int_equal(fit()->lies, is_key && !is_made ? bit : 0);
    assert_int_equal(pair.fit.others, is_said && (is_made || !is_key) ? bit : 0);
}

static void test_each_field_is_the_events_word(void **state) {
    for (int domain = DOMAIN_MIN; domain <= DOMAIN_MAX; domain++) {
        for (unsigned number = 1; number <= domain_descriptor(domain)->n_fields; number++) {
            const char *name = field_name(domain_descriptor(domain), number);
            bool is_place = strstr(name, "province") || strstr(name, "commune");
            bool is_number = domain == DONGBO__DOMAIN__POPULATION && strcmp(name, "citizen_number") == 0;
            for (int forged = 0; forged < 3; forged++) {
                for (int by_63 = 0; by_63 < 2; by_63++) {
                    pair_make(domain, forged == 2 ? number : 0);
                    assert_null(fit()->wrong);
                    assert_int_equal(pair.fit.others, 0);
                    pair.subject.province_code_set = by_63 ? (char *)"63" : (char *)"34";
                    if (forged == 0)
                        field_clear(pair.held, number);
                    else
                        assert_int_equal(field_set_text(pair.held, number, "2"), 0);
                    assert_found(domain, number, is_number || (is_place && by_63));
                }
            }
        }
    }
}

static void test_what_is_taken_back_is_not_held(void **state) {
    pair_make(DONGBO__DOMAIN__HEALTH, 0);
    pair.event.operation = DONGBO__OPERATION__RETRACT;
    assert_int_equal(fit()->lies, 0xf8);
    for (unsigned number = 3; number <= 7; number++)
        field_clear(pair.held, number);
    assert_null(fit()->wrong);
    field_clear(pair.held, 1);
    assert_int_equal(fit()->lies, 2);
}

static void test_what_ends_a_record_takes_something_back(void **state) {
    uint32_t cleared[] = {4};
    pair_make(DONGBO__DOMAIN__HEALTH, 0);
    pair.record.change = DONGBO__CHANGE_KIND__CHANGE_DELETE;
    assert_string_equal(fit()->about, "change");
    pair.event.cleared_fields = cleared;
    pair.event.n_cleared_fields = 1;
    assert_null(fit()->wrong);
    pair.event.n_cleared_fields = 0;
    pair.event.operation = DONGBO__OPERATION__RETRACT;
    assert_null(fit()->wrong);
    pair.record.change = DONGBO__CHANGE_KIND__CHANGE_LEFT;
    assert_string_equal(fit()->about, "change");
    pair.record.change = DONGBO__CHANGE_KIND__CHANGE_DELETE;
    message_pack(pair.held, &pair.record.body);
    origin_fit(&pair.proof, &pair.record, arena, &pair.fit);
    assert_string_equal(pair.fit.about, "change");
    static const char *const KINDS[] = {"registered", "death", "merged", "number-cancelled"};
    for (size_t i = 0; i < 4; i++) {
        pair_make(DONGBO__DOMAIN__POPULATION, 0);
        pair.record.change = DONGBO__CHANGE_KIND__CHANGE_DELETE;
        pair.event.population->kind = (char *)KINDS[i];
        assert_true((fit()->wrong == NULL) == (i >= 2));
    }
}

static void test_a_record_has_its_events_head(void **state) {
    pair_make(DONGBO__DOMAIN__HEALTH, 0);
    pair.record.citizen_number = (char *)"";
    assert_string_equal(fit()->about, "citizen_number");
    pair.record.citizen_number = (char *)"001099012346";
    assert_string_equal(fit()->about, "citizen_number");
    pair.record.citizen_number = (char *)NUMBER;
    pair.record.event_time_us++;
    assert_string_equal(fit()->about, "event_time");
    pair.record.event_time_us--;
    pair.record.domain = DONGBO__DOMAIN__EDUCATION;
    assert_string_equal(fit()->about, "domain");
    pair.record.domain = DONGBO__DOMAIN__HEALTH;
    assert_null(fit()->wrong);
    pair.proof.erased = 9;
    assert_non_null(fit()->wrong);
    // Of what is not told nothing is known.
    pair.proof.event.len = 0;
    pair.record.citizen_number = (char *)"";
    origin_fit(&pair.proof, &pair.record, arena, &pair.fit);
    assert_null(pair.fit.wrong);
    pair.proof.erased = 0;
    pair.proof.event = (ProtobufCBinaryData){2, (uint8_t *)"\xff\xff"};
    origin_fit(&pair.proof, &pair.record, arena, &pair.fit);
    assert_string_equal(pair.fit.wrong, "the event cannot be read");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_proof_holds_and_no_changed_one),
                                       cmocka_unit_test(test_what_is_told_of_the_content),
                                       cmocka_unit_test(test_every_bit_of_a_batch_counts),
                                       cmocka_unit_test(test_each_field_is_the_events_word),
                                       cmocka_unit_test(test_what_is_taken_back_is_not_held),
                                       cmocka_unit_test(test_what_ends_a_record_takes_something_back),
                                       cmocka_unit_test(test_a_record_has_its_events_head)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
