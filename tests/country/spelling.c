// SPDX-License-Identifier: Apache-2.0
//
// Other ways of writing a name.

#include "tests/country/spelling.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#define D_STROKE_CAPITAL 0x0110
#define D_STROKE_SMALL 0x0111

static utf8proc_int32_t without_stroke(utf8proc_int32_t codepoint, void *unused) {
    (void)unused;
    return codepoint == D_STROKE_CAPITAL ? 'D' : codepoint == D_STROKE_SMALL ? 'd' : codepoint;
}

static utf8proc_int32_t upper(utf8proc_int32_t codepoint, void *unused) {
    (void)unused;
    return utf8proc_toupper(codepoint);
}

static void map(const char *text, utf8proc_option_t options, utf8proc_custom_func each, char *out, size_t size) {
    utf8proc_uint8_t *mapped = NULL;
    const utf8proc_ssize_t n = utf8proc_map_custom((const utf8proc_uint8_t *)text, 0, &mapped,
                                                   options | UTF8PROC_NULLTERM | UTF8PROC_STABLE, each, NULL);
    assert(n >= 0 && (size_t)n < size);
    memcpy(out, mapped, (size_t)n + 1);
    free(mapped);
}

void spelling_without_accents(const char *text, char *out, size_t size) {
    map(text, UTF8PROC_DECOMPOSE | UTF8PROC_STRIPMARK, without_stroke, out, size);
}

void spelling_upper(const char *text, char *out, size_t size) {
    map(text, UTF8PROC_COMPOSE, upper, out, size);
}

void spelling_decomposed(const char *text, char *out, size_t size) {
    map(text, UTF8PROC_DECOMPOSE, NULL, out, size);
}
