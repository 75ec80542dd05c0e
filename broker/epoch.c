// SPDX-License-Identifier: Apache-2.0
//
// Epochs and policy changes in the log. Never renumbers anything: a new epoch begins at the next position.
#include "broker/epoch.h"

#include "broker/store.h"
#include "proto/base/error.h"
#include "proto/base/mistake.h"
#include "proto/base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define OID_INT8 20
#define OID_INT4 23
#define OID_TEXT 25
#define TEXT_BYTES 700
#define REQUESTS_MAX 16 // in one transaction, as the others here: all of it is written under the log's lock
#define CHANGES_MAX 64
#define STREAMS_MAX 16
#define EPOCHS_SINCE_S 1735689600 // 2025-01-01

static const Oid PORTION_TYPES[] = {OID_INT8};

int epoch_log_note(LogTail *tail, const Note *note) {
    Dongbo__Entry entry = DONGBO__ENTRY__INIT;
    entry.kind = (Dongbo__EntryKind)note->kind;
    entry.text = (char *)note->text;
    entry.agency = note->agency;
    if (note->decided_by != NULL)
        entry.decided_by = (char *)note->decided_by;
    if (note->why != NULL)
        entry.why = (char *)note->why;
    const Dongbo__Entry *entries[] = {&entry};
    const uint8_t *leaves[] = {NULL};
    const char *masked[] = {NULL};
    int64_t now = clock_now_us(tail->clock);
    Segment segment = {
        .first_position = tail->head->last_position + 1,
        .last_position = tail->head->last_position + 1,
        .epoch = tail->head->epoch,
        .kind = note->kind,
        .agency = note->agency,
        .stream = note->stream,
        .stored_at_us = now > tail->head->stored_at_us ? now : tail->head->stored_at_us,
        .population_position = tail->population_position,
        .entries = entries,
        .n_entries = 1,
        .leaves = leaves,
        .masked = masked,
    };
    SegmentPack packed = {0};
    int result = segment_encode(NULL, &segment, &packed);
    if (result == 0) {
        segment_chain(&segment, packed.entries_root, tail->merkle, tail->head);
        result = store_segment(tail->pg, &segment, tail->head, &(SegmentBytes){.packed = &packed});
    }
    segment_pack_free(&packed);
    return result;
}

typedef struct Identity {
    int64_t system;
    int32_t timeline;
    int64_t now_s; // by its own clock, since 1970
} Identity;

static const PgStatement IDENTITY = {
    "identity",
    "SELECT system_identifier, timeline, extract(epoch FROM clock_timestamp())::bigint FROM exchange.server_identity()",
    0, NULL};
static const PgStatement LAST = {
    "last-epoch", "SELECT epoch, system_identifier, timeline FROM exchange.epoch ORDER BY epoch DESC LIMIT 1", 0, NULL};
static const Oid EPOCH_TYPES[] = {OID_INT4, OID_INT8, OID_INT8, OID_INT4, OID_TEXT};
static const PgStatement EPOCH = {
    "epoch",
    "INSERT INTO exchange.epoch (epoch, position, system_identifier, timeline, reason) VALUES ($1, $2, $3, $4, $5)", 5,
    EPOCH_TYPES};

// A database that is set back knows nothing of the epochs that began since, and may be set back to the same copy twice:
// their numbers are used again by no count of its own. So it is the time that gives them, in seconds: the database's,
// for brokers' clocks differ, and a later epoch has the greater number.
static uint32_t next_epoch(const LogTail *tail, const Identity *identity) {
    uint32_t last = tail->head->epoch;
    int64_t seconds = identity->now_s - EPOCHS_SINCE_S;
    return last > 0 && seconds > last && seconds <= INT32_MAX ? (uint32_t)seconds : last + 1;
}

// `by`: the operator who asked for it; NULL where the database showed it itself.
static int open_epoch(LogTail *tail, const Identity *identity, const char *reason, const char *by) {
    tail->head->epoch = next_epoch(tail, identity);
    PgParams params = {0};
    pg_param_i32(&params, (int32_t)tail->head->epoch);
    pg_param_i64(&params, (int64_t)tail->head->last_position + 1);
    pg_param_i64(&params, identity->system);
    pg_param_i32(&params, identity->timeline);
    pg_param_text(&params, reason);
    int result = pg_run(tail->pg, &EPOCH, &params, NULL);
    pg_params_free(&params);
    if (result < 0)
        return result;
    char text[TEXT_BYTES];
    snprintf(text, sizeof text, "epoch %" PRIu32 ": %.600s", tail->head->epoch, reason);
    text_cut(text, sizeof text - 1);
    return epoch_log_note(tail, &(Note){.kind = DONGBO__ENTRY_KIND__ENTRY_EPOCH, .text = text, .decided_by = by});
}

