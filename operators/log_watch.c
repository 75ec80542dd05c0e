// SPDX-License-Identifier: Apache-2.0
//
// See log_watch.h. What was found once is not told again. Reads pages; decides nothing by itself.
#include "operators/log_watch.h"

#include "broker/log_row.h"
#include "operators/result.h"

#include <stdlib.h>
#include <string.h>

typedef struct Seen {
    uint64_t first_position;
    uint8_t hash[HASH_BYTES], leaf[HASH_BYTES];
    bool told;
} Seen;

struct LogWatch {
    Pg *exchange;
    bool payloads;
    AuditKeys keys; // none
    AuditExaminer *examiner;
    Audit *audit;
    AuditFrame frame;
    Bytes summary, payload;
    Seen seen[LOG_ROW_PAGE]; // the newest, the oldest first
    size_t n;
    AuditTell tell;
    void *to;
    uint64_t breaks;
};

static void tell(void *of, const AuditFinding *finding) {
    LogWatch *watch = of;
    watch->breaks++;
    if (watch->tell)
        watch->tell(watch->to, finding);
}

void log_watch_tell(LogWatch *watch, AuditTell how, void *to) {
    watch->tell = how;
    watch->to = to;
}

static const PgStatement HOLDING = {
    "log_watch_holding",
    "SELECT coalesce((SELECT max(first_position) FROM exchange.segment WHERE first_position <= $1), 1)", 1, NULL};

static int begin(LogWatch *watch, int64_t from) {
    RESULT holding = NULL;
    RESULT before = NULL;
    PgParams params = {0};
    Dongbo__LogBegin message;
    pg_param_i64(&params, from);
    int r = pg_run(watch->exchange, &HOLDING, &params, &holding);
    pg_params_free(&params);
    if (r == 0)
        r = log_row_begin(watch->exchange, pg_i64(holding, 0, 0), &before, &message);
    if (r < 0)
        return r;
    bytes_clear(&watch->frame.plain);
    logfile_append_message(&watch->frame.plain, LOGFILE_BEGIN, &message.base);
    r = audit_examine(watch->examiner, &watch->frame, 0);
    if (r == 0)
        r = audit_link(watch->audit, &watch->frame);
    return r <= 0 ? r : ERROR_DATABASE; // its frontier does not fit: it is said already
}

int log_watch_new(LogWatch **ret, Pg *exchange, int64_t from, bool payloads) {
    LogWatch *watch = *ret = calloc(1, sizeof *watch);
    if (!watch)
        return error_fail(ERROR_MEMORY, "no memory to verify the log");
    watch->exchange = exchange;
    watch->payloads = payloads;
    int r = audit_examiner_new(&watch->examiner, &watch->keys);
    if (r == 0)
        r = audit_new(&watch->audit, &watch->keys, tell, watch);
    if (r == 0)
        r = begin(watch, from > 0 ? from : 1);
    if (r < 0)
        log_watch_destroy(ret);
    return r;
}

void log_watch_destroy(LogWatch **watch) {
    if (!*watch)
        return;
    audit_destroy(&(*watch)->audit);
    audit_examiner_destroy(&(*watch)->examiner);
    audit_frame_free(&(*watch)->frame);
    bytes_free(&(*watch)->summary);
    bytes_free(&(*watch)->payload);
    free(*watch);
    *watch = NULL;
}

// ---- a page -------------------------------------------------------------------------------------------------------

static int append_row(LogWatch *watch, const PGresult *rows, int row) {
    Bytes *plain = &watch->frame.plain;
    Dongbo__LogSegment segment;
    int r = log_row_fill(rows, row, &watch->summary, &segment);
    if (r < 0)
        return r;
    logfile_append_message(plain, LOGFILE_SEGMENT, &segment.base);
    if (!watch->payloads)
        return 0;
    if (!pg_is_null(rows, row, LOG_ROW_PAYLOAD)) {
        r = log_row_unpack(rows, row, LOG_ROW_PAYLOAD, &watch->payload);
        if (r < 0)
            return r;
        logfile_append(plain, LOGFILE_PAYLOAD, watch->payload.data, watch->payload.n);
    }
    ProtobufCBinaryData batch = log_row_bytes(rows, row, LOG_ROW_BATCH);
    if (batch.len > 0)
        logfile_append(plain, LOGFILE_BATCH, batch.data, batch.len);
    return 0;
}

