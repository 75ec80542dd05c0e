// SPDX-License-Identifier: Apache-2.0
//
// Statements of the writer's transaction. Retries nothing.
#include "broker/store.h"

#include "broker/entries.h"
#include "proto/base/error.h"

#include <stdio.h>
#include <string.h>

#define OID_BOOL 16
#define OID_BYTEA 17
#define OID_INT8 20
#define OID_INT2 21
#define OID_INT4 23
#define OID_TEXT 25
#define OID_BOOL_ARRAY 1000
#define OID_BYTEA_ARRAY 1001
#define OID_INT2_ARRAY 1005
#define OID_INT4_ARRAY 1007
#define OID_INT8_ARRAY 1016
#define OID_TEXT_ARRAY 1009

#define LET_IDLE "SET LOCAL idle_in_transaction_session_timeout = '5s'"

int store_begin(Pg *pg) {
    // The lock is a statement of its own, so that the next one's snapshot has the last commit in it. A broker that is
    // paused while it holds the lock loses it after some seconds.
    return pg_command(pg, "BEGIN; " LET_IDLE "; SELECT exchange.lock_log()");
}

int store_stay(Pg *pg) {
    return pg_command(pg, LET_IDLE);
}

static const PgStatement NOTIFY = {"notify", "NOTIFY dongbo_commit", 0, NULL};

int store_commit(Pg *pg) {
    int result = pg_queue(pg, &NOTIFY, NULL);
    return result < 0 ? result : pg_command(pg, "COMMIT");
}

void store_rollback(Pg *pg) {
    if (pg_connected(pg) && pg_command(pg, "ROLLBACK") < 0)
        pg_disconnect(pg);
}

static const PgStatement HEAD = {
    "head",
    "SELECT epoch, last_position, leaf_index, stored_at_us, population_position, hash, frontier FROM exchange.head", 0,
    NULL};

static int read_hash(const PGresult *rows, int row, int column, uint8_t out[HASH_BYTES]) {
    size_t n = 0;
    const uint8_t *data = pg_bytes(rows, row, column, &n);
    if (n != HASH_BYTES)
        return error_fail(ERROR_DATABASE, "the log holds a hash of %zu bytes", n);
    memcpy(out, data, HASH_BYTES);
    return 0;
}

int store_head(Pg *pg, SegmentHead *ret) {
    PGresult *rows = NULL;
    int result = pg_run(pg, &HEAD, NULL, &rows);
    *ret = (SegmentHead){0};
    if (result == 0 && PQntuples(rows) == 1) {
        ret->epoch = (uint32_t)pg_i32(rows, 0, 0);
        ret->last_position = (uint64_t)pg_i64(rows, 0, 1);
        ret->leaf_index = (uint64_t)pg_i64(rows, 0, 2) + 1;
        ret->stored_at_us = pg_i64(rows, 0, 3);
        ret->population_position = pg_i64(rows, 0, 4);
        result = read_hash(rows, 0, 5, ret->hash);
        size_t n = 0;
        const uint8_t *frontier = pg_bytes(rows, 0, 6, &n);
        if (result == 0 && frontier_read(&ret->frontier, ret->leaf_index, frontier, n) != 0)
            result = error_fail(ERROR_DATABASE, "the log's frontier does not fit its %llu leaves",
                                (unsigned long long)ret->leaf_index);
    }
    PQclear(rows);
    return result;
}

// Keys were looked at when a batch came, and are once more here, where a revocation is before this transaction or
// behind it. An end that is a time is left as it was then.
static const Oid STREAMS_TYPES[] = {OID_BYTEA_ARRAY, OID_BYTEA_ARRAY, OID_BYTEA_ARRAY};
static const PgStatement STREAMS = {
    "streams",
    "SELECT b.place, s.agency, s.last_sequence, s.session_epoch, "
    "EXISTS (SELECT FROM exchange.key k WHERE k.purpose = 'ed25519' AND k.key = b.signer AND k.agency = s.agency "
    "AND k.revoked_at IS NULL), "
    "EXISTS (SELECT FROM exchange.key k JOIN exchange.agency a USING (agency) WHERE k.purpose = 'curve' "
    "AND k.key = b.transport AND k.agency = s.agency AND k.revoked_at IS NULL AND a.state = 'active') "
    "FROM unnest($1, $2, $3) WITH ORDINALITY AS b(stream, signer, transport, place) "
    "JOIN exchange.stream s ON s.stream = b.stream ORDER BY s.stream FOR NO KEY UPDATE OF s",
    3, STREAMS_TYPES};

