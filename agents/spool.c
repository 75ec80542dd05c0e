// SPDX-License-Identifier: Apache-2.0
//
// See spool.h. A batch's bytes stand in a table of their own, written once and deleted once, because SQLite rewrites a
// row whole whenever one of its columns changes.
#include "agents/spool.h"

#include "agents/proof_store.h"
#include "agents/word.h"

#include "proto/base/error.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define DAY_US (24LL * 3600 * 1000000)
#define TRIM_BATCHES 64 // at most so many let go in one transaction

struct Spool {
    Lite *lite;
    SpoolOptions options;
    int lock;
    bool in_transaction;
    bool unsettled;        // a COMMIT failed: what is there may not be durable
    uint64_t bytes;        // of all batches
    uint64_t bytes_before; // as it was when the transaction began
    uint64_t waiting;      // of those without a receipt
    uint64_t waiting_before;
    sqlite3_stmt *open; // whose row the caller still reads
};

static const char TABLES[] =
    "BEGIN IMMEDIATE;"
    "CREATE TABLE IF NOT EXISTS stream (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, stream BLOB NOT NULL UNIQUE,"
    "  replaces BLOB, last_sequence INTEGER NOT NULL DEFAULT 0, verdict_position INTEGER NOT NULL DEFAULT 0,"
    "  closed INTEGER NOT NULL DEFAULT 0, verdict_epoch INTEGER NOT NULL DEFAULT 0);"
    "CREATE UNIQUE INDEX IF NOT EXISTS stream_open ON stream (kind) WHERE closed = 0;"
    "CREATE TABLE IF NOT EXISTS batch (id INTEGER PRIMARY KEY, stream INTEGER NOT NULL, first_sequence INTEGER NOT NULL,"
    "  last_sequence INTEGER NOT NULL, bytes INTEGER NOT NULL, acked_at INTEGER, root BLOB NOT NULL,"
    "  UNIQUE (stream, first_sequence));"
    "CREATE INDEX IF NOT EXISTS batch_waiting ON batch (stream, first_sequence) WHERE acked_at IS NULL;"
    "CREATE INDEX IF NOT EXISTS batch_acked ON batch (acked_at) WHERE acked_at IS NOT NULL;"
    "CREATE TABLE IF NOT EXISTS batch_bytes (batch INTEGER PRIMARY KEY, sealed BLOB NOT NULL);"
    "CREATE TABLE IF NOT EXISTS batch_items (batch INTEGER PRIMARY KEY, items BLOB NOT NULL);"
    "CREATE TABLE IF NOT EXISTS receipt (batch INTEGER PRIMARY KEY, receipt BLOB NOT NULL);"
    // Where rows come from: a file, or an outbox. waiting: its events without a receipt. refused_from, results_from:
    // how long the file of that kind was before what is being appended now.
    "CREATE TABLE IF NOT EXISTS origin (id INTEGER PRIMARY KEY, source TEXT NOT NULL, name TEXT NOT NULL,"
    "  kept_name TEXT NOT NULL, hash BLOB NOT NULL, state INTEGER NOT NULL, row INTEGER NOT NULL,"
    "  at INTEGER NOT NULL, waiting INTEGER NOT NULL DEFAULT 0, refused_from INTEGER, results_from INTEGER,"
    "  encoding TEXT NOT NULL DEFAULT '', confidence INTEGER NOT NULL DEFAULT -1);"
    "CREATE TABLE IF NOT EXISTS undecided (stream INTEGER NOT NULL, sequence INTEGER NOT NULL, event_id BLOB NOT NULL,"
    "  verdict INTEGER NOT NULL, position INTEGER NOT NULL, item BLOB NOT NULL, PRIMARY KEY (stream, sequence))"
    "  WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS undecided_event ON undecided (event_id);"
    "CREATE TABLE IF NOT EXISTS result (id INTEGER PRIMARY KEY, origin INTEGER NOT NULL, kind INTEGER NOT NULL,"
    "  mark TEXT NOT NULL, item BLOB NOT NULL, verdict BLOB NOT NULL, text_vi TEXT, text_en TEXT, at INTEGER NOT NULL);"
    "CREATE INDEX IF NOT EXISTS result_origin ON result (origin, kind, id);"
    "CREATE TABLE IF NOT EXISTS tally (origin INTEGER NOT NULL, verdict INTEGER NOT NULL, reason INTEGER NOT NULL,"
    "  n INTEGER NOT NULL, PRIMARY KEY (origin, verdict, reason)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS taken (origin INTEGER NOT NULL, row INTEGER NOT NULL, PRIMARY KEY (origin, row))"
    "  WITHOUT ROWID;"
    "PRAGMA user_version = 1;"
    "COMMIT;";

