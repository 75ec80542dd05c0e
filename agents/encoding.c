// SPDX-License-Identifier: Apache-2.0
//
// See encoding.h. iconv does what it knows; vni.h does VNI.
#include "agents/encoding.h"

#include "agents/vni.h"
#include "proto/base/error.h"
#include "proto/base/text.h"

#include <errno.h>
#include <iconv.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <utf8proc.h>

#define NOT_OPEN ((iconv_t)-1)

typedef enum Form { FORM_UTF8, FORM_ICONV, FORM_VNI } Form;

// Ours; any other name is iconv's to know.
typedef struct Known {
    const char *name, *alias;
    Form form;
    const char *iconv_name;
    bool wrapped; // its bytes were taken for Windows-1252 and saved as UTF-8
    bool loses_case;
} Known;
static const Known KNOWN[] = {
    {"UTF-8", "UTF8", FORM_UTF8, NULL, false, true},
    {"TCVN3", "TCVN5712-1", FORM_ICONV, "TCVN5712-1", false, true},
    {"VNI", "VNI-WIN", FORM_VNI, NULL, false, false},
    {"TCVN3-UTF8", "TCVN3 in UTF-8", FORM_ICONV, "TCVN5712-1", true, true},
    {"VNI-UTF8", "VNI in UTF-8", FORM_VNI, NULL, true, false},
    {"VISCII", "VISCII1.1", FORM_ICONV, "VISCII", false, false},
    {"CP1258", "WINDOWS-1258", FORM_ICONV, "CP1258", false, false},
};

// Windows-1252 from 0x80 to 0x9F; the rest is Latin-1. Its five holes are what Windows takes them for, which iconv does
// not.
static const uint16_t WESTERN[32] = {
    0x20AC, 0x81,   0x201A, 0x192,  0x201E, 0x2026, 0x2020, 0x2021, 0x2C6,  0x2030, 0x160,
    0x2039, 0x152,  0x8D,   0x17D,  0x8F,   0x90,   0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
    0x2013, 0x2014, 0x2DC,  0x2122, 0x161,  0x203A, 0x153,  0x9D,   0x17E,  0x178,
};

struct Encoding {
    char name[64];
    Known known;
    iconv_t decode, encode; // of FORM_ICONV
};

static Known known_of(const char *name) {
    for (size_t i = 0; i < sizeof KNOWN / sizeof *KNOWN; i++)
        if (strcasecmp(name, KNOWN[i].name) == 0 || strcasecmp(name, KNOWN[i].alias) == 0)
            return KNOWN[i];
    return (Known){.name = name, .form = FORM_ICONV, .iconv_name = name};
}

// Delimiters, quotes and line ends are looked for before anything is converted.
static bool keeps_ascii(iconv_t decode) {
    char ascii[2 + 0x7F - 0x20] = "\t\n", read[4 * sizeof ascii];
    for (int i = 0; i < 0x7F - 0x20; i++)
        ascii[2 + i] = (char)(0x20 + i);
    char *from = ascii, *to = read;
    size_t left = sizeof ascii, room = sizeof read;
    bool done = iconv(decode, &from, &left, &to, &room) != (size_t)-1 &&
                iconv(decode, NULL, NULL, &to, &room) != (size_t)-1; // some hold the last letter back
    return done && sizeof read - room == sizeof ascii && memcmp(read, ascii, sizeof ascii) == 0;
}

int encoding_new(Encoding **ret, const char *name) {
    Encoding *encoding = calloc(1, sizeof *encoding);
    if (encoding == NULL)
        return error_fail(ERROR_MEMORY, "no memory for an encoding");
    encoding->known = known_of(name);
    strncpy(encoding->name, encoding->known.name, sizeof encoding->name - 1);
    encoding->known.name = encoding->name;
    encoding->decode = encoding->encode = NOT_OPEN;
    bool opened = true;
    if (encoding->known.form == FORM_ICONV) {
        encoding->decode = iconv_open("UTF-8", encoding->known.iconv_name);
        encoding->encode = iconv_open(encoding->known.iconv_name, "UTF-8");
        opened = encoding->decode != NOT_OPEN && encoding->encode != NOT_OPEN;
    }
    if (!opened) {
        encoding_destroy(&encoding);
        return error_fail(
            ERROR_CONFIG,
            "there is no encoding \"%s\": UTF-8, TCVN3, VNI, VISCII, CP1258, TCVN3-UTF8, VNI-UTF8, or one "
            "of those that iconv --list names",
            name);
    }
    if (encoding->known.form == FORM_ICONV && !keeps_ascii(encoding->decode)) {
        encoding_destroy(&encoding);
        return error_fail(ERROR_CONFIG,
                          "\"%s\" is no encoding for rows: commas, digits and line ends are other bytes in it than in "
                          "ASCII. Have the file saved as UTF-8",
                          name);
    }
    *ret = encoding;
    return 0;
}

static void close_iconv(iconv_t iconv) {
    if (iconv != NOT_OPEN)
        iconv_close(iconv);
}

void encoding_destroy(Encoding **encoding) {
    if (*encoding == NULL)
        return;
    close_iconv((*encoding)->decode);
    close_iconv((*encoding)->encode);
    free(*encoding);
    *encoding = NULL;
}

const char *encoding_name(const Encoding *encoding) {
    return encoding->name;
}

bool encoding_is_within_utf8(const Encoding *encoding) {
    return encoding->known.form == FORM_UTF8 || encoding->known.wrapped;
}

