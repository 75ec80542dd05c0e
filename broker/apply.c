// SPDX-License-Identifier: Apache-2.0
//
// One call of population.apply_changes() per batch. Of a person already known only the fields that the reconciled
// record takes over are passed on, so that an older event that comes late undoes nothing.
#include "broker/apply.h"

#include "proto/base/error.h"
#include "proto/base/text.h"

#include <string.h>

#define OID_BYTEA 17
#define OID_INT8 20
#define OID_TEXT 25
#define OID_INT8_ARRAY 1016
#define OID_TEXT_ARRAY 1009
#define TEXTS 13
#define NAME_BYTES (2 * TEXT_BYTES_MAX)

static const Oid TYPES[] = {OID_BYTEA,      OID_INT8_ARRAY, OID_TEXT_ARRAY, OID_TEXT_ARRAY, OID_TEXT_ARRAY,
                            OID_TEXT_ARRAY, OID_TEXT_ARRAY, OID_TEXT_ARRAY, OID_TEXT_ARRAY, OID_TEXT_ARRAY,
                            OID_TEXT_ARRAY, OID_TEXT_ARRAY, OID_TEXT_ARRAY, OID_TEXT_ARRAY, OID_TEXT_ARRAY};
static const PgStatement APPLY = {
    "apply-changes",
    "SELECT sequence, person, citizen_number, province_before, province63_before, province_after, province63_after "
    "FROM population.apply_changes($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
    15, TYPES};

static bool is_applied(const Item *item) {
    if (item->domain != DONGBO__DOMAIN__POPULATION || item->dropped ||
        item->form.verdict != DONGBO__VERDICT__ACCEPTED || item->event->operation != DONGBO__OPERATION__UPSERT)
        return false;
    // Of a person whose record says so already, or says newer: nothing to apply.
    return item->merged.verdict != DONGBO__VERDICT__UNCHANGED && item->merged.verdict != DONGBO__VERDICT__SUPERSEDED;
}

// The fields of the body that are to reach the store, as bits.
static uint32_t taken_fields(const Item *item) {
    return item->person != NULL && item->onto != NULL ? item->merged.changed : UINT32_MAX;
}

// In the order of apply_changes()' parameters, after the sequences. NULL for want of memory.
static const char *const *texts_of(Arena *arena, const Item *item) {
    const Dongbo__PopulationChange *change = item->event->population;
    const Dongbo__Subject *subject = item->event->subject;
    uint32_t taken = taken_fields(item);
    const char **texts = arena_alloc(arena, TEXTS * sizeof *texts);
    char *folded = arena_alloc(arena, NAME_BYTES);
    if (texts == NULL || folded == NULL)
        return NULL;
#define TAKEN(number, value) ((taken >> (number)&1) != 0 ? (value) : "")
    const char *name = TAKEN(3, change->full_name);
    if (text_fold_accents(name, folded, NAME_BYTES) == (size_t)-1)
        folded[0] = '\0';
    bool says_63 = subject != NULL && strcmp(subject->province_code_set, "63") == 0;
    const char *number = change->citizen_number;
    const char *claimed = subject != NULL ? subject->citizen_number : "";
    const char *all[TEXTS] = {
        change->kind,
        claimed,
        number,
        name,
        folded,
        TAKEN(4, change->birth_date),
        TAKEN(5, change->sex),
        TAKEN(6, change->mother_name),
        TAKEN(7, change->father_name),
        TAKEN(8, change->residence_province),
        says_63 ? subject->residence_province : "",
        TAKEN(9, change->residence_commune),
        TAKEN(10, change->died_on),
    };
#undef TAKEN
    memcpy(texts, all, sizeof all);
    return texts;
}

static void apply_params(PgParams *params, const Work *work, Item *const *items, const char *const *const *texts,
                         size_t n) {
    pg_param_bytes(params, work->stream, STREAM_BYTES);
    pg_param_array_begin(params, OID_INT8, (int)n);
    for (size_t i = 0; i < n; i++)
        pg_array_i64(params, (int64_t)items[i]->sequence);
    for (size_t column = 0; column < TEXTS; column++) {
        pg_param_array_begin(params, OID_TEXT, (int)n);
        for (size_t i = 0; i < n; i++)
            pg_array_text(params, texts[i][column], strlen(texts[i][column]));
    }
}

static const char *copy(Arena *arena, const PGresult *rows, int row, int column) {
    const char *text = pg_text(rows, row, column);
    return arena_strndup(arena, text, strlen(text));
}

static int take_row(Arena *arena, Item *item, const PGresult *rows, int row) {
    item->unknown_to_store = pg_i64(rows, row, 1) == 0;
    item->province_before = copy(arena, rows, row, 3);
    item->province63_before = copy(arena, rows, row, 4);
    item->province_after = copy(arena, rows, row, 5);
    item->province63_after = copy(arena, rows, row, 6);
    if (item->province_before == NULL || item->province63_before == NULL || item->province_after == NULL ||
        item->province63_after == NULL)
        return error_fail(ERROR_MEMORY, "the batch's residences do not fit");
    return 0;
}

