// SPDX-License-Identifier: Apache-2.0
//
// See ledger.h. Items and verdicts are kept packed; nobody searches inside them.
#include "agents/ledger.h"

#include "proto/base/error.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

int ledger_origin_add(Spool *spool, Origin *origin) {
    static const char ADD[] =
        "INSERT INTO origin (source, name, kept_name, hash, state, row, at, encoding, confidence) "
        "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    int r = lite_run(spool_lite(spool), ADD, "tttbiiiti", origin->source, origin->name, origin->kept_name, origin->hash,
                     sizeof origin->hash, (int64_t)origin->state, (int64_t)origin->row, (int64_t)origin->at,
                     origin->encoding, (int64_t)origin->confidence);
    origin->id = lite_last_id(spool_lite(spool));
    return r;
}

#define ORIGIN_COLUMNS "id, source, name, kept_name, hash, state, row, at, waiting, encoding, confidence"

static int origin_row(Spool *spool, sqlite3_stmt *row, Origin *ret) {
    int r = lite_row(spool_lite(spool), row);
    if (r != 0)
        return r;
    *ret = (Origin){.id = sqlite3_column_int64(row, 0),
                    .state = (OriginState)sqlite3_column_int(row, 5),
                    .row = (uint64_t)sqlite3_column_int64(row, 6),
                    .at = (uint64_t)sqlite3_column_int64(row, 7),
                    .waiting = sqlite3_column_int64(row, 8),
                    .confidence = sqlite3_column_int(row, 10)};
    snprintf(ret->source, sizeof ret->source, "%s", lite_text(row, 1));
    snprintf(ret->name, sizeof ret->name, "%s", lite_text(row, 2));
    snprintf(ret->kept_name, sizeof ret->kept_name, "%s", lite_text(row, 3));
    snprintf(ret->encoding, sizeof ret->encoding, "%s", lite_text(row, 9));
    size_t n;
    const uint8_t *hash = lite_blob(row, 4, &n);
    if (n == sizeof ret->hash)
        memcpy(ret->hash, hash, n);
    lite_end(row);
    return 0;
}

int ledger_origin(Spool *spool, int64_t id, Origin *ret) {
    static const char READ[] = "SELECT " ORIGIN_COLUMNS " FROM origin WHERE id = ?1";
    sqlite3_stmt *row;
    int r = lite_query(spool_lite(spool), &row, READ, "i", id);
    return r < 0 ? r : origin_row(spool, row, ret);
}

int ledger_origin_by_hash(Spool *spool, const OriginQuery *query, Origin *ret) {
    static const char READ[] = "SELECT " ORIGIN_COLUMNS " FROM origin WHERE source = ?1 AND hash = ?2 AND state < 2 "
                               "AND id > ?3 ORDER BY id LIMIT 1";
    sqlite3_stmt *row;
    int r =
        lite_query(spool_lite(spool), &row, READ, "tbi", query->source, query->hash, sizeof query->hash, query->after);
    return r < 0 ? r : origin_row(spool, row, ret);
}

int ledger_origin_kept(Spool *spool, const char *source, const char *kept_name, Origin *ret) {
    static const char READ[] = "SELECT " ORIGIN_COLUMNS " FROM origin WHERE source = ?1 AND kept_name = ?2 "
                               "ORDER BY id DESC LIMIT 1";
    sqlite3_stmt *row;
    int r = lite_query(spool_lite(spool), &row, READ, "tt", source, kept_name);
    return r < 0 ? r : origin_row(spool, row, ret);
}

static int origin_after(Spool *spool, const char *read, const char *source, int64_t after, Origin *ret) {
    sqlite3_stmt *row;
    int r = lite_query(spool_lite(spool), &row, read, "ti", source, after);
    return r < 0 ? r : origin_row(spool, row, ret);
}

int ledger_origin_next(Spool *spool, const char *source, int64_t after, Origin *ret) {
    static const char READ[] = "SELECT " ORIGIN_COLUMNS " FROM origin WHERE source = ?1 AND id > ?2 AND state < 2 "
                               "ORDER BY id LIMIT 1";
    return origin_after(spool, READ, source, after, ret);
}

int ledger_origin_ready(Spool *spool, const char *source, int64_t after, Origin *ret) {
    static const char READ[] = "SELECT " ORIGIN_COLUMNS " FROM origin WHERE source = ?1 AND id > ?2 AND state < 2 "
                               "AND waiting = 0 ORDER BY id LIMIT 1";
    return origin_after(spool, READ, source, after, ret);
}

