// SPDX-License-Identifier: Apache-2.0
//
// What people read in a line (number, size, times) follows from the head's bytes, and is not read back.
#include "proto/cosigned.h"

#include "proto/base/clock.h"
#include "proto/base/error.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define COSIGNED_DOMAIN "dongbo cosign 1"
#define SAID_BYTES_MAX (8 + SIGNATURE_BYTES + HEAD_BYTES_MAX)

int cosigned_take(Cosigned *cosigned, const Dongbo__SignedHead *head) {
    *cosigned = (Cosigned){0};
    if (head->head.len > HEAD_BYTES_MAX || head->head.len == 0 || head->signature.len != SIGNATURE_BYTES)
        return 1;
    cosigned->head_n = head->head.len;
    memcpy(cosigned->head, head->head.data, head->head.len);
    memcpy(cosigned->signature, head->signature.data, SIGNATURE_BYTES);
    return 0;
}

void cosigned_head(const Cosigned *cosigned, Dongbo__SignedHead *ret) {
    dongbo__signed_head__init(ret);
    ret->head = (ProtobufCBinaryData){.data = (uint8_t *)cosigned->head, .len = cosigned->head_n};
    ret->signature = (ProtobufCBinaryData){.data = (uint8_t *)cosigned->signature, .len = SIGNATURE_BYTES};
}

// What a witness signs; how long it is.
static size_t said(const Cosigned *cosigned, uint8_t out[SAID_BYTES_MAX]) {
    bytes_put_number(out, 8, (uint64_t)cosigned->at_us);
    memcpy(out + 8, cosigned->signature, SIGNATURE_BYTES);
    memcpy(out + 8 + SIGNATURE_BYTES, cosigned->head, cosigned->head_n);
    return 8 + SIGNATURE_BYTES + cosigned->head_n;
}

int cosigned_sign(Cosigned *cosigned, Signer *signer, const uint8_t sign_public[KEY_BYTES], int64_t at_us) {
    uint8_t data[SAID_BYTES_MAX];
    cosigned->cosigned = true;
    cosigned->at_us = at_us;
    keys_id(sign_public, cosigned->witness);
    size_t n = said(cosigned, data);
    return signer_sign(signer, COSIGNED_DOMAIN, data, n, cosigned->cosignature);
}

int cosigned_check(const Cosigned *cosigned, Verifier *witness) {
    uint8_t data[SAID_BYTES_MAX];
    if (!cosigned->cosigned)
        return 1;
    size_t n = said(cosigned, data);
    return verifier_check(witness, COSIGNED_DOMAIN, data, n, cosigned->cosignature);
}

// ---- lines -------------------------------------------------------------------------------------------------------

static void put_hex(Bytes *line, const char *name, const uint8_t *data, size_t n) {
    bytes_append_text(line, ",\"");
    bytes_append_text(line, name);
    bytes_append_text(line, "\":\"");
    bytes_append_hex(line, data, n);
    bytes_append_text(line, "\"");
}

void cosigned_write(const Cosigned *cosigned, const Dongbo__TreeHead *tree, const char *note, Bytes *line) {
    char text[256], at[CLOCK_TEXT_BYTES];
    clock_format_us(tree->signed_at_us, at);
    snprintf(text, sizeof text,
             "{\"number\":%" PRIu64 ",\"size\":%" PRIu64 ",\"last_position\":%" PRIu64 ",\"epoch\":%" PRIu32
             ",\"signed_at\":\"%s\",\"key_id\":",
             tree->number, tree->size, tree->last_position, tree->epoch, at);
    bytes_append_text(line, text);
    bytes_append_json(line, tree->key_id);
    put_hex(line, "head", cosigned->head, cosigned->head_n);
    put_hex(line, "signature", cosigned->signature, SIGNATURE_BYTES);
    if (cosigned->has_key)
        put_hex(line, "key", cosigned->key, KEY_BYTES);
    if (cosigned->cosigned) {
        clock_format_us(cosigned->at_us, at);
        snprintf(text, sizeof text, ",\"witness\":\"%s\",\"witnessed_at\":\"%s\",\"witnessed_at_us\":%" PRId64,
                 cosigned->witness, at, cosigned->at_us);
        bytes_append_text(line, text);
        put_hex(line, "cosignature", cosigned->cosignature, SIGNATURE_BYTES);
    }
    if (note != NULL) {
        bytes_append_text(line, ",\"note\":");
        bytes_append_json(line, note);
    }
    bytes_append_text(line, "}\n");
}

// 1 when it is not there, or not of n bytes.
static int read_hex(const json_t *object, const char *name, uint8_t *out, size_t n) {
    const char *text = json_string_value(json_object_get(object, name));
    return text == NULL || hex_decode(text, out, n) != 0;
}

static int read_cosignature(const json_t *object, Cosigned *ret) {
    const char *witness = json_string_value(json_object_get(object, "witness"));
    const json_t *at = json_object_get(object, "witnessed_at_us");
    if (witness == NULL && at == NULL)
        return 0;
    if (witness == NULL || strlen(witness) != KEY_ID_TEXT_BYTES - 1 || !json_is_integer(at) ||
        read_hex(object, "cosignature", ret->cosignature, SIGNATURE_BYTES) != 0)
        return 1;
    memcpy(ret->witness, witness, KEY_ID_TEXT_BYTES);
    ret->at_us = json_integer_value(at);
    ret->cosigned = true;
    return 0;
}

int cosigned_read(const char *line, size_t n, Cosigned *ret) {
    *ret = (Cosigned){0};
    json_t *object = n > COSIGNED_LINE_BYTES_MAX ? NULL : json_loadb(line, n, JSON_REJECT_DUPLICATES, NULL);
    const char *head = json_string_value(json_object_get(object, "head"));
    ret->head_n = head != NULL ? strlen(head) / 2 : 0;
    bool bad = head == NULL || ret->head_n == 0 || ret->head_n > HEAD_BYTES_MAX ||
               hex_decode(head, ret->head, ret->head_n) != 0 ||
               read_hex(object, "signature", ret->signature, SIGNATURE_BYTES) != 0 ||
               read_cosignature(object, ret) != 0;
    ret->has_key = !bad && read_hex(object, "key", ret->key, KEY_BYTES) == 0;
    json_decref(object);
    return bad;
}
