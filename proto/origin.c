// SPDX-License-Identifier: Apache-2.0
//
// A batch's beginning is read as the whole of it is (batch.h), so that one that was refused there proves nothing here.
#include "proto/origin.h"

#include "log.pb-c.h"
#include "proto/batch.h"
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