// For each question one, so that what a file costs does not grow with the number of files. Made also in spools that are
// older than they are; to an older program they do no harm.
static const char INDEXES[] =
    "BEGIN IMMEDIATE;"
    "CREATE INDEX IF NOT EXISTS origin_open ON origin (source, id) WHERE state < 2;"
    "CREATE INDEX IF NOT EXISTS origin_ready ON origin (source, id) WHERE state < 2 AND waiting = 0;"
    "CREATE INDEX IF NOT EXISTS origin_hash ON origin (source, hash) WHERE state < 2;"
    "CREATE INDEX IF NOT EXISTS origin_kept ON origin (source, kept_name);"
    "CREATE INDEX IF NOT EXISTS result_waiting ON result (origin, kind, id) WHERE aside = 0;"
    "DROP INDEX IF EXISTS origin_unfinished;"
    "COMMIT;";

// A spool that is older than a column.
static int spool_columns(Spool *spool) {
    static const char THERE[] = "SELECT count(*) FROM pragma_table_info(?1) WHERE name = ?2";
    static const struct {
        const char *table, *name, *add;
    } COLUMNS[] = {
        {"stream", "verdicts_signed", "ALTER TABLE stream ADD COLUMN verdicts_signed INTEGER NOT NULL DEFAULT 0"},
        {"stream", "proven_sequence", "ALTER TABLE stream ADD COLUMN proven_sequence INTEGER NOT NULL DEFAULT 0"},
        {"stream", "verdict_epoch", "ALTER TABLE stream ADD COLUMN verdict_epoch INTEGER NOT NULL DEFAULT 0"},
        {"stream", "hello_epoch", "ALTER TABLE stream ADD COLUMN hello_epoch INTEGER NOT NULL DEFAULT 0"},
        {"stream", "hello_position", "ALTER TABLE stream ADD COLUMN hello_position INTEGER NOT NULL DEFAULT 0"},
        {"receipt", "first", "ALTER TABLE receipt ADD COLUMN first INTEGER NOT NULL DEFAULT 0"},
        {"origin", "encoding", "ALTER TABLE origin ADD COLUMN encoding TEXT NOT NULL DEFAULT ''"},
        {"origin", "confidence", "ALTER TABLE origin ADD COLUMN confidence INTEGER NOT NULL DEFAULT -1"},
        {"taken", "content", "ALTER TABLE taken ADD COLUMN content INTEGER NOT NULL DEFAULT 0"},
        {"undecided", "stood", "ALTER TABLE undecided ADD COLUMN stood INTEGER NOT NULL DEFAULT 0"},
        {"result", "aside", "ALTER TABLE result ADD COLUMN aside INTEGER NOT NULL DEFAULT 0"},
    };
    int r = 0;
    for (size_t i = 0; i < sizeof COLUMNS / sizeof *COLUMNS && r == 0; i++) {
        int64_t there;
        r = lite_number(spool->lite, THERE, 0, &there, "tt", COLUMNS[i].table, COLUMNS[i].name);
        if (r == 0 && there == 0)
            r = lite_script(spool->lite, COLUMNS[i].add);
    }
    return r;
}

// One process per spool: a lock that the kernel lets go with the process, however it ends.
static int spool_lock(Spool *spool) {
    char path[4096];
    char *real = realpath(spool->options.path, NULL); // by whatever name; NULL: it is not there yet
    int n = snprintf(path, sizeof path, "%s.lock", real != NULL ? real : spool->options.path);
    free(real);
    if (n >= (int)sizeof path)
        return error_fail(ERROR_CONFIG, "the spool's path is too long");
    spool->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (spool->lock < 0)
        return error_fail(ERROR_CONFIG, "cannot open %s: %s%s", path, strerror(errno), error_advice(errno));
    if (flock(spool->lock, LOCK_EX | LOCK_NB) == 0)
        return 0;
    return error_fail(ERROR_CONFIG,
                      "the spool %s is in use by another dongbo-agent; stop it first, or give this agent "
                      "a spool of its own",
                      spool->options.path);
}

