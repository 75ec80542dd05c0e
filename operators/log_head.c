// SPDX-License-Identifier: Apache-2.0
//
// `dongbo log head` and `dongbo log consistency`: what the exchange signed of its log as a whole, and that one such
// head's log begins with another's. Says what is stored; whoever keeps heads from elsewhere compares.
#include "operators/answer.h"
#include "operators/commands.h"
#include "operators/log_proof.h"
#include "operators/result.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static json_t *hex(ProtobufCBinaryData bytes) {
    char *text = malloc(2 * bytes.len + 1);
    if (text == NULL)
        return NULL;
    hex_encode(bytes.data, bytes.len, text);
    json_t *made = json_string(text);
    free(text);
    return made;
}

static json_t *head_json(const Dongbo__SignedHead *head, const Dongbo__TreeHead *tree) {
    json_t *object = json_pack("{s:I, s:I, s:I, s:I, s:s}", "number", (json_int_t)tree->number, "size",
                               (json_int_t)tree->size, "last_position", (json_int_t)tree->last_position, "epoch",
                               (json_int_t)tree->epoch, "key_id", tree->key_id);
    json_object_set_new(object, "root", hex(tree->root));
    json_object_set_new(object, "segment_hash", hex(tree->segment_hash));
    json_object_set_new(object, "previous", hex(tree->previous));
    json_object_set_new(object, "signed_at", answer_instant(tree->signed_at_us));
    json_object_set_new(object, "head", hex(head->head));
    json_object_set_new(object, "signature", hex(head->signature));
    return object;
}

static void print_text(const Dongbo__TreeHead *tree) {
    char root[2 * HASH_BYTES + 1], hash[2 * HASH_BYTES + 1], at[CLOCK_TEXT_BYTES];
    hex_encode(tree->root.data, HASH_BYTES, root);
    hex_encode(tree->segment_hash.data, HASH_BYTES, hash);
    clock_format_us(tree->signed_at_us, at);
    printf("signed head %" PRIu64 " of %s, by key %s\n", tree->number, at, tree->key_id);
    printf("root  %s  over %" PRIu64 " segments\nhash  %s  at position %" PRIu64 ", epoch %" PRIu32 "\n", root,
           tree->size, hash, tree->last_position, tree->epoch);
}

typedef struct StoredHead {
    PGresult *rows;
    Dongbo__SignedHead head;
    const Dongbo__TreeHead *tree;
} StoredHead;

static void stored_head_free(StoredHead *stored) {
    PQclear(stored->rows);
    stored->rows = NULL;
}

// ERROR_CONFIG when there is none of this number.
static int find_head(Pg *exchange, int64_t number, Arena *arena, StoredHead *ret) {
    int r = log_proof_head(exchange, number, &ret->rows, &ret->head);
    if (r > 0 && number == 0)
        return error_fail(ERROR_CONFIG, "no head of this log was signed yet: a broker does it, within seconds of its "
                                        "start");
    if (r > 0)
        return error_fail(ERROR_CONFIG, "there is no signed head %" PRId64 "; dongbo log head shows the newest",
                          number);
    return r < 0 ? r : log_proof_tree(&ret->head, arena, &ret->tree);
}

int log_head_run(Desk *desk, int argc, char **argv) {
    bool json = false;
    long long number = -1;
    int operand = 0;
    const Option options[] = {{"number", 0, OPTION_INT, "N", "of this number; default: the newest", &number},
                              {"json", 0, OPTION_FLAG, NULL, "one JSON object, with head and signature in hex", &json},
                              {0}};
    Pg *exchange = NULL;
    CLEANUP(arena_destroy) Arena *arena = NULL;
    CLEANUP(stored_head_free) StoredHead stored = {0};
    int r = desk_parse(desk, options, argc, argv, &operand);
    if (r != 0)
        return r < 0 ? r : 0;
    if (number < 1 && number != -1)
        return error_fail(ERROR_CONFIG, "--number: from 1");
    r = desk_exchange(desk, &exchange);
    if (r == 0)
        r = arena_new(&arena, 64 * 1024);
    if (r == 0)
        r = find_head(exchange, number < 0 ? 0 : number, arena, &stored);
    if (r < 0)
        return log_proof_end(exchange, r);
    if (json)
        return answer_print(head_json(&stored.head, stored.tree), 0);
    print_text(stored.tree);
    return 0;
}

// ---- consistency -------------------------------------------------------------------------------------------------

