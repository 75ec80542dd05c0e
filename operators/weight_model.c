// SPDX-License-Identifier: Apache-2.0
//
// `dongbo model`: learns from each agency's newest events how often the right person shows each level of likeness, and
// keeps it as a numbered model that brokers use from then on (broker/weights.h). Each person counts once for an agency.
// The same log and population give the same model. Tells of no citizen.
#include "broker/decide.h"
#include "broker/lookup.h"
#include "broker/segment.h"
#include "broker/touched.h"
#include "broker/weights.h"
#include "operators/columns.h"
#include "operators/commands.h"
#include "operators/policy.h"
#include "operators/progress.h"
#include "operators/result.h"
#include "operators/trimmed.h"
#include "proto/base/log.h"
#include "proto/merkle.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_BYTES ((size_t)128 * 1024 * 1024)
#define EVENTS_MAX 20000  // that are looked at of an agency, the newest
#define SEGMENTS_MAX 4000 // ... and in how many batches of it
#define AGENCIES_MAX 256

static const char NOTES[] =
    "Of each agency the newest events (20,000 at most) are looked at whose number leads to somebody, whatever was\n"
    "decided on them; each citizen counts once. A name counts where birth date and sex agree, a birth date where name\n"
    "and sex do, and so on: no field by itself. Of fewer than 50 events of a field the shipped weights are kept.\n"
    "Whatever was learnt, nobody's evidence is ever further than one bit from what the shipped weights give.\n";

#define PAGE_STATEMENT                                                                                                 \
    "SELECT first_position, batch, last_position FROM exchange.segment WHERE first_position < $1 AND agency = $2 "     \
    "AND kind = 1 AND batch IS NOT NULL ORDER BY first_position DESC LIMIT 8"
static const PgStatement PAGE = {"model_page", PAGE_STATEMENT, 2, NULL};
static const PgStatement AGENCIES = {"model_agencies",
                                     "SELECT agency, code FROM exchange.agency ORDER BY code COLLATE \"C\"", 0, NULL};
static const PgStatement BEARERS = {
    "model_bearers",
    "SELECT n.i, c.person, c.citizen_number, c.full_name, c.birth_date, c.sex, c.residence_province, "
    "c.residence_province63, c.mother_name, c.father_name FROM unnest($1::text[]) WITH ORDINALITY AS n(number, i) "
    "JOIN population.citizen c ON c.citizen_number = n.number ORDER BY n.i",
    1, NULL};
static const PgStatement SAME = {
    "model_same",
    "SELECT model FROM exchange.weight_model WHERE model = (SELECT max(model) FROM exchange.weight_model) "
    "AND version = $1 AND sha256 = $2",
    2, NULL};
static const PgStatement KEEP = {
    "model_keep",
    "WITH made AS (INSERT INTO exchange.weight_model (version, position, events, sha256) VALUES ($1, $2, $3, $4) "
    "RETURNING model), kept AS (INSERT INTO exchange.weight (model, agency, field, level, n, bits) "
    "SELECT made.model, w.* FROM made, unnest($5::integer[], $6::smallint[], $7::smallint[], $8::bigint[], "
    "$9::integer[]) w) SELECT model FROM made",
    9, NULL};
static const PgStatement LIST = {
    "model_list",
    "SELECT m.model, to_char(m.made_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), m.made_by, m.position, "
    "m.events, encode(m.sha256, 'hex'), m.version, (SELECT count(DISTINCT w.agency) FROM exchange.weight w "
    "WHERE w.model = m.model) FROM exchange.weight_model m ORDER BY m.model",
    0, NULL};
static const PgStatement SHOW = {
    "model_show",
    "SELECT m.version, m.sha256, a.code, w.field, w.level, w.n, w.bits FROM exchange.weight_model m "
    "LEFT JOIN exchange.weight w USING (model) LEFT JOIN exchange.agency a USING (agency) "
    "WHERE m.model = CASE WHEN $1::bigint = 0 THEN (SELECT max(model) FROM exchange.weight_model) ELSE $1::bigint END "
    "ORDER BY a.code COLLATE \"C\", w.field, w.level",
    1, NULL};

