// SPDX-License-Identifier: Apache-2.0
//
// Rows of texts printed as aligned columns, by what characters take on a terminal, not by bytes.
#pragma once

#include "proto/base/bytes.h"

#include <stdio.h>

#define COLUMNS_N_MAX 12

typedef struct Columns Columns;

int columns_new(Columns **ret, int n); // ERROR_MEMORY
void columns_destroy(Columns **columns);
// n texts, copied as columns_append() does; NULL is "". A failed allocation shows when printing.
void columns_add(Columns *columns, const char *const *cells);
int columns_print(const Columns *columns, FILE *out); // ERROR_MEMORY

// What is shown of a text: text_make_visible() of it, appended.
void columns_append(Bytes *out, const char *text);
// The same, on standard output.
void columns_show(const char *text);

// Columns that the text takes; what cannot be read takes one a byte.
int columns_width(const char *text);
