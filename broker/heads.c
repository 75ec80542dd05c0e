// SPDX-License-Identifier: Apache-2.0
//
// Signing is one short transaction on a session of its own, under a lock of its own. What is signed is committed.
#include "broker/heads.h"

#include "broker/epoch.h"
#include "broker/lookup.h"
#include "broker/mail.h"
#include "broker/thread.h"
#include "proto/base/error.h"
#include "proto/base/log.h"
#include "proto/head.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#define OID_INT8 20
#define OID_TEXT 25
#define OID_BYTEA 17
#define PATIENCE_MS 5000     // of one statement
#define KEY_PATIENCE_MS 3000 // for the former key to cover the announcement of this one
#define COMPLAIN_MS 60000    // a log that was changed is named again so often

typedef struct Actor {
    HeadsOptions options;
    Pg *exchange;
    Signer *signer;
    Merkle *merkle;
    Arena *arena;
    Bytes body;
    char key_id[KEY_ID_TEXT_BYTES];
    int64_t announced_ms;  // when this key was seen announced and not covered; 0: was not
    int64_t complained_ms; // 0: never
    zsock_t *ingress;
    uint64_t told; // number of the head that the ingress was told of; 0: of none
    uint32_t told_epoch;
    Retry retry;
} Actor;

typedef struct State { // as stored; the log has at least one segment
    SegmentHead log;
    bool any; // head was signed before
    Dongbo__TreeHead last;
    ProtobufCBinaryData last_bytes;
    bool holds; // the log still has what was signed last
    bool announced, logged;
    uint64_t logged_position;
} State;

// ---- reading -----------------------------------------------------------------------------------------------------

static const Oid STATE_TYPES[] = {OID_TEXT};
// Nothing of a database that was set back, until the writer has begun an epoch: heads of the one before that it has
// forgotten were handed out, and another of the same number and epoch would prove a log that was forked.
static const PgStatement STATE = {
    "heads-state",
    "SELECT h.epoch, h.last_position, h.leaf_index, h.hash, h.frontier, s.head, "
    "(SELECT g.frontier FROM exchange.segment g WHERE g.leaf_index = s.size - 1), k.key_id IS NOT NULL, "
    "(SELECT c.logged_position FROM exchange.policy_change c WHERE c.change = k.change) "
    "FROM exchange.head h LEFT JOIN (SELECT size, head FROM exchange.signed_head ORDER BY number DESC LIMIT 1) s ON true "
    "LEFT JOIN exchange.head_key k ON k.key_id = $1 "
    "WHERE " EPOCH_HOLDS,
    1, STATE_TYPES};

static int read_log(const PGresult *rows, SegmentHead *ret) {
    size_t hash_n = 0, n = 0;
    const uint8_t *hash = pg_bytes(rows, 0, 3, &hash_n), *frontier = pg_bytes(rows, 0, 4, &n);
    *ret = (SegmentHead){.epoch = (uint32_t)pg_i32(rows, 0, 0),
                         .last_position = (uint64_t)pg_i64(rows, 0, 1),
                         .leaf_index = (uint64_t)pg_i64(rows, 0, 2) + 1};
    if (hash_n != HASH_BYTES || frontier_read(&ret->frontier, ret->leaf_index, frontier, n) != 0)
        return error_fail(ERROR_DATA, "the log's last segment holds no hash, or no frontier");
    memcpy(ret->hash, hash, HASH_BYTES);
    return 0;
}

// Does the log have the tree that was signed?
static bool holds(Actor *actor, const PGresult *rows, const State *state) {
    size_t n = 0;
    const uint8_t *data = pg_bytes(rows, 0, 6, &n);
    Frontier frontier;
    uint8_t root[HASH_BYTES];
    if (state->last.size > state->log.leaf_index || PQgetisnull(rows, 0, 6) ||
        frontier_read(&frontier, state->last.size, data, n) != 0)
        return false;
    frontier_root(actor->merkle, &frontier, root);
    return memcmp(root, state->last.root.data, HASH_BYTES) == 0;
}