// Into the frame, examined. *ret_n: how many there were.
static int read_page(LogWatch *watch, uint64_t from, uint64_t to, size_t *ret_n) {
    RESULT rows = NULL;
    int r = log_row_read(watch->exchange, watch->payloads, (int64_t)from, (int64_t)to, &rows);
    bytes_clear(&watch->frame.plain);
    *ret_n = r == 0 ? (size_t)PQntuples(rows) : 0;
    for (int row = 0; r == 0 && row < (int)*ret_n; row++)
        r = append_row(watch, rows, row);
    if (r == 0 && watch->frame.plain.failed)
        r = error_fail(ERROR_MEMORY, "no memory to verify the log");
    if (r == 0)
        r = audit_examine(watch->examiner, &watch->frame, 0);
    return r <= 0 ? r : ERROR_DATABASE;
}

static void remember(LogWatch *watch, const AuditSegment *segment) {
    if (watch->n == LOG_ROW_PAGE)
        memmove(watch->seen, watch->seen + 1, --watch->n * sizeof *watch->seen);
    Seen *seen = &watch->seen[watch->n++];
    *seen = (Seen){.first_position = segment->first_position, .told = segment->findings.n > 0};
    memcpy(seen->hash, segment->hash, HASH_BYTES);
    memcpy(seen->leaf, segment->leaf, HASH_BYTES);
}

static int look_at_new(LogWatch *watch, uint64_t to) {
    int r = 0;
    for (size_t n = 1; r == 0 && n > 0;) {
        uint64_t from = audit_state(watch->audit).last_position + 1;
        n = 0;
        if (from <= to)
            r = read_page(watch, from, to, &n);
        if (r == 0 && n > 0)
            r = audit_link(watch->audit, &watch->frame);
        for (size_t i = 0; r == 0 && i < n; i++)
            remember(watch, &watch->frame.segments[i]);
    }
    return r <= 0 ? r : ERROR_DATABASE;
}

// ---- the newest again ---------------------------------------------------------------------------------------------

static void tell_change(LogWatch *watch, Seen *seen, const char *what, const uint8_t *is, const uint8_t *should) {
    AuditFinding finding = {.position = seen->first_position, .what = what};
    if (is)
        hex_encode(is, HASH_BYTES, finding.is);
    hex_encode(should, HASH_BYTES, finding.should);
    seen->told = true;
    tell(watch, &finding);
}

static void compare(LogWatch *watch, Seen *seen, const AuditSegment *now) {
    if (!now)
        tell_change(watch, seen, "segment, gone since it was read", NULL, seen->hash);
    else if (memcmp(now->leaf, seen->leaf, HASH_BYTES) != 0)
        tell_change(watch, seen, "leaf, changed since it was read", now->leaf, seen->leaf);
    else if (memcmp(now->hash, seen->hash, HASH_BYTES) != 0)
        tell_change(watch, seen, "hash, changed since it was read", now->hash, seen->hash);
    for (int i = 0; now && !seen->told && i < now->findings.n; i++)
        tell(watch, &now->findings.list[i]);
    seen->told |= now && now->findings.n > 0;
}

static int look_again(LogWatch *watch) {
    size_t n = 0, at = 0;
    if (watch->n == 0)
        return 0;
    int r = read_page(watch, watch->seen[0].first_position, watch->seen[watch->n - 1].first_position, &n);
    for (size_t i = 0; r == 0 && i < watch->n; i++) {
        Seen *seen = &watch->seen[i];
        while (at < n && watch->frame.segments[at].first_position < seen->first_position)
            at++;
        bool is_there = at < n && watch->frame.segments[at].first_position == seen->first_position;
        if (!seen->told)
            compare(watch, seen, is_there ? &watch->frame.segments[at] : NULL);
    }
    return r;
}

int log_watch_look(LogWatch *watch, int64_t to) {
    int r = look_again(watch);
    return r < 0 ? r : look_at_new(watch, (uint64_t)to);
}

uint64_t log_watch_breaks(const LogWatch *watch) {
    return watch->breaks;
}
