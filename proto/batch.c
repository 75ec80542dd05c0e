// SPDX-License-Identifier: Apache-2.0
//
// Batches sealed and opened. The envelope is read by hand, in the order of its fields: header and signature stand
// first, so that a batch that is damaged further on still says which range it is and who meant it, and does not stand
// in the stream's way for ever. Events are passed on as bytes: one that does not decode is its own verdict, never its
// batch's.
#include "proto/batch.h"

#include "proto/base/error.h"
#include "proto/check.h"

#include <assert.h>
#include <string.h>

// Field numbers of SealedBatch and their tags; all are length-delimited.
#define TAG_DELIMITED(number) ((number) << 3 | 2)
enum {
    TAG_HEADER = TAG_DELIMITED(1),
    TAG_SIGNATURE = TAG_DELIMITED(2),
    TAG_SALTS = TAG_DELIMITED(3),
    TAG_EVENT = TAG_DELIMITED(4)
};

// ---- sealing --------------------------------------------------------------------------------------------------

size_t batch_bytes_bound(size_t n_events, size_t event_bytes) {
    const size_t envelope = 512;    // header (its texts are short), signature, tags and lengths
    const size_t per_event = 1 + 3; // tag and length, which is below 2^21
    return envelope + n_events * (SALT_BYTES + per_event) + event_bytes;
}

// Into salts and leaves of n_events each, and the root over them. Overwrites leaves.
static int commit(const BatchSeal *seal, uint8_t *salts, uint8_t *leaves, uint8_t root[HASH_BYTES]) {
    int r = clock_random(seal->clock, salts, seal->n_events * SALT_BYTES);
    if (r != 0)
        return r;
    for (size_t i = 0; i < seal->n_events; i++)
        merkle_salted_leaf(seal->merkle, salts + i * SALT_BYTES, seal->events[i].data, seal->events[i].len,
                           leaves + i * HASH_BYTES);
    merkle_root(seal->merkle, leaves, seal->n_events, root);
    return 0;
}

static void pack_header(const BatchSeal *seal, uint8_t root[HASH_BYTES], Bytes *out) {
    Dongbo__BatchHeader header = DONGBO__BATCH_HEADER__INIT;
    header.stream = (ProtobufCBinaryData){.len = STREAM_BYTES, .data = (uint8_t *)seal->stream};
    header.first_sequence = seal->first_sequence;
    header.count = (uint32_t)seal->n_events;
    header.schema_version = SCHEMA_VERSION;
    header.key_id = (char *)seal->key_id;
    header.root = (ProtobufCBinaryData){.len = HASH_BYTES, .data = root};
    header.sealed_at_us = clock_now_us(seal->clock);
    bytes_append_message(out, &header.base);
}

int batch_seal(const BatchSeal *seal, Bytes *out) {
    assert(seal->n_events >= 1 && seal->n_events <= BATCH_EVENTS_MAX && seal->first_sequence >= 1);
    CLEANUP(bytes_free) Bytes pieces = {0}; // salts, then leaves
    CLEANUP(bytes_free) Bytes header = {0};
    uint8_t *salts = bytes_reserve(&pieces, seal->n_events * (SALT_BYTES + HASH_BYTES));
    if (salts == NULL)
        return error_fail(ERROR_MEMORY, "no memory to seal a batch");
    uint8_t root[HASH_BYTES], signature[SIGNATURE_BYTES];
    int r = commit(seal, salts, salts + seal->n_events * SALT_BYTES, root);
    if (r != 0)
        return r;
    pack_header(seal, root, &header);
    if (header.failed)
        return error_fail(ERROR_MEMORY, "no memory to seal a batch");
    r = signer_sign(seal->signer, BATCH_DOMAIN, header.data, header.n, signature);
    if (r != 0)
        return r;
    Dongbo__SealedBatch sealed = DONGBO__SEALED_BATCH__INIT;
    sealed.header = (ProtobufCBinaryData){.len = header.n, .data = header.data};
    sealed.signature = (ProtobufCBinaryData){.len = SIGNATURE_BYTES, .data = signature};
    sealed.salts = (ProtobufCBinaryData){.len = seal->n_events * SALT_BYTES, .data = salts};
    sealed.n_events = seal->n_events;
    sealed.events = (ProtobufCBinaryData *)seal->events;
    bytes_append_message(out, &sealed.base);
    return out->failed ? error_fail(ERROR_MEMORY, "no memory to seal a batch") : 0;
}

// ---- opening --------------------------------------------------------------------------------------------------

static int arena_full(void) {
    return error_fail(ERROR_MEMORY, "a batch does not fit its arena");
}

// The next field if it has this tag. 1 when it has not, or is cut.
static int take(const uint8_t **at, const uint8_t *end, uint64_t tag, ProtobufCBinaryData *ret) {
    const uint8_t *p = *at;
    uint64_t found, n;
    if (check_varint(&p, end, &found) != 0 || found != tag || check_varint(&p, end, &n) != 0 || n > (uint64_t)(end - p))
        return 1;
    *ret = (ProtobufCBinaryData){.len = n, .data = (uint8_t *)p};
    *at = p + n;
    return 0;
}

// More than BATCH_EVENTS_MAX are read, so that a batch can be refused as too big; more than fit into one never.
static bool header_allowed(const Dongbo__BatchHeader *header) {
    return header->stream.len == STREAM_BYTES && header->root.len == HASH_BYTES && header->count >= 1 &&
           header->count <= BATCH_BYTES_MAX / SALT_BYTES && header->first_sequence >= 1 &&
           header->first_sequence <= (uint64_t)INT64_MAX - header->count; // the database's bigint holds them all
}

