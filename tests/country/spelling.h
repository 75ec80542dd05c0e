// SPDX-License-Identifier: Apache-2.0
//
// Other ways in which offices write the same name. Of its own making with utf8proc, not by proto/base/text.c: that is
// what is being tested.
#pragma once

#include <stddef.h>

// Each writes a closed text and asserts that it fits.
void spelling_without_accents(const char *text, char *out, size_t size); // Đỗ -> Do
void spelling_upper(const char *text, char *out, size_t size);           // Đỗ -> ĐỖ
void spelling_decomposed(const char *text, char *out, size_t size);      // NFD
