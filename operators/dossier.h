// SPDX-License-Identifier: Apache-2.0
//
// All that the exchange holds on one person, or held and took for true at times that are asked for: records with where
// each value comes from, and events in question. Reads; how it is shown is the printers' (dossier_text.h,
// dossier_json.h), and masking is theirs too.
//   known at: what was stored by then. The log's own time, by which its positions are given out.
//   as of: what is true of that moment, by the event times that agencies gave (broker/history.h). Without it, a record
//   is what was held: its current version.
#pragma once

#include "operators/identity.h"
#include "operators/names.h"
#include "proto/base/arena.h"
#include "store.pb-c.h"

typedef struct Dossier {
    const Identity *identity;
    const Rules *rules;
    const Names *names;
    bool unmask;
    bool is_as_of, is_known_at;    // asked for
    int64_t as_of_us, known_at_us; // INT64_MAX when not
    int64_t known_position;        // the last one stored by known_at; the head when not asked for
    PGresult *versions, *exceptions;
    Arena *arena; // of the record at hand
    int next;     // row of versions
} Dossier;

typedef struct DossierRecord {
    int domain;
    const DomainRules *rules;
    const char *key;
    int first, last, current; // rows of versions, known ones only; current is -1 where all are superseded
    const Dongbo__Record *record;
    const ProtobufCMessage *body;
    // The same question, answered with all that is known by now. NULL where that is the same.
    const Dongbo__Record *later;
    const ProtobufCMessage *later_body;
} DossierRecord;

// What became known of a field after known_at.
typedef enum DossierSince { SINCE_NOTHING, SINCE_WITHDRAWN, SINCE_CORRECTED, SINCE_OTHERWISE } DossierSince;

typedef struct DossierField {
    const RuleField *field;
    const char *value;            // unmasked; "" where none is held
    const Dongbo__Origin *origin; // NULL where nobody said it
    bool cleared;
    DossierSince since;
    const char *since_value; // unmasked
    char number[12], since_number[12];
} DossierField;

typedef struct DossierException {
    int64_t position, sequence, at_us, decided_position; // 0: not decided again by known_at
    uint32_t agency;
    int domain, first_verdict, verdict; // as known
    bool open;
    const char *candidates;              // JSON, who is probably meant (likely.h); "" for nothing
    const Dongbo__EventVerdict *reasons; // NULL where what is stored now came later; in the arena, until the next call
} DossierException;

// The person is set, as are the rules and times. ERROR_DATABASE, ERROR_MEMORY.
int dossier_read(Dossier *dossier, Pg *exchange);
void dossier_free(Dossier *dossier);
// The next record. 1 at the end. What it points to is valid until the next call.
int dossier_next(Dossier *dossier, DossierRecord *ret);
bool dossier_is_superseded(const Dossier *dossier, int row);
int64_t dossier_position(const Dossier *dossier, int row);
// 1 where there is nothing to show of this field. *ret points into itself.
int dossier_field(const DossierRecord *record, const RuleField *field, DossierField *ret);
int dossier_exception_count(const Dossier *dossier);
int dossier_exception(Dossier *dossier, int row, DossierException *ret);
