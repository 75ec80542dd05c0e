// SPDX-License-Identifier: Apache-2.0
//
// What a witness reads from outside, and what is held against a log: an exchange's answer about its heads, a line of
// co-signed heads, a receipt that somebody kept. The first byte says which. Answers are signed here before they are
// judged, where the input wants it: heads of anybody else's key go no further.
//
// Whatever an answer says, a chain takes over only what goes on from its last head; a line that is read is written, and
// read again, as the same.
#include "agents/heads_answer.h"
#include "broker/audit_receipt.h"
#include "proto/cosigned.h"
#include "proto/denial.h"
#include "proto/frame.h"
#include "proto/proof.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

enum { ANSWER, LINE, RECEIPT, KINDS };
#define HEADS 4 // of an answer

static Keys exchange;
static Signer *signer;
static Verifier *verifier;
static Merkle *merkle;
static Arena *arena;
static char key_id[KEY_ID_TEXT_BYTES];
static uint8_t root[HASH_BYTES];

static void set_up(void) {
    if (signer != NULL)
        return;
    exchange = (Keys){.has_secret = true};
    FUZZ_ASSERT(keys_generate(&exchange) == 0 && signer_new(&signer, exchange.sign_secret) == 0);
    FUZZ_ASSERT(verifier_new(&verifier, exchange.sign_public) == 0 && merkle_new(&merkle) == 0);
    FUZZ_ASSERT(arena_new(&arena, (size_t)1024 * 1024) == 0);
    keys_id(exchange.sign_public, key_id);
}

// Of so many leaves, all alike: then roots and proofs are true ones.
static void root_of(uint64_t n, uint8_t out[HASH_BYTES]) {
    Frontier frontier = {0};
    for (uint64_t i = 0; i < n; i++)
        frontier_add(merkle, &frontier, root);
    frontier_root(merkle, &frontier, out);
}

// Signed by us, with the size and epoch that are said; `before` NULL: it names none.
static void make_head(uint64_t number, uint64_t size, uint32_t epoch, const ProtobufCBinaryData *before, Bytes *body,
                      uint8_t signature[SIGNATURE_BYTES]) {
    uint8_t previous[HASH_BYTES] = {0}, of_all[HASH_BYTES];
    Dongbo__TreeHead head = DONGBO__TREE_HEAD__INIT;
    if (before != NULL)
        head_hash(merkle, *before, previous);
    head.number = number;
    head.size = size;
    head.epoch = epoch;
    root_of(size, of_all);
    head.root = head.segment_hash = (ProtobufCBinaryData){HASH_BYTES, of_all};
    head.last_position = size;
    head.signed_at_us = 1;
    head.previous = (ProtobufCBinaryData){HASH_BYTES, previous};
    head.key_id = key_id;
    FUZZ_ASSERT(head_sign(&head, signer, body, signature) == 0);
}

static Chain *chain_at(uint64_t number, uint64_t size) {
    const uint8_t *const keys[2] = {exchange.sign_public, NULL};
    Chain *chain = NULL;
    Bytes body = {0};
    uint8_t signature[SIGNATURE_BYTES];
    Cosigned last;
    make_head(number, size, 2, NULL, &body, signature);
    Dongbo__SignedHead head = DONGBO__SIGNED_HEAD__INIT;
    head.head = (ProtobufCBinaryData){body.n, body.data};
    head.signature = (ProtobufCBinaryData){SIGNATURE_BYTES, signature};
    FUZZ_ASSERT(cosigned_take(&last, &head) == 0);
    FUZZ_ASSERT(chain_new(&chain, keys) == 0 && chain_resume(chain, &last) == 0);
    bytes_free(&body);
    return chain;
}

