// SPDX-License-Identifier: Apache-2.0
//
// Keys made, kept in files, and used to sign. A file with secrets that others than its owner may read is refused, and
// no file is ever overwritten: a lost key is a nuisance, a replaced one is a silent outage. Secrets are wiped after
// use.
#include "proto/keys.h"

#include "proto/base/bytes.h"
#include "proto/base/config.h"
#include "proto/base/error.h"
#include "proto/keylock.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#define Z85_BYTES 41 // of 32 bytes, with the 0
#define KEY_FILE_BYTES_MAX 4096

static int derive_sign_public(const uint8_t secret[KEY_BYTES], uint8_t out[KEY_BYTES]) {
    size_t n = KEY_BYTES;
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, secret, KEY_BYTES);
    int ok = key != NULL && EVP_PKEY_get_raw_public_key(key, out, &n) == 1 && n == KEY_BYTES;
    EVP_PKEY_free(key);
    return ok ? 0 : error_fail(ERROR_CRYPTO, "OpenSSL offers no Ed25519");
}

static int derive_curve_public(const uint8_t secret[KEY_BYTES], uint8_t out[KEY_BYTES]) {
    char secret_text[Z85_BYTES], public_text[Z85_BYTES];
    zmq_z85_encode(secret_text, secret, KEY_BYTES);
    int r = zmq_curve_public(public_text, secret_text);
    explicit_bzero(secret_text, sizeof(secret_text));
    if (r != 0 || zmq_z85_decode(out, public_text) == NULL)
        return error_fail(ERROR_CRYPTO, "libzmq was built without CURVE");
    return 0;
}

int keys_generate(Keys *ret) {
    Keys keys = {.has_secret = true};
    int r = 0;
    // Any 32 random bytes are a secret of either kind: X25519 and Ed25519 both clamp them themselves.
    if (RAND_priv_bytes(keys.curve_secret, KEY_BYTES) != 1 || RAND_priv_bytes(keys.sign_secret, KEY_BYTES) != 1)
        r = error_fail(ERROR_CRYPTO, "the random generator failed");
    if (r == 0)
        r = derive_curve_public(keys.curve_secret, keys.curve_public);
    if (r == 0)
        r = derive_sign_public(keys.sign_secret, keys.sign_public);
    if (r == 0)
        *ret = keys;
    keys_wipe(&keys);
    return r;
}

int keys_of_transport(const uint8_t secret[KEY_BYTES], Keys *ret) {
    *ret = (Keys){.has_secret = true};
    memcpy(ret->curve_secret, secret, KEY_BYTES);
    return derive_curve_public(secret, ret->curve_public);
}

void keys_wipe(Keys *keys) {
    OPENSSL_cleanse(keys, sizeof(*keys));
}

void keys_id(const uint8_t sign_public[KEY_BYTES], char out[KEY_ID_TEXT_BYTES]) {
    uint8_t hash[HASH_BYTES];
    SHA256(sign_public, KEY_BYTES, hash);
    hex_encode(hash, (KEY_ID_TEXT_BYTES - 1) / 2, out);
}

void keys_fingerprint(const Keys *keys, char out[KEY_FINGERPRINT_BYTES]) {
    static const char domain[] = "dongbo fingerprint 1";
    uint8_t data[sizeof domain + 2 * KEY_BYTES], hash[HASH_BYTES];
    memcpy(data, domain, sizeof domain);
    memcpy(data + sizeof domain, keys->curve_public, KEY_BYTES);
    memcpy(data + sizeof domain + KEY_BYTES, keys->sign_public, KEY_BYTES);
    char text[KEY_FINGERPRINT_BYTES + 1];
    SHA256(data, sizeof data, hash);
    for (int i = 0; i < HASH_BYTES / 4; i++)
        snprintf(text + 6 * i, 7, "%05u ", (unsigned)(bytes_get_number(hash + 4 * i, 4) % 100000));
    memcpy(out, text, KEY_FINGERPRINT_BYTES);
    out[KEY_FINGERPRINT_BYTES - 1] = '\0';
}

