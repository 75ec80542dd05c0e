// SPDX-License-Identifier: Apache-2.0
//
// `dongbo log export`: the log, or a part of it, as a file that can be verified without the database (PROTOCOL.md, Log
// exports). Read in pages within one snapshot, so that memory stays bounded and what is trimmed meanwhile does not
// matter. Payloads and batches only where they are asked for and the role may read them.
#include "broker/log_row.h"
#include "operators/commands.h"
#include "operators/log_trims.h"
#include "operators/output.h"
#include "operators/progress.h"
#include "operators/result.h"
#include "operators/why.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "wire.pb-c.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char NOTES[] =
    "FILE is made anew, for its owner alone; - is standard output. Without --payloads it names no person: who made an\n"
    "entry when, verdicts and reasons, masked numbers, hashes and signatures. With --payloads events and records stand\n"
    "in it as they were signed and stored; that it was made is noted as an unmasking.\n"
    "dongbo log verify checks such files. Of several parts each is to begin where the one before says, for what is\n"
    "exported are whole segments, and more than --to may be among them.\n"
    "Exit code 1: a segment cannot be read as it is stored, and is named: the log is broken there. Where the export was\n"
    "not finished, FILE is removed.\n";

static const PgStatement MAY_READ = {"export_may_read",
                                     "SELECT has_column_privilege('exchange.segment', 'payload', 'SELECT')", 0, NULL};
// The segments that hold these positions, and the last position of all.
static const PgStatement RANGE = {
    "export_range",
    "SELECT coalesce((SELECT max(first_position) FROM exchange.segment WHERE first_position <= $1), 1), "
    "coalesce((SELECT max(first_position) FROM exchange.segment WHERE first_position <= $2), 0), "
    "(SELECT last_position FROM exchange.head)",
    2, NULL};
static const PgStatement AGENCIES = {"export_agencies", "SELECT agency, code FROM exchange.agency ORDER BY agency", 0,
                                     NULL};
static const PgStatement EPOCHS = {"export_epochs", "SELECT epoch, position, reason FROM exchange.epoch ORDER BY epoch",
                                   0, NULL};
// Of what was declared to the log, too: in the table alone, whoever has the database could say it in silence.
static const PgStatement TRIMS = {
    "export_trims",
    "SELECT t.position, t.trimmed_by, coalesce(max(c.logged_position), 0) FROM " LOG_TRIMS_DECLARED
    "GROUP BY t.trim ORDER BY t.trim",
    0, NULL};

static const PgStatement ERASURES = {
    "export_erasures", "SELECT position, coalesce(logged_position, 0) FROM exchange.erasure ORDER BY position", 0,
    NULL};

// From the tree's size before the first segment on: a head of just that size may have been signed behind the export
// that this one goes on from.
static const PgStatement HEADS = {
    "export_heads",
    "SELECT number, size, head, signature FROM exchange.signed_head WHERE size >= $1 AND number > $2 AND size <= "
    "(SELECT leaf_index + 1 FROM exchange.segment WHERE first_position = $3) ORDER BY number LIMIT 256",
    3, NULL};

typedef struct Export {
    Pg *exchange;
    long long from, to; // as asked for; then first positions of the first and the last segment
    bool payloads;
    const char *path;
    FILE *file;
    LogfileWriter *writer;
    Bytes summary, payload;
    PGresult *heads; // read ahead
    int head;        // the next of them
    int64_t before;  // segments before the first
    uint64_t segments, last_position;
    uint64_t log_last_position; // of the whole log
} Export;

static void export_free(Export *export) {
    logfile_writer_destroy(&export->writer);
    if (export->file && export->file != stdout)
        fclose(export->file);
    PQclear(export->heads);
    bytes_free(&export->summary);
    bytes_free(&export->payload);
}

// ---- what stands before the segments ------------------------------------------------------------------------------

