// SPDX-License-Identifier: Apache-2.0
//
// `dongbo subscription`: who may receive which fields of which domains, on what legal basis and until when. Denies by
// default: a field that is not named is not sent.
#include "operators/commands.h"
#include "operators/party_key.h"
#include "operators/result.h"
#include "proto/base/clock.h"
#include "proto/base/date.h"
#include "proto/bounds.h"
#include "proto/domain.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define SECRET_BYTES 32

static const PgStatement ADD = {"subscription_add",
                                "INSERT INTO exchange.subscription (name, subscriber, secret) VALUES ($1, $2, $3) "
                                "ON CONFLICT (name) DO NOTHING RETURNING subscription",
                                3, NULL};
static const PgStatement ADD_POLICY = {
    "subscription_add_policy",
    "INSERT INTO exchange.subscription_policy (subscription, version, position, legal_basis, valid_from, valid_to, "
    "domains, provinces, fields, followed_only) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) "
    "ON CONFLICT DO NOTHING RETURNING version",
    10, NULL};
static const PgStatement LATEST = {
    "subscription_latest",
    "SELECT p.version, p.legal_basis, p.valid_from::text, p.valid_to::text, p.domains, "
    "array_to_string(p.provinces, ','), array_to_string(p.fields, ','), p.followed_only FROM exchange.subscription_policy p "
    "WHERE p.subscription = $1 ORDER BY p.version DESC LIMIT 1",
    1, NULL};
static const PgStatement LIST = {
    "subscription_list",
    "SELECT s.name, s.subscriber, s.state, p.legal_basis, p.valid_from::text, p.valid_to::text, p.domains, "
    "p.provinces, p.fields, p.version, coalesce(q.acked, 0), coalesce(q.released, 0), "
    "greatest(coalesce((SELECT last_position FROM exchange.head), 0) - coalesce(q.acked, 0), 0), "
    "CASE WHEN q.acked >= (SELECT last_position FROM exchange.head) THEN 0 ELSE coalesce((SELECT "
    "greatest(extract(epoch FROM now())::bigint - g.stored_at_us / 1000000, 0) FROM exchange.segment g "
    "WHERE g.first_position <= coalesce(q.acked, 0) + 1 ORDER BY g.first_position DESC LIMIT 1), 0) END, "
    "coalesce(q.sessions, 0) FROM exchange.subscription s "
    "LEFT JOIN LATERAL (SELECT * FROM exchange.subscription_policy p WHERE p.subscription = s.subscription "
    "ORDER BY p.version DESC LIMIT 1) p ON true "
    "LEFT JOIN exchange.subscription_place q ON q.subscription = s.subscription ORDER BY s.name",
    0, NULL};
static const PgStatement SET_STATE = {
    "subscription_set_state",
    "WITH was AS (SELECT subscription, state FROM exchange.subscription WHERE name = $1), "
    "now AS (UPDATE exchange.subscription s SET state = $2 FROM was "
    "WHERE s.subscription = was.subscription AND was.state <> $2) "
    "SELECT subscription, state <> $2 FROM was",
    2, NULL};

static const PgStatement KEYS = {"subscription_keys", PARTY_KEYS("subscription", "name"), 0, NULL};
static const PgStatement FIND = {"subscription_find", "SELECT subscription FROM exchange.subscription WHERE name = $1",
                                 1, NULL};

typedef struct Addition {
    const char *name, *subscriber, *legal_basis, *valid_from, *valid_to, *key;
    OptionList domain_list, province_list, field_list;
    PolicyWords domains, provinces, asked, fields;
    uint32_t domain_bits;
    int32_t version;
    bool followed_only, all_persons;
} Addition;

static void addition_free(Addition *addition) {
    policy_words_free(&addition->domains);
    policy_words_free(&addition->provinces);
    policy_words_free(&addition->asked);
    policy_words_free(&addition->fields);
}

static int take_field(Addition *addition, const char *domain, const char *field) {
    char word[128];
    if (addition->fields.n == POLICY_WORDS_MAX)
        return error_fail(ERROR_CONFIG, "--field: more than %d fields", POLICY_WORDS_MAX);
    snprintf(word, sizeof word, "%s%s%s", domain ? domain : "", domain ? "." : "", field);
    for (int i = 0; i < addition->fields.n; i++)
        if (strcmp(addition->fields.text[i], word) == 0)
            return 0;
    char *kept = strdup(word);
    if (!kept)
        return error_fail(ERROR_MEMORY, "no memory for a field");
    addition->fields.text[addition->fields.n++] = kept;
    return 0;
}

