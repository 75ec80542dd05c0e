// SPDX-License-Identifier: Apache-2.0
//
// Keys: made, saved, read back; what is wrong with a key file and what the sentence says; Ed25519 as others check it.
#include "proto/base/bytes.h"
#include "proto/base/error.h"
#include "proto/keys.h"
#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <openssl/evp.h>
#include <zmq.h>
#include <cmocka.h>

typedef struct Place {
    char directory[SCRATCH_BYTES];
    char path[SCRATCH_BYTES + 16], public_path[SCRATCH_BYTES + 16];
} Place;

static int setup(void **state) {
    Place *place = calloc(1, sizeof(*place));
    scratch_make(place->directory);
    snprintf(place->path, sizeof(place->path), "%s/moh.yaml", place->directory);
    snprintf(place->public_path, sizeof(place->public_path), "%s/moh.yaml.pub", place->directory);
    *state = place;
    return 0;
}

static int teardown(void **state) {
    Place *place = *state;
    scratch_remove(place->directory);
    free(place);
    return 0;
}

static void write_text(const char *path, const char *text, mode_t mode) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static void read_text(const char *path, char text[1024]) {
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t n = fread(text, 1, 1023, file);
    text[n] = 0;
    fclose(file);
}

static mode_t mode_of(const char *path) {
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    return status.st_mode & 07777;
}

