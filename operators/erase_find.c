// SPDX-License-Identifier: Apache-2.0
//
// See erase_find.h. Goes over the filters of the whole log, which are a hundredth of it, and reads what they let
// through; segments of before they were kept are read all.
#include "operators/erase_find.h"

#include "broker/about.h"
#include "broker/item.h"
#include "operators/disclosure.h"
#include "operators/erase_decided.h"
#include "operators/erase_trimmed.h"
#include "operators/progress.h"
#include "operators/result.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_BYTES ((size_t)256 * 1024 * 1024)
#define TARGETS_MAX 100000
#define READ_AT_ONCE 32

static const PgStatement FILTERS = {
    "erase_filters",
    "SELECT first_position, last_position, about FROM exchange.segment "
    "WHERE first_position >= coalesce((SELECT max(first_position) FROM exchange.segment WHERE first_position <= $1), 0) "
    "AND last_position >= $1 AND payload IS NOT NULL ORDER BY first_position LIMIT 1024",
    1, NULL};
static const PgStatement READ = {"erase_read",
                                 "SELECT first_position, format, coalesce(agency, 0), stream, payload, summary "
                                 "FROM exchange.segment WHERE first_position = ANY ($1) ORDER BY first_position",
                                 1, NULL};
// To whom each one's records went, and since when they are told of that one.
static const PgStatement WAYS = {
    "erase_ways",
    "WITH RECURSIVE way(i, person, since) AS (SELECT n.i, n.person, 0::bigint FROM unnest($1::bigint[]) WITH ORDINALITY "
    "AS n(person, i) UNION SELECT w.i, l.merged_into, l.position FROM way w JOIN exchange.seen_link l "
    "ON l.person = w.person) SELECT i, person, since FROM way ORDER BY i",
    1, NULL};
// What was said of records whose entries went with another event's.
static const PgStatement SAID = {
    "erase_said",
    "SELECT k.position, k.person, k.domain, k.record_key, k.event_id, k.event_time_us, k.stream, coalesce(k.sequence, 0), "
    "e.agency, e.leaf FROM exchange.erased_entry k JOIN exchange.erasure e ON e.position = k.position "
    "WHERE (k.event_id = $1 OR k.person = ANY ($2)) AND e.done ORDER BY k.position",
    2, NULL};
static const PgStatement TOMBSTONES = {
    "erase_tombstones",
    "SELECT n.i, e.logged_position FROM unnest($1::bigint[]) WITH ORDINALITY AS n(position, i) "
    "JOIN exchange.erasure e ON e.position = n.position WHERE e.logged_position IS NOT NULL ORDER BY n.i",
    1, NULL};

// A record in which a target's word stands, of one person.
typedef struct EraseTrail {
    uint64_t hash;
    int64_t person, from, tombstone;
    int domain;
    const char *record_key; // the target's
} EraseTrail;

typedef struct Row {
    int64_t first;
    uint32_t agency;
    const uint8_t *stream; // NULL: none
    Dongbo__SegmentPayload *payload;
    Dongbo__SegmentSummary *summary;
} Row;

typedef int Visit(EraseFind *find, const Row *row, size_t i);

static int no_memory(void) {
    return error_fail(ERROR_MEMORY, "no memory for what is found");
}

void erase_find_free(EraseFind *find) {
    for (size_t i = 0; i < find->n; i++)
        free(find->targets[i].record_key);
    for (size_t i = 0; i < find->n_numbers; i++)
        free(find->numbers[i]);
    free(find->targets);
    free(find->trails);
    free(find->keys);
    free(find->decided);
    PQclear(find->family);
    arena_destroy(&find->arena);
}

// ---- going over the log ---------------------------------------------------------------------------------------------

static int run(EraseFind *find, const PgStatement *statement, PgParams *params, PGresult **ret) {
    int r = pg_run(find->exchange, statement, params, ret);
    pg_params_free(params);
    return r;
}