static void param_streams(PgParams *params, const StreamRow *rows, int n) {
    pg_param_array_begin(params, OID_BYTEA, n);
    for (int i = 0; i < n; i++)
        pg_array_bytes(params, rows[i].stream, STREAM_BYTES);
    pg_param_array_begin(params, OID_BYTEA, n);
    for (int i = 0; i < n; i++) {
        const AgencyKey *signer = rows[i].batch->signer;
        signer == NULL ? pg_array_null(params) : pg_array_bytes(params, signer->key, KEY_BYTES);
    }
    pg_param_array_begin(params, OID_BYTEA, n);
    for (int i = 0; i < n; i++)
        pg_array_bytes(params, rows[i].batch->transport, KEY_BYTES);
}

int store_streams(Pg *pg, StreamRow *rows, size_t n) {
    if (n == 0)
        return 0;
    PgParams params = {0};
    param_streams(&params, rows, (int)n);
    PGresult *found = NULL;
    int result = pg_run(pg, &STREAMS, &params, &found);
    pg_params_free(&params);
    for (int row = 0; result == 0 && row < PQntuples(found); row++) {
        int64_t place = pg_i64(found, row, 0);
        if (place < 1 || (size_t)place > n)
            continue;
        StreamRow *at = &rows[place - 1];
        at->agency = (uint32_t)pg_i32(found, row, 1);
        at->last_sequence = at->stored_sequence = (uint64_t)pg_i64(found, row, 2);
        at->session_epoch = (uint32_t)pg_i32(found, row, 3);
        at->signer_holds = pg_bool(found, row, 4);
        at->transport_holds = pg_bool(found, row, 5);
    }
    PQclear(found);
    return result;
}

static const Oid ADVANCE_TYPES[] = {OID_BYTEA_ARRAY, OID_INT8_ARRAY};
static const PgStatement ADVANCE = {"advance",
                                    "UPDATE exchange.stream s SET last_sequence = n.last_sequence "
                                    "FROM unnest($1::bytea[], $2::bigint[]) AS n(stream, last_sequence) "
                                    "WHERE s.stream = n.stream",
                                    2, ADVANCE_TYPES};

int store_advance(Pg *pg, const StreamRow *rows, size_t n) {
    int n_moved = 0;
    for (size_t i = 0; i < n; i++)
        n_moved += rows[i].last_sequence != rows[i].stored_sequence;
    if (n_moved == 0)
        return 0;
    PgParams params = {0};
    pg_param_array_begin(&params, OID_BYTEA, n_moved);
    for (size_t i = 0; i < n; i++) {
        if (rows[i].last_sequence != rows[i].stored_sequence)
            pg_array_bytes(&params, rows[i].stream, STREAM_BYTES);
    }
    pg_param_array_begin(&params, OID_INT8, n_moved);
    for (size_t i = 0; i < n; i++) {
        if (rows[i].last_sequence != rows[i].stored_sequence)
            pg_array_i64(&params, (int64_t)rows[i].last_sequence);
    }
    int result = pg_queue(pg, &ADVANCE, &params);
    pg_params_free(&params);
    return result;
}

static const Oid BATCH_TYPES[] = {OID_BYTEA, OID_INT8};
static const PgStatement BATCH = {
    "stored-batch",
    "SELECT first_position, last_position, last_sequence, epoch, stored_at_us, batch_root, hash, format, payload "
    "FROM exchange.segment WHERE stream = $1 AND first_sequence = $2 AND batch_root IS NOT NULL",
    2, BATCH_TYPES};

static int read_batch(const PGresult *rows, Arena *arena, StoredBatch *ret) {
    *ret = (StoredBatch){.first_position = (uint64_t)pg_i64(rows, 0, 0),
                         .last_position = (uint64_t)pg_i64(rows, 0, 1),
                         .last_sequence = (uint64_t)pg_i64(rows, 0, 2),
                         .epoch = (uint32_t)pg_i32(rows, 0, 3),
                         .stored_at_us = pg_i64(rows, 0, 4)};
    int result = read_hash(rows, 0, 5, ret->root);
    if (result == 0)
        result = read_hash(rows, 0, 6, ret->hash);
    if (result < 0 || pg_is_null(rows, 0, 8))
        return result;
    size_t n = 0;
    const uint8_t *data = pg_bytes(rows, 0, 8, &n);
    result = segment_decode_payload(data, n, pg_i16(rows, 0, 7), arena, &ret->payload);
    return result > 0 ? error_fail(ERROR_DATABASE, "a stored segment does not decode") : result;
}

