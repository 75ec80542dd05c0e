// SPDX-License-Identifier: Apache-2.0
//
// `dongbo erase`: finds what the log holds of an event, or of a citizen, and says what would go. With --yes it asks
// brokers for tombstones, waits until they stand in the log, and takes the content away (erasure.h).
#include "broker/segment.h"
#include "operators/commands.h"
#include "operators/commits.h"
#include "operators/erasure.h"
#include "operators/identity.h"
#include "operators/progress.h"
#include "operators/result.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_BYTES ((size_t)256 * 1024 * 1024)
#define TARGETS_MAX 100000
#define ORDER_BYTES_MAX 200
#define WAIT_MS 60000
#define LOOK_MS 500

static const char NOTES[] =
    "What goes, salts and all: the events in their signed batches, the log's entries about them and those that repeat\n"
    "their records, what they said in record versions, and what was kept to decide them. Committees are told the records\n"
    "as they are without them, or that they are gone. What stays: hashes, signatures and verdicts, so that every proof\n"
    "holds, and a tombstone in the log for each entry, with the order and who carried it out.\n"
    "Nothing is done without --yes. There is no way back but a backup, which the order may concern, too.\n"
    "Population events cannot be erased here: they are the population store's own. What was told of somebody who was\n"
    "merged into another since is refused as a whole: their word stands in the other's record now.\n";

typedef struct Target {
    int64_t position;
    bool is_event, tells; // an event of its batch; one whose word stands in a record
    uint8_t stream[STREAM_BYTES], leaf[HASH_BYTES], event_id[EVENT_ID_BYTES];
    bool has_leaf;
    uint64_t sequence;
    uint32_t agency;
    int64_t person, event_time_us;
    int domain;
    char *record_key;
} Target;

typedef struct Erasing {
    Pg *exchange;
    const char *event, *citizen, *order, *by;
    bool yes;
    long long expect; // entries; -1: not said
    uint8_t event_id[EVENT_ID_BYTES];
    int64_t from;
    Identity identity;
    Arena *arena;
    Target *targets;
    size_t n, size, n_events, n_population;
} Erasing;

static void erasing_free(Erasing *erasing) {
    for (size_t i = 0; i < erasing->n; i++)
        free(erasing->targets[i].record_key);
    free(erasing->targets);
    arena_destroy(&erasing->arena);
    identity_free(&erasing->identity);
}

// ---- finding --------------------------------------------------------------------------------------------------------

static const PgStatement PAGE = {
    "erase_page",
    "SELECT first_position, format, coalesce(agency, 0), stream, payload, summary, last_position FROM exchange.segment "
    "WHERE first_position >= coalesce((SELECT max(first_position) FROM exchange.segment WHERE first_position <= $1), 0) "
    "AND last_position >= $1 AND payload IS NOT NULL ORDER BY first_position LIMIT 32",
    1, NULL};

static bool is_about(const Erasing *erasing, const Dongbo__Entry *entry) {
    if (erasing->citizen)
        return (erasing->identity.person && entry->person == erasing->identity.person) ||
               identity_has_number(&erasing->identity, entry->citizen_number);
    return entry->event_id.len == EVENT_ID_BYTES &&
           memcmp(entry->event_id.data, erasing->event_id, EVENT_ID_BYTES) == 0;
}

static bool is_said(const Dongbo__Entry *entry) {
    return entry->kind == DONGBO__ENTRY_KIND__ENTRY_EVENT || entry->kind == DONGBO__ENTRY_KIND__ENTRY_DECISION;
}

static bool is_repeated(const Dongbo__Entry *entry) {
    return entry->kind == DONGBO__ENTRY_KIND__ENTRY_MERGER || entry->kind == DONGBO__ENTRY_KIND__ENTRY_RETOLD ||
           entry->kind == DONGBO__ENTRY_KIND__ENTRY_FOLLOWED;
}

static bool has_record(const Dongbo__Entry *entry) {
    return entry->person != 0 && *entry->record_key && entry->domain != DONGBO__DOMAIN__POPULATION &&
           (entry->verdict == DONGBO__VERDICT__ACCEPTED || entry->verdict == DONGBO__VERDICT__UNCHANGED ||
            entry->verdict == DONGBO__VERDICT__SUPERSEDED);
}

// What was told of a record later holds what the event said of it, too.
static bool repeats(const Erasing *erasing, const Dongbo__Entry *entry) {
    if ((!is_said(entry) && !is_repeated(entry)) || entry->body.len == 0)
        return false;
    for (size_t i = 0; i < erasing->n; i++) {
        const Target *target = &erasing->targets[i];
        if (target->tells && target->person == entry->person && target->domain == (int)entry->domain &&
            strcmp(target->record_key, entry->record_key) == 0)
            return true;
    }
    return false;
}

