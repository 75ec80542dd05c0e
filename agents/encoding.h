// SPDX-License-Identifier: Apache-2.0
//
// Text in the encodings that Vietnamese agencies still export to UTF-8 in NFC, and back: TCVN3, VNI, VISCII, CP1258,
// and whatever else iconv knows. TCVN3-UTF8 and VNI-UTF8 are what becomes of those two when a program that takes them
// for Western letters saves them as UTF-8, as spreadsheets do. UTF-8 itself is only composed: whether it is clean is
// judged field by field, where it is used.
#pragma once

#include "agents/map.h"

#include <stdbool.h>

typedef struct Encoding Encoding;

// ERROR_CONFIG when there is no such encoding, or one that writes ASCII in other bytes (UTF-16).
int encoding_new(Encoding **ret, const char *name);
void encoding_destroy(Encoding **encoding);
// Its name here, whichever of its names it was asked for by.
const char *encoding_name(const Encoding *encoding);
// UTF-8, or what was saved as UTF-8: not any bytes are text in it.
bool encoding_is_within_utf8(const Encoding *encoding);
// TCVN3 had no capitals with tones but a font of its own for them: its text may be in small letters, and says nothing
// of case. Text in UTF-8 may come from it.
bool encoding_loses_case(const Encoding *encoding);

// *ret is the text itself or lives in the arena. 0; 1 when it is not valid in this encoding. ERROR_MEMORY.
int encoding_convert(Encoding *encoding, const MapText *text, Arena *arena, MapText *ret);
// Text in UTF-8 to this encoding. 1 when it has no place for one of its letters: *ret is the text itself then.
int encoding_restore(Encoding *encoding, const MapText *text, Arena *arena, MapText *ret);
