// SPDX-License-Identifier: Apache-2.0
//
// One statement per domain and commit, over arrays: of each record the latest state in the batch, deleted or put, and a
// row that is already newer is left alone. A statement sets every column that the table has for a field, so that a row
// is the record as it came last and nothing of an older one. SQL is put together from names only: the schema (quoted by
// libpq) and what the descriptors call domains and fields; data travels as parameters.
#include "agents/sink_postgres_state.h"

#include "proto/base/arena.h"
#include "proto/base/error.h"
#include "proto/base/pg.h"
#include "proto/domain.h"
#include "proto/walk.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH_BYTES_MAX_HELD (256 * 1024 * 1024)
#define PARAMS_FIXED 9

static const Oid UPSERT_TYPES[PG_PARAMS_MAX] = {
    OID_INT4,       OID_BYTEA_ARRAY,       OID_INT8_ARRAY,  OID_BOOL_ARRAY, OID_TEXT_ARRAY, OID_BYTEA_ARRAY,
    OID_TEXT_ARRAY, OID_TIMESTAMPTZ_ARRAY, OID_BYTEA_ARRAY, OID_TEXT_ARRAY, OID_TEXT_ARRAY, OID_TEXT_ARRAY,
    OID_TEXT_ARRAY, OID_TEXT_ARRAY,        OID_TEXT_ARRAY,  OID_TEXT_ARRAY, OID_TEXT_ARRAY, OID_TEXT_ARRAY,
    OID_TEXT_ARRAY, OID_TEXT_ARRAY,        OID_TEXT_ARRAY,  OID_TEXT_ARRAY, OID_TEXT_ARRAY, OID_TEXT_ARRAY,
};

// ---- names ---------------------------------------------------------------------------------------------------------

void postgres_sql(Bytes *sql, const char *fmt, ...) {
    char text[512];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    assert(n >= 0 && (size_t)n < sizeof text);
    bytes_append_text(sql, text);
}

// Every table has a column citizen_number of the record's own.
void postgres_column(Bytes *sql, const char *prefix, int domain, const ProtobufCFieldDescriptor *field) {
    bool taken = strcmp(field->name, "citizen_number") == 0;
    postgres_sql(sql, "%s%s%s%s", prefix, taken ? domain_name(domain) : "", taken ? "_" : "", field->name);
}

#define MARK "dongbo: no longer granted. A row loses its value here when its record changes."

static bool has_column(const Table *table, const ProtobufCFieldDescriptor *field) {
    return table->columns >> field->id & 1;
}

// Appends each column of the table's fields behind `prefix`.
void postgres_columns(Bytes *sql, const char *prefix, int domain, const Table *table) {
    const ProtobufCMessageDescriptor *descriptor = domain_descriptor(domain);
    for (unsigned i = 0; i < descriptor->n_fields; i++)
        if (has_column(table, &descriptor->fields[i]))
            postgres_column(sql, prefix, domain, &descriptor->fields[i]);
}

// Values as selected from the batch: '' is NULL, numbers are numbers.
void postgres_values(Bytes *sql, int domain, const Table *table) {
    const ProtobufCMessageDescriptor *descriptor = domain_descriptor(domain);
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        if (!has_column(table, &descriptor->fields[i]))
            continue;
        postgres_column(sql, ", nullif(b.", domain, &descriptor->fields[i]);
        postgres_sql(sql, ", '')%s", descriptor->fields[i].type == PROTOBUF_C_TYPE_STRING ? "" : "::bigint");
    }
}

void postgres_assignments(Bytes *sql, int domain, const Table *table) {
    const ProtobufCMessageDescriptor *descriptor = domain_descriptor(domain);
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        if (!has_column(table, &descriptor->fields[i]))
            continue;
        postgres_column(sql, ", ", domain, &descriptor->fields[i]);
        postgres_column(sql, " = excluded.", domain, &descriptor->fields[i]);
    }
}

