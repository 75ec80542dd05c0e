// SPDX-License-Identifier: Apache-2.0
//
// The feed's statements, but for what may have left (feed_account.c). Positions are written far more rarely than they
// move: acknowledgements about once a second for all subscriptions together.
#include "broker/feed_store.h"

#include "broker/lookup.h"
#include "broker/policy_row.h"
#include "proto/base/error.h"
#include "proto/base/text.h"
#include "proto/zap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    OID_BOOL = 16,
    OID_INT8 = 20,
    OID_INT2 = 21,
    OID_INT4 = 23,
    OID_INT2_ARRAY = 1005,
    OID_INT4_ARRAY = 1007,
    OID_TEXT = 25,
    OID_TEXT_ARRAY = 1009,
    OID_INT8_ARRAY = 1016
};

static const PgStatement HEAD = {
    "feed_head", "SELECT epoch, last_position, hash FROM exchange.segment ORDER BY first_position DESC LIMIT 1", 0,
    NULL};

static const PgStatement SIGNED = {
    "feed_signed", "SELECT number, head, signature FROM exchange.signed_head ORDER BY number DESC LIMIT 1", 0, NULL};

static const PgStatement TRIMMED = {"feed_trimmed", "SELECT coalesce(max(position), 0) FROM exchange.trim", 0, NULL};

static const PgStatement SEGMENTS = {
    "feed_segments",
    "SELECT first_position, last_position, epoch, format, stored_at_us, hash, payload,"
    "  " FEED_STORE_POLICY_STAMP ","
    " ARRAY(SELECT e.position FROM exchange.erasure e WHERE e.position BETWEEN g.first_position AND g.last_position"
    "  AND e.logged_position IS NOT NULL AND NOT e.done)"
    " FROM exchange.segment g WHERE first_position >= coalesce((SELECT first_position FROM exchange.segment"
    "  WHERE first_position <= $1 ORDER BY first_position DESC LIMIT 1), $1)"
    " ORDER BY first_position LIMIT 8",
    1, (const Oid[]){OID_INT8}};
_Static_assert(FEED_STORE_SEGMENTS == 8, "LIMIT above");

static const PgStatement SUBSCRIPTIONS = {
    "feed_subscriptions",
    "SELECT s.subscription, s.name, s.state = 'active', s.secret FROM exchange.subscription s ORDER BY s.subscription",
    0, NULL};
static const PgStatement KEYS = {
    "feed_keys",
    "SELECT subscription, key FROM exchange.key WHERE subscription IS NOT NULL AND purpose = 'curve'"
    " AND revoked_at IS NULL AND length(key) = 32 AND valid_from <= now() AND (valid_to IS NULL OR valid_to > now())",
    0, NULL};
static const PgStatement POLICIES = {"feed_policies",
                                     "SELECT p.subscription, " POLICY_ROW
                                     " FROM exchange.subscription_policy p ORDER BY p.subscription, p.version",
                                     0, NULL};
#define TURN "(SELECT last_value FROM exchange.erasure_turn)"
static const PgStatement STAMP = {"feed_policy_stamp", "SELECT " FEED_STORE_POLICY_STAMP ", " TURN, 0, NULL};
static const PgStatement NOW = {"feed_turn", "SELECT " TURN, 0, NULL};
// Sessions that are over leave their rows, and erasures wait for these, too (operators/erasure.c): they go long after
// they were found. A server's numbers come again: when a session began is shown of those with this one's rights.
#define OVER                                                                                                           \
    "NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.pid = f.pid AND coalesce(a.backend_start = f.began, true))"
static const PgStatement LET_GO = {
    "feed_let_go",
    "WITH found AS (UPDATE exchange.feeding f SET gone_at = now() WHERE f.gone_at IS NULL AND " OVER "),"
    " gone AS (DELETE FROM exchange.feeding f WHERE f.gone_at < now() - interval '1 minute' AND " OVER ")"
    " INSERT INTO exchange.feeding (pid, began, turn)"
    " SELECT a.pid, a.backend_start, $1 FROM pg_stat_activity a WHERE a.pid = pg_backend_pid()"
    " ON CONFLICT (pid, began) DO UPDATE SET turn = excluded.turn, at = now(), gone_at = NULL",
    1, (const Oid[]){OID_INT8}};