static int look_at(EraseFind *find, const PGresult *rows, int at, Visit *visit) {
    size_t n = 0, summary_n = 0, stream_n = 0;
    const uint8_t *payload = pg_bytes(rows, at, 4, &n), *summary = pg_bytes(rows, at, 5, &summary_n);
    int format = pg_i16(rows, at, 1), r = 0;
    Row row = {.first = pg_i64(rows, at, 0), .agency = (uint32_t)pg_i32(rows, at, 2)};
    row.stream = pg_is_null(rows, at, 3) ? NULL : pg_bytes(rows, at, 3, &stream_n);
    row.stream = stream_n == STREAM_BYTES ? row.stream : NULL;
    arena_reset(find->arena);
    if (segment_decode_payload(payload, n, format, find->arena, &row.payload) != 0 ||
        segment_decode_summary(summary, summary_n, format, find->arena, &row.summary) != 0)
        return error_fail(ERROR_DATABASE, "the segment at position %" PRId64 " cannot be read", row.first);
    for (size_t i = 0; r == 0 && i < row.payload->n_entries; i++)
        r = visit(find, &row, i);
    return r;
}

static int read_some(EraseFind *find, const int64_t *firsts, int n, Visit *visit) {
    PgParams params = {0};
    RESULT rows = NULL;
    pg_param_array_begin(&params, OID_INT8, n);
    for (int i = 0; i < n; i++)
        pg_array_i64(&params, firsts[i]);
    int r = run(find, &READ, &params, &rows);
    for (int row = 0; r == 0 && row < PQntuples(rows); row++)
        if (!pg_is_null(rows, row, 4)) // trimmed meanwhile
            r = look_at(find, rows, row, visit);
    find->n_read += (uint64_t)n;
    return r;
}

static int read_page(EraseFind *find, const PGresult *page, Visit *visit) {
    int64_t firsts[READ_AT_ONCE];
    int n = 0, r = 0;
    for (int row = 0; r == 0 && row < PQntuples(page); row++) {
        size_t bytes = 0;
        const uint8_t *about = pg_is_null(page, row, 2) ? NULL : pg_bytes(page, row, 2, &bytes);
        if (about_may_hold(about, bytes, find->keys, find->n_keys))
            firsts[n++] = pg_i64(page, row, 0);
        if (n < READ_AT_ONCE)
            continue;
        r = read_some(find, firsts, n, visit);
        n = 0;
    }
    return r == 0 && n > 0 ? read_some(find, firsts, n, visit) : r;
}

// Of all segments from a position on that may hold one of the keys.
static int scan(EraseFind *find, int64_t from, Visit *visit) {
    Progress progress;
    int r = 0;
    progress_begin(&progress);
    while (r == 0) {
        PgParams params = {0};
        RESULT page = NULL;
        pg_param_i64(&params, from);
        r = run(find, &FILTERS, &params, &page);
        int n = r == 0 ? PQntuples(page) : 0;
        if (n == 0)
            break;
        r = read_page(find, page, visit);
        find->n_segments += (uint64_t)n;
        find->last_position = pg_i64(page, n - 1, 1);
        from = find->last_position + 1;
        progress_show(&progress, "looked at the log up to position", (uint64_t)from, "");
    }
    progress_end();
    return r;
}

// ---- what is taken --------------------------------------------------------------------------------------------------

static bool is_said(const Dongbo__Entry *entry) {
    return entry->kind == DONGBO__ENTRY_KIND__ENTRY_EVENT || entry->kind == DONGBO__ENTRY_KIND__ENTRY_DECISION;
}

static bool is_repeated(const Dongbo__Entry *entry) {
    return entry->kind == DONGBO__ENTRY_KIND__ENTRY_MERGER || entry->kind == DONGBO__ENTRY_KIND__ENTRY_RETOLD ||
           entry->kind == DONGBO__ENTRY_KIND__ENTRY_FOLLOWED;
}

// An earlier erasure of another event tells the record as it was left then.
static bool is_left(const Dongbo__Entry *entry) {
    return entry->kind == DONGBO__ENTRY_KIND__ENTRY_ERASURE && !entry->deleted;
}

// A person has one population record.
static bool has_record(const Dongbo__Entry *entry) {
    return entry->person != 0 && (*entry->record_key || entry->domain == DONGBO__DOMAIN__POPULATION) &&
           (entry->verdict == DONGBO__VERDICT__ACCEPTED || entry->verdict == DONGBO__VERDICT__UNCHANGED ||
            entry->verdict == DONGBO__VERDICT__SUPERSEDED);
}

// By its person, or its number.
static bool is_theirs(const EraseFind *find, const Dongbo__Entry *entry) {
    return identity_is_of(find->identity, find->family, entry->person, entry->citizen_number);
}

// NULL: nothing was decided on its event, or it is none's.
static const EraseDecided *decided_on(const EraseFind *find, const Dongbo__Entry *entry) {
    return is_said(entry) ? erase_decided_on(find, &entry->event_id) : NULL;
}

