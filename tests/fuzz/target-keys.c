// SPDX-License-Identifier: Apache-2.0
//
// A key file, tried with a passphrase that fits one of the seeds. What loads, with its secret half, signs so that its
// public half agrees.
#include "proto/keys.h"
#include "tests/fuzz/fuzz.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

// In scrypt's place (meson.build), which takes long on purpose.
int __wrap_EVP_PBE_scrypt(const char *pass, size_t n, const uint8_t *salt, size_t salt_n, uint64_t N, uint64_t r,
                          uint64_t p, uint64_t memory_max, uint8_t *key, size_t key_n);
int __wrap_EVP_PBE_scrypt(const char *pass, size_t n, const uint8_t *salt, size_t salt_n, uint64_t N, uint64_t r,
                          uint64_t p, uint64_t memory_max, uint8_t *key, size_t key_n) {
    return PKCS5_PBKDF2_HMAC(pass, (int)n, salt, (int)salt_n, 1, EVP_sha256(), (int)key_n, key);
}

static const Passphrase PASSPHRASE = {4, "fuzz"};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    Keys keys;
    bool locked;
    memset(&keys, 0x77, sizeof keys);
    const char *path = fuzz_file(0, data, n);
    bool is_public = keys_load_public(path, &keys, &locked) == 0;
    if (keys_unlock(path, &PASSPHRASE, &keys) != 0)
        return 0;
    FUZZ_ASSERT(is_public);
    char id[KEY_ID_TEXT_BYTES];
    keys_id(keys.sign_public, id);
    FUZZ_ASSERT(strlen(id) == KEY_ID_TEXT_BYTES - 1);
    if (keys.has_secret) {
        Signer *signer = NULL;
        Verifier *verifier = NULL;
        uint8_t signature[SIGNATURE_BYTES];
        FUZZ_ASSERT(signer_new(&signer, keys.sign_secret) == 0 && verifier_new(&verifier, keys.sign_public) == 0);
        FUZZ_ASSERT(signer_sign(signer, "fuzz", data, n, signature) == 0);
        FUZZ_ASSERT(verifier_check(verifier, "fuzz", data, n, signature) == 0);
        signer_destroy(&signer);
        verifier_destroy(&verifier);
    }
    keys_wipe(&keys);
    return 0;
}

static void seed(const char *name, const char *path) {
    char data[4096];
    FILE *file = fopen(path, "r");
    FUZZ_ASSERT(file != NULL);
    fuzz_seed(name, data, fread(data, 1, sizeof data, file));
    fclose(file);
}

void fuzz_seeds(void) {
    Keys keys;
    char path[256], public[300];
    snprintf(path, sizeof path, "%s/key", fuzz_scratch());
    snprintf(public, sizeof public, "%s.pub", path);
    FUZZ_ASSERT(keys_generate(&keys) == 0 && keys_save(&keys, path, NULL) == 0);
    seed("secret", path);
    seed("public", public);
    FUZZ_ASSERT(unlink(path) == 0 && unlink(public) == 0);
    FUZZ_ASSERT(keys_save(&keys, path, &PASSPHRASE) == 0);
    seed("locked", path);
    FUZZ_ASSERT(unlink(path) == 0 && unlink(public) == 0);
}
