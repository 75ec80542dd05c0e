// SPDX-License-Identifier: Apache-2.0
//
// See party_key.h. Keys are ended by a function of the database, which leaves the entry; brokers follow by the tables'
// own notification.
#include "operators/party_key.h"
#include "operators/result.h"
#include "operators/why.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/keys.h"

#include <stdio.h>
#include <string.h>

#define RETIRE_DAYS 7 // that a key still holds, where nothing else is said
#define DAY_US (86400LL * 1000000)

static const PgStatement END = {"party_key_end",
                                "SELECT * FROM exchange.key_end(nullif($1::integer, 0), nullif($2::integer, 0), "
                                "$3::text[], nullif($4::text, ''), $5::timestamptz, $6::text)",
                                6, NULL};
enum { END_NAMED, END_CHANGED, END_TRANSPORTS, END_POSITION, END_SAID };
enum { NAME, SIGNING, SIGNING_STATE, TRANSPORT, TRANSPORT_STATE, ADDED, UNTIL, REVOKED, ADDED_BY };

// ---- list

static const char *time_of(const PGresult *result, int row, int column, char out[CLOCK_TEXT_BYTES]) {
    if (pg_is_null(result, row, column))
        return NULL;
    clock_format_us(pg_us(result, row, column), out);
    return out;
}

static const char *text_of(const PGresult *result, int row, int column) {
    return pg_is_null(result, row, column) ? NULL : pg_text(result, row, column);
}

// Of the signing key, where there is one.
static const char *state_of(const PGresult *result, int row) {
    return text_of(result, row, pg_is_null(result, row, SIGNING) ? TRANSPORT_STATE : SIGNING_STATE);
}

static json_t *key_json(const PGresult *result, int row) {
    char added[CLOCK_TEXT_BYTES], revoked[CLOCK_TEXT_BYTES], until[CLOCK_TEXT_BYTES];
    return json_pack("{s:s, s:s?, s:s, s:s?, s:s?, s:s, s:s, s:s?, s:s?}", "party", pg_text(result, row, NAME),
                     "key_id", text_of(result, row, SIGNING), "state", state_of(result, row), "transport_id",
                     text_of(result, row, TRANSPORT), "transport_state", text_of(result, row, TRANSPORT_STATE), "added",
                     time_of(result, row, ADDED, added), "added_by", pg_text(result, row, ADDED_BY), "until",
                     time_of(result, row, UNTIL, until), "revoked", time_of(result, row, REVOKED, revoked));
}

static int key_row(const PGresult *result, int row, Columns *columns) {
    char added[CLOCK_TEXT_BYTES], ended[CLOCK_TEXT_BYTES];
    const char *end = time_of(result, row, REVOKED, ended);
    if (!end)
        end = time_of(result, row, UNTIL, ended);
    const char *cells[] = {pg_text(result, row, NAME),
                           text_of(result, row, SIGNING),
                           text_of(result, row, SIGNING_STATE),
                           text_of(result, row, TRANSPORT),
                           text_of(result, row, TRANSPORT_STATE),
                           time_of(result, row, ADDED, added),
                           end};
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++)
        cells[i] = cells[i] ? cells[i] : "-";
    columns_add(columns, cells);
    return 0;
}

int party_key_list(Desk *desk, int argc, char **argv, const PartyKind *kind) {
    static const char *const headings[] = {"PARTY", "KEY ID", "SIGNING", "TRANSPORT ID", "TRANSPORT", "ADDED", "UNTIL"};
    const PartyKind keys = {.word = kind->word,
                            .list = kind->keys,
                            .headings = headings,
                            .n_headings = 7,
                            .row = key_row,
                            .json = key_json};
    return party_list(desk, argc, argv, &keys);
}

// ---- what to change

