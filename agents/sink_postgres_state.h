// SPDX-License-Identifier: Apache-2.0
//
// What the parts of the PostgreSQL sink share: sink_postgres.c takes the feed in, sink_postgres_snapshot.c snapshots,
// sink_postgres_place.c keeps the place.
#pragma once

#include "agents/sink_postgres.h"
#include "proto/base/arena.h"
#include "proto/base/pg.h"
#include "proto/domain.h"

enum {
    OID_INT4 = 23,
    OID_INT8 = 20,
    OID_BOOL = 16,
    OID_TEXT = 25,
    OID_BYTEA = 17,
    OID_TIMESTAMPTZ = 1184,
    OID_BOOL_ARRAY = 1000,
    OID_TEXT_ARRAY = 1009,
    OID_INT8_ARRAY = 1016,
    OID_BYTEA_ARRAY = 1001,
    OID_TIMESTAMPTZ_ARRAY = 1185
};

typedef struct Row {
    struct Row *next;
    const Dongbo__FeedRecord *record;
    ProtobufCBinaryData origin;                // empty: none came
    const char *values[DOMAIN_FIELDS_MAX + 1]; // by field number; numbers as text; NULL: not said
    size_t lengths[DOMAIN_FIELDS_MAX + 1];
} Row;

// A statement that is made when it is needed.
typedef struct Made {
    Bytes text;
    char name[32];
    PgStatement statement;
} Made;

typedef struct Table {
    uint32_t columns;       // field numbers that have one, as bits
    uint32_t marked;        // of those, that bear the comment of what is not granted
    bool origin;            // it has that column
    Bytes upsert;           // the statement's text
    Made fill, sweep, page; // for snapshots
    char name[32];
    PgStatement statement;
    Row *rows, **rows_end;
    int n;
} Table;

typedef struct Postgres {
    Sink sink;
    Pg *pg;
    char *schema;
    char place[48];                   // the table of the place
    const char *subscription;         // what fills the tables
    char *quoted;                     // the schema as an identifier; known once connected
    uint32_t granted[DOMAIN_MAX + 1]; // fields, as bits
    bool granted_number;
    bool origins;                // rows are to have proofs of origin
    const RecordOrigin *origin;  // of the next record
    const SinkSnapshot *filling; // rows are of this snapshot; NULL: of the feed
    bool beside_whole;           // one without a share, this or another, may have a place here
    bool readable, claimable;    // dongbo_subscription, by this login
    bool claimed;                // it names this subscription
    bool failed;                 // something was missing, and nothing has been committed since
    Table tables[DOMAIN_MAX + 1];
    Arena *arena; // rows since the last commit
    PgParams params;
    Bytes sql, place_read, whole_read, place_write, head_read, head_write, claim_read, claim_write, claim_older;
    PgStatement place_reader, whole_reader, place_writer, head_reader, head_writer, claim_reader, claim_writer,
        older_reader;
    Made snapshot_read, snapshot_write, snapshot_drop;
} Postgres;

__attribute__((format(printf, 2, 3))) void postgres_sql(Bytes *sql, const char *fmt, ...);
// Columns of the table's fields, each behind `prefix`; as selected from a batch `b`; as taken from what is excluded.
void postgres_column(Bytes *sql, const char *prefix, int domain, const ProtobufCFieldDescriptor *field);
void postgres_columns(Bytes *sql, const char *prefix, int domain, const Table *table);
void postgres_values(Bytes *sql, int domain, const Table *table);
void postgres_assignments(Bytes *sql, int domain, const Table *table);
// What a failed statement about this table means.
int postgres_altered(Postgres *pg, const char *table, int r);
int postgres_extend(Postgres *pg, int domain, uint32_t fields); // makes the table hold these fields, too; disconnects
void postgres_rows_bind(Postgres *pg, const Table *table);      // into pg->params
void postgres_rows_forget(Postgres *pg);

// ---- sink_postgres_place.c

#define POSTGRES_WHOLE "dongbo_position" // the table of a receiver without a share
void postgres_place_statements(Postgres *pg);
void postgres_claim_create(Postgres *pg); // appends what makes the table that says whose tables these are
// ERROR_CONFIG where they are another subscription's: a snapshot would let go of its rows, and the place is in its
// feed. `older`: there is no such table yet, but dongbo_position says of which subscription the last snapshot was.
// 0: this one's; 1: nobody's yet.
int postgres_claim_check(Postgres *pg, bool older);
int postgres_claim_write(Postgres *pg); // this subscription's name, where there is none yet
// What is stored in it is the first of this subscription, or there was some already; else ERROR_CONFIG, and it is
// ended.
int postgres_transaction_begin(Postgres *pg);
int postgres_place_find(Postgres *pg, SinkPlace *ret); // 1 when there is none
// `snapshot`: one of everything has just been completed.
int postgres_place_put(Postgres *pg, const SinkPlace *place, bool snapshot);
int postgres_head_keep(Sink *sink, const char *line, size_t n);
int postgres_head_kept(Sink *sink, Bytes *ret);

// ---- sink_postgres_snapshot.c

extern const SinkSnapshots POSTGRES_SNAPSHOTS;
void postgres_snapshot_create(Postgres *pg); // appends what makes the table that says which snapshot is being taken
int postgres_snapshot_prepare(Postgres *pg);