static int put_begin(Export *export) {
    RESULT before = NULL;
    Dongbo__LogBegin begin;
    int r = log_row_begin(export->exchange, export->from, &before, &begin);
    if (r < 0)
        return r;
    export->before = (int64_t)begin.leaf_index;
    begin.payloads = export->payloads;
    begin.exported_at_us = clock_now_us(clock_system());
    begin.exported_by = PQuser(pg_raw(export->exchange));
    return logfile_put_message(export->writer, LOGFILE_BEGIN, &begin.base);
}

static int put_agencies(Export *export) {
    RESULT rows = NULL;
    int r = pg_run(export->exchange, &AGENCIES, NULL, &rows);
    for (int row = 0; r == 0 && row < PQntuples(rows); row++) {
        Dongbo__LogAgency agency = DONGBO__LOG_AGENCY__INIT;
        agency.agency = (uint32_t)pg_i32(rows, row, 0);
        agency.code = (char *)pg_text(rows, row, 1);
        r = logfile_put_message(export->writer, LOGFILE_AGENCY, &agency.base);
    }
    return r;
}

static int put_epochs(Export *export) {
    RESULT rows = NULL;
    int r = pg_run(export->exchange, &EPOCHS, NULL, &rows);
    for (int row = 0; r == 0 && row < PQntuples(rows); row++) {
        Dongbo__LogEpoch epoch = DONGBO__LOG_EPOCH__INIT;
        epoch.epoch = (uint32_t)pg_i32(rows, row, 0);
        epoch.position = (uint64_t)pg_i64(rows, row, 1);
        epoch.reason = (char *)pg_text(rows, row, 2);
        r = logfile_put_message(export->writer, LOGFILE_EPOCH, &epoch.base);
    }
    return r;
}

static int put_trims(Export *export) {
    RESULT rows = NULL;
    int r = pg_run(export->exchange, &TRIMS, NULL, &rows);
    for (int row = 0; r == 0 && row < PQntuples(rows); row++) {
        Dongbo__LogTrim trim = DONGBO__LOG_TRIM__INIT;
        trim.position = (uint64_t)pg_i64(rows, row, 0);
        trim.trimmed_by = (char *)pg_text(rows, row, 1);
        trim.logged_position = (uint64_t)pg_i64(rows, row, 2);
        r = logfile_put_message(export->writer, LOGFILE_TRIM, &trim.base);
    }
    return r;
}

static int put_erasures(Export *export) {
    RESULT rows = NULL;
    int r = pg_run(export->exchange, &ERASURES, NULL, &rows);
    for (int row = 0; r == 0 && row < PQntuples(rows); row++) {
        Dongbo__LogErasure erasure = DONGBO__LOG_ERASURE__INIT;
        erasure.position = (uint64_t)pg_i64(rows, row, 0);
        erasure.logged_position = (uint64_t)pg_i64(rows, row, 1);
        r = logfile_put_message(export->writer, LOGFILE_ERASURE, &erasure.base);
    }
    return r;
}

// ---- segments -----------------------------------------------------------------------------------------------------

static int read_heads(Export *export) {
    PgParams params = {0};
    int n = PQntuples(export->heads);
    int64_t after = n > 0 ? pg_i64(export->heads, n - 1, 0) : 0;
    PQclear(export->heads);
    export->heads = NULL;
    export->head = 0;
    pg_param_i64(&params, export->before);
    pg_param_i64(&params, after);
    pg_param_i64(&params, export->to);
    int r = pg_run(export->exchange, &HEADS, &params, &export->heads);
    pg_params_free(&params);
    return r;
}

// Those of the tree as it is behind this segment.
static int put_heads(Export *export, int64_t size) {
    int r = export->heads ? 0 : read_heads(export);
    while (r == 0 && export->head < PQntuples(export->heads) && pg_i64(export->heads, export->head, 1) <= size) {
        Dongbo__SignedHead head = DONGBO__SIGNED_HEAD__INIT;
        head.head = log_row_bytes(export->heads, export->head, 2);
        head.signature = log_row_bytes(export->heads, export->head, 3);
        r = logfile_put_message(export->writer, LOGFILE_HEAD, &head.base);
        if (r == 0 && ++export->head == PQntuples(export->heads))
            r = read_heads(export);
    }
    return r;
}

