// SPDX-License-Identifier: Apache-2.0
//
// `dongbo epoch new`: asks for an epoch; the next broker that writes opens it. For a restore that the database itself
// cannot show (a copy put back under the same identity and timeline).
#include "operators/commands.h"
#include "operators/result.h"

#include <stdio.h>

static const PgStatement REQUEST = {"epoch_request", "INSERT INTO exchange.epoch_request (reason) VALUES ($1)", 1,
                                    NULL};

int epoch_new(Desk *desk, int argc, char **argv) {
    const char *reason = NULL;
    Pg *exchange = NULL;
    int operand = 0;
    const Option options[] = {{"reason", 0, OPTION_TEXT, "TEXT", "what happened; it is logged", &reason}, {0}};
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
    if (r < 0)
        return r;
    PgParams params = {0};
    pg_param_text(&params, reason);
    r = pg_run(exchange, &REQUEST, &params, NULL);
    pg_params_free(&params);
    if (r == 0)
        printf("asked for; the broker opens the epoch with its next write (see dongbo status)\n");
    return r;
}