static int read_number(const char *text, int64_t *ret) {
    char *end = NULL;
    errno = 0;
    *ret = strtoll(text, &end, 10);
    if (errno || *text == 0 || *end != 0 || *ret < 1)
        return error_fail(ERROR_CONFIG, "OLD and NEW are numbers of signed heads, from 1, not \"%s\"", text);
    return 0;
}

static int make(const LogPathMaker *maker, StoredHead *older, StoredHead *newer, Dongbo__ConsistencyProof *ret) {
    ProofRange ranges[PROOF_MAX];
    dongbo__consistency_proof__init(ret);
    ret->older = &older->head;
    ret->newer = &newer->head;
    if (older->tree->size > newer->tree->size)
        return error_fail(ERROR_CONFIG, "OLD is the head with fewer segments");
    ret->n_path = proof_consistency(older->tree->size, newer->tree->size, ranges);
    return log_path_make(maker, ranges, ret->n_path, &ret->path);
}

typedef struct ConsistencyAnswer {
    const char *path; // of the proof; NULL: it is not kept
    bool json;
} ConsistencyAnswer;

static json_t *place_json(const Dongbo__TreeHead *tree) {
    return json_pack("{s:I, s:I}", "number", (json_int_t)tree->number, "size", (json_int_t)tree->size);
}

static int say(const ConsistencyAnswer *answer, const LogProofCheck *check, size_t hashes) {
    bool holds = check->wrong == NULL;
    if (answer->json) {
        json_t *object =
            json_pack("{s:b, s:s?, s:i}", "consistent", holds, "wrong", check->wrong, "hashes", (int)hashes);
        json_object_set_new(object, "older", check->older_tree ? place_json(check->older_tree) : json_null());
        json_object_set_new(object, "newer", check->tree ? place_json(check->tree) : json_null());
        return answer_print(object, 0);
    }
    if (!holds)
        printf("BROKEN: %s\n", check->wrong);
    else
        printf("consistent: signed head %" PRIu64 " (%" PRIu64 " segments) is the beginning of %" PRIu64 " (%" PRIu64
               " segments), by %zu hashes\n",
               check->older_tree->number, check->older_tree->size, check->tree->number, check->tree->size, hashes);
    return 0;
}

// Checked before it is handed out. 1 when it does not hold, which is then said.
static int finish(const ConsistencyAnswer *answer, Dongbo__ConsistencyProof *consistency, Arena *arena) {
    Dongbo__Proof proof = DONGBO__PROOF__INIT;
    LogProofCheck check;
    proof.what_case = DONGBO__PROOF__WHAT_CONSISTENCY;
    proof.consistency = consistency;
    int r = log_proof_check(&proof, &(LogProofKeys){0}, arena, &check);
    if (r < 0)
        return r;
    r = say(answer, &check, consistency->n_path);
    if (r < 0 || check.wrong != NULL)
        return r < 0 ? r : 1;
    return answer->path != NULL ? log_proof_write(answer->path, &proof) : 0;
}

int log_consistency_run(Desk *desk, int argc, char **argv) {
    ConsistencyAnswer answer = {0};
    int operand = 0;
    const Option options[] = {{"out", 'o', OPTION_TEXT, "FILE", "write the proof, for dongbo log check", &answer.path},
                              {"json", 0, OPTION_FLAG, NULL, "one JSON object", &answer.json},
                              {0}};
    CLEANUP(arena_destroy) Arena *arena = NULL;
    CLEANUP(merkle_destroy) Merkle *merkle = NULL;
    CLEANUP(stored_head_free) StoredHead older = {0}, newer = {0};
    LogPathMaker maker = {0};
    Dongbo__ConsistencyProof proof;
    int64_t old = 0, new = 0;
    int r = desk_parse(desk, options, argc, argv, &operand);
    if (r != 0)
        return r < 0 ? r : 0;
    r = read_number(argv[operand], &old);
    if (r == 0)
        r = read_number(argv[operand + 1], &new);
    if (r == 0)
        r = desk_exchange(desk, &maker.exchange);
    if (r == 0)
        r = arena_new(&arena, BATCH_ARENA_BYTES);
    if (r == 0)
        r = merkle_new(&merkle);
    maker.arena = arena;
    maker.merkle = merkle;
    if (r == 0)
        r = find_head(maker.exchange, old, arena, &older);
    if (r == 0)
        r = find_head(maker.exchange, new, arena, &newer);
    if (r == 0)
        r = make(&maker, &older, &newer, &proof);
    return log_proof_end(maker.exchange, r < 0 ? r : finish(&answer, &proof, arena));
}
