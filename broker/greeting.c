// SPDX-License-Identifier: Apache-2.0
//
// The greeter's loop and its SQL. Writes nothing but a stream's row, and that not after the greeting's deadline,
// whoever was slow: while the database is away, those who greet wait no longer than that.
#include "broker/greeting.h"

#include "broker/entries.h"
#include "broker/lookup.h"
#include "broker/mail.h"
#include "broker/segment.h"
#include "broker/thread.h"
#include "proto/base/error.h"
#include "proto/base/log.h"
#include "proto/base/pg.h"

#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#define SEGMENTS_AT_ONCE 8
#define RETRY_MAX_MS 500
#define OID_BOOL 16
#define OID_BYTEA 17
#define OID_INT8 20
#define OID_INT4 23
#define OID_TEXT 25
#define OID_TIMESTAMPTZ 1184

typedef struct Actor {
    Pg *exchange;
    const Clock *clock;
    Arena *arena;
    Signer *signer;
    Bytes body;
    zsock_t *pipe, *inbox, *ingress, *writer;
    Retry retry;
} Actor;

void greeting_destroy(Greeting **greeting) {
    if (*greeting == NULL)
        return;
    bytes_free(&(*greeting)->verdicts);
    free(*greeting);
    *greeting = NULL;
}

// ---- Hello ---------------------------------------------------------------------------------------------------------

static const PgStatement NOW = {"now", "SELECT clock_timestamp()", 0, NULL};
static const Oid OPEN_TYPES[] = {OID_BYTEA, OID_INT4, OID_TEXT, OID_TEXT, OID_BYTEA, OID_TIMESTAMPTZ, OID_INT4};
#define OPENED_LATELY(agency, n_max)                                                                                   \
    "(SELECT count(*) FROM (SELECT FROM exchange.stream o WHERE o.agency = " agency                                    \
    " AND o.opened_at > now() - interval '1 day' LIMIT " n_max ") o)"
#define IS_FOREIGN(stream, agency)                                                                                     \
    "EXISTS (SELECT FROM exchange.stream f WHERE f.stream = " stream " AND f.agency <> " agency ")"
// The time is looked at under the row's lock: this session is opened before any that its agent asks for elsewhere once
// the deadline is over, or not at all. A new stream takes no other agency's place, and is one of so many a day: a row
// is kept of each for ever.
const PgStatement GREETING_OPEN = {
    "open-session",
    "INSERT INTO exchange.stream AS s (stream, agency, agent, kind, replaces, session_epoch) "
    "SELECT $1, $2, $3, $4, $5, 1 WHERE clock_timestamp() < $6 "
    "AND (EXISTS (SELECT FROM exchange.stream k WHERE k.stream = $1) OR (NOT " IS_FOREIGN("$5", "$2") " AND " OPENED_LATELY(
        "$2", "$7") " < $7)) "
                    "ON CONFLICT (stream) DO UPDATE SET session_epoch = s.session_epoch + 1 "
                    "WHERE s.agency = excluded.agency AND clock_timestamp() < $6 "
                    "RETURNING session_epoch, last_sequence, coalesce((SELECT h.epoch FROM exchange.head h), 0)",
    7, OPEN_TYPES};
static const Oid WHY_TYPES[] = {OID_BYTEA, OID_INT4, OID_BYTEA, OID_INT4};
static const PgStatement WHY = {
    "why-not-opened",
    "SELECT " IS_FOREIGN("$1", "$2") ", EXISTS (SELECT FROM exchange.stream k WHERE k.stream = $1), " IS_FOREIGN(
        "$3", "$2") ", " OPENED_LATELY("$2", "$4") " >= $4",
    4, WHY_TYPES};