// Where its event was decided to be theirs, it may name nobody, or whom it was taken from. Who else's that is leaves
// only what says that it was theirs.
static bool is_of_citizen(const EraseFind *find, const Dongbo__Entry *entry) {
    const EraseDecided *decided = decided_on(find, entry);
    if (decided && (decided->theirs || entry->person == 0))
        return decided->theirs;
    return is_theirs(find, entry);
}

static bool is_about(const EraseFind *find, const Dongbo__Entry *entry) {
    if (!is_said(entry) && !is_repeated(entry))
        return false;
    if (!find->event_id)
        return is_of_citizen(find, entry);
    return entry->event_id.len == EVENT_ID_BYTES && memcmp(entry->event_id.data, find->event_id, EVENT_ID_BYTES) == 0;
}

// An event that came under one of their numbers, and was decided to be somebody else's.
static bool is_others(const EraseFind *find, const Dongbo__Entry *entry) {
    return !find->event_id && entry->kind == DONGBO__ENTRY_KIND__ENTRY_EVENT && entry->person == 0 &&
           decided_on(find, entry) && is_theirs(find, entry);
}

static int make_room(EraseFind *find) {
    if (find->n == TARGETS_MAX)
        return error_fail(ERROR_CONFIG, "more than %d entries of the log: too many for one order", TARGETS_MAX);
    if (find->n < find->size)
        return 0;
    size_t size = find->size ? 2 * find->size : 64;
    EraseTarget *grown = realloc(find->targets, size * sizeof *grown);
    if (!grown)
        return no_memory();
    find->targets = grown;
    find->size = size;
    return 0;
}

static int note_number(EraseFind *find, const char *number) {
    if (!*number || find->n_numbers == ERASE_NUMBERS_MAX)
        return 0;
    for (size_t i = 0; i < find->n_numbers; i++)
        if (strcmp(find->numbers[i], number) == 0)
            return 0;
    find->numbers[find->n_numbers] = strdup(number);
    return find->numbers[find->n_numbers++] ? 0 : no_memory();
}

int erase_find_add(EraseFind *find, const EraseTarget *target) {
    char *key = strdup(target->record_key);
    int r = key ? make_room(find) : no_memory();
    if (r < 0) {
        free(key);
        return r;
    }
    find->targets[find->n] = *target;
    find->targets[find->n++].record_key = key;
    find->n_events += target->is_event;
    find->kinds[(size_t)target->kind < ERASE_KINDS ? target->kind : 0]++;
    find->domains[(size_t)target->domain < ERASE_DOMAINS ? target->domain : 0]++;
    return 0;
}

static int by_position(const void *a, const void *b) {
    const EraseTarget *left = a, *right = b;
    return left->position < right->position ? -1 : left->position > right->position;
}

void erase_find_leaf(const Dongbo__SegmentSummary *summary, size_t i, EraseTarget *ret) {
    ret->has_leaf = i < summary->n_lines && summary->lines[i]->leaf.len == HASH_BYTES;
    if (ret->has_leaf)
        memcpy(ret->leaf, summary->lines[i]->leaf.data, HASH_BYTES);
}

static int take(EraseFind *find, const Row *row, size_t i, bool about) {
    const Dongbo__Entry *entry = row->payload->entries[i];
    bool said = is_said(entry) && has_record(entry) && entry->event_id.len == EVENT_ID_BYTES;
    EraseTarget target = {.position = row->first + (int64_t)i,
                          .agency = entry->agency ? entry->agency : row->agency,
                          .is_event = about && entry->kind == DONGBO__ENTRY_KIND__ENTRY_EVENT,
                          .is_said = said,
                          .tells = about && said,
                          .person = entry->person,
                          .kind = (int)entry->kind,
                          .domain = (int)entry->domain,
                          .sequence = entry->sequence,
                          .event_time_us = entry->event_time_us,
                          .record_key = entry->record_key};
    if (said)
        memcpy(target.event_id, entry->event_id.data, EVENT_ID_BYTES);
    if (row->stream)
        memcpy(target.stream, row->stream, STREAM_BYTES);
    erase_find_leaf(row->summary, i, &target);
    int r = erase_find_add(find, &target);
    return r < 0 ? r : note_number(find, entry->citizen_number);
}

