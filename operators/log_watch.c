// SPDX-License-Identifier: Apache-2.0
//
// See log_watch.h. What was found once is not told again. Reads pages; decides nothing by itself.
#include "operators/log_watch.h"

#include "broker/log_row.h"
#include "operators/log_trims.h"
#include "operators/result.h"
#include "proto/base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAITS_MAX 256 // more are not looked for again

typedef struct Seen {
    uint64_t first_position;
    uint8_t hash[HASH_BYTES], leaf[HASH_BYTES];
    size_t n_marks; // of what was erased in it, and found to be ordered
    bool told;
} Seen;

struct LogWatch {
    Pg *exchange;
    bool payloads;
    AuditKeys keys; // none
    AuditExaminer *examiner;
    Audit *audit;            // NULL: nothing was read yet, or what was read last could not be
    AuditFrame frame, other; // other: of an entry that says what was let go of
    uint64_t other_first;    // its segment, as it was since the page was read; 0: none
    Bytes summary, payload;
    Seen seen[LOG_ROW_PAGE]; // the newest, the oldest first
    size_t n;
    int64_t next;               // the first position that was not read yet
    uint64_t trimmed;           // up to here it is known that payloads were let go of
    bool trims_are_fresh;       // ... as it stands in the database since the page was read
    bool trim_is_logged;        // ... and an entry says so
    uint64_t trim_waits;        // that was let go of up to here no entry says yet; 0: nothing waits
    AuditMark waits[WAITS_MAX]; // entries that were erased, likewise
    size_t n_waits, n_waited;   // ... and how much waited when the last look began
    AuditTell tell;
    void *to;
};

static void tell(void *of, const AuditFinding *finding) {
    LogWatch *watch = of;
    if (watch->tell)
        watch->tell(watch->to, finding);
}

void log_watch_tell(LogWatch *watch, AuditTell how, void *to) {
    watch->tell = how;
    watch->to = to;
}

void log_watch_unread(uint64_t position, AuditFinding *ret) {
    *ret = (AuditFinding){.position = position, .what = "segment", .should = "as it was stored"};
    size_t n = (size_t)snprintf(ret->is, sizeof ret->is, "unreadable (%s)", error_text());
    if (n >= sizeof ret->is)
        text_cut(ret->is, sizeof ret->is - 1); // no half a letter
    text_make_visible(ret->is);
}

static void tell_unread(LogWatch *watch, uint64_t position) {
    AuditFinding finding;
    log_watch_unread(position, &finding);
    tell(watch, &finding);
}

static const PgStatement HOLDING = {
    "log_watch_holding",
    "SELECT coalesce((SELECT max(first_position) FROM exchange.segment WHERE first_position <= $1), 1)", 1, NULL};

static int find_holding(LogWatch *watch, int64_t position) {
    RESULT holding = NULL;
    PgParams params = {0};
    pg_param_i64(&params, position);
    int r = pg_run(watch->exchange, &HOLDING, &params, &holding);
    pg_params_free(&params);
    if (r == 0)
        watch->next = pg_i64(holding, 0, 0);
    return r;
}

int log_watch_new(LogWatch **ret, Pg *exchange, int64_t from, bool payloads) {
    LogWatch *watch = *ret = calloc(1, sizeof *watch);
    if (!watch)
        return error_fail(ERROR_MEMORY, "no memory to verify the log");
    watch->exchange = exchange;
    watch->payloads = payloads;
    int r = audit_examiner_new(&watch->examiner, &watch->keys);
    if (r == 0)
        r = find_holding(watch, from > 0 ? from : 1);
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
    audit_frame_free(&(*watch)->other);
    bytes_free(&(*watch)->summary);
    bytes_free(&(*watch)->payload);
    free(*watch);
    *watch = NULL;
}

// ---- a row --------------------------------------------------------------------------------------------------------

