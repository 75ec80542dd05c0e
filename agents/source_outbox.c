// SPDX-License-Identifier: Apache-2.0
//
// See source_outbox.h. Rows are locked in the agency's database while the spool stores them; then they are marked and
// the lock is let go. Should this program die in between, the spool knows which rows it has, and what they were
// (ledger's `taken`), and they are only marked the next time; one that was corrected meanwhile is taken again.
#include "agents/source_outbox.h"

#include "agents/refused.h"
#include "proto/base/error.h"
#include "proto/base/log.h"
#include "proto/base/pg.h"
#include "proto/domain.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OUTBOX_ROWS_MAX 2048       // taken in one transaction
#define OUTBOX_ROWS_FEW 32         // taken where more did not come in time
#define OUTBOX_ROW_BYTES_MAX 65536 // a row's JSON; a larger one is refused and always left in the table
#define OUTBOX_COLUMN_BYTES_MAX (8 * OUTBOX_ROW_BYTES_MAX) // as jsonb, which has 4 bytes at most for one of its text
#define OUTBOX_LOOK_ROWS 1024                              // counted at most
#define OUTBOX_ROW_BYTES_GUESS 192                         // of a row in a batch
#define OUTBOX_LOOK_MS 30000                               // without news, looked at so often all the same
#define RESULTS_AT_ONCE 1000                               // in one transaction
#define RESULTS_SINGLY 16 // where so few cannot be stored together, each is tried by itself
#define HAND_BACK_MS 2000 // of one call; the sessions wait meanwhile
#define ASIDE_MS 600000   // what could not be stored is tried again so often
// Of one statement. Other sources and the exchange's sessions wait for it, and sessions end after PEER_SILENT_MS.
#define PATIENCE_MS 10000

enum {
    OID_INT8 = 20,
    OID_TEXT = 25,
    OID_INT4 = 23,
    OID_TIMESTAMPTZ = 1184,
    OID_INT8_ARRAY = 1016,
    OID_TEXT_ARRAY = 1009,
};

typedef struct SourceOutbox {
    Source base;
    Pg *pg;
    char *sql_count, *sql_take, *sql_mark, *sql_delete, *sql_marked, *sql_result;
    PgStatement count, take, mark, delete, marked, result;
    Origin origin;
    bool news;
    int64_t looked_ms;
    uint64_t bytes;      // about so much is there
    int64_t *ids;        // taken in this transaction, to be marked or deleted
    int64_t *kept_ids;   // taken, and too large to be deleted
    int64_t *marked_ids; // known to the ledger as taken, and marked over there
    int n_ids, n_kept, n_marked;
    int rows;        // so many at most are asked for
    bool unsure;     // the ledger may know others
    char aside[512]; // what is said of the first answer that could not be stored; "" when there is none
    int64_t aside_ms;
    int portion; // so many answers are stored together
    bool takes;  // an answer was stored in this session
} SourceOutbox;

static void outbox_destroy(Source **source) {
    SourceOutbox *self = (SourceOutbox *)*source;
    pg_destroy(&self->pg);
    free(self->sql_count);
    free(self->sql_take);
    free(self->sql_mark);
    free(self->sql_delete);
    free(self->sql_marked);
    free(self->sql_result);
    free(self->ids);
    free(self->kept_ids);
    free(self->marked_ids);
    free(self);
    *source = NULL;
}

// ---- statements: the table's name is configuration, never data ----

// "public.dongbo_outbox" to "public"."dongbo_outbox" and "public"."dongbo_outbox_result".
static int quote_table(const char *table, char quoted[160], char result[170]) {
    const char *dot = strchr(table, '.');
    if (dot == NULL || dot == table || dot[1] == 0 || strchr(dot + 1, '.') != NULL || strchr(table, '"') != NULL ||
        strlen(table) > 128)
        return error_fail(ERROR_CONFIG, "the outbox's table \"%s\" is not written as SCHEMA.TABLE", table);
    snprintf(quoted, 160, "\"%.*s\".\"%s\"", (int)(dot - table), table, dot + 1);
    snprintf(result, 170, "\"%.*s\".\"%s_result\"", (int)(dot - table), table, dot + 1);
    return 0;
}