static int spool_count(Spool *spool) {
    static const char BYTES[] = "SELECT coalesce(sum(bytes), 0) FROM batch",
                      WAITING[] = "SELECT coalesce(sum(bytes), 0) FROM batch WHERE acked_at IS NULL";
    int64_t bytes, waiting;
    int r = lite_number(spool->lite, BYTES, 0, &bytes, "");
    if (r < 0 || (r = lite_number(spool->lite, WAITING, 0, &waiting, "")) < 0)
        return r;
    spool->bytes = (uint64_t)bytes;
    spool->waiting = (uint64_t)waiting;
    return 0;
}

static int spool_tables(Spool *spool) {
    static const char VERSION[] = "PRAGMA user_version";
    int64_t version;
    int r = lite_number(spool->lite, VERSION, 0, &version, "");
    if (r < 0)
        return r;
    if (version > SPOOL_FORMAT)
        return error_fail(ERROR_CONFIG,
                          "the spool %s is of format %lld, newer than this program knows (%d): upgrade "
                          "dongbo-agent",
                          spool->options.path, (long long)version, SPOOL_FORMAT);
    if (version < SPOOL_FORMAT && (r = lite_script(spool->lite, TABLES)) < 0)
        return r;
    if ((r = spool_columns(spool)) < 0 || (r = lite_script(spool->lite, INDEXES)) < 0 ||
        (r = proof_store_open(spool->lite)) < 0 || (r = word_open(spool->lite)) < 0)
        return r;
    return spool_count(spool);
}

int spool_open(Spool **ret, const SpoolOptions *options) {
    Spool *spool = calloc(1, sizeof *spool);
    if (spool == NULL)
        return error_fail(ERROR_MEMORY, "no memory for a spool");
    spool->options = *options;
    spool->lock = -1;
    int r = spool_lock(spool);
    if (r == 0)
        r = lite_open(&spool->lite, options->path);
    if (r == 0)
        r = spool_tables(spool);
    if (r < 0) {
        spool_close(&spool);
        return r;
    }
    *ret = spool;
    return 0;
}

int spool_look(Spool **ret, const SpoolOptions *options) {
    static const char KNOWN[] = "SELECT count(*) FROM pragma_table_info('stream') WHERE name = 'hello_epoch'";
    Spool *spool = calloc(1, sizeof *spool);
    if (spool == NULL)
        return error_fail(ERROR_MEMORY, "no memory for a spool");
    int64_t known = 0;
    spool->options = *options;
    spool->lock = -1;
    int r = lite_look(&spool->lite, options->path);
    if (r == 0)
        r = lite_number(spool->lite, KNOWN, 0, &known, "");
    if (r == 0 && known == 0)
        r = error_fail(ERROR_CONFIG, "the spool %s is of an older program: start its agent once", options->path);
    if (r == 0)
        r = spool_count(spool);
    if (r < 0) {
        spool_close(&spool);
        return r;
    }
    *ret = spool;
    return 0;
}

void spool_close(Spool **spool) {
    if (*spool == NULL)
        return;
    lite_close(&(*spool)->lite);
    if ((*spool)->lock >= 0)
        close((*spool)->lock);
    free(*spool);
    *spool = NULL;
}

Lite *spool_lite(Spool *spool) {
    return spool->lite;
}

const Clock *spool_clock(const Spool *spool) {
    return spool->options.clock;
}

static void spool_end_row(Spool *spool) {
    if (spool->open != NULL)
        lite_end(spool->open);
    spool->open = NULL;
}

void spool_hold(Spool *spool, sqlite3_stmt *row) {
    spool_end_row(spool);
    spool->open = row;
}