static int append_row(LogWatch *watch, const PGresult *rows, int row, Bytes *plain) {
    Dongbo__LogSegment segment;
    int r = log_row_fill(rows, row, &watch->summary, &segment);
    if (r != 0)
        return r;
    logfile_append_message(plain, LOGFILE_SEGMENT, &segment.base);
    if (!watch->payloads)
        return 0;
    if (!pg_is_null(rows, row, LOG_ROW_PAYLOAD)) {
        r = log_row_unpack(rows, row, LOG_ROW_PAYLOAD, &watch->payload);
        if (r != 0)
            return r;
        logfile_append(plain, LOGFILE_PAYLOAD, watch->payload.data, watch->payload.n);
    }
    ProtobufCBinaryData batch = log_row_bytes(rows, row, LOG_ROW_BATCH);
    if (batch.len > 0)
        logfile_append(plain, LOGFILE_BATCH, batch.data, batch.len);
    return 0;
}

// Into the frame, as its one segment. 1: it cannot be read; error_text() says why.
static int examine(LogWatch *watch, const PGresult *rows, int row, AuditFrame *frame) {
    bytes_clear(&frame->plain);
    int r = append_row(watch, rows, row, &frame->plain);
    if (r == 0 && frame->plain.failed)
        r = error_fail(ERROR_MEMORY, "no memory to verify the log");
    return r != 0 ? r : audit_examine(watch->examiner, frame, 0);
}

static int read_rows(LogWatch *watch, uint64_t from, uint64_t to, PGresult **ret) {
    watch->trims_are_fresh = false;
    watch->other_first = 0;
    return log_row_read(watch->exchange, watch->payloads, (int64_t)from, (int64_t)to, ret);
}

// ---- what was let go of -------------------------------------------------------------------------------------------

// 1: it is not there, or cannot be read, which is told of elsewhere.
static int read_other(LogWatch *watch, uint64_t first) {
    RESULT rows = NULL;
    if (watch->other_first == first)
        return 0;
    watch->other_first = 0;
    int r = log_row_read(watch->exchange, watch->payloads, (int64_t)first, (int64_t)first, &rows);
    if (r == 0)
        r = PQntuples(rows) == 0 ? 1 : examine(watch, rows, 0, &watch->other);
    if (r == 0)
        watch->other_first = first;
    return r;
}

// The entry that says so must.
static int check_trim(LogWatch *watch, const LogTrim *trim) {
    AuditFinding finding = {.position = trim->entry > 0 ? trim->entry : trim->position, .what = AUDIT_TRIM_SAID};
    int r = trim->entry > 0 ? read_other(watch, trim->entry) : 1;
    uint64_t said = r == 0 ? watch->other.segments[0].trims : 0;
    if (r < 0 || said >= trim->position)
        return r;
    snprintf(finding.is, sizeof finding.is, "%" PRIu64, said);
    snprintf(finding.should, sizeof finding.should, "%" PRIu64, trim->position);
    tell(watch, &finding);
    return 0;
}

// Declared before anything is taken away: so what was known when the page was read need not do. Once a page.
static int read_trims(LogWatch *watch) {
    LogTrim trim;
    if (watch->trims_are_fresh)
        return 0;
    int r = log_trims_read(watch->exchange, &trim);
    watch->trims_are_fresh = true;
    if (r < 0 || trim.position <= watch->trimmed)
        return r;
    watch->trimmed = trim.position;
    watch->trim_is_logged = trim.entry > 0;
    return trim.entry > 0 ? check_trim(watch, &trim) : 0;
}

// 1: it lacks what nothing says that it was let go of.
static int check_kept(LogWatch *watch, AuditFinding *ret) {
    const AuditSegment *segment = &watch->frame.segments[0];
    uint64_t last = segment->last_position;
    if (!watch->payloads || !audit_lacks(segment, ret))
        return 0;
    int r = last > watch->trimmed ? read_trims(watch) : 0;
    if (r == 0 && last <= watch->trimmed && !watch->trim_is_logged)
        watch->trim_waits = watch->trimmed;
    return r < 0 ? r : last > watch->trimmed;
}

// 1: none says so. 2: no broker has come to the order, which may be one of what an earlier one took away.
static int find_tombstone(LogWatch *watch, const AuditMark *erased) {
    uint64_t first = 0;
    int r = log_trims_erased(watch->exchange, erased->position, &first);
    if (r == 0)
        r = first > 0 ? read_other(watch, first) : 2;
    if (r != 0)
        return r;
    for (size_t i = 0; i < watch->other.n_marks; i++) {
        const AuditMark *mark = &watch->other.marks[i];
        if (mark->is_tombstone && mark->erased == erased->position && memcmp(mark->leaf, erased->leaf, HASH_BYTES) == 0)
            return 0;
    }
    return 1;
}