static int take_said(EraseFind *find, const PGresult *rows, int row) {
    size_t n = 0, stream_n = 0, leaf_n = 0;
    const uint8_t *id = pg_bytes(rows, row, 4, &n);
    const uint8_t *stream = pg_is_null(rows, row, 6) ? NULL : pg_bytes(rows, row, 6, &stream_n);
    const uint8_t *leaf = pg_is_null(rows, row, 9) ? NULL : pg_bytes(rows, row, 9, &leaf_n);
    EraseTarget target = {.position = pg_i64(rows, row, 0),
                          .person = pg_i64(rows, row, 1),
                          .domain = pg_i16(rows, row, 2),
                          .record_key = (char *)pg_text(rows, row, 3),
                          .event_time_us = pg_i64(rows, row, 5),
                          .sequence = (uint64_t)pg_i64(rows, row, 7),
                          .agency = (uint32_t)pg_i32(rows, row, 8),
                          .kind = stream ? DONGBO__ENTRY_KIND__ENTRY_EVENT : DONGBO__ENTRY_KIND__ENTRY_DECISION,
                          .is_event = stream_n == STREAM_BYTES,
                          .has_leaf = leaf_n == HASH_BYTES,
                          .is_said = true,
                          .tells = true,
                          .is_again = true};
    memcpy(target.event_id, id, EVENT_ID_BYTES); // the table holds that it is as long
    if (stream && target.is_event)
        memcpy(target.stream, stream, STREAM_BYTES);
    if (leaf && target.has_leaf)
        memcpy(target.leaf, leaf, HASH_BYTES);
    return erase_find_add(find, &target);
}

void erase_find_param_family(const EraseFind *find, PgParams *params) {
    pg_param_array_begin(params, OID_INT8, PQntuples(find->family));
    for (int row = 0; row < PQntuples(find->family); row++)
        pg_array_i64(params, pg_i64(find->family, row, 0));
}

static int find_said(EraseFind *find) {
    PgParams params = {0};
    RESULT rows = NULL;
    if (find->event_id)
        pg_param_bytes(&params, find->event_id, EVENT_ID_BYTES);
    else
        pg_param_null(&params);
    erase_find_param_family(find, &params);
    int r = run(find, &SAID, &params, &rows);
    for (int row = 0; r == 0 && row < PQntuples(rows); row++)
        r = take_said(find, rows, row);
    return r;
}

static int visit_about(EraseFind *find, const Row *row, size_t i) {
    const Dongbo__Entry *entry = row->payload->entries[i];
    if (is_about(find, entry))
        return take(find, row, i, true);
    find->n_others += is_others(find, entry);
    return 0;
}

// ---- what tells of it later -----------------------------------------------------------------------------------------

static int by_hash(const void *a, const void *b) {
    const EraseTrail *left = a, *right = b;
    return left->hash < right->hash ? -1 : left->hash > right->hash;
}

static void sort(EraseFind *find) {
    if (find->n > 0)
        qsort(find->targets, find->n, sizeof *find->targets, by_position);
}

static bool is_taken(const EraseFind *find, int64_t position) {
    const EraseTarget wanted = {.position = position};
    return bsearch(&wanted, find->targets, find->n_before, sizeof wanted, by_position) != NULL;
}

// What was told of a record behind a word in it, and before that was taken out, holds that word.
static bool tells_of(const EraseFind *find, const Dongbo__Entry *entry, int64_t position) {
    uint64_t hash = record_hash(entry->person, (int)entry->domain, entry->record_key);
    size_t from = 0, to = find->n_trails;
    while (from < to) {
        size_t half = from + (to - from) / 2;
        if (find->trails[half].hash < hash)
            from = half + 1;
        else
            to = half;
    }
    for (; from < find->n_trails && find->trails[from].hash == hash; from++) {
        const EraseTrail *trail = &find->trails[from];
        if (trail->person == entry->person && trail->domain == (int)entry->domain &&
            strcmp(trail->record_key, entry->record_key) == 0 && position > trail->from &&
            (trail->tombstone == 0 || position < trail->tombstone))
            return true;
    }
    return false;
}

static int visit_repeats(EraseFind *find, const Row *row, size_t i) {
    const Dongbo__Entry *entry = row->payload->entries[i];
    int64_t position = row->first + (int64_t)i;
    bool tells = (is_said(entry) || is_repeated(entry) || is_left(entry)) && entry->body.len > 0;
    if (!tells || !tells_of(find, entry, position) || is_taken(find, position))
        return 0;
    return take(find, row, i, false);
}

