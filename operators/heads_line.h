// SPDX-License-Identifier: Apache-2.0
//
// A line of a file of heads, whatever bytes are in it: a power cut leaves zeros, too.
#pragma once

#include "proto/cosigned.h"

#include <stdio.h>

#define HEADS_LINE_BYTES (COSIGNED_LINE_BYTES_MAX + 2)

// Its bytes, with its end where it has one, and a 0 behind them; 0 at the file's end, or when it cannot be read
// (ferror()). What is longer than HEADS_LINE_BYTES - 1 is cut off there, and goes on with the next one.
size_t heads_line_read(FILE *file, char line[HEADS_LINE_BYTES]);
