// SPDX-License-Identifier: Apache-2.0
//
// An Error or Refusal that ends a peer (PROTOCOL.md, section 11), signed by the exchange for the very peer and the
// challenge of its Hello or AskHeads: so nobody who has the transport key alone can say it, and nobody can say it again
// later, or to another. Decides neither what is said nor what becomes of it.
#pragma once

#include "proto/frame.h"
#include "proto/keys.h"
#include "wire.pb-c.h"

#include <stdbool.h>

#define DENIAL_CHALLENGE_BYTES 16
#define DENIAL_PEER_BYTES 17 // with the 0
// What an agent says of one that is not signed, between who said it and what was said.
#define DENIAL_UNSIGNED                                                                                                \
    "did not sign what it says, as whoever has the exchange's transport key alone cannot, and an older exchange does " \
    "not: "

// Whether a peer asked for signatures, and by which challenge.
typedef struct DenialAsked {
    bool asked;
    uint8_t challenge[DENIAL_CHALLENGE_BYTES];
} DenialAsked;
void denial_ask(DenialAsked *ret, ProtobufCBinaryData challenge);

typedef struct Denial {
    const char *peer; // hex of the first 8 bytes of its CURVE public key
    const DenialAsked *asked;
    FrameType type; // FRAME_ERROR, FRAME_REFUSAL
    int code;
    const char *text;
} Denial;
// Of ZAP's name for a peer (zap_name()), which ends with it; and of a key of one's own.
const char *denial_peer_of_user(const char *user);
void denial_peer_of_key(const uint8_t curve_public[KEY_BYTES], char ret[DENIAL_PEER_BYTES]);

// The signature, in `buffer`. Empty where none was asked for, or what is said passes by itself, or it cannot be made:
// then it counts as that.
ProtobufCBinaryData denial_sign(Signer *signer, const Denial *denial, uint8_t buffer[SIGNATURE_BYTES]);
// Whether the owner of this signing key said it, to this peer and challenge.
bool denial_is_signed(const Denial *denial, const uint8_t sign_public[KEY_BYTES], ProtobufCBinaryData signature);
