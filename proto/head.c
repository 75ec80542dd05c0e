// SPDX-License-Identifier: Apache-2.0
//
// Reading is as strict as with any frame, and a head that lacks what every head has is none.
#include "proto/head.h"

#include "proto/base/error.h"
#include "proto/check.h"

#include <string.h>

#define HEAD_DOMAIN "dongbo head 1"

int head_sign(const Dongbo__TreeHead *head, Signer *signer, Bytes *ret, uint8_t signature[SIGNATURE_BYTES]) {
    bytes_clear(ret);
    bytes_append_message(ret, &head->base);
    if (ret->failed)
        return error_fail(ERROR_MEMORY, "no memory for a signed head");
    return signer_sign(signer, HEAD_DOMAIN, ret->data, ret->n, signature);
}

static bool is_whole(const Dongbo__TreeHead *head) {
    return head->number > 0 && head->size > 0 && head->size >> FRONTIER_MAX == 0 && head->root.len == HASH_BYTES &&
           head->segment_hash.len == HASH_BYTES && head->last_position >= head->size &&
           head->previous.len == (head->number == 1 ? 0 : HASH_BYTES) && strlen(head->key_id) == KEY_ID_TEXT_BYTES - 1;
}

int head_read(const uint8_t *data, size_t n, Arena *arena, const Dongbo__TreeHead **ret) {
    char field[64];
    if (n > HEAD_BYTES_MAX || check_message(&dongbo__tree_head__descriptor, &CHECK_WIRE, data, n, field) != 0)
        return 1;
    const Dongbo__TreeHead *head = dongbo__tree_head__unpack(arena_protobuf(arena), n, data);
    if (head == NULL || !is_whole(head))
        return 1;
    *ret = head;
    return 0;
}

int head_open(const Dongbo__SignedHead *head, Verifier *verifier, Arena *arena, const Dongbo__TreeHead **ret) {
    if (head->signature.len != SIGNATURE_BYTES || head_read(head->head.data, head->head.len, arena, ret) != 0)
        return 1;
    int result = verifier_check(verifier, HEAD_DOMAIN, head->head.data, head->head.len, head->signature.data);
    return result == 1 ? 2 : result;
}

void head_hash(Merkle *merkle, ProtobufCBinaryData head, uint8_t out[HASH_BYTES]) {
    merkle_sha256(merkle, head.data, head.len, out);
}