// A log that was set back gives positions out anew: the greater epoch holds. Rows of before there was one have none.
#define HELD "coalesce(t.epoch, $1), t.position"

static int upsert_build(Postgres *pg, int domain) {
    Table *table = &pg->tables[domain];
    Bytes *sql = &table->upsert;
    int n = PARAMS_FIXED + __builtin_popcount(table->columns);
    assert(n <= PG_PARAMS_MAX);
    bytes_clear(sql);
    bytes_clear(&table->fill.text);
    bytes_clear(&table->page.text);
    postgres_sql(sql, "WITH b AS (SELECT DISTINCT ON (record_id) * FROM unnest(");
    for (int i = 2; i <= n; i++)
        postgres_sql(sql, "%s$%d", i > 2 ? ", " : "", i);
    postgres_sql(sql, ") AS u (record_id, position, deleted, citizen_number, person_id, agency, event_time, origin");
    postgres_columns(sql, ", ", domain, table);
    postgres_sql(sql, ") ORDER BY record_id, position DESC), gone AS (DELETE FROM ");
    postgres_sql(sql,
                 "%s.%s AS t USING b WHERE t.record_id = b.record_id AND b.deleted AND (" HELD ") <= ($1, b.position))",
                 pg->quoted, domain_name(domain));
    postgres_sql(sql,
                 " INSERT INTO %s.%s AS t (record_id, position, epoch, citizen_number, person_id, agency, event_time%s",
                 pg->quoted, domain_name(domain), table->origin ? ", origin" : "");
    postgres_columns(sql, ", ", domain, table);
    postgres_sql(sql,
                 ") SELECT b.record_id, b.position, $1, nullif(b.citizen_number, ''), nullif(b.person_id, ''),"
                 " nullif(b.agency, ''), b.event_time%s",
                 table->origin ? ", nullif(b.origin, '')" : "");
    postgres_values(sql, domain, table);
    postgres_sql(
        sql,
        " FROM b WHERE NOT b.deleted ON CONFLICT (record_id) DO UPDATE SET position = excluded.position, epoch = $1,"
        " citizen_number = excluded.citizen_number, person_id = excluded.person_id, agency = excluded.agency, event_time = excluded.event_time%s",
        table->origin ? ", origin = excluded.origin" : "");
    postgres_assignments(sql, domain, table);
    postgres_sql(sql, " WHERE (" HELD ") < ($1, excluded.position)");
    bytes_append_u8(sql, 0);
    snprintf(table->name, sizeof table->name, "put_%s", domain_name(domain));
    table->statement = (PgStatement){table->name, (const char *)sql->data, n, UPSERT_TYPES};
    return sql->failed ? error_fail(ERROR_MEMORY, "no memory for a statement") : 0;
}

static int without_letters(const Postgres *pg) {
    const char *encoding = PQparameterStatus(pg_raw(pg->pg), "server_encoding");
    return error_fail(ERROR_CONFIG,
                      "the sink's database is encoded in %s, which lacks letters of what is received: receive into one "
                      "in UTF8 (CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0)",
                      encoding ? encoding : "something unknown");
}

// What was altered over there, rather than away. Something missing is made again by the next session; else, or when
// that did not help, a person must look.
int postgres_altered(Postgres *pg, const char *table, int r) {
    const char *state = pg_sqlstate(pg->pg);
    bool missing = strcmp(state, "42703") == 0 || strcmp(state, "42P01") == 0 || strcmp(state, "3F000") == 0;
    bool refused = strncmp(state, "42", 2) == 0 || strncmp(state, "23", 2) == 0;
    if (r != ERROR_DATABASE && r != ERROR_DATA)
        return r;
    if (strcmp(state, "22P05") == 0)
        return without_letters(pg);
    if (missing && !pg->failed) {
        pg->failed = true;
        return ERROR_DATABASE;
    }
    if (r == ERROR_DATABASE && !refused && !missing)
        return r;
    char why[400];
    snprintf(why, sizeof why, "%s", error_text());
    return error_fail(r == ERROR_DATA && !refused ? ERROR_DATA : ERROR_CONFIG,
                      "%s. Were %s.%s or its rights altered by hand? Take that back, or receive into a new schema", why,
                      pg->schema, table);
}

