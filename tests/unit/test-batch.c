// SPDX-License-Identifier: Apache-2.0
//
// Batches sealed and opened: what comes back is what went in, and each kind of damage has its own name. Every prefix
// and every flipped bit of a batch is tried: nothing crashes, nothing changed is taken for whole.
#include "proto/base/error.h"
#include "proto/batch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

typedef struct Fixture {
    Keys keys;
    Signer *signer;
    Verifier *verifier, *stranger;
    Merkle *merkle;
    Arena *arena;
    char key_id[KEY_ID_TEXT_BYTES];
    uint8_t stream[STREAM_BYTES];
} Fixture;

static Fixture fixture;

static int setup(void **state) {
    Keys other;
    memset(fixture.stream, 0xAB, STREAM_BYTES);
    int r = keys_generate(&fixture.keys) | keys_generate(&other);
    keys_id(fixture.keys.sign_public, fixture.key_id);
    return r | signer_new(&fixture.signer, fixture.keys.sign_secret) |
           verifier_new(&fixture.verifier, fixture.keys.sign_public) |
           verifier_new(&fixture.stranger, other.sign_public) | merkle_new(&fixture.merkle) |
           arena_new(&fixture.arena, BATCH_ARENA_BYTES);
}

static int teardown(void **state) {
    signer_destroy(&fixture.signer);
    verifier_destroy(&fixture.verifier);
    verifier_destroy(&fixture.stranger);
    merkle_destroy(&fixture.merkle);
    arena_destroy(&fixture.arena);
    return 0;
}

static int reset(void **state) {
    arena_reset(fixture.arena);
    return 0;
}

// n events "event 0", "event 1", ... from sequence 101.
static void seal(size_t n, Bytes *out) {
    ProtobufCBinaryData *events = calloc(n, sizeof(*events));
    char(*texts)[16] = calloc(n, sizeof(*texts));
    for (size_t i = 0; i < n; i++)
        events[i] = (ProtobufCBinaryData){.len = (size_t)snprintf(texts[i], sizeof(texts[i]), "event %zu", i),
                                          .data = (uint8_t *)texts[i]};
    const BatchSeal parts = {
        .stream = fixture.stream,
        .first_sequence = 101,
        .events = events,
        .n_events = n,
        .key_id = fixture.key_id,
        .signer = fixture.signer,
        .clock = clock_system(),
        .merkle = fixture.merkle,
    };
    assert_int_equal(batch_seal(&parts, out), 0);
    free(events);
    free(texts);
}

static int open_with(const uint8_t *data, size_t n, Verifier *verifier, Batch *ret) {
    return batch_open(data, n, verifier, fixture.merkle, fixture.arena, ret);
}

static void test_round_trip(void **state) {
    CLEANUP(bytes_free) Bytes bytes = {0};
    seal(7, &bytes);
    Batch batch;
    assert_int_equal(open_with(bytes.data, bytes.n, fixture.verifier, &batch), BATCH_OK);
    assert_memory_equal(batch.header->stream.data, fixture.stream, STREAM_BYTES);
    assert_int_equal(batch.header->first_sequence, 101);
    assert_int_equal(batch.header->count, 7);
    assert_int_equal(batch.header->schema_version, SCHEMA_VERSION);
    assert_string_equal(batch.header->key_id, fixture.key_id);
    assert_true(batch.header->sealed_at_us > 1600000000000000);
    assert_int_equal(batch.sealed->n_events, 7);
    assert_memory_equal(batch.sealed->events[6].data, "event 6", 7);
    uint8_t leaf[HASH_BYTES];
    merkle_salted_leaf(fixture.merkle, batch.sealed->salts.data + 6 * SALT_BYTES, (const uint8_t *)"event 6", 7, leaf);
    assert_memory_equal(batch.leaves + 6 * HASH_BYTES, leaf, HASH_BYTES);
}

static void test_any_protobuf_reader_reads_it(void **state) {
    CLEANUP(bytes_free) Bytes bytes = {0};
    seal(3, &bytes);
    Dongbo__SealedBatch *sealed = dongbo__sealed_batch__unpack(NULL, bytes.n, bytes.data);
    assert_non_null(sealed);
    assert_int_equal(sealed->n_events, 3);
    assert_int_equal(sealed->salts.len, 3 * SALT_BYTES);
    dongbo__sealed_batch__free_unpacked(sealed, NULL);
}