static void assert_refused(const char *path, const char *words) {
    Keys keys;
    assert_int_equal(keys_load(path, &keys), ERROR_CONFIG);
    if (strstr(error_text(), words) == NULL || strstr(error_text(), path) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", error_text(), words);
}

static void test_save_and_load(void **state) {
    const Place *place = *state;
    Keys keys, again, public_half;
    assert_int_equal(keys_generate(&keys), 0);
    assert_int_equal(keys_save(&keys, place->path, NULL), 0);
    assert_int_equal(mode_of(place->path), 0600);
    assert_int_equal(keys_load(place->path, &again), 0);
    assert_true(again.has_secret);
    assert_memory_equal(&again, &keys, sizeof(keys));

    assert_int_equal(keys_load(place->public_path, &public_half), 0);
    assert_false(public_half.has_secret);
    assert_memory_equal(public_half.curve_public, keys.curve_public, KEY_BYTES);
    assert_memory_equal(public_half.sign_public, keys.sign_public, KEY_BYTES);
    char text[1024];
    read_text(place->public_path, text);
    assert_null(strstr(text, "secret"));
}

static void test_two_are_different(void **state) {
    Keys a, b;
    assert_int_equal(keys_generate(&a), 0);
    assert_int_equal(keys_generate(&b), 0);
    assert_memory_not_equal(a.curve_public, b.curve_public, KEY_BYTES);
    assert_memory_not_equal(a.sign_secret, b.sign_secret, KEY_BYTES);
    assert_memory_not_equal(a.sign_secret, a.curve_secret, KEY_BYTES);
    keys_wipe(&a);
    const Keys zero = {0};
    assert_memory_equal(&a, &zero, sizeof(a));
}

static void test_never_overwrites(void **state) {
    const Place *place = *state;
    Keys keys;
    assert_int_equal(keys_generate(&keys), 0);
    write_text(place->path, "mine", 0600);
    assert_int_equal(keys_save(&keys, place->path, NULL), ERROR_CONFIG);
    assert_non_null(strstr(error_text(), "exists"));
    char text[1024];
    read_text(place->path, text);
    assert_string_equal(text, "mine");
    unlink(place->path);
    write_text(place->public_path, "theirs", 0600);
    assert_int_equal(keys_save(&keys, place->path, NULL), ERROR_CONFIG);
    assert_int_equal(access(place->path, F_OK), -1); // no half pair is left
    read_text(place->public_path, text);
    assert_string_equal(text, "theirs");
}

static Passphrase phrase(const char *text) {
    Passphrase passphrase = {.n = strlen(text)};
    memcpy(passphrase.text, text, passphrase.n + 1);
    return passphrase;
}

static void replace_in(const char *path, const char *what, const char *by) {
    char text[1024], changed[1100];
    read_text(path, text);
    const char *at = strstr(text, what);
    assert_non_null(at);
    snprintf(changed, sizeof(changed), "%.*s%s%s", (int)(at - text), text, by, at + strlen(what));
    write_text(path, changed, 0600);
}

static void test_a_passphrase_locks(void **state) {
    const Place *place = *state;
    const Passphrase right = phrase("bốn con mèo"), wrong = phrase("bốn con meo");
    Keys keys, again;
    bool locked = false;
    char text[1024];
    assert_int_equal(keys_generate(&keys), 0);
    assert_int_equal(keys_save(&keys, place->path, &right), 0);
    assert_int_equal(mode_of(place->path), 0600);
    read_text(place->path, text);
    assert_null(strstr(text, "secret:"));
    assert_int_equal(keys_unlock(place->path, &right, &again), 0);
    assert_memory_equal(&again, &keys, sizeof(keys));
    assert_int_equal(keys_unlock(place->path, &wrong, &again), ERROR_CONFIG);
    assert_non_null(strstr(error_text(), "does not open"));
    assert_int_equal(keys_load_public(place->path, &again, &locked), 0);
    assert_true(locked && !again.has_secret);
    assert_memory_equal(again.sign_public, keys.sign_public, KEY_BYTES);

    assert_int_equal(keys_replace(&keys, place->path, NULL), 0);
    assert_int_equal(keys_load(place->path, &again), 0);
    assert_memory_equal(&again, &keys, sizeof(keys));
    assert_int_equal(keys_replace(&keys, place->path, &wrong), 0);
    assert_int_equal(keys_unlock(place->path, &right, &again), ERROR_CONFIG);
    assert_int_equal(keys_unlock(place->path, &wrong, &again), 0);
}

// Another's public half, other bytes, and a cost that would eat the machine's memory.
static void test_a_locked_file_that_was_changed(void **state) {
    const Place *place = *state;
    const Passphrase right = phrase("correct horse");
    Keys keys, other, again;
    char mine[2 * KEY_BYTES + 1], theirs[2 * KEY_BYTES + 1];
    assert_int_equal(keys_generate(&keys), 0);
    assert_int_equal(keys_generate(&other), 0);
    hex_encode(keys.sign_public, KEY_BYTES, mine);
    hex_encode(other.sign_public, KEY_BYTES, theirs);
    assert_int_equal(keys_save(&keys, place->path, &right), 0);
    replace_in(place->path, mine, theirs);
    assert_int_equal(keys_unlock(place->path, &right, &again), ERROR_CONFIG);
    assert_non_null(strstr(error_text(), "does not open"));
    replace_in(place->path, theirs, mine);
    assert_int_equal(keys_unlock(place->path, &right, &again), 0);
    static const char *const costs[] = {"gcm 30 ", "gcm 19 ", "gcm 0 ", "gcm x "};
    for (size_t i = 0; i < sizeof(costs) / sizeof(*costs); i++) {
        replace_in(place->path, "gcm 16 ", costs[i]);
        assert_int_equal(keys_unlock(place->path, &right, &again), ERROR_CONFIG);
        assert_non_null(strstr(error_text(), "not as dongbo keys writes it"));
        replace_in(place->path, costs[i], "gcm 16 ");
    }
    replace_in(place->path, "locked:", "sign_secret: \"00\"\nlocked:");
    assert_int_equal(keys_unlock(place->path, &right, &again), ERROR_CONFIG);
    assert_non_null(strstr(error_text(), "both locked and open"));
}

// Only root can make such a file.
static void test_anothers_file_is_refused(void **state) {
    const Place *place = *state;
    Keys keys;
    if (geteuid() != 0)
        skip();
    assert_int_equal(keys_generate(&keys), 0);
    assert_int_equal(keys_save(&keys, place->path, NULL), 0);
    assert_int_equal(chown(place->path, 65534, (gid_t)-1), 0);
    assert_refused(place->path, "belongs to another user (65534)");
    assert_int_equal(keys_load_public(place->path, &keys, NULL), 0);
}

static void test_no_such_directory(void **state) {
    Keys keys;
    assert_int_equal(keys_generate(&keys), 0);
    assert_int_equal(keys_save(&keys, "/tmp/dongbo-no-such-directory/keys.yaml", NULL), ERROR_SYSTEM);
    assert_refused("/tmp/dongbo-no-such-directory/keys.yaml", "cannot open");
}

static void test_others_may_not_read_secrets(void **state) {
    const Place *place = *state;
    Keys keys;
    assert_int_equal(keys_generate(&keys), 0);
    assert_int_equal(keys_save(&keys, place->path, NULL), 0);
    static const mode_t refused[] = {0640, 0604, 0610, 0601, 0660, 0644};
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        assert_int_equal(chmod(place->path, refused[i]), 0);
        assert_refused(place->path, "chmod 600");
    }
    assert_int_equal(chmod(place->path, 0400), 0);
    assert_int_equal(keys_load(place->path, &keys), 0);
}