static Target *add_target(Erasing *erasing) {
    if (erasing->n == TARGETS_MAX) {
        error_fail(ERROR_CONFIG, "more than %d entries of the log: too many for one order", TARGETS_MAX);
        return NULL;
    }
    if (erasing->n == erasing->size) {
        size_t size = erasing->size ? 2 * erasing->size : 64;
        Target *grown = realloc(erasing->targets, size * sizeof *grown);
        if (!grown) {
            error_fail(ERROR_MEMORY, "no memory for what is found");
            return NULL;
        }
        erasing->targets = grown;
        erasing->size = size;
    }
    Target *target = &erasing->targets[erasing->n];
    *target = (Target){0};
    return target;
}

typedef struct Row {
    const PGresult *rows;
    int row;
    Dongbo__SegmentPayload *payload;
    Dongbo__SegmentSummary *summary;
} Row;

static int take(Erasing *erasing, const Row *row, size_t i, bool about) {
    const Dongbo__Entry *entry = row->payload->entries[i];
    size_t n = 0;
    Target *target = add_target(erasing);
    if (!target)
        return ERROR_CONFIG;
    target->record_key = strdup(entry->record_key);
    if (!target->record_key)
        return error_fail(ERROR_MEMORY, "no memory for what is found");
    erasing->n++;
    target->position = pg_i64(row->rows, row->row, 0) + (int64_t)i;
    target->agency = entry->agency ? entry->agency : (uint32_t)pg_i32(row->rows, row->row, 2);
    target->is_event = about && entry->kind == DONGBO__ENTRY_KIND__ENTRY_EVENT;
    target->tells = about && is_said(entry) && has_record(entry) && entry->event_id.len == EVENT_ID_BYTES;
    target->person = entry->person;
    target->domain = (int)entry->domain;
    target->sequence = entry->sequence;
    target->event_time_us = entry->event_time_us;
    if (target->tells)
        memcpy(target->event_id, entry->event_id.data, EVENT_ID_BYTES);
    const uint8_t *stream = pg_is_null(row->rows, row->row, 3) ? NULL : pg_bytes(row->rows, row->row, 3, &n);
    if (n == STREAM_BYTES)
        memcpy(target->stream, stream, STREAM_BYTES);
    if (i < row->summary->n_lines && row->summary->lines[i]->leaf.len == HASH_BYTES) {
        memcpy(target->leaf, row->summary->lines[i]->leaf.data, HASH_BYTES);
        target->has_leaf = true;
    }
    erasing->n_events += target->is_event;
    return 0;
}

static int look_at(Erasing *erasing, Row *row) {
    size_t n = 0, summary_n = 0;
    const uint8_t *payload = pg_bytes(row->rows, row->row, 4, &n);
    const uint8_t *summary = pg_bytes(row->rows, row->row, 5, &summary_n);
    int format = pg_i16(row->rows, row->row, 1), r = 0;
    arena_reset(erasing->arena);
    if (segment_decode_payload(payload, n, format, erasing->arena, &row->payload) != 0 ||
        segment_decode_summary(summary, summary_n, format, erasing->arena, &row->summary) != 0)
        return error_fail(ERROR_DATABASE, "the segment at position %" PRId64 " cannot be read",
                          pg_i64(row->rows, row->row, 0));
    for (size_t i = 0; r == 0 && i < row->payload->n_entries; i++) {
        const Dongbo__Entry *entry = row->payload->entries[i];
        bool about = (is_said(entry) || is_repeated(entry)) && is_about(erasing, entry);
        if (about && entry->domain == DONGBO__DOMAIN__POPULATION)
            erasing->n_population++;
        else if (about || repeats(erasing, entry))
            r = take(erasing, row, i, about);
    }
    return r;
}

static int read_page(Erasing *erasing, int64_t from, PGresult **ret) {
    PgParams params = {0};
    pg_param_i64(&params, from);
    int r = pg_run(erasing->exchange, &PAGE, &params, ret);
    pg_params_free(&params);
    return r;
}

static int find_targets(Erasing *erasing) {
    Progress progress;
    int r = 0;
    progress_begin(&progress);
    for (int64_t from = erasing->from; r == 0;) {
        RESULT rows = NULL;
        r = read_page(erasing, from, &rows);
        int n = r == 0 ? PQntuples(rows) : 0;
        for (Row row = {.rows = rows}; r == 0 && row.row < n; row.row++)
            r = look_at(erasing, &row);
        if (n == 0)
            break;
        from = pg_i64(rows, n - 1, 6) + 1;
        progress_show(&progress, "looked at the log up to position", (uint64_t)from, "");
    }
    progress_end();
    return r;
}

