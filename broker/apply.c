// SPDX-License-Identifier: Apache-2.0
//
// One call of population.apply_changes() per batch, unless the store is slow. Of a person already known only the fields
// that the reconciled record takes over are passed on, so that an older event that comes late undoes nothing: what the
// store holds of a person follows from their record, whatever order events came in, and applying them again is no harm.
#include "broker/apply.h"

#include "broker/decide_population.h"
#include "broker/decide_whom.h"
#include "broker/merger.h"
#include "broker/store.h"
#include "proto/bounds.h"
#include "proto/base/date.h"
#include "proto/base/error.h"
#include "proto/base/text.h"

#include <string.h>

#define OID_BOOL 16
#define OID_BYTEA 17
#define OID_INT8 20
#define OID_INT4 23
#define OID_TEXT 25
#define OID_INT4_ARRAY 1007
#define OID_INT8_ARRAY 1016
#define OID_TEXT_ARRAY 1009
#define TEXTS 13
#define NAME_BYTES (2 * TEXT_BYTES_MAX)
#define AT_ONCE_MIN 16 // changes
#define FIELD_NUMBER 2
#define FIELD_PROVINCE 8

// What the store is to be told of an item. '' is not said.
typedef struct Change {
    Item *item;
    const char *texts[TEXTS]; // in the order of apply_changes()' parameters
    uint32_t cleared;         // fields of the body, as bits
} Change;

static const Oid TYPES[] = {OID_BYTEA,      OID_INT8_ARRAY, OID_TEXT_ARRAY, OID_TEXT_ARRAY, OID_TEXT_ARRAY,
                            OID_TEXT_ARRAY, OID_TEXT_ARRAY, OID_TEXT_ARRAY, OID_TEXT_ARRAY, OID_TEXT_ARRAY,
                            OID_TEXT_ARRAY, OID_TEXT_ARRAY, OID_TEXT_ARRAY, OID_TEXT_ARRAY, OID_TEXT_ARRAY,
                            OID_INT4_ARRAY, OID_BOOL,       OID_INT8,       OID_INT8_ARRAY};
static const PgStatement APPLY = {
    "apply-changes",
    "SELECT sequence, person, citizen_number, province_before, province63_before, province_after, province63_after, "
    "changed FROM population.apply_changes($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, "
    "$18, $19)",
    19, TYPES};

static bool is_reissue(const Item *item) {
    return population_is_reissue(item->event->population);
}

static bool is_merger(const Item *item) {
    return population_is_merger(item->event->population);
}

static bool is_cancellation(const Item *item) {
    return population_is_cancellation(item->event->population);
}

static bool is_applied(const Item *item) {
    if (item->domain != DONGBO__DOMAIN__POPULATION || item->dropped ||
        item->form.verdict != DONGBO__VERDICT__ACCEPTED || item->event->operation != DONGBO__OPERATION__UPSERT)
        return false;
    if (item->person == NULL) // the store knows best
        return true;
    // Of a person whose record says so already, or says newer, nothing is left but a number that was theirs in between,
    // or until then, and who went to them.
    return item->merged.won != 0 || ((is_reissue(item) || is_merger(item)) && item->merged.superseded) || item->yields;
}

// The fields of the body that are to reach the store, as bits.
static uint32_t taken_fields(const Item *item) {
    return item->person == NULL ? UINT32_MAX : item->merged.won;
}

// What holds after the event: of a merger, what was said of the person who goes too.
static const Dongbo__PopulationChange *said_of(const Item *item) {
    bool whole = is_merger(item) && item->person != NULL && item->merged.body != NULL;
    return whole ? (const Dongbo__PopulationChange *)item->merged.body : item->event->population;
}

static uint32_t cleared_fields(const Item *item, uint32_t taken) {
    const Dongbo__ChangeEvent *event = item->event;
    uint32_t cleared = 0;
    for (unsigned number = 1; said_of(item) != event->population && number <= DOMAIN_FIELDS_MAX; number++)
        cleared |= field_is_said(&said_of(item)->base, number) ? 0 : 1u << number;
    for (size_t i = 0; i < event->n_cleared_fields; i++)
        cleared |= event->cleared_fields[i] < 31 ? 1u << event->cleared_fields[i] : 0;
    // Who says a province says the whole residence; reconcile() counts the commune as cleared as well.
    bool says_province = event->population->residence_province[0] != '\0' || (cleared >> FIELD_PROVINCE & 1) != 0;
    if (says_province && event->population->residence_commune[0] == '\0')
        cleared |= 1u << (FIELD_PROVINCE + 1);
    return cleared & taken & INT32_MAX;
}