// "health.*" is every field that the domain has today; what is added to the domain later is not granted by it.
static int take_fields(Addition *addition, const char *word) {
    char name[64];
    const char *dot = strchr(word, '.');
    if (strcmp(word, "citizen_number") == 0)
        return take_field(addition, NULL, word);
    int domain = 0;
    if (dot && (size_t)(dot - word) < sizeof name) {
        snprintf(name, sizeof name, "%.*s", (int)(dot - word), word);
        domain = domain_by_name(name);
    }
    if (domain == 0)
        return error_fail(ERROR_CONFIG, "--field: \"%s\" is neither citizen_number nor DOMAIN.FIELD", word);
    if (!(addition->domain_bits & 1u << domain))
        return error_fail(ERROR_CONFIG, "--field: \"%s\" is of a domain that --domain does not name", word);
    const ProtobufCMessageDescriptor *descriptor = domain_descriptor(domain);
    bool all = strcmp(dot + 1, "*") == 0;
    if (!all && field_by_name(descriptor, dot + 1) == 0)
        return error_fail(ERROR_CONFIG, "--field: domain %s has no field \"%s\"", name, dot + 1);
    int r = 0;
    for (unsigned i = 0; i < descriptor->n_fields && r == 0; i++)
        if (all || strcmp(descriptor->fields[i].name, dot + 1) == 0)
            r = take_field(addition, name, descriptor->fields[i].name);
    return r;
}

// A domain without a field would be a right to know that records are there, and no more.
static int check_domains(const Addition *addition) {
    for (int domain = DOMAIN_MIN; domain <= DOMAIN_MAX; domain++) {
        const char *name = domain_name(domain);
        size_t n = strlen(name);
        bool found = !(addition->domain_bits & 1u << domain);
        for (int i = 0; i < addition->fields.n && !found; i++)
            found = strncmp(addition->fields.text[i], name, n) == 0 && addition->fields.text[i][n] == '.';
        if (!found)
            return error_fail(ERROR_CONFIG, "--domain: no --field is of %s; %s.* names all of them", name, name);
    }
    return 0;
}

static int check_days(const Addition *addition) {
    Date from, to;
    if (date_parse(addition->valid_from, &from) != 0 || from.day == 0)
        return error_fail(ERROR_CONFIG, "--valid-from: \"%s\" is no day (YYYY-MM-DD)", addition->valid_from);
    if (date_parse(addition->valid_to, &to) != 0 || to.day == 0)
        return error_fail(ERROR_CONFIG, "--valid-to: \"%s\" is no day (YYYY-MM-DD)", addition->valid_to);
    if (date_compare(to, from) < 0)
        return error_fail(ERROR_CONFIG, "--valid-to is before --valid-from");
    return 0;
}

static int check_provinces(Desk *desk, Addition *addition) {
    const Rules *rules = NULL;
    int r = policy_words(&addition->provinces, &addition->province_list);
    if (r == 0 && addition->provinces.n == 1 && strcmp(addition->provinces.text[0], "all") == 0)
        policy_words_free(&addition->provinces);
    if (r == 0)
        r = desk_rules(desk, &rules);
    return r < 0 ? r : policy_provinces(rules, &addition->provinces);
}

static int check_rights(Desk *desk, Addition *addition) {
    int r = policy_check_text("--legal-basis", addition->legal_basis, TEXT_BYTES_MAX);
    if (r == 0)
        r = check_days(addition);
    if (r == 0)
        r = policy_words(&addition->domains, &addition->domain_list);
    if (r == 0)
        r = policy_words(&addition->asked, &addition->field_list);
    if (r == 0)
        r = policy_domains(&addition->domains, &addition->domain_bits);
    for (int i = 0; i < addition->asked.n && r == 0; i++)
        r = take_fields(addition, addition->asked.text[i]);
    if (r == 0 && addition->fields.n == 0)
        r = error_fail(ERROR_CONFIG, "--field is needed, at least once; DOMAIN.* names all of a domain");
    if (r == 0)
        r = check_domains(addition);
    return r < 0 ? r : check_provinces(desk, addition);
}