int ledger_unfinished(Spool *spool, LedgerEachOrigin each, void *self) {
    static const char READ[] = "SELECT id, source FROM origin WHERE state < 2 ORDER BY id";
    sqlite3_stmt *row;
    int r = lite_query(spool_lite(spool), &row, READ, "");
    if (r < 0)
        return r;
    while ((r = lite_row(spool_lite(spool), row)) == 0)
        if ((r = each(self, sqlite3_column_int64(row, 0), lite_text(row, 1))) < 0) {
            lite_end(row);
            return r;
        }
    return r < 0 ? r : 0;
}

int ledger_origin_read(Spool *spool, const Origin *origin) {
    static const char STORE[] = "UPDATE origin SET state = ?2, row = ?3, at = ?4, name = ?5, encoding = ?6, "
                                "confidence = ?7 WHERE id = ?1";
    return lite_run(spool_lite(spool), STORE, "iiiitti", origin->id, (int64_t)origin->state, (int64_t)origin->row,
                    (int64_t)origin->at, origin->name, origin->encoding, (int64_t)origin->confidence);
}

int ledger_origin_hash_clear(Spool *spool, int64_t id) {
    static const char CLEAR[] = "UPDATE origin SET hash = zeroblob(32) WHERE id = ?1";
    return lite_run(spool_lite(spool), CLEAR, "i", id);
}

int ledger_kept_name_taken(Spool *spool, const char *source, const char *kept_name, int64_t *ret) {
    static const char TAKEN[] = "SELECT count(*) FROM origin WHERE source = ?1 AND kept_name = ?2";
    return lite_number(spool_lite(spool), TAKEN, 0, ret, "tt", source, kept_name);
}

int ledger_origin_last(Spool *spool, int64_t *ret) {
    static const char LAST[] = "SELECT coalesce(max(id), 0) FROM origin";
    return lite_number(spool_lite(spool), LAST, 0, ret, "");
}

int ledger_waiting_add(Spool *spool, int64_t origin, int64_t n) {
    static const char ADD[] = "UPDATE origin SET waiting = max(0, waiting + ?2) WHERE id = ?1";
    return lite_run(spool_lite(spool), ADD, "ii", origin, n);
}

int ledger_result_add(Spool *spool, const Result *result) {
    static const char ADD[] = "INSERT INTO result (origin, kind, mark, item, verdict, text_vi, text_en, at) "
                              "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    Bytes item = {0}, verdict = {0};
    item_append(&item, &result->item);
    bytes_append_message(&verdict, &result->verdict->base);
    int r = 0;
    if (item.failed || verdict.failed)
        r = error_fail(ERROR_MEMORY, "no memory for a result");
    if (r == 0)
        r = lite_run(spool_lite(spool), ADD, "iitbbtti", result->item.origin, (int64_t)result->kind, result->mark,
                     item.data, item.n, verdict.data, verdict.n, result->text_vi, result->text_en, result->at_us);
    bytes_free(&item);
    bytes_free(&verdict);
    return r;
}

static int result_row(sqlite3_stmt *row, const ResultQuery *query, LedgerEach each, void *self) {
    Result result = {.id = sqlite3_column_int64(row, 0), .kind = query->kind, .at_us = sqlite3_column_int64(row, 6)};
    snprintf(result.mark, sizeof result.mark, "%s", lite_text(row, 1));
    size_t n;
    const uint8_t *data = lite_blob(row, 2, &n);
    if (item_read(&data, data + n, &result.item) != 0)
        return error_fail(ERROR_SYSTEM, "the spool holds an item that cannot be read");
    data = lite_blob(row, 3, &n);
    Dongbo__EventVerdict *verdict = dongbo__event_verdict__unpack(NULL, n, data);
    if (verdict == NULL)
        return error_fail(ERROR_SYSTEM, "the spool holds a verdict that cannot be read");
    result.verdict = verdict;
    result.text_vi = (const char *)sqlite3_column_text(row, 4);
    result.text_en = (const char *)sqlite3_column_text(row, 5);
    int r = each(self, &result);
    dongbo__event_verdict__free_unpacked(verdict, NULL);
    return r;
}

