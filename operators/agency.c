// SPDX-License-Identifier: Apache-2.0
//
// `dongbo agency`: who may speak, for which domains and provinces, and what may be told back. Nothing is ever deleted:
// what an agency said stays, with its name.
#include "operators/commands.h"
#include "operators/enrolment.h"
#include "operators/party_key.h"
#include "operators/result.h"
#include "proto/base/clock.h"
#include "proto/domain.h"

#include <jansson.h>
#include <string.h>

static const PgStatement ADD = {"agency_add",
                                "INSERT INTO exchange.agency (code, name, domains, provinces, told_fields) "
                                "VALUES ($1, $2, $3, $4, $5) ON CONFLICT (code) DO NOTHING RETURNING agency",
                                5, NULL};
static const PgStatement LIST = {
    "agency_list",
    "SELECT a.code, a.name, a.state, a.domains, a.provinces, a.told_fields, a.added_at, "
    "(SELECT array_agg(exchange.key_id(k.key) ORDER BY k.valid_from) FROM exchange.key k "
    "WHERE k.agency = a.agency AND k.purpose = 'ed25519' AND exchange.key_state(k) IN ('valid', 'retiring')) "
    "FROM exchange.agency a ORDER BY a.code",
    0, NULL};
static const PgStatement SET_STATE = {
    "agency_set_state",
    "WITH was AS (SELECT agency, state FROM exchange.agency WHERE code = $1), "
    "now AS (UPDATE exchange.agency a SET state = $2 FROM was WHERE a.agency = was.agency AND was.state <> $2) "
    "SELECT agency, state <> $2 FROM was",
    2, NULL};

static const PgStatement KEYS = {"agency_keys", PARTY_KEYS("agency", "code"), 0, NULL};
static const PgStatement FIND = {"agency_find", "SELECT agency FROM exchange.agency WHERE code = $1", 1, NULL};

typedef struct Addition {
    const char *code, *name, *key;
    OptionList domain_list, province_list, told_list;
    PolicyWords domains, provinces, told;
    uint32_t domain_bits;
} Addition;

static void addition_free(Addition *addition) {
    policy_words_free(&addition->domains);
    policy_words_free(&addition->provinces);
    policy_words_free(&addition->told);
}

static int check_told(const PolicyWords *told) {
    static const char prefix[] = "subject.";
    for (int i = 0; i < told->n; i++) {
        const char *word = told->text[i];
        if (strncmp(word, prefix, strlen(prefix)) != 0 ||
            field_by_name(&dongbo__subject__descriptor, word + strlen(prefix)) == 0)
            return error_fail(ERROR_CONFIG, "--may-be-told: \"%s\" is no field of a person (subject.birth_date, ...)",
                              word);
    }
    return 0;
}

static int check_code(const char *code) {
    if (!policy_is_agency_code(code))
        return error_fail(ERROR_CONFIG, "\"%s\" is no agency code: 2 to 16 of A-Z, 0-9 and -", code);
    return 0;
}

static int check_addition(Desk *desk, Addition *addition) {
    const Rules *rules = NULL;
    int r = check_code(addition->code);
    if (r == 0 && !addition->name)
        r = error_fail(ERROR_CONFIG, "agency add needs --name");
    if (r == 0)
        r = policy_check_text("--name", addition->name, POLICY_TEXT_BYTES_MAX);
    if (r == 0)
        r = policy_words(&addition->domains, &addition->domain_list);
    if (r == 0)
        r = policy_words(&addition->provinces, &addition->province_list);
    if (r == 0)
        r = policy_words(&addition->told, &addition->told_list);
    if (r == 0)
        r = policy_domains(&addition->domains, &addition->domain_bits);
    if (r == 0)
        r = check_told(&addition->told);
    if (r == 0)
        r = desk_rules(desk, &rules);
    return r < 0 ? r : policy_provinces(rules, &addition->provinces);
}

static int insert(const void *self, Pg *exchange, PolicyChange *change) {
    const Addition *addition = self;
    PgParams params = {0};
    RESULT result = NULL;
    pg_param_text(&params, addition->code);
    pg_param_text(&params, addition->name);
    policy_param_domains(&params, addition->domain_bits);
    policy_param_words(&params, &addition->provinces);
    policy_param_words(&params, &addition->told);
    int r = pg_run(exchange, &ADD, &params, &result);
    pg_params_free(&params);
    if (r < 0)
        return r;
    if (PQntuples(result) == 0)
        return error_fail(ERROR_CONFIG, "there is an agency %s already; see dongbo agency list", addition->code);
    change->agency = pg_i32(result, 0, 0);
    return 0;
}

