// SPDX-License-Identifier: Apache-2.0
//
// `dongbo review claim`, `release` and `next`. Who claims is the session's own role: it is asked of nobody.
#include "operators/review_claim.h"
#include "operators/commands.h"
#include "operators/refusal.h"
#include "operators/result.h"
#include "operators/review.h"
#include "operators/review_queue.h"
#include "operators/why.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"

#include <inttypes.h>
#include <stdio.h>

#define MINUTES_MAX 1440

static const PgStatement CLAIM = {"review_claim", "SELECT exchange.review_claim($1, $2)", 2, NULL};
static const PgStatement HOLDER = {
    "review_holder",
    "SELECT officer, until FROM exchange.review_claim WHERE review_case = $1 AND until > now() AND officer <> session_user",
    1, NULL};
static const PgStatement RELEASE = {"review_release", "SELECT exchange.review_release($1)", 1, NULL};

// 1, logged: another officer has it. The database says the same, but with the time of another zone than everything else
// here.
static int check(Pg *exchange, int64_t number) {
    PgParams params = {0};
    RESULT holder = NULL;
    pg_param_i64(&params, number);
    int r = pg_run(exchange, &HOLDER, &params, &holder);
    pg_params_free(&params);
    if (r < 0 || PQntuples(holder) == 0)
        return r;
    char until[CLOCK_TEXT_BYTES];
    clock_format_us(pg_us(holder, 0, 1), until);
    log_error("case %" PRId64 " is held by %s until %.19sZ", number, pg_text(holder, 0, 0), until);
    return 1;
}

// ERROR_DATABASE, also where the database refuses it (refusal.h).
static int take(Pg *exchange, int64_t number, long long minutes, int64_t *ret_until_us) {
    PgParams params = {0};
    RESULT taken = NULL;
    pg_param_i64(&params, number);
    pg_param_i32(&params, minutes < 1 || minutes > INT32_MAX ? 0 : (int32_t)minutes); // 0 is refused by the database
    int r = pg_run(exchange, &CLAIM, &params, &taken);
    pg_params_free(&params);
    if (r == 0)
        *ret_until_us = pg_us(taken, 0, 0);
    return r;
}

int review_claim_ask(Pg *exchange, int64_t number, long long minutes, int64_t *ret_until_us) {
    int r = check(exchange, number);
    return r == 0 ? refusal_tell(exchange, take(exchange, number, minutes, ret_until_us)) : r;
}

static void print_claim(int64_t number, int64_t until_us) {
    char until[CLOCK_TEXT_BYTES];
    clock_format_us(until_us, until);
    printf("case %" PRId64 " is yours until %.19sZ\n", number, until);
}

static int claim_one(Pg *exchange, const char *operand, long long minutes) {
    int64_t number = 0, until_us = 0;
    int r = review_number(operand, &number);
    if (r == 0)
        r = review_claim_ask(exchange, number, minutes, &until_us);
    if (r == 0)
        print_claim(number, until_us);
    return r;
}

// All of them, before anything is done with the first.
static int check_numbers(int n, char *const *operands) {
    int64_t number = 0;
    int r = 0;
    for (int i = 0; r == 0 && i < n; i++)
        r = review_number(operands[i], &number);
    return r;
}

static int check_minutes(long long minutes) {
    return minutes >= 1 && minutes <= MINUTES_MAX ? 0 : error_fail(ERROR_CONFIG, "--minutes is 1 to %d", MINUTES_MAX);
}

int review_claim(Desk *desk, int argc, char **argv) {
    long long minutes = REVIEW_CLAIM_MINUTES;
    Pg *exchange = NULL;
    int operand = 0, refused = 0;
    const Option options[] = {{"minutes", 0, OPTION_INT, "N", "for so long; default 15", &minutes}, {0}};
    int r = desk_parse(desk, options, argc, argv, &operand);
    if (r != 0)
        return r < 0 ? r : 0;
    r = check_minutes(minutes);
    if (r == 0)
        r = check_numbers(argc - operand, argv + operand);
    if (r == 0)
        r = desk_exchange(desk, &exchange);
    for (int i = operand; r >= 0 && i < argc; i++) {
        r = claim_one(exchange, argv[i], minutes);
        refused += r > 0;
    }
    return r < 0 ? r : refused > 0;
}

