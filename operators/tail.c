// SPDX-License-Identifier: Apache-2.0
//
// `dongbo log tail`: reads segments in pages, backwards from the head to find the last lines, or forwards from a time
// or position; with -f it then waits for the broker's notification. The masked summary is what it shows; the payload is
// read only where an event id, a citizen or unmasking asks for it and the role may.
#include "broker/segment.h"
#include "operators/commands.h"
#include "operators/commits.h"
#include "operators/identity.h"
#include "operators/line.h"
#include "operators/log_watch.h"
#include "operators/result.h"
#include "operators/since.h"
#include "operators/trimmed.h"
#include "operators/why.h"
#include "proto/base/arena.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/domain.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char NOTES[] =
    "--verify holds each segment against itself and the one before as it is read, and with -f the newest 64 segments again\n"
    "every second. Older ones are not looked at again: what is changed in them later is found by --verify --since, and by\n"
    "dongbo log verify of an export, which also holds it against what was signed.\n"
    "Exit code 1: a break was told, or a segment that cannot be read. 2: content is gone of which no entry tells yet, for\n"
    "no broker has logged that it was trimmed or erased.\n";

#define TAIL_ARENA_BYTES ((size_t)256 * 1024 * 1024)
#define TAIL_LINES 20
#define TAIL_RETRY_MS 500
#define TAIL_RETRY_MAX_MS 5000
#define TAIL_WAIT_MS 30000  // then looks by itself
#define TAIL_VERIFY_MS 1000 // ... at what it has shown, for nobody tells who changes it

// The payload is named only in the second form of each, since a reader's role may not read it at all.
#define TAIL_SELECT(payload)                                                                                           \
    "SELECT first_position, last_position, kind, agency, stored_at_us, format, summary, " payload                      \
    " FROM exchange.segment "
// From the segment that holds the position.
#define TAIL_HOLDING "(SELECT max(first_position) FROM exchange.segment WHERE first_position <= $1)"
#define TAIL_FORWARD                                                                                                   \
    "WHERE first_position >= coalesce(" TAIL_HOLDING ", 0) AND last_position >= $1 ORDER BY first_position LIMIT 32"
#define TAIL_BACKWARD "WHERE first_position < $1 ORDER BY first_position DESC LIMIT 32"
static const PgStatement PAGES[2][2] = {{{"tail_forward", TAIL_SELECT("NULL::bytea") TAIL_FORWARD, 1, NULL},
                                         {"tail_backward", TAIL_SELECT("NULL::bytea") TAIL_BACKWARD, 1, NULL}},
                                        {{"tail_forward_payload", TAIL_SELECT("payload") TAIL_FORWARD, 1, NULL},
                                         {"tail_backward_payload", TAIL_SELECT("payload") TAIL_BACKWARD, 1, NULL}}};
static const PgStatement MAY_READ = {"tail_may_read",
                                     "SELECT has_column_privilege('exchange.segment', 'payload', 'SELECT')", 0, NULL};
typedef struct Tail {
    const Desk *desk;
    Pg *exchange;
    Names *names;
    Identity identity;
    PGresult *family; // the identity's
    Arena *arena;
    LineFormat format;
    LogWatch *watch; // with --verify
    bool follow, json, unmask, verify, payload, may_payload;
    bool told_waiting; // ... for entries that say what was let go of
    const char *agency_code, *domain_name, *verdict_name, *citizen, *since;
    long long lines; // -1: not said
    uint32_t agency;
    int domain, verdict;
    int64_t next;      // first position not shown yet
    uint64_t n_broken; // what was told, and what could not be read
    Bytes out, broken;
} Tail;

static void tail_free(Tail *tail) {
    log_watch_destroy(&tail->watch);
    names_destroy(&tail->names);
    identity_free(&tail->identity);
    PQclear(tail->family);
    arena_destroy(&tail->arena);
    bytes_free(&tail->out);
    bytes_free(&tail->broken);
}