static const PgStatement AGENCIES = {"feed_agencies", "SELECT agency, code FROM exchange.agency", 0, NULL};

// A share that has no row yet begins where the others are, as exchange.subscription_open() will have it.
static const PgStatement POSITION = {
    "feed_position",
    "SELECT coalesce(min(acked) FILTER (WHERE share = $2 AND shares = $3), min(acked), 0),"
    " coalesce(bool_or(fresh) FILTER (WHERE share = $2 AND shares = $3), count(*) > 0)"
    " FROM exchange.subscription_position WHERE subscription = $1",
    3, (const Oid[]){OID_INT4, OID_INT2, OID_INT2}};
static const PgStatement OPEN = {"feed_open", "SELECT exchange.subscription_open($1, $2, $3)", 3,
                                 (const Oid[]){OID_INT4, OID_INT2, OID_INT2}};
#define TAKE_ACK                                                                                                       \
    "acked = greatest(p.acked, u.acked), fresh = p.fresh AND u.acked <= p.acked,"                                      \
    " at = CASE WHEN u.acked > p.acked THEN now() ELSE p.at END, "
#define OF_SESSION "p.subscription = u.subscription AND p.share = u.share AND p.session = u.session"
static const PgStatement KEEP = {
    "feed_keep",
    "WITH u AS MATERIALIZED (SELECT u.* FROM exchange.subscription_position p"
    "  JOIN unnest($1::integer[], $2::smallint[], $3::integer[], $4::bigint[]) AS u (subscription, share, session, acked)"
    "  ON " OF_SESSION " ORDER BY p.subscription, p.share FOR NO KEY UPDATE OF p)"
    " UPDATE exchange.subscription_position p SET " TAKE_ACK "heard_at = now()"
    " FROM u WHERE " OF_SESSION " RETURNING p.subscription, p.share",
    4, (const Oid[]){OID_INT4_ARRAY, OID_INT2_ARRAY, OID_INT4_ARRAY, OID_INT8_ARRAY}};
static const PgStatement NEWER = {
    "feed_newer", "SELECT max(session) > $2, max(shares) FROM exchange.subscription_position WHERE subscription = $1",
    2, (const Oid[]){OID_INT4, OID_INT4}};
static const PgStatement CLOSE = {
    "feed_close",
    "UPDATE exchange.subscription_position p SET " TAKE_ACK "opened_at = NULL"
    " FROM (VALUES ($1, $2, $3, $4)) AS u (subscription, share, session, acked) WHERE " OF_SESSION,
    4, (const Oid[]){OID_INT4, OID_INT2, OID_INT4, OID_INT8}};
static const PgStatement BEFORE = {"feed_before", "SELECT exchange.position_before($1)", 1, (const Oid[]){OID_INT8}};
static const PgStatement EPOCH = {"feed_epoch",
                                  "SELECT position, reason FROM exchange.epoch WHERE epoch > $1 ORDER BY epoch LIMIT 1",
                                  1, (const Oid[]){OID_INT4}};

static const PgStatement FIND_ORIGINS = {
    "feed_find_origins",
    "WITH q AS (SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) WITH ORDINALITY"
    "  AS q (first, position, sequence, i)),"
    " asked AS (SELECT q.i, coalesce(e.stream, s.stream) AS stream, coalesce(e.sequence, q.sequence) AS sequence"
    "  FROM q JOIN exchange.segment s ON s.first_position = q.first"
    "  LEFT JOIN exchange.erasure e ON q.sequence = 0 AND e.logged_position = q.position)"
    " SELECT a.i, g.first_position, a.sequence - g.first_sequence FROM asked a"
    " CROSS JOIN LATERAL (SELECT b.first_position, b.first_sequence, b.last_sequence FROM exchange.segment b"
    "  WHERE b.stream = a.stream AND b.first_sequence <= a.sequence AND b.batch_root IS NOT NULL"
    "  ORDER BY b.first_sequence DESC LIMIT 1) g WHERE a.sequence <= g.last_sequence",
    3, (const Oid[]){OID_INT8_ARRAY, OID_INT8_ARRAY, OID_INT8_ARRAY}};