// Heads of the answer whose bit is set are ours, and follow from each other; the others stay as they came.
static void sign_some(Dongbo__Heads *answer, uint8_t which, Bytes bodies[HEADS],
                      uint8_t signatures[HEADS][SIGNATURE_BYTES], ProtobufCBinaryData before) {
    for (size_t i = 0; i < answer->n_heads && i < HEADS; i++) {
        if (which >> i & 1) {
            make_head(8 + i, 10 + i, 2, &before, &bodies[i], signatures[i]);
            answer->heads[i]->head = (ProtobufCBinaryData){bodies[i].n, bodies[i].data};
            answer->heads[i]->signature = (ProtobufCBinaryData){SIGNATURE_BYTES, signatures[i]};
        }
        before = answer->heads[i]->head;
    }
}

static void try_answer(FuzzInput *input) {
    Chain *chain = chain_at(7, 9);
    ChainJudgement judgement;
    Bytes bodies[HEADS] = {0};
    uint8_t signatures[HEADS][SIGNATURE_BYTES];
    ProtobufCMessage *message = NULL;
    uint8_t which = fuzz_byte(input);
    Frame frame = {.type = FRAME_HEADS, .body = input->at, .body_bytes = (size_t)(input->end - input->at)};
    const Dongbo__TreeHead *tree = NULL;
    Cosigned last = *chain_last(chain, &tree);
    arena_reset(arena);
    static const uint8_t CHALLENGE[DENIAL_CHALLENGE_BYTES];
    HeadsQuestion question = {7, 9, CHALLENGE};
    Dongbo__Heads said;
    int opened = 2;
    if (frame_decode(&frame, &dongbo__heads__descriptor, arena_protobuf(arena), &message) == 0)
        opened = heads_answer_open(&question, chain, (const Dongbo__Heads *)message, arena, &said);
    FUZZ_ASSERT(opened != 0); // the exchange has signed none of these
    if (opened == 1) {
        sign_some(&said, which, bodies, signatures, (ProtobufCBinaryData){last.head_n, last.head});
        FUZZ_ASSERT(chain_take(chain, &said, &judgement) == 0);
        uint64_t number = 0, size = 0;
        chain_place(chain, &number, &size);
        FUZZ_ASSERT((judgement.verdict == CHAIN_GOES_ON) == (number > 7 && size > 9));
        FUZZ_ASSERT(judgement.verdict == CHAIN_GOES_ON || (number == 7 && size == 9));
    }
    for (int i = 0; i < HEADS; i++)
        bytes_free(&bodies[i]);
    chain_destroy(&chain);
}

static void try_line(FuzzInput *input) {
    Cosigned read, again;
    Bytes line = {0};
    const Dongbo__TreeHead *tree = NULL;
    arena_reset(arena);
    if (cosigned_read((const char *)input->at, (size_t)(input->end - input->at), &read) != 0 ||
        head_read(read.head, read.head_n, arena, &tree) != 0)
        return;
    cosigned_write(&read, tree, "a note", &line);
    FUZZ_ASSERT(cosigned_read((const char *)line.data, line.n, &again) == 0);
    FUZZ_ASSERT(memcmp(&read, &again, sizeof read) == 0);
    cosigned_check(&read, verifier);
    bytes_free(&line);
}

