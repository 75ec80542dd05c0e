// SPDX-License-Identifier: Apache-2.0
//
// One line that `dongbo-agent receive` wrote, in the forms plain (agents/record_json.h) and json (proto/record.proto in
// protobuf's canonical mapping), back as the record that it is of. Takes what these write and nothing else: of a line
// that is both forms, or has what no form has, one reader would take this for the record and another one that.
#pragma once

#include "proto/base/arena.h"
#include "wire.pb-c.h"

#include <jansson.h>
#include <stdbool.h>

typedef struct ReceivedLine {
    bool is_border; // where a snapshot begins or ends: nothing else is set
    // With `body` packed again; `previous` and `record_id` are the exchange's alone and are left out.
    Dongbo__FeedRecord record;
    const char *proof;    // in base64; NULL: there is none
    const json_t *origin; // what the form plain says of the proof, beside it; NULL: the form does not
    const char *wrong;    // where it is not as a receiver writes it: which key
} ReceivedLine;

// All of it points into the line and the arena. 1 when it is not as a receiver writes it. ERROR_MEMORY.
int received_line_read(const json_t *line, Arena *arena, ReceivedLine *ret);
// Decodes base64. The number of bytes; -1 when it is none.
int received_line_decode(const char *text, Arena *arena, uint8_t **ret);