// ---- tables -------------------------------------------------------------------------------------------------------

static int command(Postgres *pg) {
    bytes_append_u8(&pg->sql, 0);
    return pg->sql.failed ? error_fail(ERROR_MEMORY, "no memory for a statement")
                          : pg_command(pg->pg, (const char *)pg->sql.data);
}

// A statement that alters tables. Of several receivers that fill the same ones, one after the other does.
static void alter(Postgres *pg) {
    bytes_clear(&pg->sql);
    postgres_sql(&pg->sql, "DO $$ BEGIN PERFORM pg_advisory_xact_lock(7237124516519804930); END $$; ");
}

// Makes the domain's table hold these fields, too.
int postgres_extend(Postgres *pg, int domain, uint32_t fields) {
    Table *table = &pg->tables[domain];
    const ProtobufCMessageDescriptor *descriptor = domain_descriptor(domain);
    alter(pg);
    postgres_sql(&pg->sql,
                 "CREATE TABLE IF NOT EXISTS %s.%s (record_id bytea PRIMARY KEY, position bigint NOT NULL,"
                 " citizen_number text, person_id bytea, agency text, event_time timestamptz NOT NULL);"
                 " ALTER TABLE %s.%s ADD COLUMN IF NOT EXISTS person_id bytea," // of before there were these
                 " ADD COLUMN IF NOT EXISTS snapshot bigint, ADD COLUMN IF NOT EXISTS epoch integer",
                 pg->quoted, domain_name(domain), pg->quoted, domain_name(domain));
    if (pg->origins)
        postgres_sql(&pg->sql, ", ADD COLUMN IF NOT EXISTS origin bytea");
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
        if (!(fields >> field->id & 1))
            continue;
        postgres_sql(&pg->sql, "; ALTER TABLE %s.%s", pg->quoted, domain_name(domain));
        postgres_column(&pg->sql, " ADD COLUMN IF NOT EXISTS ", domain, field);
        postgres_sql(&pg->sql, " %s", field->type == PROTOBUF_C_TYPE_STRING ? "text" : "bigint");
    }
    int r = command(pg);
    if (r < 0)
        return postgres_altered(pg, domain_name(domain), r);
    table->columns |= fields;
    table->origin = table->origin || pg->origins;
    r = upsert_build(pg, domain);
    pg_disconnect(pg->pg); // what was prepared by that name is another statement now
    return r;
}

// Columns whose field is not granted any more say so; those that are again, no more.
static int table_mark(Postgres *pg, int domain, uint32_t granted) {
    Table *table = &pg->tables[domain];
    const ProtobufCMessageDescriptor *descriptor = domain_descriptor(domain);
    uint32_t marked = table->columns & ~granted, differing = marked ^ table->marked;
    alter(pg);
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        if (!(differing >> descriptor->fields[i].id & 1))
            continue;
        postgres_sql(&pg->sql, "COMMENT ON COLUMN %s.%s", pg->quoted, domain_name(domain));
        postgres_column(&pg->sql, ".", domain, &descriptor->fields[i]);
        postgres_sql(&pg->sql, " IS %s; ", marked >> descriptor->fields[i].id & 1 ? "'" MARK "'" : "NULL");
    }
    int r = differing == 0 ? 0 : pg_connect(pg->pg);
    if (r == 0 && differing != 0)
        r = command(pg);
    // Who may not comment on a table may still keep it.
    if (r == ERROR_DATABASE && strcmp(pg_sqlstate(pg->pg), "42501") == 0)
        r = 0;
    if (r == 0)
        table->marked = marked;
    return r;
}

