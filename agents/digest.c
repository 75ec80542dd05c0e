// SPDX-License-Identifier: Apache-2.0
//
// See digest.h.
#include "agents/digest.h"

#include "proto/base/error.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PIECE_BYTES (256 * 1024)

struct Digest {
    EVP_MD_CTX *context;
    uint8_t piece[PIECE_BYTES];
};

int digest_new(Digest **ret) {
    Digest *digest = malloc(sizeof *digest);
    if (digest == NULL)
        return error_fail(ERROR_MEMORY, "no memory for a file's hash");
    digest->context = EVP_MD_CTX_new();
    if (digest->context == NULL || EVP_DigestInit_ex(digest->context, EVP_sha256(), NULL) != 1) {
        digest_destroy(&digest);
        return error_fail(ERROR_CRYPTO, "SHA-256 cannot be had");
    }
    *ret = digest;
    return 0;
}

void digest_destroy(Digest **digest) {
    if (*digest == NULL)
        return;
    EVP_MD_CTX_free((*digest)->context);
    free(*digest);
    *digest = NULL;
}

int digest_read(Digest *digest, int fd, size_t most) {
    for (size_t done = 0; done < most;) {
        size_t want = most - done < PIECE_BYTES ? most - done : PIECE_BYTES;
        ssize_t n = read(fd, digest->piece, want);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_fail(ERROR_SYSTEM, "cannot be read: %s", strerror(errno));
        if (n == 0)
            return 0;
        if (EVP_DigestUpdate(digest->context, digest->piece, (size_t)n) != 1)
            return error_fail(ERROR_CRYPTO, "SHA-256 failed");
        done += (size_t)n;
    }
    return 1;
}

int digest_end(Digest *digest, uint8_t out[DIGEST_BYTES]) {
    if (EVP_DigestFinal_ex(digest->context, out, NULL) != 1)
        return error_fail(ERROR_CRYPTO, "SHA-256 failed");
    return 0;
}
