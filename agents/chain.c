// SPDX-License-Identifier: Apache-2.0
//
// Only the last head of an answer is taken over: it is what the proof is of. Those before it are links of the chain.
#include "agents/chain.h"

#include "proto/announcement.h"
#include "proto/base/error.h"
#include "proto/bounds.h"
#include "proto/check.h"
#include "proto/proof.h"

#include <stdlib.h>
#include <string.h>

#define ARENA_BYTES (256 * 1024)
// present, next, that of the last head, and one that was learnt meanwhile
enum { NEXT = 1, LEARNT = 3, KEYS_MAX };

typedef struct Key {
    Verifier *verifier;
    uint8_t key[KEY_BYTES];
    char id[KEY_ID_TEXT_BYTES];
} Key;

typedef struct Seen {
    const Dongbo__TreeHead *tree;
    HeadMark mark;
} Seen;

struct Chain {
    Merkle *merkle;
    Arena *arena, *kept; // of an answer; of the last head
    Key keys[KEYS_MAX];
    bool any; // head was taken over
    Cosigned last;
    Seen seen; // it, decoded
};

static int key_set(Key *key, const uint8_t bytes[KEY_BYTES]) {
    verifier_destroy(&key->verifier);
    memcpy(key->key, bytes, KEY_BYTES);
    keys_id(bytes, key->id);
    return verifier_new(&key->verifier, bytes);
}

int chain_new(Chain **ret, const uint8_t *const sign_keys[2]) {
    Chain *chain = calloc(1, sizeof *chain);
    if (chain == NULL)
        return error_fail(ERROR_MEMORY, "no memory for signed heads");
    int r = merkle_new(&chain->merkle);
    if (r == 0)
        r = arena_new(&chain->arena, ARENA_BYTES);
    if (r == 0)
        r = arena_new(&chain->kept, ARENA_BYTES);
    for (int i = 0; r == 0 && i < 2 && sign_keys[i] != NULL; i++)
        r = key_set(&chain->keys[i], sign_keys[i]);
    if (r < 0) {
        chain_destroy(&chain);
        return r;
    }
    *ret = chain;
    return 0;
}

int chain_know(Chain *chain, const uint8_t sign_key[KEY_BYTES]) {
    char id[KEY_ID_TEXT_BYTES];
    keys_id(sign_key, id);
    for (int i = 0; i < KEYS_MAX; i++)
        if (chain->keys[i].verifier != NULL && strcmp(chain->keys[i].id, id) == 0)
            return 0;
    // What was learnt before is in use by now.
    int r = chain->keys[LEARNT].verifier != NULL ? key_set(&chain->keys[NEXT], chain->keys[LEARNT].key) : 0;
    return r < 0 ? r : key_set(&chain->keys[LEARNT], sign_key);
}

void chain_destroy(Chain **pointer) {
    Chain *chain = *pointer;
    if (chain == NULL)
        return;
    for (int i = 0; i < KEYS_MAX; i++)
        verifier_destroy(&chain->keys[i].verifier);
    merkle_destroy(&chain->merkle);
    arena_destroy(&chain->arena);
    arena_destroy(&chain->kept);
    free(chain);
    *pointer = NULL;
}

const Cosigned *chain_last(const Chain *chain, const Dongbo__TreeHead **ret_tree) {
    *ret_tree = chain->any ? chain->seen.tree : NULL;
    return chain->any ? &chain->last : NULL;
}

void chain_place(const Chain *chain, uint64_t *ret_number, uint64_t *ret_size) {
    *ret_number = chain->any ? chain->seen.tree->number : 0;
    *ret_size = chain->any ? chain->seen.tree->size : 0;
}

int chain_check(const Chain *chain, const char *domain, ProtobufCBinaryData bytes, ProtobufCBinaryData signature) {
    for (int i = 0; i < KEYS_MAX && signature.len == SIGNATURE_BYTES; i++)
        if (chain->keys[i].verifier != NULL &&
            verifier_check(chain->keys[i].verifier, domain, bytes.data, bytes.len, signature.data) == 0)
            return 0;
    return 1;
}

// ---- taking over -------------------------------------------------------------------------------------------------

static const Key *key_of(const Chain *chain, const char *id) {
    for (int i = 0; i < KEYS_MAX; i++)
        if (chain->keys[i].verifier != NULL && strcmp(chain->keys[i].id, id) == 0)
            return &chain->keys[i];
    return NULL;
}

// 1 when it cannot be read.
static int take_over(Chain *chain, const Cosigned *head) {
    const Dongbo__TreeHead *tree = NULL;
    chain->last = *head;
    arena_reset(chain->kept);
    if (head_read(chain->last.head, chain->last.head_n, chain->kept, &tree) != 0)
        return 1;
    const Key *key = key_of(chain, tree->key_id);
    if (key != NULL) {
        memcpy(chain->last.key, key->key, KEY_BYTES);
        chain->last.has_key = true;
    }
    chain->seen.tree = tree;
    head_mark(chain->merkle, tree, (ProtobufCBinaryData){chain->last.head_n, chain->last.head}, &chain->seen.mark);
    chain->any = true;
    return 0;
}