bool encoding_loses_case(const Encoding *encoding) {
    return encoding->known.loses_case;
}

// Printable ASCII reads the same in all of them.
static bool is_ascii(const MapText *text) {
    for (size_t i = 0; i < text->n; i++)
        if ((unsigned char)text->text[i] < 0x20 || (unsigned char)text->text[i] > 0x7E)
            return false;
    return true;
}

static int no_memory(void) {
    return error_fail(ERROR_MEMORY, "no memory for a row");
}

static int compose(const MapText *text, Arena *arena, MapText *ret) {
    utf8proc_uint8_t *composed;
    utf8proc_ssize_t bytes = utf8proc_map((const utf8proc_uint8_t *)text->text, (utf8proc_ssize_t)text->n, &composed,
                                          UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    if (bytes < 0)
        return 1;
    char *kept = arena_strndup(arena, (const char *)composed, (size_t)bytes);
    free(composed);
    if (kept == NULL)
        return no_memory();
    *ret = (MapText){kept, (size_t)bytes};
    return 0;
}

// No character of these encodings needs more than four bytes in another, counting its tone apart.
static char *room_for(const MapText *text, Arena *arena, size_t *ret_bytes) {
    *ret_bytes = text->n * 4 + 16;
    return arena_alloc(arena, *ret_bytes);
}

static int through_iconv(iconv_t iconv_, const MapText *text, Arena *arena, MapText *ret) {
    size_t left, in = text->n;
    char *out = room_for(text, arena, &left), *to = out, *from = (char *)text->text;
    if (out == NULL)
        return no_memory();
    (void)iconv(iconv_, NULL, NULL, NULL, NULL);
    if (iconv(iconv_, &from, &in, &to, &left) == (size_t)-1)
        return 1;
    // CP1258 and TCVN keep a letter back until it is known whether a tone follows.
    if (iconv(iconv_, NULL, NULL, &to, &left) == (size_t)-1 || left == 0)
        return 1;
    *to = '\0';
    *ret = (MapText){out, (size_t)(to - out)};
    return 0;
}

static int through_vni(size_t (*change)(const char *, size_t, char *), const MapText *text, Arena *arena,
                       MapText *ret) {
    size_t size;
    char *out = room_for(text, arena, &size);
    if (out == NULL)
        return no_memory();
    size_t n = change(text->text, text->n, out);
    if (n == VNI_FAILED)
        return 1;
    out[n] = '\0';
    *ret = (MapText){out, n};
    return 0;
}

// The byte that a Western letter was; -1 when it never was one.
static int byte_of(utf8proc_int32_t letter) {
    for (int i = 0; i < 32; i++)
        if (WESTERN[i] == letter)
            return 0x80 + i;
    return letter < 0x80 || (letter >= 0xA0 && letter <= 0xFF) ? (int)letter : -1;
}

static int unwrap(const MapText *text, Arena *arena, MapText *ret) {
    const utf8proc_uint8_t *at = (const utf8proc_uint8_t *)text->text, *end = at + text->n;
    char *out = arena_alloc(arena, text->n + 1), *to = out;
    if (out == NULL)
        return no_memory();
    while (at < end) {
        utf8proc_int32_t letter;
        utf8proc_ssize_t taken = utf8proc_iterate(at, end - at, &letter);
        int byte = taken <= 0 ? -1 : byte_of(letter);
        if (byte < 0)
            return 1;
        *to++ = (char)byte;
        at += taken;
    }
    *to = '\0';
    *ret = (MapText){out, (size_t)(to - out)};
    return 0;
}

static int wrap(const MapText *bytes, Arena *arena, MapText *ret) {
    size_t room;
    char *out = room_for(bytes, arena, &room), *to = out;
    if (out == NULL)
        return no_memory();
    for (size_t i = 0; i < bytes->n; i++) {
        uint8_t byte = (uint8_t)bytes->text[i];
        utf8proc_int32_t letter = byte >= 0x80 && byte < 0xA0 ? WESTERN[byte - 0x80] : byte;
        to += utf8proc_encode_char(letter, (utf8proc_uint8_t *)to);
    }
    *to = '\0';
    *ret = (MapText){out, (size_t)(to - out)};
    return 0;
}

int encoding_convert(Encoding *encoding, const MapText *text, Arena *arena, MapText *ret) {
    *ret = *text;
    if (text->text == NULL || is_ascii(text))
        return 0;
    if (encoding->known.form == FORM_UTF8)
        return text_has_marks(text->text, text->n) ? compose(text, arena, ret) : 0;
    MapText bytes = *text, decoded;
    int r = encoding->known.wrapped ? unwrap(text, arena, &bytes) : 0;
    if (r == 0 && encoding->known.form == FORM_VNI)
        r = through_vni(vni_decode, &bytes, arena, &decoded);
    else if (r == 0)
        r = through_iconv(encoding->decode, &bytes, arena, &decoded);
    return r != 0 ? r : compose(&decoded, arena, ret);
}

int encoding_restore(Encoding *encoding, const MapText *text, Arena *arena, MapText *ret) {
    *ret = *text;
    if (encoding->known.form == FORM_UTF8 || is_ascii(text))
        return 0;
    int r = encoding->known.form == FORM_VNI ? through_vni(vni_encode, text, arena, ret)
                                             : through_iconv(encoding->encode, text, arena, ret);
    return r == 0 && encoding->known.wrapped ? wrap(ret, arena, ret) : r;
}
