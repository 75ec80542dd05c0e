// SPDX-License-Identifier: Apache-2.0
//
// See keylock.h. The cost stands in the file, so that it can be raised; a file cannot ask for more than COST_MAX.
#include "proto/keylock.h"

#include "proto/base/bytes.h"
#include "proto/base/error.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME "scrypt-aes256gcm"
#define COST 16 // log2 N: 64 MiB and a fifth of a second
#define COST_MIN 14
#define COST_MAX 18
#define BLOCK 8 // r
#define MEMORY_MAX (512ULL << 20)
#define SALT_N 16
#define NONCE_N 12
#define TAG_N 16
#define KEY_N 32

typedef struct Locked {
    int cost;
    uint8_t salt[SALT_N], nonce[NONCE_N], sealed[KEYLOCK_SECRET_BYTES + TAG_N];
} Locked;

static int derive(const Locked *locked, const Passphrase *passphrase, uint8_t key[KEY_N]) {
    if (EVP_PBE_scrypt(passphrase->text, passphrase->n, locked->salt, SALT_N, 1ULL << locked->cost, BLOCK, 1,
                       MEMORY_MAX, key, KEY_N) != 1)
        return error_fail(ERROR_CRYPTO, "OpenSSL makes no key of a passphrase (scrypt): is there memory enough?");
    return 0;
}

// Either way; 1 where what is opened is not what was closed.
static int run(EVP_CIPHER_CTX *context, const uint8_t key[KEY_N], Locked *locked, KeylockBytes *bytes, int closing) {
    int n = 0;
    const uint8_t *from = closing ? bytes->secrets : locked->sealed;
    uint8_t *to = closing ? locked->sealed : bytes->secrets, *tag = locked->sealed + KEYLOCK_SECRET_BYTES;
    if (EVP_CipherInit_ex(context, EVP_aes_256_gcm(), NULL, key, locked->nonce, closing) != 1 ||
        EVP_CipherUpdate(context, NULL, &n, bytes->publics, KEYLOCK_PUBLIC_BYTES) != 1 ||
        EVP_CipherUpdate(context, to, &n, from, KEYLOCK_SECRET_BYTES) != 1 || n != KEYLOCK_SECRET_BYTES ||
        (!closing && EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_SET_TAG, TAG_N, tag) != 1))
        return error_fail(ERROR_CRYPTO, "OpenSSL does no AES-256-GCM");
    if (EVP_CipherFinal_ex(context, to + n, &n) != 1)
        return closing ? error_fail(ERROR_CRYPTO, "AES-256-GCM failed") : 1;
    if (closing && EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, TAG_N, tag) != 1)
        return error_fail(ERROR_CRYPTO, "AES-256-GCM gives no tag");
    return 0;
}

static int crypt(Locked *locked, const Passphrase *passphrase, KeylockBytes *bytes, int closing) {
    uint8_t key[KEY_N];
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    int r = context == NULL ? error_fail(ERROR_MEMORY, "no memory to lock keys") : derive(locked, passphrase, key);
    if (r == 0)
        r = run(context, key, locked, bytes, closing);
    EVP_CIPHER_CTX_free(context);
    OPENSSL_cleanse(key, sizeof key);
    if (r != 0 && !closing)
        OPENSSL_cleanse(bytes->secrets, sizeof bytes->secrets);
    return r;
}

int keylock_close(const KeylockBytes *bytes, const Passphrase *passphrase, char ret[KEYLOCK_TEXT_BYTES]) {
    Locked locked = {.cost = COST};
    if (RAND_bytes(locked.salt, SALT_N) != 1 || RAND_bytes(locked.nonce, NONCE_N) != 1)
        return error_fail(ERROR_CRYPTO, "the random generator failed");
    int r = crypt(&locked, passphrase, (KeylockBytes *)bytes, 1);
    if (r != 0)
        return r;
    char salt[2 * SALT_N + 1], nonce[2 * NONCE_N + 1], sealed[2 * sizeof locked.sealed + 1];
    hex_encode(locked.salt, SALT_N, salt);
    hex_encode(locked.nonce, NONCE_N, nonce);
    hex_encode(locked.sealed, sizeof locked.sealed, sealed);
    snprintf(ret, KEYLOCK_TEXT_BYTES, "%s %d %s %s %s", NAME, locked.cost, salt, nonce, sealed);
    return 0;
}

static int parse(const char *text, Locked *ret) {
    char name[17], salt[2 * SALT_N + 1], nonce[2 * NONCE_N + 1], sealed[2 * sizeof ret->sealed + 1];
    int end = 0;
    if (sscanf(text, "%16s %2d %32s %24s %160s%n", name, &ret->cost, salt, nonce, sealed, &end) != 5 ||
        text[end] != '\0' || strcmp(name, NAME) != 0 || ret->cost < COST_MIN || ret->cost > COST_MAX)
        return 2;
    return hex_decode(salt, ret->salt, SALT_N) == 0 && hex_decode(nonce, ret->nonce, NONCE_N) == 0 &&
                   hex_decode(sealed, ret->sealed, sizeof ret->sealed) == 0
               ? 0
               : 2;
}

int keylock_open(const char *text, const Passphrase *passphrase, KeylockBytes *bytes) {
    Locked locked = {0};
    int r = parse(text, &locked);
    return r != 0 ? r : crypt(&locked, passphrase, bytes, 0);
}
