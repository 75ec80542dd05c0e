// SPDX-License-Identifier: Apache-2.0
//
// `dongbo subscription`: who may receive which fields of which domains, on what legal basis and until when. Denies by
// default: a field that is not named is not sent.
#include "operators/commands.h"
#include "operators/grant.h"
#include "operators/enrolment.h"
#include "operators/party_key.h"
#include "operators/result.h"
#include "operators/why.h"
#include "proto/domain.h"

#include <stdlib.h>
#include <string.h>

static const PgStatement LIST = {
    "subscription_list",
    "SELECT s.name, s.subscriber, s.state, p.legal_basis, p.valid_from::text, p.valid_to::text, p.domains, "
    "p.provinces, p.fields, p.version, coalesce(q.acked, 0), coalesce(q.released, 0), "
    "greatest(coalesce((SELECT last_position FROM exchange.head), 0) - coalesce(q.acked, 0), 0), "
    "CASE WHEN q.acked >= (SELECT last_position FROM exchange.head) THEN 0 ELSE coalesce((SELECT "
    "greatest(extract(epoch FROM now())::bigint - g.stored_at_us / 1000000, 0) FROM exchange.segment g "
    "WHERE g.first_position <= coalesce(q.acked, 0) + 1 ORDER BY g.first_position DESC LIMIT 1), 0) END, "
    "coalesce(q.sessions, 0), p.province_codes FROM exchange.subscription s "
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

// What was said on the command line; NULL, or no items: not said.
typedef struct Said {
    const char *subscriber, *legal_basis, *valid_from, *valid_to, *key, *agency, *echo, *origin_proofs;
    OptionList domains, provinces, provinces63, fields, changes;
    bool followed_only, all_persons, witness;
} Said;

// ---- words of the options ------------------------------------------------------------------------------------------

// "health.*" is every field that the domain has today; what is added to the domain later is not granted by it.
static int take_field(PolicyVersion *policy, const char *word) {
    char name[64];
    const char *dot = strchr(word, '.');
    if (strcmp(word, "citizen_number") == 0 || strcmp(word, "person_id") == 0) {
        policy_grant_field(policy, word);
        return 0;
    }
    int domain = 0;
    if (dot && (size_t)(dot - word) < sizeof name) {
        snprintf(name, sizeof name, "%.*s", (int)(dot - word), word);
        domain = domain_by_name(name);
    }
    if (domain == 0)
        return error_fail(ERROR_CONFIG, "--field: \"%s\" is neither citizen_number, person_id nor DOMAIN.FIELD", word);
    if (!(policy->domains & 1u << domain))
        return error_fail(ERROR_CONFIG, "--field: \"%s\" is of a domain that --domain does not name", word);
    const ProtobufCMessageDescriptor *descriptor = domain_descriptor(domain);
    bool all = strcmp(dot + 1, "*") == 0;
    if (!all && field_by_name(descriptor, dot + 1) == 0)
        return error_fail(ERROR_CONFIG, "--field: domain %s has no field \"%s\"", name, dot + 1);
    for (unsigned i = 0; i < descriptor->n_fields; i++)
        if (all || strcmp(descriptor->fields[i].name, dot + 1) == 0)
            policy->fields[domain] |= 1u << descriptor->fields[i].id;
    return 0;
}

static int take_fields(PolicyVersion *policy, const OptionList *list) {
    CLEANUP(policy_words_free) PolicyWords words = {0};
    int r = policy_words(&words, list);
    if (r < 0 || words.n == 0)
        return r;
    policy->citizen_number = policy->person_id = false;
    memset(policy->fields, 0, sizeof policy->fields);
    for (int i = 0; i < words.n && r == 0; i++)
        r = take_field(policy, words.text[i]);
    return r;
}

static int take_domains(PolicyVersion *policy, const OptionList *list) {
    CLEANUP(policy_words_free) PolicyWords words = {0};
    int r = list->n ? policy_words(&words, list) : 0;
    return r < 0 || list->n == 0 ? r : policy_domains(&words, &policy->domains);
}

static int take_provinces(PolicyVersion *policy, const Rules *rules, const OptionList *list, bool codes63) {
    CLEANUP(policy_words_free) PolicyWords words = {0};
    int r = policy_words(&words, list);
    if (r < 0 || words.n == 0)
        return r;
    policy->any_province = words.n == 1 && strcmp(words.text[0], "all") == 0;
    policy->codes63 = codes63 && !policy->any_province;
    memset(policy->provinces, 0, sizeof policy->provinces);
    if (policy->any_province)
        return 0;
    if (!codes63)
        r = policy_provinces(rules, &words);
    for (int i = 0; i < words.n && r == 0; i++) {
        if (codes63 && !rules_is_province63(rules, words.text[i]))
            return error_fail(ERROR_CONFIG, "--province63: \"%s\" is none of codes/provinces63.tsv", words.text[i]);
        policy_grant_province(policy, words.text[i]);
    }
    return r;
}

static int take_changes(PolicyVersion *policy, const OptionList *list) {
    CLEANUP(policy_words_free) PolicyWords words = {0};
    int r = policy_words(&words, list);
    if (r < 0 || words.n == 0)
        return r;
    policy->changes = 0;
    for (int i = 0; i < words.n; i++) {
        int change = 0;
        while (change < 32 && (!change_name(change) || strcmp(change_name(change), words.text[i]) != 0))
            change++;
        if (change == 32)
            return error_fail(ERROR_CONFIG, "--change: \"%s\" is none of upsert, delete, entered and left",
                              words.text[i]);
        policy->changes |= 1u << change;
    }
    return 0;
}

static int take_agency(Rights *rights, const Said *said) {
    if (said->agency && strlen(said->agency) >= RIGHTS_AGENCY_BYTES)
        return error_fail(ERROR_CONFIG, "--agency: \"%s\" is no agency code", said->agency);
    if (said->agency)
        rights_set(rights->agency, sizeof rights->agency, strcmp(said->agency, "none") == 0 ? "" : said->agency);
    bool yes = said->echo && strcmp(said->echo, "yes") == 0;
    if (said->echo && !yes && strcmp(said->echo, "no") != 0)
        return error_fail(ERROR_CONFIG, "--echo: yes or no");
    if (said->echo)
        rights->echo = yes;
    else if (!rights->agency[0])
        rights->echo = false;
    if (rights->echo && !rights->agency[0])
        return error_fail(ERROR_CONFIG, "--echo: of which agency? Name the subscriber's own by --agency");
    return 0;
}

static int take_origins(PolicyVersion *policy, const Said *said) {
    PolicyOrigins origins = said->origin_proofs ? policy_origins(said->origin_proofs) : policy->origins;
    if (said->origin_proofs && strcmp(policy_origins_word(origins), said->origin_proofs) != 0)
        return error_fail(ERROR_CONFIG, "--origin-proofs: no, leaves or events");
    policy->origins = origins;
    return 0;
}

// ---- the whole -----------------------------------------------------------------------------------------------------

// A domain without a field would be a right to know that records are there, and no more.
static int check_domains(const PolicyVersion *policy) {
    for (int domain = DOMAIN_MIN; domain <= DOMAIN_MAX; domain++) {
        const char *name = domain_name(domain);
        bool named = policy->domains & 1u << domain;
        if (named && !policy->fields[domain])
            return error_fail(ERROR_CONFIG, "--domain: no --field is of %s; %s.* names all of them", name, name);
        if (!named && policy->fields[domain])
            return error_fail(ERROR_CONFIG,
                              "--field: %s's fields are of a domain that --domain does not name; name the fields anew",
                              name);
    }
    return 0;
}

static int take_days(Rights *rights, const Said *said) {
    int r = said->legal_basis ? policy_check_text("--legal-basis", said->legal_basis, TEXT_BYTES_MAX) : 0;
    if (said->legal_basis)
        rights_set(rights->legal_basis, sizeof rights->legal_basis, said->legal_basis);
    if (said->valid_from)
        rights_set(rights->valid_from, sizeof rights->valid_from, said->valid_from);
    if (said->valid_to)
        rights_set(rights->valid_to, sizeof rights->valid_to, said->valid_to);
    return r < 0 ? r : rights_check_days(rights, "--valid-from", "--valid-to");
}

// A witness has no domain, and so no record; what it asks for needs none.
static int take_granted(const Said *said, Rights *rights) {
    PolicyVersion *policy = &rights->policy;
    if (said->witness && (said->domains.n || said->fields.n))
        return error_fail(ERROR_CONFIG, "--witness: it gets no record: name neither --domain nor --field");
    int r = take_domains(policy, &said->domains);
    bool witness = said->witness || (policy->version > 1 && policy->domains == 0 && said->fields.n == 0);
    if (r < 0 || witness)
        return r;
    if (policy->domains == 0)
        return error_fail(ERROR_CONFIG, "--domain is needed, at least once");
    r = take_fields(policy, &said->fields);
    if (r == 0 && rights_count_fields(rights) == 0)
        return error_fail(ERROR_CONFIG, "--field is needed, at least once; DOMAIN.* names all of a domain");
    return r < 0 ? r : check_domains(policy);
}

// What was not said stays as it is.
static int take(Desk *desk, const Said *said, Rights *rights) {
    const Rules *rules = NULL;
    PolicyVersion *policy = &rights->policy;
    if (said->provinces.n && said->provinces63.n)
        return error_fail(ERROR_CONFIG, "--province63 beside --province: name one code set only");
    if (said->followed_only && said->all_persons)
        return error_fail(ERROR_CONFIG, "--followed-only and --all-persons exclude each other");
    policy->followed_only = said->followed_only || (!said->all_persons && policy->followed_only);
    int r = take_days(rights, said);
    if (r == 0)
        r = take_granted(said, rights);
    if (r == 0)
        r = take_changes(policy, &said->changes);
    if (r == 0)
        r = take_agency(rights, said);
    if (r == 0)
        r = take_origins(policy, said);
    if (r == 0)
        r = desk_rules(desk, &rules);
    if (r == 0)
        r = take_provinces(policy, rules, &said->provinces, false);
    return r < 0 ? r : take_provinces(policy, rules, &said->provinces63, true);
}

static int check_said(const Said *said, const char *name) {
    if (!said->subscriber || !said->legal_basis || !said->legal_basis[0] || !said->valid_from || !said->valid_to)
        return error_fail(ERROR_CONFIG, "subscription add needs --subscriber, --legal-basis, --valid-from and "
                                        "--valid-to");
    int r = policy_check_text("the subscription's name", name, SUBSCRIPTION_NAME_BYTES_MAX);
    return r < 0 ? r : policy_check_text("--subscriber", said->subscriber, POLICY_TEXT_BYTES_MAX);
}

static int add(Desk *desk, const Said *said, const char *name) {
    Grant grant = {0};
    Pg *exchange = NULL;
    int64_t position = 0;
    int r = check_said(said, name);
    rights_init(&grant.rights);
    grant.rights.policy.version = 1;
    if (r == 0)
        r = take(desk, said, &grant.rights);
    if (r < 0)
        return r;
    rights_set(grant.name, sizeof grant.name, name);
    rights_set(grant.subscriber, sizeof grant.subscriber, said->subscriber);
    if (grant.rights.agency[0] && (r = desk_exchange(desk, &exchange)) == 0)
        r = rights_check_agency(exchange, &grant.rights, "--agency");
    if (r == 0)
        r = grant_add(desk, &grant, said->key, &position);
    if (r == 0)
        printf("subscription %s may receive %d fields; its rights hold from position %lld on\n", name,
               rights_count_fields(&grant.rights), (long long)position);
    return r;
}

// Both commands take these.
#define RIGHTS_OPTIONS(said)                                                                                            \
    {"legal-basis", 0, OPTION_TEXT, "TEXT", "the law or decree that allows it", &(said).legal_basis},                   \
        {"valid-from", 0, OPTION_TEXT, "DATE", "first day", &(said).valid_from},                                        \
        {"valid-to", 0, OPTION_TEXT, "DATE", "last day", &(said).valid_to},                                             \
        {"domain", 0, OPTION_LIST, "DOMAIN", "repeat, or a,b", &(said).domains},                                        \
        {"field",       0, OPTION_LIST, "FIELD", "citizen_number, person_id, DOMAIN.FIELD or DOMAIN.*; repeat, or a,b", \
         &(said).fields},                                                                                               \
        {"province", 0, OPTION_LIST, "CODE|all", "only residents of these (34 codes)", &(said).provinces},              \
        {"province63", 0, OPTION_LIST, "CODE", "... of these of the 63, as before July 2025", &(said).provinces63},     \
        {"change", 0, OPTION_LIST, "KIND", "only upsert, delete, entered or left; repeat, or a,b", &(said).changes},    \
        {"followed-only",      0, OPTION_FLAG, NULL, "only the persons on the list that the subscriber keeps",          \
         &(said).followed_only},                                                                                        \
        {"agency",      0, OPTION_TEXT, "CODE|none", "the subscriber's own: what it said does not come back",           \
         &(said).agency},                                                                                               \
        {"origin-proofs",      0, OPTION_TEXT, "no|leaves|events", "with what proves whose word a record is",           \
         &(said).origin_proofs},                                                                                        \
    {                                                                                                                   \
        "echo", 0, OPTION_TEXT, "yes|no", "... but does, with yes", &(said).echo                                        \
    }

int subscription_add(Desk *desk, int argc, char **argv) {
    static const char ADD_NOTES[] =
        "What is not said of provinces, kinds of change and the agency is: all, all, none. A policy that is kept in a\n"
        "file goes in by `subscription apply`.\n";
    Said said = {0};
    int operand = 0;
    const Option options[] = {
        {"subscriber", 0, OPTION_TEXT, "NAME", "the committee, as people call it", &said.subscriber},
        RIGHTS_OPTIONS(said),
        {"witness", 0, OPTION_FLAG, NULL, "it follows the log's signed heads, and gets no record", &said.witness},
        {"key", 0, OPTION_TEXT, "FILE.pub",
         "its public keys, from its own dongbo keys new; else see subscription enrol", &said.key},
        DESK_WHY(desk),
        {0}};
    int r = desk_parse_noted(desk, options, ADD_NOTES, argc, argv, &operand);
    return r != 0 ? (r < 0 ? r : 0) : add(desk, &said, argv[operand]);
}

// ---- changing its rights -------------------------------------------------------------------------------------------

static int change_rights(Desk *desk, const Said *said, const char *name) {
    Pg *exchange = NULL;
    Grant was, now;
    PolicyChange found = {0};
    int64_t position = 0;
    int r = desk_exchange(desk, &exchange);
    if (r == 0)
        r = party_find(exchange, &GRANT_PARTY, name, &found);
    if (r == 0)
        r = grant_find(exchange, name, &was);
    if (r != 0)
        return r;
    now = was;
    now.why = desk->why;
    now.rights.policy.version++;
    r = take(desk, said, &now.rights);
    if (r == 0)
        r = rights_check_agency(exchange, &now.rights, "--agency");
    if (r == 0 && rights_compare(&was.rights, &now.rights, NULL) == 0) {
        printf("subscription %s has these rights already\n", name);
        return 0;
    }
    if (r == 0)
        r = grant_change(exchange, &was, &now, &position);
    if (r == 0)
        printf("subscription %s may receive %d fields; version %d of its rights holds from position %lld on\n", name,
               rights_count_fields(&now.rights), (int)now.rights.policy.version, (long long)position);
    return r;
}

static bool says_anything(const Said *said) {
    return said->legal_basis || said->valid_from || said->valid_to || said->agency || said->echo ||
           said->origin_proofs || said->domains.n || said->provinces.n || said->provinces63.n || said->fields.n ||
           said->changes.n || said->followed_only || said->all_persons;
}

int subscription_change(Desk *desk, int argc, char **argv) {
    static const char CHANGE_NOTES[] =
        "What is not said stays as it is; what is takes the place of all that was said of it. Records from the position\n"
        "on that is printed go out by the new rights, those before it by the old ones, also when they are read again.\n"
        "`subscription preview` shows what that makes.\n";
    Said said = {0};
    int operand = 0;
    const Option options[] = {RIGHTS_OPTIONS(said),
                              {"all-persons", 0, OPTION_FLAG, NULL, "not only those on its list", &said.all_persons},
                              DESK_WHY(desk),
                              {0}};
    int r = desk_parse_noted(desk, options, CHANGE_NOTES, argc, argv, &operand);
    if (r != 0)
        return r < 0 ? r : 0;
    if (!says_anything(&said))
        return error_fail(ERROR_CONFIG, "subscription change needs to be told what; see --help");
    r = why_find(desk);
    return r < 0 ? r : change_rights(desk, &said, argv[operand]);
}

// ---- what there is -------------------------------------------------------------------------------------------------

static json_t *subscription_json(const PGresult *result, int row) {
    json_t *one =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "subscription", pg_text(result, row, 0), "subscriber",
                  pg_text(result, row, 1), "state", pg_text(result, row, 2), "legal_basis", pg_text(result, row, 3),
                  "valid_from", pg_text(result, row, 4), "valid_to", pg_text(result, row, 5));
    json_object_set_new(one, "domains", policy_array_json(result, row, 6, true));
    json_object_set_new(one, "provinces", policy_array_json(result, row, 7, false));
    json_object_set_new(one, "province_codes", json_integer(pg_i16(result, row, 15)));
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
    if (pg_i16(result, row, 15) == 63 && provinces.n > 1) {
        provinces.n--;
        bytes_append(&provinces, " (of 63)", sizeof " (of 63)");
    }
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
const PartyKind GRANT_PARTY = {.word = "subscription",
                               .list = &LIST,
                               .set_state = &SET_STATE,
                               .find = &FIND,
                               .keys = &KEYS,
                               .headings = HEADINGS,
                               .n_headings = 9,
                               .row = subscription_row,
                               .json = subscription_json};

int subscription_list(Desk *desk, int argc, char **argv) {
    return party_list(desk, argc, argv, &GRANT_PARTY);
}

int subscription_disable(Desk *desk, int argc, char **argv) {
    return party_set_state(desk, argc, argv, &GRANT_PARTY, "disabled");
}

int subscription_enable(Desk *desk, int argc, char **argv) {
    return party_set_state(desk, argc, argv, &GRANT_PARTY, "active");
}

int subscription_enrol(Desk *desk, int argc, char **argv) {
    return enrolment_make(desk, argc, argv, &GRANT_PARTY);
}

int subscription_key_add(Desk *desk, int argc, char **argv) {
    return party_key_add(desk, argc, argv, &GRANT_PARTY);
}

int subscription_key_list(Desk *desk, int argc, char **argv) {
    return party_key_list(desk, argc, argv, &GRANT_PARTY);
}

int subscription_key_retire(Desk *desk, int argc, char **argv) {
    return party_key_retire(desk, argc, argv, &GRANT_PARTY);
}

int subscription_key_revoke(Desk *desk, int argc, char **argv) {
    return party_key_revoke(desk, argc, argv, &GRANT_PARTY);
}
