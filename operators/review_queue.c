// SPDX-License-Identifier: Apache-2.0
//
// Two indexes hold the open cases: in order, and in order by agency and domain. Of the latter each pair's next ones are
// fetched and merged, so that who looks after one of them reads no others. Both hold reasons and likeliness, by which
// cases are left out there; what no index holds is looked at here, page by page, up to a bound.
#include "operators/review_queue.h"
#include "broker/search.h"
#include "operators/likely.h"
#include "operators/result.h"
#include "proto/base/arena.h"
#include "proto/reason.h"

#include <stdlib.h>
#include <string.h>

#define PAGE 100
// A table that grew since it was last counted would be read as if it were small.
#define BY_INDEX                                                                                                       \
    "SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; "   \
    "SET max_parallel_workers_per_gather = 0; SET jit = off"
#define QUEUE_ARENA_BYTES ((size_t)4 * 1024 * 1024)

// Parameters: $1 an agency or 0, $2 to $3 domains, $4 the case to go on behind, $5 how many, $7 a reason or 0, $8 how
// likely somebody is at least. 4 is MISMATCH: written out, for the index is of these only.
#define CHOSEN                                                                                                         \
    " AND ($7::integer = 0 OR x.reason_codes @> ARRAY[$7::integer::smallint]) "                                        \
    "AND coalesce(x.likely_posterior, 0) >= $8::integer "
#define PAIRS(beyond, order)                                                                                           \
    "(SELECT l.agency, l.domain, l.review_case FROM exchange.agency a "                                                \
    "CROSS JOIN generate_series($2::integer, $3::integer) d(domain) CROSS JOIN LATERAL ("                              \
    "SELECT DISTINCT x.agency, x.domain, x.review_case FROM exchange.exception x WHERE x.agency = a.agency "           \
    "AND x.domain = d.domain::smallint AND x.open AND x.verdict = 4 AND x.review_case " beyond " $4::bigint" CHOSEN    \
    "ORDER BY x.review_case " order " LIMIT $5) l WHERE $1::integer = 0 OR a.agency = $1::integer "                    \
    "ORDER BY l.review_case " order " LIMIT $5) k "
// These have no use for $1 to $3, but parameters need a type.
#define ALL(beyond, order)                                                                                             \
    "(SELECT DISTINCT x.review_case, x.agency, x.domain FROM exchange.exception x WHERE x.open AND x.verdict = 4 "     \
    "AND x.review_case " beyond " $4::bigint AND $1::integer = 0 AND $2::integer <= $3::integer" CHOSEN                \
    "ORDER BY x.review_case " order ", x.agency " order ", x.domain " order " LIMIT $5) k "
// Each claim's case is looked up by itself: claims are few.
#define MINE(beyond, order)                                                                                            \
    "(SELECT l.agency, l.domain, l.review_case FROM exchange.review_claim m CROSS JOIN LATERAL ("                      \
    "SELECT x.agency, x.domain, x.review_case FROM exchange.exception x WHERE x.review_case = m.review_case "          \
    "AND x.open AND x.verdict = 4" CHOSEN "LIMIT 1) l WHERE m.officer = session_user AND m.until > now() "             \
    "AND ($1::integer = 0 OR l.agency = $1::integer) AND l.domain BETWEEN $2::integer AND $3::integer "                \
    "AND m.review_case " beyond " $4::bigint ORDER BY l.review_case " order " LIMIT $5) k "