#define RESULT_READ                                                                                                    \
    "SELECT id, mark, item, verdict, text_vi, text_en, at FROM result WHERE origin = ?1 AND kind = ?2 AND aside = 0 "

int ledger_results(Spool *spool, const ResultQuery *query, LedgerEach each, void *self, int64_t *ret_last) {
    static const char READ[] = RESULT_READ "ORDER BY id LIMIT ?3", NEWEST[] = RESULT_READ "ORDER BY id DESC LIMIT ?3";
    *ret_last = 0;
    sqlite3_stmt *row;
    int r = lite_query(spool_lite(spool), &row, query->newest ? NEWEST : READ, "iii", query->origin,
                       (int64_t)query->kind, (int64_t)query->limit);
    if (r < 0)
        return r;
    while ((r = lite_row(spool_lite(spool), row)) == 0) {
        *ret_last = sqlite3_column_int64(row, 0);
        if ((r = result_row(row, query, each, self)) != 0) {
            lite_end(row);
            return r < 0 ? r : 0;
        }
    }
    return r < 0 ? r : 0;
}

int ledger_results_delete(Spool *spool, int64_t origin, ResultKind kind, int64_t up_to) {
    static const char DELETE[] = "DELETE FROM result WHERE origin = ?1 AND kind = ?2 AND id <= ?3 AND aside = 0";
    return lite_run(spool_lite(spool), DELETE, "iii", origin, (int64_t)kind, up_to);
}

int ledger_result_set_aside(Spool *spool, int64_t id) {
    static const char SET[] = "UPDATE result SET aside = 1 WHERE id = ?1";
    return lite_run(spool_lite(spool), SET, "i", id);
}

int ledger_results_again(Spool *spool, const char *source) {
    static const char ALL[] = "UPDATE result SET aside = 0 WHERE aside = 1",
                      AGAIN[] = "UPDATE result SET aside = 0 WHERE aside = 1 AND origin IN (SELECT id FROM origin "
                                "WHERE source = ?1)";
    int r = spool_begin(spool);
    if (r == 0)
        r = source == NULL ? lite_run(spool_lite(spool), ALL, "") : lite_run(spool_lite(spool), AGAIN, "t", source);
    return spool_end(spool, r);
}

int ledger_results_origin(Spool *spool, int64_t after, int64_t *ret) {
    static const char NEXT[] = "SELECT origin FROM result WHERE origin > ?1 AND aside = 0 ORDER BY origin LIMIT 1";
    return lite_number(spool_lite(spool), NEXT, 0, ret, "i", after);
}

int ledger_owed(Spool *spool, LedgerEachOwed each, void *self) {
    static const char READ[] =
        "SELECT o.source, count(*) FILTER (WHERE r.kind = 0), count(*) FILTER (WHERE r.kind = 1) "
        "FROM result r JOIN origin o ON o.id = r.origin GROUP BY o.source ORDER BY o.source";
    sqlite3_stmt *row;
    int r = lite_query(spool_lite(spool), &row, READ, "");
    if (r < 0)
        return r;
    while ((r = lite_row(spool_lite(spool), row)) == 0) {
        LedgerOwed owed = {lite_text(row, 0), {sqlite3_column_int64(row, 1), sqlite3_column_int64(row, 2)}};
        r = each(self, &owed);
        if (r < 0) {
            lite_end(row);
            return r;
        }
    }
    return r < 0 ? r : 0;
}

int ledger_forget(Spool *spool, const char *source, int64_t *ret_n) {
    static const char COUNT[] = "SELECT count(*) FROM origin WHERE source = ?1",
                      DROP[] = "DELETE FROM result WHERE origin IN (SELECT id FROM origin WHERE source = ?1)",
                      DISOWN[] = "UPDATE origin SET source = '', state = 2 WHERE source = ?1";
    int r = spool_begin(spool);
    if (r == 0)
        r = lite_number(spool_lite(spool), COUNT, 0, ret_n, "t", source);
    if (r == 0)
        r = lite_run(spool_lite(spool), DROP, "t", source);
    if (r == 0)
        r = lite_run(spool_lite(spool), DISOWN, "t", source);
    return spool_end(spool, r);
}