typedef struct KeyChange {
    const PartyKind *kind;
    const char *name;
    const char *only;  // "transport", "signing" or NULL: both
    const char *until; // NULL: not said
    Keys keys;         // public halves; all 0 where only the id was given
    char id[KEY_ID_TEXT_BYTES], transport[KEY_ID_TEXT_BYTES];
    KeyChoice choice;
    PolicyChange policy;
} KeyChange;

#define ONLY_OPTION(change)                                                                                            \
    { "only", 0, OPTION_TEXT, "transport|signing", "one key of the two", &(change).only }

static bool is_key_id(const char *text) {
    return strlen(text) == KEY_ID_TEXT_BYTES - 1 && strspn(text, "0123456789abcdef") == KEY_ID_TEXT_BYTES - 1;
}

static int read_choice(KeyChange *change) {
    if (!change->only)
        return 0;
    change->choice = strcmp(change->only, "transport") == 0 ? KEY_TRANSPORT : KEY_SIGNING;
    if (change->choice == KEY_SIGNING && strcmp(change->only, "signing") != 0)
        return error_fail(ERROR_CONFIG, "--only: \"%s\" is neither transport nor signing", change->only);
    return 0;
}

// What stands on the command line, and the file, before a session is opened: a file may keep us waiting.
static int read_words(KeyChange *change, char **words, bool takes_id) {
    change->name = words[0];
    int r = read_choice(change);
    if (r == 0 && takes_id && is_key_id(words[1])) {
        snprintf(change->id, sizeof change->id, "%s", words[1]);
        return 0;
    }
    if (r == 0)
        r = takes_id ? keys_load_public(words[1], &change->keys, NULL) : keys_load_given(words[1], &change->keys);
    if (r < 0)
        return r;
    keys_id(change->keys.sign_public, change->id);
    keys_id(change->keys.curve_public, change->transport);
    return 0;
}

// 1, and said, when there is no such party.
static int begin(Desk *desk, KeyChange *change, Pg **ret_exchange) {
    int r = desk_exchange(desk, ret_exchange);
    if (r == 0)
        r = policy_begin(*ret_exchange, &change->policy.position);
    return r < 0 ? r : party_find(*ret_exchange, change->kind, change->name, &change->policy);
}

// ---- add

static const char *kind_of(KeyChoice choice) {
    return choice == KEY_TRANSPORT ? "transport " : choice == KEY_SIGNING ? "signing " : "";
}

static int commit(Pg *exchange, KeyChange *change) {
    char text[256];
    snprintf(text, sizeof text, "%s %s: %skey %s added", change->kind->word, change->name, kind_of(change->choice),
             change->choice == KEY_TRANSPORT ? change->transport : change->id);
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
    const Option options[] = {ONLY_OPTION(change), DESK_WHY(desk), {0}};
    int r = desk_parse(desk, options, argc, argv, &operand);
    if (r != 0)
        return r < 0 ? r : 0;
    r = why_find(desk);
    change.policy.why = desk->why;
    if (r == 0)
        r = read_words(&change, argv + operand, false);
    if (r == 0)
        r = begin(desk, &change, &exchange);
    if (r == 0)
        r = policy_add_keys(exchange, &change.keys, change.choice, &change.policy);
    if (r == 0)
        r = commit(exchange, &change);
    if (r == 0)
        party_tell_keys(&change.keys);
    return r;
}

// ---- retire and revoke

static int end_keys(Pg *exchange, const KeyChange *change, int64_t until_us, PGresult **ret) {
    static const char *const purposes[] = {[KEY_BOTH] = "", [KEY_TRANSPORT] = "curve", [KEY_SIGNING] = "ed25519"};
    PgParams params = {0};
    bool has_file = change->transport[0] != 0;
    pg_param_i32(&params, change->policy.agency);
    pg_param_i32(&params, change->policy.subscription);
    pg_param_array_begin(&params, OID_TEXT, has_file ? 2 : 1);
    pg_array_text(&params, change->id, strlen(change->id));
    if (has_file)
        pg_array_text(&params, change->transport, strlen(change->transport));
    pg_param_text(&params, purposes[change->choice]);
    if (until_us)
        pg_param_us(&params, until_us);
    else
        pg_param_null(&params);
    pg_param_text(&params, change->policy.why ? change->policy.why : "");
    int r = pg_run(exchange, &END, &params, ret);
    pg_params_free(&params);
    return r;
}