static const PgStatement FIND_TOLD = {
    "feed_find_told",
    "SELECT a.i, g.first_position, v.position - g.first_position FROM unnest($1::bigint[], $2::bigint[],"
    "  $3::smallint[], $4::text[], $5::integer[]) WITH ORDINALITY AS a (position, person, domain, record_key, agency, i)"
    " CROSS JOIN LATERAL (SELECT w.position FROM exchange.record_version w WHERE w.person = a.person"
    "  AND w.domain = a.domain AND w.record_key = a.record_key AND w.position < a.position AND NOT w.superseded"
    "  ORDER BY w.position DESC LIMIT 1) v"
    " CROSS JOIN LATERAL (SELECT s.first_position, s.kind, s.agency FROM exchange.segment s"
    "  WHERE s.first_position <= v.position ORDER BY s.first_position DESC LIMIT 1) g"
    " WHERE g.kind = 1 AND g.agency = a.agency",
    5, (const Oid[]){OID_INT8_ARRAY, OID_INT8_ARRAY, OID_INT2_ARRAY, OID_TEXT_ARRAY, OID_INT4_ARRAY}};
static const PgStatement ORIGINS = {
    "feed_origins",
    "SELECT first_position, last_position, format, batch_root, origin, summary, CASE WHEN $2 THEN batch END,"
    " ARRAY(SELECT unnest(ARRAY[e.position, e.logged_position]) FROM exchange.erasure e WHERE e.position BETWEEN"
    "  g.first_position AND g.last_position AND e.logged_position IS NOT NULL)"
    " FROM exchange.segment g WHERE first_position = ANY ($1)",
    2, (const Oid[]){OID_INT8_ARRAY, OID_BOOL}};

// By person alone, of whom a segment has hundreds: few subscriptions follow the same ones.
static const PgStatement FOLLOWED = {
    "feed_followed",
    "SELECT subscription, person, from_position, coalesce(to_position, 9223372036854775807) FROM exchange.followed"
    " WHERE person = ANY ($1) AND (subscription = ANY ($2)) IS TRUE AND from_position <= $4"
    " AND (to_position IS NULL OR to_position > $3)",
    4, (const Oid[]){OID_INT8_ARRAY, OID_INT4_ARRAY, OID_INT8, OID_INT8}};

struct FeedStore {
    Pg *pg;
    FeedNews news; // that nobody asked for yet
};

int feed_store_new(FeedStore **ret, const char *conninfo) {
    FeedStore *store = calloc(1, sizeof *store);
    if (!store)
        return error_fail(ERROR_MEMORY, "no memory for the feed");
    int r = pg_new(&store->pg, conninfo, "dongbo feed");
    if (r < 0) {
        free(store);
        return r;
    }
    *ret = store;
    return 0;
}

void feed_store_destroy(FeedStore **store) {
    if (!*store)
        return;
    pg_destroy(&(*store)->pg);
    free(*store);
    *store = NULL;
}

int feed_store_connect(FeedStore *store) {
    int r = lookup_connect(store->pg);
    if (r == 0)
        r = pg_command(store->pg, "LISTEN dongbo_commit");
    if (r == 0)
        r = pg_command(store->pg, "LISTEN dongbo_policy; LISTEN dongbo_head");
    return r;
}

Pg *feed_store_pg(FeedStore *store) {
    return store->pg;
}

void feed_store_drop(FeedStore *store) {
    pg_disconnect(store->pg);
}

int feed_store_socket(const FeedStore *store) {
    return pg_connected(store->pg) ? PQsocket(pg_raw(store->pg)) : -1;
}

static void note_news(void *self, const char *channel, const char *text) {
    FeedNews *news = self;
    if (strcmp(channel, "dongbo_policy") == 0) {
        news->policy = true;
        return;
    }
    if (strcmp(channel, "dongbo_head") == 0) {
        news->signed_head = true;
        return;
    }
    uint64_t position = strtoull(text, NULL, 10);
    news->commit = true;
    if (position == 0)
        position = UINT64_MAX; // it did not say: look
    if (position > news->position)
        news->position = position;
}

bool feed_store_has_news(FeedStore *store) {
    (void)pg_heard(store->pg, note_news, &store->news);
    return store->news.commit || store->news.policy || store->news.signed_head;
}

