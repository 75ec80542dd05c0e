// SPDX-License-Identifier: Apache-2.0
//
// Signed heads that somebody kept outside of the exchange: files of a head a line (proto/cosigned.h), read, and their
// signatures held against keys that are given. Bounded: of each head so much is kept as comparing takes.
#pragma once

#include "proto/base/options.h"
#include "proto/cosigned.h"

#define HEADS_KEPT_MAX ((size_t)1 << 20) // of all files
#define HEADS_FILES_MAX 64

typedef enum HeadSignature { HEAD_NOT_CHECKED, HEAD_GOOD, HEAD_BAD } HeadSignature;
typedef struct KeptHead {
    HeadMark mark;
    HeadSignature signature, cosignature; // cosignature: HEAD_NOT_CHECKED where there is none, too
    uint32_t line;
    uint8_t file;
} KeptHead;

typedef struct HeadsKept {
    uint8_t keys[HEADS_FILES_MAX][KEY_BYTES];
    char key_ids[HEADS_FILES_MAX][KEY_ID_TEXT_BYTES];
    int n_keys;
    const char *paths[HEADS_FILES_MAX];
    int n_paths;
    KeptHead *heads;
    size_t n, size;
    uint64_t good, unchecked, bad;                                      // signatures of the exchange
    uint64_t cosigned, cosigned_good, cosigned_unchecked, cosigned_bad; // ... of witnesses
} HeadsKept;

void heads_kept_free(HeadsKept *kept);
int heads_kept_keys(HeadsKept *kept, const OptionList *paths); // ERROR_CONFIG
// path stays the caller's. ERROR_CONFIG: a line is none, or there are too many. ERROR_MEMORY, ERROR_CRYPTO.
int heads_kept_read(HeadsKept *kept, const char *path);
void heads_kept_sort(HeadsKept *kept); // by head_order()