int store_find_batch(Pg *pg, const uint8_t stream[STREAM_BYTES], uint64_t first_sequence, Arena *arena,
                     StoredBatch *ret) {
    PgParams params = {0};
    pg_param_bytes(&params, stream, STREAM_BYTES);
    pg_param_i64(&params, (int64_t)first_sequence);
    PGresult *rows = NULL;
    int result = pg_run(pg, &BATCH, &params, &rows);
    pg_params_free(&params);
    if (result == 0)
        result = PQntuples(rows) == 0 ? 1 : read_batch(rows, arena, ret);
    PQclear(rows);
    return result;
}

// A view of rows [from, to).
static Bytes rows_between(const Bytes *rows, const uint32_t *starts, size_t n, size_t from, size_t to) {
    size_t first = from < n ? starts[from] : rows->n, end = to < n ? starts[to] : rows->n;
    return (Bytes){.data = rows->data + first, .n = end - first, .size = end - first};
}

#define COPY_RECORDS                                                                                                   \
    "COPY exchange.record_version (person, domain, record_key, position, superseded, record) "                         \
    "FROM STDIN (FORMAT binary)"
#define COPY_EXCEPTIONS                                                                                                \
    "COPY exchange.exception (position, review_case, case_key, stream, sequence, agency, domain, first_verdict, "      \
    "verdict, open, citizen_number, person, reasons, event, leaf, likely_person, likely_posterior, candidates, "       \
    "reason_codes, row_key) FROM STDIN (FORMAT binary)"

static const Oid CASES_TYPES[] = {OID_BYTEA_ARRAY};
// The newest, so that one look tells: a case of which a part is decided already is not joined any more. Whoever repeats
// a row quicker than its case is carried out would keep it, and all decisions behind it, waiting for ever.
static const PgStatement CASES = {
    "open-cases",
    "SELECT (SELECT c.review_case FROM (SELECT e.review_case FROM exchange.exception e "
    "WHERE e.open AND e.case_key = k.case_key ORDER BY e.review_case DESC LIMIT 1) c "
    "WHERE NOT EXISTS (SELECT FROM exchange.review_decision d WHERE d.review_case = c.review_case "
    "AND d.state = 'waiting' AND d.position IS NOT NULL)) "
    "FROM unnest($1::bytea[]) WITH ORDINALITY AS k(case_key, place) ORDER BY place",
    1, CASES_TYPES};

static int query_cases(Pg *pg, const Cases *cases, PGresult **ret) {
    int n = 0;
    for (size_t row = 0; row < cases->n; row = cases_end(cases, row))
        n++;
    PgParams params = {0};
    pg_param_array_begin(&params, OID_BYTEA, n);
    for (size_t row = 0; row < cases->n; row = cases_end(cases, row))
        pg_array_bytes(&params, cases->rows[row].key, CASE_KEY_BYTES);
    int result = pg_run(pg, &CASES, &params, ret);
    pg_params_free(&params);
    return result;
}

// Under the log's lock, so that nobody else begins or joins a case meanwhile.
static int join_cases(Pg *pg, Bytes *exceptions) {
    Cases cases;
    PGresult *open = NULL;
    int result = cases_read(exceptions, &cases);
    if (result == 0 && cases.n > 0)
        result = query_cases(pg, &cases, &open);
    size_t row = 0;
    for (int i = 0; result == 0 && i < PQntuples(open); i++, row = cases_end(&cases, row))
        cases_join(&cases, row, pg_is_null(open, i, 0) ? 0 : pg_i64(open, i, 0));
    PQclear(open);
    cases_free(&cases);
    return result;
}

int store_rows(Pg *pg, const Bytes *records, Bytes *exceptions) {
    int result = join_cases(pg, exceptions);
    if (result == 0)
        result = pg_copy(pg, COPY_RECORDS, records);
    return result < 0 ? result : pg_copy(pg, COPY_EXCEPTIONS, exceptions);
}