int feed_store_news(FeedStore *store, FeedNews *ret) {
    *ret = (FeedNews){0};
    int r = pg_hear(store->pg, note_news, &store->news);
    if (r < 0)
        return r;
    *ret = store->news;
    store->news = (FeedNews){0};
    return 0;
}

static void copy_hash(const PGresult *result, int row, int column, uint8_t out[HASH_BYTES]) {
    size_t n;
    const uint8_t *hash = pg_bytes(result, row, column, &n);
    memset(out, 0, HASH_BYTES);
    if (n == HASH_BYTES)
        memcpy(out, hash, n);
}

int feed_store_head(FeedStore *store, FeedPlace *ret) {
    PGresult *result;
    int r = pg_run(store->pg, &HEAD, &(PgParams){0}, &result);
    if (r < 0)
        return r;
    *ret = (FeedPlace){0};
    if (PQntuples(result) == 1) {
        ret->epoch = (uint32_t)pg_i32(result, 0, 0);
        ret->position = (uint64_t)pg_i64(result, 0, 1);
        copy_hash(result, 0, 2, ret->hash);
    }
    PQclear(result);
    return 0;
}

static void copy_bytes_of(const PGresult *result, int column, Bytes *ret) {
    size_t n;
    const uint8_t *data = pg_bytes(result, 0, column, &n);
    bytes_clear(ret);
    bytes_append(ret, data, n);
}

int feed_store_signed(FeedStore *store, uint64_t *ret_number, Bytes *ret_head, Bytes *ret_signature) {
    PGresult *result;
    int r = pg_run(store->pg, &SIGNED, &(PgParams){0}, &result);
    if (r < 0)
        return r;
    *ret_number = 0;
    if (PQntuples(result) == 1) {
        copy_bytes_of(result, 1, ret_head);
        copy_bytes_of(result, 2, ret_signature);
        if (!ret_head->failed && !ret_signature->failed)
            *ret_number = (uint64_t)pg_i64(result, 0, 0);
    }
    PQclear(result);
    return 0;
}

int feed_store_trimmed(FeedStore *store, uint64_t *ret) {
    PGresult *result;
    int r = pg_run(store->pg, &TRIMMED, &(PgParams){0}, &result);
    if (r < 0)
        return r;
    *ret = (uint64_t)pg_i64(result, 0, 0);
    PQclear(result);
    return 0;
}

static int subscriptions_read(FeedStore *store, PolicySet *set) {
    PGresult *result;
    int r = pg_run(store->pg, &SUBSCRIPTIONS, &(PgParams){0}, &result);
    if (r < 0)
        return r;
    for (int row = 0; row < PQntuples(result) && r == 0; row++) {
        Policy policy = {.subscription = pg_i32(result, row, 0), .active = pg_bool(result, row, 2)};
        strncpy(policy.name, pg_text(result, row, 1), POLICY_NAME_BYTES - 1);
        size_t n;
        const uint8_t *secret = pg_bytes(result, row, 3, &n);
        if (n != sizeof policy.secret) {
            r = error_fail(ERROR_DATABASE, "the secret of subscription %d has %zu bytes", (int)policy.subscription, n);
            break;
        }
        memcpy(policy.secret, secret, n);
        r = policy_set_add(set, &policy);
    }
    PQclear(result);
    return r;
}

static int keys_read(FeedStore *store, PolicySet *set) {
    PGresult *result;
    int r = pg_run(store->pg, &KEYS, &(PgParams){0}, &result);
    if (r < 0)
        return r;
    for (int row = 0; row < PQntuples(result) && r == 0; row++) {
        size_t n;
        ZapKey key = {0};
        const uint8_t *data = pg_bytes(result, row, 1, &n);
        memcpy(key.key, data, n < KEY_BYTES ? n : KEY_BYTES);
        zap_name(&key, "subscription", pg_i32(result, row, 0));
        r = policy_set_add_user(set, pg_i32(result, row, 0), key.user);
    }
    PQclear(result);
    return r;
}