static void test_salts_are_never_the_same(void **state) {
    CLEANUP(bytes_free) Bytes a = {0}, b = {0};
    seal(1, &a);
    seal(1, &b);
    Batch first, second;
    assert_int_equal(open_with(a.data, a.n, fixture.verifier, &first), BATCH_OK);
    assert_int_equal(open_with(b.data, b.n, fixture.verifier, &second), BATCH_OK);
    assert_memory_not_equal(first.sealed->salts.data, second.sealed->salts.data, SALT_BYTES);
    assert_memory_not_equal(first.header->root.data, second.header->root.data, HASH_BYTES);
}

static void test_sizes(void **state) {
    static const size_t sizes[] = {1, 2, 3, 64, 65, BATCH_EVENTS_MAX};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        CLEANUP(bytes_free) Bytes bytes = {0};
        seal(sizes[i], &bytes);
        Batch batch;
        assert_int_equal(open_with(bytes.data, bytes.n, fixture.verifier, &batch), BATCH_OK);
        assert_int_equal(batch.sealed->n_events, sizes[i]);
        size_t event_bytes = 0;
        for (size_t k = 0; k < sizes[i]; k++)
            event_bytes += batch.sealed->events[k].len;
        assert_true(bytes.n <= batch_bytes_bound(sizes[i], event_bytes));
        arena_reset(fixture.arena);
    }
}

static void test_only_the_signer_s_key_opens_it(void **state) {
    CLEANUP(bytes_free) Bytes bytes = {0};
    seal(2, &bytes);
    Batch batch;
    assert_int_equal(open_with(bytes.data, bytes.n, fixture.stranger, &batch), BATCH_UNSIGNED);
    assert_non_null(batch.header);
    assert_null(batch.sealed);
    assert_int_equal(open_with(bytes.data, bytes.n, NULL, &batch), BATCH_UNSIGNED);
}

static void test_header_alone(void **state) {
    CLEANUP(bytes_free) Bytes bytes = {0};
    seal(2, &bytes);
    const Dongbo__BatchHeader *header = NULL;
    assert_int_equal(batch_read_header(bytes.data, 150, fixture.arena, &header), 0);
    assert_string_equal(header->key_id, fixture.key_id);
    assert_int_equal(header->first_sequence, 101);
    assert_int_equal(batch_read_header(bytes.data, 50, fixture.arena, &header), 1);
    assert_int_equal(batch_read_header(bytes.data, 0, fixture.arena, &header), 1);
    assert_int_equal(batch_read_header(bytes.data + 1, bytes.n - 1, fixture.arena, &header), 1);
}

// Every prefix: cut inside the header nothing is known; inside the signature nobody meant it; behind it the range is
// known and signed, and the batch unreadable.
static void test_every_truncation(void **state) {
    CLEANUP(bytes_free) Bytes bytes = {0};
    seal(3, &bytes);
    int last = 0, changes = 0;
    static const int order[] = {BATCH_UNREADABLE, BATCH_UNSIGNED, BATCH_UNREADABLE};
    for (size_t n = 0; n < bytes.n; n++) {
        uint8_t *exact = malloc(n + 1); // at its very size but one, so that a sanitizer watches
        memcpy(exact, bytes.data, n);
        Batch batch;
        int r = open_with(exact, n, fixture.verifier, &batch);
        if (n == 0)
            last = r;
        changes += r != last;
        last = r;
        assert_true(changes < 3);
        assert_int_equal(r, order[changes]);
        assert_int_equal(batch.header != NULL, changes > 0);
        assert_null(batch.sealed);
        free(exact);
        arena_reset(fixture.arena);
    }
    assert_int_equal(changes, 2);
}

static void test_every_bit_flip(void **state) {
    CLEANUP(bytes_free) Bytes bytes = {0};
    seal(3, &bytes);
    int seen[4] = {0};
    for (size_t bit = 0; bit < 8 * bytes.n; bit++) {
        uint8_t *exact = malloc(bytes.n);
        memcpy(exact, bytes.data, bytes.n);
        exact[bit / 8] ^= (uint8_t)(1 << bit % 8);
        Batch batch;
        int r = open_with(exact, bytes.n, fixture.verifier, &batch);
        assert_true(r > BATCH_OK && r <= BATCH_UNSIGNED);
        seen[r]++;
        free(exact);
        arena_reset(fixture.arena);
    }
    assert_true(seen[BATCH_UNREADABLE] > 0 && seen[BATCH_ROOT_WRONG] > 0 && seen[BATCH_UNSIGNED] > 0);
}

// ---- batches that no batch_seal() makes, signed all the same ----------------------------------------------------

