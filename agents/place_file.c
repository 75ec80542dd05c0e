// SPDX-License-Identifier: Apache-2.0
//
// Text, for people to read; the last line is the beginning of the SHA-256 of those before it.
#include "agents/place_file.h"

#include "proto/base/bytes.h"
#include "proto/base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define FILE_BYTES_MAX (PLACE_MORE_BYTES + 512)
#define CHECK_DIGITS 16

struct PlaceFile {
    char *path; // for messages
    const char *name;
    char *new_name, *lock_name, *head_name;
    int directory, lock;
};

static int fail_system(const PlaceFile *file, const char *what) {
    return error_fail(ERROR_SYSTEM, "%s: cannot %s: %s%s", file->path, what, strerror(errno), error_advice(errno));
}

static int check_text(const char *text, size_t n, char out[CHECK_DIGITS + 1]) {
    uint8_t hash[EVP_MAX_MD_SIZE];
    if (EVP_Digest(text, n, hash, NULL, EVP_sha256(), NULL) != 1)
        return error_fail(ERROR_CRYPTO, "SHA-256 failed");
    hex_encode(hash, CHECK_DIGITS / 2, out);
    return 0;
}

#define CHECK "check "

// Splits the text into the place and what follows, up to the line that checks both. 1 when it is not ours.
static int text_take(const char *text, SinkPlace *ret, char more[PLACE_MORE_BYTES]) {
    char hash[2 * HASH_BYTES + 1], expected[CHECK_DIGITS + 1];
    SinkPlace place = {0};
    int begin = 0; // of what follows
    const char *last = strstr(text, "\n" CHECK);
    if (!last || sscanf(text, "dongbo position 1\nepoch %u\nposition %" SCNu64 "\nhash %64[0-9a-f]\n%n", &place.epoch,
                        &place.position, hash, &begin) != 3)
        return 1;
    int rights = 0; // how long that line is, which was not there always
    if (sscanf(text + begin, "rights %u\n%n", &place.policy_version, &rights) == 1)
        begin += rights;
    size_t n = (size_t)(last + 1 - text);
    int r = check_text(text, n, expected);
    if (r < 0)
        return r;
    const char *check = text + n + strlen(CHECK);
    if (strncmp(check, expected, CHECK_DIGITS) != 0 || hex_decode(hash, place.hash, HASH_BYTES) != 0 ||
        (size_t)begin > n || n - (size_t)begin >= PLACE_MORE_BYTES)
        return 1;
    memcpy(more, text + begin, n - (size_t)begin);
    more[n - (size_t)begin] = 0;
    *ret = place;
    return 0;
}

int place_file_read(const PlaceFile *file, SinkPlace *ret, char more[PLACE_MORE_BYTES]) {
    char text[FILE_BYTES_MAX];
    int fd = openat(file->directory, file->name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 1 : fail_system(file, "read the position");
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n < 0)
        return fail_system(file, "read the position");
    text[n] = 0;
    int r = text_take(text, ret, more);
    return r == 1 ? 2 : r;
}

int place_file_damaged(const PlaceFile *file) {
    return error_fail(
        ERROR_CONFIG,
        "%s: this is no position of a sink, or it is damaged. Nothing was changed. Restore it from a copy, "
        "or move it away to receive everything again",
        file->path);
}

static bool all_write(int fd, const char *text, size_t n) {
    while (n) {
        ssize_t wrote = write(fd, text, n);
        if (wrote < 0 && errno != EINTR)
            return false;
        text += wrote > 0 ? wrote : 0;
        n -= wrote > 0 ? (size_t)wrote : 0;
    }
    return true;
}

