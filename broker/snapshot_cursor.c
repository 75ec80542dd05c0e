// SPDX-License-Identifier: Apache-2.0
//
// AES-256-GCM under a key of the subscription's own, with a random nonce for each: nonce, ciphertext, tag. Inside are
// numbers in a fixed order and the record's key; what was asked for is authenticated with them.
#include "broker/snapshot_cursor.h"

#include "proto/base/bytes.h"
#include "proto/base/error.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#define NONCE_BYTES 12
#define TAG_BYTES 16
#define LABEL "dongbo cursor 2"
#define FIXED_BYTES (4 + 2 * (8 + HASH_BYTES) + 4 + 8 + 8 + 1 + 8)
#define PLAIN_BYTES_MAX (FIXED_BYTES + RECORD_KEY_BYTES_MAX)
#define BOUND_BYTES (sizeof LABEL + 4 + 1 + BUCKETS_MAP_BYTES)
_Static_assert(NONCE_BYTES + PLAIN_BYTES_MAX + TAG_BYTES <= SNAPSHOT_CURSOR_BYTES_MAX, "a cursor fits");

// ---- what is inside ------------------------------------------------------------------------------------------------

static void put(uint8_t **at, size_t bytes, uint64_t value) {
    bytes_put_number(*at, bytes, value);
    *at += bytes;
}

static uint64_t get(const uint8_t **at, size_t bytes) {
    uint64_t value = bytes_get_number(*at, bytes);
    *at += bytes;
    return value;
}

static size_t place_write(const SnapshotPlace *place, uint8_t out[PLAIN_BYTES_MAX]) {
    uint8_t *at = out;
    size_t key = strnlen(place->record_key, RECORD_KEY_BYTES_MAX);
    put(&at, 4, place->first.epoch);
    put(&at, 8, place->first.position);
    memcpy(at, place->first.hash, HASH_BYTES);
    at += HASH_BYTES;
    put(&at, 8, place->last.position);
    memcpy(at, place->last.hash, HASH_BYTES);
    at += HASH_BYTES;
    put(&at, 4, (uint32_t)place->policy_version);
    put(&at, 8, place->persons);
    put(&at, 8, (uint64_t)place->person);
    put(&at, 1, (uint64_t)place->domain);
    put(&at, 8, (uint64_t)place->release);
    memcpy(at, place->record_key, key);
    return FIXED_BYTES + key;
}

static void place_read(const uint8_t *at, size_t n, SnapshotPlace *ret) {
    *ret = (SnapshotPlace){0};
    size_t key = n - FIXED_BYTES;
    ret->first.epoch = (uint32_t)get(&at, 4);
    ret->first.position = get(&at, 8);
    memcpy(ret->first.hash, at, HASH_BYTES);
    at += HASH_BYTES;
    ret->last.position = get(&at, 8);
    memcpy(ret->last.hash, at, HASH_BYTES);
    at += HASH_BYTES;
    ret->policy_version = (int32_t)get(&at, 4);
    ret->persons = get(&at, 8);
    ret->person = (int64_t)get(&at, 8);
    ret->domain = (int)get(&at, 1);
    ret->release = (int64_t)get(&at, 8);
    memcpy(ret->record_key, at, key);
}

// ---- sealing -------------------------------------------------------------------------------------------------------

static void bound_write(const SnapshotAsked *asked, uint8_t out[BOUND_BYTES]) {
    memcpy(out, LABEL, sizeof LABEL);
    bytes_put_number(out + sizeof LABEL, 4, (uint32_t)asked->subscription);
    out[sizeof LABEL + 4] = (uint8_t)(asked->digests | asked->of_buckets << 1);
    memcpy(out + sizeof LABEL + 5, asked->buckets, BUCKETS_MAP_BYTES);
}

// A context that has key, nonce and what is bound. NULL when OpenSSL cannot.
static EVP_CIPHER_CTX *context_new(const SnapshotAsked *asked, const uint8_t nonce[NONCE_BYTES], int encrypt) {
    uint8_t key[EVP_MAX_MD_SIZE], bound[BOUND_BYTES];
    unsigned n = 0;
    int done;
    bound_write(asked, bound);
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    bool good = context && HMAC(EVP_sha256(), asked->secret, sizeof asked->secret, (const uint8_t *)LABEL, sizeof LABEL,
                                key, &n) != NULL;
    good = good && EVP_CipherInit_ex(context, EVP_aes_256_gcm(), NULL, key, nonce, encrypt) == 1 &&
           EVP_CipherUpdate(context, NULL, &done, bound, sizeof bound) == 1;
    OPENSSL_cleanse(key, sizeof key);
    if (good)
        return context;
    EVP_CIPHER_CTX_free(context);
    return NULL;
}

int snapshot_cursor_seal(const SnapshotPlace *place, const SnapshotAsked *asked, const Clock *clock,
                         uint8_t out[SNAPSHOT_CURSOR_BYTES_MAX], size_t *ret_n) {
    uint8_t plain[PLAIN_BYTES_MAX];
    size_t n = place_write(place, plain);
    int r = clock_random(clock, out, NONCE_BYTES), done = 0, last = 0;
    if (r < 0)
        return r;
    EVP_CIPHER_CTX *context = context_new(asked, out, 1);
    bool good = context && EVP_CipherUpdate(context, out + NONCE_BYTES, &done, plain, (int)n) == 1 &&
                EVP_CipherFinal_ex(context, out + NONCE_BYTES + done, &last) == 1 &&
                EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, TAG_BYTES, out + NONCE_BYTES + n) == 1;
    EVP_CIPHER_CTX_free(context);
    *ret_n = NONCE_BYTES + n + TAG_BYTES;
    return good ? 0 : error_fail(ERROR_CRYPTO, "AES-256-GCM failed");
}

int snapshot_cursor_open(const uint8_t *data, size_t n, const SnapshotAsked *asked, SnapshotPlace *ret) {
    uint8_t plain[PLAIN_BYTES_MAX], tag[TAG_BYTES];
    if (n < NONCE_BYTES + FIXED_BYTES + TAG_BYTES || n > NONCE_BYTES + PLAIN_BYTES_MAX + TAG_BYTES)
        return 1;
    size_t inside = n - NONCE_BYTES - TAG_BYTES;
    int done = 0, last = 0;
    memcpy(tag, data + NONCE_BYTES + inside, TAG_BYTES);
    EVP_CIPHER_CTX *context = context_new(asked, data, 0);
    if (!context)
        return error_fail(ERROR_CRYPTO, "OpenSSL does not give AES-256-GCM");
    bool good = EVP_CipherUpdate(context, plain, &done, data + NONCE_BYTES, (int)inside) == 1 &&
                EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_SET_TAG, TAG_BYTES, tag) == 1 &&
                EVP_CipherFinal_ex(context, plain + done, &last) == 1;
    EVP_CIPHER_CTX_free(context);
    if (!good)
        return 1;
    place_read(plain, inside, ret);
    return 0;
}
