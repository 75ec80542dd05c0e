// SPDX-License-Identifier: Apache-2.0
//
// Where the PostgreSQL sink is in the feed, and the signed head beside that: a table of one row, of each share its own.
#include "agents/sink_postgres_state.h"

#include "proto/base/error.h"

#include <stdio.h>
#include <string.h>

void postgres_place_statements(Postgres *pg) {
    postgres_sql(&pg->place_read, "SELECT epoch, position, hash, policy_version FROM %s.%s", pg->quoted, pg->place);
    postgres_sql(&pg->whole_read,
                 "SELECT epoch, position, hash, policy_version FROM %s." POSTGRES_WHOLE " WHERE snapshot_of = $1",
                 pg->quoted);
    postgres_sql(
        &pg->place_write,
        "INSERT INTO %s.%s AS p (epoch, position, hash, policy_version, at, snapshot_of) VALUES ($1, $2, $3, $4, now(),"
        " $6) ON CONFLICT (one) DO UPDATE SET epoch = $1, position = $2, hash = $3, policy_version = $4, at = now(),"
        " snapshot_of = coalesce($6, CASE WHEN p.snapshot_of = $5 THEN $5 END)",
        pg->quoted, pg->place);
    postgres_sql(&pg->head_read, "SELECT signed_head FROM %s.%s WHERE signed_head IS NOT NULL", pg->quoted, pg->place);
    postgres_sql(&pg->head_write, "UPDATE %s.%s SET signed_head = $1", pg->quoted, pg->place);
    postgres_sql(&pg->claim_read, "SELECT name FROM %s.dongbo_subscription", pg->quoted);
    postgres_sql(&pg->claim_write, "INSERT INTO %s.dongbo_subscription (name) VALUES ($1) ON CONFLICT DO NOTHING",
                 pg->quoted);
    postgres_sql(&pg->claim_older, "SELECT snapshot_of FROM %s." POSTGRES_WHOLE " WHERE snapshot_of IS NOT NULL",
                 pg->quoted);
    bytes_append_u8(&pg->claim_older, 0);
    bytes_append_u8(&pg->claim_read, 0);
    bytes_append_u8(&pg->claim_write, 0);
    bytes_append_u8(&pg->head_read, 0);
    bytes_append_u8(&pg->head_write, 0);
    bytes_append_u8(&pg->place_read, 0);
    bytes_append_u8(&pg->whole_read, 0);
    bytes_append_u8(&pg->place_write, 0);
    static const Oid types[] = {OID_INT4, OID_INT8, OID_BYTEA, OID_INT4, OID_TEXT, OID_TEXT};
    static const Oid text[] = {OID_TEXT};
    pg->place_reader = (PgStatement){"place_read", (const char *)pg->place_read.data, 0, NULL};
    pg->whole_reader = (PgStatement){"whole_read", (const char *)pg->whole_read.data, 1, text};
    pg->place_writer = (PgStatement){"place_write", (const char *)pg->place_write.data, 6, types};
    pg->head_reader = (PgStatement){"head_read", (const char *)pg->head_read.data, 0, NULL};
    pg->head_writer = (PgStatement){"head_write", (const char *)pg->head_write.data, 1, text};
    pg->claim_reader = (PgStatement){"claim_read", (const char *)pg->claim_read.data, 0, NULL};
    pg->older_reader = (PgStatement){"claim_older", (const char *)pg->claim_older.data, 0, NULL};
    pg->claim_writer = (PgStatement){"claim_write", (const char *)pg->claim_write.data, 1, text};
}

// Receivers of other shares may have logins of their own, and read it.
void postgres_claim_create(Postgres *pg) {
    postgres_sql(&pg->sql,
                 "CREATE TABLE IF NOT EXISTS %s.dongbo_subscription (one boolean PRIMARY KEY DEFAULT true CHECK (one),"
                 " name text NOT NULL); GRANT SELECT ON %s.dongbo_subscription TO PUBLIC; ",
                 pg->quoted, pg->quoted);
}

// 1 when nobody's name is there.
static int name_compare(Postgres *pg, const PgStatement *reader) {
    PGresult *result;
    int r = pg_run(pg->pg, reader, NULL, &result);
    if (r < 0)
        return postgres_altered(pg, "dongbo_subscription", r);
    if (PQntuples(result) == 0)
        r = 1;
    else if (strcmp(pg_text(result, 0, 0), pg->subscription) != 0)
        r = error_fail(ERROR_CONFIG,
                       "schema %s is subscription %s's. Nothing was changed. Give %s a schema of its own; how to take "
                       "this one over is told in man dongbo-agent, SINKS",
                       pg->schema, pg_text(result, 0, 0), pg->subscription);
    PQclear(result);
    return r;
}

int postgres_claim_check(Postgres *pg, bool older) {
    int r = pg->readable ? name_compare(pg, &pg->claim_reader) : 1;
    pg->claimed = r == 0;
    return r == 1 && older ? name_compare(pg, &pg->older_reader) : r;
}

