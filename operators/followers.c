// SPDX-License-Identifier: Apache-2.0
//
// `dongbo subscription followed`: how many persons a subscription follows, and whom, by the numbers that its subscriber
// gave. The list is the subscriber's own to change (dongbo-agent follow), so here it is only looked at, and masked.
#include "operators/commands.h"
#include "operators/result.h"
#include "proto/base/text.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define PAGE_ROWS 1000

static const char NOTES[] =
    "What waits is asked for, and holds as soon as a broker has carried it out. Numbers are those that the subscriber\n"
    "gave, masked. --json prints one object with the counts, and with --list one for each person behind it.\n";

static const PgStatement COUNT = {
    "followers_count",
    "SELECT s.subscription, coalesce(c.followed, 0), coalesce(a.asked, 0) - coalesce(c.done, 0), "
    "coalesce((SELECT p.followed_only FROM exchange.subscription_policy p WHERE p.subscription = s.subscription "
    "ORDER BY p.version DESC LIMIT 1), false) FROM exchange.subscription s "
    "LEFT JOIN exchange.follow_count c ON c.subscription = s.subscription "
    "LEFT JOIN exchange.follow_asked a ON a.subscription = s.subscription WHERE s.name = $1",
    1, NULL};
static const PgStatement LIST = {
    "followers_list",
    "SELECT f.number, f.person, f.from_position FROM exchange.followed f WHERE f.subscription = $1 "
    "AND f.to_position IS NULL AND (f.number, f.person) > ($2, $3) ORDER BY f.number, f.person LIMIT 1000",
    3, NULL};
_Static_assert(PAGE_ROWS == 1000, "LIMIT above");

typedef struct Followers {
    Pg *exchange;
    int32_t subscription;
    int64_t followed, waiting;
    bool followed_only, list, json;
} Followers;

static int read_count(Followers *followers, const char *name) {
    RESULT rows = NULL;
    PgParams params = {0};
    pg_param_text(&params, name);
    int r = pg_run(followers->exchange, &COUNT, &params, &rows);
    pg_params_free(&params);
    if (r < 0)
        return r;
    if (PQntuples(rows) == 0)
        return error_fail(ERROR_CONFIG, "there is no subscription \"%s\": dongbo subscription list shows them", name);
    followers->subscription = pg_i32(rows, 0, 0);
    followers->followed = pg_i64(rows, 0, 1);
    followers->waiting = pg_i64(rows, 0, 2);
    followers->followed_only = pg_bool(rows, 0, 3);
    return 0;
}

static void print_count(const Followers *followers, const char *name) {
    if (!followers->json) {
        printf("subscription %s follows %" PRId64 " persons, %" PRId64 " changes wait%s\n", name, followers->followed,
               followers->waiting,
               followers->followed_only ? "" : "; its rights are not bound to them (--followed-only)");
        return;
    }
    json_t *object =
        json_pack("{s:s, s:I, s:I, s:b}", "subscription", name, "followed", (json_int_t)followers->followed, "waiting",
                  (json_int_t)followers->waiting, "followed_only", followers->followed_only);
    json_dumpf(object, stdout, JSON_COMPACT);
    printf("\n");
    json_decref(object);
}

static void print_row(const Followers *followers, const PGresult *rows, int row) {
    char masked[TEXT_MASK_BYTES];
    text_mask_number(pg_text(rows, row, 0), masked);
    if (followers->json)
        printf("{\"citizen\":\"%s\",\"since\":%" PRId64 "}\n", masked, pg_i64(rows, row, 2));
    else
        printf("%s  since position %" PRId64 "\n", masked, pg_i64(rows, row, 2));
}

static int print_list(const Followers *followers) {
    char number[64] = "";
    int64_t person = 0;
    for (int n = PAGE_ROWS; n == PAGE_ROWS;) {
        RESULT rows = NULL;
        PgParams params = {0};
        pg_param_i32(&params, followers->subscription);
        pg_param_text(&params, number);
        pg_param_i64(&params, person);
        int r = pg_run(followers->exchange, &LIST, &params, &rows);
        pg_params_free(&params);
        if (r < 0)
            return r;
        n = PQntuples(rows);
        for (int row = 0; row < n; row++)
            print_row(followers, rows, row);
        if (n > 0) {
            snprintf(number, sizeof number, "%s", pg_text(rows, n - 1, 0));
            person = pg_i64(rows, n - 1, 1);
        }
    }
    return 0;
}

int followers_run(Desk *desk, int argc, char **argv) {
    Followers followers = {0};
    int operand = 0;
    const Option options[] = {{"list", 0, OPTION_FLAG, NULL, "whom, too, by masked numbers", &followers.list},
                              {"json", 0, OPTION_FLAG, NULL, "JSON, an object a line", &followers.json},
                              {0}};
    int r = desk_parse_noted(desk, options, NOTES, argc, argv, &operand);
    if (r != 0)
        return r < 0 ? r : 0;
    r = desk_exchange(desk, &followers.exchange);
    if (r == 0)
        r = read_count(&followers, argv[operand]);
    if (r < 0)
        return r;
    print_count(&followers, argv[operand]);
    return followers.list ? print_list(&followers) : 0;
}
