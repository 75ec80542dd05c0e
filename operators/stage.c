// SPDX-License-Identifier: Apache-2.0
//
// See stage.h.
#include "operators/stage.h"
#include "operators/result.h"

#include <stdlib.h>
#include <string.h>

static int no_memory(void) {
    return error_fail(ERROR_MEMORY, "no memory for %d rows", STAGE_ROWS);
}

int stage_new(Stage *ret, int columns) {
    *ret = (Stage){.columns = columns};
    ret->at = calloc((size_t)STAGE_ROWS * (size_t)columns, sizeof *ret->at);
    ret->numbers = calloc(STAGE_ROWS, sizeof *ret->numbers);
    return ret->at && ret->numbers ? 0 : no_memory();
}

void stage_free(Stage *stage) {
    bytes_free(&stage->texts);
    free(stage->at);
    free(stage->numbers);
    *stage = (Stage){0};
}

void stage_add(Stage *stage, const char *text, size_t n) {
    stage->at[stage->n * stage->columns + stage->filled++] = (uint32_t)stage->texts.n;
    bytes_append(&stage->texts, text, n);
    bytes_append_u8(&stage->texts, 0);
}

int stage_end_row(Stage *stage, uint64_t number) {
    stage->numbers[stage->n++] = number;
    stage->filled = 0;
    return stage->texts.failed ? no_memory() : stage->n == STAGE_ROWS;
}

const char *stage_text(const Stage *stage, int row, int column) {
    return (const char *)stage->texts.data + stage->at[row * stage->columns + column];
}

void stage_param(const Stage *stage, int column, PgParams *params) {
    pg_param_array_begin(params, OID_TEXT, stage->n);
    for (int row = 0; row < stage->n; row++) {
        const char *text = stage_text(stage, row, column);
        pg_array_text(params, text, strlen(text));
    }
}

void stage_clear(Stage *stage) {
    bytes_clear(&stage->texts);
    stage->n = 0;
}