static int check_addition(Desk *desk, Addition *addition) {
    int r = 0;
    if (!addition->subscriber || !addition->legal_basis || !addition->legal_basis[0] || !addition->valid_from ||
        !addition->valid_to || !addition->key)
        return error_fail(ERROR_CONFIG, "subscription add needs --subscriber, --legal-basis, --valid-from, "
                                        "--valid-to and --key");
    r = policy_check_text("the subscription's name", addition->name, SUBSCRIPTION_NAME_BYTES_MAX);
    if (r == 0)
        r = policy_check_text("--subscriber", addition->subscriber, POLICY_TEXT_BYTES_MAX);
    return r < 0 ? r : check_rights(desk, addition);
}

static int insert_subscription(Pg *exchange, const Addition *addition, int32_t *ret_subscription) {
    uint8_t secret[SECRET_BYTES];
    PgParams params = {0};
    RESULT result = NULL;
    int r = clock_random(clock_system(), secret, sizeof secret);
    if (r < 0)
        return r;
    pg_param_text(&params, addition->name);
    pg_param_text(&params, addition->subscriber);
    pg_param_bytes(&params, secret, sizeof secret);
    r = pg_run(exchange, &ADD, &params, &result);
    pg_params_free(&params);
    if (r < 0)
        return r;
    if (PQntuples(result) == 0)
        return error_fail(ERROR_CONFIG, "there is a subscription %s already; see dongbo subscription list",
                          addition->name);
    *ret_subscription = pg_i32(result, 0, 0);
    return 0;
}

static int insert_policy(Pg *exchange, const Addition *addition, const PolicyChange *change) {
    PgParams params = {0};
    RESULT result = NULL;
    pg_param_i32(&params, change->subscription);
    pg_param_i32(&params, addition->version);
    pg_param_i64(&params, change->position);
    pg_param_text(&params, addition->legal_basis);
    pg_param_text(&params, addition->valid_from);
    pg_param_text(&params, addition->valid_to);
    policy_param_domains(&params, addition->domain_bits);
    policy_param_words(&params, &addition->provinces);
    policy_param_words(&params, &addition->fields);
    pg_param_bool(&params, addition->followed_only);
    int r = pg_run(exchange, &ADD_POLICY, &params, &result);
    pg_params_free(&params);
    if (r == 0 && PQntuples(result) == 0)
        r = error_fail(ERROR_CONFIG,
                       "somebody else changed subscription %s just now; nothing was done: look, and say "
                       "it again",
                       addition->name);
    return r;
}

static int insert(const void *self, Pg *exchange, PolicyChange *change) {
    int r = insert_subscription(exchange, self, &change->subscription);
    return r < 0 ? r : insert_policy(exchange, self, change);
}

static json_t *subscription_json(const PGresult *result, int row) {
    json_t *one =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "subscription", pg_text(result, row, 0), "subscriber",
                  pg_text(result, row, 1), "state", pg_text(result, row, 2), "legal_basis", pg_text(result, row, 3),
                  "valid_from", pg_text(result, row, 4), "valid_to", pg_text(result, row, 5));
    json_object_set_new(one, "domains", policy_array_json(result, row, 6, true));
    json_object_set_new(one, "provinces", policy_array_json(result, row, 7, false));
    json_object_set_new(one, "fields", policy_array_json(result, row, 8, false));
    json_object_set_new(one, "policy_version", json_integer(pg_i32(result, row, 9)));
    json_object_set_new(one, "acked", json_integer(pg_i64(result, row, 10)));
    json_object_set_new(one, "released", json_integer(pg_i64(result, row, 11)));
    json_object_set_new(one, "lag_positions", json_integer(pg_i64(result, row, 12)));
    json_object_set_new(one, "lag_seconds", json_integer(pg_i64(result, row, 13)));
    json_object_set_new(one, "sessions", json_integer(pg_i64(result, row, 14)));
    return one;
}

static int subscription_row(const PGresult *result, int row, Columns *columns) {
    CLEANUP(bytes_free) Bytes domains = {0};
    CLEANUP(bytes_free) Bytes provinces = {0};
    char acked[24], lag[64] = "-", valid[32];
    snprintf(acked, sizeof acked, "%lld", (long long)pg_i64(result, row, 10));
    if (strcmp(pg_text(result, row, 2), "active") == 0)
        snprintf(lag, sizeof lag, "%lld positions, %lld s", (long long)pg_i64(result, row, 12),
                 (long long)pg_i64(result, row, 13));
    snprintf(valid, sizeof valid, "%s/%s", pg_text(result, row, 4), pg_text(result, row, 5));
    policy_domains_text(result, row, 6, &domains);
    policy_array_text(result, row, 7, &provinces);
    if (domains.failed || provinces.failed)
        return error_fail(ERROR_MEMORY, "no memory for a table");
    columns_add(columns,
                (const char *[]){pg_text(result, row, 0), pg_text(result, row, 2), acked, lag, valid,
                                 (const char *)domains.data, *provinces.data ? (const char *)provinces.data : "all",
                                 pg_text(result, row, 1), pg_text(result, row, 3)});
    return 0;
}