static int read_last(Actor *actor, const PGresult *rows, State *ret) {
    size_t n = 0;
    const uint8_t *data = pg_bytes(rows, 0, 5, &n);
    const Dongbo__TreeHead *last = NULL;
    uint8_t *kept = arena_alloc(actor->arena, n);
    if (kept == NULL)
        return error_fail(ERROR_MEMORY, "no memory for a signed head");
    memcpy(kept, data, n);
    if (head_read(kept, n, actor->arena, &last) != 0)
        return error_fail(ERROR_DATA, "the last signed head cannot be read");
    ret->any = true;
    ret->last = *last;
    ret->last_bytes = (ProtobufCBinaryData){.data = kept, .len = n};
    ret->holds = holds(actor, rows, ret);
    return 0;
}

// 1 while the log is empty.
static int read_state(Actor *actor, State *ret) {
    PgParams params = {0};
    PGresult *rows = NULL;
    *ret = (State){0};
    arena_reset(actor->arena);
    pg_param_text(&params, actor->key_id);
    int result = pg_run(actor->exchange, &STATE, &params, &rows);
    pg_params_free(&params);
    if (result == 0)
        result = PQntuples(rows) == 0 ? 1 : read_log(rows, &ret->log);
    if (result == 0 && !PQgetisnull(rows, 0, 5))
        result = read_last(actor, rows, ret);
    if (result == 0) {
        ret->announced = pg_bool(rows, 0, 7);
        ret->logged = !PQgetisnull(rows, 0, 8);
        ret->logged_position = ret->logged ? (uint64_t)pg_i64(rows, 0, 8) : 0;
    }
    PQclear(rows);
    return result;
}

// ---- deciding ----------------------------------------------------------------------------------------------------

typedef enum Due { DUE_NOTHING, DUE_ANNOUNCE, DUE_HEAD } Due;

static bool is_new_key(const Actor *actor, const State *state) {
    return !state->any || strcmp(state->last.key_id, actor->key_id) != 0;
}

// Has the announcement of this key been covered by a head of the former one, or waited for long enough?
static bool is_covered(Actor *actor, const State *state, bool ending) {
    if (!state->any || ending || state->last.last_position >= state->logged_position)
        return true;
    int64_t now = clock_monotonic_ms(actor->options.clock);
    if (actor->announced_ms == 0)
        actor->announced_ms = now;
    return now - actor->announced_ms >= KEY_PATIENCE_MS;
}

static bool may_complain(Actor *actor) {
    int64_t now = clock_monotonic_ms(actor->options.clock);
    if (actor->complained_ms != 0 && now - actor->complained_ms < COMPLAIN_MS)
        return false;
    actor->complained_ms = now;
    return true;
}

static void complain_set_back(Actor *actor) {
    if (may_complain(actor))
        log_warn(
            "the database was set back: it does not know signed head %" PRIu64 " any more, and no head is signed until "
            "an epoch has begun, which the broker that wrote last does; if none does: dongbo epoch new --reason ...",
            actor->told);
}

static void complain(Actor *actor, const State *state) {
    if (!may_complain(actor))
        return;
    log_error("the log was changed: it does not hold what signed head %" PRIu64 " (%" PRIu64
              " segments, up to position "
              "%" PRIu64 ") says of it, and no head is signed. Find out who changed the database: dongbo log verify "
              "says where it breaks; restore it from a backup, or keep it as evidence",
              state->last.number, state->last.size, state->last.last_position);
}

// A head of this epoch was handed out that the database has forgotten.
static bool is_set_back(const Actor *actor, const State *state) {
    return actor->told > (state->any ? state->last.number : 0) && actor->told_epoch == state->log.epoch;
}