typedef struct Forgery {
    Dongbo__BatchHeader header;
    Dongbo__SealedBatch sealed;
    uint8_t root[HASH_BYTES];
    uint8_t salts[4 * SALT_BYTES];
    ProtobufCBinaryData events[4];
    size_t signature_bytes;
} Forgery;

static void forge(Forgery *forgery) {
    *forgery = (Forgery){.header = DONGBO__BATCH_HEADER__INIT, .sealed = DONGBO__SEALED_BATCH__INIT};
    uint8_t leaves[2 * HASH_BYTES];
    for (int i = 0; i < 4; i++)
        forgery->events[i] = (ProtobufCBinaryData){.len = 3, .data = (uint8_t *)"abc"};
    for (int i = 0; i < 2; i++)
        merkle_salted_leaf(fixture.merkle, forgery->salts, (const uint8_t *)"abc", 3, leaves + i * HASH_BYTES);
    merkle_root(fixture.merkle, leaves, 2, forgery->root);
    forgery->signature_bytes = SIGNATURE_BYTES;
    forgery->header.stream = (ProtobufCBinaryData){.len = STREAM_BYTES, .data = fixture.stream};
    forgery->header.first_sequence = 1;
    forgery->header.count = 2;
    forgery->header.schema_version = 1;
    forgery->header.key_id = fixture.key_id;
    forgery->header.root = (ProtobufCBinaryData){.len = HASH_BYTES, .data = forgery->root};
    forgery->sealed.salts = (ProtobufCBinaryData){.len = 2 * SALT_BYTES, .data = forgery->salts};
    forgery->sealed.events = forgery->events;
    forgery->sealed.n_events = 2;
}

static int open_forgery(Forgery *forgery, Batch *ret) {
    CLEANUP(bytes_free) Bytes header = {0};
    Bytes out = {0};
    uint8_t signature[SIGNATURE_BYTES + 1] = {0};
    bytes_append_message(&header, &forgery->header.base);
    assert_int_equal(signer_sign(fixture.signer, "dongbo batch 1", header.data, header.n, signature), 0);
    forgery->sealed.header = (ProtobufCBinaryData){.len = header.n, .data = header.data};
    forgery->sealed.signature = (ProtobufCBinaryData){.len = forgery->signature_bytes, .data = signature};
    bytes_append_message(&out, &forgery->sealed.base);
    uint8_t *exact = arena_alloc(fixture.arena, out.n);
    memcpy(exact, out.data, out.n);
    int r = open_with(exact, out.n, fixture.verifier, ret);
    bytes_free(&out);
    return r;
}

static void assert_forgery(Forgery *forgery, int expected, bool range_known) {
    Batch batch;
    assert_int_equal(open_forgery(forgery, &batch), expected);
    assert_int_equal(batch.header != NULL, range_known);
    forge(forgery);
}

static void test_signed_but_not_as_it_says(void **state) {
    Forgery forgery;
    forge(&forgery);
    assert_forgery(&forgery, BATCH_OK, true);
    forgery.signature_bytes = SIGNATURE_BYTES + 1;
    assert_forgery(&forgery, BATCH_UNSIGNED, true);
    forgery.signature_bytes = SIGNATURE_BYTES - 1;
    assert_forgery(&forgery, BATCH_UNSIGNED, true);
    forgery.sealed.n_events = 3;
    assert_forgery(&forgery, BATCH_UNREADABLE, true);
    forgery.sealed.n_events = 1;
    assert_forgery(&forgery, BATCH_UNREADABLE, true);
    forgery.sealed.salts.len--;
    assert_forgery(&forgery, BATCH_UNREADABLE, true);
    forgery.sealed.salts.len = 3 * SALT_BYTES;
    assert_forgery(&forgery, BATCH_UNREADABLE, true);
    uint8_t *large = calloc(1, EVENT_BYTES_MAX + 1);
    forgery.events[1] = (ProtobufCBinaryData){.len = EVENT_BYTES_MAX + 1, .data = large};
    assert_forgery(&forgery, BATCH_ROOT_WRONG, true); // read, though too long: that is that event's fault alone
    free(large);
    forgery.salts[0] ^= 1;
    assert_forgery(&forgery, BATCH_ROOT_WRONG, true);
    forgery.events[0].len = 2;
    assert_forgery(&forgery, BATCH_ROOT_WRONG, true);
}

