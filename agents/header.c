// SPDX-License-Identifier: Apache-2.0
//
// See header.h.
#include "agents/header.h"

#include "proto/base/text.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define NOTHING_SENT_VI "Không dòng nào được gửi; hãy sửa tệp hoặc cấu hình rồi đưa tệp vào lại."
#define NOTHING_SENT_EN "None of its rows was sent; correct the file or the configuration, and drop the file again."

// A field as UTF-8; "" when it is not in the source's encoding.
static const char *field_text(const Header *header, int i) {
    const CsvField *field = &header->row->fields[i];
    MapText text;
    arena_reset(header->arena);
    return encoding_convert(header->encoding, &(MapText){field->text, field->n}, header->arena, &text) == 0 ? text.text
                                                                                                            : "";
}

// The column of this name; *ret_n is how many bear it.
static int find(const Header *header, const char *name, int *ret_n) {
    int found = -1;
    *ret_n = 0;
    for (int i = 0; i < header->row->n_fields; i++) {
        if (!text_is_same(field_text(header, i), name))
            continue;
        found = found < 0 ? i : found;
        ++*ret_n;
    }
    return found;
}

// A column that would be meant but for case, and spaces around it; NULL when there is none.
static const char *find_alike(const Header *header, const char *name) {
    for (int i = 0; i < header->row->n_fields; i++) {
        const char *text = field_text(header, i), *from = text + strspn(text, " \t");
        size_t n = strlen(from);
        while (n > 0 && (from[n - 1] == ' ' || from[n - 1] == '\t'))
            n--;
        if (n == strlen(name) && strncasecmp(from, name, n) == 0)
            return text;
    }
    return NULL;
}

// Appends to both texts as far as there is room.
static void add(HeaderFault *fault, const char *vi, const char *en) {
    size_t n_vi = strlen(fault->vi), n_en = strlen(fault->en);
    snprintf(fault->vi + n_vi, sizeof fault->vi - n_vi, "%s", vi);
    snprintf(fault->en + n_en, sizeof fault->en - n_en, "%s", en);
}

static void say_missing(const Header *header, int column, HeaderFault *fault) {
    const char *name = map_column(header->map, column), *alike = find_alike(header, name);
    const char *delimiter = csv_other_delimiter(header->row, header->delimiter);
    char vi[400], en[400];
    snprintf(fault->vi, sizeof fault->vi, "Tệp không có cột \"%.64s\" mà %.200s, dòng %d cần", name,
             map_path(header->map), map_column_line(header->map, column));
    snprintf(fault->en, sizeof fault->en, "The file has no column \"%.64s\", which %.200s, line %d reads", name,
             map_path(header->map), map_column_line(header->map, column));
    if (alike != NULL) {
        snprintf(vi, sizeof vi, "; tệp có cột \"%.80s\"", alike);
        snprintf(en, sizeof en, "; it has \"%.80s\"", alike);
        add(fault, vi, en);
    } else if (delimiter != NULL) {
        snprintf(vi, sizeof vi, "; các cột của tệp được ngăn bằng \"%s\": ghi delimiter: \"%s\" cho nguồn này",
                 delimiter, delimiter);
        snprintf(en, sizeof en, "; its columns are separated by \"%s\": write delimiter: \"%s\" for this source",
                 delimiter, delimiter);
        add(fault, vi, en);
    }
    add(fault, ". " NOTHING_SENT_VI, ". " NOTHING_SENT_EN);
}

static void say_twice(const Header *header, int column, HeaderFault *fault) {
    const char *name = map_column(header->map, column);
    snprintf(fault->vi, sizeof fault->vi,
             "Cột \"%.64s\" mà %.200s, dòng %d cần có nhiều hơn một lần trong tệp: không rõ cột nào đúng. "
             "" NOTHING_SENT_VI,
             name, map_path(header->map), map_column_line(header->map, column));
    snprintf(fault->en, sizeof fault->en,
             "The file has the column \"%.64s\", which %.200s, line %d reads, more than once: it is not known which is "
             "meant. " NOTHING_SENT_EN,
             name, map_path(header->map), map_column_line(header->map, column));
}

static bool has_lone_returns(const CsvRow *row) {
    for (int i = 0; i < row->n_fields; i++)
        if (memchr(row->fields[i].text, '\r', row->fields[i].n) != NULL)
            return true;
    return false;
}

int header_bind(const Header *header, int columns[MAP_COLUMNS_MAX], HeaderFault *fault) {
    *fault = (HeaderFault){"", ""};
    if (has_lone_returns(header->row)) {
        add(fault, "Các dòng của tệp kết thúc bằng CR mà không có LF; hãy lưu tệp dạng CSV UTF-8. " NOTHING_SENT_VI,
            "The file's lines end with CR and no LF; save it as CSV UTF-8. " NOTHING_SENT_EN);
        return 1;
    }
    for (int i = 0; i < map_n_columns(header->map); i++) {
        int n;
        columns[i] = find(header, map_column(header->map, i), &n);
        // What is written a little otherwise is meant, and must not be passed over in silence.
        bool left_out =
            n == 0 && map_column_optional(header->map, i) && find_alike(header, map_column(header->map, i)) == NULL;
        if (n == 1 || left_out)
            continue;
        if (n == 0)
            say_missing(header, i, fault);
        else
            say_twice(header, i, fault);
        return 1;
    }
    return 0;
}