static int make_statements(SourceOutbox *self) {
    static const Oid TAKE[] = {OID_INT4, OID_TEXT_ARRAY}, IDS[] = {OID_INT8_ARRAY};
    static const Oid RESULT[] = {OID_INT8, OID_TEXT, OID_TEXT, OID_TEXT, OID_TEXT, OID_TEXT, OID_TEXT, OID_TIMESTAMPTZ};
    char table[160], results[170];
    int r = quote_table(self->base.config->table == NULL ? "public.dongbo_outbox" : self->base.config->table, table,
                        results);
    if (r < 0)
        return r;
    // dongbo_op is the outbox's own op; op too, where the row has no such column. A row is made text once, for that may
    // take long.
    bool made =
        asprintf(&self->sql_count, "SELECT count(*) FROM (SELECT 1 FROM %s WHERE taken_at IS NULL LIMIT %d) AS o",
                 table, OUTBOX_LOOK_ROWS) > 0 &&
        asprintf(
            &self->sql_take,
            "SELECT id, text, at, CASE WHEN text IS NOT NULL THEN"
            " (SELECT array_agg(CASE WHEN c = 'dongbo_op' THEN '=' || o.op WHEN o.\"row\" ? c THEN '=' || coalesce("
            "o.\"row\" ->> c, '') WHEN c = 'op' THEN '=' || o.op ELSE '' END ORDER BY n)"
            " FROM unnest($2) WITH ORDINALITY AS u (c, n)) END,"
            " hashtextextended(concat_ws(' ', o.op, o.at, o.text), 0)"
            " FROM (SELECT w.*, CASE WHEN octet_length(whole) <= %d THEN whole END AS text FROM ("
            "SELECT id, op, at, \"row\", CASE WHEN pg_column_size(\"row\") <= %d THEN \"row\"::text END AS whole"
            " FROM %s WHERE taken_at IS NULL ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED) AS w) AS o ORDER BY id",
            OUTBOX_ROW_BYTES_MAX, OUTBOX_COLUMN_BYTES_MAX, table) > 0 &&
        asprintf(&self->sql_mark, "UPDATE %s SET taken_at = clock_timestamp() WHERE id = ANY ($1)", table) > 0 &&
        asprintf(&self->sql_delete, "DELETE FROM %s WHERE id = ANY ($1)", table) > 0 &&
        asprintf(&self->sql_marked,
                 "SELECT u.n FROM unnest($1) AS u (n)"
                 " WHERE NOT EXISTS (SELECT 1 FROM %s AS o WHERE o.id = u.n AND o.taken_at IS NULL)",
                 table) > 0 &&
        asprintf(&self->sql_result,
                 "INSERT INTO %s (id, \"row\", verdict, reasons, text_vi, text_en, mark, at)"
                 " VALUES ($1, $2::jsonb, $3, $4, $5, $6, $7, $8) ON CONFLICT (mark) DO NOTHING",
                 results) > 0;
    if (!made)
        return error_fail(ERROR_MEMORY, "no memory for a source");
    self->count = (PgStatement){"outbox_count", self->sql_count, 0, NULL};
    self->take = (PgStatement){"outbox_take", self->sql_take, 2, TAKE};
    self->mark = (PgStatement){"outbox_mark", self->sql_mark, 1, IDS};
    self->delete = (PgStatement){"outbox_delete", self->sql_delete, 1, IDS};
    self->marked = (PgStatement){"outbox_marked", self->sql_marked, 1, IDS};
    self->result = (PgStatement){"outbox_result", self->sql_result, 8, RESULT};
    return 0;
}

// ---- looking ----