// ---- files ----------------------------------------------------------------------------------------------------

static void append_key(Bytes *out, const char *name, const uint8_t key[KEY_BYTES]) {
    bytes_append_text(out, name);
    bytes_append_text(out, ": \"");
    bytes_append_hex(out, key, KEY_BYTES);
    bytes_append_text(out, "\"\n");
}

static void format_public(const Keys *keys, Bytes *out) {
    append_key(out, "curve_public", keys->curve_public);
    append_key(out, "sign_public", keys->sign_public);
}

static void keys_to_lock(const Keys *keys, KeylockBytes *ret) {
    memcpy(ret->publics, keys->curve_public, KEY_BYTES);
    memcpy(ret->publics + KEY_BYTES, keys->sign_public, KEY_BYTES);
    memcpy(ret->secrets, keys->curve_secret, KEY_BYTES);
    memcpy(ret->secrets + KEY_BYTES, keys->sign_secret, KEY_BYTES);
}

static int format_locked(const Keys *keys, const Passphrase *passphrase, Bytes *out) {
    KeylockBytes bytes;
    char text[KEYLOCK_TEXT_BYTES];
    keys_to_lock(keys, &bytes);
    int r = keylock_close(&bytes, passphrase, text);
    OPENSSL_cleanse(&bytes, sizeof bytes);
    if (r != 0)
        return r;
    bytes_append_text(out, "locked: \"");
    bytes_append_text(out, text);
    bytes_append_text(out, "\"\n");
    return 0;
}

static int format_secret(const Keys *keys, const Passphrase *passphrase, Bytes *out) {
    bytes_append_text(out, "# dongbo keys. Secret: keep this file to yourself; hand over the .pub beside it.\n");
    format_public(keys, out);
    if (passphrase != NULL)
        return format_locked(keys, passphrase, out);
    append_key(out, "curve_secret", keys->curve_secret);
    append_key(out, "sign_secret", keys->sign_secret);
    return 0;
}

