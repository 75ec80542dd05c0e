// SPDX-License-Identifier: Apache-2.0
//
// `dongbo log trim`: lets go of what the log's oldest segments hold, by age or size. Rows, hashes and masked summaries
// stay. Says so in the log first; then takes away, a bounded transaction after the other, and may be interrupted.
#include "operators/commands.h"
#include "operators/policy.h"
#include "operators/progress.h"
#include "operators/result.h"
#include "proto/base/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY_US (24LL * 3600 * 1000000)

static const char NOTES[] =
    "What goes are events and records as the log holds them. What stays: each segment's place, time, hash and masked\n"
    "summary, so that the log verifies as before; all records and their history; events that wait for a decision; and of\n"
    "each stream the newest 256 segments, of which its agent may not have heard yet.\n"
    "A receiver that asks for what is gone is told to take a snapshot. So nothing is trimmed that an active subscription\n"
    "has not acknowledged, unless --past-subscriptions is said.\n"
    "The space is used again by the database; VACUUM FULL of an old partition of exchange.segment gives it back.\n";

static const PgStatement BEFORE = {"trim_before", "SELECT exchange.position_before($1)", 1, NULL};
// The last segment stays whole: it is the head.
static const PgStatement STATE = {
    "trim_state",
    "SELECT coalesce((SELECT first_position FROM exchange.head), 1) - 1, "
    "coalesce((SELECT max(position) FROM exchange.trim), 0), "
    "EXISTS (SELECT FROM exchange.retelling WHERE NOT told) OR EXISTS (SELECT FROM exchange.judging WHERE NOT done)",
    0, NULL};
static const PgStatement SIZES = {
    "trim_sizes",
    "SELECT first_position, last_position, bytes::integer FROM exchange.segment_size WHERE first_position < $1 ORDER BY first_position DESC LIMIT 2000",
    1, NULL};
static const PgStatement BEHIND = {
    "trim_behind",
    "SELECT s.name, coalesce(p.acked, 0) FROM exchange.subscription s LEFT JOIN exchange.subscription_place p "
    "USING (subscription) WHERE s.state = 'active' AND coalesce(p.acked, 0) < $1 ORDER BY 2, 1",
    1, NULL};
// What exchange.trim_step() would take away: not what an open exception is about, nor the newest of each stream.
static const PgStatement COUNT = {
    "trim_count",
    "WITH newest AS MATERIALIZED (SELECT s.stream, (SELECT n.first_position FROM exchange.segment n "
    " WHERE n.stream = s.stream ORDER BY n.first_position DESC OFFSET 255 LIMIT 1) AS first FROM exchange.stream s), "
    "asked AS MATERIALIZED (SELECT DISTINCT (SELECT n.first_position FROM exchange.segment n "
    " WHERE n.first_position <= e.position ORDER BY n.first_position DESC LIMIT 1) AS first "
    " FROM exchange.exception e WHERE e.open AND e.position <= $1) "
    "SELECT count(*), coalesce(sum(z.bytes), 0)::bigint FROM exchange.segment_size z "
    "JOIN exchange.segment g USING (first_position) LEFT JOIN newest n USING (stream) "
    "WHERE z.last_position <= $1 AND first_position <= $1 AND (stream IS NULL OR first_position < n.first) "
    "AND first_position NOT IN (SELECT a.first FROM asked a)",
    1, NULL};
static const PgStatement DECLARE = {"trim_declare", "INSERT INTO exchange.trim (position) VALUES ($1)", 1, NULL};
static const PgStatement STEP = {"trim_step", "SELECT last, segments, bytes FROM exchange.trim_step($1)", 1, NULL};

typedef struct Trim {
    Pg *exchange;
    const char *older_than, *keep_bytes;
    bool dry_run, past_subscriptions;
    int64_t age_us, bytes;  // as asked for; 0: not
    int64_t limit, trimmed; // up to here it shall be trimmed, and is
    int64_t n_gone, n_bytes;
} Trim;

// "400d", "200G": a number and one of the letters, each of which stands for a factor.
static int read_amount(const char *option, const char *text, const char *letters, const int64_t *factors,
                       int64_t *ret) {
    char *end = NULL;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    const char *letter = *end ? strchr(letters, *end) : NULL;
    if (errno || *text < '0' || *text > '9' || n <= 0 || !letter || end[1] != '\0' ||
        __builtin_mul_overflow(n, factors[letter - letters], ret))
        return error_fail(ERROR_CONFIG, "--%s is a number with one of the letters %s, not \"%s\"", option, letters,
                          text);
    return 0;
}

static int run_with(Pg *exchange, const PgStatement *statement, int64_t value, PGresult **ret) {
    PgParams params = {0};
    pg_param_i64(&params, value);
    int r = pg_run(exchange, statement, &params, ret);
    pg_params_free(&params);
    return r;
}

// The newest segments that together hold no more than is to be kept; what is before them goes.
static int limit_by_bytes(Trim *trim) {
    int64_t before = INT64_MAX, held = 0;
    trim->limit = 0;
    for (;;) {
        RESULT rows = NULL;
        int r = run_with(trim->exchange, &SIZES, before, &rows);
        if (r < 0 || PQntuples(rows) == 0)
            return r;
        for (int row = 0; row < PQntuples(rows); row++) {
            before = pg_i64(rows, row, 0);
            held += pg_i64(rows, row, 2);
            if (held > trim->bytes) {
                trim->limit = pg_i64(rows, row, 1);
                return 0;
            }
        }
    }
}