// Positions of an older life of the database are of no use here beyond the point where the next one began.
static const Oid PLACE_TYPES[] = {OID_INT8, OID_INT8};
static const PgStatement PLACE = {
    "verdict-place",
    "SELECT least($1, coalesce((SELECT h.last_position FROM exchange.head h), 0), "
    "(SELECT min(e.position) - 1 FROM exchange.epoch e WHERE $2 <> 0 AND (e.epoch > $2 OR "
    "(e.epoch < $2 AND e.epoch = (SELECT max(epoch) FROM exchange.epoch)))))",
    2, PLACE_TYPES};

static int64_t left_ms(const Actor *actor, const Greeting *greeting) {
    return greeting->deadline_ms - clock_monotonic_ms(actor->clock);
}

// The deadline on the database's clock; rather too early than too late, for the answer's way is not counted.
static int read_deadline(Actor *actor, const Greeting *greeting, int64_t *ret) {
    PGresult *rows = NULL;
    int result = pg_run(actor->exchange, &NOW, NULL, &rows);
    *ret = result == 0 ? pg_i64(rows, 0, 0) + 1000 * left_ms(actor, greeting) : 0;
    PQclear(rows);
    return result;
}

static void param_replaces(PgParams *params, const Greeting *greeting) {
    if (greeting->has_replaces)
        pg_param_bytes(params, greeting->replaces, STREAM_BYTES);
    else
        pg_param_null(params);
}

static int run_open(Actor *actor, const Greeting *greeting, int64_t deadline, PGresult **ret) {
    PgParams params = {0};
    pg_param_bytes(&params, greeting->stream, STREAM_BYTES);
    pg_param_i32(&params, (int32_t)greeting->agency);
    pg_param_text(&params, greeting->agent);
    pg_param_text(&params, greeting->stream_kind);
    param_replaces(&params, greeting);
    pg_param_i64(&params, deadline);
    pg_param_i32(&params, STREAMS_PER_DAY_MAX);
    int result = pg_run(actor->exchange, &GREETING_OPEN, &params, ret);
    pg_params_free(&params);
    return result;
}

static const char *refusal(const PGresult *rows) {
    if (pg_bool(rows, 0, 0))
        return "This stream is another agency's: an agent makes its own streams. Start with a new spool.";
    if (pg_bool(rows, 0, 1)) // it is opened already, and can be again
        return NULL;
    if (pg_bool(rows, 0, 2))
        return "The stream to be replaced is another agency's: say one of this agent's own, or none.";
    if (pg_bool(rows, 0, 3))
        return "This agency has opened as many streams as it may within a day: an agent keeps its spool, and its stream "
               "with it. Find the one whose spool does not last; ask the exchange's operator.";
    return NULL;
}

// Nothing was opened: the stream cannot be, or it was too late.
static int find_why(Actor *actor, Greeting *greeting) {
    PgParams params = {0};
    PGresult *rows = NULL;
    pg_param_bytes(&params, greeting->stream, STREAM_BYTES);
    pg_param_i32(&params, (int32_t)greeting->agency);
    param_replaces(&params, greeting);
    pg_param_i32(&params, STREAMS_PER_DAY_MAX);
    int result = pg_run(actor->exchange, &WHY, &params, &rows);
    pg_params_free(&params);
    if (result == 0)
        greeting->refusal = refusal(rows);
    greeting->late = result == 0 && greeting->refusal == NULL;
    PQclear(rows);
    return result;
}

static int find_place(Actor *actor, Greeting *greeting) {
    PgParams params = {0};
    PGresult *rows = NULL;
    pg_param_i64(&params, (int64_t)(greeting->after > INT64_MAX ? INT64_MAX : greeting->after));
    pg_param_i64(&params, greeting->verdict_epoch);
    int result = pg_run(actor->exchange, &PLACE, &params, &rows);
    pg_params_free(&params);
    if (result == 0)
        greeting->after = (uint64_t)pg_i64(rows, 0, 0);
    PQclear(rows);
    return result;
}