int spool_begin(Spool *spool) {
    assert(!spool->in_transaction);
    int r = 0;
    if (spool->unsettled) {
        spool_end_row(spool);
        r = lite_settle(spool->lite);
        spool->unsettled = r < 0;
    }
    if (r == 0)
        r = lite_script(spool->lite, "BEGIN IMMEDIATE");
    spool->in_transaction = r == 0;
    spool->bytes_before = spool->bytes;
    spool->waiting_before = spool->waiting;
    return r;
}

int spool_commit(Spool *spool) {
    assert(spool->in_transaction);
    spool_end_row(spool);
    int r = lite_script(spool->lite, "COMMIT");
    if (r == 0)
        spool->in_transaction = false;
    spool->unsettled = spool->unsettled || r < 0;
    return r;
}

void spool_rollback(Spool *spool) {
    if (!spool->in_transaction)
        return;
    spool_end_row(spool);
    lite_rollback(spool->lite);
    spool->in_transaction = false;
    spool->bytes = spool->bytes_before;
    spool->waiting = spool->waiting_before;
}

int spool_end(Spool *spool, int r) {
    if (r == 0)
        r = spool_commit(spool);
    if (r != 0)
        spool_rollback(spool);
    return r;
}

// What a Hello says: as kept apart, or where nothing is, what is stored.
#define HELLO_EPOCH "iif(hello_epoch > 0, hello_epoch, verdict_epoch)"
#define HELLO_POSITION "iif(hello_epoch > 0, hello_position, verdict_position)"

static int spool_stream_read(Spool *spool, const char *kind, SpoolStream *ret) {
    static const char READ[] = "SELECT id, stream, replaces, last_sequence, verdict_position, "
                               "verdict_epoch, proven_sequence, (SELECT max(verdicts_signed) FROM stream), " HELLO_EPOCH
                               ", " HELLO_POSITION " FROM stream "
                               "WHERE kind = ?1 AND closed = 0";
    sqlite3_stmt *row;
    int r = lite_query(spool->lite, &row, READ, "t", kind);
    if (r < 0 || (r = lite_row(spool->lite, row)) != 0)
        return r;
    *ret = (SpoolStream){.id = sqlite3_column_int64(row, 0),
                         .last_sequence = (uint64_t)sqlite3_column_int64(row, 3),
                         .verdict_position = (uint64_t)sqlite3_column_int64(row, 4),
                         .verdict_epoch = (uint32_t)sqlite3_column_int64(row, 5),
                         .proven_sequence = (uint64_t)sqlite3_column_int64(row, 6),
                         .verdicts_signed = sqlite3_column_int64(row, 7) != 0,
                         .hello_epoch = (uint32_t)sqlite3_column_int64(row, 8),
                         .hello_position = (uint64_t)sqlite3_column_int64(row, 9)};
    snprintf(ret->kind, sizeof ret->kind, "%s", kind);
    size_t n;
    const uint8_t *stream = lite_blob(row, 1, &n);
    if (n == STREAM_BYTES)
        memcpy(ret->stream, stream, STREAM_BYTES);
    const uint8_t *replaces = lite_blob(row, 2, &n);
    ret->replaces_one = n == STREAM_BYTES;
    if (ret->replaces_one)
        memcpy(ret->replaces, replaces, STREAM_BYTES);
    lite_end(row);
    return 0;
}

static int spool_stream_add(Spool *spool, const char *kind, const uint8_t *replaces) {
    static const char ADD[] = "INSERT INTO stream (kind, stream, replaces) VALUES (?1, ?2, ?3)";
    uint8_t stream[STREAM_BYTES];
    int r = clock_random(spool->options.clock, stream, sizeof stream);
    if (r < 0)
        return r;
    return lite_run(spool->lite, ADD, "tbb", kind, stream, (size_t)STREAM_BYTES, replaces,
                    (size_t)(replaces == NULL ? 0 : STREAM_BYTES));
}

int spool_stream(Spool *spool, const char *kind, SpoolStream *ret) {
    int r = spool_stream_read(spool, kind, ret);
    if (r <= 0)
        return r;
    // By itself it would not be known that it failed, and that what is there must be made durable first.
    bool alone = !spool->in_transaction;
    r = alone ? spool_begin(spool) : 0;
    if (r == 0)
        r = spool_stream_add(spool, kind, NULL);
    if (alone)
        r = spool_end(spool, r);
    return r < 0 ? r : spool_stream_read(spool, kind, ret);
}

