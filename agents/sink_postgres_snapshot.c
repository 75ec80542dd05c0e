// SPDX-License-Identifier: Apache-2.0
//
// A snapshot's rows bear its mark, so that what no chunk brought is known in the end without keeping a list. Where it
// is stands in a table of one row, which moves with the rows. A trial runs in one transaction that is rolled back.
#include "agents/sink_postgres_state.h"

#include "proto/base/error.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define PAGE_ROWS 20000 // counted at once
#define PARAMS_FIXED 10 // mark, epoch, and as for the feed's rows

// ---- statements ----------------------------------------------------------------------------------------------------

static const Oid FILL_TYPES[PG_PARAMS_MAX] = {
    OID_INT8,        OID_INT4,       OID_BYTEA_ARRAY,       OID_INT8_ARRAY,  OID_BOOL_ARRAY, OID_TEXT_ARRAY,
    OID_BYTEA_ARRAY, OID_TEXT_ARRAY, OID_TIMESTAMPTZ_ARRAY, OID_BYTEA_ARRAY, OID_TEXT_ARRAY, OID_TEXT_ARRAY,
    OID_TEXT_ARRAY,  OID_TEXT_ARRAY, OID_TEXT_ARRAY,        OID_TEXT_ARRAY,  OID_TEXT_ARRAY, OID_TEXT_ARRAY,
    OID_TEXT_ARRAY,  OID_TEXT_ARRAY, OID_TEXT_ARRAY,        OID_TEXT_ARRAY,  OID_TEXT_ARRAY, OID_TEXT_ARRAY,
};
static const Oid SNAPSHOT_TYPES[] = {OID_INT8, OID_INT4, OID_INT8, OID_BYTEA, OID_BYTEA};
static const Oid SWEEP_TYPES[] = {OID_INT8, OID_BYTEA};
static const Oid PAGE_TYPES[] = {OID_BYTEA};

static int made(Made *one, const char *name, int n_params, const Oid *types) {
    bytes_append_u8(&one->text, 0);
    snprintf(one->name, sizeof one->name, "%s", name);
    one->statement = (PgStatement){one->name, (const char *)one->text.data, n_params, types};
    return one->text.failed ? error_fail(ERROR_MEMORY, "no memory for a statement") : 0;
}

static int snapshot_statements(Postgres *pg) {
    if (pg->snapshot_read.text.n)
        return 0;
    postgres_sql(&pg->snapshot_read.text, "SELECT mark, epoch, position, hash, cursor FROM %s.dongbo_snapshot",
                 pg->quoted);
    postgres_sql(&pg->snapshot_write.text,
                 "INSERT INTO %s.dongbo_snapshot (mark, epoch, position, hash, cursor, at)"
                 " VALUES ($1, $2, $3, $4, $5, now()) ON CONFLICT (one) DO UPDATE SET mark = $1, epoch = $2,"
                 " position = $3, hash = $4, cursor = $5, at = now()",
                 pg->quoted);
    postgres_sql(&pg->snapshot_drop.text, "DELETE FROM %s.dongbo_snapshot", pg->quoted);
    int r = made(&pg->snapshot_read, "snapshot_read", 0, NULL);
    if (r == 0)
        r = made(&pg->snapshot_write, "snapshot_write", 5, SNAPSHOT_TYPES);
    return r == 0 ? made(&pg->snapshot_drop, "snapshot_drop", 0, NULL) : r;
}

