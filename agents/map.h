// SPDX-License-Identifier: Apache-2.0
//
// A mapping: how a row of an agency's own table becomes a ChangeEvent. Loaded from YAML; pure afterwards. It converts
// and renames, and judges nothing about persons or rules: that is the exchange's to say. White space around a value is
// not part of it; a source key is taken as it stands, for its row is found by it. A
// date that only says that it is not known ("không rõ", "N/A", "-": proto/base/unsaid.h) is not said.
//
//   domain: health
//   source_key: [row_id]            # the columns that make the row's own key, joined by "/"
//   event_time: recorded_at         # "2022-03-01T08:00:00+07:00", "2022-03-01 08:00" (Vietnamese time) or a date;
//                                   # without it the file's or the outbox row's time
//   event_time_date: "DD/MM/YYYY"   # how that column writes its day: "01/03/2022 8:05"
//   operation: {column: op, retract: ["D"], correct: ["C"]}   # any other row says what holds (UPSERT)
//   fields:
//     - {to: subject.citizen_number, column: citizen_number}
//     - {to: occurrence_date, column: ngay_tiem, date: "DD/MM/YYYY"}
//     - {to: status, column: tt, codes: [{from: "Đã tiêm", to: completed}]}
//     - {to: product_code, value: EU/1/20/1528}
//     - {to: lot_number, column: so_lo, clears_when: ["không có"]}
//     - {to: facility_code, column: co_so, optional: true}
//
// A file that lacks a column is refused as a whole, unless all that is read from it is optional: then it is not said.
// A cell with one of the words of clears_when, as they stand there, says that the record's field holds nothing any
// more, and what was said of it before is taken back. An empty cell says nothing, unless "" is among the words.
#pragma once

#include "event.pb-c.h"
#include "proto/base/arena.h"
#include "verdict.pb-c.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAP_COLUMNS_MAX 64

typedef struct Map Map;

// ERROR_CONFIG names file and line: an unknown key, domain or field, a field said twice, a date format without a year.
int map_load(Map **ret, const char *path);
void map_destroy(Map **map);

int map_domain(const Map *map);
const char *map_path(const Map *map);
// The columns that it reads, each once. A row's values are handed over in this order.
int map_n_columns(const Map *map);
const char *map_column(const Map *map, int column);
bool map_column_optional(const Map *map, int column); // a file may be without it
int map_column_line(const Map *map, int column);      // where the file first names it

typedef struct MapText {
    const char *text; // closed by 0; NULL: this row has no such column
    size_t n;
} MapText;

typedef struct MapRow {
    const MapText *values; // map_n_columns()
    int64_t time_us;       // when the mapping names no event_time
} MapRow;

typedef struct MapFault {
    int code;           // Dongbo__ReasonCode
    char field[64];     // what could not be filled, or ""
    const char *column; // whose text is at fault, or NULL
} MapFault;

// 0, or 1 when this row cannot be an event (ret_fault says why). The event has no id yet; it lives in the arena, and
// its strings point into the row and the arena. ERROR_MEMORY at the arena's limit.
int map_apply(const Map *map, const MapRow *row, Arena *arena, Dongbo__ChangeEvent **ret, MapFault *ret_fault);
