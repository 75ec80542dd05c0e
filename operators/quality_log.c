// SPDX-License-Identifier: Apache-2.0
//
// An event's month is the one in which it was first stored, in Asia/Ho_Chi_Minh, whatever was decided of it later.
#include "operators/quality_log.h"
#include "broker/segment.h"
#include "operators/mask.h"
#include "operators/progress.h"
#include "operators/result.h"
#include "operators/since.h"
#include "operators/trimmed.h"
#include "proto/base/arena.h"
#include "proto/base/date.h"
#include "proto/base/text.h"
#include "proto/bounds.h"
#include "proto/check.h"
#include "proto/domain.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define ARENA_BYTES ((size_t)64 * 1024 * 1024)

static const PgStatement MAY_READ = {"quality_may_read",
                                     "SELECT has_column_privilege('exchange.segment', 'batch', 'SELECT')", 0, NULL};
static const PgStatement BATCHES = {
    "quality_batches",
    "SELECT first_position, last_position, coalesce(agency, 0), stored_at_us, batch FROM exchange.segment "
    "WHERE first_position > $1 AND kind = 1 AND batch IS NOT NULL ORDER BY first_position LIMIT 32",
    1, NULL};
static const PgStatement EXCEPTIONS = {
    "quality_exceptions",
    "SELECT e.position, e.agency, e.verdict, e.reasons, e.event, s.stored_at_us FROM exchange.seen_exception e "
    "CROSS JOIN LATERAL (SELECT stored_at_us FROM exchange.segment WHERE first_position <= e.position "
    "ORDER BY first_position DESC LIMIT 1) s WHERE e.position > $1 AND e.verdict IN (4, 5, 6) "
    "ORDER BY e.position LIMIT 2000",
    1, NULL};

typedef struct QualityReader {
    Quality *quality;
    Pg *exchange;
    const Rules *rules;
    Arena *arena;
    Progress progress;
    uint64_t n;
} QualityReader;

static int month_of(int64_t us) {
    Date date = date_of_us(us);
    return date.year * 100 + date.month;
}

void quality_log_key(const Rules *rules, const uint8_t *event, size_t n, Arena *arena, QualityKey *ret) {
    char number[12], masked[MASK_BYTES];
    ret->domain = 0;
    memset(ret->facility, 0, sizeof ret->facility);
    if (!n || n > EVENT_BYTES_MAX || check_message(&dongbo__change_event__descriptor, &CHECK_EVENT, event, n, NULL))
        return;
    const Dongbo__ChangeEvent *read = dongbo__change_event__unpack(arena_protobuf(arena), n, event);
    const DomainRules *domain = read ? rules_domain(rules, event_domain(read)) : NULL;
    if (!domain)
        return;
    ret->domain = domain->domain;
    if (!domain->facility)
        return;
    const char *value = field_text(event_body(read), domain->facility->number, number);
    snprintf(ret->facility, sizeof ret->facility, "%s", mask_value(domain->facility, value, masked));
    text_cut(ret->facility, sizeof ret->facility - 1);
}

// ---- every event ----------------------------------------------------------------------------------------------------

// The events of a batch that cannot be read, or was erased, are counted all the same.
static int add_batch(QualityReader *reader, const PGresult *page, int row) {
    size_t n = 0;
    uint64_t count = (uint64_t)(pg_i64(page, row, 1) - pg_i64(page, row, 0) + 1);
    const uint8_t *bytes = pg_bytes(page, row, 4, &n);
    QualityKey key = {.agency = (uint32_t)pg_i32(page, row, 2), .month = month_of(pg_i64(page, row, 3))};
    arena_reset(reader->arena);
    const Dongbo__SealedBatch *batch = segment_decode_batch(bytes, n, count, reader->arena);
    ArenaMark mark = arena_mark(reader->arena);
    int r = 0;
    for (uint64_t i = 0; r == 0 && i < count; i++) {
        arena_rewind(reader->arena, &mark);
        if (batch)
            quality_log_key(reader->rules, batch->events[i].data, batch->events[i].len, reader->arena, &key);
        r = quality_add_event(reader->quality, &key);
    }
    reader->n += count;
    progress_show(&reader->progress, "counted", reader->n, "events");
    return r;
}

// ---- those that were not taken --------------------------------------------------------------------------------------

static int add_exception(QualityReader *reader, const PGresult *page, int row) {
    size_t n_reasons = 0, n_event = 0;
    const uint8_t *reasons = pg_bytes(page, row, 3, &n_reasons), *event = pg_bytes(page, row, 4, &n_event);
    QualityKey key = {.agency = (uint32_t)pg_i32(page, row, 1), .month = month_of(pg_i64(page, row, 5))};
    arena_reset(reader->arena);
    Dongbo__EventVerdict *verdict = dongbo__event_verdict__unpack(arena_protobuf(reader->arena), n_reasons, reasons);
    if (!verdict)
        return error_fail(ERROR_DATABASE, "the reasons at position %" PRId64 " cannot be read", pg_i64(page, row, 0));
    verdict->verdict = (Dongbo__Verdict)pg_i16(page, row, 2);
    quality_log_key(reader->rules, event, n_event, reader->arena, &key);
    return quality_add_verdict(reader->quality, &key, verdict);
}

typedef int (*TakeRow)(QualityReader *reader, const PGresult *page, int row);

static int read_pages(QualityReader *reader, const PgStatement *statement, TakeRow take, int64_t after) {
    int r = 0;
    for (int rows = 1; r == 0 && rows > 0;) {
        RESULT page = NULL;
        PgParams params = {0};
        pg_param_i64(&params, after);
        r = pg_run(reader->exchange, statement, &params, &page);
        pg_params_free(&params);
        rows = PQntuples(page);
        for (int row = 0; r == 0 && row < rows; row++)
            r = take(reader, page, row);
        if (r == 0 && rows)
            after = pg_i64(page, rows - 1, 0);
    }
    return r;
}

static int check_rights(Pg *exchange) {
    RESULT may = NULL;
    int r = pg_run(exchange, &MAY_READ, NULL, &may);
    if (r == 0 && !pg_bool(may, 0, 0))
        r = error_fail(ERROR_CONFIG, "this role may not read events, which quality is counted from: use an operator's");
    return r;
}

static int read_all(QualityReader *reader, int64_t since_us) {
    int64_t after = 0;
    int r = pg_command(reader->exchange, "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY");
    if (r == 0)
        r = since_stored_by(reader->exchange, since_us - 1, &after);
    if (r == 0)
        r = trimmed_note(reader->exchange, after + 1);
    if (r == 0)
        r = read_pages(reader, &BATCHES, add_batch, after);
    if (r == 0)
        r = read_pages(reader, &EXCEPTIONS, add_exception, after);
    progress_end();
    return r == 0 ? pg_command(reader->exchange, "COMMIT") : r;
}

int quality_log_read(Quality **ret, Pg *exchange, const QualityOptions *options) {
    CLEANUP(quality_destroy) Quality *quality = NULL;
    CLEANUP(arena_destroy) Arena *arena = NULL;
    int r = check_rights(exchange);
    if (r == 0)
        r = quality_new(&quality);
    if (r == 0)
        r = arena_new(&arena, ARENA_BYTES);
    if (r < 0)
        return r;
    QualityReader reader = {.quality = quality, .exchange = exchange, .rules = options->rules, .arena = arena};
    progress_begin(&reader.progress);
    r = read_all(&reader, options->since_us);
    if (r < 0)
        return r;
    *ret = quality;
    quality = NULL;
    return 0;
}