// The event at a position, by whose id all that is about it is found.
static int find_event(Erasing *erasing, int64_t position) {
    RESULT rows = NULL;
    int r = read_page(erasing, position, &rows);
    int64_t first = r == 0 && PQntuples(rows) > 0 ? pg_i64(rows, 0, 0) : position + 1;
    size_t n = 0, at = (size_t)(position - first);
    Dongbo__SegmentPayload *payload = NULL;
    if (r == 0 && first <= position) {
        const uint8_t *data = pg_bytes(rows, 0, 4, &n);
        if (segment_decode_payload(data, n, pg_i16(rows, 0, 1), erasing->arena, &payload) != 0)
            payload = NULL;
    }
    if (r < 0)
        return r;
    const Dongbo__Entry *entry = payload && at < payload->n_entries ? payload->entries[at] : NULL;
    if (!entry || !is_said(entry) || entry->event_id.len != EVENT_ID_BYTES)
        return error_fail(ERROR_CONFIG, "at position %" PRId64 " the log holds no event, or holds it no longer",
                          position);
    memcpy(erasing->event_id, entry->event_id.data, EVENT_ID_BYTES);
    return 0;
}

static int find(Desk *desk, Erasing *erasing) {
    char *end = NULL;
    int r = 0;
    if (erasing->citizen)
        r = identity_find(desk, &erasing->identity);
    else if (hex_decode(erasing->event, erasing->event_id, EVENT_ID_BYTES) != 0) {
        long long position = strtoll(erasing->event, &end, 10);
        if (*end || position < 1)
            return error_fail(ERROR_CONFIG, "--event: an event's id (32 hexadecimal digits) or its position");
        r = find_event(erasing, position);
    }
    return r < 0 ? r : find_targets(erasing);
}

// ---- asking for it --------------------------------------------------------------------------------------------------

static const PgStatement INSERT = {
    "erase_insert",
    "INSERT INTO exchange.erasure (position, ordered, agency, leaf, stream, sequence, person, domain, record_key, "
    "event_id, event_time_us) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING",
    11, NULL};
static const PgStatement MERGED = {
    "erase_merged", "SELECT count(*) FROM unnest($1::bigint[]) AS t (person) JOIN exchange.seen_link USING (person)", 1,
    NULL};
static const PgStatement WAITING = {"erase_waiting",
                                    "SELECT count(*) FROM exchange.erasure WHERE logged_position IS NULL", 0, NULL};

// A record that went over to another person took the word with it, where nothing of this would look for it.
static int refuse_merged(const Erasing *erasing) {
    PgParams params = {0};
    RESULT found = NULL;
    pg_param_array_begin(&params, OID_INT8, (int)erasing->n);
    for (size_t i = 0; i < erasing->n; i++)
        pg_array_i64(&params, erasing->targets[i].tells ? erasing->targets[i].person : 0);
    int r = pg_run(erasing->exchange, &MERGED, &params, &found);
    pg_params_free(&params);
    int64_t n = r == 0 ? pg_i64(found, 0, 0) : 0;
    if (r == 0 && n > 0)
        return error_fail(ERROR_CONFIG,
                          "%" PRId64 " of these entries are of a person who was merged into another since, and their "
                          "word stands in the other's record now: dongbo cannot take it out of there. Nothing was done",
                          n);
    return r;
}

static void param_bytes_if(PgParams *params, bool there, const uint8_t *data, size_t n) {
    if (there)
        pg_param_bytes(params, data, n);
    else
        pg_param_null(params);
}

static void param_i64_if(PgParams *params, bool there, int64_t value) {
    if (there)
        pg_param_i64(params, value);
    else
        pg_param_null(params);
}

static int insert(const Erasing *erasing, const Target *target, const char *ordered) {
    PgParams params = {0};
    pg_param_i64(&params, target->position);
    pg_param_text(&params, ordered);
    pg_param_i32(&params, (int32_t)target->agency);
    param_bytes_if(&params, target->has_leaf, target->leaf, HASH_BYTES);
    param_bytes_if(&params, target->is_event, target->stream, STREAM_BYTES);
    param_i64_if(&params, target->is_event, (int64_t)target->sequence);
    param_i64_if(&params, target->tells, target->person);
    if (target->tells)
        pg_param_i16(&params, (int16_t)target->domain);
    else
        pg_param_null(&params);
    if (target->tells)
        pg_param_text(&params, target->record_key);
    else
        pg_param_null(&params);
    param_bytes_if(&params, target->tells, target->event_id, EVENT_ID_BYTES);
    param_i64_if(&params, target->tells, target->event_time_us);
    int r = pg_run(erasing->exchange, &INSERT, &params, NULL);
    pg_params_free(&params);
    return r;
}

static int ask(const Erasing *erasing) {
    char ordered[ORDER_BYTES_MAX + 1];
    snprintf(ordered, sizeof ordered, "%s%s%s", erasing->order, erasing->by ? ", by " : "",
             erasing->by ? erasing->by : "");
    int r = pg_command(erasing->exchange, "BEGIN");
    for (size_t i = 0; r == 0 && i < erasing->n; i++)
        r = insert(erasing, &erasing->targets[i], ordered);
    return r < 0 ? r : pg_command(erasing->exchange, "COMMIT");
}