int spool_stream_replace(Spool *spool, const char *kind, SpoolStream *ret) {
    static const char CLOSE[] = "UPDATE stream SET closed = 1 WHERE kind = ?1 AND closed = 0",
                      INHERIT[] = "UPDATE stream SET (verdict_epoch, verdict_position, hello_epoch, hello_position) = "
                                  "(SELECT verdict_epoch, verdict_position, hello_epoch, hello_position FROM stream "
                                  "WHERE id = ?2) WHERE kind = ?1 AND closed = 0";
    assert(spool->in_transaction);
    SpoolStream old;
    int r = spool_stream(spool, kind, &old);
    if (r == 0)
        r = lite_run(spool->lite, CLOSE, "t", kind);
    if (r == 0)
        r = spool_stream_add(spool, kind, old.stream);
    if (r == 0)
        r = lite_run(spool->lite, INHERIT, "ti", kind, old.id);
    return r < 0 ? r : spool_stream_read(spool, kind, ret);
}

// Behind this sequence of a stream, or of all streams of a kind that are closed.
typedef struct Acked {
    int64_t stream, after;
    const char *kind;
} Acked;

#define IS_OF                                                                                                          \
    " WHERE acked_at IS NOT NULL AND ((stream = ?1 AND first_sequence > ?2) "                                          \
    "OR stream IN (SELECT id FROM stream WHERE kind = ?3 AND closed = 1))"
static int unack(Spool *spool, const Acked *acked, int64_t *ret_n) {
    static const char BYTES[] = "SELECT coalesce(sum(bytes), 0) FROM batch" IS_OF,
                      UNPROVE[] = "DELETE FROM proof WHERE batch IN (SELECT id FROM batch" IS_OF ")",
                      UNACK[] = "UPDATE batch SET acked_at = NULL" IS_OF;
    assert(spool->in_transaction);
    int64_t bytes;
    int r = lite_number(spool->lite, BYTES, 0, &bytes, "iit", acked->stream, acked->after, acked->kind);
    if (r == 0)
        r = lite_run(spool->lite, UNPROVE, "iit", acked->stream, acked->after, acked->kind);
    if (r == 0)
        r = lite_run(spool->lite, UNACK, "iit", acked->stream, acked->after, acked->kind);
    if (r < 0)
        return r;
    *ret_n = lite_changes(spool->lite);
    spool->waiting += (uint64_t)bytes;
    return 0;
}

int spool_epoch(Spool *spool, const SpoolStream *stream, uint32_t epoch) {
    static const char FIRST[] = "UPDATE stream SET verdict_epoch = ?2 WHERE id = ?1",
                      EPOCH[] = "UPDATE stream SET hello_epoch = ?3, hello_position = ?4, verdict_epoch = ?2, "
                                "verdict_position = 0 WHERE id = ?1";
    static const char FORGET[] = "UPDATE undecided SET stood = max(stood, position), position = 0";
    int64_t n;
    assert(spool->in_transaction);
    bool another = stream->verdict_epoch != 0 && stream->verdict_epoch != epoch;
    int r = another ? lite_run(spool->lite, EPOCH, "iiii", stream->id, (int64_t)epoch, (int64_t)stream->hello_epoch,
                               (int64_t)stream->hello_position)
                    : lite_run(spool->lite, FIRST, "ii", stream->id, (int64_t)epoch);
    if (r == 0 && another)
        r = lite_run(spool->lite, FORGET, "");
    return r < 0 || !another ? r : unack(spool, &(Acked){.kind = stream->kind}, &n);
}

int spool_verdicts_signed(Spool *spool) {
    static const char SET[] = "UPDATE stream SET verdicts_signed = 1";
    return lite_run(spool->lite, SET, "");
}

int spool_verdict_position(Spool *spool, int64_t stream, uint64_t position) {
    static const char RAISE[] = "UPDATE stream SET verdict_position = max(verdict_position, ?2), hello_epoch = 0 "
                                "WHERE id = ?1 AND (verdict_position < ?2 OR hello_epoch <> 0)";
    return lite_run(spool->lite, RAISE, "ii", stream, (int64_t)position);
}

