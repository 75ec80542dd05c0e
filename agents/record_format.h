// SPDX-License-Identifier: Apache-2.0
//
// The forms in which a sink hands records on, by the names that configuration gives them.
#pragma once

#include "agents/record_origin.h"
#include "proto/base/bytes.h"
#include "wire.pb-c.h"

typedef enum RecordFormat {
    RECORD_PLAIN,    // one line of JSON with the names of the rights and of SQL (record_json.h)
    RECORD_JSON,     // one line of JSON, protobuf's canonical mapping of message SubscriberRecord (record_message.h)
    RECORD_PROTOBUF, // message SubscriberRecord, each behind its length
    RECORD_FHIR,     // one line of JSON, a FHIR R4 Immunization (record_fhir.h)
} RecordFormat;

// Appends one record, with what proves whose word it is (NULL: nothing does). 1 when this program cannot read it; `out`
// is then as before.
int record_format_append(RecordFormat format, const Dongbo__FeedRecord *record, const RecordOrigin *origin, Bytes *out);
// ERROR_CONFIG when what is granted cannot be said in this form.
int record_format_grant(RecordFormat format, char *const *fields, size_t n);
bool record_format_takes_origins(RecordFormat format);
const char *record_format_suffix(RecordFormat format); // of files: "jsonl", "pb"