// A number that holds no longer by what came later was theirs for a time; one that does by then is not cancelled.
static const char *kind_told(const Item *item, uint32_t taken) {
    bool outlived = (taken >> FIELD_NUMBER & 1) == 0 && !item->yields;
    if (outlived && is_reissue(item))
        return "number-replaced";
    return outlived && is_cancellation(item) ? "correction" : item->event->population->kind;
}

// ERROR_MEMORY.
static int fill_change(Arena *arena, Item *item, Change *ret) {
    const Dongbo__PopulationChange *change = said_of(item);
    const Dongbo__Subject *subject = item->event->subject;
    uint32_t taken = taken_fields(item);
#define TAKEN(number, value) ((taken >> (number)&1) != 0 ? (value) : "")
    const char *name = TAKEN(3, change->full_name);
    char folded[NAME_BYTES];
    char day[DATE_TEXT_BYTES];
    size_t n = text_fold_accents(name, folded, sizeof folded);
    bool cancels = is_cancellation(item) && ((taken >> FIELD_NUMBER & 1) != 0 || item->yields);
    if (cancels)
        date_format(date_of_us(item->event->event_time_us), day);
    bool says_63 = subject != NULL && rules_says_63(subject) &&
                   item->event->population->residence_province[0] != '\0' &&
                   strcmp(change->residence_province, item->event->population->residence_province) == 0;
    *ret = (Change){.item = item, .cleared = cleared_fields(item, taken)};
    const char *texts[TEXTS] = {
        kind_told(item, taken),
        is_cancellation(item) ? item->claimed_number
        : subject != NULL     ? subject->citizen_number
                              : "",
        is_cancellation(item) ? "" : item->event->population->citizen_number,
        name,
        arena_strndup(arena, folded, n == (size_t)-1 ? 0 : n),
        TAKEN(4, change->birth_date),
        TAKEN(5, change->sex),
        TAKEN(6, change->mother_name),
        TAKEN(7, change->father_name),
        TAKEN(FIELD_PROVINCE, change->residence_province),
        says_63 ? TAKEN(FIELD_PROVINCE, subject->residence_province) : "",
        TAKEN(9, change->residence_commune),
        cancels ? arena_strndup(arena, day, strlen(day)) : TAKEN(10, change->died_on),
    };
#undef TAKEN
    memcpy(ret->texts, texts, sizeof texts);
    return texts[4] == NULL || texts[TEXTS - 1] == NULL
               ? error_fail(ERROR_MEMORY, "the batch's population changes do not fit")
               : 0;
}

typedef struct Applying {
    Pg *writer, *exchange; // the latter's session holds the log's lock, and must not be idle for long
    Work *work;
    size_t *at_once; // see apply.h
    int64_t *own;    // positions at which the work has changed the store so far; room for one of each change
    size_t n_own;
} Applying;

// The position by which they were decided: where somebody else changed a person of these since, the store refuses them
// all (40001), and they are decided anew. What it may have already is told as it was decided, whoever came in between.
static int64_t decided_by(const Work *work, const Change *changes, size_t n) {
    bool in_store = true;
    for (size_t i = 0; i < n; i++)
        in_store = in_store && changes[i].item->in_store;
    return in_store ? INT64_MAX : work->population.position;
}

static void apply_params(PgParams *params, const Applying *applying, const Change *changes, size_t n) {
    const Work *work = applying->work;
    pg_param_bytes(params, work->stream, STREAM_BYTES);
    pg_param_array_begin(params, OID_INT8, (int)n);
    for (size_t i = 0; i < n; i++)
        pg_array_i64(params, (int64_t)changes[i].item->sequence);
    for (size_t column = 0; column < TEXTS; column++) {
        pg_param_array_begin(params, OID_TEXT, (int)n);
        for (size_t i = 0; i < n; i++)
            pg_array_text(params, changes[i].texts[column], strlen(changes[i].texts[column]));
    }
    pg_param_array_begin(params, OID_INT4, (int)n);
    for (size_t i = 0; i < n; i++)
        pg_array_i32(params, (int32_t)changes[i].cleared);
    pg_param_bool(params, work->kind == WORK_REDECIDE);
    pg_param_i64(params, decided_by(work, changes, n));
    pg_param_array_begin(params, OID_INT8, (int)applying->n_own);
    for (size_t i = 0; i < applying->n_own; i++)
        pg_array_i64(params, applying->own[i]);
}

