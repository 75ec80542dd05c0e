// SPDX-License-Identifier: Apache-2.0
//
// Text as people write it: UTF-8 checks, Unicode forms, Vietnamese accents, masking. utf8proc does the Unicode.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Valid UTF-8, whatever it says.
bool text_is_utf8(const char *text, size_t n);
// Valid UTF-8 without NUL and without control characters.
bool text_is_clean(const char *text, size_t n);

// Whether UTF-8 may have a mark apart from its letter: where not, composing it changes no Vietnamese.
bool text_has_marks(const char *text, size_t n);
// Whether both are one text, whatever normal form either is in. Case and spaces count.
bool text_is_same(const char *a, const char *b);

// *text and *n (bytes) without the white space at both ends, of any width and also of none. Bytes that are no UTF-8
// stay.
void text_trim(const char **text, size_t *n);
// Shortens the text to n_max bytes at most, and drops a last character of which only a part is there.
void text_cut(char *text, size_t n_max);
// What is not seen itself but tells a terminal what to do: control characters, line and paragraph separators, and
// format characters, such as those that turn the direction of all that follows on the line.
bool text_is_hidden(int32_t letter);
// For a terminal or a log: what is hidden and bytes that are no UTF-8 become '?', byte by byte.
void text_make_visible(char *text);

// NFC, case folded, white space runs to one space, ends trimmed. Returns bytes written without the 0, or 1-based
// failure as (size_t)-1 when it does not fit or is not UTF-8. ASCII takes a short path.
size_t text_fold_case(const char *text, char *out, size_t out_bytes);
// As above, and accents off, đ/Đ/Ð/Ɖ to d: what two spellings of one name share.
size_t text_fold_accents(const char *text, char *out, size_t out_bytes);
// Goes up with any change of what text_fold_accents() gives: folded names are stored and compared.
#define TEXT_FOLD_VERSION 2

// "001099012345" → "001*******45"; shorter than 6: all stars. out: 16 bytes at least, cut at 15.
#define TEXT_MASK_BYTES 16
void text_mask_number(const char *number, char out[TEXT_MASK_BYTES]);
// "Nguyễn Văn An" → "N*** V*** A***"
void text_mask_name(const char *name, char *out, size_t out_bytes);