static int read_identity(Pg *pg, Identity *ret) {
    PGresult *rows = NULL;
    int result = pg_run(pg, &IDENTITY, NULL, &rows);
    if (result == 0)
        *ret = (Identity){.system = pg_i64(rows, 0, 0), .timeline = pg_i32(rows, 0, 1), .now_s = pg_i64(rows, 0, 2)};
    PQclear(rows);
    return result;
}

static int open_for_identity(LogTail *tail) {
    PGresult *rows = NULL;
    Identity now = {0};
    int result = read_identity(tail->pg, &now);
    if (result == 0)
        result = pg_run(tail->pg, &LAST, NULL, &rows);
    if (result < 0)
        return result;
    bool first = PQntuples(rows) == 0;
    uint32_t epoch = first ? 0 : (uint32_t)pg_i32(rows, 0, 0);
    Identity last = {0};
    if (!first)
        last = (Identity){.system = pg_i64(rows, 0, 1), .timeline = pg_i32(rows, 0, 2)};
    PQclear(rows);
    if (epoch > tail->head->epoch)
        tail->head->epoch = epoch;
    if (first)
        return open_epoch(tail, &now, "the log begins", NULL);
    if (MISTAKE(EPOCH_KEPT))
        return 0;
    if (last.system != now.system)
        return open_epoch(tail, &now, "the database is another cluster than before", NULL);
    if (last.timeline != now.timeline)
        return open_epoch(tail, &now, "the database's timeline changed: it was restored or failed over", NULL);
    return 0;
}

// What is to be logged of one kind, one row each.
typedef struct Due {
    const PgStatement *statement;
    int n_max;
    int (*log)(LogTail *tail, const PGresult *rows, int row);
} Due;

// 1 when there were as many as are taken at once.
static int log_portion(LogTail *tail, const Due *due) {
    PgParams params = {0};
    pg_param_i64(&params, due->n_max);
    PGresult *rows = NULL;
    int result = pg_run(tail->pg, due->statement, &params, &rows);
    pg_params_free(&params);
    int n = result == 0 ? PQntuples(rows) : 0;
    for (int row = 0; result == 0 && row < n; row++)
        result = due->log(tail, rows, row);
    PQclear(rows);
    return result < 0 ? result : n == due->n_max;
}

static const PgStatement REQUESTS = {
    "epoch-requests",
    "SELECT request, reason, requested_by FROM exchange.epoch_request WHERE epoch IS NULL ORDER BY request LIMIT $1", 1,
    PORTION_TYPES};
static const Oid HONOUR_TYPES[] = {OID_INT8, OID_INT4};
static const PgStatement HONOUR = {"honour-request", "UPDATE exchange.epoch_request SET epoch = $2 WHERE request = $1",
                                   2, HONOUR_TYPES};

static int honour(LogTail *tail, const PGresult *rows, int row) {
    Identity identity = {0};
    int result = read_identity(tail->pg, &identity);
    if (result == 0)
        result = open_epoch(tail, &identity, pg_text(rows, row, 1), pg_text(rows, row, 2));
    if (result < 0)
        return result;
    PgParams params = {0};
    pg_param_i64(&params, pg_i64(rows, row, 0));
    pg_param_i32(&params, (int32_t)tail->head->epoch);
    result = pg_run(tail->pg, &HONOUR, &params, NULL);
    pg_params_free(&params);
    return result;
}

static const PgStatement CHANGES = {
    "policy-changes",
    "SELECT change, text, coalesce(agency, 0), changed_by, why FROM exchange.policy_change WHERE logged_position IS NULL "
    "ORDER BY change LIMIT $1",
    1, PORTION_TYPES};
static const Oid LOGGED_TYPES[] = {OID_INT8, OID_INT8};
static const PgStatement LOGGED = {
    "policy-logged", "UPDATE exchange.policy_change SET logged_position = $2 WHERE change = $1", 2, LOGGED_TYPES};

static int log_policy(LogTail *tail, const PGresult *rows, int row) {
    Note note = {.kind = DONGBO__ENTRY_KIND__ENTRY_POLICY,
                 .agency = (uint32_t)pg_i32(rows, row, 2),
                 .text = pg_text(rows, row, 1),
                 .decided_by = pg_text(rows, row, 3),
                 .why = pg_text(rows, row, 4)};
    int result = epoch_log_note(tail, &note);
    if (result < 0)
        return result;
    PgParams params = {0};
    pg_param_i64(&params, pg_i64(rows, row, 0));
    pg_param_i64(&params, (int64_t)tail->head->last_position);
    result = pg_run(tail->pg, &LOGGED, &params, NULL);
    pg_params_free(&params);
    return result;
}