// A table that is locked for long, or large: the server itself gives up before the patience ends, or each try would
// leave it a session that waits or works, with rows locked.
static int connect_outbox(SourceOutbox *self) {
    if (pg_connected(self->pg))
        return 0;
    int r = pg_connect(self->pg);
    if (r == 0)
        r = pg_command(self->pg, "SET lock_timeout = '3s'; SET statement_timeout = '8s'; LISTEN dongbo_outbox");
    if (r < 0)
        pg_disconnect(self->pg);
    self->news = true;
    self->takes = false;
    return r;
}

static void note_news(void *self, const char *channel, const char *text) {
    ((SourceOutbox *)self)->news = true;
}

// 1: nothing was ever taken.
static int known_origin(SourceOutbox *self) {
    if (self->origin.id != 0)
        return 0;
    return ledger_origin_next(self->base.spool, self->base.name, 0, &self->origin);
}

// What is marked over there needs no note any more: whoever takes a mark away wants the row to be taken again. Others
// keep theirs: they come once more, even if a session that is lost locks them for now.
static int forget_marked(SourceOutbox *self) {
    Spool *spool = self->base.spool;
    if (!self->unsure && self->n_marked > 0)
        return ledger_taken_clear(spool, self->origin.id);
    int r = 0;
    for (int i = 0; i < self->n_marked && r == 0; i++)
        r = ledger_taken_delete(spool, self->origin.id, (uint64_t)self->marked_ids[i]);
    return r;
}

// all: no row over there is without a mark.
static int forget_taken(SourceOutbox *self, bool all) {
    Spool *spool = self->base.spool;
    all = all && self->unsure;
    if (!all && self->n_marked == 0)
        return 0;
    int r = spool_begin(spool);
    if (r < 0)
        return r;
    r = known_origin(self);
    if (r == 0)
        r = all ? ledger_taken_clear(spool, self->origin.id) : forget_marked(self);
    r = spool_end(spool, r < 0 ? r : 0);
    if (r < 0)
        return r;
    self->n_marked = 0;
    self->unsure = self->unsure && !all;
    return 0;
}

// Up to so many rows that the ledger knows as taken, into self->ids.
static int list_taken(SourceOutbox *self, int *ret_n) {
    int64_t after = INT64_MIN;
    int n = 0, r = known_origin(self);
    while (r == 0 && n < OUTBOX_ROWS_MAX) {
        r = ledger_taken_next(self->base.spool, self->origin.id, after, &after);
        if (r == 0)
            self->ids[n++] = after;
    }
    *ret_n = n;
    return r < 0 ? r : 0;
}

static int run_on_rows(SourceOutbox *self, const PgStatement *statement, const int64_t *ids, int n, PGresult **ret) {
    PgParams params = {0};
    pg_param_array_begin(&params, OID_INT8, n);
    for (int i = 0; i < n; i++)
        pg_array_i64(&params, ids[i]);
    int r = pg_run(self->pg, statement, &params, ret);
    pg_params_free(&params);
    return r;
}

// Which of them are marked over there, or gone.
static int find_marked(SourceOutbox *self, int n) {
    PGresult *result;
    int r = run_on_rows(self, &self->marked, self->ids, n, &result);
    if (r < 0)
        return r;
    self->n_marked = PQntuples(result);
    for (int i = 0; i < self->n_marked; i++)
        self->marked_ids[i] = pg_i64(result, i, 0);
    PQclear(result);
    return 0;
}

// After a start, and when it is not known what became of a mark: asks over there.
static int forget_unsure(SourceOutbox *self) {
    int n = 0;
    if (!self->unsure)
        return 0;
    int r = list_taken(self, &n);
    if (r == 0 && n > 0)
        r = find_marked(self, n);
    if (r < 0)
        return r;
    self->unsure = self->n_marked < n || n == OUTBOX_ROWS_MAX;
    return forget_taken(self, false);
}