static void column_note(Postgres *pg, const char *table_name, const char *column, bool marked) {
    int domain = domain_by_name(table_name);
    const ProtobufCMessageDescriptor *descriptor = domain ? domain_descriptor(domain) : NULL;
    if (domain && strcmp(column, "origin") == 0)
        pg->tables[domain].origin = true;
    for (unsigned i = 0; descriptor && i < descriptor->n_fields; i++) {
        CLEANUP(bytes_free) Bytes name = {0};
        postgres_column(&name, "", domain, &descriptor->fields[i]);
        bytes_append_u8(&name, 0);
        if (name.failed || strcmp((const char *)name.data, column) != 0)
            continue;
        pg->tables[domain].columns |= 1u << descriptor->fields[i].id;
        pg->tables[domain].marked |= marked ? 1u << descriptor->fields[i].id : 0;
    }
}

// What stands over there: also what an earlier grant, or a person, left.
static int columns_read(Postgres *pg) {
    static const Oid types[] = {OID_TEXT, OID_TEXT};
    static const PgStatement statement = {
        "columns",
        "SELECT c.relname::text, a.attname::text, coalesce(col_description(c.oid, a.attnum) = $2, false)"
        " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid"
        " WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped",
        2, types};
    PgParams params = {0};
    PGresult *result;
    pg_param_text(&params, pg->schema);
    pg_param_text(&params, MARK);
    int r = pg_run(pg->pg, &statement, &params, &result);
    pg_params_free(&params);
    if (r < 0)
        return r;
    uint32_t before[DOMAIN_MAX + 1];
    bool origin_before[DOMAIN_MAX + 1];
    for (int domain = DOMAIN_MIN; domain <= DOMAIN_MAX; domain++) {
        before[domain] = pg->tables[domain].columns;
        origin_before[domain] = pg->tables[domain].origin;
        pg->tables[domain].origin = false;
        pg->tables[domain].columns = pg->tables[domain].marked = 0;
    }
    for (int row = 0; row < PQntuples(result); row++)
        column_note(pg, pg_text(result, row, 0), pg_text(result, row, 1), pg_bool(result, row, 2));
    PQclear(result);
    for (int domain = DOMAIN_MIN; domain <= DOMAIN_MAX && r == 0; domain++) {
        Table *table = &pg->tables[domain];
        if (table->upsert.n == 0 || (table->columns == before[domain] && table->origin == origin_before[domain]))
            continue;
        bytes_clear(&table->upsert); // made again when it is needed
        pg_disconnect(pg->pg);
    }
    return pg_connect(pg->pg);
}

static int postgres_grant(Sink *sink, char *const *fields, size_t n) {
    Postgres *pg = (Postgres *)sink;
    uint32_t *granted = pg->granted;
    memset(granted, 0, sizeof pg->granted);
    pg->granted_number = false;
    for (size_t i = 0; i < n; i++) {
        char name[32];
        pg->granted_number = pg->granted_number || strcmp(fields[i], "citizen_number") == 0;
        const char *dot = strchr(fields[i], '.');
        if (!dot || (size_t)(dot - fields[i]) >= sizeof name)
            continue;
        snprintf(name, sizeof name, "%.*s", (int)(dot - fields[i]), fields[i]);
        int domain = domain_by_name(name);
        unsigned number = domain ? field_by_name(domain_descriptor(domain), dot + 1) : 0;
        if (number) // one that this program does not know fails when a record has it
            granted[domain] |= 1u << number;
    }
    int r = 0;
    for (int domain = DOMAIN_MIN; domain <= DOMAIN_MAX && r == 0; domain++) {
        bool proves = pg->origins && granted[domain] && !pg->tables[domain].origin;
        if (granted[domain] & ~pg->tables[domain].columns || proves) {
            r = pg_connect(pg->pg);
            if (r == 0)
                r = postgres_extend(pg, domain, granted[domain]);
        }
        if (r == 0)
            r = table_mark(pg, domain, granted[domain]);
    }
    return r;
}

// ---- the place -----------------------------------------------------------------------------------------------------