static int wait_for_tombstones(const Erasing *erasing) {
    int64_t until_ms = clock_monotonic_ms(clock_system()) + WAIT_MS;
    int r = commits_listen(erasing->exchange);
    while (r == 0) {
        RESULT waiting = NULL;
        r = pg_run(erasing->exchange, &WAITING, NULL, &waiting);
        if (r < 0 || pg_i64(waiting, 0, 0) == 0)
            return r;
        if (clock_monotonic_ms(clock_system()) > until_ms)
            return error_fail(ERROR_PEER,
                              "no broker has logged the tombstones within %d s: see that one runs, and say "
                              "the same again; nothing was erased yet",
                              WAIT_MS / 1000);
        r = commits_wait(erasing->exchange, -1, LOOK_MS);
    }
    return r;
}

// ---- the command ----------------------------------------------------------------------------------------------------

static void say_what(const Erasing *erasing) {
    printf("%s: %zu entries of the log, of which %zu are events", erasing->yes ? "to be erased" : "would be erased",
           erasing->n, erasing->n_events);
    if (erasing->n > 0)
        printf("; positions %" PRId64 " to %" PRId64, erasing->targets[0].position,
               erasing->targets[erasing->n - 1].position);
    printf("\n");
    if (erasing->n_population)
        printf("%zu population events stay: they are the population store's own\n", erasing->n_population);
}

static int carry_out(Desk *desk, const Erasing *erasing) {
    uint64_t n = 0;
    int r = ask(erasing);
    if (r == 0)
        r = wait_for_tombstones(erasing);
    if (r == 0)
        r = erasure_take_away(desk, &n);
    if (r == 0)
        printf("erased %" PRIu64 " entries; a tombstone of each stands in the log\n", n);
    return r;
}

static int erase(Desk *desk, Erasing *erasing) {
    int r = erasing->citizen ? identity_read_number(erasing->citizen, erasing->identity.number) : 0;
    if (r == 0)
        r = desk_exchange(desk, &erasing->exchange);
    if (r == 0)
        r = arena_new(&erasing->arena, ARENA_BYTES);
    if (r == 0)
        r = find(desk, erasing);
    if (r < 0)
        return r;
    if (erasing->n == 0 && erasing->n_population > 0)
        return error_fail(ERROR_CONFIG, "a population event cannot be erased here: it is the population store's own");
    say_what(erasing);
    r = refuse_merged(erasing);
    if (r == 0 && !erasing->yes)
        printf("nothing was done: say --yes --expect %zu to do it\n", erasing->n);
    if (r < 0 || !erasing->yes)
        return r;
    if (erasing->expect >= 0 && (uint64_t)erasing->expect != erasing->n)
        return error_fail(ERROR_CONFIG, "--expect %lld: there are %zu entries now, and nothing was done",
                          erasing->expect, erasing->n);
    return carry_out(desk, erasing);
}

int erase_run(Desk *desk, int argc, char **argv) {
    CLEANUP(erasing_free) Erasing erasing = {.expect = -1, .from = 1};
    int operand = 0;
    const Option options[] = {
        {"event", 0, OPTION_TEXT, "ID|POSITION", "all that is about this event", &erasing.event},
        {"citizen", 0, OPTION_TEXT, "NUMBER|-", "all that is about this citizen, under any number", &erasing.citizen},
        {"order", 0, OPTION_TEXT, "TEXT", "by which law or order; it stands in the log", &erasing.order},
        {"by", 0, OPTION_TEXT, "NAME", "who ordered it, beside the login that does it", &erasing.by},
        {"yes", 0, OPTION_FLAG, NULL, "do it; without this, only say what would go", &erasing.yes},
        {"expect", 0, OPTION_INT, "N", "refuse unless it is so many entries", &erasing.expect},
        {0}};
    int r = desk_parse_noted(desk, options, NOTES, argc, argv, &operand);
    if (r != 0)
        return r < 0 ? r : 0;
    if (!erasing.event == !erasing.citizen)
        return error_fail(ERROR_CONFIG, "erase needs --event or --citizen, one of them");
    if (erasing.yes && (!erasing.order || strspn(erasing.order, " ") == strlen(erasing.order)))
        return error_fail(ERROR_CONFIG, "erase needs --order: by which law or order; it stands in the log for good");
    if (erasing.order && strlen(erasing.order) + (erasing.by ? strlen(erasing.by) + 5 : 0) > ORDER_BYTES_MAX)
        return error_fail(ERROR_CONFIG, "--order and --by together have %d bytes at most", ORDER_BYTES_MAX);
    return erase(desk, &erasing);
}