static int open_session(Actor *actor, Greeting *greeting) {
    int64_t deadline = 0;
    PGresult *rows = NULL;
    int result = read_deadline(actor, greeting, &deadline);
    if (result == 0)
        result = run_open(actor, greeting, deadline, &rows);
    if (result < 0)
        return result;
    bool opened = PQntuples(rows) == 1;
    if (opened) {
        greeting->session_epoch = (uint32_t)pg_i32(rows, 0, 0);
        greeting->last_sequence = (uint64_t)pg_i64(rows, 0, 1);
        greeting->epoch = (uint32_t)pg_i32(rows, 0, 2);
    }
    PQclear(rows);
    if (!opened)
        return find_why(actor, greeting);
    // A stream that takes another's place is declared in the log.
    if (greeting->has_replaces && greeting->session_epoch == 1)
        mail_send(actor->writer, MAIL_POLICY, NULL);
    return find_place(actor, greeting);
}

// ---- verdicts ------------------------------------------------------------------------------------------------------

static const PgStatement HEAD = {"verdict-head", "SELECT coalesce((SELECT last_position FROM exchange.head), 0)", 0,
                                 NULL};
static const Oid VERDICT_TYPES[] = {OID_BYTEA, OID_INT8, OID_BOOL, OID_INT4};
// Of the streams whose place this one took (the same agency's, eight back at most) only later decisions: what their
// batches were answered is the older spool's.
static const PgStatement VERDICTS = {
    "verdicts",
    "WITH RECURSIVE chain (stream, depth) AS (SELECT $1, 0 UNION ALL SELECT p.stream, c.depth + 1 FROM chain c "
    "JOIN exchange.stream s ON s.stream = c.stream "
    "JOIN exchange.stream p ON p.stream = s.replaces AND p.agency = s.agency WHERE c.depth < 8) "
    "SELECT g.first_position, g.last_position, g.format, g.payload, c.depth = 0 FROM chain c CROSS JOIN LATERAL "
    "(SELECT first_position, last_position, format, payload FROM exchange.segment "
    "WHERE stream = c.stream AND first_position > $2 AND (kind = 2 OR (kind = 1 AND c.depth = 0 AND NOT $3)) "
    "AND payload IS NOT NULL ORDER BY first_position LIMIT $4) g ORDER BY g.first_position LIMIT $4",
    4, VERDICT_TYPES};

typedef struct Chunk {
    Dongbo__Verdicts message;
    size_t size;  // slots
    size_t bytes; // packed, about
} Chunk;

static int chunk_add(Chunk *chunk, Arena *arena, Dongbo__EventVerdict *verdict) {
    if (verdict == NULL)
        return error_fail(ERROR_MEMORY, "verdicts do not fit");
    if (chunk->message.n_verdicts == chunk->size) {
        size_t size = chunk->size == 0 ? 256 : 2 * chunk->size;
        Dongbo__EventVerdict **grown = arena_alloc(arena, size * sizeof *grown);
        if (grown == NULL)
            return error_fail(ERROR_MEMORY, "verdicts do not fit");
        if (chunk->size > 0)
            memcpy(grown, chunk->message.verdicts, chunk->size * sizeof *grown);
        chunk->message.verdicts = grown;
        chunk->size = size;
    }
    chunk->message.verdicts[chunk->message.n_verdicts++] = verdict;
    chunk->bytes += dongbo__event_verdict__get_packed_size(verdict) + 4;
    return 0;
}