// One line of a model.
typedef struct Line {
    uint32_t agency;
    const char *code;
    int field, level;
    int64_t n;
    int32_t bits;
} Line;

typedef struct Learning {
    Pg *exchange, *population;
    const Rules *rules;
    bool shipped;  // learn nothing
    Touched *seen; // persons, of one agency
    Work work;
    Agency agency;
    WeightCounts counts;
    int64_t events, position; // of all agencies; the log's head
    PGresult *agencies;
    Line lines[AGENCIES_MAX * SEARCH_FIELDS * SEARCH_LEVELS];
    size_t n;
    Bytes text; // as it is shown
    uint8_t sha256[HASH_BYTES];
    Progress progress;
} Learning;

static void learning_free(Learning **pointer) {
    Learning *learning = *pointer;
    if (!learning)
        return;
    touched_destroy(&learning->seen);
    arena_destroy(&learning->work.arena);
    PQclear(learning->agencies);
    bytes_free(&learning->text);
    free(learning);
}

// ---- the text -------------------------------------------------------------------------------------------------------

static void append_head(Bytes *text, int version) {
    char line[64];
    snprintf(line, sizeof line, "dongbo weights %d\n", version);
    bytes_append_text(text, line);
}

static void append_line(Bytes *text, const Line *line) {
    char out[128];
    snprintf(out, sizeof out, "%s %s \"%s\" %" PRId64 " %d\n", line->code, search_field_name(line->field),
             search_level_name(line->level), line->n, line->bits);
    bytes_append_text(text, out);
}

static int hash_text(const Bytes *text, uint8_t out[HASH_BYTES]) {
    CLEANUP(merkle_destroy) Merkle *merkle = NULL;
    if (text->failed)
        return error_fail(ERROR_MEMORY, "no memory for a model");
    int r = merkle_new(&merkle);
    if (r == 0)
        merkle_sha256(merkle, text->data, text->n, out);
    return r;
}

// ---- one batch ------------------------------------------------------------------------------------------------------

static bool is_counted(const Item *item) {
    return item->event && item->event->subject && item->domain != DONGBO__DOMAIN__POPULATION &&
           verify_is_number(item->claimed_number);
}

static int find_bearers(Learning *learning, PGresult **ret) {
    const Work *work = &learning->work;
    PgParams params = {0};
    pg_param_array_begin(&params, OID_TEXT, (int)work->n_items);
    for (size_t i = 0; i < work->n_items; i++) {
        const char *number = is_counted(&work->items[i]) ? work->items[i].claimed_number : "";
        pg_array_text(&params, number, strlen(number));
    }
    int r = pg_run(learning->population, &BEARERS, &params, ret);
    pg_params_free(&params);
    return r;
}

static void count_event(Learning *learning, const Item *item, const PGresult *rows, int row) {
    const SearchCandidate bearer = {.person = {.key = pg_i64(rows, row, 1),
                                               .citizen_number = pg_text(rows, row, 2),
                                               .full_name = pg_text(rows, row, 3),
                                               .birth_date = pg_text(rows, row, 4),
                                               .sex = pg_text(rows, row, 5),
                                               .residence_province = pg_text(rows, row, 6),
                                               .residence_province63 = pg_text(rows, row, 7)},
                                    .mother_name = pg_text(rows, row, 8),
                                    .father_name = pg_text(rows, row, 9)};
    const SearchQuestion question = {
        .subject = item->event->subject, .number = item->claimed_number, .number_of = bearer.person.key};
    uint8_t level[SEARCH_FIELDS];
    uint64_t person = record_hash(bearer.person.key, 0, "");
    if (learning->counts.events == EVENTS_MAX || touched_last(learning->seen, person) != 0)
        return;
    touched_add(learning->seen, person, 1);
    search_levels(&question, &bearer, level);
    weights_count(&learning->counts, level);
}

