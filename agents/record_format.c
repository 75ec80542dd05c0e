// SPDX-License-Identifier: Apache-2.0
//
// One line per form.
#include "agents/record_format.h"

#include "agents/record_fhir.h"
#include "agents/record_json.h"
#include "agents/record_message.h"

static const struct {
    int (*append)(const Dongbo__FeedRecord *record, Bytes *out);
    const char *suffix;
    int (*grant)(char *const *fields, size_t n); // NULL: all can be said
} FORMATS[] = {
    [RECORD_PLAIN] = {record_json_append, "jsonl", NULL},
    [RECORD_JSON] = {record_message_append_json, "jsonl", NULL},
    [RECORD_PROTOBUF] = {record_message_append_delimited, "pb", NULL},
    [RECORD_FHIR] = {record_fhir_append, "jsonl", record_fhir_grant},
};

int record_format_append(RecordFormat format, const Dongbo__FeedRecord *record, Bytes *out) {
    return FORMATS[format].append(record, out);
}

int record_format_grant(RecordFormat format, char *const *fields, size_t n) {
    return FORMATS[format].grant ? FORMATS[format].grant(fields, n) : 0;
}

const char *record_format_suffix(RecordFormat format) {
    return FORMATS[format].suffix;
}