static const char *copy(Arena *arena, const PGresult *rows, int row, int column) {
    const char *text = pg_text(rows, row, column);
    return arena_strndup(arena, text, strlen(text));
}

static int take_row(Arena *arena, Item *item, const PGresult *rows, int row) {
    item->applied_to = pg_i64(rows, row, 1);
    item->unknown_to_store = pg_i64(rows, row, 1) == 0;
    item->taken_in_store = item->unknown_to_store && pg_text(rows, row, 2)[0] != '\0';
    if (!item->unknown_to_store)
        decide_numbered(item, pg_text(rows, row, 2));
    item->province_before = copy(arena, rows, row, 3);
    item->province63_before = copy(arena, rows, row, 4);
    item->province_after = copy(arena, rows, row, 5);
    item->province63_after = copy(arena, rows, row, 6);
    if (item->province_before == NULL || item->province63_before == NULL || item->province_after == NULL ||
        item->province63_after == NULL)
        return error_fail(ERROR_MEMORY, "the batch's residences do not fit");
    return 0;
}

// The last row tells: those of what came before and is only answered stand in front.
static void note_own(Applying *applying, const PGresult *rows) {
    int n = PQntuples(rows);
    int64_t changed = n == 0 ? 0 : pg_i64(rows, n - 1, 7);
    if (changed != 0)
        applying->own[applying->n_own++] = changed;
}

static int run(Applying *applying, const Change *changes, size_t n) {
    Work *work = applying->work;
    PgParams params = {0};
    apply_params(&params, applying, changes, n);
    PGresult *rows = NULL;
    int result = pg_run(applying->writer, &APPLY, &params, &rows);
    pg_params_free(&params);
    for (size_t i = 0; i < n; i++)
        changes[i].item->in_store |= result == 0 || !pg_is_undone(applying->writer);
    if (result == 0)
        note_own(applying, rows);
    size_t at = 0;
    for (int row = 0; result == 0 && row < PQntuples(rows); row++) {
        uint64_t sequence = (uint64_t)pg_i64(rows, row, 0);
        while (at < n && changes[at].item->sequence < sequence)
            at++;
        if (at < n && changes[at].item->sequence == sequence)
            result = take_row(work->arena, changes[at].item, rows, row);
    }
    PQclear(rows);
    return result;
}

// In order, and by halves where the store refuses a value, until that event stands alone.
static int run_halving(Applying *applying, const Change *changes, size_t n) {
    int result = run(applying, changes, n);
    if (result != ERROR_DATA)
        return result;
    if (n == 1) {
        work_poison(changes[0].item);
        return 0;
    }
    size_t half = n / 2;
    for (int i = 0; i < 2; i++) {
        result = store_stay(applying->exchange);
        if (result == 0)
            result = run_halving(applying, changes + (i == 0 ? 0 : half), i == 0 ? half : n - half);
        if (result < 0)
            return result;
    }
    return 0;
}

bool apply_is_overtaken(const Pg *writer) {
    return strcmp(pg_sqlstate(writer), "40001") == 0;
}

// A store that is slow must not be asked for the same again and again, which its session has no patience for: then it
// is told of fewer changes at once, and of a few more with each call that it has answered.
static int run_pieces(Applying *applying, const Change *changes, size_t n) {
    size_t *at_once = applying->at_once;
    int result = 0;
    for (size_t at = 0, piece; result == 0 && at < n; at += piece) {
        piece = *at_once == 0 || n - at < *at_once ? n - at : *at_once;
        if (at > 0)
            result = store_stay(applying->exchange);
        if (result < 0)
            return result;
        result = run_halving(applying, changes + at, piece);
        if (result == ERROR_DATABASE && !apply_is_overtaken(applying->writer))
            *at_once = piece / 2 > AT_ONCE_MIN ? piece / 2 : AT_ONCE_MIN;
        else if (result == 0 && *at_once != 0)
            *at_once = *at_once < BATCH_EVENTS_MAX ? *at_once + AT_ONCE_MIN : 0;
    }
    return result;
}