// One key file's text with one thing changed.
static void test_what_is_wrong_is_said(void **state) {
    const Place *place = *state;
    Keys keys;
    assert_int_equal(keys_generate(&keys), 0);
    assert_int_equal(keys_save(&keys, place->path, NULL), 0);
    char good[1024], bad[1100];
    read_text(place->path, good);

    char *at = strstr(good, "sign_secret");
    snprintf(bad, sizeof(bad), "%.*s", (int)(at - good), good);
    write_text(place->path, bad, 0600);
    assert_refused(place->path, "sign_secret is missing");

    at = strstr(good, "sign_public: \"") + strlen("sign_public: \"");
    snprintf(bad, sizeof(bad), "%.*sx%s", (int)(at - good), good, at + 1);
    write_text(place->path, bad, 0600);
    assert_refused(place->path, "sign_public is not 64 hexadecimal digits");

    snprintf(bad, sizeof(bad), "%.*s%c%s", (int)(at - good), good, *at == '0' ? '1' : '0', at + 1);
    write_text(place->path, bad, 0600);
    assert_refused(place->path, "sign_secret does not belong to sign_public");

    at = strstr(good, "curve_secret: \"") + strlen("curve_secret: \"") + 20;
    snprintf(bad, sizeof(bad), "%.*s%c%s", (int)(at - good), good, *at == '0' ? '1' : '0', at + 1);
    write_text(place->path, bad, 0600);
    assert_refused(place->path, "curve_secret does not belong to curve_public");

    snprintf(bad, sizeof(bad), "%scolour: blue\n", good);
    write_text(place->path, bad, 0600);
    assert_refused(place->path, "colour");

    write_text(place->path, "", 0600);
    assert_refused(place->path, "empty");
    assert_refused(place->directory, "not a file");
    char *long_text = malloc(10000);
    memset(long_text, '#', 9999);
    long_text[9999] = 0;
    write_text(place->path, long_text, 0600);
    free(long_text);
    assert_refused(place->path, "too long");
}

static void test_key_id(void **state) {
    uint8_t key[KEY_BYTES] = {0};
    char id[KEY_ID_TEXT_BYTES];
    keys_id(key, id);
    assert_string_equal(id, "66687aadf862bd77"); // SHA-256 of 32 zeros
}

static void test_curve_pair_is_one_for_zeromq(void **state) {
    Keys keys;
    assert_int_equal(keys_generate(&keys), 0);
    char secret[41], public_text[41];
    uint8_t derived[KEY_BYTES];
    assert_non_null(zmq_z85_encode(secret, keys.curve_secret, KEY_BYTES));
    assert_int_equal(zmq_curve_public(public_text, secret), 0);
    assert_non_null(zmq_z85_decode(derived, public_text));
    assert_memory_equal(derived, keys.curve_public, KEY_BYTES);
}