static json_t *agency_json(const PGresult *result, int row) {
    char added[CLOCK_TEXT_BYTES];
    clock_format_us(pg_us(result, row, 6), added);
    return json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:s, s:o}", "agency", pg_text(result, row, 0), "name",
                     pg_text(result, row, 1), "state", pg_text(result, row, 2), "domains",
                     policy_array_json(result, row, 3, true), "provinces", policy_array_json(result, row, 4, false),
                     "may_be_told", policy_array_json(result, row, 5, false), "added", added, "key_ids",
                     policy_array_json(result, row, 7, false));
}

static int agency_row(const PGresult *result, int row, Columns *columns) {
    CLEANUP(bytes_free) Bytes domains = {0};
    CLEANUP(bytes_free) Bytes provinces = {0};
    CLEANUP(bytes_free) Bytes keys = {0};
    policy_domains_text(result, row, 3, &domains);
    policy_array_text(result, row, 4, &provinces);
    policy_array_text(result, row, 7, &keys);
    if (domains.failed || provinces.failed || keys.failed)
        return error_fail(ERROR_MEMORY, "no memory for a table");
    columns_add(columns, (const char *[]){pg_text(result, row, 0), pg_text(result, row, 2), (const char *)domains.data,
                                          *provinces.data ? (const char *)provinces.data : "all",
                                          (const char *)keys.data, pg_text(result, row, 1)});
    return 0;
}

static const char *const HEADINGS[] = {"AGENCY", "STATE", "DOMAINS", "PROVINCES", "KEYS", "NAME"};
static const PartyKind AGENCY = {.word = "agency",
                                 .is_agency = true,
                                 .list = &LIST,
                                 .set_state = &SET_STATE,
                                 .find = &FIND,
                                 .keys = &KEYS,
                                 .headings = HEADINGS,
                                 .n_headings = 6,
                                 .row = agency_row,
                                 .json = agency_json};

static int add(Desk *desk, Addition *addition) {
    int64_t position;
    PartyAddition party = {&AGENCY, addition->code, addition->key, insert, addition};
    int r = check_addition(desk, addition);
    if (r == 0)
        r = party_add(desk, &party, &position);
    if (r == 0)
        printf("agency %s may speak from position %lld on\n", addition->code, (long long)position);
    return r;
}

int agency_add(Desk *desk, int argc, char **argv) {
    CLEANUP(addition_free) Addition addition = {0};
    int operand = 0;
    const Option options[] = {
        {"name", 0, OPTION_TEXT, "NAME", "what people call it", &addition.name},
        {"domain", 0, OPTION_LIST, "DOMAIN", "may speak for this domain; repeat, or a,b", &addition.domain_list},
        {"key", 0, OPTION_TEXT, "FILE.pub", "its public keys, from its own dongbo keys new; else see agency enrol",
         &addition.key},
        {"province", 0, OPTION_LIST, "CODE", "only for residents of these (34 codes); default all",
         &addition.province_list},
        {"may-be-told", 0, OPTION_LIST, "FIELD", "stored value it may see in reasons, as subject.birth_date",
         &addition.told_list},
        DESK_WHY(desk),
        {0}};
    int r = desk_parse(desk, options, argc, argv, &operand);
    if (r != 0)
        return r < 0 ? r : 0;
    addition.code = argv[operand];
    return add(desk, &addition);
}

int agency_list(Desk *desk, int argc, char **argv) {
    return party_list(desk, argc, argv, &AGENCY);
}

int agency_disable(Desk *desk, int argc, char **argv) {
    return party_set_state(desk, argc, argv, &AGENCY, "disabled");
}

int agency_enable(Desk *desk, int argc, char **argv) {
    return party_set_state(desk, argc, argv, &AGENCY, "active");
}

int agency_enrol(Desk *desk, int argc, char **argv) {
    return enrolment_make(desk, argc, argv, &AGENCY);
}

int agency_key_add(Desk *desk, int argc, char **argv) {
    return party_key_add(desk, argc, argv, &AGENCY);
}

int agency_key_list(Desk *desk, int argc, char **argv) {
    return party_key_list(desk, argc, argv, &AGENCY);
}

int agency_key_retire(Desk *desk, int argc, char **argv) {
    return party_key_retire(desk, argc, argv, &AGENCY);
}

int agency_key_revoke(Desk *desk, int argc, char **argv) {
    return party_key_revoke(desk, argc, argv, &AGENCY);
}
