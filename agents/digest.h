// SPDX-License-Identifier: Apache-2.0
//
// The SHA-256 of a file, taken a piece at a time: a file of gigabytes must not keep a session from answering.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define DIGEST_BYTES 32

typedef struct Digest Digest;

// ERROR_CRYPTO, ERROR_MEMORY.
int digest_new(Digest **ret);
void digest_destroy(Digest **digest);
// Reads at most `most` bytes on from fd's offset. 0: that was the file's end; 1: there may be more. ERROR_SYSTEM.
int digest_read(Digest *digest, int fd, size_t most);
// Once, at the end.
int digest_end(Digest *digest, uint8_t out[DIGEST_BYTES]);
