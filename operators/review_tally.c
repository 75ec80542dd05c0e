// SPDX-License-Identifier: Apache-2.0
//
// A case counts once, by its first open event: repeats say the same. Reasons are decoded here, for the database does
// not know them.
#include "operators/review_tally.h"
#include "broker/search.h"
#include "operators/likely.h"
#include "operators/result.h"
#include "operators/review_queue.h"
#include "proto/base/arena.h"
#include "proto/reason.h"

#include <stdlib.h>

#define PAGE 5000
#define TALLY_ARENA_BYTES ((size_t)4 * 1024 * 1024)

// 4 is MISMATCH: written out, for the index is of these only.
static const PgStatement CASES = {
    "review_tally_cases",
    "SELECT DISTINCT ON (x.review_case) x.review_case, x.agency, x.domain, x.at, x.reasons, "
    "coalesce(x.likely_posterior, 0), coalesce(x.candidates->>'too_large' = 'true', false) FROM exchange.seen_exception x "
    "WHERE x.open AND x.verdict = 4 AND x.review_case > $1 ORDER BY x.review_case, x.agency, x.domain, x.position "
    "LIMIT $2",
    2, NULL};
enum { CASE, AGENCY, DOMAIN, AT, REASONS, POSTERIOR, TOO_LARGE };
static const PgStatement WORK = {"review_tally_work",
                                 "SELECT (SELECT count(*) FROM exchange.exception WHERE open AND verdict = 4), "
                                 "(SELECT count(*) FROM exchange.review_claim WHERE until > now()), "
                                 "(SELECT count(*) FROM exchange.review_decision WHERE state = 'waiting')",
                                 0, NULL};
// What a broker took is whose it was decided to be, and stays beside who was likely.
static const PgStatement DECIDED = {
    "review_tally_decided",
    "SELECT (d.decided_at AT TIME ZONE 'Asia/Ho_Chi_Minh')::date::text, d.decided_by, "
    "count(*) FILTER (WHERE done AND action = 'accept'), count(*) FILTER (WHERE done AND action = 'link'), "
    "count(*) FILTER (WHERE done AND action = 'refuse'), count(*) FILTER (WHERE d.state = 'failed'), "
    "count(*) FILTER (WHERE done AND e.likely_person IS NOT NULL), "
    "count(*) FILTER (WHERE done AND action <> 'refuse' AND e.person = e.likely_person), "
    "count(*) FILTER (WHERE done AND known), "
    "count(*) FILTER (WHERE done AND action <> 'refuse' AND known AND e.person = e.likely_person) "
    "FROM exchange.review_decision d LEFT JOIN LATERAL (SELECT x.* FROM "
    "exchange.seen_exception x WHERE x.position = d.review_case OFFSET 0) e ON true "
    "CROSS JOIN LATERAL (SELECT d.state = 'done' AS done, e.likely_posterior >= $2 "
    "AND coalesce(e.candidates->>'too_large' <> 'true', true) AS known) k "
    "WHERE d.decided_at >= $1 GROUP BY 1, 2 ORDER BY 1 DESC, 2",
    2, NULL};

// How cases are distributed while they are counted.
typedef struct Count {
    ReviewTally *tally;
    Arena *arena;
    int64_t *asked_us; // of each case, for the median
    size_t n, size;
} Count;

static void count_free(Count *count) {
    arena_destroy(&count->arena);
    free(count->asked_us);
}

static int no_memory(void) {
    return error_fail(ERROR_MEMORY, "no memory to count the review queue");
}

static void count_reasons(Count *count, const uint8_t *bytes, size_t n) {
    int n_table = 0;
    const ReasonText *table = reason_table(&n_table);
    arena_reset(count->arena);
    const Dongbo__EventVerdict *verdict = dongbo__event_verdict__unpack(arena_protobuf(count->arena), n, bytes);
    for (int i = 0; verdict && i < n_table && i < REVIEW_TALLY_REASONS; i++)
        for (size_t k = 0; k < verdict->n_reasons; k++)
            if ((int)verdict->reasons[k]->code == table[i].code) {
                count->tally->reasons[i]++;
                break; // of several fields is once
            }
}

static ReviewTallyGroup *group_of(ReviewTally *tally, uint32_t agency, int domain) {
    for (size_t i = 0; i < tally->n_groups; i++)
        if (tally->groups[i].agency == agency && tally->groups[i].domain == domain)
            return &tally->groups[i];
    ReviewTallyGroup *groups = realloc(tally->groups, (tally->n_groups + 1) * sizeof *groups);
    if (!groups)
        return NULL;
    tally->groups = groups;
    groups[tally->n_groups] = (ReviewTallyGroup){.agency = agency, .domain = domain};
    return &groups[tally->n_groups++];
}