int store_records(Pg *pg, const Work *work, size_t from, size_t to) {
    Bytes rows = rows_between(&work->records, work->record_start, work->n_records, from, to);
    return pg_copy(pg, COPY_RECORDS, &rows);
}

int store_exceptions(Pg *pg, const Work *work, size_t from, size_t to) {
    Bytes rows = rows_between(&work->exceptions, work->exception_start, work->n_exceptions, from, to);
    return pg_copy(pg, COPY_EXCEPTIONS, &rows);
}

static const Oid ALIAS_TYPES[] = {OID_TEXT_ARRAY, OID_TEXT_ARRAY, OID_INT8_ARRAY, OID_INT8_ARRAY};
static const PgStatement ALIAS = {
    "person-alias",
    "INSERT INTO exchange.person_alias (number, kind, person, position) "
    "SELECT n.number, n.kind, n.person, n.position FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[]) "
    "AS n(number, kind, person, position) ORDER BY n.number, n.kind, n.person ON CONFLICT DO NOTHING",
    4, ALIAS_TYPES};

static bool is_reissue(const Item *item) {
    return item->domain == DONGBO__DOMAIN__POPULATION && item->person != NULL &&
           item->decision.verdict == DONGBO__VERDICT__ACCEPTED && item->event->subject != NULL &&
           population_is_reissue(item->event->population);
}

// Whether the event teaches whose an insurance number is: it came under the person's own present number, and everything
// else agreed.
static bool is_pair(const Item *item) {
    return item->domain == DONGBO__DOMAIN__SOCIAL_SECURITY && !item->pair_is_known && item->person != NULL &&
           item->decision.verdict == DONGBO__VERDICT__ACCEPTED &&
           item->event->operation != DONGBO__OPERATION__RETRACT && item->decision.n_reasons == 0 &&
           strcmp(item->claimed_number, item->person->citizen_number) == 0 &&
           bearers_kind(bearers_insurance(item->event, item->claimed_number)) == NULL &&
           bearers_insurance(item->event, item->claimed_number)[0] != '\0';
}

// The number that the item says is an alias of its person; NULL for none.
static const char *alias_of(const Item *item) {
    if (is_reissue(item))
        return item->event->subject->citizen_number;
    return is_pair(item) ? bearers_insurance(item->event, item->claimed_number) : NULL;
}

int store_aliases(Pg *pg, const Work *work) {
    const Item **items = NULL;
    int n = 0;
    for (size_t i = 0; i < work->n_entries; i++) {
        if (alias_of(work->entry_items[i]) == NULL)
            continue;
        if (items == NULL && (items = arena_alloc(work->arena, work->n_entries * sizeof *items)) == NULL)
            return error_fail(ERROR_MEMORY, "the batch's aliases do not fit");
        items[n++] = work->entry_items[i];
    }
    if (n == 0)
        return 0;
    PgParams params = {0};
    pg_param_array_begin(&params, OID_TEXT, n);
    for (int i = 0; i < n; i++)
        pg_array_text(&params, alias_of(items[i]), strlen(alias_of(items[i])));
    pg_param_array_begin(&params, OID_TEXT, n);
    for (int i = 0; i < n; i++) {
        const char *kind = is_reissue(items[i]) ? BEARER_CCCD : BEARER_INSURANCE;
        pg_array_text(&params, kind, strlen(kind));
    }
    pg_param_array_begin(&params, OID_INT8, n);
    for (int i = 0; i < n; i++)
        pg_array_i64(&params, items[i]->person->key);
    pg_param_array_begin(&params, OID_INT8, n);
    for (int i = 0; i < n; i++)
        pg_array_i64(&params, (int64_t)items[i]->position);
    int result = pg_run(pg, &ALIAS, &params, NULL);
    pg_params_free(&params);
    return result;
}

static const Oid GUESS_TYPES[] = {OID_INT4, OID_INT8_ARRAY, OID_INT8_ARRAY, OID_BYTEA_ARRAY, OID_BOOL_ARRAY};
static const PgStatement GUESS = {
    "guess",
    "INSERT INTO exchange.guess (agency, person, position, guess, last) SELECT $1, n.* "
    "FROM unnest($2::bigint[], $3::bigint[], $4::bytea[], $5::boolean[]) AS n(person, position, guess, last)",
    5, GUESS_TYPES};