static int try_aside_again(SourceOutbox *self) {
    if (self->aside[0] == 0 || clock_monotonic_ms(self->base.clock) - self->aside_ms < ASIDE_MS)
        return 0;
    int r = ledger_results_again(self->base.spool, self->base.name);
    if (r == 0)
        self->aside[0] = 0;
    self->takes = false;
    return r;
}

static int outbox_look(Source *source, uint64_t *ret_bytes) {
    SourceOutbox *self = (SourceOutbox *)source;
    int64_t now = clock_monotonic_ms(source->clock);
    *ret_bytes = 0;
    int r = forget_taken(self, false); // what could not be forgotten when it was marked
    if (r == 0)
        r = try_aside_again(self);
    if (pg_connected(self->pg))
        (void)pg_hear(self->pg, note_news, self); // who is lost is connected to again
    if (r == 0)
        r = connect_outbox(self);
    if (r < 0)
        return r;
    *ret_bytes = self->bytes;
    if (!self->news && now - self->looked_ms < OUTBOX_LOOK_MS)
        return 0;
    PGresult *result;
    r = pg_run(self->pg, &self->count, NULL, &result);
    if (r < 0)
        return r;
    self->bytes = (uint64_t)pg_i64(result, 0, 0) * OUTBOX_ROW_BYTES_GUESS;
    PQclear(result);
    self->news = false;
    self->looked_ms = now;
    *ret_bytes = self->bytes;
    return self->bytes == 0 ? forget_taken(self, true) : forget_unsure(self);
}

static const char *outbox_left(const Source *source) {
    const SourceOutbox *self = (const SourceOutbox *)source;
    return self->aside[0] != 0 ? self->aside : NULL;
}

static int outbox_fd(Source *source) {
    SourceOutbox *self = (SourceOutbox *)source;
    return pg_connected(self->pg) ? PQsocket(pg_raw(self->pg)) : -1;
}

// Rows that came while it was looked: their notification may have come with the answer. While some wait to be read,
// news of more would only keep the loop busy.
static int outbox_wait_ms(Source *source) {
    SourceOutbox *self = (SourceOutbox *)source;
    (void)pg_heard(self->pg, note_news, self);
    return self->news && self->bytes == 0 ? 0 : -1;
}

// ---- reading ----

// The one origin of this outbox.
static int find_origin(SourceOutbox *self) {
    int r = known_origin(self);
    if (r != 1)
        return r;
    self->origin = (Origin){.state = ORIGIN_READING};
    snprintf(self->origin.source, sizeof self->origin.source, "%s", self->base.name);
    snprintf(self->origin.name, sizeof self->origin.name, "%s",
             self->base.config->table == NULL ? "public.dongbo_outbox" : self->base.config->table);
    return ledger_origin_add(self->base.spool, &self->origin);
}

// Values come with "=" before them, so that an empty one and none at all are told apart.
static int row_values(const Map *map, const PgElement *elements, int n, Arena *arena, MapText *values) {
    for (int i = 0; i < map_n_columns(map); i++) {
        values[i] = (MapText){NULL, 0};
        if (i >= n || elements[i].n == 0)
            continue;
        size_t bytes = elements[i].n - 1;
        values[i] = (MapText){arena_strndup(arena, (const char *)elements[i].data + 1, bytes), bytes};
        if (values[i].text == NULL)
            return 1;
    }
    return 0;
}

static int refuse_large(Intake *intake, const Item *item) {
    return intake_refuse(intake, item,
                         &(IntakeFault){DONGBO__REASON_CODE__EVENT_LIMITS, "", "Dòng dài quá 64 KiB.",
                                        "The row is longer than 64 KiB; it stays in the outbox, marked."});
}