static void wait_for(LogWatch *watch, const AuditMark *mark) {
    for (size_t i = 0; i < watch->n_waits; i++)
        if (watch->waits[i].position == mark->position)
            return; // its payload's entry and its event are both gone
    if (watch->n_waits < WAITS_MAX)
        watch->waits[watch->n_waits++] = *mark;
}

// The tombstone is there before anything is taken away. 1: of one it is not.
static int check_erased(LogWatch *watch, AuditFinding *ret) {
    int r = 0;
    for (size_t i = 0; r == 0 && i < watch->frame.n_marks; i++) {
        const AuditMark *mark = &watch->frame.marks[i];
        *ret = audit_lacks_tombstone(mark->position);
        if (!mark->is_tombstone)
            r = find_tombstone(watch, mark);
        if (r == 2) {
            wait_for(watch, mark);
            r = 0;
        }
    }
    return r;
}

static int check_let_go(LogWatch *watch, Seen *seen) {
    AuditFinding finding;
    int r = check_kept(watch, &finding);
    if (r == 0 && watch->frame.n_marks != seen->n_marks)
        r = check_erased(watch, &finding);
    if (r >= 0) // else it is made up for
        seen->n_marks = watch->frame.n_marks;
    if (r > 0) {
        seen->told = true;
        tell(watch, &finding);
    }
    return r < 0 ? r : 0;
}

static int look_for_trim(LogWatch *watch) {
    LogTrim trim;
    int r = watch->trim_waits > 0 ? log_trims_read(watch->exchange, &trim) : 0;
    if (r < 0 || watch->trim_waits == 0)
        return r;
    bool is_there = trim.position >= watch->trim_waits;
    if (is_there && trim.entry == 0)
        return 0;
    if (!is_there) // it was taken back, and what went has not come back with it
        trim = (LogTrim){.position = watch->trim_waits};
    watch->trim_is_logged = true; // or that it is not has been told
    watch->trim_waits = 0;
    return check_trim(watch, &trim);
}

// For the entries of what had none yet.
static int look_for_words(LogWatch *watch) {
    watch->other_first = 0;
    int r = look_for_trim(watch);
    size_t n = 0;
    for (size_t i = 0; r >= 0 && i < watch->n_waits; i++) {
        AuditFinding finding = audit_lacks_tombstone(watch->waits[i].position);
        r = find_tombstone(watch, &watch->waits[i]);
        if (r == 1)
            tell(watch, &finding);
        if (r == 2)
            watch->waits[n++] = watch->waits[i];
    }
    if (r < 0)
        return r;
    watch->n_waits = n;
    watch->n_waited = log_watch_waiting(watch, false);
    return 0;
}

size_t log_watch_waiting(const LogWatch *watch, bool before) {
    return before ? watch->n_waited : watch->n_waits + (watch->trim_waits > 0);
}

// ---- the new ones -------------------------------------------------------------------------------------------------

// From this segment on, by what stands in the one before. 1: that does not go together, and is told.
static int begin(LogWatch *watch, int64_t first) {
    RESULT before = NULL;
    Dongbo__LogBegin message;
    int r = audit_new(&watch->audit, &watch->keys, tell, watch);
    if (r == 0)
        r = log_row_begin(watch->exchange, first, &before, &message);
    if (r < 0)
        return r;
    bytes_clear(&watch->frame.plain);
    logfile_append_message(&watch->frame.plain, LOGFILE_BEGIN, &message.base);
    r = audit_examine(watch->examiner, &watch->frame, 0);
    if (r == 0)
        r = audit_link(watch->audit, &watch->frame);
    if (r != 0)
        audit_destroy(&watch->audit);
    if (r > 0) {
        error_fail(ERROR_DATABASE, "hash or frontier of the one before it is malformed");
        tell_unread(watch, (uint64_t)first);
    }
    return r;
}

static void remember(LogWatch *watch, int64_t first, const AuditSegment *segment, bool told) {
    if (watch->n == LOG_ROW_PAGE)
        memmove(watch->seen, watch->seen + 1, --watch->n * sizeof *watch->seen);
    Seen *seen = &watch->seen[watch->n++];
    *seen = (Seen){.first_position = (uint64_t)first, .told = told};
    if (segment) {
        memcpy(seen->hash, segment->hash, HASH_BYTES);
        memcpy(seen->leaf, segment->leaf, HASH_BYTES);
    }
}

