// SPDX-License-Identifier: Apache-2.0
//
// One by a key that is not known is read all the same: its heads may prove that the log has announced that key.
#include "agents/heads_answer.h"

#include "proto/check.h"
#include "proto/denial.h"

#include <string.h>

#define DOMAIN "dongbo heads 1"

int heads_answer_open(const HeadsQuestion *question, const Chain *chain, const Dongbo__Heads *answer, Arena *arena,
                      Dongbo__Heads *ret) {
    ProtobufCBinaryData bytes = answer->body;
    *ret = *answer;
    if (bytes.len == 0)
        return 1;
    Dongbo__HeadsBody *body = NULL;
    if (check_message(&dongbo__heads_body__descriptor, &CHECK_WIRE, bytes.data, bytes.len, NULL) == 0)
        body = dongbo__heads_body__unpack(arena_protobuf(arena), bytes.len, bytes.data);
    if (body == NULL)
        return 2;
    ret->n_heads = body->n_heads;
    ret->heads = body->heads;
    ret->n_path = body->n_path;
    ret->path = body->path;
    ret->newest = body->newest;
    ret->announcement = body->announcement;
    bool ours = body->challenge.len == DENIAL_CHALLENGE_BYTES && body->after == question->after &&
                body->size == question->size &&
                memcmp(body->challenge.data, question->challenge, DENIAL_CHALLENGE_BYTES) == 0;
    return ours && chain_check(chain, DOMAIN, bytes, answer->signature) == 0 ? 0 : 1;
}