static int decode_header(ProtobufCBinaryData bytes, Arena *arena, const Dongbo__BatchHeader **ret) {
    const ProtobufCMessageDescriptor *descriptor = &dongbo__batch_header__descriptor;
    if (check_message(descriptor, &CHECK_EVENT, bytes.data, bytes.len, NULL) != 0)
        return 1;
    Dongbo__BatchHeader *header = dongbo__batch_header__unpack(arena_protobuf(arena), bytes.len, bytes.data);
    if (header == NULL)
        return arena_full(); // what check_message() let through unpacks but for want of memory
    if (!header_allowed(header))
        return 1;
    *ret = header;
    return 0;
}

int batch_read_header(const uint8_t *data, size_t n, Arena *arena, const Dongbo__BatchHeader **ret) {
    ProtobufCBinaryData bytes;
    if (n == 0 || n > BATCH_BYTES_MAX || take(&data, data + n, TAG_HEADER, &bytes) != 0)
        return 1;
    return decode_header(bytes, arena, ret);
}

int batch_origin(const uint8_t *data, size_t n, ProtobufCBinaryData *ret_header, ProtobufCBinaryData *ret_signature) {
    if (n == 0)
        return 1;
    const uint8_t *end = data + n;
    return take(&data, end, TAG_HEADER, ret_header) != 0 || take(&data, end, TAG_SIGNATURE, ret_signature) != 0;
}

int batch_read_origin(const uint8_t *data, size_t n, ProtobufCBinaryData *ret_header,
                      ProtobufCBinaryData *ret_signature) {
    if (batch_origin(data, n, ret_header, ret_signature) != 0)
        return 1;
    bool ends = ret_signature->data + ret_signature->len == data + n;
    return ends && ret_signature->len == SIGNATURE_BYTES ? 0 : 1;
}

// Salts and events, and nothing else: what is in the envelope is not signed, so nothing unknown may travel there.
static int take_rest(const uint8_t *at, const uint8_t *end, const Dongbo__BatchHeader *header,
                     Dongbo__SealedBatch *sealed) {
    if (take(&at, end, TAG_SALTS, &sealed->salts) != 0 || sealed->salts.len != header->count * SALT_BYTES)
        return 1;
    while (at < end) {
        ProtobufCBinaryData *event = &sealed->events[sealed->n_events];
        if (sealed->n_events == header->count || take(&at, end, TAG_EVENT, event) != 0)
            return 1;
        sealed->n_events++;
    }
    return sealed->n_events == header->count ? 0 : 1;
}

// Leaves and root against the header's. BATCH_OK or BATCH_ROOT_WRONG.
static int check_root(const Dongbo__SealedBatch *sealed, const Dongbo__BatchHeader *header, Merkle *merkle,
                      Arena *arena, const uint8_t **ret_leaves) {
    size_t n = sealed->n_events;
    uint8_t *leaves = arena_alloc(arena, n * HASH_BYTES);
    uint8_t *work = arena_alloc(arena, n * HASH_BYTES);
    if (leaves == NULL || work == NULL)
        return arena_full();
    for (size_t i = 0; i < n; i++)
        merkle_salted_leaf(merkle, sealed->salts.data + i * SALT_BYTES, sealed->events[i].data, sealed->events[i].len,
                           leaves + i * HASH_BYTES);
    memcpy(work, leaves, n * HASH_BYTES);
    uint8_t root[HASH_BYTES];
    merkle_root(merkle, work, n, root);
    *ret_leaves = leaves;
    return memcmp(root, header->root.data, HASH_BYTES) == 0 ? BATCH_OK : BATCH_ROOT_WRONG;
}

static int check_signature(const Dongbo__SealedBatch *sealed, Verifier *verifier) {
    if (verifier == NULL || sealed->signature.len != SIGNATURE_BYTES)
        return BATCH_UNSIGNED;
    int r = verifier_check(verifier, BATCH_DOMAIN, sealed->header.data, sealed->header.len, sealed->signature.data);
    return r == 1 ? BATCH_UNSIGNED : r;
}

int batch_open(const uint8_t *data, size_t n, Verifier *verifier, Merkle *merkle, Arena *arena, Batch *ret) {
    *ret = (Batch){0};
    const uint8_t *at = data, *end = data + n;
    Dongbo__SealedBatch *sealed = arena_alloc(arena, sizeof(*sealed));
    if (sealed == NULL)
        return arena_full();
    dongbo__sealed_batch__init(sealed);
    if (n > BATCH_BYTES_MAX || take(&at, end, TAG_HEADER, &sealed->header) != 0)
        return BATCH_UNREADABLE;
    int r = decode_header(sealed->header, arena, &ret->header);
    if (r != 0)
        return r < 0 ? r : BATCH_UNREADABLE;
    if (take(&at, end, TAG_SIGNATURE, &sealed->signature) != 0)
        return BATCH_UNSIGNED;
    r = check_signature(sealed, verifier);
    if (r != 0)
        return r;
    ret->header_bytes = sealed->header;
    ret->signature = sealed->signature;
    ret->origin_n = (size_t)(at - data);
    sealed->events = arena_alloc(arena, ret->header->count * sizeof(*sealed->events));
    if (sealed->events == NULL)
        return arena_full();
    if (take_rest(at, end, ret->header, sealed) != 0)
        return BATCH_UNREADABLE;
    r = check_root(sealed, ret->header, merkle, arena, &ret->leaves);
    if (r >= 0)
        ret->sealed = sealed;
    return r;
}