static int release_one(Pg *exchange, const char *operand) {
    PgParams params = {0};
    RESULT released = NULL;
    int64_t number = 0;
    int r = review_number(operand, &number);
    pg_param_i64(&params, number);
    if (r == 0)
        r = pg_run(exchange, &RELEASE, &params, &released);
    pg_params_free(&params);
    if (r < 0)
        return r;
    if (!pg_bool(released, 0, 0)) {
        log_error("case %" PRId64 " is not claimed by you", number);
        return 1;
    }
    printf("case %" PRId64 " is anybody's\n", number);
    return 0;
}

int review_release(Desk *desk, int argc, char **argv) {
    Pg *exchange = NULL;
    int operand = 0, refused = 0;
    int r = desk_parse(desk, NULL, argc, argv, &operand);
    if (r != 0)
        return r < 0 ? r : 0;
    r = check_numbers(argc - operand, argv + operand);
    if (r == 0)
        r = desk_exchange(desk, &exchange);
    for (int i = operand; r >= 0 && i < argc; i++) {
        r = release_one(exchange, argv[i]);
        refused += r > 0;
    }
    return r < 0 ? r : refused > 0;
}

// The first that nobody else was faster to take. 1: none.
static int take_next(Pg *exchange, ReviewQueue *queue, long long minutes, int64_t *ret) {
    ReviewQueueCase one;
    int64_t until_us = 0;
    int r;
    while ((r = review_queue_next(queue, &one)) == 0) {
        r = refusal_of(exchange, take(exchange, one.number, minutes, &until_us));
        *ret = one.number;
        if (r <= 0)
            return r;
    }
    return r < 0 ? r : 1;
}

typedef struct Asked {
    ReviewFilter filter;
    ReviewShow show;
    long long minutes;
} Asked;

static int show_next(Desk *desk, const Asked *asked) {
    CLEANUP(names_destroy) Names *names = NULL;
    CLEANUP(review_queue_destroy) ReviewQueue *queue = NULL;
    Pg *exchange = NULL;
    int64_t number = 0;
    int r = desk_exchange(desk, &exchange);
    if (r == 0)
        r = names_read(&names, exchange);
    if (r == 0)
        r = review_queue_new(&queue, exchange, names, &asked->filter);
    if (r == 0)
        r = take_next(exchange, queue, asked->minutes, &number);
    if (r == 1)
        log_error("of the cases asked for none is open and free");
    return r == 0 ? review_print(desk, number, &asked->show) : r;
}

int review_claim_next(Desk *desk, const ReviewShow *show) {
    const Asked asked = {.filter.unclaimed = true, .show = *show, .minutes = REVIEW_CLAIM_MINUTES};
    return show_next(desk, &asked);
}

int review_next(Desk *desk, int argc, char **argv) {
    Asked asked = {.filter.unclaimed = true, .minutes = REVIEW_CLAIM_MINUTES};
    ReviewFilter *filter = &asked.filter;
    int operand = 0;
    const Option options[] = {
        {"agency", 0, OPTION_TEXT, "CODE", "of this agency", &filter->agency_code},
        {"domain", 0, OPTION_TEXT, "DOMAIN", "of this domain", &filter->domain_name},
        {"reason", 0, OPTION_TEXT, "REASON", "with this reason (dongbo reasons)", &filter->reason_name},
        {"likely", 0, OPTION_FLAG, NULL, "where the person meant is known beyond doubt", &filter->likely},
        {"newest", 0, OPTION_FLAG, NULL, "the newest, instead of the oldest", &filter->newest},
        {"after", 0, OPTION_INT, "CASE", "behind this one", &filter->after},
        {"minutes", 0, OPTION_INT, "N", "claimed for so long; default 15", &asked.minutes},
        {"unmask", 0, OPTION_FLAG, NULL, "show numbers, names and dates; this is noted", &asked.show.unmask},
        DESK_WHY(desk),
        {"json", 0, OPTION_FLAG, NULL, "one JSON object", &asked.show.json},
        {0}};
    int r = desk_parse(desk, options, argc, argv, &operand);
    if (r != 0)
        return r < 0 ? r : 0;
    r = check_minutes(asked.minutes);
    if (r == 0 && asked.show.unmask)
        r = why_find(desk);
    return r < 0 ? r : show_next(desk, &asked);
}