// 1: it cannot be read; error_text() says which.
static int put_segment(Export *export, const PGresult *rows, int row) {
    Dongbo__LogSegment segment;
    int r = log_row_fill(rows, row, &export->summary, &segment);
    if (r != 0)
        return r;
    r = logfile_put_message(export->writer, LOGFILE_SEGMENT, &segment.base);
    if (r == 0 && export->payloads && !pg_is_null(rows, row, LOG_ROW_PAYLOAD)) {
        r = log_row_unpack(rows, row, LOG_ROW_PAYLOAD, &export->payload);
        if (r == 0)
            r = logfile_put(export->writer, LOGFILE_PAYLOAD, export->payload.data, export->payload.n);
    }
    ProtobufCBinaryData batch = export->payloads ? log_row_bytes(rows, row, LOG_ROW_BATCH) : (ProtobufCBinaryData){0};
    if (r == 0 && batch.len > 0)
        r = logfile_put(export->writer, LOGFILE_BATCH, batch.data, batch.len);
    if (r != 0)
        return r;
    export->segments++;
    export->last_position = segment.last_position;
    return put_heads(export, (int64_t)segment.leaf_index + 1);
}

static int put_segments(Export *export) {
    Progress progress;
    progress_begin(&progress);
    int r = put_heads(export, export->before);
    for (int64_t from = export->from; r == 0 && from <= export->to;) {
        RESULT rows = NULL;
        r = log_row_read(export->exchange, export->payloads, from, export->to, &rows);
        int n = r == 0 ? PQntuples(rows) : 0;
        for (int row = 0; r == 0 && row < n; row++)
            r = put_segment(export, rows, row);
        if (n == 0)
            break;
        from = pg_i64(rows, n - 1, LOG_ROW_FIRST) + 1;
        progress_show(&progress, "exported up to position", export->last_position, "");
    }
    progress_end();
    return r;
}

static int put_end(Export *export) {
    Dongbo__LogEnd end = DONGBO__LOG_END__INIT;
    end.segments = export->segments;
    end.last_position = export->last_position;
    end.log_last_position = export->log_last_position;
    int r = logfile_put_message(export->writer, LOGFILE_END, &end.base);
    return r < 0 ? r : logfile_flush(export->writer);
}

// ---- the command --------------------------------------------------------------------------------------------------

static int find_range(Export *export) {
    RESULT rows = NULL;
    PgParams params = {0};
    pg_param_i64(&params, export->from);
    pg_param_i64(&params, export->to);
    int r = pg_run(export->exchange, &RANGE, &params, &rows);
    pg_params_free(&params);
    if (r < 0)
        return r;
    if (!pg_is_null(rows, 0, 2) && export->from > pg_i64(rows, 0, 2))
        return error_fail(ERROR_CONFIG, "--from: the log's last position is %" PRId64, pg_i64(rows, 0, 2));
    export->from = pg_i64(rows, 0, 0);
    export->to = pg_i64(rows, 0, 1);
    export->last_position = (uint64_t) export->from - 1;
    export->log_last_position = pg_is_null(rows, 0, 2) ? 0 : (uint64_t)pg_i64(rows, 0, 2);
    return 0;
}

static const PgStatement NOTE = {"export_note", "SELECT exchange.note_unmasking('log export --payloads', '', $1)", 1,
                                 NULL};

static int find_rights(const Desk *desk, Export *export) {
    PgParams params = {0};
    RESULT may = NULL;
    int r = export->payloads ? pg_run(export->exchange, &MAY_READ, NULL, &may) : 0;
    if (r < 0 || !export->payloads)
        return r;
    if (!pg_bool(may, 0, 0))
        return error_fail(ERROR_CONFIG, "this role may not read payloads: export without --payloads");
    pg_param_text(&params, desk->why ? desk->why : "");
    r = pg_run(export->exchange, &NOTE, &params, NULL);
    pg_params_free(&params);
    return r;
}

