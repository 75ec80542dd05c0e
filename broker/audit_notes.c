// SPDX-License-Identifier: Apache-2.0
//
// See audit_notes.h. Nothing here is believed for what it says alone.
#include "broker/audit_notes.h"

#include "proto/base/error.h"
#include "proto/base/text.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define EPOCHS_MAX ((size_t)1 << 16)
#define ERASURES_MAX ((size_t)1 << 24)

void audit_notes_free(AuditNotes *notes) {
    free(notes->agencies);
    free(notes->epochs);
    free(notes->erasures);
    *notes = (AuditNotes){0};
}

// Room for one more.
static void *room(void *list, size_t n, size_t *size, size_t bytes) {
    if (n < *size)
        return list;
    *size = *size > 0 ? 2 * *size : 16;
    return realloc(list, *size * bytes);
}

// ---- agencies -----------------------------------------------------------------------------------------------------

// Where it stands, or would.
static size_t place_of(const AuditNotes *notes, uint32_t agency) {
    size_t from = 0, to = notes->n_agencies;
    while (from < to) {
        size_t middle = (from + to) / 2;
        if (notes->agencies[middle].agency < agency)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

static const AuditAgency *agency_of(const AuditNotes *notes, uint32_t agency) {
    size_t at = place_of(notes, agency);
    return at < notes->n_agencies && notes->agencies[at].agency == agency ? &notes->agencies[at] : NULL;
}

const char *audit_notes_code(const AuditNotes *notes, uint32_t agency) {
    const AuditAgency *found = agency_of(notes, agency);
    return found != NULL ? found->code : NULL;
}

int audit_notes_agency(AuditNotes *notes, uint32_t agency, const char *code) {
    const AuditAgency *known = agency_of(notes, agency);
    AuditAgency made = {.agency = agency};
    if (strlen(code) >= sizeof made.code)
        return 1;
    memcpy(made.code, code, strlen(code));
    text_make_visible(made.code); // people read it
    if (known != NULL)
        return strcmp(known->code, made.code) == 0 ? 0 : 2;
    if (notes->n_agencies == AUDIT_AGENCIES_MAX)
        return 1;
    for (size_t i = 0; i < notes->n_agencies; i++)
        if (strcmp(notes->agencies[i].code, made.code) == 0)
            return 2;
    AuditAgency *grown = room(notes->agencies, notes->n_agencies, &notes->agencies_size, sizeof *grown);
    if (grown == NULL)
        return error_fail(ERROR_MEMORY, "no memory for the names of agencies");
    notes->agencies = grown;
    size_t at = place_of(notes, agency);
    memmove(&grown[at + 1], &grown[at], (notes->n_agencies++ - at) * sizeof *grown);
    grown[at] = made;
    return 0;
}

// ---- epochs -------------------------------------------------------------------------------------------------------

int audit_notes_epoch(AuditNotes *notes, uint32_t epoch, uint64_t position) {
    if (notes->n_epochs == EPOCHS_MAX)
        return 1;
    AuditEpoch *grown = room(notes->epochs, notes->n_epochs, &notes->epochs_size, sizeof *grown);
    if (grown == NULL)
        return error_fail(ERROR_MEMORY, "no memory for epochs");
    notes->epochs = grown;
    grown[notes->n_epochs++] = (AuditEpoch){epoch, position};
    return 0;
}

const AuditEpoch *audit_notes_begun(const AuditNotes *notes, uint32_t epoch) {
    for (size_t i = 0; i < notes->n_epochs; i++)
        if (notes->epochs[i].epoch == epoch)
            return &notes->epochs[i];
    return NULL;
}

// ---- what was erased ----------------------------------------------------------------------------------------------

// Of one position, whoever says most comes last.
static int order(const void *a, const void *b) {
    const AuditErasure *one = a, *other = b;
    if (one->position != other->position)
        return one->position < other->position ? -1 : 1;
    return one->logged < other->logged ? -1 : one->logged > other->logged;
}

static void sort(AuditNotes *notes) {
    size_t n = 0;
    if (notes->n_sorted == notes->n_erasures)
        return;
    qsort(notes->erasures, notes->n_erasures, sizeof *notes->erasures, order);
    for (size_t i = 0; i < notes->n_erasures; i++) {
        bool again = n > 0 && notes->erasures[n - 1].position == notes->erasures[i].position;
        notes->erasures[again ? n - 1 : n++] = notes->erasures[i];
    }
    notes->n_erasures = notes->n_sorted = n;
}

int audit_notes_erasure(AuditNotes *notes, uint64_t position, uint64_t logged) {
    if (notes->n_erasures == notes->erasures_size)
        sort(notes); // what was said again goes, before there is more room
    if (notes->n_erasures == ERASURES_MAX)
        return 1;
    // At once where hardly anything went, or it would be sorted at every one.
    bool full = notes->n_erasures == notes->n_sorted && notes->n_erasures >= notes->erasures_size / 2;
    size_t n = full ? notes->erasures_size : notes->n_erasures;
    AuditErasure *grown = room(notes->erasures, n, &notes->erasures_size, sizeof *grown);
    if (grown == NULL)
        return error_fail(ERROR_MEMORY, "no memory for erasures");
    notes->erasures = grown;
    grown[notes->n_erasures++] = (AuditErasure){position, logged};
    return 0;
}

static int compare_position(const void *a, const void *b) {
    uint64_t position = *(const uint64_t *)a, other = ((const AuditErasure *)b)->position;
    return position < other ? -1 : position > other;
}

const AuditErasure *audit_notes_erased(AuditNotes *notes, uint64_t position) {
    sort(notes);
    return notes->n_erasures == 0
               ? NULL
               : bsearch(&position, notes->erasures, notes->n_erasures, sizeof *notes->erasures, compare_position);
}

// ---- which entries are to say so ----------------------------------------------------------------------------------

void audit_notes_trim(AuditNotes *notes, uint64_t position, uint64_t logged) {
    if (position < notes->trim || (position == notes->trim && logged < notes->trim_logged))
        return;
    notes->trim = position;
    notes->trim_logged = logged;
}

void audit_notes_begin(AuditNotes *notes) {
    notes->n_begun++;
}

void audit_notes_end(AuditNotes *notes, uint64_t log_last_position) {
    notes->n_ends += log_last_position > 0;
    if (log_last_position > notes->log_end)
        notes->log_end = log_last_position;
}

uint64_t audit_notes_log_end(const AuditNotes *notes) {
    return notes->n_ends == notes->n_begun ? notes->log_end : 0;
}

static AuditWord word_at(const AuditNotes *notes, uint64_t logged, uint64_t last_position) {
    if (logged <= last_position)
        return AUDIT_WORD_MISSING;
    uint64_t log_end = audit_notes_log_end(notes);
    return log_end != 0 && logged > log_end ? AUDIT_WORD_BEYOND : AUDIT_WORD_LATER;
}

AuditWord audit_notes_tombstone(const AuditNotes *notes, const AuditErasure *said, uint64_t last_position) {
    if (said == NULL)
        return AUDIT_WORD_MISSING;
    if (said->logged != 0)
        return word_at(notes, said->logged, last_position);
    if (audit_notes_log_end(notes) == 0)
        return AUDIT_WORD_NOWHERE;
    return last_position < notes->log_end ? AUDIT_WORD_LATER : AUDIT_WORD_MISSING;
}

AuditWord audit_notes_trimmed(const AuditNotes *notes, uint64_t last_position) {
    return notes->trim_logged == 0 ? AUDIT_WORD_NOWHERE : word_at(notes, notes->trim_logged, last_position);
}
