// SPDX-License-Identifier: Apache-2.0
//
// A log made without a broker: an agency's batches of vaccinations, sealed, packed, chained and exported by the code
// that does so in the programs. For tests of what verifies a log, and for measuring it.
#pragma once

#include "broker/logfile.h"
#include "broker/segment.h"
#include "proto/batch.h"

typedef struct LogCase {
    Keys keys, exchange; // the agency's, and what heads are signed with
    char exchange_id[KEY_ID_TEXT_BYTES];
    Signer *exchange_signer;
    uint64_t heads;
    uint8_t head_hash[HASH_BYTES]; // of the last one
    char key_id[KEY_ID_TEXT_BYTES];
    Signer *signer;
    Merkle *merkle;
    SegmentCoder *coder;
    Arena *arena; // of one segment
    LogfileWriter *writer;
    SegmentHead head;
    uint64_t segments, sequence;
    bool payloads;
    uint8_t stream[STREAM_BYTES];
} LogCase;

#define LOG_CASE_AGENCY 7
#define LOG_CASE_CODE "MOH"

// Everything but FILE is made here, and freed by log_case_end(). 0 or an Error, as everywhere.
int log_case_begin(LogCase *log, FILE *to, bool payloads);
int log_case_batch(LogCase *log, size_t n_events);           // of them every seventh has a reason
int log_case_note(LogCase *log, int kind, const char *text); // a segment of one entry without an event
// One that the caller made up; `batch`: as it stands in the log, NULL: none does.
int log_case_segment(LogCase *log, Segment *segment, const Bytes *batch);
int log_case_new_epoch(LogCase *log); // by such an entry
int log_case_head(LogCase *log);      // signs one, of the log as it is
int log_case_put_end(LogCase *log);   // the file's last record
void log_case_free(LogCase *log);
