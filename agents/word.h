// SPDX-License-Identifier: Apache-2.0
//
// The exchange's last word on an event, where it is another than what the receipt of its batch says: a later one, or
// one that came before the receipt. Kept as long as the batch, whose receipt it stands beside: a restored exchange
// decides anew, and only what differs from the last word is told. Changes only inside the spool's transactions.
#pragma once

#include "agents/spool.h"
#include "verdict.pb-c.h"

// In a spool that has none yet: its table. ERROR_SYSTEM.
int word_open(Lite *lite);

typedef struct Word {
    // Where it stands: of two, the one of the greater epoch holds, then of the greater position. Both 0: the exchange
    // seems to have forgotten it or the event since, and whatever it says of that is newer.
    uint32_t epoch;
    uint64_t position;
    Dongbo__EventVerdict *verdict; // with its reasons' codes and fields, and nothing else of it
} Word;
void word_free(Word *word);
// Whether the word stands behind this place.
bool word_is_after(const Word *word, uint32_t epoch, uint64_t position);

// 1 when there is none. The caller frees it.
int word_get(Spool *spool, int64_t stream, uint64_t sequence, Word *ret);
// In place of the one before; of an event whose batch is kept no longer, none.
int word_put(Spool *spool, int64_t stream, uint64_t sequence, const Word *word);
int word_delete(Spool *spool, int64_t stream, uint64_t sequence);
// How many there are in this range.
int word_within(Spool *spool, int64_t stream, uint64_t first, uint64_t last, int64_t *ret);

// Its log is as it was up to this position only: whatever it says behind that is newer, also of events that it has
// still, of whatever stream.
int word_age_behind(Spool *spool, uint64_t position);
// It had not forgotten these events, for it gives their receipt as it was: their words stand where they stood.
int word_renew(Spool *spool, int64_t stream, uint64_t first, uint64_t last);

// For spool.c. The exchange has forgotten what is behind this sequence, or says so: whatever it says of that is newer,
// also than a verdict that waits for a later one.
int word_age(Lite *lite, int64_t stream, uint64_t after);
// For spool.c, before the batch goes.
int word_drop(Lite *lite, int64_t batch);
// A batch was sealed again under other numbers: its words go with it, and its verdicts that wait for a later one.
typedef struct WordMove {
    int64_t stream, to_stream;
    uint64_t first_sequence, last_sequence, to_first_sequence;
} WordMove;
int word_move(Spool *spool, const WordMove *move);