static int write_all(int fd, const Bytes *text) {
    for (size_t done = 0; done < text->n;) {
        ssize_t n = write(fd, text->data + done, text->n - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        done += (size_t)n;
    }
    return fsync(fd);
}

static int write_file(const char *path, mode_t mode, const Bytes *text) {
    if (text->failed)
        return error_fail(ERROR_MEMORY, "no memory to write %s", path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0 && errno == EEXIST)
        return error_fail(ERROR_CONFIG, "%s exists and is not overwritten; move it away first", path);
    if (fd < 0)
        return error_fail(ERROR_SYSTEM, "cannot create %s: %s", path, strerror(errno));
    int r = write_all(fd, text);
    int cause = errno;
    if (close(fd) != 0 && r == 0) {
        r = -1;
        cause = errno;
    }
    if (r == 0)
        return 0;
    unlink(path);
    return error_fail(ERROR_SYSTEM, "cannot write %s: %s", path, strerror(cause));
}

// So that the names outlive a power cut, too.
static int sync_directory(const char *path) {
    const char *slash = strrchr(path, '/');
    char *directory = slash == NULL ? strdup(".") : strndup(path, slash == path ? 1 : (size_t)(slash - path));
    if (directory == NULL)
        return error_fail(ERROR_MEMORY, "no memory to write %s", path);
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = fd < 0 || fsync(fd) != 0 ? error_fail(ERROR_SYSTEM, "cannot sync %s: %s", directory, strerror(errno)) : 0;
    if (fd >= 0)
        close(fd);
    free(directory);
    return r;
}

static int write_secret(const Keys *keys, const char *path, const Passphrase *passphrase) {
    Bytes text = {0};
    bytes_reserve(&text, KEY_FILE_BYTES_MAX); // at once: growing would leave copies of secrets behind
    int r = format_secret(keys, passphrase, &text);
    if (r == 0)
        r = write_file(path, 0600, &text);
    if (text.data != NULL)
        OPENSSL_cleanse(text.data, text.n);
    bytes_free(&text);
    return r;
}

static int write_public(const Keys *keys, const char *path) {
    Bytes text = {0};
    bytes_append_text(&text, "# dongbo keys, public half: hand this over.\n");
    format_public(keys, &text);
    int r = write_file(path, 0644, &text);
    bytes_free(&text);
    return r;
}

int keys_save(const Keys *keys, const char *path, const Passphrase *passphrase) {
    char *public_path = NULL;
    if (asprintf(&public_path, "%s.pub", path) < 0)
        return error_fail(ERROR_MEMORY, "no memory to write %s", path);
    int r = write_secret(keys, path, passphrase);
    if (r == 0 && (r = write_public(keys, public_path)) != 0)
        unlink(path);
    free(public_path);
    return r == 0 ? sync_directory(path) : r;
}

int keys_replace(const Keys *keys, const char *path, const Passphrase *passphrase) {
    char *new_path = NULL;
    if (asprintf(&new_path, "%s.new", path) < 0)
        return error_fail(ERROR_MEMORY, "no memory to write %s", path);
    int r = write_secret(keys, new_path, passphrase);
    if (r == 0 && rename(new_path, path) != 0) {
        r = error_fail(ERROR_SYSTEM, "cannot replace %s: %s", path, strerror(errno));
        unlink(new_path);
    }
    free(new_path);
    return r == 0 ? sync_directory(path) : r;
}

// ---- an exchange's, as it told -------------------------------------------------------------------------------------

#define ANNOUNCED "# dongbo keys, public half, as the exchange announced it.\n"

static int put_announced(const Keys *keys, const char *path) {
    Bytes text = {0};
    char *new_path = NULL;
    if (asprintf(&new_path, "%s.XXXXXX", path) < 0)
        return error_fail(ERROR_MEMORY, "no memory to write %s", path);
    bytes_append_text(&text, ANNOUNCED);
    format_public(keys, &text);
    int fd = mkostemp(new_path, O_CLOEXEC);
    int r = fd < 0 || fchmod(fd, 0644) != 0 || text.failed || write_all(fd, &text) < 0 ? -1 : 0;
    if (fd >= 0 && close(fd) != 0)
        r = -1;
    if (r == 0)
        r = rename(new_path, path);
    if (r != 0)
        r = error_fail(ERROR_SYSTEM, "cannot write %s: %s", path, strerror(errno));
    if (r != 0 && fd >= 0)
        unlink(new_path);
    bytes_free(&text);
    free(new_path);
    return r == 0 ? sync_directory(path) : r;
}

int keys_put_exchange(const Keys *keys, const char *path) {
    return put_announced(keys, path);
}

int keys_put_next(const Keys *keys, const char *path) {
    char *next = NULL;
    if (asprintf(&next, "%s.next", path) < 0)
        return error_fail(ERROR_MEMORY, "no memory to write %s", path);
    int r = put_announced(keys, next);
    free(next);
    return r;
}

bool keys_next_is_announced(const char *path) {
    char *next = NULL, text[sizeof ANNOUNCED] = "";
    FILE *file = asprintf(&next, "%s.next", path) < 0 ? NULL : fopen(next, "re");
    bool announced = file && fgets(text, sizeof text, file) && strcmp(text, ANNOUNCED) == 0;
    if (file)
        fclose(file);
    free(next);
    return announced;
}

typedef struct KeyFile {
    char *curve_public, *curve_secret, *sign_public, *sign_secret, *locked;
} KeyFile;

static const cyaml_schema_field_t KEY_FIELDS[] = {
    CYAML_FIELD_STRING_PTR("curve_public", CYAML_FLAG_POINTER, KeyFile, curve_public, 0, 2 * KEY_BYTES),
    CYAML_FIELD_STRING_PTR("sign_public", CYAML_FLAG_POINTER, KeyFile, sign_public, 0, 2 * KEY_BYTES),
    CYAML_FIELD_STRING_PTR("curve_secret", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, KeyFile, curve_secret, 0,
                           2 * KEY_BYTES),
    CYAML_FIELD_STRING_PTR("sign_secret", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, KeyFile, sign_secret, 0,
                           2 * KEY_BYTES),
    CYAML_FIELD_STRING_PTR("locked", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, KeyFile, locked, 0, KEYLOCK_TEXT_BYTES),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t KEY_SCHEMA = {CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, KeyFile, KEY_FIELDS)};

static void key_file_free(KeyFile *file) {
    if (file == NULL)
        return;
    char *const secrets[] = {file->curve_secret, file->sign_secret};
    for (int i = 0; i < 2; i++)
        if (secrets[i] != NULL)
            OPENSSL_cleanse(secrets[i], strlen(secrets[i]));
    config_free(file, &KEY_SCHEMA);
}

static int decode_key(const char *path, const char *name, const char *text, uint8_t out[KEY_BYTES]) {
    if (hex_decode(text, out, KEY_BYTES) != 0)
        return error_fail(ERROR_CONFIG, "%s: %s is not 64 hexadecimal digits", path, name);
    return 0;
}

// A secret that does not belong to the public half beside it would only show as refusals at the other side.
static int check_pairs(const char *path, const Keys *keys) {
    uint8_t derived[KEY_BYTES];
    int r = derive_curve_public(keys->curve_secret, derived);
    if (r == 0 && memcmp(derived, keys->curve_public, KEY_BYTES) != 0)
        r = error_fail(ERROR_CONFIG, "%s: curve_secret does not belong to curve_public; take the file from a backup",
                       path);
    if (r == 0)
        r = derive_sign_public(keys->sign_secret, derived);
    if (r == 0 && memcmp(derived, keys->sign_public, KEY_BYTES) != 0)
        r = error_fail(ERROR_CONFIG, "%s: sign_secret does not belong to sign_public; take the file from a backup",
                       path);
    return r;
}

// Root's is taken from others, too: a service manager's credentials are.
int keys_check_access(const KeyAccess *access, const struct stat *status) {
    const char *path = access->path;
    if (status->st_mode & (S_IRWXG | S_IRWXO))
        return error_fail(ERROR_CONFIG, "%s holds %s and others may %s it; run: chmod 600 %s", path, access->holds,
                          access->others_may, path);
    if (!access->anybodys && status->st_uid != geteuid() && status->st_uid != 0)
        return error_fail(
            ERROR_CONFIG,
            "%s holds %s and belongs to another user (%u), who could change it; run this as that user, or: chown %u %s",
            path, access->holds, (unsigned)status->st_uid, (unsigned)geteuid(), path);
    return 0;
}

static int unlock_keys(const char *path, const KeyFile *file, const Passphrase *passphrase, Keys *keys) {
    KeylockBytes bytes;
    Passphrase found = {0};
    int r = passphrase == NULL ? passphrase_read(path, &found) : 0;
    if (r != 0)
        return r;
    keys_to_lock(keys, &bytes);
    r = keylock_open(file->locked, passphrase != NULL ? passphrase : &found, &bytes);
    passphrase_wipe(&found);
    if (r == 0) {
        memcpy(keys->curve_secret, bytes.secrets, KEY_BYTES);
        memcpy(keys->sign_secret, bytes.secrets + KEY_BYTES, KEY_BYTES);
        keys->has_secret = true;
    }
    OPENSSL_cleanse(&bytes, sizeof bytes);
    if (r == 1)
        return error_fail(ERROR_CONFIG, "%s does not open with this passphrase", path);
    if (r == 2)
        return error_fail(ERROR_CONFIG,
                          "%s: what stands under \"locked\" is not as dongbo keys writes it; take the file "
                          "from a backup",
                          path);
    return r == 0 ? check_pairs(path, keys) : r;
}

static int take_secrets(const char *path, const KeyFile *file, const Passphrase *passphrase, Keys *keys) {
    if (file->locked != NULL && (file->curve_secret != NULL || file->sign_secret != NULL))
        return error_fail(ERROR_CONFIG, "%s holds secrets both locked and open; take one of them away", path);
    if (file->locked != NULL)
        return unlock_keys(path, file, passphrase, keys);
    if (file->curve_secret == NULL || file->sign_secret == NULL)
        return error_fail(ERROR_CONFIG, "%s: %s is missing", path,
                          file->curve_secret == NULL ? "curve_secret" : "sign_secret");
    int r = decode_key(path, "curve_secret", file->curve_secret, keys->curve_secret);
    if (r == 0)
        r = decode_key(path, "sign_secret", file->sign_secret, keys->sign_secret);
    keys->has_secret = true;
    return r == 0 ? check_pairs(path, keys) : r;
}

// Owner, mode and content of one and the same file, whatever happens to its name meanwhile.
static int read_file(const char *path, char text[KEY_FILE_BYTES_MAX], size_t *ret_n, struct stat *ret_status) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_fail(ERROR_CONFIG, "cannot open key file %s: %s", path, strerror(errno));
    struct stat status = {0};
    ssize_t n = -1;
    int r = fstat(fd, &status);
    if (r == 0 && !S_ISREG(status.st_mode))
        r = error_fail(ERROR_CONFIG, "%s is not a file", path);
    else if (r != 0 || (n = read(fd, text, KEY_FILE_BYTES_MAX)) < 0)
        r = error_fail(ERROR_SYSTEM, "cannot read key file %s: %s", path, strerror(errno));
    close(fd);
    if (r == 0 && n == KEY_FILE_BYTES_MAX)
        r = error_fail(ERROR_CONFIG, "%s is too long to be a key file", path);
    *ret_n = n > 0 ? (size_t)n : 0;
    *ret_status = status;
    return r;
}