// What a program without our code does to check a signature: Ed25519 over the domain, its 0, and the data.
static void test_signature_is_plain_ed25519(void **state) {
    // RFC 8032, 7.1, TEST 1: seed and public key.
    uint8_t seed[KEY_BYTES], key[KEY_BYTES], signature[SIGNATURE_BYTES];
    assert_int_equal(hex_decode("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", seed, KEY_BYTES),
                     0);
    assert_int_equal(hex_decode("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", key, KEY_BYTES), 0);
    CLEANUP(signer_destroy) Signer *signer = NULL;
    assert_int_equal(signer_new(&signer, seed), 0);
    assert_int_equal(signer_sign(signer, "dongbo batch 1", (const uint8_t *)"header", 6, signature), 0);
    EVP_PKEY *public_key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key, KEY_BYTES);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestVerifyInit(context, NULL, NULL, NULL, public_key), 1);
    assert_int_equal(
        EVP_DigestVerify(context, signature, SIGNATURE_BYTES, (const uint8_t *)"dongbo batch 1\0header", 21), 1);
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(public_key);
}

static void test_sign_and_check(void **state) {
    Keys keys, other;
    assert_int_equal(keys_generate(&keys), 0);
    assert_int_equal(keys_generate(&other), 0);
    CLEANUP(signer_destroy) Signer *signer = NULL;
    CLEANUP(verifier_destroy) Verifier *verifier = NULL, *stranger = NULL;
    assert_int_equal(signer_new(&signer, keys.sign_secret), 0);
    assert_int_equal(verifier_new(&verifier, keys.sign_public), 0);
    assert_int_equal(verifier_new(&stranger, other.sign_public), 0);
    uint8_t data[300], signature[SIGNATURE_BYTES], again[SIGNATURE_BYTES];
    memset(data, 7, sizeof(data));
    assert_int_equal(signer_sign(signer, "dongbo batch 1", data, sizeof(data), signature), 0);
    assert_int_equal(verifier_check(verifier, "dongbo batch 1", data, sizeof(data), signature), 0);
    assert_int_equal(verifier_check(verifier, "dongbo batch 2", data, sizeof(data), signature), 1);
    assert_int_equal(verifier_check(verifier, "dongbo batch 1", data, sizeof(data) - 1, signature), 1);
    assert_int_equal(verifier_check(stranger, "dongbo batch 1", data, sizeof(data), signature), 1);
    for (size_t i = 0; i < SIGNATURE_BYTES; i++) {
        signature[i] ^= 0x10;
        assert_int_equal(verifier_check(verifier, "dongbo batch 1", data, sizeof(data), signature), 1);
        signature[i] ^= 0x10;
    }
    assert_int_equal(signer_sign(signer, "dongbo batch 1", data, sizeof(data), again), 0);
    assert_memory_equal(again, signature, SIGNATURE_BYTES);
    assert_int_equal(signer_sign(signer, "", NULL, 0, again), 0);
    assert_int_equal(verifier_check(verifier, "", NULL, 0, again), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_save_and_load, setup, teardown),
        cmocka_unit_test(test_two_are_different),
        cmocka_unit_test_setup_teardown(test_never_overwrites, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_passphrase_locks, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_locked_file_that_was_changed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_anothers_file_is_refused, setup, teardown),
        cmocka_unit_test(test_no_such_directory),
        cmocka_unit_test_setup_teardown(test_others_may_not_read_secrets, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_wrong_is_said, setup, teardown),
        cmocka_unit_test(test_key_id),
        cmocka_unit_test(test_curve_pair_is_one_for_zeromq),
        cmocka_unit_test(test_signature_is_plain_ed25519),
        cmocka_unit_test(test_sign_and_check),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
