// SPDX-License-Identifier: Apache-2.0
//
// VNI for Windows, which no iconv knows: a vowel is its plain letter and a second byte for what stands on it; đ, ơ, ư,
// the accented i and ỵ are one byte. Converts both ways and refuses what the encoding does not have: a mark behind a
// letter that never bears it is not repaired.
#pragma once

#include <stddef.h>

#define VNI_FAILED ((size_t)-1)
// What vni_decode() may need for a byte: a letter's hat and tone, apart.
#define VNI_DECODED_BYTES 4

// To UTF-8 with the marks behind their letters (not yet NFC). out has VNI_DECODED_BYTES for each byte. Returns how many
// were written; VNI_FAILED when it is no VNI.
size_t vni_decode(const char *bytes, size_t n, char *out);
// From UTF-8 in any normal form; out has two bytes for each of the text's. VNI_FAILED when VNI lacks a character.
size_t vni_encode(const char *text, size_t n, char *out);
