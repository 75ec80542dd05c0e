// SPDX-License-Identifier: Apache-2.0
//
// See charset.h.
#include "agents/charset.h"

#include "proto/base/error.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

struct Charset {
    Encoding *declared; // NULL: auto
    Detect *detect;
};

void charset_destroy(Charset **charset) {
    if (*charset == NULL)
        return;
    encoding_destroy(&(*charset)->declared);
    detect_destroy(&(*charset)->detect);
    free(*charset);
    *charset = NULL;
}

int charset_new(Charset **ret, const char *name) {
    Charset *charset = calloc(1, sizeof *charset);
    if (charset == NULL)
        return error_fail(ERROR_MEMORY, "no memory for an encoding");
    int r = detect_new(&charset->detect);
    if (r == 0 && (name == NULL || strcasecmp(name, CHARSET_AUTO) != 0))
        r = encoding_new(&charset->declared, name == NULL ? "UTF-8" : name);
    if (r < 0) {
        charset_destroy(&charset);
        return r;
    }
    *ret = charset;
    return 0;
}

bool charset_is_auto(const Charset *charset) {
    return charset->declared == NULL;
}

static int candidate_of(const char *name) {
    int i = 0;
    while (i < DETECT_CANDIDATES && strcmp(name, detect_name(i)) != 0)
        i++;
    return i;
}

Encoding *charset_encoding(Charset *charset, const char *name) {
    if (charset->declared != NULL)
        return charset->declared;
    int candidate = candidate_of(name);
    return detect_encoding(charset->detect, candidate == DETECT_CANDIDATES ? 0 : candidate);
}

// ---- a file ----

// The beginning of the file; *ret_n is one more than DETECT_BYTES_MAX when there is more.
static int read_beginning(int fd, char **ret, size_t *ret_n) {
    size_t size = DETECT_BYTES_MAX + 1, n = 0;
    char *data = malloc(size);
    if (data == NULL)
        return error_fail(ERROR_MEMORY, "no memory to detect an encoding");
    for (;;) {
        ssize_t got = n == size ? 0 : pread(fd, data + n, size - n, (off_t)n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            free(data);
            return error_fail(ERROR_SYSTEM, "cannot read: %s", strerror(errno));
        }
        if (got == 0)
            break;
        n += (size_t)got;
    }
    *ret = data;
    *ret_n = n;
    return 0;
}

static void say_unclear(const Detection *found, CharsetFault *fault) {
    char vi[120] = "", en[120] = "";
    if (found->next >= 0) {
        snprintf(vi, sizeof vi, ", %d dòng theo %s", found->n_next, detect_name(found->next));
        snprintf(en, sizeof en, ", %d in %s", found->n_next, detect_name(found->next));
    }
    snprintf(
        fault->vi, sizeof fault->vi,
        "Không rõ bảng mã của tệp: trong %d dòng có dấu, %d dòng đọc được theo %s%s (độ tin cậy %d %%, cần %d %%). "
        "Hãy ghi encoding: cho nguồn này (UTF-8, TCVN3, VNI, VISCII hoặc CP1258) rồi đưa tệp vào lại. Không dòng "
        "nào được gửi.",
        found->rows, found->n_best, detect_name(found->best), vi, found->confidence, DETECT_CONFIDENCE_MIN);
    snprintf(fault->en, sizeof fault->en,
             "It is not clear in which encoding the file is: of %d rows with accents, %d read as Vietnamese in %s%s "
             "(confidence %d %%, %d %% is needed). Write `encoding:` for this source (UTF-8, TCVN3, VNI, VISCII or "
             "CP1258) and drop the file again. None of its rows was sent.",
             found->rows, found->n_best, detect_name(found->best), en, found->confidence, DETECT_CONFIDENCE_MIN);
}

static void say_why(const Detection *found, CharsetChoice *ret) {
    if (found->rows == 0) {
        snprintf(ret->why, sizeof ret->why,
                 "it has no accents as far as was looked, and reads alike in every encoding");
        return;
    }
    int n =
        snprintf(ret->why, sizeof ret->why, "%d of %d rows with accents read well in it", found->n_best, found->rows);
    if (found->next >= 0)
        snprintf(ret->why + n, sizeof ret->why - (size_t)n, ", %d in %s", found->n_next, detect_name(found->next));
}