static int versions_read(FeedStore *store, PolicySet *set) {
    PGresult *result;
    int r = pg_run(store->pg, &POLICIES, &(PgParams){0}, &result);
    if (r < 0)
        return r;
    for (int row = 0; row < PQntuples(result) && r == 0; row++) {
        PolicyVersion version;
        r = policy_row_read(result, row, 1, &version);
        if (r == 0)
            r = policy_set_add_version(set, pg_i32(result, row, 0), &version);
    }
    PQclear(result);
    return r;
}

// Before what it stands for: what changes meanwhile is read again, rather than missed.
static int stamp_read(FeedStore *store, FeedStamp *ret) {
    PGresult *result;
    int r = pg_run(store->pg, &STAMP, &(PgParams){0}, &result);
    if (r < 0)
        return r;
    *ret = (FeedStamp){pg_i64(result, 0, 0), pg_i64(result, 0, 1)};
    PQclear(result);
    return 0;
}

int feed_store_turn(FeedStore *store, int64_t *ret) {
    PGresult *result;
    int r = pg_run(store->pg, &NOW, &(PgParams){0}, &result);
    if (r < 0)
        return r;
    *ret = pg_i64(result, 0, 0);
    PQclear(result);
    return 0;
}

int feed_store_let_go(FeedStore *store, int64_t turn) {
    PgParams params = {0};
    pg_param_i64(&params, turn);
    int r = pg_run(store->pg, &LET_GO, &params, NULL);
    pg_params_free(&params);
    return r;
}

int feed_store_policies(FeedStore *store, PolicySet *set, FeedStamp *ret_stamp) {
    int r = stamp_read(store, ret_stamp);
    if (r == 0)
        r = subscriptions_read(store, set);
    if (r == 0)
        r = keys_read(store, set);
    if (r == 0)
        r = versions_read(store, set);
    PGresult *result;
    if (r < 0 || (r = pg_run(store->pg, &AGENCIES, &(PgParams){0}, &result)) < 0)
        return r;
    for (int row = 0; row < PQntuples(result) && r == 0; row++)
        r = policy_set_add_agency(set, pg_i32(result, row, 0), pg_text(result, row, 1));
    PQclear(result);
    return r;
}

int feed_store_segments(FeedStore *store, uint64_t position, PGresult **ret) {
    PgParams params = {0};
    pg_param_i64(&params, (int64_t)position);
    int r = pg_run(store->pg, &SEGMENTS, &params, ret);
    pg_params_free(&params);
    return r;
}

int feed_store_row_erased(const PGresult *result, int row, PgElement **ret) {
    return pg_array(result, row, 8, ret);
}

void feed_store_row(const PGresult *result, int row, SegmentRow *ret) {
    *ret = (SegmentRow){.first = (uint64_t)pg_i64(result, row, 0),
                        .last = (uint64_t)pg_i64(result, row, 1),
                        .epoch = (uint32_t)pg_i32(result, row, 2),
                        .format = pg_i16(result, row, 3),
                        .stored_at_us = pg_i64(result, row, 4),
                        .policy_stamp = pg_i64(result, row, 7)};
    size_t n;
    const uint8_t *hash = pg_bytes(result, row, 5, &n);
    ret->hash = n == HASH_BYTES ? hash : NULL;
    if (!pg_is_null(result, row, 6))
        ret->payload = pg_bytes(result, row, 6, &ret->payload_n);
}

int feed_store_followed(FeedStore *store, const FollowedQuestion *question, PGresult **ret) {
    PgParams params = {0};
    pg_param_array_begin(&params, OID_INT8, (int)question->n_persons);
    for (size_t i = 0; i < question->n_persons; i++)
        pg_array_i64(&params, question->persons[i]);
    pg_param_array_begin(&params, OID_INT4, (int)question->n_subscriptions);
    for (size_t i = 0; i < question->n_subscriptions; i++)
        pg_array_i32(&params, question->subscriptions[i]);
    pg_param_i64(&params, (int64_t)question->first);
    pg_param_i64(&params, (int64_t)question->last);
    int r = pg_run(store->pg, &FOLLOWED, &params, ret);
    pg_params_free(&params);
    return r;
}

void feed_store_followed_row(const PGresult *result, int row, FollowedRow *ret) {
    *ret = (FollowedRow){.subscription = pg_i32(result, row, 0),
                         .person = pg_i64(result, row, 1),
                         .from = (uint64_t)pg_i64(result, row, 2),
                         .to = (uint64_t)pg_i64(result, row, 3)};
}