// The whole change; until_us 0: revokes.
static int end(Desk *desk, KeyChange *change, int64_t until_us) {
    Pg *exchange = NULL;
    RESULT result = NULL;
    int r = begin(desk, change, &exchange);
    if (r == 0)
        r = end_keys(exchange, change, until_us, &result);
    if (r != 0)
        return r;
    if (pg_i64(result, 0, END_NAMED) == 0) {
        log_error("%s %s has no key %s; see dongbo %s key list", change->kind->word, change->name, change->id,
                  change->kind->word);
        return 1;
    }
    if (pg_i64(result, 0, END_CHANGED) == 0) {
        printf("%s %s: key %s %s\n", change->kind->word, change->name, change->id,
               until_us ? "does not hold longer than that" : "is revoked already");
        return pg_command(exchange, "ROLLBACK");
    }
    r = pg_command(exchange, "COMMIT");
    if (r == 0)
        printf("%s, from position %lld on\n", pg_text(result, 0, END_SAID), (long long)pg_i64(result, 0, END_POSITION));
    if (r == 0 && !until_us && pg_i64(result, 0, END_TRANSPORTS) == 0)
        printf("it was the last one: %s is not let in until a key is added\n", change->name);
    return r;
}

static int read_until(const char *until, int64_t *ret_us) {
    int64_t now = clock_now_us(clock_system());
    *ret_us = now + RETIRE_DAYS * DAY_US;
    if (until && clock_parse_us(until, ret_us) != 0)
        return error_fail(ERROR_CONFIG, "--until: \"%s\" is no time (2026-03-01, or 2026-03-01T08:00:00+07:00)", until);
    if (*ret_us <= now)
        return error_fail(ERROR_CONFIG, "--until: \"%s\" is over; key revoke ends keys at once", until);
    return 0;
}

int party_key_retire(Desk *desk, int argc, char **argv, const PartyKind *kind) {
    static const char notes[] =
        "Add the new keys first and let the party change over; both are let in until then. What was sealed with a key\n"
        "before it ended is taken for 30 days more. A key that may be in other hands is to be revoked instead.\n";
    KeyChange change = {.kind = kind};
    int operand = 0;
    int64_t until_us = 0;
    const Option options[] = {
        {"until", 0, OPTION_TEXT, "TIME", "how long they still hold; default: 7 days from now", &change.until},
        ONLY_OPTION(change),
        DESK_WHY(desk),
        {0}};
    int r = desk_parse_noted(desk, options, notes, argc, argv, &operand);
    if (r != 0)
        return r < 0 ? r : 0;
    r = why_find(desk);
    change.policy.why = desk->why;
    if (r == 0)
        r = read_until(change.until, &until_us);
    if (r == 0)
        r = read_words(&change, argv + operand, true);
    keys_wipe(&change.keys);
    return r != 0 ? r : end(desk, &change, until_us);
}

int party_key_revoke(Desk *desk, int argc, char **argv, const PartyKind *kind) {
    KeyChange change = {.kind = kind};
    int operand = 0;
    const Option options[] = {ONLY_OPTION(change), DESK_WHY(desk), {0}};
    int r = desk_parse(desk, options, argc, argv, &operand);
    if (r != 0)
        return r < 0 ? r : 0;
    r = why_find(desk);
    change.policy.why = desk->why;
    if (r == 0)
        r = read_words(&change, argv + operand, true);
    keys_wipe(&change.keys);
    return r != 0 ? r : end(desk, &change, 0);
}
