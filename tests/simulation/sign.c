// SPDX-License-Identifier: Apache-2.0
//
// Signatures without curves: a hash over the public key and what is signed. Nobody here forges one, and a wrong key or
// wrong bytes are found all the same; Ed25519 took a third of a seed's time, and has tests of its own. Files of keys
// are read once: none changes here. The linker leads the calls of proto/keys.h's functions here.
#include "sign.h"

#include "proto/base/bytes.h"
#include "proto/base/error.h"
#include "proto/keys.h"

#include <assert.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAIRS_MAX 16
#define FILES_MAX 16
#define PATH_BYTES 256

struct Signer {
    uint8_t sign_public[KEY_BYTES];
};

struct Verifier {
    uint8_t sign_public[KEY_BYTES];
};

static struct Signs {
    EVP_MD_CTX *hash;
    struct {
        uint8_t secret[KEY_BYTES], sign_public[KEY_BYTES];
    } pairs[PAIRS_MAX];
    size_t n;
    struct {
        char path[PATH_BYTES];
        Keys keys;
    } files[FILES_MAX];
    size_t n_files;
} signs;

void sign_open(void) {
    signs.hash = EVP_MD_CTX_new();
    assert(signs.hash != NULL);
}

void sign_close(void) {
    EVP_MD_CTX_free(signs.hash);
}

void sign_know(const Keys *keys) {
    assert(signs.n < PAIRS_MAX);
    memcpy(signs.pairs[signs.n].secret, keys->sign_secret, KEY_BYTES);
    memcpy(signs.pairs[signs.n++].sign_public, keys->sign_public, KEY_BYTES);
}

static void sign(const uint8_t sign_public[KEY_BYTES], const char *domain, const uint8_t *data, size_t n,
                 uint8_t out[SIGNATURE_BYTES]) {
    int ok = EVP_DigestInit_ex(signs.hash, EVP_sha512(), NULL);
    ok &= EVP_DigestUpdate(signs.hash, sign_public, KEY_BYTES);
    ok &= EVP_DigestUpdate(signs.hash, domain, strlen(domain) + 1);
    ok &= EVP_DigestUpdate(signs.hash, data, n);
    ok &= EVP_DigestFinal_ex(signs.hash, out, NULL);
    assert(ok == 1);
}

int __wrap_keys_load(const char *path, Keys *ret);
int __real_keys_load(const char *path, Keys *ret);
int __wrap_keys_load(const char *path, Keys *ret) {
    for (size_t i = 0; i < signs.n_files; i++) {
        if (strcmp(signs.files[i].path, path) == 0) {
            *ret = signs.files[i].keys;
            return 0;
        }
    }
    int r = __real_keys_load(path, ret);
    if (r == 0 && signs.n_files < FILES_MAX && strlen(path) < PATH_BYTES) {
        snprintf(signs.files[signs.n_files].path, PATH_BYTES, "%s", path);
        signs.files[signs.n_files++].keys = *ret;
    }
    return r;
}

int __wrap_signer_new(Signer **ret, const uint8_t secret[KEY_BYTES]);
int __wrap_signer_new(Signer **ret, const uint8_t secret[KEY_BYTES]) {
    size_t i = 0;
    while (i < signs.n && memcmp(signs.pairs[i].secret, secret, KEY_BYTES) != 0)
        i++;
    assert(i < signs.n && "a key that nobody here has");
    *ret = malloc(sizeof **ret);
    if (*ret == NULL)
        return error_fail(ERROR_MEMORY, "no memory for a signing key");
    memcpy((*ret)->sign_public, signs.pairs[i].sign_public, KEY_BYTES);
    return 0;
}

void __wrap_signer_destroy(Signer **signer);
void __wrap_signer_destroy(Signer **signer) {
    free(*signer);
    *signer = NULL;
}

int __wrap_signer_sign(Signer *signer, const char *domain, const uint8_t *data, size_t n, uint8_t out[SIGNATURE_BYTES]);
int __wrap_signer_sign(Signer *signer, const char *domain, const uint8_t *data, size_t n,
                       uint8_t out[SIGNATURE_BYTES]) {
    sign(signer->sign_public, domain, data, n, out);
    return 0;
}

int __wrap_verifier_new(Verifier **ret, const uint8_t key[KEY_BYTES]);
int __wrap_verifier_new(Verifier **ret, const uint8_t key[KEY_BYTES]) {
    *ret = malloc(sizeof **ret);
    if (*ret == NULL)
        return error_fail(ERROR_MEMORY, "no memory for a verification key");
    memcpy((*ret)->sign_public, key, KEY_BYTES);
    return 0;
}

void __wrap_verifier_destroy(Verifier **verifier);
void __wrap_verifier_destroy(Verifier **verifier) {
    free(*verifier);
    *verifier = NULL;
}

int __wrap_verifier_check(Verifier *verifier, const char *domain, const uint8_t *data, size_t n,
                          const uint8_t signature[SIGNATURE_BYTES]);
int __wrap_verifier_check(Verifier *verifier, const char *domain, const uint8_t *data, size_t n,
                          const uint8_t signature[SIGNATURE_BYTES]) {
    uint8_t good[SIGNATURE_BYTES];
    sign(verifier->sign_public, domain, data, n, good);
    return memcmp(good, signature, SIGNATURE_BYTES) != 0;
}