int charset_choose(Charset *charset, int fd, CharsetChoice *ret, CharsetFault *fault) {
    char *data = NULL;
    size_t n = 0;
    Detection found;
    *ret = (CharsetChoice){.confidence = CHARSET_DECLARED};
    if (charset->declared != NULL) {
        snprintf(ret->name, sizeof ret->name, "%s", encoding_name(charset->declared));
        return 0;
    }
    int r = read_beginning(fd, &data, &n);
    if (r < 0)
        return r;
    bool whole = n <= DETECT_BYTES_MAX;
    r = detect_file(charset->detect, data, whole ? n : DETECT_BYTES_MAX, whole, &found);
    free(data);
    if (r < 0)
        return r;
    snprintf(ret->name, sizeof ret->name, "%s", found.rows == 0 ? CHARSET_ASCII : detect_name(found.best));
    ret->confidence = found.confidence;
    say_why(&found, ret);
    if (found.confidence >= DETECT_CONFIDENCE_MIN)
        return 0;
    snprintf(ret->name, sizeof ret->name, "%s", CHARSET_UNCLEAR);
    say_unclear(&found, fault);
    return 1;
}

// ---- a row ----

// Says which other encodings the row reads in, when there are any.
static void say_row(const Encoding *encoding, const char *column, const DetectOthers *others, CharsetFault *fault) {
    char vi[200] = "", en[200] = "", what_vi[300], what_en[300];
    if (others->n > 0) {
        snprintf(vi, sizeof vi, "; dòng đọc được theo %s", others->names);
        snprintf(en, sizeof en, "; the row reads as Vietnamese in %s", others->names);
    }
    if (column != NULL) {
        snprintf(what_vi, sizeof what_vi, "Cột \"%.100s\" không đúng bảng mã của tệp, %s", column,
                 encoding_name(encoding));
        snprintf(what_en, sizeof what_en, "The column \"%.100s\" is not in the file's encoding, %s", column,
                 encoding_name(encoding));
    } else {
        snprintf(what_vi, sizeof what_vi, "Dòng không đọc được theo bảng mã của tệp, %s", encoding_name(encoding));
        snprintf(what_en, sizeof what_en, "The row does not read as Vietnamese in the file's encoding, %s",
                 encoding_name(encoding));
    }
    snprintf(fault->vi, sizeof fault->vi,
             "%s%s. Hãy chuyển dòng này sang bảng mã của tệp, hoặc sửa mục encoding của nguồn, rồi gửi lại.", what_vi,
             vi);
    snprintf(fault->en, sizeof fault->en,
             "%s%s. Convert this row to the file's encoding, or correct `encoding` of this source, and send it again.",
             what_en, en);
}

// Converts the columns and counts how they read. 1: the text of *ret_column is not in this encoding.
static int convert(Encoding *encoding, const CharsetRow *row, SyllableCount *count, int *ret_column) {
    for (int i = 0; i < map_n_columns(row->map); i++) {
        int r = encoding_convert(encoding, &row->texts[i], row->arena, &row->values[i]);
        if (r == 0)
            r = detect_count(encoding, &row->values[i], count);
        *ret_column = i;
        if (r != 0)
            return r;
    }
    return 0;
}

int charset_row(Charset *charset, Encoding *encoding, const CharsetRow *row, CharsetFault *fault) {
    DetectRow read = {.texts = row->texts, .n = map_n_columns(row->map)};
    DetectOthers others = {.n = 0};
    int column = 0;
    int r = convert(encoding, row, &read.count, &column);
    if (r < 0)
        return r;
    read.decodes = r == 0;
    // Encodings of other languages are taken at their word.
    if (candidate_of(encoding_name(encoding)) < DETECT_CANDIDATES)
        r = detect_others(charset->detect, encoding, &read, &others);
    if (r < 0 || (read.decodes && others.n == 0))
        return r;
    say_row(encoding, read.decodes ? NULL : map_column(row->map, column), &others, fault);
    return 1;
}