static int chunk_add_segment(Chunk *chunk, Arena *arena, const PGresult *rows, int row) {
    size_t n = 0;
    const uint8_t *data = pg_bytes(rows, row, 3, &n);
    Dongbo__SegmentPayload *payload = NULL;
    int result = segment_decode_payload(data, n, pg_i16(rows, row, 2), arena, &payload);
    if (result != 0)
        return result < 0 ? result : error_fail(ERROR_SYSTEM, "a stored segment does not decode");
    uint64_t first = (uint64_t)pg_i64(rows, row, 0);
    bool own = pg_bool(rows, row, 4);
    for (size_t i = 0; result == 0 && i < payload->n_entries; i++) {
        const Dongbo__Entry *entry = payload->entries[i];
        bool later = entry->kind == DONGBO__ENTRY_KIND__ENTRY_DECISION;
        if (!later && (entries_is_plain((int)entry->verdict, entry->n_reasons) || entries_is_erased(entry)))
            continue;
        Dongbo__EventVerdict *verdict = entries_verdict_of(arena, entry, first + i);
        if (verdict != NULL && !own)
            verdict->sequence = 0; // a sequence of the older stream would be another event's here
        result = chunk_add(chunk, arena, verdict);
    }
    return result;
}

static int run_verdicts(Actor *actor, const Greeting *greeting, PGresult **ret) {
    PgParams params = {0};
    pg_param_bytes(&params, greeting->stream, STREAM_BYTES);
    pg_param_i64(&params, (int64_t)greeting->after);
    pg_param_bool(&params, greeting->decisions_only);
    pg_param_i32(&params, SEGMENTS_AT_ONCE);
    int result = pg_run(actor->exchange, &VERDICTS, &params, ret);
    pg_params_free(&params);
    return result;
}

static int pack(Greeting *greeting, const Dongbo__Verdicts *message) {
    bytes_clear(&greeting->verdicts);
    bytes_append_message(&greeting->verdicts, &message->base);
    if (!greeting->verdicts.failed)
        return 0;
    bytes_free(&greeting->verdicts);
    return error_fail(ERROR_MEMORY, "verdicts do not fit");
}

static int pack_signed(Actor *actor, Greeting *greeting, const Dongbo__Verdicts *plain) {
    Dongbo__VerdictsBody body = DONGBO__VERDICTS_BODY__INIT;
    Dongbo__Verdicts message = DONGBO__VERDICTS__INIT;
    uint8_t signature[SIGNATURE_BYTES];
    body.stream = (ProtobufCBinaryData){.data = greeting->stream, .len = STREAM_BYTES};
    body.epoch = greeting->epoch;
    body.last_position = plain->last_position;
    body.n_verdicts = plain->n_verdicts;
    body.verdicts = plain->verdicts;
    body.more = plain->more;
    bytes_clear(&actor->body);
    bytes_append_message(&actor->body, &body.base);
    if (actor->body.failed) {
        bytes_free(&actor->body);
        return error_fail(ERROR_MEMORY, "verdicts do not fit");
    }
    int result = signer_sign(actor->signer, "dongbo verdicts 1", actor->body.data, actor->body.n, signature);
    message.body = (ProtobufCBinaryData){.data = actor->body.data, .len = actor->body.n};
    message.signature = (ProtobufCBinaryData){.data = signature, .len = SIGNATURE_BYTES};
    return result < 0 ? result : pack(greeting, &message);
}

// Whole segments, as many as make a chunk. The head is read before them: what is not found up to it is not there.
static int read_verdicts(Actor *actor, Greeting *greeting) {
    PGresult *rows = NULL;
    int result = pg_run(actor->exchange, &HEAD, NULL, &rows);
    uint64_t head = result == 0 ? (uint64_t)pg_i64(rows, 0, 0) : 0;
    PQclear(rows);
    if (result == 0)
        result = run_verdicts(actor, greeting, &rows);
    if (result < 0)
        return result;
    arena_reset(actor->arena);
    Chunk chunk = {.message = DONGBO__VERDICTS__INIT};
    int n = PQntuples(rows), row = 0;
    uint64_t read = greeting->after;
    for (; result == 0 && row < n && chunk.bytes < VERDICT_CHUNK_BYTES / 2; row++) {
        result = chunk_add_segment(&chunk, actor->arena, rows, row);
        read = (uint64_t)pg_i64(rows, row, 1);
    }
    PQclear(rows);
    if (result < 0)
        return result;
    greeting->more = row < n || n == SEGMENTS_AT_ONCE;
    if (!greeting->more && head > read)
        read = head;
    greeting->after = chunk.message.last_position = read;
    greeting->n_verdicts = chunk.message.n_verdicts;
    chunk.message.more = greeting->more;
    return greeting->signs ? pack_signed(actor, greeting, &chunk.message) : pack(greeting, &chunk.message);
}

