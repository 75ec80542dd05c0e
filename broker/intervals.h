// SPDX-License-Identifier: Apache-2.0
//
// A table of least intervals in days: schemas/rules/*.tsv, read once, immutable afterwards. Each line says what it is
// about (a product, a vaccine group), which number of a course, and how many days must lie since the number before.
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef struct Intervals Intervals;
// ERROR_CONFIG names file and line.
int intervals_load(Intervals **ret, const char *path);
void intervals_destroy(Intervals **intervals);
// What the n-th line is about; NULL beyond the last.
const char *intervals_what(const Intervals *intervals, size_t n);
// The days that must lie between this number and the one before; -1 where the table says nothing.
int32_t intervals_days(const Intervals *intervals, const char *what, uint32_t number);