// Puts every row of the batch, whatever is held: nothing else comes meanwhile. Says how many were not held, and how
// many were held as something else.
static int fill_make(Postgres *pg, int domain) {
    Table *table = &pg->tables[domain];
    Bytes *sql = &table->fill.text;
    const char *name = domain_name(domain);
    int n = PARAMS_FIXED + __builtin_popcount(table->columns);
    assert(n <= PG_PARAMS_MAX);
    if (sql->n)
        return 0;
    postgres_sql(sql, "WITH b AS (SELECT DISTINCT ON (record_id) * FROM unnest(");
    for (int i = 3; i <= n; i++)
        postgres_sql(sql, "%s$%d", i > 3 ? ", " : "", i);
    postgres_sql(sql, ") AS u (record_id, position, deleted, citizen_number, person_id, agency, event_time, origin");
    postgres_columns(sql, ", ", domain, table);
    postgres_sql(sql, ") ORDER BY record_id), held AS (SELECT (t.citizen_number, t.person_id");
    postgres_columns(sql, ", t.", domain, table);
    postgres_sql(sql, ") IS DISTINCT FROM (nullif(b.citizen_number, ''), nullif(b.person_id, '')");
    postgres_values(sql, domain, table);
    postgres_sql(sql, ") AS stale FROM b JOIN %s.%s AS t ON t.record_id = b.record_id), put AS (", pg->quoted, name);
    postgres_sql(sql,
                 "INSERT INTO %s.%s AS t (record_id, position, citizen_number, person_id, agency, event_time,"
                 " snapshot, epoch",
                 pg->quoted, name);
    postgres_columns(sql, ", ", domain, table);
    postgres_sql(sql, ") SELECT b.record_id, b.position, nullif(b.citizen_number, ''), nullif(b.person_id, ''),"
                      " nullif(b.agency, ''), b.event_time, $1, $2");
    postgres_values(sql, domain, table);
    postgres_sql(sql,
                 " FROM b ON CONFLICT (record_id) DO UPDATE SET position = excluded.position,"
                 " citizen_number = excluded.citizen_number, person_id = excluded.person_id,"
                 " agency = excluded.agency, event_time = excluded.event_time, snapshot = excluded.snapshot,"
                 " epoch = excluded.epoch%s",
                 table->origin ? ", origin = NULL" : "");
    postgres_assignments(sql, domain, table);
    postgres_sql(sql, ") SELECT (SELECT count(*) FROM b) - (SELECT count(*) FROM held),"
                      " (SELECT count(*) FROM held WHERE stale)");
    char statement[32];
    snprintf(statement, sizeof statement, "fill_%s", name);
    return made(&table->fill, statement, n, FILL_TYPES);
}

// What has no bucket, for its id is none of ours, goes with any.
static int sweep_make(Postgres *pg, int domain) {
    Table *table = &pg->tables[domain];
    if (table->sweep.text.n)
        return 0;
    postgres_sql(&table->sweep.text,
                 "WITH gone AS (DELETE FROM %s.%s WHERE snapshot IS DISTINCT FROM $1 AND ($2::bytea IS NULL OR"
                 " CASE WHEN length(record_id) < 2 THEN true ELSE get_bit($2, get_byte(record_id, 0) * 16"
                 " + get_byte(record_id, 1) / 16) = 1 END) RETURNING 1) SELECT count(*) FROM gone",
                 pg->quoted, domain_name(domain));
    char statement[32];
    snprintf(statement, sizeof statement, "sweep_%s", domain_name(domain));
    return made(&table->sweep, statement, 2, SWEEP_TYPES);
}

static int page_make(Postgres *pg, int domain) {
    Table *table = &pg->tables[domain];
    Bytes *sql = &table->page.text;
    if (sql->n)
        return 0;
    postgres_sql(sql, "SELECT record_id, citizen_number");
    const ProtobufCMessageDescriptor *descriptor = domain_descriptor(domain);
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        if (!(table->columns >> descriptor->fields[i].id & 1))
            continue;
        postgres_column(sql, ", ", domain, &descriptor->fields[i]);
        postgres_sql(sql, "::text");
    }
    postgres_sql(sql, " FROM %s.%s WHERE record_id > $1 ORDER BY record_id LIMIT %d", pg->quoted, domain_name(domain),
                 PAGE_ROWS);
    char statement[32];
    snprintf(statement, sizeof statement, "page_%s", domain_name(domain));
    return made(&table->page, statement, 1, PAGE_TYPES);
}

// ---- where it is ---------------------------------------------------------------------------------------------------

void postgres_snapshot_create(Postgres *pg) {
    postgres_sql(&pg->sql,
                 "CREATE TABLE IF NOT EXISTS %s.dongbo_snapshot (one boolean PRIMARY KEY DEFAULT true CHECK (one),"
                 " mark bigint NOT NULL, epoch integer NOT NULL, position bigint NOT NULL,"
                 " hash bytea NOT NULL CHECK (length(hash) = 32), cursor bytea NOT NULL, at timestamptz NOT NULL)",
                 pg->quoted);
}

int postgres_snapshot_prepare(Postgres *pg) {
    return snapshot_statements(pg);
}

static int snapshot_put(Postgres *pg, const SinkSnapshot *snapshot) {
    pg_params_clear(&pg->params);
    pg_param_i64(&pg->params, snapshot->mark);
    pg_param_i32(&pg->params, (int32_t)snapshot->first.epoch);
    pg_param_i64(&pg->params, (int64_t)snapshot->first.position);
    pg_param_bytes(&pg->params, snapshot->first.hash, HASH_BYTES);
    pg_param_bytes(&pg->params, snapshot->cursor, snapshot->begun ? snapshot->cursor_n : 0);
    int r = pg_run(pg->pg, &pg->snapshot_write.statement, &pg->params, NULL);
    return r < 0 ? postgres_altered(pg, "dongbo_snapshot", r) : 0;
}