int postgres_claim_write(Postgres *pg) {
    pg_params_clear(&pg->params);
    pg_param_text(&pg->params, pg->subscription);
    int r = pg_run(pg->pg, &pg->claim_writer, &pg->params, NULL);
    return r < 0 ? postgres_altered(pg, "dongbo_subscription", r) : 0;
}

// With the first that is stored, for a name that the exchange refuses is none. Of two that come first at the same time
// the second waits for the first, and reads its name. Where it is not committed after all, begin() looks again.
static int claim(Postgres *pg) {
    if (pg->claimed || !pg->readable)
        return 0;
    int r = pg->claimable ? postgres_claim_write(pg) : 0;
    if (r == 0)
        r = name_compare(pg, &pg->claim_reader);
    pg->claimed = r == 0;
    return r < 0 ? r : 0;
}

int postgres_transaction_begin(Postgres *pg) {
    int r = pg_command(pg->pg, "BEGIN");
    return r == 0 ? claim(pg) : r;
}

static int place_read(Postgres *pg, const PgStatement *reader, SinkPlace *ret) {
    PGresult *result;
    pg_params_clear(&pg->params);
    if (reader->n_params)
        pg_param_text(&pg->params, pg->subscription);
    int r = pg_run(pg->pg, reader, &pg->params, &result);
    if (r < 0)
        return postgres_altered(pg, pg->place, r);
    bool found = PQntuples(result) == 1;
    *ret = (SinkPlace){0};
    if (found) {
        size_t n;
        const uint8_t *hash = pg_bytes(result, 0, 2, &n);
        ret->epoch = (uint32_t)pg_i32(result, 0, 0);
        ret->position = (uint64_t)pg_i64(result, 0, 1);
        ret->policy_version = (uint32_t)pg_i32(result, 0, 3);
        if (n == HASH_BYTES) // a CHECK of the table
            memcpy(ret->hash, hash, HASH_BYTES);
    }
    PQclear(result);
    return ret->position ? 0 : 1;
}

static bool is_further(const SinkPlace *a, const SinkPlace *b) {
    if (a->epoch != b->epoch)
        return a->epoch > b->epoch;
    return a->position != b->position ? a->position > b->position : a->policy_version > b->policy_version;
}

// A snapshot of this subscription, and what its receiver put into these tables since, was of this share's persons, too.
// To hear it again would bring back what the snapshot let go: the feed tells what came before a right ended, and not
// that it did. What another began with, a position or a time, is not all that came before.
int postgres_place_find(Postgres *pg, SinkPlace *ret) {
    SinkPlace whole;
    int r = place_read(pg, &pg->place_reader, ret);
    if (r != 0 || !pg->beside_whole) // a new share begins where the last of those before it was
        return r;
    int found = place_read(pg, &pg->whole_reader, &whole);
    if (found != 0)
        return found < 0 ? found : 0;
    if (is_further(&whole, ret))
        *ret = whole;
    ret->complete = ret->epoch == whole.epoch && ret->position == whole.position;
    return 0;
}

int postgres_place_put(Postgres *pg, const SinkPlace *place, bool snapshot) {
    pg_params_clear(&pg->params);
    pg_param_i32(&pg->params, (int32_t)place->epoch);
    pg_param_i64(&pg->params, (int64_t)place->position);
    pg_param_bytes(&pg->params, place->hash, HASH_BYTES);
    pg_param_i32(&pg->params, (int32_t)place->policy_version);
    pg_param_text(&pg->params, pg->subscription);
    if (snapshot)
        pg_param_text(&pg->params, pg->subscription);
    else
        pg_param_null(&pg->params);
    int r = pg_run(pg->pg, &pg->place_writer, &pg->params, NULL);
    return r < 0 ? postgres_altered(pg, pg->place, r) : 0;
}

// Where there is no place yet there is nothing beside which it could stand.
int postgres_head_keep(Sink *sink, const char *line, size_t n) {
    Postgres *pg = (Postgres *)sink;
    char text[HEAD_LINE_BYTES_MAX];
    snprintf(text, sizeof text, "%.*s", (int)n, line);
    int r = pg_connect(pg->pg);
    pg_params_clear(&pg->params);
    pg_param_text(&pg->params, text);
    if (r == 0)
        r = pg_run(pg->pg, &pg->head_writer, &pg->params, NULL);
    return r < 0 ? postgres_altered(pg, pg->place, r) : 0;
}

int postgres_head_kept(Sink *sink, Bytes *ret) {
    Postgres *pg = (Postgres *)sink;
    PGresult *result;
    int r = pg_run(pg->pg, &pg->head_reader, NULL, &result);
    if (r < 0)
        return postgres_altered(pg, pg->place, r);
    bool found = PQntuples(result) == 1 && PQgetlength(result, 0, 0) < HEAD_LINE_BYTES_MAX;
    if (found)
        bytes_append_text(ret, pg_text(result, 0, 0));
    PQclear(result);
    return ret->failed ? error_fail(ERROR_MEMORY, "no memory for a signed head") : !found;
}