// An unreadable batch says nothing, nor does one that holds more than it was signed for.
static int count_batch(Learning *learning, const PGresult *page, int at) {
    Work *work = &learning->work;
    const DecideContext context = {learning->rules, 0};
    size_t n = 0;
    const uint8_t *bytes = pg_bytes(page, at, 1, &n);
    arena_reset(work->arena);
    uint64_t n_events = (uint64_t)(pg_i64(page, at, 2) - pg_i64(page, at, 0) + 1);
    const Dongbo__SealedBatch *sealed = segment_decode_batch(bytes, n, n_events, work->arena);
    if (!sealed)
        return 0;
    work->items = decide_items_new(work, sealed->n_events);
    if (!work->items)
        return error_fail(ERROR_MEMORY, "a batch of %zu events does not fit", sealed->n_events);
    work->n_items = sealed->n_events;
    for (size_t i = 0; i < work->n_items; i++) // the newest first: each person counts once
        work->items[i].bytes = sealed->events[work->n_items - 1 - i];
    RESULT rows = NULL;
    int r = decide_forms(&context, work);
    if (r == 0)
        r = find_bearers(learning, &rows);
    for (int row = 0; r == 0 && row < PQntuples(rows); row++)
        count_event(learning, &work->items[pg_i64(rows, row, 0) - 1], rows, row);
    return r;
}

// ---- an agency ------------------------------------------------------------------------------------------------------

static int count_agency(Learning *learning, int32_t agency) {
    int64_t before = learning->position + 1;
    int segments = 0, r = 0;
    learning->counts = (WeightCounts){0};
    touched_restart(learning->seen, 0);
    for (int n = 1; r == 0 && n > 0 && segments < SEGMENTS_MAX && learning->counts.events < EVENTS_MAX;) {
        RESULT rows = NULL;
        PgParams params = {0};
        pg_param_i64(&params, before);
        pg_param_i32(&params, agency);
        r = pg_run(learning->exchange, &PAGE, &params, &rows);
        pg_params_free(&params);
        n = r == 0 ? PQntuples(rows) : 0;
        for (int row = 0; r == 0 && row < n; row++, segments++) {
            before = pg_i64(rows, row, 0);
            r = count_batch(learning, rows, row);
        }
        progress_show(&learning->progress, "looked at", (uint64_t)(learning->events + learning->counts.events),
                      "events");
    }
    learning->events += learning->counts.events;
    return r;
}

static void add_lines(Learning *learning, uint32_t agency, const char *code) {
    int32_t bits[SEARCH_LEVELS];
    for (int field = 0; field < SEARCH_FIELDS; field++) {
        if (!weights_learn(&learning->counts, field, bits))
            continue;
        for (int level = 0; level < SEARCH_LEVELS; level++) {
            if (bits[level] == search_shipped()->m[field][level] && learning->counts.n[field][level] == 0)
                continue;
            Line *line = &learning->lines[learning->n++];
            *line = (Line){agency, code, field, level, learning->counts.n[field][level], bits[level]};
            append_line(&learning->text, line);
        }
    }
}

static int learn_all(Learning *learning) {
    Place head = {0};
    int r = lookup_head_position(learning->exchange, &head);
    if (r == 0)
        r = pg_run(learning->exchange, &AGENCIES, NULL, &learning->agencies);
    if (r < 0)
        return r;
    learning->position = head.position;
    append_head(&learning->text, SEARCH_VERSION);
    progress_begin(&learning->progress);
    int n = learning->shipped ? 0 : PQntuples(learning->agencies);
    for (int row = 0; r == 0 && row < n && row < AGENCIES_MAX; row++) {
        int32_t agency = pg_i32(learning->agencies, row, 0);
        r = count_agency(learning, agency);
        if (r == 0)
            add_lines(learning, (uint32_t)agency, pg_text(learning->agencies, row, 1));
    }
    progress_end();
    return r < 0 ? r : hash_text(&learning->text, learning->sha256);
}

// ---- keeping it -----------------------------------------------------------------------------------------------------