typedef struct Wanted {
    bool secrets;
    bool no_secrets;              // such a file is refused
    const Passphrase *passphrase; // NULL: it is looked for
} Wanted;

static int load(const char *path, const Wanted *wanted, Keys *ret, bool *ret_locked) {
    char text[KEY_FILE_BYTES_MAX];
    size_t n = 0;
    struct stat status = {0};
    KeyFile *file = NULL;
    Keys keys = {0};
    int r = read_file(path, text, &n, &status);
    if (r == 0)
        r = config_parse((void **)&file, path, text, n, &KEY_SCHEMA);
    OPENSSL_cleanse(text, sizeof(text));
    if (r == 0)
        r = decode_key(path, "curve_public", file->curve_public, keys.curve_public);
    if (r == 0)
        r = decode_key(path, "sign_public", file->sign_public, keys.sign_public);
    bool has_secrets = r == 0 && (file->curve_secret != NULL || file->sign_secret != NULL || file->locked != NULL);
    if (has_secrets && wanted->no_secrets)
        r = error_fail(
            ERROR_CONFIG,
            "%s holds secret keys, which nobody but their party may have: take the .pub file; if this one was "
            "handed over, have its party make new keys",
            path);
    else if (has_secrets)
        r = keys_check_access(&(KeyAccess){path, "secret keys", "read", !wanted->secrets}, &status);
    if (r == 0 && has_secrets && wanted->secrets)
        r = take_secrets(path, file, wanted->passphrase, &keys);
    if (r == 0) {
        *ret = keys;
        *ret_locked = file->locked != NULL;
    }
    key_file_free(file);
    keys_wipe(&keys);
    return r;
}