static int limit_by_age(Trim *trim) {
    RESULT row = NULL;
    int r = run_with(trim->exchange, &BEFORE, clock_now_us(clock_system()) - trim->age_us, &row);
    if (r == 0)
        trim->limit = pg_i64(row, 0, 0);
    return r;
}

static int find_limit(Trim *trim) {
    RESULT state = NULL;
    int r = trim->age_us ? limit_by_age(trim) : limit_by_bytes(trim);
    if (r == 0)
        r = pg_run(trim->exchange, &STATE, NULL, &state);
    if (r < 0)
        return r;
    if (pg_bool(state, 0, 2))
        return error_fail(ERROR_CONFIG, "records are being told again or judged anew just now, which may need the log: "
                                        "nothing was done, say it again in a moment");
    if (trim->limit > pg_i64(state, 0, 0))
        trim->limit = pg_i64(state, 0, 0);
    trim->trimmed = pg_i64(state, 0, 1);
    return 0;
}

static int check_subscriptions(const Trim *trim) {
    RESULT behind = NULL;
    int r = run_with(trim->exchange, &BEHIND, trim->limit, &behind);
    int n = r == 0 ? PQntuples(behind) : 0;
    if (n == 0 || trim->past_subscriptions)
        return r;
    return error_fail(ERROR_CONFIG,
                      "%d active subscriptions have not received everything up to position %" PRId64 "; %s has up to "
                      "%" PRId64 ". Nothing was done: let them receive, disable them, or say --past-subscriptions",
                      n, trim->limit, pg_text(behind, 0, 0), pg_i64(behind, 0, 1));
}

static int say_first(const Trim *trim) {
    RESULT count = NULL;
    int r = run_with(trim->exchange, &COUNT, trim->limit, &count);
    if (r == 0)
        printf("would trim up to position %" PRId64 ": %" PRId64 " segments with %" PRId64 " bytes; nothing was done\n",
               trim->limit, pg_i64(count, 0, 0), pg_i64(count, 0, 1));
    return r;
}

// Under the log's lock, so that no broker sees less than it was told of.
static int declare(const Trim *trim) {
    char text[256];
    PolicyChange change = {0};
    int r = policy_begin(trim->exchange, &change.position);
    if (r == 0)
        r = run_with(trim->exchange, &DECLARE, trim->limit, NULL);
    if (r < 0)
        return r;
    snprintf(text, sizeof text, "log trimmed up to position %" PRId64 " (%s %s%s) by %s", trim->limit,
             trim->age_us ? "older than" : "beyond", trim->age_us ? trim->older_than : trim->keep_bytes,
             trim->past_subscriptions ? ", past subscriptions" : "", PQuser(pg_raw(trim->exchange)));
    change.text = text;
    return policy_commit(trim->exchange, &change);
}

static int take_away(Trim *trim) {
    Progress progress;
    int64_t after = 0;
    int r = 0;
    progress_begin(&progress);
    for (;;) {
        RESULT step = NULL;
        r = run_with(trim->exchange, &STEP, after, &step);
        if (r < 0 || pg_is_null(step, 0, 0))
            break;
        after = pg_i64(step, 0, 0);
        trim->n_gone += pg_i64(step, 0, 1);
        trim->n_bytes += pg_i64(step, 0, 2);
        progress_show(&progress, "trimmed", (uint64_t)trim->n_gone, "segments");
    }
    progress_end();
    return r;
}

static int trim_log(Desk *desk, Trim *trim) {
    int r = desk_exchange(desk, &trim->exchange);
    if (r == 0)
        r = find_limit(trim);
    bool more = r == 0 && trim->limit > trim->trimmed;
    if (more)
        r = check_subscriptions(trim);
    if (r < 0)
        return r;
    if (trim->dry_run)
        return say_first(trim);
    if (more)
        r = declare(trim);
    if (r == 0) // also what an earlier time began, or had to leave
        r = take_away(trim);
    if (r == 0)
        printf("trimmed up to position %" PRId64 ": %" PRId64 " segments with %" PRId64 " bytes; the log is kept from "
               "position %" PRId64 " on\n",
               more ? trim->limit : trim->trimmed, trim->n_gone, trim->n_bytes,
               (more ? trim->limit : trim->trimmed) + 1);
    return r;
}

int trim_run(Desk *desk, int argc, char **argv) {
    Trim trim = {0};
    int operand = 0;
    const Option options[] = {
        {"older-than", 0, OPTION_TEXT, "400d", "what was stored so many days (d) or hours (h) ago", &trim.older_than},
        {"keep-bytes", 0, OPTION_TEXT, "200G", "the newest so many bytes stay (K, M, G, T)", &trim.keep_bytes},
        {"past-subscriptions", 0, OPTION_FLAG, NULL, "also what active subscriptions have not received",
         &trim.past_subscriptions},
        {"dry-run", 0, OPTION_FLAG, NULL, "say what would go, and do nothing", &trim.dry_run},
        {0}};
    int r = desk_parse_noted(desk, options, NOTES, argc, argv, &operand);
    if (r != 0)
        return r < 0 ? r : 0;
    if (!trim.older_than == !trim.keep_bytes)
        return error_fail(ERROR_CONFIG, "log trim needs --older-than or --keep-bytes, one of them");
    if (trim.older_than)
        r = read_amount("older-than", trim.older_than, "dh", (const int64_t[]){DAY_US, DAY_US / 24}, &trim.age_us);
    else
        r = read_amount("keep-bytes", trim.keep_bytes, "KMGT", (const int64_t[]){1 << 10, 1 << 20, 1 << 30, 1LL << 40},
                        &trim.bytes);
    return r < 0 ? r : trim_log(desk, &trim);
}
