// SPDX-License-Identifier: Apache-2.0
//
// See encoding.h.
#include "agents/encoding.h"

#include "proto/base/error.h"

#include <errno.h>
#include <iconv.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <utf8proc.h>

struct Encoding {
    bool utf8;
    iconv_t iconv;
};

int encoding_new(Encoding **ret, const char *name) {
    Encoding *encoding = calloc(1, sizeof *encoding);
    if (encoding == NULL)
        return error_fail(ERROR_MEMORY, "no memory for an encoding");
    encoding->utf8 = strcasecmp(name, "UTF-8") == 0 || strcasecmp(name, "UTF8") == 0;
    encoding->iconv = (iconv_t)-1;
    if (!encoding->utf8)
        encoding->iconv = iconv_open("UTF-8", name);
    if (!encoding->utf8 && encoding->iconv == (iconv_t)-1) {
        free(encoding);
        return error_fail(ERROR_CONFIG, "there is no encoding \"%s\" (iconv --list names them all)", name);
    }
    *ret = encoding;
    return 0;
}

void encoding_destroy(Encoding **encoding) {
    if (*encoding == NULL)
        return;
    if ((*encoding)->iconv != (iconv_t)-1)
        iconv_close((*encoding)->iconv);
    free(*encoding);
    *encoding = NULL;
}

bool encoding_is_utf8(const Encoding *encoding) {
    return encoding->utf8;
}

// Printable ASCII reads the same in all of them.
static bool is_ascii(const MapText *text) {
    for (size_t i = 0; i < text->n; i++)
        if ((unsigned char)text->text[i] < 0x20 || (unsigned char)text->text[i] > 0x7E)
            return false;
    return true;
}

static int compose(const char *text, size_t n, Arena *arena, MapText *ret) {
    utf8proc_uint8_t *composed;
    utf8proc_ssize_t bytes = utf8proc_map((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)n, &composed,
                                          UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    if (bytes < 0)
        return 1;
    char *kept = arena_strndup(arena, (const char *)composed, (size_t)bytes);
    free(composed);
    if (kept == NULL)
        return error_fail(ERROR_MEMORY, "no memory for a row");
    *ret = (MapText){kept, (size_t)bytes};
    return 0;
}

int encoding_convert(Encoding *encoding, const MapText *text, Arena *arena, MapText *ret) {
    *ret = *text;
    if (encoding->utf8 || text->text == NULL || is_ascii(text))
        return 0;
    // No character of the old encodings needs more than four bytes of UTF-8, counting its tone apart.
    size_t room = text->n * 4 + 16, left = room, in = text->n;
    char *out = arena_alloc(arena, room), *to = out, *from = (char *)text->text;
    if (out == NULL)
        return error_fail(ERROR_MEMORY, "no memory for a row");
    (void)iconv(encoding->iconv, NULL, NULL, NULL, NULL);
    if (iconv(encoding->iconv, &from, &in, &to, &left) == (size_t)-1)
        return 1;
    // CP1258 and TCVN keep a letter back until it is known whether a tone follows.
    if (iconv(encoding->iconv, NULL, NULL, &to, &left) == (size_t)-1)
        return 1;
    return compose(out, (size_t)(to - out), arena, ret);
}