static int for_owner_alone(Export *export) {
    struct stat file;
    int fd = fileno(export->file);
    if (fstat(fd, &file) == 0 && (!S_ISREG(file.st_mode) || fchmod(fd, 0600) == 0))
        return 0;
    return error_fail(ERROR_CONFIG, "%s: cannot be made its owner's alone: %s", export->path, strerror(errno));
}

static int open_file(Export *export) {
    static const char *const NO_INPUTS[] = {NULL};
    if (strcmp(export->path, "-") != 0) {
        int r = output_open(&export->file, export->path, NO_INPUTS);
        // One without payloads may have been there, and been handed on.
        return r == 0 && export->payloads ? for_owner_alone(export) : r;
    }
    if (isatty(STDOUT_FILENO))
        return error_fail(ERROR_CONFIG, "an export is no text for a terminal: name a file");
    export->file = stdout;
    return 0;
}

static int write_all(Export *export) {
    int r = put_begin(export);
    if (r == 0)
        r = put_agencies(export);
    if (r == 0)
        r = put_epochs(export);
    if (r == 0)
        r = put_trims(export);
    if (r == 0)
        r = put_erasures(export);
    if (r == 0)
        r = put_segments(export);
    return r == 0 ? put_end(export) : r;
}

// Half an export is none, and must not be taken for one. What is no file of its own name (a pipe, a link) stays.
static void drop_file(Export *export) {
    struct stat file;
    if (export->file == NULL || export->file == stdout)
        return;
    if (lstat(export->path, &file) == 0 && S_ISREG(file.st_mode) && unlink(export->path) == 0)
        error_context(ERROR_SYSTEM, "nothing was exported, and %s is removed", export->path);
    else
        error_context(ERROR_SYSTEM, "what %s holds is no whole export", export->path);
}

static int export_log(Desk *desk, Export *export) {
    int r = desk_exchange(desk, &export->exchange);
    if (r == 0)
        r = find_rights(desk, export);
    if (r == 0)
        r = pg_command(export->exchange, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    if (r == 0)
        r = find_range(export);
    if (r == 0)
        r = open_file(export);
    if (r == 0)
        r = logfile_writer_new(&export->writer, export->file);
    if (r == 0)
        r = write_all(export);
    if (r == 0)
        r = pg_command(export->exchange, "COMMIT");
    if (r == 0)
        fprintf(stderr,
                "exported %" PRIu64 " segments, positions %lld to %" PRIu64 ", %" PRIu64 " bytes%s; what comes behind: "
                "--from %" PRIu64 "\n",
                export->segments, export->from, export->last_position, logfile_written(export->writer),
                export->payloads ? ", with payloads" : "", export->last_position + 1);
    if (r != 0)
        drop_file(export);
    if (r > 0)
        log_error("%s: the log is broken there", error_text());
    return r;
}

int log_export_run(Desk *desk, int argc, char **argv) {
    CLEANUP(export_free) Export export = {.from = 1, .to = INT64_MAX};
    int operand = 0;
    const Option options[] = {
        {"from", 0, OPTION_INT, "POSITION", "from the segment that holds it", &export.from},
        {"to", 0, OPTION_INT, "POSITION", "up to the segment that holds it", &export.to},
        {"payloads", 0, OPTION_FLAG, NULL, "with events and records; this is noted", &export.payloads},
        DESK_WHY(desk),
        {0}};
    int r = desk_parse_noted(desk, options, NOTES, argc, argv, &operand);
    if (r != 0)
        return r < 0 ? r : 0;
    if (export.from < 1 || export.to < export.from)
        return error_fail(ERROR_CONFIG, "--from and --to are positions, from 1, the first not behind the second");
    export.path = argv[operand];
    r = export.payloads ? why_find(desk) : 0;
    return r < 0 ? r : export_log(desk, &export);
}