int keys_load(const char *path, Keys *ret) {
    return keys_unlock(path, NULL, ret);
}

int keys_unlock(const char *path, const Passphrase *passphrase, Keys *ret) {
    bool locked;
    return load(path, &(Wanted){.secrets = true, .passphrase = passphrase}, ret, &locked);
}

int keys_load_public(const char *path, Keys *ret, bool *ret_locked) {
    bool locked;
    return load(path, &(Wanted){0}, ret, ret_locked != NULL ? ret_locked : &locked);
}

int keys_load_given(const char *path, Keys *ret) {
    bool locked;
    return load(path, &(Wanted){.no_secrets = true}, ret, &locked);
}

int keys_load_exchange(const char *path, Keys ret[2]) {
    char *next = NULL;
    int r = keys_load_public(path, &ret[0], NULL);
    if (r == 0 && asprintf(&next, "%s.next", path) < 0)
        return error_fail(ERROR_MEMORY, "no memory to read %s", path);
    if (r == 0)
        ret[1] = ret[0];
    if (r == 0 && access(next, F_OK) == 0)
        r = keys_load_public(next, &ret[1], NULL);
    free(next);
    return r;
}

// ---- signatures -----------------------------------------------------------------------------------------------

// Ed25519 takes its message whole, so domain and data are joined in a buffer that is kept.
typedef struct Party {
    EVP_PKEY *key;
    EVP_MD_CTX *context;
    Bytes message;
} Party;

