// SPDX-License-Identifier: Apache-2.0
//
// Text in the encodings that Vietnamese agencies still export (TCVN5712-1, VISCII, CP1258, whatever iconv knows) to
// UTF-8 in NFC. UTF-8 passes untouched: whether it is clean is judged field by field, where it is used.
#pragma once

#include "agents/map.h"

#include <stdbool.h>

typedef struct Encoding Encoding;

int encoding_new(Encoding **ret, const char *name); // ERROR_CONFIG when iconv has no such encoding
void encoding_destroy(Encoding **encoding);
bool encoding_is_utf8(const Encoding *encoding);

// *ret is the text itself or lives in the arena. 0; 1 when it is not valid in this encoding. ERROR_MEMORY.
int encoding_convert(Encoding *encoding, const MapText *text, Arena *arena, MapText *ret);