static int read_ways(EraseFind *find, PGresult **ret) {
    PgParams params = {0};
    pg_param_array_begin(&params, OID_INT8, (int)find->n);
    for (size_t i = 0; i < find->n; i++)
        pg_array_i64(&params, find->targets[i].tells ? find->targets[i].person : 0);
    return run(find, &WAYS, &params, ret);
}

static int make_trails(EraseFind *find) {
    RESULT ways = NULL;
    int r = read_ways(find, &ways);
    size_t n = r == 0 ? (size_t)PQntuples(ways) : 0;
    free(find->trails);
    free(find->keys);
    find->trails = calloc(n + 1, sizeof *find->trails);
    find->keys = calloc(n + 1, sizeof *find->keys);
    find->n_trails = find->n_keys = 0;
    if (r < 0 || !find->trails || !find->keys)
        return r < 0 ? r : no_memory();
    for (int row = 0; row < (int)n; row++) {
        const EraseTarget *target = &find->targets[pg_i64(ways, row, 0) - 1];
        int64_t person = pg_i64(ways, row, 1), since = pg_i64(ways, row, 2);
        if (!target->tells)
            continue;
        find->keys[find->n_keys++] = about_person(person);
        find->trails[find->n_trails++] = (EraseTrail){.hash = record_hash(person, target->domain, target->record_key),
                                                      .person = person,
                                                      .from = since > target->position ? since : target->position,
                                                      .tombstone = target->tombstone,
                                                      .domain = target->domain,
                                                      .record_key = target->record_key};
    }
    qsort(find->trails, find->n_trails, sizeof *find->trails, by_hash);
    return 0;
}

static int find_repeats(EraseFind *find, int64_t from) {
    int r = make_trails(find);
    find->n_before = find->n;
    if (r == 0 && find->n_trails > 0)
        r = scan(find, from, visit_repeats);
    sort(find);
    return r;
}

// ---- all of it ------------------------------------------------------------------------------------------------------

static int add_keys(EraseFind *find) {
    int n_family = PQntuples(find->family), n_numbers = find->identity ? PQntuples(find->identity->numbers) : 0;
    find->keys = calloc((size_t)(2 * n_family + n_numbers) + find->n_decided + 2, sizeof *find->keys);
    if (!find->keys)
        return no_memory();
    if (find->event_id) {
        find->keys[find->n_keys++] = about_event(find->event_id);
        return 0;
    }
    find->keys[find->n_keys++] = about_number(find->identity->number);
    for (int row = 0; row < n_numbers; row++)
        find->keys[find->n_keys++] = about_number(pg_text(find->identity->numbers, row, 0));
    for (int row = 0; row < n_family; row++) {
        find->keys[find->n_keys++] = about_person(pg_i64(find->family, row, 0));
        if (*pg_text(find->family, row, 1))
            find->keys[find->n_keys++] = about_number(pg_text(find->family, row, 1));
    }
    for (size_t i = 0; i < find->n_decided; i++)
        if (find->decided[i].theirs)
            find->keys[find->n_keys++] = about_event(find->decided[i].event_id);
    return 0;
}

static int visit_bearers(EraseFind *find, const Row *row, size_t i) {
    const Dongbo__Entry *entry = row->payload->entries[i];
    if (entry->person == 0 || strcmp(entry->citizen_number, find->identity->number) != 0)
        return 0;
    for (size_t n = 0; n < find->n_bearers; n++)
        if (find->bearers[n] == entry->person)
            return 0;
    if (find->n_bearers < ERASE_BEARERS_MAX)
        find->bearers[find->n_bearers++] = entry->person;
    return 0;
}

// The log says who had a number that nobody has by the population store. More than one may have had it.
static int find_bearers(EraseFind *find) {
    AboutKey key = about_number(find->identity->number);
    find->keys = &key;
    find->n_keys = 1;
    int r = scan(find, 1, visit_bearers);
    find->keys = NULL;
    find->n_keys = 0;
    if (r == 0 && find->n_bearers > 0)
        r = identity_find_family(find->exchange, find->bearers[0], &find->family);
    for (size_t i = 1; r == 0 && i < find->n_bearers; i++)
        if (!identity_is_of(find->identity, find->family, find->bearers[i], ""))
            r = error_fail(ERROR_CONFIG, "more than one person had this number, and nobody has it now: say another "
                                         "number of theirs, or --event");
    return r;
}