typedef void (*PutGuess)(PgParams *params, const Item *item);

static void put_person(PgParams *params, const Item *item) {
    pg_array_i64(params, item->person->key);
}

static void put_position(PgParams *params, const Item *item) {
    pg_array_i64(params, (int64_t)item->position);
}

static void put_guess(PgParams *params, const Item *item) {
    pg_array_bytes(params, item->guess, GUESS_BYTES);
}

static void put_last(PgParams *params, const Item *item) {
    pg_array_bool(params, item->is_last_guess);
}

int store_guesses(Pg *pg, const Work *work) {
    static const struct {
        Oid type;
        PutGuess put;
    } COLUMNS[] = {{OID_INT8, put_person}, {OID_INT8, put_position}, {OID_BYTEA, put_guess}, {OID_BOOL, put_last}};
    int n = 0;
    for (size_t i = 0; i < work->n_entries; i++)
        n += work->entry_items[i]->is_guess;
    if (n == 0)
        return 0;
    PgParams params = {0};
    pg_param_i32(&params, (int32_t)work->agency->grants.agency);
    for (size_t column = 0; column < sizeof COLUMNS / sizeof *COLUMNS; column++) {
        pg_param_array_begin(&params, COLUMNS[column].type, n);
        for (size_t i = 0; i < work->n_entries; i++) {
            if (work->entry_items[i]->is_guess)
                COLUMNS[column].put(&params, work->entry_items[i]);
        }
    }
    int result = pg_run(pg, &GUESS, &params, NULL);
    pg_params_free(&params);
    return result;
}

static const Oid SEGMENT_TYPES[] = {OID_INT8,  OID_INT8,  OID_INT4,  OID_INT2,  OID_INT2,  OID_INT4,
                                    OID_BYTEA, OID_INT8,  OID_INT8,  OID_BYTEA, OID_INT8,  OID_INT8,
                                    OID_INT8,  OID_BYTEA, OID_BYTEA, OID_BYTEA, OID_BYTEA, OID_BYTEA,
                                    OID_BYTEA, OID_BYTEA, OID_BYTEA, OID_BYTEA};
static const PgStatement SEGMENT = {
    "segment",
    "INSERT INTO exchange.segment (first_position, last_position, epoch, format, kind, agency, stream, first_sequence, "
    "last_sequence, batch_root, stored_at_us, population_position, leaf_index, hash, frontier, summary, payload, batch, "
    "leaf, origin, about, entries_root) "
    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)",
    22, SEGMENT_TYPES};

static void param_bytes_or_null(PgParams *params, const uint8_t *data, size_t n) {
    if (data == NULL)
        pg_param_null(params);
    else
        pg_param_bytes(params, data, n);
}

int store_segment(Pg *pg, const Segment *segment, const SegmentHead *head, const SegmentBytes *bytes) {
    PgParams params = {0};
    pg_param_i64(&params, (int64_t)segment->first_position);
    pg_param_i64(&params, (int64_t)segment->last_position);
    pg_param_i32(&params, (int32_t)segment->epoch);
    pg_param_i16(&params, SEGMENT_FORMAT);
    pg_param_i16(&params, (int16_t)segment->kind);
    if (segment->agency == 0)
        pg_param_null(&params);
    else
        pg_param_i32(&params, (int32_t)segment->agency);
    param_bytes_or_null(&params, segment->stream, STREAM_BYTES);
    pg_param_i64(&params, (int64_t)segment->first_sequence);
    pg_param_i64(&params, (int64_t)segment->last_sequence);
    param_bytes_or_null(&params, segment->batch_root, HASH_BYTES);
    pg_param_i64(&params, segment->stored_at_us);
    pg_param_i64(&params, segment->population_position);
    pg_param_i64(&params, (int64_t)head->leaf_index - 1);
    pg_param_bytes(&params, head->hash, HASH_BYTES);
    pg_param_bytes(&params, head->frontier.nodes, frontier_bytes(&head->frontier));
    pg_param_bytes(&params, bytes->packed->summary.data, bytes->packed->summary.n);
    pg_param_bytes(&params, bytes->packed->payload.data, bytes->packed->payload.n);
    param_bytes_or_null(&params, bytes->batch, bytes->batch_n);
    pg_param_bytes(&params, head->leaf, HASH_BYTES);
    param_bytes_or_null(&params, bytes->batch, bytes->origin_n);
    pg_param_bytes(&params, bytes->packed->about.data, bytes->packed->about.n);
    pg_param_bytes(&params, bytes->packed->entries_root, HASH_BYTES);
    int result = pg_queue(pg, &SEGMENT, &params);
    pg_params_free(&params);
    return result;
}