static int take_row(SourceOutbox *self, Intake *intake, const PGresult *result, int row) {
    MapText values[MAP_COLUMNS_MAX];
    PgElement *elements = NULL;
    Item item = {.origin = self->origin.id, .row = (uint64_t)pg_i64(result, row, 0)};
    TakenRow content = {item.origin, item.row, pg_i64(result, row, 4)};
    int64_t taken;
    int r = ledger_is_taken(self->base.spool, &content, &taken);
    if (r == 0 && taken == 0)
        r = ledger_taken_put(self->base.spool, &content);
    if (r < 0)
        return r;
    bool large = pg_is_null(result, row, 1);
    if (large)
        self->kept_ids[self->n_kept++] = (int64_t)item.row;
    else
        self->ids[self->n_ids++] = (int64_t)item.row;
    if (taken != 0)
        return 0;
    item.text = pg_bytes(result, row, 1, &item.text_bytes);
    if (large)
        item = (Item){.origin = item.origin, .row = item.row, .text = (const uint8_t *)"null", .text_bytes = 4};
    int n = large ? 0 : pg_array(result, row, 3, &elements);
    if (n < 0)
        return n;
    arena_reset(intake->arena);
    large = large || row_values(self->base.map, elements, n, intake->arena, values) != 0;
    free(elements);
    MapRow mapped = {.values = values, .time_us = pg_us(result, row, 2)};
    return large ? refuse_large(intake, &item) : intake_row(intake, &mapped, &item);
}

// Locks and fetches the oldest rows that nobody has taken. Long ones may not come in time over a slow line, or not be
// made text: fewer are asked for then, down to one, and more again when those came soon.
static int fetch(SourceOutbox *self, PGresult **ret) {
    PgParams params = {0};
    pg_param_i32(&params, self->rows);
    pg_param_array_begin(&params, OID_TEXT, map_n_columns(self->base.map));
    for (int i = 0; i < map_n_columns(self->base.map); i++)
        pg_array_text(&params, map_column(self->base.map, i), strlen(map_column(self->base.map, i)));
    int r = pg_command(self->pg, "BEGIN");
    if (r == 0)
        r = pg_run(self->pg, &self->take, &params, ret);
    pg_params_free(&params);
    if (r < 0)
        self->rows = self->rows > OUTBOX_ROWS_FEW ? OUTBOX_ROWS_FEW : (self->rows + 1) / 2;
    return r;
}

static int outbox_read(Source *source, Intake *intake) {
    SourceOutbox *self = (SourceOutbox *)source;
    PGresult *result = NULL;
    self->n_ids = self->n_kept = 0;
    int r = find_origin(self);
    if (r == 0)
        r = forget_marked(self);
    if (r == 0)
        r = connect_outbox(self);
    int64_t began_ms = clock_monotonic_ms(source->clock);
    if (r == 0)
        r = fetch(self, &result);
    if (r < 0)
        return r;
    bool soon = clock_monotonic_ms(source->clock) - began_ms < PATIENCE_MS / 4;
    int n = PQntuples(result), row = 0;
    for (; row < n && r == 0 && !intake_is_full(intake); row++)
        r = take_row(self, intake, result, row);
    PQclear(result);
    // A full portion means that there may be more; else NOTIFY will tell.
    self->news = row < n || n == self->rows;
    if (soon)
        self->rows = 2 * self->rows > OUTBOX_ROWS_MAX ? OUTBOX_ROWS_MAX : 2 * self->rows;
    self->bytes = 0;
    return r < 0 ? r : !self->news;
}

static int mark_rows(SourceOutbox *self, const PgStatement *statement, const int64_t *ids, int n) {
    if (n == 0)
        return 0;
    PGresult *result;
    int r = run_on_rows(self, statement, ids, n, &result);
    if (r < 0)
        return r;
    long changed = strtol(PQcmdTuples(result), NULL, 10);
    PQclear(result);
    // All are there and locked. What stays as it was would come again and again.
    if (changed < n)
        return error_fail(ERROR_DATABASE,
                          "only %ld of %d rows that were taken could be marked in the outbox, or deleted: a trigger, "
                          "rule or policy of its table prevents it",
                          changed, n);
    return 0;
}