// Tells what it says of its own content where the audit cannot, for it lacks the place to go on from.
static int link_row(LogWatch *watch) {
    const AuditFindings *findings = &watch->frame.segments[0].findings;
    if (watch->audit)
        return audit_link(watch->audit, &watch->frame);
    for (int i = 0; i < findings->n; i++)
        tell(watch, &findings->list[i]);
    return 0;
}

// Behind one that cannot be read the next is begun from anew, so that all that can be is held against what is before
// it.
static int look_at(LogWatch *watch, const PGresult *rows, int row) {
    int64_t first = pg_i64(rows, row, LOG_ROW_FIRST);
    int r = watch->audit ? 0 : begin(watch, first);
    if (r >= 0)
        r = examine(watch, rows, row, &watch->frame);
    if (r == 0)
        r = link_row(watch);
    if (r < 0) { // it is looked at again, by an audit that has seen nothing of it
        audit_destroy(&watch->audit);
        return r;
    }
    watch->next = first + 1;
    if (r > 0) {
        tell_unread(watch, (uint64_t)first);
        audit_destroy(&watch->audit);
        remember(watch, first, NULL, true);
        return 0;
    }
    remember(watch, first, &watch->frame.segments[0], watch->frame.segments[0].findings.n > 0);
    return check_let_go(watch, &watch->seen[watch->n - 1]);
}

static int look_at_new(LogWatch *watch, int64_t to) {
    int r = 0;
    for (int n = 1; r == 0 && n > 0 && watch->next <= to;) {
        RESULT rows = NULL;
        r = read_rows(watch, (uint64_t)watch->next, (uint64_t)to, &rows);
        n = r == 0 ? PQntuples(rows) : 0;
        for (int row = 0; r == 0 && row < n; row++)
            r = look_at(watch, rows, row);
    }
    return r;
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

static int compare(LogWatch *watch, Seen *seen) {
    const AuditSegment *now = &watch->frame.segments[0];
    if (memcmp(now->leaf, seen->leaf, HASH_BYTES) != 0)
        tell_change(watch, seen, "leaf, changed since it was read", now->leaf, seen->leaf);
    else if (memcmp(now->hash, seen->hash, HASH_BYTES) != 0)
        tell_change(watch, seen, "hash, changed since it was read", now->hash, seen->hash);
    for (int i = 0; !seen->told && i < now->findings.n; i++)
        tell(watch, &now->findings.list[i]);
    seen->told |= now->findings.n > 0;
    return seen->told ? 0 : check_let_go(watch, seen);
}

static int look_again_at(LogWatch *watch, Seen *seen, const PGresult *rows, int row) {
    if (row < 0) {
        tell_change(watch, seen, "segment, gone since it was read", NULL, seen->hash);
        return 0;
    }
    int r = examine(watch, rows, row, &watch->frame);
    if (r <= 0)
        return r < 0 ? r : compare(watch, seen);
    seen->told = true;
    tell_unread(watch, seen->first_position);
    return 0;
}

static int look_again(LogWatch *watch) {
    RESULT rows = NULL;
    if (watch->n == 0)
        return 0;
    int r = read_rows(watch, watch->seen[0].first_position, watch->seen[watch->n - 1].first_position, &rows);
    int at = 0, n = r == 0 ? PQntuples(rows) : 0;
    for (size_t i = 0; r == 0 && i < watch->n; i++) {
        Seen *seen = &watch->seen[i];
        while (at < n && (uint64_t)pg_i64(rows, at, LOG_ROW_FIRST) < seen->first_position)
            at++;
        bool is_there = at < n && (uint64_t)pg_i64(rows, at, LOG_ROW_FIRST) == seen->first_position;
        if (!seen->told)
            r = look_again_at(watch, seen, rows, is_there ? at : -1);
    }
    return r;
}

int log_watch_look(LogWatch *watch, int64_t to) {
    int r = look_for_words(watch);
    if (r == 0)
        r = look_again(watch);
    return r < 0 ? r : look_at_new(watch, to);
}
