// SPDX-License-Identifier: Apache-2.0
//
// A CSV file of an agency's rows, read as its agent would read it from a drop folder, through the same mapping, to
// events that are kept nowhere. A row that cannot be an event is one with a reason; it stops nothing.
#pragma once

#include "agents/charset.h"
#include "agents/map.h"
#include "proto/bounds.h"

#include <stdbool.h>

typedef struct EventFile EventFile;

typedef struct EventFileOptions {
    const char *path, *mapping;
    const char *agency; // whose; its code is part of an event's id
    char delimiter;
    const char *encoding; // as an agent's configuration names it, "auto" too; NULL: UTF-8
} EventFileOptions;

typedef struct EventRow {
    uint64_t number;           // as a spreadsheet counts: the header is row 1
    ProtobufCBinaryData bytes; // the event; in the arena
    int code;                  // Dongbo__ReasonCode where it cannot be an event, and then there are no bytes
    char field[64];
} EventRow;

// ERROR_CONFIG with a sentence for the keeper of the mapping or the file; ERROR_MEMORY.
int event_file_open(EventFile **ret, const EventFileOptions *options);
void event_file_close(EventFile **file);
// What the file is read in.
const CharsetChoice *event_file_charset(const EventFile *file);
// The next row. 1 at the end. ERROR_MEMORY, ERROR_SYSTEM.
int event_file_next(EventFile *file, Arena *arena, EventRow *ret);