static const char *const HEADINGS[] = {"SUBSCRIPTION", "STATE",     "ACKED",      "LAG",        "VALID",
                                       "DOMAINS",      "PROVINCES", "SUBSCRIBER", "LEGAL BASIS"};
static const PartyKind SUBSCRIPTION = {.word = "subscription",
                                       .list = &LIST,
                                       .set_state = &SET_STATE,
                                       .find = &FIND,
                                       .keys = &KEYS,
                                       .headings = HEADINGS,
                                       .n_headings = 9,
                                       .row = subscription_row,
                                       .json = subscription_json};

static int add(Desk *desk, Addition *addition) {
    int64_t position;
    PartyAddition party = {&SUBSCRIPTION, addition->name, addition->key, insert, addition};
    int r = check_addition(desk, addition);
    if (r == 0)
        r = party_add(desk, &party, &position);
    if (r == 0)
        printf("subscription %s may receive %d fields; its rights hold from position %lld on\n", addition->name,
               addition->fields.n, (long long)position);
    return r;
}

int subscription_add(Desk *desk, int argc, char **argv) {
    CLEANUP(addition_free) Addition addition = {0};
    int operand = 0;
    const Option options[] = {
        {"subscriber", 0, OPTION_TEXT, "NAME", "the committee, as people call it", &addition.subscriber},
        {"legal-basis", 0, OPTION_TEXT, "TEXT", "the law or decree that allows it", &addition.legal_basis},
        {"valid-from", 0, OPTION_TEXT, "DATE", "first day", &addition.valid_from},
        {"valid-to", 0, OPTION_TEXT, "DATE", "last day", &addition.valid_to},
        {"domain", 0, OPTION_LIST, "DOMAIN", "repeat, or a,b", &addition.domain_list},
        {"province", 0, OPTION_LIST, "CODE", "only residents of these (34 codes); default all",
         &addition.province_list},
        {"field", 0, OPTION_LIST, "FIELD", "citizen_number, DOMAIN.FIELD or DOMAIN.*; repeat, or a,b",
         &addition.field_list},
        {"followed-only", 0, OPTION_FLAG, NULL, "only the persons on the list that the subscriber keeps",
         &addition.followed_only},
        {"key", 0, OPTION_TEXT, "FILE.pub", "its public keys, from its own dongbo keys new", &addition.key},
        {0}};
    int r = desk_parse(desk, options, argc, argv, &operand);
    if (r != 0)
        return r < 0 ? r : 0;
    addition.name = argv[operand];
    addition.version = 1;
    return add(desk, &addition);
}

// ---- changing its rights --------------------------------------------------------------------------------------------

// What was not said stays as `latest` has it, whose texts are used.
static int keep_rest(Addition *change, const PGresult *latest) {
    uint32_t domains = 0;
    change->version = pg_i32(latest, 0, 0) + 1;
    change->legal_basis = change->legal_basis ? change->legal_basis : pg_text(latest, 0, 1);
    change->valid_from = change->valid_from ? change->valid_from : pg_text(latest, 0, 2);
    change->valid_to = change->valid_to ? change->valid_to : pg_text(latest, 0, 3);
    change->followed_only = change->followed_only || (!change->all_persons && pg_bool(latest, 0, 7));
    int r = pg_array_bits(latest, 0, 4, DOMAIN_MAX, &domains);
    for (int domain = DOMAIN_MIN, n = change->domain_list.n; n == 0 && domain <= DOMAIN_MAX; domain++)
        if (domains & 1u << domain)
            change->domain_list.items[change->domain_list.n++] = domain_name(domain);
    if (change->province_list.n == 0 && *pg_text(latest, 0, 5))
        change->province_list.items[change->province_list.n++] = pg_text(latest, 0, 5);
    if (change->field_list.n == 0)
        change->field_list.items[change->field_list.n++] = pg_text(latest, 0, 6);
    return r < 0 ? r : 0;
}