static const Oid PARTITION_TYPES[] = {OID_INT8};
static const PgStatement PARTITION = {"segment-partition", "SELECT exchange.segment_partition($1)", 1, PARTITION_TYPES};

int store_partition(Pg *pg, uint64_t position) {
    PgParams params = {0};
    pg_param_i64(&params, (int64_t)position);
    int result = pg_run(pg, &PARTITION, &params, NULL);
    pg_params_free(&params);
    return result;
}

static const Oid OPEN_TYPES[] = {OID_INT8_ARRAY, OID_INT2_ARRAY};
static const PgStatement OPEN = {
    "still-open",
    "SELECT e.position FROM unnest($1, $2) AS w(position, was) JOIN exchange.exception e "
    "ON e.position = w.position AND e.verdict = w.was WHERE e.open ORDER BY e.position FOR NO KEY UPDATE OF e",
    2, OPEN_TYPES};

// Both rows are locked, so that both are looked at again after a wait for one of them.
static const Oid WAITING_TYPES[] = {OID_INT8_ARRAY, OID_INT8};
static const PgStatement WAITING = {
    "still-waiting",
    "SELECT e.position FROM exchange.review_decision d JOIN exchange.exception e ON e.review_case = d.review_case "
    "WHERE d.decision = $2 AND d.state = 'waiting' AND e.position = ANY ($1) AND e.open "
    "ORDER BY e.position FOR NO KEY UPDATE",
    2, WAITING_TYPES};

void store_param_exceptions(PgParams *params, const Work *work) {
    pg_param_array_begin(params, OID_INT8, (int)work->n_items);
    for (size_t i = 0; i < work->n_items; i++)
        pg_array_i64(params, work->items[i].exception);
}

int store_drop_others(Pg *pg, const PgStatement *statement, PgParams *params, Work *work) {
    PGresult *rows = NULL;
    int result = pg_run(pg, statement, params, &rows);
    pg_params_free(params);
    int row = 0;
    for (size_t i = 0; result == 0 && i < work->n_items; i++) { // both in the order of positions
        Item *item = &work->items[i];
        if (row < PQntuples(rows) && pg_i64(rows, row, 0) == item->exception)
            row += !item->leaves; // the event's own is next
        else
            item->dropped = true;
    }
    PQclear(rows);
    return result;
}

int store_still_open(Pg *pg, Work *work) {
    PgParams params = {0};
    store_param_exceptions(&params, work);
    pg_param_array_begin(&params, OID_INT2, (int)work->n_items);
    for (size_t i = 0; i < work->n_items; i++)
        pg_array_i16(&params, (int16_t)work->items[i].was);
    return store_drop_others(pg, &OPEN, &params, work);
}

int store_still_waiting(Pg *pg, Work *work) {
    PgParams params = {0};
    store_param_exceptions(&params, work);
    pg_param_i64(&params, work->review->decision);
    return store_drop_others(pg, &WAITING, &params, work);
}

static const Oid NOT_ASKED_TYPES[] = {OID_INT8_ARRAY, OID_INT8_ARRAY, OID_BYTEA};
static const PgStatement NOT_ASKED = {
    "not-asked",
    "SELECT w.i FROM unnest($1, $2) WITH ORDINALITY AS w(sequence, because, i) WHERE NOT EXISTS ("
    "SELECT FROM exchange.exception e WHERE e.stream = $3 AND e.sequence = w.sequence "
    "AND (e.open OR e.position > w.because)) ORDER BY w.i",
    3, NOT_ASKED_TYPES};