static void keep_params(PgParams *params, const Learning *learning) {
    int n = (int)learning->n;
    pg_param_i32(params, SEARCH_VERSION);
    pg_param_i64(params, learning->position);
    pg_param_i64(params, learning->events);
    pg_param_bytes(params, learning->sha256, HASH_BYTES);
    pg_param_array_begin(params, OID_INT4, n);
    for (int i = 0; i < n; i++)
        pg_array_i32(params, (int32_t)learning->lines[i].agency);
    pg_param_array_begin(params, OID_INT2, n);
    for (int i = 0; i < n; i++)
        pg_array_i16(params, (int16_t)learning->lines[i].field);
    pg_param_array_begin(params, OID_INT2, n);
    for (int i = 0; i < n; i++)
        pg_array_i16(params, (int16_t)learning->lines[i].level);
    pg_param_array_begin(params, OID_INT8, n);
    for (int i = 0; i < n; i++)
        pg_array_i64(params, learning->lines[i].n);
    pg_param_array_begin(params, OID_INT4, n);
    for (int i = 0; i < n; i++)
        pg_array_i32(params, learning->lines[i].bits);
}

static int find_same(Learning *learning, int64_t *ret) {
    RESULT rows = NULL;
    PgParams params = {0};
    pg_param_i32(&params, SEARCH_VERSION);
    pg_param_bytes(&params, learning->sha256, HASH_BYTES);
    int r = pg_run(learning->exchange, &SAME, &params, &rows);
    pg_params_free(&params);
    *ret = r == 0 && PQntuples(rows) ? pg_i64(rows, 0, 0) : 0;
    return r;
}

static int keep(Learning *learning, int64_t *ret) {
    RESULT rows = NULL;
    PgParams params = {0};
    PolicyChange change = {0};
    char text[96];
    int r = policy_begin(learning->exchange, &change.position);
    if (r < 0)
        return r;
    keep_params(&params, learning);
    r = pg_run(learning->exchange, &KEEP, &params, &rows);
    pg_params_free(&params);
    if (r < 0)
        return r;
    *ret = pg_i64(rows, 0, 0);
    snprintf(text, sizeof text, "model %" PRId64 " of weights learnt from %" PRId64 " events", *ret, learning->events);
    change.text = text;
    return policy_commit(learning->exchange, &change);
}

static int learn_run(Desk *desk, Learning *learning) {
    learning->work.agency = &learning->agency;
    learning->agency.grants = (Grants){.code = "", .domains = UINT32_MAX};
    int r = desk_rules(desk, &learning->rules);
    if (r == 0)
        r = desk_exchange(desk, &learning->exchange);
    if (r == 0 && !learning->shipped)
        r = trimmed_note(learning->exchange, 0);
    if (r == 0)
        r = desk_population(desk, &learning->population);
    if (r == 0)
        r = touched_new(&learning->seen, EVENTS_MAX);
    if (r == 0)
        r = arena_new(&learning->work.arena, ARENA_BYTES);
    return r == 0 ? learn_all(learning) : r;
}

int weight_model_learn(Desk *desk, int argc, char **argv) {
    int operand = 0;
    int64_t model = 0;
    bool shipped = false;
    const Option options[] = {
        {"shipped", 0, OPTION_FLAG, NULL, "learn nothing: the shipped weights hold again", &shipped}, {0}};
    int r = desk_parse_noted(desk, options, NOTES, argc, argv, &operand);
    if (r != 0)
        return r < 0 ? r : 0;
    CLEANUP(learning_free) Learning *learning = calloc(1, sizeof *learning);
    if (!learning)
        return error_fail(ERROR_MEMORY, "no memory for a model");
    learning->shipped = shipped;
    r = learn_run(desk, learning);
    if (r == 0)
        r = find_same(learning, &model);
    if (r == 0 && model > 0) {
        printf("model %" PRId64 " stands: the same was learnt again from %" PRId64 " events\n", model,
               learning->events);
        return 0;
    }
    if (r == 0)
        r = keep(learning, &model);
    if (r == 0)
        printf("model %" PRId64 ": %zu weights from %" PRId64 " events\n", model, learning->n, learning->events);
    return r;
}

// ---- looking at it --------------------------------------------------------------------------------------------------