int ledger_append_from(Spool *spool, int64_t origin, ResultKind kind, int64_t *ret) {
    static const char REFUSED[] = "SELECT coalesce(refused_from, -1) FROM origin WHERE id = ?1",
                      DECIDED[] = "SELECT coalesce(results_from, -1) FROM origin WHERE id = ?1";
    return lite_number(spool_lite(spool), kind == RESULT_REFUSED ? REFUSED : DECIDED, -1, ret, "i", origin);
}

int ledger_append_begin(Spool *spool, int64_t origin, ResultKind kind, int64_t from) {
    static const char REFUSED[] = "UPDATE origin SET refused_from = ?2 WHERE id = ?1",
                      DECIDED[] = "UPDATE origin SET results_from = ?2 WHERE id = ?1";
    return lite_run(spool_lite(spool), kind == RESULT_REFUSED ? REFUSED : DECIDED, "ii", origin, from);
}

int ledger_append_end(Spool *spool, int64_t origin, ResultKind kind) {
    static const char REFUSED[] = "UPDATE origin SET refused_from = NULL WHERE id = ?1",
                      DECIDED[] = "UPDATE origin SET results_from = NULL WHERE id = ?1";
    return lite_run(spool_lite(spool), kind == RESULT_REFUSED ? REFUSED : DECIDED, "i", origin);
}

int ledger_undecided_put(Spool *spool, const Undecided *undecided) {
    static const char PUT[] = "INSERT OR REPLACE INTO undecided (stream, sequence, event_id, verdict, position, item) "
                              "VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    Bytes item = {0};
    item_append(&item, &undecided->item);
    int r = item.failed ? error_fail(ERROR_MEMORY, "no memory for an item") : 0;
    if (r == 0)
        r = lite_run(spool_lite(spool), PUT, "iibiib", undecided->stream, (int64_t)undecided->sequence,
                     undecided->event_id, (size_t)EVENT_ID_BYTES, (int64_t)undecided->verdict,
                     (int64_t)undecided->position, item.data, item.n);
    bytes_free(&item);
    return r;
}

static int undecided_row(Spool *spool, sqlite3_stmt *row, Undecided *ret) {
    int r = lite_row(spool_lite(spool), row);
    if (r != 0)
        return r;
    spool_hold(spool, row);
    *ret = (Undecided){.stream = sqlite3_column_int64(row, 0),
                       .sequence = (uint64_t)sqlite3_column_int64(row, 1),
                       .verdict = sqlite3_column_int(row, 3),
                       .position = (uint64_t)sqlite3_column_int64(row, 4),
                       .stood = (uint64_t)sqlite3_column_int64(row, 6)};
    size_t n;
    const uint8_t *data = lite_blob(row, 2, &n);
    if (n == EVENT_ID_BYTES)
        memcpy(ret->event_id, data, n);
    data = lite_blob(row, 5, &n);
    if (item_read(&data, data + n, &ret->item) != 0)
        return error_fail(ERROR_SYSTEM, "the spool holds an item that cannot be read");
    return 0;
}

#define UNDECIDED_COLUMNS "stream, sequence, event_id, verdict, position, item, stood"

int ledger_undecided(Spool *spool, int64_t stream, uint64_t sequence, Undecided *ret) {
    static const char READ[] = "SELECT " UNDECIDED_COLUMNS " FROM undecided WHERE stream = ?1 AND sequence = ?2";
    sqlite3_stmt *row;
    spool_hold(spool, NULL);
    int r = lite_query(spool_lite(spool), &row, READ, "ii", stream, (int64_t)sequence);
    return r < 0 ? r : undecided_row(spool, row, ret);
}

int ledger_undecided_by_event(Spool *spool, const uint8_t event_id[EVENT_ID_BYTES], Undecided *ret) {
    static const char READ[] = "SELECT " UNDECIDED_COLUMNS " FROM undecided WHERE event_id = ?1 "
                               "ORDER BY stream, sequence LIMIT 1";
    sqlite3_stmt *row;
    spool_hold(spool, NULL);
    int r = lite_query(spool_lite(spool), &row, READ, "b", event_id, (size_t)EVENT_ID_BYTES);
    return r < 0 ? r : undecided_row(spool, row, ret);
}

int ledger_undecided_delete(Spool *spool, int64_t stream, uint64_t sequence) {
    static const char DELETE[] = "DELETE FROM undecided WHERE stream = ?1 AND sequence = ?2";
    return lite_run(spool_lite(spool), DELETE, "ii", stream, (int64_t)sequence);
}