int store_not_asked(Pg *pg, Work *work) {
    PgParams params = {0};
    PGresult *rows = NULL;
    pg_param_array_begin(&params, OID_INT8, (int)work->n_items);
    for (size_t i = 0; i < work->n_items; i++)
        pg_array_i64(&params, (int64_t)work->items[i].sequence);
    pg_param_array_begin(&params, OID_INT8, (int)work->n_items);
    for (size_t i = 0; i < work->n_items; i++)
        pg_array_i64(&params, work->items[i].because);
    pg_param_bytes(&params, work->stream, STREAM_BYTES);
    int result = pg_run(pg, &NOT_ASKED, &params, &rows);
    pg_params_free(&params);
    int row = 0;
    for (size_t i = 0; result == 0 && i < work->n_items; i++) {
        if (row < PQntuples(rows) && pg_i64(rows, row, 0) == (int64_t)i + 1)
            row++;
        else
            work->items[i].dropped = true;
    }
    PQclear(rows);
    return result;
}

static const Oid DECIDED_TYPES[] = {OID_INT8_ARRAY, OID_INT2_ARRAY, OID_INT8_ARRAY, OID_BYTEA_ARRAY, OID_INT8_ARRAY,
                                    OID_INT8_ARRAY, OID_INT4_ARRAY, OID_TEXT_ARRAY, OID_BOOL,        OID_TEXT_ARRAY};
static const PgStatement DECIDED = {
    "decided",
    "UPDATE exchange.exception e SET verdict = d.verdict, open = d.verdict = 4, person = nullif(d.person, 0), "
    "reasons = d.reasons, reason_codes = d.reason_codes::smallint[], decided_position = d.decided_position, "
    "likely_person = CASE WHEN $9 THEN e.likely_person ELSE d.likely_person END, "
    "likely_posterior = CASE WHEN $9 THEN e.likely_posterior ELSE d.likely_posterior END, "
    "candidates = CASE WHEN $9 THEN e.candidates ELSE d.candidates::jsonb END "
    "FROM unnest($1::bigint[], $2::smallint[], $3::bigint[], $4::bytea[], $5::bigint[], $6::bigint[], $7::integer[], "
    "$8::text[], $10::text[]) AS d(position, verdict, person, reasons, decided_position, likely_person, "
    "likely_posterior, candidates, reason_codes) WHERE e.position = d.position",
    10, DECIDED_TYPES};

static int append_reasons(PgParams *params, const Work *work) {
    Bytes packed = {0};
    int result = 0;
    for (size_t i = 0; result == 0 && i < work->n_entries; i++) {
        const Dongbo__EventVerdict *verdict =
            entries_verdict(work->arena, work->entry_items[i], work->entry_items[i]->position);
        if (verdict == NULL) {
            result = error_fail(ERROR_MEMORY, "the decisions do not fit");
            break;
        }
        bytes_clear(&packed);
        bytes_append_message(&packed, &verdict->base);
        if (packed.failed)
            result = error_fail(ERROR_MEMORY, "the decisions do not fit");
        pg_array_bytes(params, packed.data, packed.n);
    }
    bytes_free(&packed);
    return result;
}

static const SearchMatch *likely(const Item *item) {
    return search_first(entries_found(item));
}

static int append_candidates(PgParams *params, const Work *work) {
    Bytes json = {0};
    for (size_t i = 0; i < work->n_entries; i++) {
        const SearchAnswer *found = entries_found(work->entry_items[i]);
        bytes_clear(&json);
        if (found == NULL) {
            pg_array_null(params);
            continue;
        }
        search_write(found, &json);
        pg_array_text(params, (const char *)json.data, json.n);
    }
    int result = json.failed ? error_fail(ERROR_MEMORY, "the decisions do not fit") : 0;
    bytes_free(&json);
    return result;
}

static int append_likely(PgParams *params, const Work *work) {
    int n = (int)work->n_entries;
    pg_param_array_begin(params, OID_INT8, n);
    for (int i = 0; i < n; i++) {
        const SearchMatch *match = likely(work->entry_items[i]);
        match == NULL ? pg_array_null(params) : pg_array_i64(params, match->person);
    }
    pg_param_array_begin(params, OID_INT4, n);
    for (int i = 0; i < n; i++) {
        const SearchMatch *match = likely(work->entry_items[i]);
        match == NULL ? pg_array_null(params) : pg_array_i32(params, (int32_t)match->posterior);
    }
    pg_param_array_begin(params, OID_TEXT, n);
    return append_candidates(params, work);
}

