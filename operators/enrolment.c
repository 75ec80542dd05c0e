// SPDX-License-Identifier: Apache-2.0
//
// See enrolment.h. A party has one token at a time: a newer one takes the place of those before.
#include "operators/enrolment.h"
#include "operators/result.h"
#include "operators/why.h"
#include "proto/enrolment.h"

#include <stdio.h>

#define HOURS 24
#define HOURS_MAX 168

static const PgStatement WITHDRAW = {
    "enrolment_withdraw",
    "WITH gone AS (UPDATE exchange.enrolment SET withdrawn_at = now() WHERE coalesce(agency, 0) = $1 AND "
    "coalesce(subscription, 0) = $2 AND used_at IS NULL AND withdrawn_at IS NULL AND expires_at > now() RETURNING 1) "
    "SELECT count(*) FROM gone",
    2, NULL};
static const PgStatement ADD = {"enrolment_add",
                                "INSERT INTO exchange.enrolment (agency, subscription, door_key, expires_at) VALUES "
                                "(nullif($1::integer, 0), nullif($2::integer, 0), $3, now() + make_interval(hours => "
                                "$4::integer))",
                                4, NULL};

typedef struct Enrolment {
    const PartyKind *kind;
    const char *name;
    int hours;
    bool withdraw; // only
    char token[ENROLMENT_TOKEN_BYTES];
    Keys door; // that follow from it
    PolicyChange policy;
} Enrolment;

static int withdraw(Pg *exchange, const Enrolment *enrolment, int64_t *ret_n) {
    PgParams params = {0};
    RESULT result = NULL;
    pg_param_i32(&params, enrolment->policy.agency);
    pg_param_i32(&params, enrolment->policy.subscription);
    int r = pg_run(exchange, &WITHDRAW, &params, &result);
    pg_params_free(&params);
    if (r == 0)
        *ret_n = pg_i64(result, 0, 0);
    return r;
}

static int add(Pg *exchange, const Enrolment *enrolment) {
    PgParams params = {0};
    pg_param_i32(&params, enrolment->policy.agency);
    pg_param_i32(&params, enrolment->policy.subscription);
    pg_param_bytes(&params, enrolment->door.curve_public, KEY_BYTES);
    pg_param_i32(&params, enrolment->hours);
    int r = pg_run(exchange, &ADD, &params, NULL);
    pg_params_free(&params);
    return r;
}

static int change(Desk *desk, Enrolment *enrolment, int64_t *ret_gone) {
    Pg *exchange = NULL;
    char text[256];
    int r = desk_exchange(desk, &exchange);
    if (r == 0)
        r = policy_begin(exchange, &enrolment->policy.position);
    if (r == 0)
        r = party_find(exchange, enrolment->kind, enrolment->name, &enrolment->policy);
    if (r == 0)
        r = withdraw(exchange, enrolment, ret_gone);
    if (r != 0)
        return r;
    if (enrolment->withdraw && *ret_gone == 0)
        return pg_command(exchange, "ROLLBACK");
    r = enrolment->withdraw ? 0 : add(exchange, enrolment);
    if (r < 0)
        return r;
    if (enrolment->withdraw)
        snprintf(text, sizeof text, "%s %s: its enrolment token is withdrawn", enrolment->kind->word, enrolment->name);
    else
        snprintf(text, sizeof text, "%s %s: a token to enrol by, for %d hours", enrolment->kind->word, enrolment->name,
                 enrolment->hours);
    enrolment->policy.text = text;
    return policy_commit(exchange, &enrolment->policy);
}

static void tell(const Enrolment *enrolment, int64_t gone) {
    if (enrolment->withdraw) {
        printf("%s\n", gone ? "its token is withdrawn" : "it has no token that holds");
        return;
    }
    printf("%s\n", enrolment->token);
    fprintf(stderr,
            "%sIt is shown this once, and good for one enrolment within %d hours. Give it to %s %s by a way that\n"
            "nobody else listens to, with the exchange's public key file and the address of its enrolment door:\n"
            "    dongbo-agent enrol --token - --broker broker.pub --endpoint tcp://... --keys FILE\n",
            gone ? "An earlier token does not hold any more. " : "", enrolment->hours, enrolment->kind->word,
            enrolment->name);
}

int enrolment_make(Desk *desk, int argc, char **argv, const PartyKind *kind) {
    Enrolment enrolment = {.kind = kind, .hours = HOURS};
    int operand = 0;
    int64_t gone = 0;
    const Option options[] = {
        {"hours", 0, OPTION_INT, "N", "how long it holds, 168 at most; default 24", &enrolment.hours},
        {"withdraw", 0, OPTION_FLAG, NULL, "make none, and let the one that is out hold no more", &enrolment.withdraw},
        DESK_WHY(desk),
        {0}};
    int r = desk_parse(desk, options, argc, argv, &operand);
    if (r != 0)
        return r < 0 ? r : 0;
    if (enrolment.hours < 1 || enrolment.hours > HOURS_MAX)
        return error_fail(ERROR_CONFIG, "--hours: %d, should be 1 to %d", enrolment.hours, HOURS_MAX);
    enrolment.name = argv[operand];
    r = why_find(desk);
    enrolment.policy.why = desk->why;
    if (r == 0)
        r = enrolment_token_new(enrolment.token);
    if (r == 0)
        r = enrolment_token_keys(enrolment.token, &enrolment.door);
    if (r == 0)
        r = change(desk, &enrolment, &gone);
    keys_wipe(&enrolment.door);
    if (r == 0)
        tell(&enrolment, gone);
    return r;
}