static Due decide(Actor *actor, const State *state, bool ending) {
    if (is_set_back(actor, state)) {
        complain_set_back(actor);
        return DUE_NOTHING;
    }
    if (state->any && !state->holds) {
        complain(actor, state);
        return DUE_NOTHING;
    }
    actor->complained_ms = 0;
    if (is_new_key(actor, state)) {
        if (!state->announced)
            return DUE_ANNOUNCE;
        if (!state->logged || !is_covered(actor, state, ending))
            return DUE_NOTHING;
    }
    if (state->any && state->last.size == state->log.leaf_index)
        return DUE_NOTHING;
    int64_t since_us = clock_now_us(actor->options.clock) - state->last.signed_at_us;
    bool early = since_us >= 0 && since_us < (int64_t)actor->options.interval_ms * 1000;
    return state->any && early && !ending ? DUE_NOTHING : DUE_HEAD;
}

// ---- writing -----------------------------------------------------------------------------------------------------

static const Oid ANNOUNCE_TYPES[] = {OID_BYTEA, OID_TEXT};
static const PgStatement ANNOUNCE = {"heads-announce", "SELECT exchange.announce_head_key($1, $2)", 2, ANNOUNCE_TYPES};

int heads_announce(Pg *exchange, const Keys *keys) {
    PgParams params = {0};
    char key_id[KEY_ID_TEXT_BYTES];
    keys_id(keys->sign_public, key_id);
    pg_param_bytes(&params, keys->sign_public, KEY_BYTES);
    pg_param_text(&params, key_id);
    int result = pg_run(exchange, &ANNOUNCE, &params, NULL);
    pg_params_free(&params);
    return result;
}

static const Oid INSERT_TYPES[] = {OID_INT8, OID_INT8, OID_INT8, OID_INT8, OID_TEXT, OID_BYTEA, OID_BYTEA};
static const PgStatement INSERT = {
    "heads-insert",
    "INSERT INTO exchange.signed_head (number, size, last_position, signed_at_us, key_id, head, signature) "
    "VALUES ($1, $2, $3, $4, $5, $6, $7)",
    7, INSERT_TYPES};
static const PgStatement NOTIFY = {"heads-notify", "NOTIFY dongbo_head", 0, NULL};

static int insert(Actor *actor, const Dongbo__TreeHead *head, const uint8_t signature[SIGNATURE_BYTES]) {
    PgParams params = {0};
    pg_param_i64(&params, (int64_t)head->number);
    pg_param_i64(&params, (int64_t)head->size);
    pg_param_i64(&params, (int64_t)head->last_position);
    pg_param_i64(&params, head->signed_at_us);
    pg_param_text(&params, head->key_id);
    pg_param_bytes(&params, actor->body.data, actor->body.n);
    pg_param_bytes(&params, signature, SIGNATURE_BYTES);
    int result = pg_run(actor->exchange, &INSERT, &params, NULL);
    pg_params_free(&params);
    return result < 0 ? result : pg_run(actor->exchange, &NOTIFY, NULL, NULL);
}

static int sign(Actor *actor, const State *state) {
    uint8_t root[HASH_BYTES], previous[HASH_BYTES], signature[SIGNATURE_BYTES];
    int64_t now = clock_now_us(actor->options.clock);
    Dongbo__TreeHead head = DONGBO__TREE_HEAD__INIT;
    frontier_root(actor->merkle, &state->log.frontier, root);
    head.number = state->any ? state->last.number + 1 : 1;
    head.size = state->log.leaf_index;
    head.root = (ProtobufCBinaryData){.data = root, .len = HASH_BYTES};
    head.last_position = state->log.last_position;
    head.epoch = state->log.epoch;
    head.signed_at_us = now > state->last.signed_at_us ? now : state->last.signed_at_us;
    if (state->any) {
        head_hash(actor->merkle, state->last_bytes, previous);
        head.previous = (ProtobufCBinaryData){.data = previous, .len = HASH_BYTES};
    }
    head.key_id = actor->key_id;
    head.segment_hash = (ProtobufCBinaryData){.data = (uint8_t *)state->log.hash, .len = HASH_BYTES};
    int result = head_sign(&head, actor->signer, &actor->body, signature);
    return result < 0 ? result : insert(actor, &head, signature);
}

