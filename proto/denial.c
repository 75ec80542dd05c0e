// SPDX-License-Identifier: Apache-2.0
#include "proto/denial.h"

#include "proto/base/bytes.h"

#include <string.h>

#define DOMAIN "dongbo error 1"
#define CODE_BYTES 4

void denial_ask(DenialAsked *ret, ProtobufCBinaryData challenge) {
    ret->asked = challenge.len == DENIAL_CHALLENGE_BYTES;
    if (ret->asked)
        memcpy(ret->challenge, challenge.data, DENIAL_CHALLENGE_BYTES);
}

const char *denial_peer_of_user(const char *user) {
    const char *colon = strrchr(user, ':');
    return colon != NULL ? colon + 1 : user;
}

void denial_peer_of_key(const uint8_t curve_public[KEY_BYTES], char ret[DENIAL_PEER_BYTES]) {
    hex_encode(curve_public, (DENIAL_PEER_BYTES - 1) / 2, ret);
}

// Whoever floods us with what is answered so is owed no signature.
static bool passes(const Denial *denial) {
    if (denial->type == FRAME_REFUSAL)
        return denial->code != DONGBO__REFUSAL__CODE__FENCED;
    return denial->code == 0 || denial->code == DONGBO__ERROR__CODE__INTERNAL ||
           denial->code == DONGBO__ERROR__CODE__TOO_OFTEN || denial->code == DONGBO__ERROR__CODE__NO_SESSION;
}

// False when it cannot be written.
static bool write(const Denial *denial, Bytes *out) {
    uint8_t code[1 + CODE_BYTES] = {(uint8_t)denial->type};
    bytes_put_number(code + 1, CODE_BYTES, (uint32_t)denial->code);
    bytes_append(out, denial->peer, strlen(denial->peer));
    bytes_append(out, denial->asked->challenge, DENIAL_CHALLENGE_BYTES);
    bytes_append(out, code, sizeof code);
    bytes_append(out, denial->text, strlen(denial->text));
    return !out->failed && strlen(denial->peer) == DENIAL_PEER_BYTES - 1;
}

ProtobufCBinaryData denial_sign(Signer *signer, const Denial *denial, uint8_t buffer[SIGNATURE_BYTES]) {
    Bytes said = {0};
    bool made = denial->asked->asked && !passes(denial) && write(denial, &said) &&
                signer_sign(signer, DOMAIN, said.data, said.n, buffer) == 0;
    bytes_free(&said);
    return made ? (ProtobufCBinaryData){SIGNATURE_BYTES, buffer} : (ProtobufCBinaryData){0};
}

bool denial_is_signed(const Denial *denial, const uint8_t sign_public[KEY_BYTES], ProtobufCBinaryData signature) {
    Bytes said = {0};
    Verifier *verifier = NULL;
    bool is = denial->asked->asked && signature.len == SIGNATURE_BYTES && write(denial, &said) &&
              verifier_new(&verifier, sign_public) == 0 &&
              verifier_check(verifier, DOMAIN, said.data, said.n, signature.data) == 0;
    verifier_destroy(&verifier);
    bytes_free(&said);
    return is;
}