// The old or the new one stands, whatever is interrupted.
static int replace(const PlaceFile *file, const char *name, const char *text, size_t n) {
    int fd = openat(file->directory, file->new_name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail_system(file, "write the position");
    bool done = all_write(fd, text, n) && fsync(fd) == 0;
    done &= close(fd) == 0;
    if (!done || renameat(file->directory, file->new_name, file->directory, name) < 0 || fsync(file->directory) < 0)
        return fail_system(file, "write the position");
    return 0;
}

int place_file_write(const PlaceFile *file, const SinkPlace *place, const char *more) {
    char text[FILE_BYTES_MAX], hash[2 * HASH_BYTES + 1], check[CHECK_DIGITS + 1];
    hex_encode(place->hash, HASH_BYTES, hash);
    int n = snprintf(text, sizeof text, "dongbo position 1\nepoch %u\nposition %" PRIu64 "\nhash %s\n", place->epoch,
                     place->position, hash);
    if (place->policy_version)
        n += snprintf(text + n, sizeof text - (size_t)n, "rights %u\n", place->policy_version);
    n += snprintf(text + n, sizeof text - (size_t)n, "%s", more);
    int r = check_text(text, (size_t)n, check);
    if (r < 0)
        return r;
    n += snprintf(text + n, sizeof text - (size_t)n, "check %s\n", check);
    return replace(file, file->name, text, (size_t)n);
}

int place_file_keep_head(const PlaceFile *file, const char *line, size_t n) {
    return replace(file, file->head_name, line, n);
}

int place_file_kept_head(const PlaceFile *file, Bytes *ret) {
    int fd = openat(file->directory, file->head_name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 1 : fail_system(file, "read the signed head beside it");
    uint8_t *at = bytes_reserve(ret, HEAD_LINE_BYTES_MAX);
    ssize_t n = at ? read(fd, at, HEAD_LINE_BYTES_MAX) : 0;
    close(fd);
    if (!at)
        return error_fail(ERROR_MEMORY, "no memory for a signed head");
    ret->n += n > 0 ? (size_t)n : 0;
    return n < 0 ? fail_system(file, "read the signed head beside it") : n == 0;
}

int place_file_lock(PlaceFile *file) {
    if (file->lock < 0)
        file->lock = openat(file->directory, file->lock_name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file->lock < 0)
        return fail_system(file, "open the lock beside it");
    if (flock(file->lock, LOCK_EX | LOCK_NB) < 0)
        return errno == EWOULDBLOCK ? 1 : fail_system(file, "lock it");
    return 0;
}

int place_file_lock_fd(const PlaceFile *file) {
    return file->lock;
}

static int directory_open(PlaceFile *file) {
    const char *slash = strrchr(file->path, '/');
    char *directory = slash ? strndup(file->path, (size_t)(slash - file->path) + 1) : strdup(".");
    if (!directory)
        return error_fail(ERROR_MEMORY, "no memory for a position");
    file->name = slash ? slash + 1 : file->path;
    file->directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = file->directory < 0
                ? error_fail(ERROR_CONFIG, "%s: not a directory that can be read: %s", directory, strerror(errno))
                : 0;
    free(directory);
    if (r == 0 && !*file->name)
        r = error_fail(ERROR_CONFIG, "%s: a position is a file, not a directory", file->path);
    return r;
}

int place_file_new(PlaceFile **ret, const char *path) {
    CLEANUP(place_file_destroy) PlaceFile *file = calloc(1, sizeof *file);
    if (!file)
        return error_fail(ERROR_MEMORY, "no memory for a position");
    file->directory = file->lock = -1;
    file->path = strdup(path);
    if (!file->path)
        return error_fail(ERROR_MEMORY, "no memory for a position");
    int r = directory_open(file);
    if (r < 0)
        return r;
    if (asprintf(&file->new_name, "%s.new", file->name) < 0 || asprintf(&file->lock_name, "%s.lock", file->name) < 0 ||
        asprintf(&file->head_name, "%s.head", file->name) < 0)
        return error_fail(ERROR_MEMORY, "no memory for a position");
    *ret = file;
    file = NULL;
    return 0;
}

void place_file_destroy(PlaceFile **file) {
    PlaceFile *one = *file;
    if (!one)
        return;
    if (one->lock >= 0)
        close(one->lock);
    if (one->directory >= 0)
        close(one->directory);
    free(one->new_name);
    free(one->lock_name);
    free(one->head_name);
    free(one->path);
    free(one);
    *file = NULL;
}
