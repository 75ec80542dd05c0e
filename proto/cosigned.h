// SPDX-License-Identifier: Apache-2.0
//
// A signed head as somebody keeps it outside of the exchange, a line of JSON; co-signed where a witness did that: it
// saw this head, and found it to go on from the one that it had co-signed before (PROTOCOL.md, Witnesses). `dongbo log
// head --json` prints such lines, without a co-signature. Pure.
#pragma once

#include "proto/head.h"

#define COSIGNED_LINE_BYTES_MAX 4096

typedef struct Cosigned {
    uint8_t head[HEAD_BYTES_MAX], signature[SIGNATURE_BYTES];
    size_t head_n;
    bool has_key;
    uint8_t key[KEY_BYTES]; // the exchange's, that it is signed with
    bool cosigned;          // else the rest means nothing
    int64_t at_us;
    uint8_t cosignature[SIGNATURE_BYTES];
    char witness[KEY_ID_TEXT_BYTES]; // id of the witness's key
} Cosigned;

// Takes a head over. 1 when it is too long, or its signature is none.
int cosigned_take(Cosigned *cosigned, const Dongbo__SignedHead *head);
// As it came; borrows from it.
void cosigned_head(const Cosigned *cosigned, Dongbo__SignedHead *ret);
// Signs what is there, at this time. ERROR_CRYPTO, ERROR_MEMORY.
int cosigned_sign(Cosigned *cosigned, Signer *signer, const uint8_t sign_public[KEY_BYTES], int64_t at_us);
// 1 when this witness's key did not sign it. ERROR_CRYPTO, ERROR_MEMORY.
int cosigned_check(const Cosigned *cosigned, Verifier *witness);
// Appends the line, with its end. `tree` is its head, as head_read() gives it; `note`, NULL for none, is for people.
void cosigned_write(const Cosigned *cosigned, const Dongbo__TreeHead *tree, const char *note, Bytes *line);
// 1 when the line has no signed head. ERROR_MEMORY.
int cosigned_read(const char *line, size_t n, Cosigned *ret);