int chain_resume(Chain *chain, const Cosigned *last) {
    char id[KEY_ID_TEXT_BYTES] = "";
    int r = take_over(chain, last);
    if (r != 0 || !last->has_key)
        return r;
    keys_id(last->key, id);
    // By its own word, which is behind what somebody co-signed: the log may have announced it.
    return strcmp(id, chain->seen.tree->key_id) == 0 ? key_set(&chain->keys[2], last->key) : 0;
}

// ---- judging -----------------------------------------------------------------------------------------------------

static int judge(ChainJudgement *ret, ChainVerdict verdict, const char *why) {
    ret->verdict = verdict;
    ret->why = why;
    return 1;
}

// Reads a head, and whether the exchange signed it. 1 with a verdict.
static int open_head(Chain *chain, const Dongbo__SignedHead *head, Seen *ret, ChainJudgement *judgement) {
    if (head_read(head->head.data, head->head.len, chain->arena, &ret->tree) != 0)
        return judge(judgement, CHAIN_NO_ANSWER, "a head cannot be read");
    const Key *key = key_of(chain, ret->tree->key_id);
    head_mark(chain->merkle, ret->tree, head->head, &ret->mark);
    if (key == NULL) {
        memcpy(judgement->key_id, ret->tree->key_id, KEY_ID_TEXT_BYTES);
        return judge(judgement, CHAIN_NO_KEY, "a head is signed with a key that is not known here");
    }
    int r = head_open(head, key->verifier, chain->arena, &ret->tree);
    return r <= 0 ? r : judge(judgement, CHAIN_NO_ANSWER, "a head is not signed by the exchange's key");
}

// Both as evidence.
static int keep_both(const Cosigned *older, const Dongbo__SignedHead *newer, ChainJudgement *ret) {
    ret->older = *older;
    return cosigned_take(&ret->newer, newer) != 0 ? judge(ret, CHAIN_NO_ANSWER, "a head cannot be read") : 1;
}

// What the next one is to the one before it. 0: it goes on; 1 with a verdict.
static int follow(const Cosigned *before, const Seen *seen, const Seen *next, const Dongbo__SignedHead *head,
                  ChainJudgement *ret) {
    const char *why = NULL;
    HeadRelation relation = head_relate(&seen->mark, &next->mark, &why);
    if (relation == HEAD_GOES_ON && next->tree->number > seen->tree->number)
        return 0;
    if (relation == HEAD_SET_BACK && next->tree->epoch > seen->tree->epoch)
        judge(ret, CHAIN_SET_BACK, NULL);
    else if (relation == HEAD_CONTRADICTS)
        judge(ret, CHAIN_BROKEN, why);
    else
        return judge(ret, CHAIN_NO_ANSWER, "a head is not the next one");
    return keep_both(before, head, ret);
}

static int check_proof(Chain *chain, const Dongbo__Heads *answer, const Seen *newer, ChainJudgement *ret) {
    const Dongbo__TreeHead *old = chain->seen.tree, *new = newer->tree;
    ProofPath path = {.n = answer->n_path};
    bool fits = answer->n_path <= PROOF_MAX;
    for (size_t i = 0; fits && i < answer->n_path; i++) {
        fits = answer->path[i].len == HASH_BYTES;
        if (fits)
            memcpy(path.hashes[i], answer->path[i].data, HASH_BYTES);
    }
    if (fits && proof_check_consistency(chain->merkle, (ProofTree){old->size, old->root.data},
                                        (ProofTree){new->size, new->root.data}, &path) == 0)
        return 0;
    judge(ret, CHAIN_UNPROVEN, "no proof shows that the newer head's log begins with the older one's");
    return keep_both(&chain->last, answer->heads[answer->n_heads - 1], ret);
}

// ---- another key ---------------------------------------------------------------------------------------------------

// The log of this head announces this key.
static bool announces(Chain *chain, const Dongbo__EntryProof *proof, const Dongbo__TreeHead *head, const char *key_id,
                      uint8_t ret_key[KEY_BYTES]) {
    char id[KEY_ID_TEXT_BYTES];
    if (proof == NULL || announcement_check(chain->merkle, proof, head, ret_key) != 0)
        return false;
    keys_id(ret_key, id);
    return strcmp(id, key_id) == 0;
}

static const Dongbo__EntryProof *announcement_of(Chain *chain, const Dongbo__Heads *answer) {
    ProtobufCBinaryData bytes = answer->announcement;
    if (bytes.len == 0 ||
        check_message(&dongbo__entry_proof__descriptor, &CHECK_WIRE, bytes.data, bytes.len, NULL) != 0)
        return NULL;
    return dongbo__entry_proof__unpack(arena_protobuf(chain->arena), bytes.len, bytes.data);
}