static bool matches(const Tail *tail, const Line *line) {
    const Dongbo__SummaryLine *summary = line->summary;
    if (line->position < tail->next)
        return false;
    if (tail->agency && line->agency != tail->agency)
        return false;
    if (tail->domain && (int)summary->domain != tail->domain)
        return false;
    if (tail->verdict && (int)summary->verdict != tail->verdict)
        return false;
    if (!tail->citizen)
        return true;
    return line->entry &&
           identity_is_of(&tail->identity, tail->family, line->entry->person, line->entry->citizen_number);
}

typedef struct Page {
    const PGresult *rows;
    Dongbo__SegmentSummary *summary;
    Dongbo__SegmentPayload *payload; // NULL
} Page;

// 1: it cannot be read; error_text() says why.
static int decode(Tail *tail, Page *page, int row) {
    size_t n = 0;
    int format = pg_i16(page->rows, row, 5);
    arena_reset(tail->arena);
    page->summary = NULL;
    page->payload = NULL;
    int r = names_refresh(tail->names, tail->exchange, (uint32_t)pg_i32(page->rows, row, 3));
    if (r < 0)
        return r;
    const uint8_t *bytes = pg_bytes(page->rows, row, 6, &n);
    r = segment_decode_summary(bytes, n, format, tail->arena, &page->summary);
    bytes = pg_bytes(page->rows, row, 7, &n);
    if (r == 0 && n)
        r = segment_decode_payload(bytes, n, format, tail->arena, &page->payload);
    if (r > 0)
        error_fail(ERROR_DATABASE, "%s is damaged", page->summary ? "its payload" : "its summary");
    return r;
}

// Shows the segment's matching lines, the last ones first when going backwards, at most *limit (< 0: all). Backwards
// lines are kept in `kept`, one text each, newest first.
typedef struct Kept {
    Bytes texts;
    size_t *starts;
    size_t n, size;
} Kept;

static int keep(Kept *kept, const LineFormat *format, const Line *line) {
    if (kept->n == kept->size) {
        size_t size = kept->size ? 2 * kept->size : 64;
        size_t *starts = realloc(kept->starts, size * sizeof *starts);
        if (!starts)
            return error_fail(ERROR_MEMORY, "no memory for the lines");
        kept->starts = starts;
        kept->size = size;
    }
    kept->starts[kept->n++] = kept->texts.n;
    line_write(format, line, &kept->texts);
    return 0;
}

static Line line_of(const Page *page, int row, size_t i) {
    return (Line){
        .position = pg_i64(page->rows, row, 0) + (int64_t)i,
        .stored_at_us = pg_i64(page->rows, row, 4),
        .agency = (uint32_t)pg_i32(page->rows, row, 3),
        .summary = page->summary->lines[i],
        .entry = page->payload && i < page->payload->n_entries ? page->payload->entries[i] : NULL,
    };
}

static int read_page(Tail *tail, bool backward, int64_t position, PGresult **ret) {
    PgParams params = {0};
    pg_param_i64(&params, position);
    int r = pg_run(tail->exchange, &PAGES[tail->payload][backward], &params, ret);
    pg_params_free(&params);
    return r;
}

static int flush_out(Tail *tail) {
    if (tail->out.failed)
        return error_fail(ERROR_MEMORY, "no memory for the lines");
    size_t n = tail->out.n ? fwrite(tail->out.data, 1, tail->out.n, stdout) : 0;
    bool bad = n != tail->out.n || fflush(stdout) != 0;
    bytes_clear(&tail->out);
    return bad ? error_fail(ERROR_SYSTEM, "standard output: %s", strerror(errno)) : 0;
}

// ---- what is broken -----------------------------------------------------------------------------------------------

static void end_broken(int signal) {
    (void)signal;
    _exit(1);
}

// What was found is answered, also by who follows until they are interrupted. What is ignored stays so.
static void answer_broken_when_interrupted(void) {
    static const int SIGNALS[] = {SIGINT, SIGTERM};
    for (size_t i = 0; i < sizeof SIGNALS / sizeof *SIGNALS; i++)
        if (signal(SIGNALS[i], end_broken) == SIG_IGN)
            signal(SIGNALS[i], SIG_IGN);
}

