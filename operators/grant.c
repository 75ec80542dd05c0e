// SPDX-License-Identifier: Apache-2.0
//
// Whatever is read before the lock is held against what stands under it by the version's number alone: a version that
// somebody else wrote meanwhile is a refusal, never overwritten.
#include "operators/grant.h"
#include "operators/party_key.h"
#include "operators/result.h"
#include "proto/base/clock.h"

#include <string.h>

static const PgStatement ADD = {"subscription_add",
                                "INSERT INTO exchange.subscription (name, subscriber) VALUES ($1, $2) "
                                "ON CONFLICT (name) DO NOTHING RETURNING subscription",
                                2, NULL};
static const PgStatement LATEST = {
    "subscription_latest",
    "SELECT s.subscription, s.name, s.subscriber, s.state, " RIGHTS_ROW " FROM exchange.subscription s "
    "JOIN exchange.subscription_policy p USING (subscription) WHERE s.name = $1 ORDER BY p.version DESC LIMIT 1",
    1, NULL};
enum { SUBSCRIPTION, NAME, SUBSCRIBER, STATE, RIGHTS };
static const PgStatement RENAME = {"subscription_rename",
                                   "UPDATE exchange.subscription SET subscriber = $2 WHERE subscription = $1", 2, NULL};

int grant_find(Pg *exchange, const char *name, Grant *ret) {
    PgParams params = {0};
    RESULT result = NULL;
    *ret = (Grant){0};
    pg_param_text(&params, name);
    int r = pg_run(exchange, &LATEST, &params, &result);
    pg_params_free(&params);
    if (r < 0 || PQntuples(result) == 0)
        return r;
    ret->subscription = pg_i32(result, 0, SUBSCRIPTION);
    rights_set(ret->name, sizeof ret->name, pg_text(result, 0, NAME));
    rights_set(ret->subscriber, sizeof ret->subscriber, pg_text(result, 0, SUBSCRIBER));
    rights_set(ret->state, sizeof ret->state, pg_text(result, 0, STATE));
    return rights_read(result, 0, RIGHTS, &ret->rights);
}

static int insert_subscription(Pg *exchange, const Grant *grant, int32_t *ret_subscription) {
    PgParams params = {0};
    RESULT result = NULL;
    pg_param_text(&params, grant->name);
    pg_param_text(&params, grant->subscriber);
    int r = pg_run(exchange, &ADD, &params, &result);
    pg_params_free(&params);
    if (r < 0)
        return r;
    if (PQntuples(result) == 0)
        return error_fail(ERROR_CONFIG, "there is a subscription %s already; see dongbo subscription list",
                          grant->name);
    *ret_subscription = pg_i32(result, 0, 0);
    return 0;
}

static int insert(const void *self, Pg *exchange, PolicyChange *change) {
    const Grant *grant = self;
    int r = insert_subscription(exchange, grant, &change->subscription);
    return r < 0 ? r : rights_insert(exchange, &grant->rights, change, grant->name);
}

int grant_add(Desk *desk, const Grant *grant, const char *key, int64_t *ret_position) {
    const PartyAddition party = {&GRANT_PARTY, grant->name, key, insert, grant};
    return party_add(desk, &party, ret_position);
}

static int rename_holder(Pg *exchange, const Grant *was, const Grant *now) {
    PgParams params = {0};
    if (strcmp(was->subscriber, now->subscriber) == 0)
        return 0;
    pg_param_i32(&params, was->subscription);
    pg_param_text(&params, now->subscriber);
    int r = pg_run(exchange, &RENAME, &params, NULL);
    pg_params_free(&params);
    return r;
}

int grant_change(Pg *exchange, const Grant *was, const Grant *now, int64_t *ret_position) {
    char text[256];
    PolicyChange change = {.subscription = was->subscription, .why = now->why};
    bool differ = rights_compare(&was->rights, &now->rights, NULL) > 0;
    int r = policy_begin(exchange, &change.position);
    if (r == 0 && differ)
        r = rights_insert(exchange, &now->rights, &change, was->name);
    if (r == 0)
        r = rename_holder(exchange, was, now);
    if (r < 0)
        return r;
    if (differ)
        snprintf(text, sizeof text, "subscription %s: version %d of its rights", was->name,
                 (int)now->rights.policy.version);
    else
        snprintf(text, sizeof text, "subscription %s: its holder has another name", was->name);
    change.text = text;
    *ret_position = change.position;
    return policy_commit(exchange, &change);
}