static void param_positions(PgParams *params, const uint64_t *first, size_t n, size_t stride) {
    pg_param_array_begin(params, OID_INT8, (int)n);
    for (size_t i = 0; i < n; i++)
        pg_array_i64(params, (int64_t)first[i * stride]);
}

int feed_store_find_origins(FeedStore *store, const OriginFind *questions, size_t n, PGresult **ret) {
    static const size_t STRIDE = sizeof *questions / sizeof(uint64_t);
    PgParams params = {0};
    param_positions(&params, &questions->first, n, STRIDE);
    param_positions(&params, &questions->position, n, STRIDE);
    param_positions(&params, &questions->sequence, n, STRIDE);
    int r = pg_run(store->pg, &FIND_ORIGINS, &params, ret);
    pg_params_free(&params);
    return r;
}

int feed_store_find_told(FeedStore *store, const OriginTold *questions, size_t n, PGresult **ret) {
    PgParams params = {0};
    pg_param_array_begin(&params, OID_INT8, (int)n);
    for (size_t i = 0; i < n; i++)
        pg_array_i64(&params, (int64_t)questions[i].position);
    pg_param_array_begin(&params, OID_INT8, (int)n);
    for (size_t i = 0; i < n; i++)
        pg_array_i64(&params, questions[i].person);
    pg_param_array_begin(&params, OID_INT2, (int)n);
    for (size_t i = 0; i < n; i++)
        pg_array_i16(&params, (int16_t)questions[i].domain);
    pg_param_array_begin(&params, OID_TEXT, (int)n);
    for (size_t i = 0; i < n; i++)
        pg_array_text(&params, questions[i].record_key, strlen(questions[i].record_key));
    pg_param_array_begin(&params, OID_INT4, (int)n);
    for (size_t i = 0; i < n; i++)
        pg_array_i32(&params, (int32_t)questions[i].agency);
    int r = pg_run(store->pg, &FIND_TOLD, &params, ret);
    pg_params_free(&params);
    return r;
}

int feed_store_origins(FeedStore *store, const uint64_t *firsts, size_t n, bool whole, PGresult **ret) {
    PgParams params = {0};
    param_positions(&params, firsts, n, 1);
    pg_param_bool(&params, whole);
    int r = pg_run(store->pg, &ORIGINS, &params, ret);
    pg_params_free(&params);
    return r;
}

static const uint8_t *bytes_of(const PGresult *result, int row, int column, size_t *ret_n) {
    return pg_is_null(result, row, column) ? NULL : pg_bytes(result, row, column, ret_n);
}

int feed_store_origin_row(const PGresult *result, int row, OriginRow *ret) {
    size_t root_n = 0;
    *ret = (OriginRow){.first = (uint64_t)pg_i64(result, row, 0),
                       .last = (uint64_t)pg_i64(result, row, 1),
                       .format = pg_i16(result, row, 2)};
    ret->root = bytes_of(result, row, 3, &root_n);
    ret->root = root_n == HASH_BYTES ? ret->root : NULL;
    ret->origin = bytes_of(result, row, 4, &ret->origin_n);
    ret->summary = bytes_of(result, row, 5, &ret->summary_n);
    ret->batch = bytes_of(result, row, 6, &ret->batch_n);
    int n = pg_array(result, row, 7, &ret->erased);
    ret->n_erased = n > 0 ? (size_t)n / 2 : 0;
    return n < 0 ? n : 0;
}

int feed_store_position(FeedStore *store, int32_t subscription, Share share, StoredPosition *ret) {
    PgParams params = {0};
    pg_param_i32(&params, subscription);
    pg_param_i16(&params, share.i);
    pg_param_i16(&params, share.n);
    PGresult *result;
    int r = pg_run(store->pg, &POSITION, &params, &result);
    pg_params_free(&params);
    if (r < 0)
        return r;
    *ret = (StoredPosition){.acked = (uint64_t)pg_i64(result, 0, 0), .fresh = pg_bool(result, 0, 1)};
    PQclear(result);
    return 0;
}