static void note_marked(SourceOutbox *self) {
    for (int i = 0; i < self->n_ids; i++)
        self->marked_ids[self->n_marked++] = self->ids[i];
    for (int i = 0; i < self->n_kept; i++)
        self->marked_ids[self->n_marked++] = self->kept_ids[i];
}

static int outbox_settle(Source *source, bool committed) {
    SourceOutbox *self = (SourceOutbox *)source;
    if (!committed) {
        self->origin.id = 0; // it may not be there
        self->news = true;
        if (pg_connected(self->pg) && pg_command(self->pg, "ROLLBACK") < 0)
            pg_disconnect(self->pg);
        return 0;
    }
    bool delete = self->base.config->take == TAKE_DELETE;
    self->n_marked = 0;
    int r = mark_rows(self, delete ? &self->delete : &self->mark, self->ids, self->n_ids);
    if (r == 0)
        r = mark_rows(self, &self->mark, self->kept_ids, self->n_kept);
    if (r == 0)
        r = pg_command(self->pg, "COMMIT");
    self->unsure = self->unsure || r < 0;
    if (r < 0) {
        pg_disconnect(self->pg);
        return r;
    }
    note_marked(self);
    return forget_taken(self, false); // before anybody is told of them, and puts one back
}

static int outbox_receipts(Source *source) {
    return 0;
}

// ---- handing back ----

typedef struct Inserting {
    SourceOutbox *self;
    RefusedWords words;
    bool begun;  // a transaction
    bool singly; // each by itself: one that cannot be stored is set aside
    int64_t aside[RESULTS_SINGLY];
    int n, n_aside;
    bool doubted;  // some of those
    char why[360]; // the first of them was refused, and ...
    unsigned long long why_row;
    int64_t until_ms;
} Inserting;

static bool is_over(const Inserting *inserting) {
    return clock_monotonic_ms(inserting->self->base.clock) >= inserting->until_ms;
}

static const char *closed(Bytes *text) {
    bytes_append_u8(text, 0);
    return text->failed ? "" : (const char *)text->data;
}

// What the server said of one answer, or of all in a portion.
typedef enum Refusal {
    REFUSAL_NONE,    // or of something else: it may be stored later
    REFUSAL_OF_THIS, // a constraint, a type, the database's encoding, a limit, a view's check, or a trigger's word
    REFUSAL_DOUBTED, // it may be of any: a policy as well as a right that is missing, or what a trigger calls its own
} Refusal;

static Refusal refusal_of(const SourceOutbox *self, int r) {
    static const char *const OF_THIS[] = {"P0", "44", "54"};
    if (r == ERROR_DATA)
        return REFUSAL_OF_THIS;
    if (r != ERROR_DATABASE || !pg_connected(self->pg) || pg_is_passing(self->pg))
        return REFUSAL_NONE;
    for (size_t i = 0; i < sizeof OF_THIS / sizeof *OF_THIS; i++)
        if (strncmp(pg_sqlstate(self->pg), OF_THIS[i], 2) == 0)
            return REFUSAL_OF_THIS;
    return REFUSAL_DOUBTED;
}

static void note_refusal(Inserting *inserting, const Result *result, Refusal refusal) {
    if (inserting->n_aside == 0) {
        snprintf(inserting->why, sizeof inserting->why, "%s", error_text());
        inserting->why_row = (unsigned long long)result->item.row;
    }
    inserting->aside[inserting->n_aside++] = result->id;
    inserting->doubted = inserting->doubted || refusal == REFUSAL_DOUBTED;
}

static void say_aside(Inserting *inserting) {
    SourceOutbox *self = inserting->self;
    if (inserting->n_aside == 0 || self->aside[0] != 0)
        return;
    snprintf(self->aside, sizeof self->aside,
             "the answer to row %llu cannot be stored: %s; such answers are kept, and tried again every %d minutes and "
             "at each start",
             inserting->why_row, inserting->why, ASIDE_MS / 60000);
    self->aside_ms = clock_monotonic_ms(self->base.clock);
    log_warn("source %s: %s", self->base.name, self->aside);
}

