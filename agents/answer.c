// SPDX-License-Identifier: Apache-2.0
//
// See answer.h. The signature comes first: bytes that nobody answers for are not looked at.
#include "agents/answer.h"

#include "proto/base/error.h"
#include "proto/check.h"

#include <string.h>

#define RECEIPT_DOMAIN "dongbo receipt 1"
#define VERDICTS_DOMAIN "dongbo verdicts 1"

const ProtobufCMessageDescriptor *answer_descriptor(FrameType type) {
    switch (type) {
    case FRAME_WELCOME_PUBLISH:
        return &dongbo__welcome_publish__descriptor;
    case FRAME_RECEIPT:
        return &dongbo__receipt__descriptor;
    case FRAME_VERDICTS:
        return &dongbo__verdicts__descriptor;
    case FRAME_PROOFS:
        return &dongbo__proofs__descriptor;
    case FRAME_REFUSAL:
        return &dongbo__refusal__descriptor;
    case FRAME_PING:
        return &dongbo__ping__descriptor;
    case FRAME_PONG:
        return &dongbo__pong__descriptor;
    case FRAME_ERROR:
        return &dongbo__error__descriptor;
    default:
        return NULL;
    }
}

static bool is_same(ProtobufCBinaryData said, const uint8_t *ours, size_t n) {
    return said.len == n && memcmp(said.data, ours, n) == 0;
}

int answer_welcome(const Dongbo__WelcomePublish *welcome, const uint8_t sign_public[KEY_BYTES], const char *endpoint) {
    return is_same(welcome->signing_key, sign_public, KEY_BYTES)
               ? 0
               : error_fail(ERROR_CONFIG,
                            "the exchange at %s signs with another key than the one configured as broker.key; "
                            "get its present public key file from its operators",
                            endpoint);
}

int answer_receipt(Verifier *verifier, const Dongbo__Receipt *receipt, Arena *arena, Bytes *raw,
                   const Dongbo__ReceiptBody **ret) {
    const ProtobufCBinaryData *body = &receipt->body;
    char field[64];
    if (receipt->signature.len != SIGNATURE_BYTES ||
        verifier_check(verifier, RECEIPT_DOMAIN, body->data, body->len, receipt->signature.data) != 0)
        return error_fail(ERROR_PEER, "a receipt is not signed by the exchange's key");
    *ret = NULL;
    if (check_message(&dongbo__receipt_body__descriptor, &CHECK_WIRE, body->data, body->len, field) == 0)
        *ret = dongbo__receipt_body__unpack(arena_protobuf(arena), body->len, body->data);
    if (*ret == NULL)
        return error_fail(ERROR_PEER, "a receipt cannot be read");
    bytes_clear(raw);
    bytes_append(raw, body->data, body->len);
    bytes_append(raw, receipt->signature.data, SIGNATURE_BYTES);
    return raw->failed ? error_fail(ERROR_MEMORY, "no memory for a receipt") : 0;
}

// What a body with its signature says. The message's name is for people.
typedef struct Signed {
    const char *domain, *name;
    ProtobufCBinaryData body, signature;
    const ProtobufCMessageDescriptor *descriptor;
} Signed;

static int open_signed(Verifier *verifier, const Signed *what, Arena *arena, void **ret) {
    char field[64];
    ProtobufCBinaryData bytes = what->body;
    *ret = NULL;
    if (what->signature.len != SIGNATURE_BYTES ||
        verifier_check(verifier, what->domain, bytes.data, bytes.len, what->signature.data) != 0)
        return error_fail(ERROR_PEER, "%s are not signed by the exchange's key", what->name);
    if (check_message(what->descriptor, &CHECK_WIRE, bytes.data, bytes.len, field) == 0)
        *ret = protobuf_c_message_unpack(what->descriptor, arena_protobuf(arena), bytes.len, bytes.data);
    return *ret != NULL ? 0 : error_fail(ERROR_PEER, "%s cannot be read", what->name);
}

static int open_verdicts(Verifier *verifier, const AnswerTo *to, const Dongbo__Verdicts *message, Arena *arena,
                         Dongbo__Verdicts *ret) {
    Signed what = {VERDICTS_DOMAIN, "verdicts", message->body, message->signature, &dongbo__verdicts_body__descriptor};
    void *opened;
    int r = open_signed(verifier, &what, arena, &opened);
    const Dongbo__VerdictsBody *body = opened;
    if (r < 0)
        return r;
    if (!is_same(body->stream, to->stream, STREAM_BYTES) || body->epoch != to->epoch)
        return error_fail(ERROR_PEER, "verdicts were signed for another stream, or in another epoch");
    ret->last_position = body->last_position;
    ret->n_verdicts = body->n_verdicts;
    ret->verdicts = body->verdicts;
    ret->more = body->more;
    return 0;
}

// A position is a number of the exchange's database, whatever it says: one beyond would be greater than all to come.
static bool are_positions(const Dongbo__Verdicts *verdicts) {
    bool are = verdicts->last_position <= INT64_MAX;
    for (size_t i = 0; i < verdicts->n_verdicts; i++)
        are = are && verdicts->verdicts[i]->position <= INT64_MAX;
    return are;
}

int answer_verdicts(Verifier *verifier, const AnswerTo *to, const Dongbo__Verdicts *message, Arena *arena,
                    Dongbo__Verdicts *ret) {
    bool is_signed = message->body.len != 0;
    *ret = *message;
    if (!is_signed && to->signed_before)
        return error_fail(ERROR_PEER, "verdicts are not signed, and this exchange signs them");
    int r = is_signed ? open_verdicts(verifier, to, message, arena, ret) : 0;
    if (r == 0 && !are_positions(ret))
        r = error_fail(ERROR_PEER, "verdicts tell of positions that cannot be");
    return r < 0 ? r : !is_signed;
}

int answer_proofs(Verifier *verifier, const AnswerTo *to, const Dongbo__Proofs *message, Arena *arena,
                  Dongbo__Proofs *ret) {
    Signed what = {PROOFS_DOMAIN, "proofs", message->body, message->signature, &dongbo__proofs_body__descriptor};
    void *opened;
    *ret = *message;
    if (message->body.len == 0)
        return 1;
    int r = open_signed(verifier, &what, arena, &opened);
    const Dongbo__ProofsBody *body = opened;
    if (r < 0)
        return r;
    if (!is_same(body->stream, to->stream, STREAM_BYTES) ||
        !is_same(body->challenge, to->challenge, PROOFS_CHALLENGE_BYTES))
        return error_fail(ERROR_PEER, "proofs were signed for another stream, or in another session");
    ret->head = body->head;
    ret->older = body->older;
    ret->n_consistency = body->n_consistency;
    ret->consistency = body->consistency;
    ret->n_batches = body->n_batches;
    ret->batches = body->batches;
    return 0;
}