static void test_headers_that_may_not_be(void **state) {
    Forgery forgery;
    forge(&forgery);
    forgery.header.stream.len--;
    assert_forgery(&forgery, BATCH_UNREADABLE, false);
    forgery.header.root.len--;
    assert_forgery(&forgery, BATCH_UNREADABLE, false);
    forgery.header.count = 0;
    assert_forgery(&forgery, BATCH_UNREADABLE, false);
    forgery.header.count = BATCH_BYTES_MAX / SALT_BYTES + 1;
    assert_forgery(&forgery, BATCH_UNREADABLE, false);
    forgery.header.first_sequence = 0;
    assert_forgery(&forgery, BATCH_UNREADABLE, false);
    forgery.header.first_sequence = INT64_MAX - 1;
    assert_forgery(&forgery, BATCH_UNREADABLE, false);
    forgery.header.first_sequence = UINT64_MAX;
    assert_forgery(&forgery, BATCH_UNREADABLE, false);
    forgery.header.key_id = (char *)"\xff";
    assert_forgery(&forgery, BATCH_UNREADABLE, false);
    forgery.header.first_sequence = INT64_MAX - 2;
    assert_forgery(&forgery, BATCH_OK, true);
}

// The envelope is not signed: nothing unknown may travel in it, and nothing twice.
static void test_envelope_is_closed(void **state) {
    static const char *const tails[] = {"\x2a\x01x", "\x30\x01", "\x1a\x01x", "\x0a\x01x", "\x22\x01x", "\x07"};
    CLEANUP(bytes_free) Bytes bytes = {0};
    seal(2, &bytes);
    size_t n = bytes.n;
    for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
        bytes.n = n;
        bytes_append(&bytes, tails[i], strlen(tails[i]));
        Batch batch;
        assert_int_equal(open_with(bytes.data, bytes.n, fixture.verifier, &batch), BATCH_UNREADABLE);
        assert_non_null(batch.header);
    }
}

static void test_too_long(void **state) {
    CLEANUP(bytes_free) Bytes bytes = {0};
    seal(2, &bytes);
    uint8_t *room = bytes_reserve(&bytes, BATCH_BYTES_MAX);
    memset(room, 0, BATCH_BYTES_MAX);
    Batch batch;
    assert_int_equal(open_with(bytes.data, BATCH_BYTES_MAX + 1, fixture.verifier, &batch), BATCH_UNREADABLE);
    assert_null(batch.header);
}

static void test_arena_too_small(void **state) {
    CLEANUP(bytes_free) Bytes bytes = {0};
    seal(1000, &bytes);
    for (size_t room = 16; room < 96 * 1024; room += 1024) {
        CLEANUP(arena_destroy) Arena *arena = NULL;
        assert_int_equal(arena_new(&arena, room), 0);
        Batch batch;
        int r = batch_open(bytes.data, bytes.n, fixture.verifier, fixture.merkle, arena, &batch);
        assert_true(r == ERROR_MEMORY || r == BATCH_OK);
        assert_true(room > 16 || r == ERROR_MEMORY);
    }
}

static int failing_random(void *self, uint8_t *bytes, size_t n) {
    return error_fail(ERROR_CRYPTO, "no random bytes");
}

static void test_no_salts_no_batch(void **state) {
    Clock clock = *clock_system();
    clock.random = failing_random;
    const ProtobufCBinaryData event = {.len = 1, .data = (uint8_t *)"x"};
    const BatchSeal parts = {
        .stream = fixture.stream,
        .first_sequence = 1,
        .events = &event,
        .n_events = 1,
        .key_id = fixture.key_id,
        .signer = fixture.signer,
        .clock = &clock,
        .merkle = fixture.merkle,
    };
    CLEANUP(bytes_free) Bytes bytes = {0};
    assert_int_equal(batch_seal(&parts, &bytes), ERROR_CRYPTO);
    assert_int_equal(bytes.n, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_round_trip, reset),
        cmocka_unit_test_setup(test_any_protobuf_reader_reads_it, reset),
        cmocka_unit_test_setup(test_salts_are_never_the_same, reset),
        cmocka_unit_test_setup(test_sizes, reset),
        cmocka_unit_test_setup(test_only_the_signer_s_key_opens_it, reset),
        cmocka_unit_test_setup(test_header_alone, reset),
        cmocka_unit_test_setup(test_every_truncation, reset),
        cmocka_unit_test_setup(test_every_bit_flip, reset),
        cmocka_unit_test_setup(test_signed_but_not_as_it_says, reset),
        cmocka_unit_test_setup(test_headers_that_may_not_be, reset),
        cmocka_unit_test_setup(test_envelope_is_closed, reset),
        cmocka_unit_test_setup(test_too_long, reset),
        cmocka_unit_test_setup(test_arena_too_small, reset),
        cmocka_unit_test_setup(test_no_salts_no_batch, reset),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