int feed_store_open(FeedStore *store, Subscriber *subscriber) {
    PgParams params = {0};
    pg_param_i32(&params, subscriber->subscription);
    pg_param_i16(&params, subscriber->share.i);
    pg_param_i16(&params, subscriber->share.n);
    PGresult *result;
    int r = pg_run(store->pg, &OPEN, &params, &result);
    pg_params_free(&params);
    if (r < 0)
        return r;
    subscriber->number = pg_i32(result, 0, 0);
    PQclear(result);
    return 0;
}

static int keep_run(FeedStore *store, Subscriber *const *subscribers, int n, PGresult **ret) {
    PgParams params = {0};
    pg_param_array_begin(&params, OID_INT4, n);
    for (int i = 0; i < n; i++)
        pg_array_i32(&params, subscribers[i]->subscription);
    pg_param_array_begin(&params, OID_INT2, n);
    for (int i = 0; i < n; i++)
        pg_array_i16(&params, subscribers[i]->share.i);
    pg_param_array_begin(&params, OID_INT4, n);
    for (int i = 0; i < n; i++)
        pg_array_i32(&params, subscribers[i]->number);
    pg_param_array_begin(&params, OID_INT8, n);
    for (int i = 0; i < n; i++)
        pg_array_i64(&params, (int64_t)subscribers[i]->acked);
    int r = pg_run(store->pg, &KEEP, &params, ret);
    pg_params_free(&params);
    return r;
}

static bool is_kept(const PGresult *result, const Subscriber *subscriber) {
    for (int row = 0; row < PQntuples(result); row++)
        if (pg_i32(result, row, 0) == subscriber->subscription && pg_i16(result, row, 1) == subscriber->share.i)
            return true;
    return false;
}

int feed_store_keep(FeedStore *store, Subscriber *const *subscribers, int n, bool *over) {
    PGresult *result;
    int r = keep_run(store, subscribers, n, &result);
    if (r < 0)
        return r;
    bool all = PQntuples(result) == n; // nearly always
    for (int i = 0; i < n; i++)
        over[i] = !all && !is_kept(result, subscribers[i]);
    PQclear(result);
    return 0;
}

int feed_store_is_replaced(FeedStore *store, const Subscriber *subscriber, bool *ret, int *ret_shares) {
    PgParams params = {0};
    pg_param_i32(&params, subscriber->subscription);
    pg_param_i32(&params, subscriber->number);
    PGresult *result;
    int r = pg_run(store->pg, &NEWER, &params, &result);
    pg_params_free(&params);
    if (r < 0)
        return r;
    *ret = pg_bool(result, 0, 0);
    *ret_shares = pg_i16(result, 0, 1);
    PQclear(result);
    return 0;
}

int feed_store_close(FeedStore *store, const Subscriber *subscriber) {
    PgParams params = {0};
    pg_param_i32(&params, subscriber->subscription);
    pg_param_i16(&params, subscriber->share.i);
    pg_param_i32(&params, subscriber->number);
    pg_param_i64(&params, (int64_t)subscriber->acked);
    int r = pg_run(store->pg, &CLOSE, &params, NULL);
    pg_params_free(&params);
    return r;
}

int feed_store_before(FeedStore *store, int64_t us, uint64_t *ret) {
    PgParams params = {0};
    pg_param_i64(&params, us);
    PGresult *result;
    int r = pg_run(store->pg, &BEFORE, &params, &result);
    pg_params_free(&params);
    if (r < 0)
        return r;
    *ret = (uint64_t)pg_i64(result, 0, 0);
    PQclear(result);
    return 0;
}

int feed_store_epoch(FeedStore *store, uint32_t epoch, uint64_t *ret_position, char reason[128]) {
    PgParams params = {0};
    pg_param_i32(&params, (int32_t)epoch);
    PGresult *result;
    int r = pg_run(store->pg, &EPOCH, &params, &result);
    pg_params_free(&params);
    if (r < 0)
        return r;
    bool found = PQntuples(result) == 1;
    if (found) {
        *ret_position = (uint64_t)pg_i64(result, 0, 0);
        snprintf(reason, 128, "%s", pg_text(result, 0, 1));
        text_cut(reason, 127);
    }
    PQclear(result);
    return found ? 0 : 1;
}