// As text, for arrays of arrays are of one length.
static void append_codes(PgParams *params, const Work *work) {
    pg_param_array_begin(params, OID_TEXT, (int)work->n_entries);
    for (size_t i = 0; i < work->n_entries; i++) {
        const Decision *decision = &work->entry_items[i]->decision;
        char codes[REASONS_MAX * 12 + 3] = "{";
        size_t n = 1;
        for (size_t j = 0; j < decision->n_reasons; j++)
            n += (size_t)snprintf(codes + n, sizeof codes - n, "%s%d", j ? "," : "", decision->reasons[j].code);
        codes[n++] = '}';
        pg_array_text(params, codes, n);
    }
}

// Of cases that are closed, also by another's hand just now: who holds one, holds it for nothing. Claims are few.
static const PgStatement OUTLIVED = {
    "claims-outlived",
    "DELETE FROM exchange.review_claim c WHERE NOT EXISTS (SELECT FROM exchange.exception e "
    "WHERE e.review_case = c.review_case AND e.open)",
    0, NULL};

int store_decided(Pg *pg, Work *work) {
    PgParams params = {0};
    int n = (int)work->n_entries;
    pg_param_array_begin(&params, OID_INT8, n);
    for (int i = 0; i < n; i++)
        pg_array_i64(&params, work->entry_items[i]->leaves ? 0 : work->entry_items[i]->exception);
    pg_param_array_begin(&params, OID_INT2, n);
    for (int i = 0; i < n; i++)
        pg_array_i16(&params, (int16_t)work->entry_items[i]->decision.verdict);
    pg_param_array_begin(&params, OID_INT8, n);
    for (int i = 0; i < n; i++)
        pg_array_i64(&params, work->entries[i]->person);
    pg_param_array_begin(&params, OID_BYTEA, n);
    int result = append_reasons(&params, work);
    pg_param_array_begin(&params, OID_INT8, n);
    for (int i = 0; i < n; i++)
        pg_array_i64(&params, (int64_t)work->entry_items[i]->position);
    if (result == 0)
        result = append_likely(&params, work);
    pg_param_bool(&params, work->review != NULL); // who the officer was shown stays to be compared with their decision
    append_codes(&params, work);
    if (result == 0)
        result = pg_run(pg, &DECIDED, &params, NULL);
    pg_params_free(&params);
    return result < 0 ? result : pg_queue(pg, &OUTLIVED, NULL);
}

static const Oid REVIEWED_TYPES[] = {OID_INT8, OID_INT8, OID_TEXT};
static const PgStatement REVIEWED = {
    "reviewed",
    "WITH carried AS (UPDATE exchange.review_decision d SET position = coalesce(d.position, $2), "
    "state = CASE WHEN EXISTS (SELECT FROM exchange.exception e WHERE e.review_case = d.review_case AND e.open) "
    "THEN 'waiting' ELSE 'done' END, outcome = left(concat_ws('; ', d.outcome, $3), 1000) "
    "WHERE d.decision = $1 RETURNING d.review_case, d.state) "
    "DELETE FROM exchange.review_claim c USING carried WHERE c.review_case = carried.review_case "
    "AND carried.state = 'done'",
    3, REVIEWED_TYPES};

int store_reviewed(Pg *pg, const Work *work) {
    char text[REVIEW_TEXT_BYTES];
    review_outcome(work, text);
    PgParams params = {0};
    pg_param_i64(&params, work->review->decision);
    pg_param_i64(&params, (int64_t)work->first_position);
    pg_param_text(&params, text);
    int result = pg_run(pg, &REVIEWED, &params, NULL);
    pg_params_free(&params);
    return result;
}

static const Oid BARRED_TYPES[] = {OID_INT8, OID_TEXT};
static const PgStatement BARRED = {
    "barred",
    "UPDATE exchange.review_decision SET state = 'failed', outcome = left(concat_ws('; ', outcome, $2), 1000) "
    "WHERE decision = $1 AND state = 'waiting'",
    2, BARRED_TYPES};

int store_barred(Pg *pg, const Review *review, const char *why) {
    PgParams params = {0};
    pg_param_i64(&params, review->decision);
    pg_param_text(&params, why);
    int result = pg_run(pg, &BARRED, &params, NULL);
    pg_params_free(&params);
    return result;
}