static int postgres_find(Sink *sink, SinkSnapshot *ret) {
    Postgres *pg = (Postgres *)sink;
    PGresult *result;
    int r = pg_run(pg->pg, &pg->snapshot_read.statement, NULL, &result);
    if (r < 0)
        return postgres_altered(pg, "dongbo_snapshot", r);
    bool found = PQntuples(result) == 1;
    *ret = (SinkSnapshot){0};
    if (found) {
        size_t n, cursor_n;
        const uint8_t *hash = pg_bytes(result, 0, 3, &n), *cursor = pg_bytes(result, 0, 4, &cursor_n);
        ret->mark = pg_i64(result, 0, 0);
        ret->begun = cursor_n > 0 && cursor_n <= sizeof ret->cursor;
        ret->first.epoch = (uint32_t)pg_i32(result, 0, 1);
        ret->first.position = (uint64_t)pg_i64(result, 0, 2);
        if (n == HASH_BYTES) // a CHECK of the table
            memcpy(ret->first.hash, hash, HASH_BYTES);
        ret->cursor_n = ret->begun ? cursor_n : 0;
        memcpy(ret->cursor, cursor, ret->cursor_n);
    }
    PQclear(result);
    return found ? 0 : 1;
}

// ---- filling -------------------------------------------------------------------------------------------------------

// All tables have the mark's column before the first row; within a trial nothing connects anew.
static int postgres_begin(Sink *sink, const SinkSnapshot *snapshot) {
    Postgres *pg = (Postgres *)sink;
    int r = pg_connect(pg->pg);
    for (int domain = DOMAIN_MIN; domain <= DOMAIN_MAX && r == 0; domain++) {
        if (!pg->tables[domain].columns)
            continue;
        r = postgres_extend(pg, domain, 0);
        if (r == 0)
            r = pg_connect(pg->pg);
    }
    pg->filling = snapshot;
    return r == 0 && snapshot->dry ? pg_command(pg->pg, "BEGIN") : r;
}

static int table_fill(Postgres *pg, int domain, const SinkSnapshot *snapshot, SinkTally *tally) {
    Table *table = &pg->tables[domain];
    PGresult *result;
    int r = table->n ? fill_make(pg, domain) : 0;
    if (r < 0 || !table->n)
        return r;
    pg_params_clear(&pg->params);
    pg_param_i64(&pg->params, snapshot->mark);
    pg_param_i32(&pg->params, (int32_t)snapshot->first.epoch);
    postgres_rows_bind(pg, table);
    r = pg_run(pg->pg, &table->fill.statement, &pg->params, &result);
    if (r < 0)
        return postgres_altered(pg, domain_name(domain), r);
    tally->missing += (uint64_t)pg_i64(result, 0, 0);
    tally->stale += (uint64_t)pg_i64(result, 0, 1);
    PQclear(result);
    return 0;
}

static int rows_fill(Postgres *pg, const SinkSnapshot *snapshot, SinkTally *tally) {
    int r = pg_connect(pg->pg);
    if (r == 0 && !snapshot->dry)
        r = postgres_transaction_begin(pg);
    for (int domain = DOMAIN_MIN; domain <= DOMAIN_MAX && r == 0; domain++)
        r = table_fill(pg, domain, snapshot, tally);
    return r;
}

// Whether it was committed is asked in begin().
static int ended(Postgres *pg, int r) {
    if (r < 0)
        pg_disconnect(pg->pg);
    else
        pg->failed = false;
    postgres_rows_forget(pg);
    return r;
}

static int postgres_commit(Sink *sink, const SinkSnapshot *snapshot, SinkTally *tally) {
    Postgres *pg = (Postgres *)sink;
    int r = rows_fill(pg, snapshot, tally);
    if (r == 0 && !snapshot->buckets)
        r = snapshot_put(pg, snapshot);
    if (r == 0 && !snapshot->dry)
        r = pg_command(pg->pg, "COMMIT");
    return ended(pg, r);
}