#define QUEUE(source, order)                                                                                           \
    "SELECT k.review_case, e.at, k.agency, k.domain, e.citizen_number, e.reasons, coalesce(e.likely_posterior, 0), "   \
    "coalesce(e.candidates->>'too_large' = 'true', false), n.n, c.officer, c.until, w.action FROM " source             \
    "CROSS JOIN LATERAL (SELECT x.at, x.citizen_number, x.reasons, x.likely_posterior, x.candidates "                  \
    "FROM exchange.seen_exception x WHERE x.agency = k.agency AND x.domain = k.domain "                                \
    "AND x.review_case = k.review_case AND x.open AND x.verdict = 4 ORDER BY x.position LIMIT 1) e "                   \
    "CROSS JOIN LATERAL (SELECT count(*) AS n FROM (SELECT FROM exchange.exception x "                                 \
    "WHERE x.review_case = k.review_case AND x.open LIMIT $6) x) n "                                                   \
    "LEFT JOIN exchange.review_claim c ON c.review_case = k.review_case AND c.until > now() "                          \
    "LEFT JOIN exchange.review_decision w ON w.review_case = k.review_case AND w.state = 'waiting' "                   \
    "ORDER BY k.review_case " order
typedef enum Source { SOURCE_ALL, SOURCE_PAIRS, SOURCE_MINE } Source;
static const PgStatement PAGES[][2] = {
    [SOURCE_ALL] = {{"review_oldest", QUEUE(ALL(">", "ASC"), "ASC"), 8, NULL},
                    {"review_newest", QUEUE(ALL("<", "DESC"), "DESC"), 8, NULL}},
    [SOURCE_PAIRS] = {{"review_oldest_of", QUEUE(PAIRS(">", "ASC"), "ASC"), 8, NULL},
                      {"review_newest_of", QUEUE(PAIRS("<", "DESC"), "DESC"), 8, NULL}},
    [SOURCE_MINE] = {{"review_oldest_mine", QUEUE(MINE(">", "ASC"), "ASC"), 8, NULL},
                     {"review_newest_mine", QUEUE(MINE("<", "DESC"), "DESC"), 8, NULL}},
};
enum { CASE, AT, AGENCY, DOMAIN, NUMBER, REASONS, POSTERIOR, TOO_LARGE, N_EVENTS, OFFICER, UNTIL, DECISION };

struct ReviewQueue {
    Pg *exchange;
    ReviewFilter filter;
    uint32_t agency;
    int domain, reason; // 0: all
    Arena *arena;
    PGresult *page;
    int next, n_read;
    int64_t at;
};

static int reason_by_name(const char *name) {
    int n = 0;
    const ReasonText *table = reason_table(&n);
    for (int i = 0; i < n; i++)
        if (strcmp(table[i].name, name) == 0)
            return table[i].code;
    return 0;
}

static int find_filters(ReviewQueue *queue, const Names *names) {
    const ReviewFilter *filter = &queue->filter;
    int r = names_find_agency(names, filter->agency_code, &queue->agency);
    if (r == 0)
        r = names_find_domain(filter->domain_name, &queue->domain);
    if (r < 0)
        return r;
    queue->reason = filter->reason_name ? reason_by_name(filter->reason_name) : 0;
    if (filter->reason_name && !queue->reason)
        return error_fail(ERROR_CONFIG, "--reason: there is no reason \"%s\"; see dongbo reasons", filter->reason_name);
    if (filter->mine && filter->unclaimed)
        return error_fail(ERROR_CONFIG, "what is --mine is not --unclaimed");
    if (filter->after < 0)
        return error_fail(ERROR_CONFIG, "--after: cases are numbered from 1");
    return 0;
}

int review_queue_by_index(Pg *exchange) {
    return pg_command(exchange, BY_INDEX);
}

int review_queue_new(ReviewQueue **ret, Pg *exchange, const Names *names, const ReviewFilter *filter) {
    ReviewQueue *queue = *ret = calloc(1, sizeof **ret);
    if (!queue)
        return error_fail(ERROR_MEMORY, "no memory for the review queue");
    queue->exchange = exchange;
    queue->filter = *filter;
    queue->at = filter->after ? filter->after : filter->newest ? INT64_MAX : 0;
    int r = find_filters(queue, names);
    if (r == 0)
        r = review_queue_by_index(exchange);
    return r < 0 ? r : arena_new(&queue->arena, QUEUE_ARENA_BYTES);
}