static const PgStatement STREAMS = {
    "replacing-streams",
    "SELECT s.stream, s.agency, s.agent, encode(s.stream, 'hex'), encode(s.replaces, 'hex') FROM exchange.stream s "
    "WHERE s.replaces IS NOT NULL AND NOT EXISTS (SELECT FROM exchange.segment g WHERE g.stream = s.stream "
    "AND g.kind = 5) ORDER BY s.opened_at, s.stream LIMIT $1",
    1, PORTION_TYPES};

static int log_stream(LogTail *tail, const PGresult *rows, int row) {
    size_t n = 0;
    char text[TEXT_BYTES];
    snprintf(text, sizeof text, "stream %s of agent %.64s takes the place of %s", pg_text(rows, row, 3),
             pg_text(rows, row, 2), pg_text(rows, row, 4));
    Note note = {.kind = DONGBO__ENTRY_KIND__ENTRY_STREAM,
                 .agency = (uint32_t)pg_i32(rows, row, 1),
                 .stream = pg_bytes(rows, row, 0, &n),
                 .text = text};
    return epoch_log_note(tail, &note);
}

bool epoch_is_set_back(const LogTail *tail) {
    return tail->left != NULL && tail->head->epoch == tail->left->epoch &&
           tail->head->last_position < tail->left->last_position && !MISTAKE(EPOCH_KEPT);
}

// Neither identity nor timeline shows a copy that was put back in place, and nobody may have said so (yet). Positions
// behind it were told to agents and committees with other entries.
static int open_for_set_back(LogTail *tail) {
    Identity identity = {0};
    char reason[200];
    uint64_t left = tail->left->last_position, now = tail->head->last_position;
    snprintf(reason, sizeof reason,
             "the database was restored from an older copy: the log ended at %" PRIu64 "%s %" PRIu64, left,
             now < left ? ", and then at" : " with another entry than it has there, and was written on up to", now);
    int result = read_identity(tail->pg, &identity);
    return result < 0 ? result : open_epoch(tail, &identity, reason, NULL);
}

static const PgStatement HASH = {
    "segment-hash",
    "SELECT last_position, hash FROM exchange.segment WHERE first_position <= $1 ORDER BY first_position DESC LIMIT 1",
    1, PORTION_TYPES};

// *ret: the log goes on from where it was left.
static int find_left(LogTail *tail, bool *ret) {
    const SegmentHead *left = tail->left;
    PGresult *rows = NULL;
    PgParams params = {0};
    pg_param_i64(&params, (int64_t)left->last_position);
    int result = pg_run(tail->pg, &HASH, &params, &rows);
    pg_params_free(&params);
    if (result < 0)
        return result;
    size_t n = 0;
    const uint8_t *hash = PQntuples(rows) == 1 ? pg_bytes(rows, 0, 1, &n) : NULL;
    *ret = n == HASH_BYTES && memcmp(hash, left->hash, HASH_BYTES) == 0 &&
           (uint64_t)pg_i64(rows, 0, 0) == left->last_position;
    PQclear(rows);
    return 0;
}

static int look_for_set_back(LogTail *tail) {
    bool found = true;
    int result = 0;
    bool set_back = epoch_is_set_back(tail);
    bool look = tail->anew && !set_back && tail->left != NULL && tail->left->last_position > 0 &&
                tail->head->epoch == tail->left->epoch && !MISTAKE(EPOCH_KEPT);
    if (look)
        result = find_left(tail, &found);
    if (result < 0)
        return result;
    return set_back || !found ? open_for_set_back(tail) : 0;
}

int epoch_log_due(LogTail *tail) {
    static const Due DUE[] = {
        {&REQUESTS, REQUESTS_MAX, honour}, {&CHANGES, CHANGES_MAX, log_policy}, {&STREAMS, STREAMS_MAX, log_stream}};
    int result = open_for_identity(tail);
    bool left = false;
    for (size_t i = 0; result >= 0 && i < sizeof DUE / sizeof *DUE; i++) {
        result = log_portion(tail, &DUE[i]);
        left = left || result > 0;
        if (i == 0 && result >= 0) // nobody asked
            result = look_for_set_back(tail);
    }
    return result < 0 ? result : left;
}
