// SPDX-License-Identifier: Apache-2.0
//
// What a session's beginning and refusals change in the spool, each in a transaction of its own: where to go on, what
// is sealed again, a new stream in place of one that cannot go on. Says nothing to anybody.
#pragma once

#include "agents/sealer.h"
#include "wire.pb-c.h"

// What a Hello says of the stream, and how it is to be answered.
void resumption_hello(const SpoolStream *stream, Dongbo__HelloPublish *ret);
// From where to send: the exchange has the stream up to last_sequence. What it has forgotten waits again;
// *ret_forgotten is how many batches, and the stream is read anew then: another Hello asks for verdicts again, from
// where the exchange still has what it had. 0; 1 it has more than this spool ever sealed, or other batches; 2 it lacks
// what the spool has let go.
int resumption_find(Spool *spool, SpoolStream *stream, uint64_t last_sequence, int64_t *ret_forgotten);
// Opens another stream in place of this kind's.
int resumption_fork(Spool *spool, const char *kind);
// Seals again what closed streams of this kind left behind.
int resumption_reseal(Spool *spool, const char *kind, Sealer *sealer);
// The exchange welcomed us in this epoch, another than before; the open stream is read anew. What it acknowledged of
// streams that are closed is sealed again, for it tells of none of them.
int resumption_epoch(Spool *spool, Sealer *sealer, SpoolStream *stream, uint32_t epoch);
// Seals the batch that begins there as two. 1 when it cannot be smaller.
int resumption_split(Spool *spool, Sealer *sealer, uint64_t first_sequence);