// ---- persons that are only now becoming known ----------------------------------------------------------------------

// Numbers that this batch makes known, and whose they are: open addressing, at most half full.
typedef struct Newcomer {
    const char *number; // NULL: free
    const Person *person;
    const Dongbo__Record *read;
} Newcomer;

typedef struct Newcomers {
    Newcomer *slots;
    size_t mask;
    int64_t next; // key of the next stand-in
    Item **mergers;
    size_t n_mergers;
} Newcomers;

static Newcomer *newcomer(const Newcomers *newcomers, const char *number) {
    size_t at = record_hash(0, 0, number) & newcomers->mask;
    while (newcomers->slots[at].number != NULL && strcmp(newcomers->slots[at].number, number) != 0)
        at = (at + 1) & newcomers->mask;
    return &newcomers->slots[at];
}

// Somebody whom the store does not know yet: a stand-in with a key below 0, until the store has given the real one.
static int add_stand_in(Newcomers *newcomers, Arena *arena, Newcomer *slot, const char *number) {
    Person *person = arena_alloc(arena, sizeof *person);
    if (person == NULL)
        return error_fail(ERROR_MEMORY, "the batch's newcomers do not fit");
    *person = (Person){.key = newcomers->next--, .citizen_number = number};
    *slot = (Newcomer){.number = number, .person = person};
    return 0;
}

// Whoever was merged into another earlier in the batch is that one.
static void follow_mergers(const Newcomers *newcomers, const Person **person, const Dongbo__Record **read) {
    for (size_t i = 0; *person != NULL && i < newcomers->n_mergers; i++) {
        const Item *merger = newcomers->mergers[i];
        if ((*person)->key != merger->goes->key)
            continue;
        *person = merger->person;
        *read = merger->read;
    }
}

// Whom the one who is to go went to before, in the store or in this batch.
static void follow_went(const Newcomers *newcomers, Item *item) {
    int64_t key = item->went_to != 0 ? item->went_to : item->goes == NULL ? 0 : item->goes->key;
    for (size_t i = 0; i < newcomers->n_mergers; i++) {
        if (key == newcomers->mergers[i]->goes->key)
            key = item->went_to = newcomers->mergers[i]->person->key;
    }
}

static void add_merger(Newcomers *newcomers, Item *item) {
    const Dongbo__Record *unused;
    if (item->goes == NULL)
        item->goes = newcomer(newcomers, item->event->subject->citizen_number)->person;
    item->goes_several = item->goes_several && item->goes == NULL; // else somebody got it in this batch
    follow_went(newcomers, item);
    follow_mergers(newcomers, &item->goes, &unused);
    if (decide_went_elsewhere(item))
        return;
    if (item->goes != NULL && item->person != NULL && item->goes->key != item->person->key)
        newcomers->mergers[newcomers->n_mergers++] = item;
}

static int add_newcomer(Newcomers *newcomers, Arena *arena, Item *item) {
    if (item->person == NULL) {
        Newcomer *slot = newcomer(newcomers, item->claimed_number);
        if (slot->number == NULL && decide_brings_person(item) && !decide_is_several(item)) {
            int result = add_stand_in(newcomers, arena, slot, item->claimed_number);
            if (result < 0)
                return result;
        }
        item->person = slot->person;
        item->read = slot->read;
    }
    follow_mergers(newcomers, &item->person, &item->read);
    // A number that is already somebody's is looked up, and never looked for here.
    Newcomer *slot = is_reissue(item) ? newcomer(newcomers, item->event->population->citizen_number) : NULL;
    if (slot != NULL && slot->number == NULL && item->person != NULL)
        *slot =
            (Newcomer){.number = item->event->population->citizen_number, .person = item->person, .read = item->read};
    if (is_merger(item))
        add_merger(newcomers, item);
    return 0;
}

