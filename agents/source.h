// SPDX-License-Identifier: Apache-2.0
//
// Where an agency's rows come from, whatever it is: a drop folder or an outbox table. A source is read inside a
// transaction of the spool, which also stores how far it is read, and is told afterwards; so a row is in the spool or
// still at the source, never in neither, and in both only until the next start, which knows it.
#pragma once

#include "agents/intake.h"
#include "agents/ledger.h"
#include "agents/publish_config.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct Source Source;

typedef struct SourceKind {
    // Looks for work without taking any. *ret_bytes is about how much there is: 0 nothing. ERROR_DATABASE is passing:
    // the source is asked again later.
    int (*look)(Source *source, uint64_t *ret_bytes);
    // Puts rows into the intake until it is full. 0 there is more; 1 nothing is left for now.
    int (*read)(Source *source, Intake *intake);
    // The transaction of read() is over: the rows are in the spool, or are not.
    int (*settle)(Source *source, bool committed);
    // Receipts came: lets go what is decided (moves finished files away).
    int (*receipts)(Source *source);
    // Hands back what the ledger has for one of its origins, and deletes it there. *ret_n is how many rows. All of it
    // stays there while the source does not know yet whether it has those rows; look() and read() go on to that. What
    // the source cannot take is set aside, and the rest goes on. 1: that took long, and is to be gone on with after
    // others had their turn.
    int (*hand_back)(Source *source, const Origin *origin, int *ret_n);
    // What lies there and cannot be read, or cannot be handed back, before a person has seen to it, as a sentence;
    // NULL: nothing.
    const char *(*left)(const Source *source);
    // What to wait on for news, -1 when there is nothing; and the longest wait in milliseconds, -1 for ever.
    int (*fd)(Source *source);
    int (*wait_ms)(Source *source);
    void (*destroy)(Source **source);
} SourceKind;

struct Source {
    const SourceKind *kind;
    const SourceConfig *config;
    const char *name;
    Spool *spool;
    const Map *map;
    const Clock *clock;
};

typedef struct SourceOptions {
    const SourceConfig *config;
    Spool *spool;
    const Map *map;
    const Clock *clock;
} SourceOptions;

// Of the configured kind. ERROR_CONFIG, ERROR_MEMORY, ERROR_SYSTEM; the sentence names the source.
int source_new(Source **ret, const SourceOptions *options);
void source_destroy(Source **source); // NULL is taken

// For a kind: zeroed memory of its own type, whose first member is the Source.
int source_allocate(Source **ret, size_t bytes, const SourceKind *kind, const SourceOptions *options);