static void count_broken(Tail *tail) {
    if (tail->n_broken++ == 0)
        answer_broken_when_interrupted();
}

// At once, among the lines: whoever looks at these must not have to look elsewhere.
static void tell_broken(void *of, const AuditFinding *finding) {
    Tail *tail = of;
    count_broken(tail);
    bytes_clear(&tail->broken);
    line_write_broken(&tail->format, finding, &tail->broken);
    if (!tail->broken.failed)
        fwrite(tail->broken.data, 1, tail->broken.n, stdout);
}

// Where it is verified, that was told already, or is about to be.
static void tell_unread(Tail *tail, int64_t position) {
    AuditFinding finding;
    log_watch_unread((uint64_t)position, &finding);
    if (tail->verify)
        count_broken(tail);
    else
        tell_broken(tail, &finding);
}

// ---- verifying ----------------------------------------------------------------------------------------------------

// From the segment that holds this position on.
static int watch_from(Tail *tail, int64_t from) {
    if (!tail->verify)
        return 0;
    int r = log_watch_new(&tail->watch, tail->exchange, from, tail->may_payload);
    if (r == 0)
        log_watch_tell(tail->watch, tell_broken, tail);
    return r;
}

// A broker logs at once what was declared: for a moment it is no news.
static void tell_waiting(Tail *tail, bool again) {
    bool waits = tail->watch != NULL && log_watch_waiting(tail->watch, again) > 0;
    if (waits && !tail->told_waiting)
        log_warn("content is gone of which no entry of the log tells yet: a broker is to log that it was trimmed or "
                 "erased");
    tail->told_waiting = waits;
}

static int watch_up_to(Tail *tail, int64_t position) {
    if (!tail->watch)
        return 0;
    int r = log_watch_look(tail->watch, position);
    tell_waiting(tail, true);
    return r == 0 && fflush(stdout) != 0 ? error_fail(ERROR_SYSTEM, "standard output: %s", strerror(errno)) : r;
}

// ---- lines --------------------------------------------------------------------------------------------------------

static int back_page(Tail *tail, Kept *kept, const PGresult *rows) {
    Page page = {.rows = rows};
    int r = 0;
    for (int row = 0; r == 0 && row < PQntuples(rows) && kept->n < (size_t)tail->lines; row++) {
        r = decode(tail, &page, row);
        if (r > 0)
            tell_unread(tail, pg_i64(rows, row, 0));
        for (size_t i = r == 0 ? page.summary->n_lines : 0; i-- > 0 && r == 0 && kept->n < (size_t)tail->lines;) {
            const Line line = line_of(&page, row, i);
            if (matches(tail, &line))
                r = keep(kept, &tail->format, &line);
        }
        r = r > 0 ? 0 : r;
    }
    return r;
}

// The last lines: what is newest is read first and printed last.
static int show_last(Tail *tail) {
    Kept kept = {0};
    int64_t before = INT64_MAX, newest = 0;
    int r = 0;
    for (int n = 1; r == 0 && n > 0 && (newest == 0 || kept.n < (size_t)tail->lines);) {
        RESULT rows = NULL;
        r = read_page(tail, true, before, &rows);
        n = PQntuples(rows);
        if (r < 0 || n == 0)
            break;
        if (newest == 0)
            newest = pg_i64(rows, 0, 1);
        before = pg_i64(rows, n - 1, 0);
        r = back_page(tail, &kept, rows);
    }
    for (size_t i = kept.n; i-- > 0;) {
        size_t end = i + 1 < kept.n ? kept.starts[i + 1] : kept.texts.n;
        bytes_append(&tail->out, kept.texts.data + kept.starts[i], end - kept.starts[i]);
    }
    bool failed = kept.texts.failed;
    free(kept.starts);
    bytes_free(&kept.texts);
    tail->next = newest + 1;
    if (r == 0 && failed)
        r = error_fail(ERROR_MEMORY, "no memory for the lines");
    if (r == 0)
        r = watch_from(tail, newest ? before : 1);
    if (r == 0)
        r = watch_up_to(tail, newest); // before it is shown
    return r < 0 ? r : flush_out(tail);
}

