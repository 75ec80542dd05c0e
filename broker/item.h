// SPDX-License-Identifier: Apache-2.0
//
// The unit that passes through the broker: one batch, its events, what was looked up and what was decided. Lives in
// one arena, belongs to one stage at a time.
#pragma once

#include "broker/person.h"
#include "broker/reconcile.h"
#include "broker/verify.h"
#include "proto/base/arena.h"
#include "proto/batch.h"

#include <czmq.h>

typedef struct Item {
    uint64_t sequence;
    ProtobufCBinaryData bytes;         // the event, verbatim
    const uint8_t *leaf;               // 32 bytes
    Dongbo__ChangeEvent *event;        // NULL when unreadable
    int domain;
    const char *claimed_number;        // "" when none
    const Person *person;              // NULL when not found
    const char *record_key;
    const Dongbo__Record *current;     // version read, NULL for none
    int64_t current_position;
    Decision form;                     // verify_form()'s, kept: it does not depend on the store
    Decision decision;                 // final
    Merged merged;
    const char *province_before, *province63_before;  // residence before a population event; else as the person's
    const char *province_after, *province63_after;
    uint64_t position;                 // set when stored
    int64_t exception;                 // re-decision: position of the exception row; 0 for a fresh event
} Item;

typedef enum WorkKind { WORK_BATCH, WORK_REDECIDE } WorkKind;

typedef struct Work {
    WorkKind kind;
    Arena *arena;
    uint64_t ticket;                   // order of arrival; the writer keeps to it
    Grants grants;
    uint8_t stream[STREAM_BYTES];
    uint32_t session_epoch;
    uint64_t session;                  // to answer to
    zframe_t *route;
    zframe_t *frame;                   // the batch's bytes, owned
    const uint8_t *batch_bytes; size_t batch_n;
    Batch batch;
    bool unreadable;                   // stored as it came, its range consumed
    uint64_t first_sequence, last_sequence;
    Item *items; size_t n_items;
    uint64_t read_position;            // head when persons and versions were read
    int64_t population_position;       // population clock then
} Work;
