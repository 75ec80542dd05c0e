// SPDX-License-Identifier: Apache-2.0
//
// A sealed batch, as the broker opens it: as it came, then with its header signed by a key that is known, then with a
// root that fits as well, so that what stands behind signature and root is reached too. The first byte says by how much
// the header is out then.
#include "proto/batch.h"
#include "proto/base/error.h"
#include "proto/check.h"
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <string.h>

static Arena *arena;
static Merkle *merkle;
static Signer *signer;
static Verifier *verifier;
static Keys keys;

static void begin(void) {
    FUZZ_ASSERT(arena_new(&arena, BATCH_ARENA_BYTES) == 0 && merkle_new(&merkle) == 0);
    FUZZ_ASSERT(keys_generate(&keys) == 0);
    FUZZ_ASSERT(signer_new(&signer, keys.sign_secret) == 0 && verifier_new(&verifier, keys.sign_public) == 0);
}

static int open_checked(const uint8_t *data, size_t n, Batch *batch) {
    *batch = (Batch){0};
    int fault = batch_open(data, n, verifier, merkle, arena, batch);
    if (fault == ERROR_MEMORY)
        return fault;
    FUZZ_ASSERT(fault >= BATCH_OK && fault <= BATCH_UNSIGNED);
    FUZZ_ASSERT(batch->header != NULL || fault == BATCH_UNREADABLE || fault == BATCH_UNSIGNED);
    if (fault != BATCH_OK && fault != BATCH_ROOT_WRONG)
        return fault;
    FUZZ_ASSERT(batch->sealed != NULL && batch->leaves != NULL);
    FUZZ_ASSERT(batch->sealed->n_events == batch->header->count);
    FUZZ_ASSERT(batch->sealed->salts.len == (size_t)SALT_BYTES * batch->header->count);
    return fault;
}

static void sign(Dongbo__SealedBatch *sealed, const Dongbo__BatchHeader *header, Bytes *packed) {
    static uint8_t signature[SIGNATURE_BYTES];
    Bytes bytes = {0};
    bytes_append_message(&bytes, &header->base);
    FUZZ_ASSERT(signer_sign(signer, "dongbo batch 1", bytes.data, bytes.n, signature) == 0);
    sealed->header = (ProtobufCBinaryData){bytes.n, bytes.data};
    sealed->signature = (ProtobufCBinaryData){sizeof signature, signature};
    bytes_clear(packed);
    bytes_append_message(packed, &sealed->base);
    FUZZ_ASSERT(!packed->failed);
    bytes_free(&bytes);
}

// As our own encoder seals these events: whatever they are, the batch opens to just them.
static void seal(const Dongbo__SealedBatch *sealed, Bytes *out) {
    static const uint8_t STREAM[STREAM_BYTES] = {1, 2, 3};
    char id[KEY_ID_TEXT_BYTES];
    keys_id(keys.sign_public, id);
    BatchSeal seal = {STREAM, 1, sealed->events, sealed->n_events, id, signer, fuzz_clock(), merkle};
    bytes_clear(out);
    FUZZ_ASSERT(batch_seal(&seal, out) == 0 && !out->failed);
    Batch batch;
    FUZZ_ASSERT(open_checked(out->data, out->n, &batch) == BATCH_OK);
    FUZZ_ASSERT(batch.header->first_sequence == 1 && batch.sealed->n_events == sealed->n_events);
    for (size_t i = 0; i < sealed->n_events; i++)
        FUZZ_ASSERT(batch.sealed->events[i].len == sealed->events[i].len &&
                    (sealed->events[i].len == 0 ||
                     memcmp(batch.sealed->events[i].data, sealed->events[i].data, sealed->events[i].len) == 0));
}

static void mend(const uint8_t *data, size_t n, unsigned out_by) {
    if (check_message(&dongbo__sealed_batch__descriptor, &CHECK_WIRE, data, n, NULL) != 0)
        return;
    Dongbo__SealedBatch *sealed = dongbo__sealed_batch__unpack(arena_protobuf(arena), n, data);
    const Dongbo__BatchHeader *read = NULL;
    if (sealed == NULL)
        return;
    Bytes packed = {0};
    Batch batch;
    int r = batch_read_header(data, n, arena, &read);
    FUZZ_ASSERT(r <= 1);
    if (r == 0) {
        Dongbo__BatchHeader header = *read;
        header.count = (uint32_t)sealed->n_events + out_by;
        sign(sealed, &header, &packed);
        (void)open_checked(packed.data, packed.n, &batch);
    }
    size_t bytes = 0;
    for (size_t i = 0; i < sealed->n_events; i++)
        bytes += sealed->events[i].len;
    if (sealed->n_events > 0 && sealed->n_events <= BATCH_EVENTS_MAX &&
        batch_bytes_bound(sealed->n_events, bytes) <= BATCH_BYTES_MAX) {
        seal(sealed, &packed);
        FUZZ_ASSERT(packed.n <= batch_bytes_bound(sealed->n_events, bytes));
    }
    bytes_free(&packed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    if (arena == NULL)
        begin();
    arena_reset(arena);
    if (n == 0)
        return 0;
    Batch batch;
    const Dongbo__BatchHeader *header = NULL;
    int r = batch_read_header(data + 1, n - 1, arena, &header);
    FUZZ_ASSERT(r == 1 || (r == 0 && header != NULL && header->stream.len == STREAM_BYTES));
    (void)open_checked(data + 1, n - 1, &batch);
    mend(data + 1, n - 1, data[0] % 4);
    return 0;
}

void fuzz_seeds(void) {
    if (arena == NULL)
        begin();
    arena_reset(arena);
    Bytes events[3] = {{0}, {0}, {0}}, out = {0}, sealed = {0};
    ProtobufCBinaryData list[3];
    for (int i = 0; i < 3; i++) {
        fuzz_event(DONGBO__DOMAIN__HEALTH + i, (uint8_t)i, &events[i]);
        list[i] = (ProtobufCBinaryData){events[i].n, events[i].data};
    }
    for (unsigned n = 1; n <= 3; n++) {
        Dongbo__SealedBatch batch = DONGBO__SEALED_BATCH__INIT;
        char name[16];
        batch.n_events = n;
        batch.events = list;
        seal(&batch, &sealed);
        bytes_clear(&out);
        bytes_append_u8(&out, (uint8_t)(n - 1));
        bytes_append(&out, sealed.data, sealed.n);
        snprintf(name, sizeof name, "events-%u", n);
        fuzz_seed(name, out.data, out.n);
    }
    for (int i = 0; i < 3; i++)
        bytes_free(&events[i]);
    bytes_free(&out);
    bytes_free(&sealed);
}