static int table_sweep(Postgres *pg, int domain, const SinkSnapshot *snapshot, SinkTally *tally) {
    PGresult *result;
    int r = sweep_make(pg, domain);
    if (r < 0)
        return r;
    pg_params_clear(&pg->params);
    pg_param_i64(&pg->params, snapshot->mark);
    if (snapshot->buckets)
        pg_param_bytes(&pg->params, snapshot->buckets, BUCKETS_MAP_BYTES);
    else
        pg_param_null(&pg->params);
    r = pg_run(pg->pg, &pg->tables[domain].sweep.statement, &pg->params, &result);
    if (r < 0)
        return postgres_altered(pg, domain_name(domain), r);
    tally->extra += (uint64_t)pg_i64(result, 0, 0);
    PQclear(result);
    return 0;
}

static int postgres_end(Sink *sink, const SinkSnapshot *snapshot, const SinkPlace *place, SinkTally *tally) {
    Postgres *pg = (Postgres *)sink;
    int r = rows_fill(pg, snapshot, tally);
    for (int domain = DOMAIN_MIN; domain <= DOMAIN_MAX && r == 0; domain++)
        if (pg->tables[domain].columns)
            r = table_sweep(pg, domain, snapshot, tally);
    if (r == 0 && !snapshot->dry)
        r = postgres_place_put(pg, place, !snapshot->buckets);
    if (r == 0 && !snapshot->buckets)
        r = pg_run(pg->pg, &pg->snapshot_drop.statement, NULL, NULL);
    if (r == 0)
        r = pg_command(pg->pg, snapshot->dry ? "ROLLBACK" : "COMMIT");
    pg->filling = NULL;
    return ended(pg, r);
}

// ---- counting ------------------------------------------------------------------------------------------------------

// The body again, of what the row's columns say, in the order of numbers.
static void body_make(Postgres *pg, int domain, const PGresult *result, int row) {
    const ProtobufCMessageDescriptor *descriptor = domain_descriptor(domain);
    Bytes *body = &pg->sql;
    int column = 2;
    bytes_clear(body);
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        if (!(pg->tables[domain].columns >> descriptor->fields[i].id & 1))
            continue;
        buckets_body(body, &descriptor->fields[i], pg_text(result, row, column++));
    }
}

static int page_count(Postgres *pg, Buckets *buckets, SinkCount *at, const PGresult *result) {
    int n = PQntuples(result), r = 0;
    for (int row = 0; row < n && r == 0; row++) {
        size_t id_n;
        const uint8_t *id = pg_bytes(result, row, 0, &id_n);
        at->record_id_n = id_n < sizeof at->record_id ? id_n : sizeof at->record_id;
        memset(at->record_id, 0, sizeof at->record_id);
        memcpy(at->record_id, id, at->record_id_n);
        body_make(pg, at->domain, result, row);
        // One of another length is none of ours: it counts, so that its bucket differs.
        r = buckets_add(buckets, &(BucketsRecord){.id = at->record_id,
                                                  .domain = at->domain,
                                                  .citizen_number = pg->granted_number ? pg_text(result, row, 1) : "",
                                                  .body = pg->sql.data,
                                                  .body_n = pg->sql.n,
                                                  .granted = pg->granted[at->domain]});
    }
    return r;
}

static int postgres_count(Sink *sink, Buckets *buckets, SinkCount *at) {
    Postgres *pg = (Postgres *)sink;
    at->domain = at->domain < DOMAIN_MIN ? DOMAIN_MIN : at->domain;
    while (at->domain <= DOMAIN_MAX && !(pg->granted[at->domain] && pg->tables[at->domain].columns)) {
        at->domain++;
        at->record_id_n = 0;
    }
    if (at->domain > DOMAIN_MAX)
        return 0;
    PGresult *result;
    int r = pg_connect(pg->pg);
    if (r == 0)
        r = page_make(pg, at->domain);
    if (r < 0)
        return r;
    pg_params_clear(&pg->params);
    pg_param_bytes(&pg->params, at->record_id, at->record_id_n);
    r = pg_run(pg->pg, &pg->tables[at->domain].page.statement, &pg->params, &result);
    if (r < 0)
        return postgres_altered(pg, domain_name(at->domain), r);
    r = page_count(pg, buckets, at, result);
    if (PQntuples(result) < PAGE_ROWS) {
        at->domain++;
        at->record_id_n = 0;
    }
    PQclear(result);
    return r < 0 ? r : 1;
}

const SinkSnapshots POSTGRES_SNAPSHOTS = {.find = postgres_find,
                                          .begin = postgres_begin,
                                          .commit = postgres_commit,
                                          .end = postgres_end,
                                          .count = postgres_count};