// Whoever the population store does not know may have gone under that number, or be known to the log alone.
static int read_family(EraseFind *find) {
    int64_t person = find->identity->person;
    int r = person ? 0 : disclosure_find_person(find->exchange, find->identity->number, &person);
    if (r == 0 && person == 0)
        return find_bearers(find);
    return r < 0 ? r : identity_find_family(find->exchange, person, &find->family);
}

int erase_find(EraseFind *find) {
    int r = arena_new(&find->arena, ARENA_BYTES);
    if (r == 0 && !find->event_id)
        r = read_family(find);
    if (r == 0 && !find->event_id)
        r = erase_decided_read(find);
    if (r == 0)
        r = add_keys(find);
    if (r == 0)
        r = scan(find, 1, visit_about);
    if (r == 0)
        r = find_said(find);
    if (r == 0 && !find->event_id)
        r = erase_trimmed(find);
    sort(find);
    return r == 0 && find->n > 0 ? find_repeats(find, find->targets[0].position) : r;
}

static int read_tombstones(EraseFind *find) {
    PgParams params = {0};
    RESULT rows = NULL;
    pg_param_array_begin(&params, OID_INT8, (int)find->n);
    for (size_t i = 0; i < find->n; i++)
        pg_array_i64(&params, find->targets[i].position);
    int r = run(find, &TOMBSTONES, &params, &rows);
    for (int row = 0; r == 0 && row < PQntuples(rows); row++)
        find->targets[pg_i64(rows, row, 0) - 1].tombstone = pg_i64(rows, row, 1);
    return r;
}

int erase_find_since(EraseFind *find, size_t *ret) {
    size_t before = find->n;
    int r = read_tombstones(find);
    if (r == 0)
        r = find_repeats(find, find->last_position + 1);
    *ret = find->n - before;
    return r;
}

// 1 when there is none.
static int find_said_event(Pg *exchange, int64_t position, uint8_t ret[EVENT_ID_BYTES]) {
    static const PgStatement ID = {"erase_said_at", "SELECT event_id FROM exchange.erased_entry WHERE position = $1", 1,
                                   NULL};
    PgParams params = {0};
    RESULT rows = NULL;
    size_t n = 0;
    pg_param_i64(&params, position);
    int r = pg_run(exchange, &ID, &params, &rows);
    pg_params_free(&params);
    if (r < 0 || PQntuples(rows) == 0)
        return r < 0 ? r : 1;
    memcpy(ret, pg_bytes(rows, 0, 0, &n), EVENT_ID_BYTES);
    return 0;
}

int erase_find_event(Pg *exchange, int64_t position, uint8_t ret[EVENT_ID_BYTES]) {
    static const PgStatement AT = {
        "erase_at",
        "SELECT first_position, format, payload FROM exchange.segment WHERE first_position = "
        "(SELECT max(first_position) FROM exchange.segment WHERE first_position <= $1)",
        1, NULL};
    CLEANUP(arena_destroy) Arena *arena = NULL;
    RESULT rows = NULL;
    PgParams params = {0};
    Dongbo__SegmentPayload *payload = NULL;
    size_t n = 0;
    pg_param_i64(&params, position);
    int r = pg_run(exchange, &AT, &params, &rows);
    pg_params_free(&params);
    if (r == 0)
        r = arena_new(&arena, ARENA_BYTES);
    if (r < 0)
        return r;
    if (PQntuples(rows) > 0 && !pg_is_null(rows, 0, 2)) {
        const uint8_t *data = pg_bytes(rows, 0, 2, &n);
        if (segment_decode_payload(data, n, pg_i16(rows, 0, 1), arena, &payload) != 0)
            payload = NULL;
    }
    size_t at = payload ? (size_t)(position - pg_i64(rows, 0, 0)) : 0;
    const Dongbo__Entry *entry = payload && at < payload->n_entries ? payload->entries[at] : NULL;
    if (entry && entry->event_id.len == 0 && find_said_event(exchange, position, ret) == 0)
        return 0;
    if (!entry || !is_said(entry) || entry->event_id.len != EVENT_ID_BYTES)
        return error_fail(ERROR_CONFIG,
                          "at position %" PRId64 " the log holds no event, or holds it no longer; what was let go "
                          "(`log trim`) is found by --citizen",
                          position);
    memcpy(ret, entry->event_id.data, EVENT_ID_BYTES);
    return 0;
}