static int insert(Inserting *inserting, const Result *result) {
    PgParams params = {0};
    CLEANUP(bytes_free) Bytes row = {0};
    refused_words(result, &inserting->words);
    bytes_append(&row, result->item.text, result->item.text_bytes);
    pg_param_i64(&params, (int64_t)result->item.row);
    pg_param_text(&params, result->item.text_bytes == 0 ? "null" : closed(&row));
    pg_param_text(&params, verdict_name((int)result->verdict->verdict));
    pg_param_text(&params, closed(&inserting->words.codes));
    pg_param_text(&params, closed(&inserting->words.vi));
    pg_param_text(&params, closed(&inserting->words.en));
    pg_param_text(&params, result->mark);
    pg_param_us(&params, result->at_us); // not when it is written: one that was set aside may have a successor there
    int r = pg_run(inserting->self->pg, &inserting->self->result, &params, NULL);
    pg_params_free(&params);
    return r;
}

static int insert_result(void *self, const Result *result) {
    Inserting *inserting = self;
    int r = 0;
    if (!inserting->singly && !inserting->begun) {
        r = pg_command(inserting->self->pg, "BEGIN");
        inserting->begun = r == 0;
    }
    if (r == 0)
        r = insert(inserting, result);
    inserting->n += r == 0;
    Refusal refusal = refusal_of(inserting->self, r);
    inserting->self->takes = inserting->self->takes || (inserting->singly && r == 0);
    if (inserting->singly && refusal != REFUSAL_NONE) {
        note_refusal(inserting, result, refusal);
        r = 0;
    }
    return r == 0 ? is_over(inserting) : r; // 1: this one was the last for now
}

// 1 when one of them cannot be stored.
static int insert_together(Inserting *inserting, const ResultQuery *query, int64_t *ret_last) {
    SourceOutbox *self = inserting->self;
    int before = inserting->n;
    inserting->singly = inserting->begun = false;
    int r = ledger_results(self->base.spool, query, insert_result, inserting, ret_last);
    if (r == 0 && inserting->begun)
        r = pg_command(self->pg, "COMMIT");
    self->takes = self->takes || (r == 0 && inserting->n > before);
    if (r == 0)
        return 0;
    bool refused = refusal_of(self, r) != REFUSAL_NONE;
    inserting->n = before;
    if (!refused || pg_command(self->pg, "ROLLBACK") < 0)
        pg_disconnect(self->pg);
    return refused && pg_connected(self->pg) ? 1 : r;
}

static int delete_results(Inserting *inserting, const ResultQuery *query, int64_t last) {
    Spool *spool = inserting->self->base.spool;
    int r = spool_begin(spool);
    for (int i = 0; r == 0 && i < inserting->n_aside; i++)
        r = ledger_result_set_aside(spool, inserting->aside[i]);
    if (r == 0)
        r = ledger_results_delete(spool, query->origin, query->kind, last);
    return spool_end(spool, r);
}

// It stays in the ledger: who has its mark is not given it twice.
static int try_result(void *self, const Result *result) {
    Inserting *inserting = self;
    int r = insert(inserting, result);
    inserting->self->takes = r == 0;
    return refusal_of(inserting->self, r) == REFUSAL_NONE && r < 0 ? r : r == 0 || is_over(inserting);
}

// Whether it is those answers, and not the table: it takes another one. Those that were refused before come first, and
// what is new last.
static int prove_doubted(Inserting *inserting, ResultQuery query) {
    int64_t last;
    query.limit = RESULTS_SINGLY;
    query.newest = true;
    int r = ledger_results(inserting->self->base.spool, &query, try_result, inserting, &last);
    return r == 0 && !inserting->self->takes ? error_fail(ERROR_DATABASE, "%s", inserting->why) : r;
}