static void tell(Actor *actor, uint64_t number, uint32_t epoch, uint64_t last_position) {
    bool is_told = number == actor->told && epoch == actor->told_epoch; // numbers of a log that was set back come again
    uint64_t *position = is_told ? NULL : malloc(sizeof *position);
    if (position == NULL)
        return; // or told by the next look
    *position = last_position;
    actor->told = number;
    actor->told_epoch = epoch;
    mail_send(actor->ingress, MAIL_HEAD, position);
}

// Under the lock all is looked at again, for another broker may have been faster.
static int act(Actor *actor, bool ending) {
    State state;
    int result = pg_command(actor->exchange, "BEGIN; SET LOCAL idle_in_transaction_session_timeout = '5s'; "
                                             "SET LOCAL lock_timeout = '4s'; SELECT exchange.lock_heads()");
    if (result == 0)
        result = read_state(actor, &state);
    Due due = result == 0 ? decide(actor, &state, ending) : DUE_NOTHING;
    if (due == DUE_ANNOUNCE)
        result = heads_announce(actor->exchange, actor->options.keys);
    else if (due == DUE_HEAD)
        result = sign(actor, &state);
    if (result >= 0) {
        result = pg_command(actor->exchange, "COMMIT");
        if (result == 0 && due == DUE_HEAD)
            tell(actor, state.any ? state.last.number + 1 : 1, state.log.epoch, state.log.last_position);
        return result;
    }
    if (pg_connected(actor->exchange) && pg_command(actor->exchange, "ROLLBACK") < 0)
        pg_disconnect(actor->exchange);
    return result;
}

static int look(Actor *actor, bool ending) {
    State state;
    int result = lookup_connect(actor->exchange);
    if (result == 0)
        result = read_state(actor, &state);
    if (result == 0 && state.any && !is_set_back(actor, &state))
        tell(actor, state.last.number, state.last.epoch, state.last.last_position);
    if (result != 0 || decide(actor, &state, ending) == DUE_NOTHING)
        return result < 0 ? result : 0;
    return act(actor, ending);
}

// ---- the thread --------------------------------------------------------------------------------------------------

static void run(zsock_t *pipe, void *state) {
    Actor *actor = state;
    zmq_pollitem_t items[] = {{.socket = zsock_resolve(pipe), .events = ZMQ_POLLIN}};
    for (;;) {
        int wait_ms = (int)actor->options.interval_ms;
        if (look(actor, false) < 0)
            wait_ms = retry_failed(&actor->retry);
        else
            retry_succeeded(&actor->retry);
        if (zmq_poll(items, 1, wait_ms) < 0 || items[0].revents != 0)
            break;
    }
    if (!actor->retry.failing && look(actor, true) < 0)
        log_warn("the log's last head is not signed; whichever broker is next does it: %s", error_text());
}

static void destroy(void *state) {
    Actor *actor = state;
    pg_destroy(&actor->exchange);
    zsock_destroy(&actor->ingress);
    signer_destroy(&actor->signer);
    merkle_destroy(&actor->merkle);
    arena_destroy(&actor->arena);
    bytes_free(&actor->body);
    free(actor);
}

int heads_new(zactor_t **ret, const HeadsOptions *options) {
    static const ThreadKind kind = {"the signer of heads", run, destroy};
    Actor *actor = calloc(1, sizeof *actor);
    if (actor == NULL)
        return error_fail(ERROR_MEMORY, "no memory for signed heads");
    actor->options = *options;
    actor->retry =
        (Retry){.waiting = "heads of the log wait to be signed", .over = "heads of the log are signed again"};
    keys_id(options->keys->sign_public, actor->key_id);
    int result = pg_new(&actor->exchange, options->exchange, "dongbo heads");
    if (result == 0) {
        pg_set_patience(actor->exchange, PATIENCE_MS);
        result = signer_new(&actor->signer, options->keys->sign_secret);
    }
    if (result == 0)
        result = merkle_new(&actor->merkle);
    if (result == 0)
        result = arena_new(&actor->arena, 64 * 1024);
    if (result == 0)
        result = mail_connect(&actor->ingress, options->ingress);
    if (result < 0) {
        destroy(actor);
        return result;
    }
    return thread_start(ret, &kind, actor);
}