void review_queue_destroy(ReviewQueue **queue) {
    if (*queue) {
        PQclear((*queue)->page);
        arena_destroy(&(*queue)->arena);
    }
    free(*queue);
    *queue = NULL;
}

int64_t review_queue_at(const ReviewQueue *queue) {
    return queue->at;
}

static int read_page(ReviewQueue *queue) {
    PgParams params = {0};
    Source source = queue->filter.mine ? SOURCE_MINE : queue->agency || queue->domain ? SOURCE_PAIRS : SOURCE_ALL;
    result_clear(&queue->page);
    queue->next = 0;
    pg_param_i32(&params, (int32_t)queue->agency);
    pg_param_i32(&params, queue->domain ? queue->domain : DOMAIN_MIN);
    pg_param_i32(&params, queue->domain ? queue->domain : DOMAIN_MAX);
    pg_param_i64(&params, queue->at);
    pg_param_i64(&params, PAGE);
    pg_param_i64(&params, REVIEW_EVENTS_COUNTED);
    pg_param_i32(&params, queue->reason);
    pg_param_i32(&params, queue->filter.likely ? SEARCH_SURE : 0);
    int r = pg_run(queue->exchange, &PAGES[source][queue->filter.newest], &params, &queue->page);
    pg_params_free(&params);
    return r;
}

static const Dongbo__EventVerdict *read_verdict(ReviewQueue *queue, int row) {
    size_t n = 0;
    const uint8_t *bytes = pg_bytes(queue->page, row, REASONS, &n);
    arena_reset(queue->arena);
    return dongbo__event_verdict__unpack(arena_protobuf(queue->arena), n, bytes);
}

static void read_case(ReviewQueue *queue, int row, ReviewQueueCase *ret) {
    const PGresult *page = queue->page;
    int64_t posterior = pg_i64(page, row, POSTERIOR);
    *ret = (ReviewQueueCase){.number = pg_i64(page, row, CASE),
                             .since_us = pg_us(page, row, AT),
                             .agency = (uint32_t)pg_i32(page, row, AGENCY),
                             .domain = pg_i16(page, row, DOMAIN),
                             .citizen_number = pg_text(page, row, NUMBER),
                             .verdict = read_verdict(queue, row),
                             .n_events = pg_i64(page, row, N_EVENTS),
                             .likely_posterior = posterior,
                             .is_likely = likely_is_known(posterior, pg_bool(page, row, TOO_LARGE)),
                             .officer = pg_text(page, row, OFFICER),
                             .until_us = pg_us(page, row, UNTIL),
                             .decision = pg_text(page, row, DECISION)};
}

static bool has_reason(const Dongbo__EventVerdict *verdict, int code) {
    for (size_t i = 0; verdict && i < verdict->n_reasons; i++)
        if ((int)verdict->reasons[i]->code == code)
            return true;
    return false;
}

// The index tells of any event of the case; what is shown, and counts, is its first open one.
static bool passes(const ReviewQueue *queue, const ReviewQueueCase *one) {
    if (queue->filter.unclaimed && (*one->officer || *one->decision))
        return false;
    if (queue->filter.likely && !one->is_likely)
        return false;
    return !queue->reason || has_reason(one->verdict, queue->reason);
}

int review_queue_next(ReviewQueue *queue, ReviewQueueCase *ret) {
    for (;;) {
        if (!queue->page || (queue->next == PQntuples(queue->page) && queue->next == PAGE)) {
            int r = queue->n_read < REVIEW_QUEUE_READ_MAX ? read_page(queue) : 2;
            if (r != 0)
                return r;
        }
        if (queue->next == PQntuples(queue->page))
            return 1;
        read_case(queue, queue->next++, ret);
        queue->n_read++;
        queue->at = ret->number;
        if (passes(queue, ret))
            return 0;
    }
}
