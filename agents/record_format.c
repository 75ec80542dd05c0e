// SPDX-License-Identifier: Apache-2.0
//
// One line per form.
#include "agents/record_format.h"

#include "agents/record_fhir.h"
#include "agents/record_json.h"
#include "agents/record_message.h"

static int json_append(const Dongbo__FeedRecord *record, const RecordOrigin *origin, Bytes *out) {
    return record_message_append_json(record, origin ? &origin->proof : NULL, out);
}

static int delimited_append(const Dongbo__FeedRecord *record, const RecordOrigin *origin, Bytes *out) {
    return record_message_append_delimited(record, origin ? &origin->proof : NULL, out);
}

// It has no place for a proof.
static int fhir_append(const Dongbo__FeedRecord *record, const RecordOrigin *origin, Bytes *out) {
    return record_fhir_append(record, out);
}

static const struct {
    int (*append)(const Dongbo__FeedRecord *record, const RecordOrigin *origin, Bytes *out);
    const char *suffix;
    int (*grant)(char *const *fields, size_t n); // NULL: all can be said
} FORMATS[] = {
    [RECORD_PLAIN] = {record_json_append, "jsonl", NULL},
    [RECORD_JSON] = {json_append, "jsonl", NULL},
    [RECORD_PROTOBUF] = {delimited_append, "pb", NULL},
    [RECORD_FHIR] = {fhir_append, "jsonl", record_fhir_grant},
};

int record_format_append(RecordFormat format, const Dongbo__FeedRecord *record, const RecordOrigin *origin,
                         Bytes *out) {
    return FORMATS[format].append(record, origin, out);
}

int record_format_grant(RecordFormat format, char *const *fields, size_t n) {
    return FORMATS[format].grant ? FORMATS[format].grant(fields, n) : 0;
}

bool record_format_takes_origins(RecordFormat format) {
    return format != RECORD_FHIR;
}

const char *record_format_suffix(RecordFormat format) {
    return FORMATS[format].suffix;
}
