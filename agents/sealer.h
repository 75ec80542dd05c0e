// SPDX-License-Identifier: Apache-2.0
//
// Turns events into sealed batches in the spool, for one stream. Seals by itself at BATCH_BYTES_GOAL or
// BATCH_EVENTS_MAX; the rest is sealed when the caller says so, before it commits: nothing unsealed outlives a
// transaction. All calls but new and destroy stand inside one of the spool's transactions.
#pragma once

#include "agents/item.h"
#include "agents/spool.h"
#include "proto/keys.h"
#include "event.pb-c.h"

typedef struct Sealer Sealer;

typedef struct SealerOptions {
    Spool *spool;
    const char *kind;   // live | bulk
    const char *agency; // goes into each event's id
    const Keys *keys;
} SealerOptions;

int sealer_new(Sealer **ret, const SealerOptions *options);
void sealer_destroy(Sealer **sealer);

// Gives the event its id and takes it; nothing of it is kept by pointer. 1 when it is larger than EVENT_BYTES_MAX.
int sealer_add(Sealer *sealer, Dongbo__ChangeEvent *event, const Item *item);
int sealer_flush(Sealer *sealer);
// Forgets what was added and not sealed: after a rollback.
void sealer_clear(Sealer *sealer);
// Batches sealed since the last sealer_mark().
int sealer_sealed(const Sealer *sealer);
void sealer_mark(Sealer *sealer);

// After a FORK: seals batches of closed streams again, on the open one, at most `most` of them. *ret_n is how many.
int sealer_reseal(Sealer *sealer, int most, int *ret_n);
// After TOO_BIG: seals the batch that begins at this sequence as two halves. 1 when it has one event only, or is not
// there. Everything else stays as it was sealed.
int sealer_split(Sealer *sealer, uint64_t first_sequence);