static int names_prepare(Postgres *pg) {
    if (pg->quoted)
        return 0;
    char *quoted = PQescapeIdentifier(pg_raw(pg->pg), pg->schema, strlen(pg->schema));
    if (!quoted)
        return error_fail(ERROR_CONFIG, "the sink's schema is no name that PostgreSQL can have");
    pg->quoted = strdup(quoted);
    PQfreemem(quoted);
    if (!pg->quoted)
        return error_fail(ERROR_MEMORY, "no memory for a sink");
    postgres_place_statements(pg);
    return 0;
}

typedef struct Exists {
    bool schema, position, version, snapshot, head, whole, snapshot_of;
    bool subscription, readable, claimable; // dongbo_subscription: it is there, and what this login may do with it
} Exists;

static int exists(Postgres *pg, Exists *ret) {
    static const Oid types[] = {OID_TEXT, OID_TEXT};
    static const PgStatement statement = {
        "exists",
        "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1), EXISTS (SELECT FROM pg_class c JOIN pg_namespace n"
        " ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2),"
        " EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a"
        " ON a.attrelid = c.oid WHERE n.nspname = $1 AND c.relname = $2 AND a.attname = 'policy_version'),"
        " EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = $1 AND c.relname = 'dongbo_snapshot'),"
        " EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a"
        " ON a.attrelid = c.oid WHERE n.nspname = $1 AND c.relname = $2 AND a.attname = 'signed_head'),"
        " EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a"
        " ON a.attrelid = c.oid WHERE n.nspname = $1 AND c.relname = '" POSTGRES_WHOLE
        "' AND a.attname = 'snapshot_of' AND has_table_privilege(c.oid, 'SELECT')),"
        " EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a"
        " ON a.attrelid = c.oid WHERE n.nspname = $1 AND c.relname = $2 AND a.attname = 'snapshot_of'),"
        " s.oid IS NOT NULL, coalesce(has_table_privilege(s.oid, 'SELECT'), false),"
        " coalesce(has_table_privilege(s.oid, 'INSERT'), false) FROM (SELECT 1) AS one LEFT JOIN pg_class s"
        " ON s.relname = 'dongbo_subscription' AND s.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1)",
        2, types};
    PgParams params = {0};
    pg_param_text(&params, pg->schema);
    pg_param_text(&params, pg->place);
    PGresult *result;
    int r = pg_run(pg->pg, &statement, &params, &result);
    pg_params_free(&params);
    if (r < 0)
        return r;
    *ret = (Exists){pg_bool(result, 0, 0), pg_bool(result, 0, 1), pg_bool(result, 0, 2), pg_bool(result, 0, 3),
                    pg_bool(result, 0, 4), pg_bool(result, 0, 5), pg_bool(result, 0, 6), pg_bool(result, 0, 7),
                    pg_bool(result, 0, 8), pg_bool(result, 0, 9)};
    PQclear(result);
    return 0;
}

static int schema_prepare(Postgres *pg) {
    Exists has;
    int r = exists(pg, &has);
    if (r < 0)
        return r;
    pg->beside_whole = has.whole || strcmp(pg->place, POSTGRES_WHOLE) == 0;
    pg->readable = has.readable;
    int named = postgres_claim_check(pg, !has.subscription && has.whole);
    if (named < 0)
        return named;
    alter(pg);
    if (!has.schema)
        postgres_sql(&pg->sql, "CREATE SCHEMA IF NOT EXISTS %s; ", pg->quoted);
    if (!has.position)
        postgres_sql(
            &pg->sql,
            "CREATE TABLE IF NOT EXISTS %s.%s (one boolean PRIMARY KEY DEFAULT true CHECK (one), epoch integer NOT NULL,"
            " position bigint NOT NULL, hash bytea NOT NULL CHECK (length(hash) = 32), policy_version integer,"
            " at timestamptz NOT NULL, signed_head text, snapshot_of text); ",
            pg->quoted, pg->place);
    else if (!has.version) // of before there was one
        postgres_sql(&pg->sql, "ALTER TABLE %s.%s ADD COLUMN policy_version integer; ", pg->quoted, pg->place);
    if (has.position && !has.head)
        postgres_sql(&pg->sql, "ALTER TABLE %s.%s ADD COLUMN signed_head text; ", pg->quoted, pg->place);
    if (has.position && !has.snapshot_of)
        postgres_sql(&pg->sql, "ALTER TABLE %s.%s ADD COLUMN snapshot_of text; ", pg->quoted, pg->place);
    if (!has.subscription)
        postgres_claim_create(pg);
    if (!has.snapshot)
        postgres_snapshot_create(pg);
    if (!has.schema || !has.position || !has.version || !has.snapshot || !has.head || !has.snapshot_of ||
        !has.subscription)
        r = command(pg);
    if (r < 0)
        return postgres_altered(pg, pg->place, r);
    bool had = has.subscription;
    r = had ? 0 : exists(pg, &has); // of two receivers that come first one made it
    pg->readable = has.readable;
    pg->claimable = has.claimable;
    return r == 0 && !had && named == 0 && pg->readable && pg->claimable ? postgres_claim_write(pg) : r;
}

