// SPDX-License-Identifier: Apache-2.0
//
// What a source of files knows of their encoding: the one that is configured, or with `auto` each file's own, detected
// from its beginning and taken only when that is sure enough. Each row is then held against it: one that does not
// decode, or that reads as Vietnamese in another encoding and not in this one, is refused by itself.
#pragma once

#include "agents/detect.h"

#define CHARSET_AUTO "auto"
#define CHARSET_ASCII "ASCII"     // what is said of a file without a single accent
#define CHARSET_UNCLEAR "unclear" // and of one that is refused
#define CHARSET_NAME_BYTES 64
#define CHARSET_DECLARED (-1)

typedef struct Charset Charset;

int charset_new(Charset **ret, const char *name); // NULL: UTF-8. ERROR_CONFIG when there is no such encoding
void charset_destroy(Charset **charset);
bool charset_is_auto(const Charset *charset);

// For a file's keeper.
typedef struct CharsetFault {
    char vi[640], en[640];
} CharsetFault;

typedef struct CharsetChoice {
    char name[CHARSET_NAME_BYTES];
    int confidence; // percent, or CHARSET_DECLARED
    char why[200];  // for the log; "" when declared
} CharsetChoice;
// The encoding of a file from its beginning, whose offset is left alone. 1 when that is not clear: the file is refused
// as a whole, with what to do. ERROR_SYSTEM, ERROR_MEMORY.
int charset_choose(Charset *charset, int fd, CharsetChoice *ret, CharsetFault *fault);
// The open encoding of this name, as a choice gave it; the configured one, or UTF-8, for any other name.
Encoding *charset_encoding(Charset *charset, const char *name);

// A row's texts by the mapping's columns, and where they go as UTF-8.
typedef struct CharsetRow {
    const Map *map;
    const MapText *texts;
    Arena *arena;
    MapText *values;
} CharsetRow;
// 1 when the row is not in this encoding.
int charset_row(Charset *charset, Encoding *encoding, const CharsetRow *row, CharsetFault *fault);
