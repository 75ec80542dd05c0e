// SPDX-License-Identifier: Apache-2.0
//
// Key files: one YAML file per party with its CURVE and Ed25519 pairs ("dongbo keys new"), of mode 0600 and its user's
// own or refused, its secrets under a passphrase where there is one; and the public half beside it (NAME.pub), which is
// what is handed over. Ed25519 by OpenSSL.
#pragma once

#include "proto/bounds.h"
#include "proto/passphrase.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

typedef struct Keys {
    uint8_t curve_public[KEY_BYTES], curve_secret[KEY_BYTES];
    uint8_t sign_public[KEY_BYTES], sign_secret[KEY_BYTES]; // Ed25519 seed
    bool has_secret;
} Keys;

int keys_generate(Keys *ret); // ERROR_CRYPTO
// A transport pair alone, of a secret that is there. ERROR_CRYPTO.
int keys_of_transport(const uint8_t secret[KEY_BYTES], Keys *ret);
// path and path.pub; refuses to overwrite. passphrase NULL: the secrets stand there as they are. ERROR_SYSTEM,
// ERROR_CONFIG.
int keys_save(const Keys *keys, const char *path, const Passphrase *passphrase);
// The same keys in the place of a secret file that is there, at once or not at all.
int keys_replace(const Keys *keys, const char *path, const Passphrase *passphrase);
// A secret file (mode and owner checked, secrets checked against their public halves; a passphrase is found by
// passphrase_read() where one is needed) or a .pub file (has_secret is false). ERROR_CONFIG says what is wrong with it
// and what to do.
int keys_load(const char *path, Keys *ret);
// ... with this passphrase, where one is needed.
int keys_unlock(const char *path, const Passphrase *passphrase, Keys *ret);
// Of either file the public halves alone. *ret_locked (may be NULL): whether its secrets are under a passphrase.
int keys_load_public(const char *path, Keys *ret, bool *ret_locked);
// What a party handed over: a .pub file, and no other. ERROR_CONFIG says so.
int keys_load_given(const char *path, Keys *ret);
// Of a file that nobody but its user is to use: mode 0600 or stricter, and the user's own, or root's. ERROR_CONFIG says
// what to do.
typedef struct KeyAccess {
    const char *path;
    const char *holds, *others_may; // for the sentence: "secret keys", "read"
    bool anybodys;                  // whose it is does not matter
} KeyAccess;
int keys_check_access(const KeyAccess *access, const struct stat *status);
// The public halves that an exchange has: ret[0] of path; ret[1] of path.next, which it will have or has by now, where
// there is such a file; else ret[0] again.
int keys_load_exchange(const char *path, Keys ret[2]);
// Writes these as FILE.next, or as FILE itself, in whosever place, at once or not at all; marked as what the exchange
// told, which keys_next_is_announced() finds again. ERROR_SYSTEM.
int keys_put_next(const Keys *keys, const char *path);
int keys_put_exchange(const Keys *keys, const char *path);
bool keys_next_is_announced(const char *path);
void keys_wipe(Keys *keys);
// hex of the first 8 bytes of SHA-256(public signing key): 17 bytes with the 0.
#define KEY_ID_TEXT_BYTES 17
void keys_id(const uint8_t sign_public[KEY_BYTES], char out[KEY_ID_TEXT_BYTES]);

// Of both public halves, for reading aloud: eight groups of five digits, with the 0.
#define KEY_FINGERPRINT_BYTES 48
void keys_fingerprint(const Keys *keys, char out[KEY_FINGERPRINT_BYTES]);

typedef struct Signer Signer; // holds an OpenSSL key; one per thread
int signer_new(Signer **ret, const uint8_t secret[KEY_BYTES]);
void signer_destroy(Signer **signer);
// Over domain (its 0 included) ‖ data. domain as "dongbo batch 1".
int signer_sign(Signer *signer, const char *domain, const uint8_t *data, size_t n, uint8_t out[SIGNATURE_BYTES]);

typedef struct Verifier Verifier;
int verifier_new(Verifier **ret, const uint8_t key[KEY_BYTES]);
void verifier_destroy(Verifier **verifier);
// 1 when the signature is not good.
int verifier_check(Verifier *verifier, const char *domain, const uint8_t *data, size_t n,
                   const uint8_t signature[SIGNATURE_BYTES]);