void postgres_rows_forget(Postgres *pg) {
    for (int domain = DOMAIN_MIN; domain <= DOMAIN_MAX; domain++) {
        pg->tables[domain].rows = NULL;
        pg->tables[domain].rows_end = &pg->tables[domain].rows;
        pg->tables[domain].n = 0;
    }
    arena_reset(pg->arena);
}

static int postgres_begin(Sink *sink, SinkPlace *ret) {
    Postgres *pg = (Postgres *)sink;
    postgres_rows_forget(pg);
    if (pg->filling && pg->filling->dry)
        pg_disconnect(pg->pg); // what was only tried is forgotten
    pg->filling = NULL;
    int r = pg_connect(pg->pg);
    if (r == 0)
        r = names_prepare(pg);
    if (r == 0)
        r = schema_prepare(pg);
    if (r == 0)
        r = columns_read(pg);
    if (r == 0)
        r = postgres_snapshot_prepare(pg);
    return r == 0 ? postgres_place_find(pg, ret) : r;
}

// ---- records -----------------------------------------------------------------------------------------------------

// Copies a record and points at its fields' values. NULL without memory; *ret_known false when a field is not known.
static Row *row_make(Postgres *pg, const Dongbo__FeedRecord *record, const RecordOrigin *origin, bool *ret_known) {
    Bytes *packed = &pg->sql;
    bytes_clear(packed);
    bytes_append_message(packed, &record->base);
    Row *row = arena_zalloc(pg->arena, sizeof *row);
    Dongbo__FeedRecord *copy =
        packed->failed ? NULL : dongbo__feed_record__unpack(arena_protobuf(pg->arena), packed->n, packed->data);
    if (!row || !copy)
        return NULL;
    row->record = copy;
    if (origin) {
        row->origin =
            (ProtobufCBinaryData){.data = arena_alloc(pg->arena, origin->proof.len), .len = origin->proof.len};
        if (!row->origin.data)
            return NULL;
        memcpy(row->origin.data, origin->proof.data, origin->proof.len);
    }
    const ProtobufCMessageDescriptor *descriptor = domain_descriptor((int)copy->domain);
    const uint8_t *at = copy->body.data, *end = at + copy->body.len;
    WalkField field;
    int r;
    while ((r = walk_next(&at, end, &field)) == 0) {
        const ProtobufCFieldDescriptor *known = protobuf_c_message_descriptor_get_field(descriptor, field.number);
        bool is_text = known && known->type == PROTOBUF_C_TYPE_STRING;
        if (!known || field.type != (is_text ? 2u : 0u))
            break;
        row->values[field.number] =
            is_text ? (const char *)field.data : arena_printf(pg->arena, "%u", (unsigned)field.value);
        if (!row->values[field.number])
            return NULL;
        row->lengths[field.number] = is_text ? field.n : strlen(row->values[field.number]);
    }
    *ret_known = r == 1;
    return row;
}

