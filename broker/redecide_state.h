// SPDX-License-Identifier: Apache-2.0
//
// The re-decider's inside, for its own files only: redecide.c runs the thread, redecide_review.c carries out what
// officers decided, redecide_resent.c closes what came again, redecide_moves.c moves records of merged persons.
#pragma once

#include "broker/redecide.h"

typedef struct Actor {
    Prepare *prepare;
    const Clock *clock;
    zsock_t *pipe, *inbox, *writer;
    Agencies *agencies;
    Work *work;
    int32_t days;
    int64_t checked, checked_before; // population positions; -1: none yet
    int64_t life;                    // of the population store, when they were checked
    Place log;                       // ... and where the log was
    int64_t sweep_ms;
    int32_t followed;                    // the subscription whose list was seen to last
    bool moved, woken, stopped, failing; // woken: this round follows something that moved
} Actor;

// The work is reset, and has its review if it is one. Decides rows [from, to) of one stream: position, stream,
// sequence, agency, event, leaf, expired, verdict, held, in whose record it stands, and perhaps by what the event was
// replaced. Conditions leave nothing to be stored. ERROR_DATABASE that passes.
#define REDECIDE_STANDS "CASE WHEN e.open AND e.domain <> 1 THEN coalesce(e.person, 0) ELSE 0 END"
#define REDECIDE_HELD "(250 = ANY (e.reason_codes))" // GUESSES_TOO_MANY, of exchange.exception e
#define REDECIDE_DISABLED 1 // the agency: as long as it may not speak, nothing is decided in its name
#define REDECIDE_CANNOT 2   // and could not another time; error_text() says why
int redecide_prepare(Actor *actor, const PGresult *rows, int from, int to);
// Decides what the work was filled with; `filled` is what came of that. As redecide_prepare().
int redecide_decide(Actor *actor, int filled);
// Has the work stored, and waits for that. ERROR_STOPPED.
int redecide_store(Actor *actor);

// By streams, each one's rows a work that `decide` makes. *after: the greatest position of them.
typedef int (*RedecideRows)(Actor *actor, const PGresult *rows, int from, int to);
int redecide_page(Actor *actor, const PGresult *rows, RedecideRows decide, int64_t *after);

// Closes what rows that came again have replaced.
int redecide_resent(Actor *actor);
// Between two parts of what takes long. ERROR_STOPPED.
int redecide_see_to_officers(Actor *actor);
// Carries out the decisions that wait.
int redecide_reviews(Actor *actor);
// Makes the work one of `kind`, that goes on behind advance->to; has it stored, and sets *advance to where it came.
// REDECIDE_CANNOT: it is tried again later, and the log says what `failed`.
int redecide_advance(Actor *actor, WorkKind kind, Advance *advance, const char *failed);
// Carries out some of what subscribers asked of their lists. What is left has another round at once.
int redecide_follows(Actor *actor);
// Has logged what was ordered erased.
int redecide_erasures(Actor *actor);
// Moves the records of those who were merged into others, and has told again those of whom something else is new.
int redecide_moves(Actor *actor);
// Holds the records of those who turned out to be dead against their life.
int redecide_lives(Actor *actor);