// So that a later event of the batch about somebody born or re-issued a number in it is merged, and not simply applied
// over what is newer.
static int add_newcomers(Work *work) {
    Newcomers newcomers = {.mask = 15, .next = -1};
    while (newcomers.mask + 1 < 4 * work->n_items)
        newcomers.mask = 2 * newcomers.mask + 1;
    newcomers.slots = arena_zalloc(work->arena, (newcomers.mask + 1) * sizeof *newcomers.slots);
    newcomers.mergers = arena_alloc(work->arena, work->n_items * sizeof *newcomers.mergers);
    if (newcomers.slots == NULL || newcomers.mergers == NULL)
        return error_fail(ERROR_MEMORY, "the batch's newcomers do not fit");
    int result = 0;
    for (size_t i = 0; result == 0 && i < work->n_items; i++) {
        Item *item = &work->items[i];
        if (item->domain == DONGBO__DOMAIN__POPULATION && decide_wants_person(item))
            result = add_newcomer(&newcomers, work->arena, item);
    }
    return result;
}

// ---- the batch -----------------------------------------------------------------------------------------------------

// Whether one of the batch's re-issues, from the first on, was to give the claimed number to somebody. Of what came
// behind that the store knows whose it is.
static bool is_given_before(const Item *item, const Item *reissue) {
    for (const Item *earlier = reissue; earlier != NULL && earlier < item; earlier++) {
        if (earlier->domain == DONGBO__DOMAIN__POPULATION && earlier->event != NULL && is_reissue(earlier) &&
            earlier->form.verdict == DONGBO__VERDICT__ACCEPTED &&
            strcmp(earlier->event->population->citizen_number, item->claimed_number) == 0)
            return true;
    }
    return false;
}

// Who is somebody else, or nobody's number's, is decided against the persons as they were before the batch, and stays
// so.
static void settle(Item *item, const Item *reissue) {
    if (!item->settled) {
        item->unsettled_verdict = item->form.verdict;
        item->unsettled_reasons = item->form.n_reasons;
        bool is_theirs = item->person != NULL && item->person->key > 0 && !is_given_before(item, reissue);
        item->settled_on = is_theirs ? item->person->key : 0;
        item->settled_by_alias = item->settled_on != 0 && item->person->by_alias;
    }
    item->settled = true;
    if (item->decision.verdict != DONGBO__VERDICT__MISMATCH || (item->person == NULL && !decide_is_several(item)))
        return;
    item->form = item->decision;
    if (item->person != NULL && item->person->key < 0) // a stand-in, who is not looked up any more
        item->person = NULL;
}

// A decision's reasons begin with those of its form.
static void unsettle(Item *item) {
    if (item->settled && !item->poisoned) {
        item->form.verdict = item->unsettled_verdict;
        item->form.n_reasons = item->unsettled_reasons;
    }
    item->settled = false;
}

void apply_rewind(Work *work) {
    for (size_t i = work->n_items; i > 0 && !work->items[i - 1].in_store; i--)
        unsettle(&work->items[i - 1]);
    work_rewind(work);
}

int apply_changes(Pg *writer, Prepare *prepare, Work *work, size_t *at_once) {
    int result = merger_look_up(prepare_population(prepare), prepare_exchange(prepare), work);
    if (result == 0)
        result = add_newcomers(work);
    if (result == 0)
        result = prepare_merge(prepare, work);
    if (result < 0)
        return result;

    Change *changes = arena_alloc(work->arena, work->n_items * sizeof *changes);
    int64_t *own = arena_alloc(work->arena, work->n_items * sizeof *own);
    if (changes == NULL || own == NULL)
        return error_fail(ERROR_MEMORY, "the batch's population changes do not fit");
    size_t n = 0;
    const Item *reissue = NULL; // the first
    for (size_t i = 0; i < work->n_items; i++) {
        Item *item = &work->items[i];
        if (item->domain != DONGBO__DOMAIN__POPULATION || item->event == NULL)
            continue;
        item->stale_person = true;
        settle(item, reissue);
        reissue = reissue == NULL && is_reissue(item) ? item : reissue;
        if (!is_applied(item))
            continue;
        result = fill_change(work->arena, item, &changes[n++]);
        if (result < 0)
            return result;
    }
    Applying applying = {writer, prepare_exchange(prepare), work, at_once, own, 0};
    result = run_pieces(&applying, changes, n);
    if (result == 0)
        result = merger_look_up(prepare_population(prepare), prepare_exchange(prepare), work);
    if (result == 0)
        merger_fix(work);
    return result;
}