static int find_latest(Pg *exchange, int32_t subscription, PGresult **ret) {
    PgParams params = {0};
    pg_param_i32(&params, subscription);
    int r = pg_run(exchange, &LATEST, &params, ret);
    pg_params_free(&params);
    return r;
}

static int store_change(Pg *exchange, const Addition *addition, const PolicyChange *found) {
    char text[256];
    PolicyChange change = {.subscription = found->subscription};
    int r = policy_begin(exchange, &change.position);
    if (r == 0)
        r = insert_policy(exchange, addition, &change);
    if (r < 0)
        return r;
    snprintf(text, sizeof text, "subscription %s: version %d of its rights", addition->name, addition->version);
    change.text = text;
    r = policy_commit(exchange, &change);
    if (r == 0)
        printf("subscription %s may receive %d fields; version %d of its rights holds from position %lld on\n",
               addition->name, addition->fields.n, addition->version, (long long)change.position);
    return r;
}

static int change_rights(Desk *desk, Addition *addition) {
    RESULT latest = NULL;
    Pg *exchange = NULL;
    PolicyChange change = {0};
    int r = desk_exchange(desk, &exchange);
    if (r == 0)
        r = party_find(exchange, &SUBSCRIPTION, addition->name, &change);
    if (r == 0)
        r = find_latest(exchange, change.subscription, &latest);
    if (r == 0)
        r = keep_rest(addition, latest);
    if (r == 0)
        r = check_rights(desk, addition);
    return r != 0 ? r : store_change(exchange, addition, &change);
}

int subscription_change(Desk *desk, int argc, char **argv) {
    static const char CHANGE_NOTES[] =
        "What is not said stays as it is. Records from the position on that is printed go out by the new rights, those\n"
        "before it by the old ones, also when they are read again. `subscription preview` shows what that makes.\n";
    CLEANUP(addition_free) Addition change = {0};
    int operand = 0;
    const Option options[] = {
        {"legal-basis", 0, OPTION_TEXT, "TEXT", "the law or decree that allows it", &change.legal_basis},
        {"valid-from", 0, OPTION_TEXT, "DATE", "first day", &change.valid_from},
        {"valid-to", 0, OPTION_TEXT, "DATE", "last day", &change.valid_to},
        {"domain", 0, OPTION_LIST, "DOMAIN", "these instead; repeat, or a,b", &change.domain_list},
        {"province", 0, OPTION_LIST, "CODE|all", "residents of these instead (34 codes)", &change.province_list},
        {"field", 0, OPTION_LIST, "FIELD", "these instead: citizen_number, DOMAIN.FIELD or DOMAIN.*",
         &change.field_list},
        {"followed-only", 0, OPTION_FLAG, NULL, "only the persons on the list that the subscriber keeps",
         &change.followed_only},
        {"all-persons", 0, OPTION_FLAG, NULL, "not only those on its list", &change.all_persons},
        {0}};
    int r = desk_parse_noted(desk, options, CHANGE_NOTES, argc, argv, &operand);
    if (r != 0)
        return r < 0 ? r : 0;
    if (!change.legal_basis && !change.valid_from && !change.valid_to && change.domain_list.n == 0 &&
        change.province_list.n == 0 && change.field_list.n == 0 && !change.followed_only && !change.all_persons)
        return error_fail(ERROR_CONFIG, "subscription change needs to be told what; see --help");
    if (change.followed_only && change.all_persons)
        return error_fail(ERROR_CONFIG, "--followed-only and --all-persons exclude each other");
    change.name = argv[operand];
    return change_rights(desk, &change);
}

int subscription_list(Desk *desk, int argc, char **argv) {
    return party_list(desk, argc, argv, &SUBSCRIPTION);
}

int subscription_disable(Desk *desk, int argc, char **argv) {
    return party_set_state(desk, argc, argv, &SUBSCRIPTION, "disabled");
}

int subscription_enable(Desk *desk, int argc, char **argv) {
    return party_set_state(desk, argc, argv, &SUBSCRIPTION, "active");
}

int subscription_key_add(Desk *desk, int argc, char **argv) {
    return party_key_add(desk, argc, argv, &SUBSCRIPTION);
}

int subscription_key_list(Desk *desk, int argc, char **argv) {
    return party_key_list(desk, argc, argv, &SUBSCRIPTION);
}

int subscription_key_revoke(Desk *desk, int argc, char **argv) {
    return party_key_revoke(desk, argc, argv, &SUBSCRIPTION);
}