int weight_model_list(Desk *desk, int argc, char **argv) {
    int operand = 0;
    Pg *exchange = NULL;
    RESULT rows = NULL;
    int r = desk_parse(desk, NULL, argc, argv, &operand);
    if (r != 0)
        return r < 0 ? r : 0;
    r = desk_exchange(desk, &exchange);
    if (r == 0)
        r = pg_run(exchange, &LIST, NULL, &rows);
    CLEANUP(columns_destroy) Columns *columns = NULL;
    if (r == 0)
        r = columns_new(&columns, 7);
    if (r < 0)
        return r;
    columns_add(columns, (const char *[]){"MODEL", "MADE AT", "BY", "AT POSITION", "EVENTS", "AGENCIES", "SHA-256"});
    for (int row = 0; row < PQntuples(rows); row++) {
        char model[24], position[24], events[24], agencies[24], hash[16];
        bool used = pg_i32(rows, row, 6) == SEARCH_VERSION;
        snprintf(model, sizeof model, "%" PRId64 "%s", pg_i64(rows, row, 0), used ? "" : " (old)");
        snprintf(position, sizeof position, "%" PRId64, pg_i64(rows, row, 3));
        snprintf(events, sizeof events, "%" PRId64, pg_i64(rows, row, 4));
        snprintf(agencies, sizeof agencies, "%" PRId64, pg_i64(rows, row, 7));
        snprintf(hash, sizeof hash, "%.12s", pg_text(rows, row, 5));
        columns_add(columns, (const char *[]){model, pg_text(rows, row, 1), pg_text(rows, row, 2), position, events,
                                              agencies, hash});
    }
    if (!PQntuples(rows)) {
        printf("nothing was learnt yet: the shipped weights hold\n");
        return 0;
    }
    return columns_print(columns, stdout);
}

static int show(const PGresult *rows) {
    CLEANUP(bytes_free) Bytes text = {0};
    uint8_t sha256[HASH_BYTES];
    size_t n = 0;
    append_head(&text, pg_i32(rows, 0, 0));
    for (int row = 0; row < PQntuples(rows) && !pg_is_null(rows, row, 2); row++) {
        const Line line = {.code = pg_text(rows, row, 2),
                           .field = pg_i16(rows, row, 3),
                           .level = pg_i16(rows, row, 4),
                           .n = pg_i64(rows, row, 5),
                           .bits = pg_i32(rows, row, 6)};
        if (line.field >= SEARCH_FIELDS || line.level >= SEARCH_LEVELS)
            return error_fail(ERROR_DATA, "this model is of another version of the program");
        append_line(&text, &line);
    }
    int r = hash_text(&text, sha256);
    if (r < 0)
        return r;
    const uint8_t *kept = pg_bytes(rows, 0, 1, &n);
    fwrite(text.data, 1, text.n, stdout);
    return n == HASH_BYTES && memcmp(kept, sha256, n) == 0
               ? 0
               : error_fail(ERROR_DATA, "the model is not what was learnt: its SHA-256 differs");
}

int weight_model_show(Desk *desk, int argc, char **argv) {
    int operand = 0;
    Pg *exchange = NULL;
    RESULT rows = NULL;
    PgParams params = {0};
    int r = desk_parse(desk, NULL, argc, argv, &operand);
    if (r != 0)
        return r < 0 ? r : 0;
    char *end = "";
    int64_t model = operand < argc ? strtoll(argv[operand], &end, 10) : 0;
    if (*end || model < 0 || (operand < argc && model == 0))
        return error_fail(ERROR_CONFIG, "\"%s\" is no model's number; dongbo model list shows them", argv[operand]);
    r = desk_exchange(desk, &exchange);
    pg_param_i64(&params, model);
    if (r == 0)
        r = pg_run(exchange, &SHOW, &params, &rows);
    pg_params_free(&params);
    if (r < 0)
        return r;
    if (PQntuples(rows) == 0) {
        if (model)
            log_error("there is no model %" PRId64 ": dongbo model list shows them", model);
        else
            log_error("nothing was learnt yet: the shipped weights hold");
        return 1;
    }
    return show(rows);
}
