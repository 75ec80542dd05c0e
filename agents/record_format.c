// SPDX-License-Identifier: Apache-2.0
//
// One line per form.
#include "agents/record_format.h"

#include "agents/record_json.h"
#include "agents/record_message.h"

static const struct {
    int (*append)(const Dongbo__FeedRecord *record, Bytes *out);
    const char *suffix;
} FORMATS[] = {
    [RECORD_PLAIN] = {record_json_append, "jsonl"},
    [RECORD_JSON] = {record_message_append_json, "jsonl"},
    [RECORD_PROTOBUF] = {record_message_append_delimited, "pb"},
};

int record_format_append(RecordFormat format, const Dongbo__FeedRecord *record, Bytes *out) {
    return FORMATS[format].append(record, out);
}

const char *record_format_suffix(RecordFormat format) {
    return FORMATS[format].suffix;
}
