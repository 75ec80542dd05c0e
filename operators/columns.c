// SPDX-License-Identifier: Apache-2.0
//
// Texts stand one after the other, each closed by 0; widths are taken as they come.
#include "operators/columns.h"
#include "proto/base/bytes.h"
#include "proto/base/error.h"
#include "proto/base/text.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

struct Columns {
    int n;
    int widths[COLUMNS_N_MAX];
    size_t cells;
    Bytes texts;
};

int columns_new(Columns **ret, int n) {
    assert(n > 0 && n <= COLUMNS_N_MAX);
    *ret = calloc(1, sizeof **ret);
    if (!*ret)
        return error_fail(ERROR_MEMORY, "no memory for a table");
    (*ret)->n = n;
    return 0;
}

void columns_destroy(Columns **columns) {
    if (*columns)
        bytes_free(&(*columns)->texts);
    free(*columns);
    *columns = NULL;
}

int columns_width(const char *text) {
    int width = 0;
    const utf8proc_uint8_t *at = (const utf8proc_uint8_t *)text;
    while (*at) {
        utf8proc_int32_t code;
        utf8proc_ssize_t n = utf8proc_iterate(at, -1, &code);
        bool hidden = n > 0 && text_is_hidden(code); // shown as '?', byte by byte
        width += n <= 0 ? 1 : hidden ? (int)n : utf8proc_charwidth(code);
        at += n > 0 ? n : 1;
    }
    return width;
}

void columns_append(Bytes *out, const char *text) {
    size_t start = out->n;
    bytes_append(out, text, strlen(text) + 1);
    if (out->failed)
        return;
    text_make_visible((char *)out->data + start);
    out->n--;
}

void columns_show(const char *text) {
    CLEANUP(bytes_free) Bytes shown = {0};
    columns_append(&shown, text);
    bytes_append_u8(&shown, 0);
    printf("%s", shown.failed ? "?" : (const char *)shown.data);
}

void columns_add(Columns *columns, const char *const *cells) {
    for (int i = 0; i < columns->n; i++) {
        const char *text = cells[i] ? cells[i] : "";
        int width = columns_width(text);
        if (width > columns->widths[i])
            columns->widths[i] = width;
        columns_append(&columns->texts, text);
        bytes_append_u8(&columns->texts, 0);
        columns->cells++;
    }
}

int columns_print(const Columns *columns, FILE *out) {
    if (columns->texts.failed)
        return error_fail(ERROR_MEMORY, "no memory for a table");
    const char *text = (const char *)columns->texts.data;
    for (size_t cell = 0; cell < columns->cells; cell++, text += strlen(text) + 1) {
        int column = (int)(cell % (size_t)columns->n);
        bool last = column == columns->n - 1;
        fputs(text, out);
        if (!last)
            fprintf(out, "%*s", columns->widths[column] - columns_width(text) + 2, "");
        else
            fputc('\n', out);
    }
    return 0;
}
