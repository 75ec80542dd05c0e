// SPDX-License-Identifier: Apache-2.0
//
// See party.h.
#include "operators/party.h"
#include "operators/answer.h"
#include "operators/result.h"
#include "operators/why.h"
#include "proto/base/error.h"
#include "proto/base/log.h"
#include "proto/base/text.h"
#include "proto/keys.h"

#include <stdio.h>
#include <string.h>

static int print_json(const PGresult *result, const PartyKind *kind) {
    json_t *list = json_array();
    for (int row = 0; row < PQntuples(result); row++)
        json_array_append_new(list, kind->json(result, row));
    return answer_print(list, 0);
}

static int print_list(const PGresult *result, const PartyKind *kind) {
    CLEANUP(columns_destroy) Columns *columns = NULL;
    int r = columns_new(&columns, kind->n_headings);
    if (r < 0)
        return r;
    columns_add(columns, kind->headings);
    for (int row = 0; row < PQntuples(result) && r == 0; row++)
        r = kind->row(result, row, columns);
    return r < 0 ? r : columns_print(columns, stdout);
}

int party_list(Desk *desk, int argc, char **argv, const PartyKind *kind) {
    bool json = false;
    int operand = 0;
    Pg *exchange = NULL;
    RESULT result = NULL;
    const Option options[] = {{"json", 0, OPTION_FLAG, NULL, "one JSON array", &json}, {0}};
    int r = desk_parse(desk, options, argc, argv, &operand);
    if (r != 0)
        return r < 0 ? r : 0;
    r = desk_exchange(desk, &exchange);
    if (r == 0)
        r = pg_run(exchange, kind->list, NULL, &result);
    if (r < 0)
        return r;
    return json ? print_json(result, kind) : print_list(result, kind);
}

// A change to one party, begun.
typedef struct Change {
    const PartyKind *kind;
    const char *name, *state;
    PolicyChange policy;
} Change;

static int put_state(Pg *exchange, const Change *change, PGresult **ret) {
    PgParams params = {0};
    pg_param_text(&params, change->name);
    pg_param_text(&params, change->state);
    int r = pg_run(exchange, change->kind->set_state, &params, ret);
    pg_params_free(&params);
    return r;
}

static void set_party(const PartyKind *kind, int32_t party, PolicyChange *change) {
    *(kind->is_agency ? &change->agency : &change->subscription) = party;
}

static int fail_unknown(const PartyKind *kind, const char *name) {
    log_error("there is no %s %s; see dongbo %s list", kind->word, name, kind->word);
    return 1;
}

int party_find(Pg *exchange, const PartyKind *kind, const char *name, PolicyChange *change) {
    PgParams params = {0};
    RESULT result = NULL;
    pg_param_text(&params, name);
    int r = pg_run(exchange, kind->find, &params, &result);
    pg_params_free(&params);
    if (r < 0)
        return r;
    if (PQntuples(result) == 0)
        return fail_unknown(kind, name);
    set_party(kind, pg_i32(result, 0, 0), change);
    return 0;
}

static int end_state(Pg *exchange, Change *change, const PGresult *result) {
    const char *word = change->kind->word;
    char text[256];
    if (PQntuples(result) == 0)
        return fail_unknown(change->kind, change->name);
    if (!pg_bool(result, 0, 1)) {
        printf("%s %s is %s already\n", word, change->name, change->state);
        return pg_command(exchange, "ROLLBACK");
    }
    set_party(change->kind, pg_i32(result, 0, 0), &change->policy);
    char name[201]; // an older version took longer ones
    snprintf(name, sizeof name, "%s", change->name);
    text_cut(name, sizeof name);
    snprintf(text, sizeof text, "%s %s %s", word, name, change->state);
    change->policy.text = text;
    int r = policy_commit(exchange, &change->policy);
    if (r == 0)
        printf("%s %s is %s from position %lld on\n", word, change->name, change->state,
               (long long)change->policy.position);
    return r;
}

int party_set_state(Desk *desk, int argc, char **argv, const PartyKind *kind, const char *state) {
    Pg *exchange = NULL;
    RESULT result = NULL;
    int operand = 0;
    const Option options[] = {DESK_WHY(desk), {0}};
    int r = desk_parse(desk, options, argc, argv, &operand);
    if (r != 0)
        return r < 0 ? r : 0;
    Change change = {
        .kind = kind,
        .name = argv[operand],
        .state = state,
    };
    r = why_find(desk);
    change.policy.why = desk->why;
    if (r == 0)
        r = desk_exchange(desk, &exchange);
    if (r == 0)
        r = policy_begin(exchange, &change.policy.position);
    if (r == 0)
        r = put_state(exchange, &change, &result);
    return r < 0 ? r : end_state(exchange, &change, result);
}

void party_tell_keys(const Keys *keys) {
    char fingerprint[KEY_FINGERPRINT_BYTES];
    keys_fingerprint(keys, fingerprint);
    fprintf(stderr, "fingerprint %s: let its holder read theirs to you (dongbo keys show)\n", fingerprint);
}

int party_add(Desk *desk, const PartyAddition *addition, int64_t *ret_position) {
    Pg *exchange = NULL;
    PolicyChange change = {0};
    Keys keys = {0};
    char text[256];
    int r = why_find(desk);
    change.why = desk->why;
    if (r == 0 && addition->key)
        r = keys_load_given(addition->key, &keys);
    if (r < 0)
        return r;
    r = desk_exchange(desk, &exchange);
    if (r == 0)
        r = policy_begin(exchange, &change.position);
    if (r == 0)
        r = addition->insert(addition->self, exchange, &change);
    if (r == 0 && addition->key && (r = policy_add_keys(exchange, &keys, KEY_BOTH, &change)) < 0)
        r = error_context(r, "%s", addition->key);
    if (r < 0)
        return r;
    snprintf(text, sizeof text, "%s %s added", addition->kind->word, addition->name);
    change.text = text;
    *ret_position = change.position;
    r = policy_commit(exchange, &change);
    if (r == 0 && addition->key)
        party_tell_keys(&keys);
    else if (r == 0)
        fprintf(stderr, "it has no keys yet: dongbo %s enrol %s makes a token by which it hands them in\n",
                addition->kind->word, addition->name);
    return r;
}