static int keep_time(Count *count, int64_t us) {
    if (count->n == count->size) {
        size_t size = count->size ? 2 * count->size : PAGE;
        int64_t *times = realloc(count->asked_us, size * sizeof *times);
        if (!times)
            return no_memory();
        count->asked_us = times;
        count->size = size;
    }
    count->asked_us[count->n++] = us;
    return 0;
}

static int count_case(Count *count, const PGresult *rows, int row) {
    ReviewTally *tally = count->tally;
    int64_t at_us = pg_us(rows, row, AT), posterior = pg_i64(rows, row, POSTERIOR);
    bool known = likely_is_known(posterior, pg_bool(rows, row, TOO_LARGE));
    ReviewTallyGroup *group = group_of(tally, (uint32_t)pg_i32(rows, row, AGENCY), pg_i16(rows, row, DOMAIN));
    size_t n = 0;
    if (!group)
        return no_memory();
    if (group->cases++ == 0 || at_us < group->oldest_us)
        group->oldest_us = at_us;
    tally->known += known;
    tally->possible += !known && posterior > 0;
    const uint8_t *bytes = pg_bytes(rows, row, REASONS, &n);
    count_reasons(count, bytes, n);
    return keep_time(count, at_us);
}

static int read_page(Pg *exchange, int64_t after, PGresult **ret) {
    PgParams params = {0};
    pg_param_i64(&params, after);
    pg_param_i64(&params, PAGE);
    int r = pg_run(exchange, &CASES, &params, ret);
    pg_params_free(&params);
    return r;
}

static int by_time(const void *a, const void *b) {
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return left < right ? -1 : left > right;
}

static int by_agency(const void *a, const void *b) {
    const ReviewTallyGroup *left = a, *right = b;
    if (left->agency != right->agency)
        return left->agency < right->agency ? -1 : 1;
    return left->domain - right->domain;
}

static void conclude(Count *count) {
    ReviewTally *tally = count->tally;
    tally->cases = (int64_t)count->n;
    if (count->n == 0)
        return;
    qsort(count->asked_us, count->n, sizeof *count->asked_us, by_time);
    qsort(tally->groups, tally->n_groups, sizeof *tally->groups, by_agency);
    tally->oldest_us = count->asked_us[0];
    tally->median_us = count->asked_us[count->n / 2];
}

static int count_cases(Pg *exchange, ReviewTally *ret) {
    CLEANUP(count_free) Count count = {.tally = ret};
    int64_t after = 0;
    int n = PAGE;
    int r = arena_new(&count.arena, TALLY_ARENA_BYTES);
    while (r == 0 && n == PAGE) {
        RESULT page = NULL;
        r = read_page(exchange, after, &page);
        n = r == 0 ? PQntuples(page) : 0;
        for (int row = 0; r == 0 && row < n; row++)
            r = count_case(&count, page, row);
        after = n ? pg_i64(page, n - 1, CASE) : after;
    }
    if (r == 0)
        conclude(&count);
    return r;
}

static int count_work(Pg *exchange, ReviewTally *ret) {
    RESULT work = NULL;
    int r = pg_run(exchange, &WORK, NULL, &work);
    if (r < 0)
        return r;
    ret->events = pg_i64(work, 0, 0);
    ret->claimed = pg_i64(work, 0, 1);
    ret->waiting = pg_i64(work, 0, 2);
    return 0;
}

static int count_decided(Pg *exchange, int64_t since_us, ReviewTally *ret) {
    PgParams params = {0};
    pg_param_us(&params, since_us);
    pg_param_i32(&params, SEARCH_SURE);
    int r = pg_run(exchange, &DECIDED, &params, &ret->decided);
    pg_params_free(&params);
    return r;
}

int review_tally_read(Pg *exchange, int64_t since_us, ReviewTally *ret) {
    int r = count_decided(exchange, since_us, ret);
    if (r == 0)
        r = review_queue_by_index(exchange);
    if (r == 0)
        r = count_cases(exchange, ret);
    if (r == 0)
        r = count_work(exchange, ret);
    return r;
}

void review_tally_free(ReviewTally *tally) {
    PQclear(tally->decided);
    free(tally->groups);
    *tally = (ReviewTally){0};
}

int64_t review_tally_sum(const ReviewTally *tally, ReviewTallyColumn column) {
    int64_t sum = 0;
    for (int row = 0; row < PQntuples(tally->decided); row++)
        sum += pg_i64(tally->decided, row, column);
    return sum;
}