static uint32_t fields_of(const Row *row) {
    uint32_t fields = 0;
    for (unsigned field = 1; field <= DOMAIN_FIELDS_MAX; field++)
        if (row->values[field])
            fields |= 1u << field;
    return fields;
}

static void postgres_prove(Sink *sink, const RecordOrigin *origin) {
    ((Postgres *)sink)->origin = origin;
}

static int postgres_write(Sink *sink, const Dongbo__FeedRecord *record) {
    Postgres *pg = (Postgres *)sink;
    const RecordOrigin *origin = pg->origin;
    pg->origin = NULL;
    if (!domain_descriptor((int)record->domain) || change_name(record->change) == NULL)
        return 1;
    bool known;
    Row *row = row_make(pg, record, origin, &known);
    if (!row)
        return error_fail(ERROR_MEMORY, "no memory for records");
    if (!known)
        return 1;
    Table *table = &pg->tables[record->domain];
    // Under an older policy more may have been granted than Welcome says now.
    uint32_t fields = fields_of(row);
    if (!table->upsert.n || fields & ~table->columns) {
        int r = pg_connect(pg->pg);
        if (r == 0)
            r = postgres_extend(pg, (int)record->domain, fields);
        if (r < 0)
            return r;
    }
    *table->rows_end = row;
    table->rows_end = &row->next;
    table->n++;
    return 0;
}

static void fixed_bind(PgParams *params, const Table *table) {
    pg_param_array_begin(params, OID_BYTEA, table->n);
    for (const Row *row = table->rows; row; row = row->next)
        pg_array_bytes(params, row->record->record_id.data, row->record->record_id.len);
    pg_param_array_begin(params, OID_INT8, table->n);
    for (const Row *row = table->rows; row; row = row->next)
        pg_array_i64(params, (int64_t)row->record->position);
    pg_param_array_begin(params, OID_BOOL, table->n);
    for (const Row *row = table->rows; row; row = row->next)
        pg_array_bool(params, change_lets_go(row->record->change));
    pg_param_array_begin(params, OID_TEXT, table->n);
    for (const Row *row = table->rows; row; row = row->next)
        pg_array_text(params, row->record->citizen_number, strlen(row->record->citizen_number));
    pg_param_array_begin(params, OID_BYTEA, table->n);
    for (const Row *row = table->rows; row; row = row->next)
        pg_array_bytes(params, row->record->person_id.data, row->record->person_id.len);
    pg_param_array_begin(params, OID_TEXT, table->n);
    for (const Row *row = table->rows; row; row = row->next)
        pg_array_text(params, row->record->agency, strlen(row->record->agency));
    pg_param_array_begin(params, OID_TIMESTAMPTZ, table->n);
    for (const Row *row = table->rows; row; row = row->next)
        pg_array_us(params, row->record->event_time_us);
    pg_param_array_begin(params, OID_BYTEA, table->n);
    for (const Row *row = table->rows; row; row = row->next)
        pg_array_bytes(params, row->origin.data, row->origin.len);
}

void postgres_rows_bind(Postgres *pg, const Table *table) {
    fixed_bind(&pg->params, table);
    for (unsigned field = 1; field <= DOMAIN_FIELDS_MAX; field++) {
        if (!(table->columns >> field & 1))
            continue;
        pg_param_array_begin(&pg->params, OID_TEXT, table->n);
        for (const Row *row = table->rows; row; row = row->next)
            pg_array_text(&pg->params, row->values[field] ? row->values[field] : "", row->lengths[field]);
    }
}

static int table_put(Postgres *pg, int domain, uint32_t epoch) {
    Table *table = &pg->tables[domain];
    if (!table->n)
        return 0;
    pg_params_clear(&pg->params);
    pg_param_i32(&pg->params, (int32_t)epoch);
    postgres_rows_bind(pg, table);
    int r = pg_run(pg->pg, &table->statement, &pg->params, NULL);
    return r < 0 ? postgres_altered(pg, domain_name(domain), r) : 0;
}