// Everything from tail->next to the head, or as many lines as asked for. 1 when those are shown.
static int show_new(Tail *tail, bool limited) {
    for (int n = 1; n > 0;) {
        RESULT rows = NULL;
        Page page = {0};
        int r = read_page(tail, false, tail->next, &rows);
        page.rows = rows;
        n = PQntuples(rows);
        if (r == 0 && n > 0)
            r = watch_up_to(tail, pg_i64(rows, n - 1, 1));
        for (int row = 0; r == 0 && row < n; row++) {
            r = decode(tail, &page, row);
            if (r > 0)
                tell_unread(tail, pg_i64(rows, row, 0));
            for (size_t i = 0; r == 0 && i < page.summary->n_lines && !(limited && tail->lines == 0); i++) {
                const Line line = line_of(&page, row, i);
                if (!matches(tail, &line))
                    continue;
                line_write(&tail->format, &line, &tail->out);
                tail->lines -= limited;
            }
            r = r > 0 ? 0 : r;
        }
        if (r == 0)
            r = flush_out(tail);
        bytes_clear(&tail->out); // what was not shown whole is shown again
        if (r < 0)
            return r;
        if (limited && tail->lines == 0)
            return 1;
        if (n)
            tail->next = pg_i64(rows, n - 1, 1) + 1;
    }
    return 0;
}

// The database went away, and is waited for: nothing falls between, for tail->next is what was not shown yet.
static int reconnect(Tail *tail) {
    log_warn("%s; waiting for the database", error_text());
    int r = ERROR_DATABASE;
    for (int wait_ms = TAIL_RETRY_MS; r == ERROR_DATABASE;
         wait_ms = 2 * wait_ms < TAIL_RETRY_MAX_MS ? 2 * wait_ms : TAIL_RETRY_MAX_MS) {
        pg_disconnect(tail->exchange);
        r = commits_wait(tail->exchange, STDOUT_FILENO, wait_ms);
        if (r == 0)
            r = pg_connect(tail->exchange);
        if (r == 0)
            r = commits_listen(tail->exchange);
        if (r == 0)
            r = desk_look(tail->desk, tail->exchange);
    }
    if (r != 0)
        return r;
    log_info("the database is back; going on at position %lld", (long long)tail->next);
    return show_new(tail, false);
}

static int follow_once(Tail *tail) {
    int r = commits_wait(tail->exchange, STDOUT_FILENO, tail->watch ? TAIL_VERIFY_MS : TAIL_WAIT_MS);
    if (r == 0)
        r = show_new(tail, false);
    return r == 0 ? watch_up_to(tail, tail->next - 1) : r;
}

static int follow(Tail *tail) {
    int r = 0;
    while (r == 0) {
        r = follow_once(tail);
        while (r == ERROR_DATABASE && !pg_connected(tail->exchange))
            r = reconnect(tail);
    }
    return r < 0 ? r : 0;
}

static int find_filters(Tail *tail) {
    int r = names_read(&tail->names, tail->exchange);
    if (r == 0)
        r = names_find_agency(tail->names, tail->agency_code, &tail->agency);
    if (r == 0)
        r = names_find_domain(tail->domain_name, &tail->domain);
    if (r < 0)
        return r;
    tail->verdict = tail->verdict_name ? verdict_by_name(tail->verdict_name) : 0;
    if (tail->verdict_name && !tail->verdict)
        return error_fail(ERROR_CONFIG,
                          "--verdict: \"%s\" is none of ACCEPTED, UNCHANGED, SUPERSEDED, MISMATCH, "
                          "DEFERRED, REJECTED",
                          tail->verdict_name);
    return 0;
}

// Whether the payload is to be read. A role that may not read it still sees the masked lines.
static int find_rights(Tail *tail) {
    RESULT may = NULL;
    int r = pg_run(tail->exchange, &MAY_READ, NULL, &may);
    if (r < 0)
        return r;
    bool must = tail->unmask || tail->citizen;
    if (must && !pg_bool(may, 0, 0))
        return error_fail(ERROR_CONFIG, "this role may not read payloads: --citizen and --unmask are not for it");
    tail->may_payload = pg_bool(may, 0, 0);
    tail->payload = tail->may_payload && (must || tail->json);
    return tail->unmask ? identity_note_unmasking(tail->desk, "log tail", tail->identity.number) : 0;
}