int spool_hear_from(Spool *spool, int64_t stream, uint32_t epoch, uint64_t position) {
    // Each by itself: in no epoch was more heard than up to the lesser position.
    static const char LOWER[] = "UPDATE stream SET hello_epoch = min(hello_epoch, ?2), "
                                "hello_position = min(hello_position, ?3) WHERE id = ?1";
    return lite_run(spool->lite, LOWER, "iii", stream, (int64_t)epoch, (int64_t)position);
}

int spool_stranded(Spool *spool, const char *kind, int64_t *ret) {
    static const char SOME[] = "SELECT EXISTS (SELECT 1 FROM batch JOIN stream ON stream.id = batch.stream "
                               "WHERE acked_at IS NULL AND kind = ?1 AND closed = 1)";
    return lite_number(spool->lite, SOME, 0, ret, "t", kind);
}

// id, stream, first_sequence, last_sequence, acked, root, and a blob as items or sealed bytes.
static int spool_batch_row(Spool *spool, sqlite3_stmt *row, bool items, SpoolBatch *ret) {
    int r = lite_row(spool->lite, row);
    if (r != 0)
        return r;
    spool->open = row;
    *ret = (SpoolBatch){.id = sqlite3_column_int64(row, 0),
                        .stream = sqlite3_column_int64(row, 1),
                        .first_sequence = (uint64_t)sqlite3_column_int64(row, 2),
                        .last_sequence = (uint64_t)sqlite3_column_int64(row, 3),
                        .acked = sqlite3_column_type(row, 4) != SQLITE_NULL};
    size_t n;
    const uint8_t *root = lite_blob(row, 5, &n);
    if (n == HASH_BYTES)
        memcpy(ret->root, root, HASH_BYTES);
    if (items)
        ret->items = lite_blob(row, 6, &ret->items_bytes);
    else
        ret->sealed = lite_blob(row, 6, &ret->sealed_bytes);
    return 0;
}

int spool_stranded_next(Spool *spool, const char *kind, SpoolBatch *ret) {
    static const char NEXT[] =
        "SELECT b.id, b.stream, first_sequence, b.last_sequence, acked_at, root, sealed, items FROM batch b "
        "JOIN stream s ON s.id = b.stream JOIN batch_bytes y ON y.batch = b.id JOIN batch_items i ON i.batch = b.id "
        "WHERE acked_at IS NULL AND kind = ?1 AND closed = 1 "
        "ORDER BY b.stream, first_sequence LIMIT 1";
    spool_end_row(spool);
    sqlite3_stmt *row;
    int r = lite_query(spool->lite, &row, NEXT, "t", kind);
    if (r < 0 || (r = spool_batch_row(spool, row, false, ret)) != 0)
        return r;
    ret->items = lite_blob(row, 7, &ret->items_bytes);
    return 0;
}

bool spool_is_full(const Spool *spool) {
    return spool->waiting + BATCH_BYTES_MAX > spool->options.bytes_max;
}

uint64_t spool_bytes(const Spool *spool) {
    return spool->bytes;
}

uint64_t spool_waiting_bytes(const Spool *spool) {
    return spool->waiting;
}

int spool_waiting(Spool *spool, int64_t stream, int64_t *ret) {
    static const char SOME[] = "SELECT EXISTS (SELECT 1 FROM batch WHERE acked_at IS NULL AND stream = ?1)";
    return lite_number(spool->lite, SOME, 0, ret, "i", stream);
}