int ledger_undecided_within(Spool *spool, int64_t stream, uint64_t first, uint64_t last, int64_t *ret) {
    static const char COUNT[] = "SELECT count(*) FROM undecided WHERE stream = ?1 AND sequence BETWEEN ?2 AND ?3";
    return lite_number(spool_lite(spool), COUNT, 0, ret, "iii", stream, (int64_t)first, (int64_t)last);
}

int ledger_undecided_trim(Spool *spool) {
    static const char COUNT[] = "SELECT count(*) FROM undecided",
                      DELETE[] = "DELETE FROM undecided WHERE (stream, sequence) IN "
                                 "(SELECT stream, sequence FROM undecided ORDER BY position LIMIT ?1)";
    int64_t n;
    int r = lite_number(spool_lite(spool), COUNT, 0, &n, "");
    if (r < 0 || n <= LEDGER_UNDECIDED_MAX)
        return r;
    return lite_run(spool_lite(spool), DELETE, "i", n - LEDGER_UNDECIDED_MAX);
}

int ledger_tally(Spool *spool, int64_t origin, int verdict, int reason, int64_t n) {
    static const char ADD[] = "INSERT INTO tally (origin, verdict, reason, n) VALUES (?1, ?2, ?3, ?4) "
                              "ON CONFLICT (origin, verdict, reason) DO UPDATE SET n = n + ?4";
    if (n == 0)
        return 0;
    return lite_run(spool_lite(spool), ADD, "iiii", origin, (int64_t)verdict, (int64_t)reason, n);
}

int ledger_tallies(Spool *spool, int64_t origin, LedgerCount each, void *self) {
    static const char READ[] = "SELECT verdict, reason, n FROM tally WHERE origin = ?1 ORDER BY verdict, reason";
    sqlite3_stmt *row;
    int r = lite_query(spool_lite(spool), &row, READ, "i", origin);
    if (r < 0)
        return r;
    while ((r = lite_row(spool_lite(spool), row)) == 0) {
        r = each(self, sqlite3_column_int(row, 0), sqlite3_column_int(row, 1), sqlite3_column_int64(row, 2));
        if (r < 0) {
            lite_end(row);
            return r;
        }
    }
    return r < 0 ? r : 0;
}

int ledger_rows(Spool *spool, int64_t origin, int64_t *ret) {
    static const char SUM[] = "SELECT coalesce(sum(n), 0) FROM tally WHERE origin = ?1 AND reason = 0";
    return lite_number(spool_lite(spool), SUM, 0, ret, "i", origin);
}

int ledger_taken_put(Spool *spool, const TakenRow *taken) {
    static const char PUT[] = "INSERT OR REPLACE INTO taken (origin, row, content) VALUES (?1, ?2, ?3)";
    return lite_run(spool_lite(spool), PUT, "iii", taken->origin, (int64_t)taken->row, taken->content);
}

int ledger_is_taken(Spool *spool, const TakenRow *taken, int64_t *ret) {
    static const char TAKEN[] = "SELECT 1 FROM taken WHERE origin = ?1 AND row = ?2 AND content = ?3";
    return lite_number(spool_lite(spool), TAKEN, 0, ret, "iii", taken->origin, (int64_t)taken->row, taken->content);
}

int ledger_taken_next(Spool *spool, int64_t origin, int64_t after, int64_t *ret) {
    static const char NEXT[] = "SELECT row FROM taken WHERE origin = ?1 AND row > ?2 ORDER BY row LIMIT 1";
    sqlite3_stmt *row;
    int r = lite_query(spool_lite(spool), &row, NEXT, "ii", origin, after);
    if (r == 0 && (r = lite_row(spool_lite(spool), row)) == 0) {
        *ret = sqlite3_column_int64(row, 0);
        lite_end(row);
    }
    return r;
}

int ledger_taken_delete(Spool *spool, int64_t origin, uint64_t row) {
    static const char DELETE[] = "DELETE FROM taken WHERE origin = ?1 AND row = ?2";
    return lite_run(spool_lite(spool), DELETE, "ii", origin, (int64_t)row);
}

int ledger_taken_clear(Spool *spool, int64_t origin) {
    static const char DELETE[] = "DELETE FROM taken WHERE origin = ?1";
    return lite_run(spool_lite(spool), DELETE, "i", origin);
}
