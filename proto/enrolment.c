// SPDX-License-Identifier: Apache-2.0
//
// See enrolment.h. 130 random bits need no slow hash: they cannot be guessed.
#include "proto/enrolment.h"

#include "proto/base/error.h"

#include <ctype.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <string.h>

#define RANDOM_N 26
#define CHECK_N 4
#define TOKEN_N (RANDOM_N + CHECK_N)
#define GROUP 5

// Crockford's: without I, L, O and U.
static const char ALPHABET[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

static void hash(const char *domain, const char token[RANDOM_N], uint8_t ret[HASH_BYTES]) {
    char text[64];
    size_t n = strlen(domain) + 1;
    memcpy(text, domain, n);
    memcpy(text + n, token, RANDOM_N);
    SHA256((const uint8_t *)text, n + RANDOM_N, ret);
    OPENSSL_cleanse(text, sizeof text);
}

static void check_of(const char token[RANDOM_N], char ret[CHECK_N]) {
    uint8_t digest[HASH_BYTES];
    hash("dongbo token check 1", token, digest);
    for (int i = 0; i < CHECK_N; i++)
        ret[i] = ALPHABET[digest[i] & 31];
}

int enrolment_token_new(char ret[ENROLMENT_TOKEN_BYTES]) {
    uint8_t random[RANDOM_N];
    char token[TOKEN_N];
    if (RAND_priv_bytes(random, RANDOM_N) != 1)
        return error_fail(ERROR_CRYPTO, "the random generator failed");
    for (int i = 0; i < RANDOM_N; i++)
        token[i] = ALPHABET[random[i] & 31];
    check_of(token, token + RANDOM_N);
    char *at = ret;
    for (int i = 0; i < TOKEN_N; i++) {
        if (i > 0 && i % GROUP == 0)
            *at++ = '-';
        *at++ = token[i];
    }
    *at = '\0';
    OPENSSL_cleanse(random, sizeof random);
    OPENSSL_cleanse(token, sizeof token);
    return 0;
}

static char letter_of(char said) {
    char letter = (char)toupper((unsigned char)said);
    return letter == 'O' ? '0' : letter == 'I' || letter == 'L' ? '1' : letter;
}

static int read_token(const char *text, char token[TOKEN_N]) {
    int n = 0;
    for (; *text != '\0'; text++) {
        if (*text == '-' || isspace((unsigned char)*text))
            continue;
        char letter = letter_of(*text);
        if (n == TOKEN_N || strchr(ALPHABET, letter) == NULL)
            return 1;
        token[n++] = letter;
    }
    char check[CHECK_N];
    if (n != TOKEN_N)
        return 1;
    check_of(token, check);
    return memcmp(check, token + RANDOM_N, CHECK_N) == 0 ? 0 : 1;
}

int enrolment_token_keys(const char *text, Keys *ret) {
    char token[TOKEN_N] = {0};
    uint8_t secret[HASH_BYTES];
    int r = read_token(text, token);
    if (r != 0)
        return r;
    hash("dongbo enrolment 1", token, secret);
    r = keys_of_transport(secret, ret);
    OPENSSL_cleanse(token, sizeof token);
    OPENSSL_cleanse(secret, sizeof secret);
    return r;
}

void enrolment_signed(const uint8_t door[KEY_BYTES], const uint8_t curve[KEY_BYTES], const uint8_t sign[KEY_BYTES],
                      uint8_t ret[ENROLMENT_SIGNED_BYTES]) {
    memcpy(ret, door, KEY_BYTES);
    memcpy(ret + KEY_BYTES, curve, KEY_BYTES);
    memcpy(ret + 2 * KEY_BYTES, sign, KEY_BYTES);
}