int spool_insert(Spool *spool, const SpoolBatch *batch) {
    static const char ADD[] = "INSERT INTO batch (stream, first_sequence, last_sequence, bytes, root) "
                              "VALUES (?1, ?2, ?3, ?4, ?5)",
                      SEALED[] = "INSERT INTO batch_bytes (batch, sealed) VALUES (?1, ?2)",
                      ITEMS[] = "INSERT INTO batch_items (batch, items) VALUES (?1, ?2)",
                      RECEIPT[] = "INSERT INTO receipt (batch, receipt, first) VALUES (?1, ?2, ?3)";
    assert(spool->in_transaction);
    int64_t bytes = (int64_t)(batch->sealed_bytes + batch->items_bytes);
    int r = lite_run(spool->lite, ADD, "iiiib", batch->stream, (int64_t)batch->first_sequence,
                     (int64_t)batch->last_sequence, bytes, batch->root, (size_t)HASH_BYTES);
    int64_t id = lite_last_id(spool->lite);
    if (r == 0)
        r = lite_run(spool->lite, SEALED, "ib", id, batch->sealed, batch->sealed_bytes);
    if (r == 0)
        r = lite_run(spool->lite, ITEMS, "ib", id, batch->items, batch->items_bytes);
    if (r == 0 && batch->before.n > 0)
        r = lite_run(spool->lite, RECEIPT, "ibi", id, batch->before.data, batch->before.n,
                     (int64_t)batch->before.first_sequence);
    spool->bytes += (uint64_t)bytes;
    spool->waiting += (uint64_t)bytes;
    return r;
}

int spool_append(Spool *spool, const SpoolBatch *batch) {
    static const char ADVANCE[] = "UPDATE stream SET last_sequence = ?2 WHERE id = ?1 AND last_sequence = ?3 - 1";
    int r = lite_run(spool->lite, ADVANCE, "iii", batch->stream, (int64_t)batch->last_sequence,
                     (int64_t)batch->first_sequence);
    if (r < 0)
        return r;
    assert(lite_changes(spool->lite) == 1);
    return spool_insert(spool, batch);
}

int spool_next(Spool *spool, int64_t stream, uint64_t from, SpoolBatch *ret) {
    static const char NEXT[] =
        "SELECT b.id, stream, first_sequence, last_sequence, acked_at, root, sealed FROM batch b "
        "JOIN batch_bytes y ON y.batch = b.id WHERE acked_at IS NULL AND stream = ?1 AND first_sequence >= ?2 "
        "ORDER BY first_sequence LIMIT 1";
    spool_end_row(spool);
    sqlite3_stmt *row;
    int r = lite_query(spool->lite, &row, NEXT, "ii", stream, (int64_t)from);
    return r < 0 ? r : spool_batch_row(spool, row, false, ret);
}

int spool_find(Spool *spool, int64_t stream, uint64_t sequence, SpoolBatch *ret) {
    static const char FIND[] = "SELECT b.id, stream, first_sequence, last_sequence, acked_at, root, items FROM batch b "
                               "JOIN batch_items i ON i.batch = b.id WHERE stream = ?1 AND first_sequence <= ?2 "
                               "ORDER BY first_sequence DESC LIMIT 1";
    spool_end_row(spool);
    sqlite3_stmt *row;
    int r = lite_query(spool->lite, &row, FIND, "ii", stream, (int64_t)sequence);
    if (r < 0 || (r = spool_batch_row(spool, row, true, ret)) != 0)
        return r;
    if (ret->last_sequence >= sequence)
        return 0;
    spool_end_row(spool);
    return 1;
}

int spool_oldest(Spool *spool, int64_t stream, uint64_t *ret) {
    static const char OLDEST[] = "SELECT coalesce(min(first_sequence), 0) FROM batch WHERE stream = ?1";
    int64_t oldest;
    int r = lite_number(spool->lite, OLDEST, 0, &oldest, "i", stream);
    *ret = r < 0 ? 0 : (uint64_t)oldest;
    return r;
}

static int spool_batch_bytes(Spool *spool, int64_t batch, uint64_t *ret) {
    static const char BYTES[] = "SELECT bytes FROM batch WHERE id = ?1";
    int64_t bytes;
    int r = lite_number(spool->lite, BYTES, 0, &bytes, "i", batch);
    *ret = r < 0 ? 0 : (uint64_t)bytes;
    return r;
}

int spool_ack(Spool *spool, const SpoolBatch *batch, const Bytes *receipt) {
    static const char ACK[] = "UPDATE batch SET acked_at = ?2 WHERE id = ?1 AND acked_at IS NULL",
                      RECEIPT[] = "INSERT OR REPLACE INTO receipt (batch, receipt) VALUES (?1, ?2)";
    assert(spool->in_transaction);
    uint64_t bytes;
    int r = spool_batch_bytes(spool, batch->id, &bytes);
    if (r == 0)
        r = lite_run(spool->lite, ACK, "ii", batch->id, clock_now_us(spool->options.clock));
    if (r < 0)
        return r;
    if (lite_changes(spool->lite) == 1)
        spool->waiting -= bytes;
    return receipt == NULL ? 0 : lite_run(spool->lite, RECEIPT, "ib", batch->id, receipt->data, receipt->n);
}

