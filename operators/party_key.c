// SPDX-License-Identifier: Apache-2.0
//
// See party_key.h. Brokers follow by the tables' own notification.
#include "operators/party_key.h"
#include "operators/result.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/keys.h"

#include <stdio.h>
#include <string.h>

// Both keys of a file were added by one transaction, and so at one time.
static const PgStatement REVOKE = {
    "party_key_revoke",
    "WITH named AS (SELECT valid_from FROM exchange.key WHERE coalesce(agency, 0) = $1 AND "
    "coalesce(subscription, 0) = $2 AND purpose = 'ed25519' AND encode(substr(sha256(key), 1, 8), 'hex') = $3), "
    "gone AS (UPDATE exchange.key k SET revoked_at = now() FROM named WHERE coalesce(k.agency, 0) = $1 AND "
    "coalesce(k.subscription, 0) = $2 AND k.revoked_at IS NULL AND (k.valid_from = named.valid_from OR k.key = $4) "
    "RETURNING k.key) "
    "SELECT (SELECT count(*) FROM named), (SELECT count(*) FROM gone), (SELECT count(*) FROM exchange.key k "
    "WHERE coalesce(k.agency, 0) = $1 AND coalesce(k.subscription, 0) = $2 AND k.purpose = 'curve' AND "
    "k.revoked_at IS NULL AND coalesce(k.valid_to > now(), true) AND k.key NOT IN (SELECT key FROM gone))",
    4, NULL};

// ---- list

static json_t *key_json(const PGresult *result, int row) {
    char added[CLOCK_TEXT_BYTES], revoked[CLOCK_TEXT_BYTES];
    bool valid = pg_is_null(result, row, 3);
    clock_format_us(pg_us(result, row, 2), added);
    if (!valid)
        clock_format_us(pg_us(result, row, 3), revoked);
    return json_pack("{s:s, s:s, s:s, s:s, s:s?}", "party", pg_text(result, row, 0), "key_id", pg_text(result, row, 1),
                     "state", valid ? "valid" : "revoked", "added", added, "revoked", valid ? NULL : revoked);
}

static int key_row(const PGresult *result, int row, Columns *columns) {
    char added[CLOCK_TEXT_BYTES], revoked[CLOCK_TEXT_BYTES] = "";
    bool valid = pg_is_null(result, row, 3);
    clock_format_us(pg_us(result, row, 2), added);
    if (!valid)
        clock_format_us(pg_us(result, row, 3), revoked);
    columns_add(columns, (const char *[]){pg_text(result, row, 0), pg_text(result, row, 1), valid ? "valid" : "revoked",
                                          added, revoked});
    return 0;
}

int party_key_list(Desk *desk, int argc, char **argv, const PartyKind *kind) {
    static const char *const headings[] = {"PARTY", "KEY ID", "STATE", "ADDED", "REVOKED"};
    const PartyKind keys = {.word = kind->word,
                            .list = kind->keys,
                            .headings = headings,
                            .n_headings = 5,
                            .row = key_row,
                            .json = key_json};
    return party_list(desk, argc, argv, &keys);
}

// ---- add and revoke

typedef struct KeyChange {
    const PartyKind *kind;
    const char *name;
    Keys keys; // all 0 where only the id was given
    char id[KEY_ID_TEXT_BYTES];
    PolicyChange policy;
} KeyChange;

static bool is_key_id(const char *text) {
    return strlen(text) == KEY_ID_TEXT_BYTES - 1 && strspn(text, "0123456789abcdef") == KEY_ID_TEXT_BYTES - 1;
}

// What stands on the command line, and the file, before a session is opened: a file may keep us waiting.
static int read_words(KeyChange *change, char **words, bool takes_id) {
    change->name = words[0];
    if (takes_id && is_key_id(words[1])) {
        snprintf(change->id, sizeof change->id, "%s", words[1]);
        return 0;
    }
    int r = keys_load(words[1], &change->keys);
    if (r == 0)
        keys_id(change->keys.sign_public, change->id);
    return r;
}

// 1, and said, when there is no such party.
static int begin(Desk *desk, KeyChange *change, Pg **ret_exchange) {
    int r = desk_exchange(desk, ret_exchange);
    if (r == 0)
        r = policy_begin(*ret_exchange, &change->policy.position);
    return r < 0 ? r : party_find(*ret_exchange, change->kind, change->name, &change->policy);
}

static int commit(Pg *exchange, KeyChange *change, const char *done) {
    char text[256];
    snprintf(text, sizeof text, "%s %s: key %s %s", change->kind->word, change->name, change->id, done);
    change->policy.text = text;
    int r = policy_commit(exchange, &change->policy);
    if (r == 0)
        printf("%s, from position %lld on\n", text, (long long)change->policy.position);
    return r;
}

int party_key_add(Desk *desk, int argc, char **argv, const PartyKind *kind) {
    KeyChange change = {.kind = kind};
    Pg *exchange = NULL;
    int operand = 0;
    int r = desk_parse(desk, NULL, argc, argv, &operand);
    if (r != 0)
        return r < 0 ? r : 0;
    r = read_words(&change, argv + operand, false);
    if (r == 0)
        r = begin(desk, &change, &exchange);
    if (r == 0)
        r = policy_add_keys(exchange, &change.keys, &change.policy);
    keys_wipe(&change.keys);
    return r != 0 ? r : commit(exchange, &change, "added");
}

static int revoke(Pg *exchange, const KeyChange *change, PGresult **ret) {
    PgParams params = {0};
    pg_param_i32(&params, change->policy.agency);
    pg_param_i32(&params, change->policy.subscription);
    pg_param_text(&params, change->id);
    pg_param_bytes(&params, change->keys.curve_public, KEY_BYTES);
    int r = pg_run(exchange, &REVOKE, &params, ret);
    pg_params_free(&params);
    return r;
}

int party_key_revoke(Desk *desk, int argc, char **argv, const PartyKind *kind) {
    KeyChange change = {.kind = kind};
    Pg *exchange = NULL;
    RESULT result = NULL;
    int operand = 0;
    int r = desk_parse(desk, NULL, argc, argv, &operand);
    if (r != 0)
        return r < 0 ? r : 0;
    r = read_words(&change, argv + operand, true);
    if (r == 0)
        r = begin(desk, &change, &exchange);
    if (r == 0)
        r = revoke(exchange, &change, &result);
    keys_wipe(&change.keys);
    if (r != 0)
        return r;
    if (pg_i64(result, 0, 0) == 0) {
        log_error("%s %s has no key %s; see dongbo %s key list", kind->word, change.name, change.id, kind->word);
        return 1;
    }
    if (pg_i64(result, 0, 1) == 0) {
        printf("%s %s: key %s is revoked already\n", kind->word, change.name, change.id);
        return pg_command(exchange, "ROLLBACK");
    }
    bool last = pg_i64(result, 0, 2) == 0;
    r = commit(exchange, &change, "revoked");
    if (r == 0 && last)
        printf("it was the last one: %s is not let in until a key is added\n", change.name);
    return r;
}