static int run(Pg *writer, Work *work, Item *const *items, const char *const *const *texts, size_t n) {
    PgParams params = {0};
    apply_params(&params, work, items, texts, n);
    PGresult *rows = NULL;
    int result = pg_run(writer, &APPLY, &params, &rows);
    pg_params_free(&params);
    size_t at = 0;
    for (int row = 0; result == 0 && row < PQntuples(rows); row++) {
        uint64_t sequence = (uint64_t)pg_i64(rows, row, 0);
        while (at < n && items[at]->sequence < sequence)
            at++;
        if (at < n && items[at]->sequence == sequence)
            result = take_row(work->arena, items[at], rows, row);
    }
    PQclear(rows);
    return result;
}

// In order, and by halves where the store refuses a value, until that event stands alone.
static int run_halving(Pg *writer, Work *work, Item *const *items, const char *const *const *texts, size_t n) {
    int result = run(writer, work, items, texts, n);
    if (result != ERROR_DATA)
        return result;
    if (n == 1) {
        work_poison(items[0]);
        return 0;
    }
    size_t half = n / 2;
    result = run_halving(writer, work, items, texts, half);
    return result < 0 ? result : run_halving(writer, work, items + half, texts + half, n - half);
}

// ---- persons that are only now being born -------------------------------------------------------------------------

// Persons of this batch that the store does not know yet, by number: open addressing, at most half full.
typedef struct Newcomers {
    Person **slots;
    size_t mask;
} Newcomers;

static Person **newcomer(const Newcomers *newcomers, const char *number) {
    size_t at = record_hash(0, 0, number) & newcomers->mask;
    while (newcomers->slots[at] != NULL && strcmp(newcomers->slots[at]->citizen_number, number) != 0)
        at = (at + 1) & newcomers->mask;
    return &newcomers->slots[at];
}

static bool is_unknown(const Item *item) {
    return item->domain == DONGBO__DOMAIN__POPULATION && !item->dropped && item->person == NULL &&
           decide_wants_person(item);
}

static bool brings_person(const Item *item) {
    const char *kind = item->event->population->kind;
    return strcmp(kind, "registered") == 0 || strcmp(kind, "birth") == 0;
}

// So that a later event of the batch about somebody born in it is merged, and not simply applied over what is newer: a
// stand-in person with a key below 0, until the store has given the real one. 1 when there are any.
static int add_newcomers(Work *work) {
    Newcomers newcomers = {.mask = 15};
    while (newcomers.mask + 1 < 2 * work->n_items)
        newcomers.mask = 2 * newcomers.mask + 1;
    newcomers.slots = arena_zalloc(work->arena, (newcomers.mask + 1) * sizeof *newcomers.slots);
    int64_t next = -1;
    for (size_t i = 0; newcomers.slots != NULL && i < work->n_items; i++) {
        Item *item = &work->items[i];
        if (!is_unknown(item))
            continue;
        Person **slot = newcomer(&newcomers, item->claimed_number);
        if (*slot == NULL && brings_person(item)) {
            *slot = arena_alloc(work->arena, sizeof **slot);
            if (*slot == NULL)
                return error_fail(ERROR_MEMORY, "the batch's newcomers do not fit");
            **slot = (Person){.key = next--, .citizen_number = item->claimed_number};
        }
        item->person = *slot;
        item->read = NULL;
    }
    if (newcomers.slots == NULL)
        return error_fail(ERROR_MEMORY, "the batch's newcomers do not fit");
    return next < -1 ? 1 : 0;
}

int apply_changes(Pg *writer, Prepare *prepare, Work *work) {
    int result = add_newcomers(work);
    if (result > 0)
        result = prepare_merge(prepare, work);
    if (result < 0)
        return result;

    Item **items = arena_alloc(work->arena, work->n_items * sizeof *items);
    const char *const **texts = arena_alloc(work->arena, work->n_items * sizeof *texts);
    if (items == NULL || texts == NULL)
        return error_fail(ERROR_MEMORY, "the batch's population changes do not fit");
    size_t n = 0;
    for (size_t i = 0; i < work->n_items; i++) {
        Item *item = &work->items[i];
        if (item->domain != DONGBO__DOMAIN__POPULATION || item->event == NULL)
            continue;
        item->stale_person = true;
        if (!is_applied(item))
            continue;
        items[n] = item;
        texts[n] = texts_of(work->arena, item);
        if (texts[n++] == NULL)
            return error_fail(ERROR_MEMORY, "the batch's population changes do not fit");
    }
    return n == 0 ? 0 : run_halving(writer, work, items, texts, n);
}