// ---- the thread ----------------------------------------------------------------------------------------------------

static int open_database(Actor *actor) {
    if (pg_connected(actor->exchange))
        return 0;
    int result = lookup_connect(actor->exchange);
    // Whoever holds a stream's row for long holds up all who greet.
    return result < 0 ? result : pg_command(actor->exchange, "SET lock_timeout = '3s'");
}

static int greet(Actor *actor, Greeting *greeting) {
    greeting->failed = greeting->late = false;
    greeting->refusal = NULL;
    for (;;) {
        if (left_ms(actor, greeting) <= 0) {
            greeting->late = true;
            return 0;
        }
        int result = open_database(actor);
        if (result == 0 && greeting->kind == GREETING_HELLO)
            result = open_session(actor, greeting);
        else if (result == 0)
            result = read_verdicts(actor, greeting);
        if (result != 0 && result != ERROR_DATABASE) {
            log_warn("a session cannot be served: %s", error_text());
            greeting->failed = true;
            return 0;
        }
        if (result == 0) {
            retry_succeeded(&actor->retry);
            return 0;
        }
        result = retry_wait(&actor->retry, actor->pipe);
        if (result < 0)
            return result;
    }
}

static int greet_all(Actor *actor) {
    MailKind kind;
    void *pointer = NULL;
    while (mail_receive(actor->inbox, &kind, &pointer) == 0) {
        Greeting *greeting = pointer;
        int result = greet(actor, greeting);
        if (result < 0)
            return result;
        mail_send(actor->ingress, MAIL_GREETING, greeting);
    }
    return 0;
}

static void destroy(void *state) {
    Actor *actor = state;
    pg_destroy(&actor->exchange);
    arena_destroy(&actor->arena);
    signer_destroy(&actor->signer);
    bytes_free(&actor->body);
    zsock_destroy(&actor->inbox);
    zsock_destroy(&actor->ingress);
    zsock_destroy(&actor->writer);
    free(actor);
}

static void run(zsock_t *pipe, void *state) {
    Actor *actor = state;
    actor->pipe = pipe;
    zmq_pollitem_t items[] = {{.socket = zsock_resolve(pipe), .events = ZMQ_POLLIN},
                              {.socket = zsock_resolve(actor->inbox), .events = ZMQ_POLLIN}};
    while (greet_all(actor) == 0) {
        if (zmq_poll(items, 2, -1) < 0 || items[0].revents != 0)
            break;
    }
}

int greeter_new(zactor_t **ret, const GreeterOptions *options) {
    static const ThreadKind kind = {"the greeter", run, destroy};
    Actor *actor = calloc(1, sizeof *actor);
    if (actor == NULL)
        return error_fail(ERROR_MEMORY, "no memory for the greeter");
    actor->clock = options->clock;
    actor->retry = (Retry){.waiting = "sessions wait for the exchange's database",
                           .over = "sessions have their database",
                           .max_ms = RETRY_MAX_MS};
    int result = pg_new(&actor->exchange, options->exchange, "dongbo sessions");
    if (result == 0)
        result = arena_new(&actor->arena, WORK_ARENA_BYTES);
    if (result == 0)
        result = signer_new(&actor->signer, options->keys->sign_secret);
    if (result == 0)
        result = mail_bind(&actor->inbox, options->inbox);
    if (result == 0)
        result = mail_connect(&actor->ingress, options->ingress);
    if (result == 0)
        result = mail_connect(&actor->writer, options->writer);
    if (result < 0) {
        destroy(actor);
        return result;
    }
    return thread_start(ret, &kind, actor);
}
