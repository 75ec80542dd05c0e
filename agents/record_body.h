// SPDX-License-Identifier: Apache-2.0
//
// Steps over the body of a feed record, field by field, without decoding it. A field that this program does not know,
// of another type than it knows, given twice, or whose text is no UTF-8 or has a NUL in it (no sink could keep it)
// makes the record unreadable: a receiver must be told to upgrade, not be given half a record.
#pragma once

#include "proto/base/bytes.h"
#include "proto/walk.h"
#include "wire.pb-c.h"

#include <stdbool.h>

typedef struct RecordBody {
    const ProtobufCMessageDescriptor *descriptor; // NULL when the domain is not known here
    const uint8_t *at, *end;
    uint32_t seen;
    // after a step:
    const ProtobufCFieldDescriptor *known;
    bool is_text; // else a number
    WalkField field;
} RecordBody;

RecordBody record_body_begin(const Dongbo__FeedRecord *record);
// 0; 1 at the end; 2 unreadable.
int record_body_next(RecordBody *body);

// Appends what is left of it as {"key":value,...}: texts as JSON's, numbers as such. `key` appends a field's name with
// its quotes and colon, as the form has it. 1 when it is unreadable.
typedef void RecordBodyKey(Bytes *out, const char *name);
int record_body_append_json(RecordBody *body, RecordBodyKey *key, Bytes *out);
void record_body_append_number(Bytes *out, uint64_t value); // in decimal
void record_body_append_base64(Bytes *out, const ProtobufCBinaryData *data);