static int postgres_commit(Sink *sink, const SinkPlace *place) {
    Postgres *pg = (Postgres *)sink;
    int r = pg_connect(pg->pg);
    if (r == 0)
        r = postgres_transaction_begin(pg);
    for (int domain = DOMAIN_MIN; domain <= DOMAIN_MAX && r == 0; domain++)
        r = table_put(pg, domain, place->epoch);
    if (r == 0)
        r = postgres_place_put(pg, place, false);
    if (r == 0)
        r = pg_command(pg->pg, "COMMIT");
    if (r < 0)
        pg_disconnect(pg->pg); // whether it was committed is asked in begin()
    else
        pg->failed = false;
    postgres_rows_forget(pg);
    return r;
}

// ---- start and end -------------------------------------------------------------------------------------------------

static void postgres_destroy(Sink *sink) {
    Postgres *pg = (Postgres *)sink;
    for (int domain = DOMAIN_MIN; domain <= DOMAIN_MAX; domain++) {
        bytes_free(&pg->tables[domain].upsert);
        bytes_free(&pg->tables[domain].fill.text);
        bytes_free(&pg->tables[domain].sweep.text);
        bytes_free(&pg->tables[domain].page.text);
    }
    pg_params_free(&pg->params);
    bytes_free(&pg->sql);
    bytes_free(&pg->place_read);
    bytes_free(&pg->whole_read);
    bytes_free(&pg->place_write);
    bytes_free(&pg->head_read);
    bytes_free(&pg->head_write);
    bytes_free(&pg->snapshot_read.text);
    bytes_free(&pg->snapshot_write.text);
    bytes_free(&pg->snapshot_drop.text);
    bytes_free(&pg->claim_write);
    bytes_free(&pg->claim_read);
    bytes_free(&pg->claim_older);
    arena_destroy(&pg->arena);
    pg_destroy(&pg->pg);
    free(pg->quoted);
    free(pg->schema);
    free(pg);
}

void sink_postgres_share(Sink *sink, int share, int shares) {
    Postgres *pg = (Postgres *)sink;
    if (shares > 0)
        snprintf(pg->place, sizeof pg->place, "dongbo_position_%d_of_%d", share, shares);
}

void sink_postgres_subscription(Sink *sink, const char *name) {
    ((Postgres *)sink)->subscription = name;
}

void sink_postgres_origins(Sink *sink) {
    ((Postgres *)sink)->origins = true;
}

static const SinkKind POSTGRES = {.begin = postgres_begin,
                                  .grant = postgres_grant,
                                  .write = postgres_write,
                                  .prove = postgres_prove,
                                  .commit = postgres_commit,
                                  .destroy = postgres_destroy,
                                  .replaces = true,
                                  .snapshots = &POSTGRES_SNAPSHOTS,
                                  .keep_head = postgres_head_keep,
                                  .kept_head = postgres_head_kept};

int sink_postgres_new(Sink **ret, const char *conninfo, const char *schema) {
    Postgres *pg = calloc(1, sizeof *pg);
    if (!pg)
        return error_fail(ERROR_MEMORY, "no memory for a sink");
    pg->sink.kind = &POSTGRES;
    pg->subscription = "";
    snprintf(pg->place, sizeof pg->place, POSTGRES_WHOLE);
    CLEANUP(sink_destroy) Sink *sink = &pg->sink;
    pg->schema = strdup(schema);
    if (!pg->schema)
        return error_fail(ERROR_MEMORY, "no memory for a sink");
    if (strlen(schema) > 63)
        return error_fail(ERROR_CONFIG, "the sink's schema has more than 63 letters");
    int r = pg_new(&pg->pg, conninfo, "dongbo receive");
    if (r == 0)
        r = arena_new(&pg->arena, BATCH_BYTES_MAX_HELD);
    if (r < 0)
        return r;
    postgres_rows_forget(pg);
    *ret = sink;
    sink = NULL;
    return 0;
}