static void try_receipt(FuzzInput *input) {
    AuditReceipts receipts = {0};
    AuditRow row = {.first_position = 1, .last_position = 1, .batch_root = {root, HASH_BYTES}};
    AuditLine line = {.sequence = 1};
    ProtobufCBinaryData body = fuzz_piece(input);
    Bytes bytes = {0};
    uint8_t signature[SIGNATURE_BYTES];
    bool sign = fuzz_byte(input) & 1;
    FUZZ_ASSERT(signer_sign(signer, "dongbo receipt 1", body.data, body.len, signature) == 0);
    bytes_append(&bytes, body.data, body.len);
    if (sign)
        bytes_append(&bytes, signature, SIGNATURE_BYTES);
    Verifier *const keys[] = {verifier};
    int r = audit_receipts_add(&receipts, &(AuditReceiptBytes){bytes.data, bytes.n, "a receipt"}, keys, 1);
    FUZZ_ASSERT(r >= 0 && (r == 0) == (receipts.n == 1) && (sign || r != 0));
    audit_receipts_sort(&receipts);
    size_t at = 0;
    if (r == 0)
        audit_receipt_compare(receipts.list[0].body, &row, &line, 1, &at);
    audit_receipts_free(&receipts);
    bytes_free(&bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    FuzzInput input = {data, data + n};
    set_up();
    switch (fuzz_byte(&input) % KINDS) {
    case ANSWER:
        try_answer(&input);
        break;
    case LINE:
        try_line(&input);
        break;
    default:
        try_receipt(&input);
    }
    return 0;
}

// ---- seeds ----

static void seed(const char *name, uint8_t kind, const Bytes *bytes) {
    Bytes out = {0};
    bytes_append_u8(&out, kind);
    if (kind == ANSWER)
        bytes_append_u8(&out, 0x0f);
    if (kind == RECEIPT)
        fuzz_piece_put(&out, bytes->data, bytes->n);
    else
        bytes_append(&out, bytes->data, bytes->n);
    if (kind == RECEIPT)
        bytes_append_u8(&out, 1);
    fuzz_seed(name, out.data, out.n);
    bytes_free(&out);
}

static void seed_answer(void) {
    Dongbo__Heads answer = DONGBO__HEADS__INIT;
    Dongbo__SignedHead heads[2], *pointers[2] = {&heads[0], &heads[1]};
    ProofRange ranges[PROOF_MAX];
    uint8_t hashes[PROOF_MAX][HASH_BYTES];
    ProtobufCBinaryData path[PROOF_MAX];
    Bytes bytes = {0}, body = {0};
    uint8_t signature[SIGNATURE_BYTES];
    make_head(8, 10, 2, NULL, &body, signature);
    for (int i = 0; i < 2; i++) {
        dongbo__signed_head__init(&heads[i]);
        heads[i].head = (ProtobufCBinaryData){body.n, body.data};
        heads[i].signature = (ProtobufCBinaryData){SIGNATURE_BYTES, signature};
    }
    answer.heads = pointers;
    answer.n_heads = 2;
    answer.newest = &heads[1];
    answer.path = path;
    answer.n_path = proof_consistency(9, 11, ranges);
    for (size_t i = 0; i < answer.n_path; i++) {
        root_of(ranges[i].end - ranges[i].first, hashes[i]);
        path[i] = (ProtobufCBinaryData){HASH_BYTES, hashes[i]};
    }
    bytes_append_message(&bytes, &answer.base);
    seed("answer", ANSWER, &bytes);
    answer.n_heads = answer.n_path = 0;
    bytes_clear(&bytes);
    bytes_append_message(&bytes, &answer.base);
    seed("answer-newest", ANSWER, &bytes);
    Dongbo__TreeHead tree = DONGBO__TREE_HEAD__INIT;
    tree.key_id = key_id;
    Cosigned cosigned;
    FUZZ_ASSERT(cosigned_take(&cosigned, &heads[0]) == 0);
    FUZZ_ASSERT(cosigned_sign(&cosigned, signer, exchange.sign_public, 5) == 0);
    bytes_clear(&bytes);
    cosigned_write(&cosigned, &tree, NULL, &bytes);
    seed("line", LINE, &bytes);
    bytes_free(&bytes);
    bytes_free(&body);
}

void fuzz_seeds(void) {
    Bytes bytes = {0};
    uint8_t stream[STREAM_BYTES] = {1};
    Dongbo__ReceiptBody body = DONGBO__RECEIPT_BODY__INIT;
    Dongbo__EventVerdict verdict = DONGBO__EVENT_VERDICT__INIT, *verdicts[] = {&verdict};
    set_up();
    seed_answer();
    verdict.sequence = 1;
    verdict.verdict = DONGBO__VERDICT__REJECTED;
    body.stream = (ProtobufCBinaryData){STREAM_BYTES, stream};
    body.batch_root = (ProtobufCBinaryData){HASH_BYTES, root};
    body.first_position = body.last_position = 1;
    body.verdicts = verdicts;
    body.n_verdicts = 1;
    bytes_append_message(&bytes, &body.base);
    seed("receipt", RECEIPT, &bytes);
    bytes_free(&bytes);
}