static int insert_singly(Inserting *inserting, const ResultQuery *query, int64_t *ret_last) {
    inserting->singly = true;
    inserting->doubted = false;
    int r = ledger_results(inserting->self->base.spool, query, insert_result, inserting, ret_last);
    if (r == 0 && inserting->doubted && !inserting->self->takes)
        r = prove_doubted(inserting, *query);
    if (r < 0)
        pg_disconnect(inserting->self->pg);
    else
        say_aside(inserting);
    return r;
}

// One portion: into the result table first, where its mark is unique, then out of the ledger. 1 when a smaller one is
// to be tried. One that cannot be stored is looked for among fewer and fewer, since each transaction costs; where there
// are many such, portions stay small.
static int hand_back_portion(Inserting *inserting, const ResultQuery *query, int64_t *ret_last) {
    SourceOutbox *self = inserting->self;
    inserting->n_aside = 0;
    int r = insert_together(inserting, query, ret_last);
    if (r == 1 && query->limit > RESULTS_SINGLY) {
        self->portion /= 2;
        return 1;
    }
    if (r == 1)
        r = insert_singly(inserting, query, ret_last);
    if (r == 0 && inserting->n_aside == 0)
        self->portion = 2 * self->portion > RESULTS_AT_ONCE ? RESULTS_AT_ONCE : 2 * self->portion;
    return r == 0 && *ret_last != 0 ? delete_results(inserting, query, *ret_last) : r;
}

// 1 when the time is over before all is handed back.
static int hand_back_kind(Inserting *inserting, int64_t origin, ResultKind kind) {
    for (;;) {
        int64_t last = 0;
        ResultQuery query = {origin, kind, inserting->self->portion, false};
        int r = hand_back_portion(inserting, &query, &last);
        if (r < 0 || (r == 0 && last == 0))
            return r;
        if (is_over(inserting))
            return 1;
    }
}

static int outbox_hand_back(Source *source, const Origin *origin, int *ret_n) {
    SourceOutbox *self = (SourceOutbox *)source;
    Inserting inserting = {.self = self, .until_ms = clock_monotonic_ms(source->clock) + HAND_BACK_MS};
    int r = connect_outbox(self);
    for (int kind = 0; kind < RESULT_KINDS && r == 0; kind++)
        r = hand_back_kind(&inserting, origin->id, (ResultKind)kind);
    refused_words_free(&inserting.words);
    *ret_n = inserting.n;
    return r;
}

static const SourceKind KIND = {
    .look = outbox_look,
    .read = outbox_read,
    .settle = outbox_settle,
    .receipts = outbox_receipts,
    .hand_back = outbox_hand_back,
    .left = outbox_left,
    .fd = outbox_fd,
    .wait_ms = outbox_wait_ms,
    .destroy = outbox_destroy,
};

int source_outbox_open(Source **ret, const SourceOptions *options) {
    assert(options->config->kind == SOURCE_OUTBOX);
    int r = source_allocate(ret, sizeof(SourceOutbox), &KIND, options);
    if (r < 0)
        return r;
    SourceOutbox *self = (SourceOutbox *)*ret;
    self->ids = calloc(OUTBOX_ROWS_MAX, sizeof *self->ids);
    self->kept_ids = calloc(OUTBOX_ROWS_MAX, sizeof *self->kept_ids);
    self->marked_ids = calloc(OUTBOX_ROWS_MAX, sizeof *self->marked_ids);
    if (self->ids == NULL || self->kept_ids == NULL || self->marked_ids == NULL)
        return error_fail(ERROR_MEMORY, "no memory for a source");
    self->unsure = true;
    self->rows = OUTBOX_ROWS_MAX;
    self->portion = RESULTS_AT_ONCE;
    r = make_statements(self);
    if (r == 0)
        r = pg_new(&self->pg, options->config->conninfo, options->config->name);
    if (r == 0)
        pg_set_patience(self->pg, PATIENCE_MS);
    return r;
}
