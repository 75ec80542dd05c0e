// SPDX-License-Identifier: Apache-2.0
//
// An exchange's receipts and later words, in short, and what came of them in a spool: what the tests of verdicts share.
// Their names are short, since nothing else is linked with them.
#pragma once

#include "agents/verdicts.h"
#include "tests/unit/publish-case.h"

#define WORDS_MAX 8

enum {
    ACCEPTED = DONGBO__VERDICT__ACCEPTED,
    UNCHANGED = DONGBO__VERDICT__UNCHANGED,
    MISMATCH = DONGBO__VERDICT__MISMATCH,
    DEFERRED = DONGBO__VERDICT__DEFERRED,
    REJECTED = DONGBO__VERDICT__REJECTED
};

// One verdict of the exchange's: on event `sequence`, at `position`, with this reason or none.
typedef struct Word {
    uint64_t sequence;
    int verdict;
    uint64_t position;
    int reason;
} Word;

typedef struct Words {
    Dongbo__EventVerdict verdicts[WORDS_MAX], *pointers[WORDS_MAX];
    Dongbo__Reason reasons[WORDS_MAX], *reason_pointers[WORDS_MAX];
    uint8_t ids[WORDS_MAX][EVENT_ID_BYTES];
    size_t n;
} Words;

#define PLAIN ((Word[]){{0}})

void words_fill(Words *words, const Word *list);
// The receipt for the batch that begins at `first`, stored then. What verdicts_receipt() says.
int receipt_of(PublishCase *test, Verdicts *verdicts, uint64_t first, const Word *list, int64_t stored_at_us);
// One for what is stored anew.
int receipt(PublishCase *test, Verdicts *verdicts, uint64_t first, const Word *list);
int later_of(PublishCase *test, Verdicts *verdicts, uint64_t position, Words *words);
int later(PublishCase *test, Verdicts *verdicts, uint64_t position, const Word *list);
// What is to be handed back, as "row:verdict ", and forgotten then.
void assert_results(PublishCase *test, ResultKind kind, const char *expected);
void assert_told(PublishCase *test, const char *refused, const char *decided);
void assert_tally(PublishCase *test, const char *expected);
void assert_waiting(PublishCase *test, int64_t n);
void assert_undecided(PublishCase *test, int64_t n);