int spool_receipt(Spool *spool, int64_t batch, SpoolReceipt *ret) {
    static const char READ[] = "SELECT receipt, iif(first > 0, first, first_sequence) FROM receipt r "
                               "JOIN batch b ON b.id = r.batch WHERE r.batch = ?1";
    spool_end_row(spool);
    sqlite3_stmt *row;
    int r = lite_query(spool->lite, &row, READ, "i", batch);
    if (r < 0 || (r = lite_row(spool->lite, row)) != 0)
        return r;
    spool->open = row;
    ret->data = lite_blob(row, 0, &ret->n);
    ret->first_sequence = (uint64_t)sqlite3_column_int64(row, 1);
    return 0;
}

int spool_unack(Spool *spool, int64_t stream, uint64_t after, int64_t *ret_n) {
    static const char PROVEN[] = "UPDATE stream SET proven_sequence = ?2 WHERE id = ?1 AND proven_sequence > ?2",
                      HEARD[] = "UPDATE stream SET hello_epoch = " HELLO_EPOCH ", hello_position = " HELLO_POSITION ", "
                                "verdict_position = 0 WHERE id = ?1";
    int r = unack(spool, &(Acked){.stream = stream, .after = (int64_t)after, .kind = ""}, ret_n);
    if (r == 0)
        r = lite_run(spool->lite, PROVEN, "ii", stream, (int64_t)after);
    if (r == 0 && *ret_n > 0)
        r = lite_run(spool->lite, HEARD, "i", stream);
    return r < 0 ? r : word_age(spool->lite, stream, after);
}

int spool_delete(Spool *spool, int64_t batch) {
    static const char WAITS[] = "SELECT acked_at IS NULL FROM batch WHERE id = ?1",
                      BATCH[] = "DELETE FROM batch WHERE id = ?1",
                      SEALED[] = "DELETE FROM batch_bytes WHERE batch = ?1",
                      ITEMS[] = "DELETE FROM batch_items WHERE batch = ?1",
                      RECEIPT[] = "DELETE FROM receipt WHERE batch = ?1",
                      PROOF[] = "DELETE FROM proof WHERE batch = ?1";
    static const char *const ALL[] = {BATCH, SEALED, ITEMS, RECEIPT, PROOF};
    assert(spool->in_transaction);
    spool_end_row(spool);
    uint64_t bytes;
    int64_t waits = 0;
    int r = spool_batch_bytes(spool, batch, &bytes);
    if (r == 0)
        r = lite_number(spool->lite, WAITS, 0, &waits, "i", batch);
    for (size_t i = 0; i < sizeof ALL / sizeof *ALL && r == 0; i++)
        r = lite_run(spool->lite, ALL[i], "i", batch);
    if (r < 0)
        return r;
    spool->bytes -= bytes;
    if (waits != 0)
        spool->waiting -= bytes;
    return 0;
}

int spool_trim(Spool *spool) {
    static const char OLDEST[] =
        "SELECT id, acked_at FROM batch WHERE acked_at IS NOT NULL ORDER BY acked_at, id LIMIT 1";
    assert(spool->in_transaction);
    int64_t before = clock_now_us(spool->options.clock) - spool->options.keep_days * DAY_US;
    for (int n = 0; n < TRIM_BATCHES; n++) {
        sqlite3_stmt *row;
        int r = lite_query(spool->lite, &row, OLDEST, "");
        if (r < 0 || (r = lite_row(spool->lite, row)) != 0)
            return r < 0 ? r : 0;
        int64_t id = sqlite3_column_int64(row, 0), acked_at = sqlite3_column_int64(row, 1);
        lite_end(row);
        if (acked_at >= before && spool->bytes + BATCH_BYTES_MAX <= spool->options.bytes_max)
            return 0;
        if ((r = word_drop(spool->lite, id)) < 0 || (r = spool_delete(spool, id)) < 0)
            return r;
    }
    return 0;
}
