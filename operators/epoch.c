// SPDX-License-Identifier: Apache-2.0
//
// `dongbo epoch new`: asks for an epoch; the next broker that writes opens it. For a restore that the database itself
// cannot show (a copy put back under the same identity and timeline).
#include "operators/commands.h"
#include "operators/commits.h"
#include "operators/result.h"
#include "proto/base/clock.h"

#include <inttypes.h>
#include <stdio.h>

#define WAIT_MS 5000 // a broker that runs begins it at once
#define LOOK_MS 500  // should a notification be lost

static const PgStatement REQUEST = {
    "epoch_request", "INSERT INTO exchange.epoch_request (reason) VALUES ($1) RETURNING request", 1, NULL};
static const PgStatement BEGUN = {"epoch_begun",
                                  "SELECT epoch FROM exchange.epoch_request WHERE request = $1 AND epoch IS NOT NULL",
                                  1, (const Oid[]){OID_INT8}};

static int ask(Pg *exchange, const char *reason, int64_t *ret_request) {
    PgParams params = {0};
    RESULT made = NULL;
    pg_param_text(&params, reason);
    int r = pg_run(exchange, &REQUEST, &params, &made);
    pg_params_free(&params);
    if (r == 0)
        *ret_request = pg_i64(made, 0, 0);
    return r;
}

// 1 while no broker has begun it.
static int look(Pg *exchange, int64_t request) {
    PgParams params = {0};
    RESULT begun = NULL;
    pg_param_i64(&params, request);
    int r = pg_run(exchange, &BEGUN, &params, &begun);
    pg_params_free(&params);
    if (r < 0 || PQntuples(begun) == 0)
        return r < 0 ? r : 1;
    printf("epoch %" PRId32 " has begun: agents and committees may be started again\n", pg_i32(begun, 0, 0));
    return 0;
}

static int wait_for_broker(Pg *exchange, int64_t request) {
    const Clock *clock = clock_system();
    int64_t until_ms = clock_monotonic_ms(clock) + WAIT_MS, left_ms;
    int r;
    while ((r = look(exchange, request)) == 1 && (left_ms = until_ms - clock_monotonic_ms(clock)) > 0) {
        r = commits_wait(exchange, -1, left_ms < LOOK_MS ? (int)left_ms : LOOK_MS);
        if (r < 0)
            return r;
    }
    if (r == 1)
        printf("asked for, and no broker has begun it: the next one that starts does (see dongbo status)\n");
    return r < 0 ? r : 0;
}

int epoch_new(Desk *desk, int argc, char **argv) {
    const char *reason = NULL;
    bool no_wait = false;
    Pg *exchange = NULL;
    int64_t request = 0;
    int operand = 0;
    const Option options[] = {{"reason", 0, OPTION_TEXT, "TEXT", "what happened; it is logged", &reason},
                              {"no-wait", 0, OPTION_FLAG, NULL, "do not look whether a broker begins it", &no_wait},
                              {0}};
    static const char NOTES[] =
        "Before a broker is started: positions behind the backup were told to agents and committees, and are given out\n"
        "again. A broker begins an epoch by itself where the server is another, its timeline changed, or the log ends\n"
        "before where this broker had left it. deploy/RESTORE.md has the steps.\n";
    int r = desk_parse_noted(desk, options, NOTES, argc, argv, &operand);
    if (r != 0)
        return r < 0 ? r : 0;
    if (!reason || !*reason)
        return error_fail(ERROR_CONFIG, "epoch new needs --reason: it is logged, and subscribers' keepers read it");
    r = desk_exchange(desk, &exchange);
    if (r == 0)
        r = commits_listen(exchange); // before, so that nothing falls between
    if (r == 0)
        r = ask(exchange, reason, &request);
    if (r == 0 && no_wait)
        printf("asked for; the broker begins it with its next write (see dongbo status)\n");
    return r == 0 && !no_wait ? wait_for_broker(exchange, request) : r;
}
