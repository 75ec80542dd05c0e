// SPDX-License-Identifier: Apache-2.0
//
// What export files say of a log beside it, gathered over all of them: names of agencies, where epochs begin, what was
// let go, and where the log ended. Parts of a log that were exported one after the other say most of it again.
#pragma once

#include <stddef.h>
#include <stdint.h>

// More than a country has communes. Each new one is compared with all others: a hostile file must not make that long.
#define AUDIT_AGENCIES_MAX ((size_t)4096)
typedef struct AuditAgency {
    uint32_t agency;
    char code[32];
} AuditAgency;

typedef struct AuditEpoch {
    uint32_t epoch;
    uint64_t position; // its first
} AuditEpoch;

typedef struct AuditErasure {
    uint64_t position;
    uint64_t logged; // position of its tombstone; 0: nowhere yet
} AuditErasure;

typedef struct AuditNotes {
    AuditAgency *agencies; // by their numbers
    AuditEpoch *epochs;
    AuditErasure *erasures;
    size_t n_epochs, epochs_size, n_agencies, agencies_size, n_erasures, erasures_size;
    size_t n_sorted;            // erasures, each position once
    uint64_t trim, trim_logged; // up to where it was trimmed, and where the log is to say so; 0: nowhere yet
    uint64_t log_end;           // its last position when the last of them was exported
    size_t n_begun, n_ends;     // files, and those of them that said so: one may be cut, or of an older program
} AuditNotes;

void audit_notes_free(AuditNotes *notes);
// 1 when it is none, or there are too many; 2 when another name was said of this number, or this name of another:
// neither ever changes, so one of them is made up. ERROR_MEMORY.
int audit_notes_agency(AuditNotes *notes, uint32_t agency, const char *code);
const char *audit_notes_code(const AuditNotes *notes, uint32_t agency); // NULL: nothing names it
// 1 when there are too many; ERROR_MEMORY.
int audit_notes_epoch(AuditNotes *notes, uint32_t epoch, uint64_t position);
const AuditEpoch *audit_notes_begun(const AuditNotes *notes, uint32_t epoch); // NULL: nothing says so
// 1 when there are too many; ERROR_MEMORY.
int audit_notes_erasure(AuditNotes *notes, uint64_t position, uint64_t logged);
const AuditErasure *audit_notes_erased(AuditNotes *notes, uint64_t position); // NULL: nothing says so
void audit_notes_trim(AuditNotes *notes, uint64_t position, uint64_t logged);
void audit_notes_begin(AuditNotes *notes);                           // a file
void audit_notes_end(AuditNotes *notes, uint64_t log_last_position); // 0: it does not say
uint64_t audit_notes_log_end(const AuditNotes *notes);               // 0: unknown

// The entry that is to say of what is gone that it was let go, where none up to the files' last position does.
typedef enum AuditWord {
    AUDIT_WORD_MISSING, // it is to stand there, or nothing is said of one
    AUDIT_WORD_BEYOND,  // ... behind the end that the log had: nobody logged it
    AUDIT_WORD_LATER,   // it stands behind these files
    AUDIT_WORD_NOWHERE, // no broker has come to it yet
} AuditWord;
// Nothing is erased before its tombstone is logged. It may be said again: then nothing says where the first one stands,
// but it is in the log.
AuditWord audit_notes_tombstone(const AuditNotes *notes, const AuditErasure *said, uint64_t last_position);
// What is trimmed goes when that is declared; a broker logs it then.
AuditWord audit_notes_trimmed(const AuditNotes *notes, uint64_t last_position);