struct Signer {
    Party party;
};
struct Verifier {
    Party party;
};

static void party_free(Party *party) {
    EVP_MD_CTX_free(party->context);
    EVP_PKEY_free(party->key);
    bytes_free(&party->message);
}

static int party_join(Party *party, const char *domain, const uint8_t *data, size_t n) {
    bytes_clear(&party->message);
    bytes_append(&party->message, domain, strlen(domain) + 1);
    bytes_append(&party->message, data, n);
    return party->message.failed ? error_fail(ERROR_MEMORY, "no memory for a signature") : 0;
}

int signer_new(Signer **ret, const uint8_t secret[KEY_BYTES]) {
    Signer *signer = calloc(1, sizeof(*signer));
    if (signer == NULL)
        return error_fail(ERROR_MEMORY, "no memory for a signing key");
    signer->party.key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, secret, KEY_BYTES);
    signer->party.context = EVP_MD_CTX_new();
    if (signer->party.key == NULL || signer->party.context == NULL) {
        signer_destroy(&signer);
        return error_fail(ERROR_CRYPTO, "OpenSSL takes no Ed25519 signing key");
    }
    *ret = signer;
    return 0;
}

void signer_destroy(Signer **signer) {
    if (*signer == NULL)
        return;
    party_free(&(*signer)->party);
    free(*signer);
    *signer = NULL;
}

int signer_sign(Signer *signer, const char *domain, const uint8_t *data, size_t n, uint8_t out[SIGNATURE_BYTES]) {
    Party *party = &signer->party;
    int r = party_join(party, domain, data, n);
    if (r != 0)
        return r;
    size_t out_n = SIGNATURE_BYTES;
    EVP_MD_CTX_reset(party->context);
    if (EVP_DigestSignInit(party->context, NULL, NULL, NULL, party->key) != 1 ||
        EVP_DigestSign(party->context, out, &out_n, party->message.data, party->message.n) != 1 ||
        out_n != SIGNATURE_BYTES)
        return error_fail(ERROR_CRYPTO, "signing failed");
    return 0;
}

int verifier_new(Verifier **ret, const uint8_t key[KEY_BYTES]) {
    Verifier *verifier = calloc(1, sizeof(*verifier));
    if (verifier == NULL)
        return error_fail(ERROR_MEMORY, "no memory for a key");
    verifier->party.key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key, KEY_BYTES);
    verifier->party.context = EVP_MD_CTX_new();
    if (verifier->party.key == NULL || verifier->party.context == NULL) {
        verifier_destroy(&verifier);
        return error_fail(ERROR_CRYPTO, "OpenSSL takes no such Ed25519 key");
    }
    *ret = verifier;
    return 0;
}

void verifier_destroy(Verifier **verifier) {
    if (*verifier == NULL)
        return;
    party_free(&(*verifier)->party);
    free(*verifier);
    *verifier = NULL;
}

int verifier_check(Verifier *verifier, const char *domain, const uint8_t *data, size_t n,
                   const uint8_t signature[SIGNATURE_BYTES]) {
    Party *party = &verifier->party;
    int r = party_join(party, domain, data, n);
    if (r != 0)
        return r;
    EVP_MD_CTX_reset(party->context);
    if (EVP_DigestVerifyInit(party->context, NULL, NULL, NULL, party->key) != 1)
        return error_fail(ERROR_CRYPTO, "OpenSSL cannot check Ed25519 signatures");
    return EVP_DigestVerify(party->context, signature, SIGNATURE_BYTES, party->message.data, party->message.n) == 1 ? 0
                                                                                                                    : 1;
}