// A key that the former one's log announced is as good as that one was.
static int learn_key(Chain *chain, const Dongbo__Heads *answer, const Dongbo__EntryProof *proof) {
    const Dongbo__TreeHead *first = NULL;
    uint8_t key[KEY_BYTES];
    if (proof == NULL ||
        head_read(answer->heads[0]->head.data, answer->heads[0]->head.len, chain->arena, &first) != 0 ||
        key_of(chain, first->key_id) != NULL || !announces(chain, proof, chain->seen.tree, first->key_id, key))
        return 0;
    return key_set(&chain->keys[2], key);
}

// Of heads that go on, by their proof. 1 with a verdict.
static int check_announced(Chain *chain, const Dongbo__EntryProof *proof, const Seen *newer, ChainJudgement *ret) {
    const char *key_id = newer->tree->key_id;
    uint8_t key[KEY_BYTES];
    if (strcmp(chain->seen.tree->key_id, key_id) == 0 || announces(chain, proof, chain->seen.tree, key_id, key) ||
        announces(chain, proof, newer->tree, key_id, key))
        return 0;
    memcpy(ret->key_id, key_id, KEY_ID_TEXT_BYTES);
    return judge(ret, CHAIN_NO_KEY, "a head is signed with a key that the log did not announce");
}

// ---- answers -------------------------------------------------------------------------------------------------------

// Each from the one before, and then the log from the last one's.
static int take_heads(Chain *chain, const Dongbo__Heads *answer, ChainJudgement *ret) {
    Cosigned before = chain->last, now = {0};
    Seen seen = chain->seen, next = {0};
    const Dongbo__EntryProof *announcement = announcement_of(chain, answer);
    int r = learn_key(chain, answer, announcement);
    if (r < 0)
        return r;
    for (size_t i = 0; i < answer->n_heads; i++) {
        r = open_head(chain, answer->heads[i], &next, ret);
        if (r == 0)
            r = follow(&before, &seen, &next, answer->heads[i], ret);
        if (r != 0)
            return r;
        if (cosigned_take(&now, answer->heads[i]) != 0)
            return judge(ret, CHAIN_NO_ANSWER, "a head cannot be read");
        before = now;
        seen = next;
    }
    r = check_proof(chain, answer, &next, ret);
    if (r == 0)
        r = check_announced(chain, announcement, &next, ret);
    if (r != 0)
        return r;
    ret->verdict = CHAIN_GOES_ON;
    return take_over(chain, &now);
}

// It shows none that follows: then the newest is the one that is known, or something is wrong.
static int take_newest(Chain *chain, const Dongbo__Heads *answer, ChainJudgement *ret) {
    Seen newest = {0};
    const char *why = NULL;
    int r = open_head(chain, answer->newest, &newest, ret);
    if (r != 0)
        return r;
    HeadRelation relation = head_relate(&chain->seen.mark, &newest.mark, &why);
    if (relation == HEAD_SAME)
        return judge(ret, CHAIN_NOTHING, NULL);
    if (relation == HEAD_CONTRADICTS)
        judge(ret, CHAIN_BROKEN, why);
    else if (relation == HEAD_SET_BACK && newest.tree->epoch > chain->seen.tree->epoch)
        judge(ret, CHAIN_SET_BACK, NULL);
    else
        judge(ret, CHAIN_BEHIND, "it shows no way on from the last head");
    return keep_both(&chain->last, answer->newest, ret);
}

int chain_begin(Chain *chain, const Dongbo__Heads *answer, ChainJudgement *ret) {
    Seen newest = {0};
    Cosigned head = {0};
    *ret = (ChainJudgement){.verdict = CHAIN_NOTHING};
    arena_reset(chain->arena);
    if (answer->newest == NULL)
        return 0;
    int r = open_head(chain, answer->newest, &newest, ret);
    if (r == 0 && cosigned_take(&head, answer->newest) != 0)
        r = judge(ret, CHAIN_NO_ANSWER, "a head cannot be read");
    if (r != 0)
        return r < 0 ? r : 0;
    ret->verdict = CHAIN_BEGINS;
    r = take_over(chain, &head);
    return r < 0 ? r : 0;
}

int chain_take(Chain *chain, const Dongbo__Heads *answer, ChainJudgement *ret) {
    *ret = (ChainJudgement){.verdict = CHAIN_NOTHING};
    arena_reset(chain->arena);
    if (!chain->any)
        return chain_begin(chain, answer, ret);
    int r;
    if (answer->newest == NULL || answer->n_heads > HEADS_SPAN)
        r = judge(ret, CHAIN_NO_ANSWER, "it shows no head, or too many");
    else
        r = answer->n_heads > 0 ? take_heads(chain, answer, ret) : take_newest(chain, answer, ret);
    if (r < 0)
        return r;
    ret->more =
        ret->verdict == CHAIN_GOES_ON && (answer->newest->head.len != chain->last.head_n ||
                                          memcmp(answer->newest->head.data, chain->last.head, chain->last.head_n) != 0);
    return arena_failed(chain->arena) ? error_fail(ERROR_MEMORY, "no memory for signed heads") : 0;
}