static int prepare(Desk *desk, Tail *tail) {
    tail->desk = desk;
    int r = tail->citizen ? identity_read_number(tail->citizen, tail->identity.number) : 0;
    if (r == 0)
        r = desk_exchange(desk, &tail->exchange);
    if (r == 0)
        r = find_filters(tail);
    if (r == 0 && tail->citizen)
        r = identity_find(desk, &tail->identity);
    if (r == 0)
        r = find_rights(tail);
    if (r == 0 && tail->citizen)
        r = identity_find_family(tail->exchange, tail->identity.person, &tail->family);
    if (r == 0)
        r = arena_new(&tail->arena, TAIL_ARENA_BYTES);
    if (r == 0 && tail->follow)
        r = commits_listen(tail->exchange); // before the first look, so that nothing falls between
    if (r == 0 && tail->since)
        r = since_find(tail->exchange, tail->since, &tail->next);
    if (r == 0 && tail->payload && (tail->since || tail->citizen))
        r = trimmed_note(tail->exchange, tail->next);
    LineStyle style = tail->json ? LINE_JSON : isatty(STDOUT_FILENO) ? LINE_COLOUR : LINE_PLAIN;
    tail->format = (LineFormat){style, tail->unmask, tail->names};
    return r;
}

int tail_run(Desk *desk, int argc, char **argv) {
    CLEANUP(tail_free) Tail tail = {.lines = -1};
    int operand = 0;
    const Option options[] = {
        {"follow", 'f', OPTION_FLAG, NULL, "go on as the log grows", &tail.follow},
        {"json", 0, OPTION_FLAG, NULL, "one JSON object a line", &tail.json},
        {"agency", 0, OPTION_TEXT, "CODE", "only what this agency said", &tail.agency_code},
        {"domain", 0, OPTION_TEXT, "DOMAIN", "only this domain", &tail.domain_name},
        {"verdict", 0, OPTION_TEXT, "VERDICT", "only this verdict", &tail.verdict_name},
        {"citizen", 0, OPTION_TEXT, "NUMBER|-", "only this citizen, under any number", &tail.citizen},
        {"since", 0, OPTION_TEXT, "TIME|POSITION", "from there on, instead of the last lines", &tail.since},
        {"lines", 'n', OPTION_INT, "N", "so many lines; default 20, with --since all", &tail.lines},
        {"verify", 0, OPTION_FLAG, NULL, "say at once where what is shown breaks; exit code 1, also if interrupted",
         &tail.verify},
        {"unmask", 0, OPTION_FLAG, NULL, "show citizen numbers; this is noted", &tail.unmask},
        DESK_WHY(desk),
        {0}};
    int r = desk_parse_noted(desk, options, NOTES, argc, argv, &operand);
    if (r != 0)
        return r < 0 ? r : 0;
    if (tail.lines < -1 || tail.lines > 10000000)
        return error_fail(ERROR_CONFIG, "--lines: 0 to 10000000");
    bool limited = tail.lines >= 0;
    if (!limited)
        tail.lines = TAIL_LINES;
    r = tail.unmask ? why_find(desk) : 0;
    if (r == 0)
        r = prepare(desk, &tail);
    if (r < 0)
        return r;
    line_header(&tail.format, &tail.out);
    if (tail.since)
        r = watch_from(&tail, tail.next);
    if (r == 0)
        r = tail.since ? show_new(&tail, limited) : show_last(&tail);
    if (r == 0 && tail.follow)
        r = follow(&tail);
    if (r < 0 && tail.n_broken > 0)
        log_error("%s", error_text()); // what was told is the answer all the same
    if (tail.n_broken > 0 || r < 0)
        return tail.n_broken > 0 ? 1 : r;
    tell_waiting(&tail, false);
    return tail.watch != NULL && log_watch_waiting(tail.watch, false) > 0 ? 2 : 0;
}
