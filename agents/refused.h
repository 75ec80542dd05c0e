// SPDX-License-Identifier: Apache-2.0
//
// Hands rows back to a file's keeper: NAME.refused.csv and NAME.results.csv in done/, each row byte for byte as it was,
// then its number, the verdict, the reasons' codes (CODE:field, separated by spaces) and a sentence in Vietnamese (in
// the file's own encoding) and in English. Written so that a crash at any point neither loses a row nor hands it back
// twice, as long as its file is there. What the keeper writes into or does with such a file is left alone.
#pragma once

#include "agents/drop.h"
#include "agents/encoding.h"
#include "agents/ledger.h"

typedef struct RefusedFile {
    Spool *spool;
    const Origin *origin;
    const char *rows_path; // the file as it was dropped, wherever it is now
    const DropFile *rows;  // what it must be, whatever its name, so that rows are taken from it; NULL: as long as read
    const char *done;      // the folder
    char delimiter;
    Encoding *encoding; // for the sentences
} RefusedFile;

// Writes what the ledger has for this origin and deletes it there, in transactions of its own. *ret_n rows.
// ERROR_SYSTEM.
int refused_write(const RefusedFile *file, int *ret_n);

// The columns behind the original ones.
#define REFUSED_COLUMNS 5
extern const char *const REFUSED_COLUMN[REFUSED_COLUMNS];

// A verdict in words: codes, and one text for each language. For the outbox's results, too. Appends; closes none by 0.
typedef struct RefusedWords {
    Bytes codes, vi, en;
} RefusedWords;
void refused_words(const Result *result, RefusedWords *words);
void refused_words_free(RefusedWords *words);
// "x.csv" → "x.refused.csv"; "x.CSV", which is another file, → "x.refused.CSV".
void refused_name(const char *kept_name, ResultKind kind, char out[300]);
// The other name, if there is one, whose answers would bear the same names: of "x" and "x.csv".
bool refused_twin(const char *kept_name, char out[300]);
// Whether refused_name() makes such names.
bool refused_is_name(const char *name);
