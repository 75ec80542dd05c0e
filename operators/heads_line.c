// SPDX-License-Identifier: Apache-2.0
//
// fgets() does not say how long a line with a 0 in it is.
#include "operators/heads_line.h"

size_t heads_line_read(FILE *file, char line[HEADS_LINE_BYTES]) {
    size_t n = 0;
    while (n < HEADS_LINE_BYTES - 1) {
        int c = getc_unlocked(file);
        if (c == EOF)
            break;
        line[n++] = (char)c;
        if (c == '\n')
            break;
    }
    line[n] = '\0';
    return n;
}
