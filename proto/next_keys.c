// SPDX-License-Identifier: Apache-2.0
#include "proto/next_keys.h"

#include "proto/base/error.h"

#include <stdlib.h>
#include <string.h>

#define DOMAIN "dongbo next keys 1"
#define SIGNED_BYTES (NEXT_KEYS_CHALLENGE_BYTES + 2 * KEY_BYTES)

struct NextKeys {
    Signer *signer;
    Keys keys;
    uint8_t signature[SIGNATURE_BYTES];
    Dongbo__NextKeys message;
};

static void join(const uint8_t *challenge, const uint8_t *curve, const uint8_t *sign, uint8_t out[SIGNED_BYTES]) {
    memcpy(out, challenge, NEXT_KEYS_CHALLENGE_BYTES);
    memcpy(out + NEXT_KEYS_CHALLENGE_BYTES, curve, KEY_BYTES);
    memcpy(out + NEXT_KEYS_CHALLENGE_BYTES + KEY_BYTES, sign, KEY_BYTES);
}

int next_keys_new(NextKeys **ret, const Keys *present, const Keys *next) {
    *ret = NULL;
    if (!next)
        return 0;
    NextKeys *made = calloc(1, sizeof *made);
    if (!made)
        return error_fail(ERROR_MEMORY, "no memory for the next keys");
    made->keys = *next;
    int r = signer_new(&made->signer, present->sign_secret);
    if (r < 0)
        next_keys_destroy(&made);
    *ret = made;
    return r;
}

void next_keys_destroy(NextKeys **next) {
    if (*next)
        signer_destroy(&(*next)->signer);
    free(*next);
    *next = NULL;
}

Dongbo__NextKeys *next_keys_say(NextKeys *next, const ProtobufCBinaryData *challenge) {
    uint8_t data[SIGNED_BYTES];
    if (!next || challenge->len != NEXT_KEYS_CHALLENGE_BYTES)
        return NULL;
    join(challenge->data, next->keys.curve_public, next->keys.sign_public, data);
    if (signer_sign(next->signer, DOMAIN, data, sizeof data, next->signature) < 0)
        return NULL; // another time
    dongbo__next_keys__init(&next->message);
    next->message.curve_public = (ProtobufCBinaryData){KEY_BYTES, next->keys.curve_public};
    next->message.sign_public = (ProtobufCBinaryData){KEY_BYTES, next->keys.sign_public};
    next->message.signature = (ProtobufCBinaryData){SIGNATURE_BYTES, next->signature};
    return &next->message;
}

int next_keys_check(const Dongbo__NextKeys *said, const uint8_t challenge[NEXT_KEYS_CHALLENGE_BYTES],
                    const uint8_t sign_public[KEY_BYTES], Keys *ret) {
    uint8_t data[SIGNED_BYTES];
    Verifier *verifier = NULL;
    if (said->curve_public.len != KEY_BYTES || said->sign_public.len != KEY_BYTES ||
        said->signature.len != SIGNATURE_BYTES)
        return 1;
    join(challenge, said->curve_public.data, said->sign_public.data, data);
    int r = verifier_new(&verifier, sign_public);
    if (r == 0)
        r = verifier_check(verifier, DOMAIN, data, sizeof data, said->signature.data);
    verifier_destroy(&verifier);
    if (r != 0)
        return r;
    *ret = (Keys){0};
    memcpy(ret->curve_public, said->curve_public.data, KEY_BYTES);
    memcpy(ret->sign_public, said->sign_public.data, KEY_BYTES);
    return 0;
}
