// SPDX-License-Identifier: Apache-2.0
//
// Reading is as strict as with any frame, and a head that lacks what every head has is none.
#include "proto/head.h"

#include "proto/base/error.h"
#include "proto/check.h"

#include <stdlib.h>
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

void head_mark(Merkle *merkle, const Dongbo__TreeHead *tree, ProtobufCBinaryData head, HeadMark *ret) {
    *ret = (HeadMark){.epoch = tree->epoch,
                      .number = tree->number,
                      .size = tree->size,
                      .last_position = tree->last_position,
                      .signed_at_us = tree->signed_at_us};
    head_hash(merkle, head, ret->hash);
    if (tree->previous.len == HASH_BYTES)
        memcpy(ret->previous, tree->previous.data, HASH_BYTES);
}

int head_order(const HeadMark *one, const HeadMark *other) {
    if (one->epoch != other->epoch)
        return one->epoch < other->epoch ? -1 : 1;
    return one->number < other->number ? -1 : one->number > other->number;
}

// Of one chain: what never falls from one head to the next, or has to grow.
static const char *compare(const HeadMark *earlier, const HeadMark *later) {
    if (later->size <= earlier->size)
        return "a later head is of no longer log";
    if (later->last_position < earlier->last_position)
        return "a later head ends at an earlier position";
    return later->signed_at_us < earlier->signed_at_us ? "a later head was signed at an earlier time" : NULL;
}

HeadRelation head_relate(const HeadMark *one, const HeadMark *other, const char **why) {
    const HeadMark *later = head_order(one, other) > 0 ? one : other, *earlier = later == one ? other : one;
    bool adjacent = later->number == earlier->number + 1;
    *why = NULL;
    if (memcmp(one->hash, other->hash, HASH_BYTES) == 0)
        return HEAD_SAME;
    if (adjacent && memcmp(later->previous, earlier->hash, HASH_BYTES) == 0) {
        *why = compare(earlier, later);
        return *why == NULL ? HEAD_GOES_ON : HEAD_CONTRADICTS;
    }
    if (later->epoch != earlier->epoch)
        return adjacent || later->number <= earlier->number || later->size <= earlier->size ? HEAD_SET_BACK : HEAD_OPEN;
    if (later->number == earlier->number)
        *why = "they have the same number";
    else if (adjacent)
        *why = "the later one follows from another than the earlier one";
    else
        *why = compare(earlier, later);
    return *why == NULL ? HEAD_OPEN : HEAD_CONTRADICTS;
}

// ---- keys ----------------------------------------------------------------------------------------------------------

struct HeadKeys {
    Verifier *verifiers[2];
    char ids[2][KEY_ID_TEXT_BYTES];
};

int head_keys_new(HeadKeys **ret, const uint8_t *const sign_keys[2]) {
    HeadKeys *keys = calloc(1, sizeof *keys);
    if (keys == NULL)
        return error_fail(ERROR_MEMORY, "no memory for signed heads");
    int r = 0;
    for (int i = 0; r == 0 && i < 2 && sign_keys[i] != NULL; i++) {
        keys_id(sign_keys[i], keys->ids[i]);
        r = verifier_new(&keys->verifiers[i], sign_keys[i]);
    }
    if (r < 0) {
        head_keys_destroy(&keys);
        return r;
    }
    *ret = keys;
    return 0;
}

void head_keys_destroy(HeadKeys **keys) {
    if (*keys == NULL)
        return;
    verifier_destroy(&(*keys)->verifiers[0]);
    verifier_destroy(&(*keys)->verifiers[1]);
    free(*keys);
    *keys = NULL;
}

int head_keys_open(HeadKeys *keys, const Dongbo__SignedHead *head, Arena *arena, const Dongbo__TreeHead **ret) {
    if (head->signature.len != SIGNATURE_BYTES || head_read(head->head.data, head->head.len, arena, ret) != 0)
        return 1;
    for (int i = 0; i < 2; i++)
        if (keys->verifiers[i] != NULL && strcmp(keys->ids[i], (*ret)->key_id) == 0)
            return head_open(head, keys->verifiers[i], arena, ret);
    return 3;
}

// ---- two heads -----------------------------------------------------------------------------------------------------

const char *head_compare(const Dongbo__TreeHead *before, const Dongbo__TreeHead *now) {
    if (now->epoch < before->epoch)
        return "is of an epoch that was over";
    if (now->epoch > before->epoch) // a restored exchange may have forgotten what it signed
        return NULL;
    if (now->number == before->number)
        return now->size == before->size && memcmp(now->root.data, before->root.data, HASH_BYTES) == 0
                   ? NULL
                   : "is another one of the same number";
    bool grows = now->number > before->number ? now->size > before->size : now->size < before->size;
    return grows ? NULL : "is of a log that has shrunk";
}
