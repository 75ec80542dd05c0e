// SPDX-License-Identifier: Apache-2.0
//
// Only what this program knows of a policy is compared and written: a database of a newer one is refused before.
#include "operators/rights.h"
#include "operators/result.h"
#include "proto/domain.h"

#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 300 // of one list: fields of all domains, provinces
#define WORD_BYTES 80

static const PgStatement INSERT = {
    "rights_insert",
    "INSERT INTO exchange.subscription_policy (subscription, version, position, legal_basis, valid_from, valid_to, "
    "domains, provinces, fields, province_codes, changes, agency, echo, followed_only, origin_proofs) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, "
    "$10, $11, (SELECT agency FROM exchange.agency WHERE code = $12), $13, $14, $15) ON CONFLICT DO NOTHING RETURNING version",
    15, NULL};
static const PgStatement AGENCY = {"rights_agency", "SELECT FROM exchange.agency WHERE code = $1", 1, NULL};

enum { LEGAL_BASIS, VALID_FROM, VALID_TO, AGENCY_CODE, ECHO };

void rights_set(char *into, size_t size, const char *text) {
    snprintf(into, size, "%s", text);
}

void rights_init(Rights *rights) {
    *rights = (Rights){.policy = {.any_province = true, .changes = POLICY_CHANGES_ALL}};
}

int rights_read(const PGresult *result, int row, int column, Rights *ret) {
    const int rest = column + POLICY_ROW_COLUMNS;
    *ret = (Rights){0};
    int r = policy_row_read(result, row, column, &ret->policy);
    rights_set(ret->legal_basis, sizeof ret->legal_basis, pg_text(result, row, rest + LEGAL_BASIS));
    rights_set(ret->valid_from, sizeof ret->valid_from, pg_text(result, row, rest + VALID_FROM));
    rights_set(ret->valid_to, sizeof ret->valid_to, pg_text(result, row, rest + VALID_TO));
    rights_set(ret->agency, sizeof ret->agency, pg_text(result, row, rest + AGENCY_CODE));
    ret->echo = pg_bool(result, row, rest + ECHO);
    return r;
}

// ---- checks ---------------------------------------------------------------------------------------------------------

static int read_day(const char *name, const char *text, Date *ret) {
    if (date_parse(text, ret) != 0 || ret->day == 0)
        return error_fail(ERROR_CONFIG, "%s: \"%s\" is no day (YYYY-MM-DD)", name, text);
    return 0;
}

int rights_check_days(const Rights *rights, const char *from_name, const char *to_name) {
    Date from, to;
    int r = read_day(from_name, rights->valid_from, &from);
    if (r == 0)
        r = read_day(to_name, rights->valid_to, &to);
    if (r == 0 && date_compare(to, from) < 0)
        return error_fail(ERROR_CONFIG, "%s is before %s", to_name, from_name);
    return r;
}

int rights_check_agency(Pg *exchange, const Rights *rights, const char *name) {
    PgParams params = {0};
    RESULT result = NULL;
    if (!rights->agency[0])
        return 0;
    pg_param_text(&params, rights->agency);
    int r = pg_run(exchange, &AGENCY, &params, &result);
    pg_params_free(&params);
    if (r == 0 && PQntuples(result) == 0)
        return error_fail(ERROR_CONFIG, "%s: there is no agency %s; see dongbo agency list", name, rights->agency);
    return r;
}

// ---- lists ----------------------------------------------------------------------------------------------------------

typedef struct WordList {
    char text[WORDS_MAX][WORD_BYTES];
    int n;
} WordList;

static void add_word(WordList *list, const char *before, const char *word) {
    if (list->n < WORDS_MAX)
        snprintf(list->text[list->n++], WORD_BYTES, "%s%s", before, word);
}

static void list_fields(const Rights *rights, WordList *ret) {
    ret->n = 0;
    if (rights->policy.citizen_number)
        add_word(ret, "", "citizen_number");
    if (rights->policy.person_id)
        add_word(ret, "", "person_id");
    for (int domain = DOMAIN_MIN; domain <= DOMAIN_MAX; domain++) {
        const ProtobufCMessageDescriptor *descriptor = domain_descriptor(domain);
        char before[WORD_BYTES / 2];
        snprintf(before, sizeof before, "%s.", domain_name(domain));
        for (unsigned i = 0; i < descriptor->n_fields; i++)
            if (rights->policy.fields[domain] >> descriptor->fields[i].id & 1)
                add_word(ret, before, descriptor->fields[i].name);
    }
}

static void list_provinces(const Rights *rights, WordList *ret) {
    char code[4];
    ret->n = 0;
    for (int i = 0; i < POLICY_PROVINCES && !rights->policy.any_province; i++) {
        snprintf(code, sizeof code, "%02d", i);
        if (rights->policy.provinces[i])
            add_word(ret, "", code);
    }
}

static void list_changes(const Rights *rights, WordList *ret) {
    ret->n = 0;
    for (int change = 0; change < 32; change++)
        if (rights->policy.changes >> change & 1 && change_name(change))
            add_word(ret, "", change_name(change));
}

int rights_count_fields(const Rights *rights) {
    int n = rights->policy.citizen_number + rights->policy.person_id;
    for (int domain = DOMAIN_MIN; domain <= DOMAIN_MAX; domain++)
        n += __builtin_popcount(rights->policy.fields[domain]);
    return n;
}

// ---- what differs ---------------------------------------------------------------------------------------------------

static bool holds(const WordList *list, const char *word) {
    for (int i = 0; i < list->n; i++)
        if (strcmp(list->text[i], word) == 0)
            return true;
    return false;
}

static int tell_missing(const WordList *of, const WordList *in, const char *sign, FILE *out) {
    int n = 0;
    for (int i = 0; i < of->n; i++) {
        if (holds(in, of->text[i]))
            continue;
        if (out)
            fprintf(out, "%s%s %s", n ? ", " : "  ", sign, of->text[i]);
        n++;
    }
    return n;
}

static int compare_lists(const char *name, const WordList *was, const WordList *now, FILE *out) {
    int less = tell_missing(was, now, "-", NULL), more = tell_missing(now, was, "+", NULL);
    if (!out || !(less || more))
        return less || more;
    fprintf(out, "  %s:", name);
    tell_missing(was, now, "-", out);
    tell_missing(now, was, "+", out);
    fprintf(out, "\n");
    return 1;
}

static int compare_texts(const char *name, const char *was, const char *now, FILE *out) {
    if (was && strcmp(was, now) == 0)
        return 0;
    if (out && was)
        fprintf(out, "  %s: %s, was %s\n", name, *now ? now : "none", *was ? was : "none");
    else if (out)
        fprintf(out, "  %s: %s\n", name, *now ? now : "none");
    return 1;
}

static void tell_provinces(const Rights *rights, char *ret, size_t size) {
    WordList list;
    list_provinces(rights, &list);
    int n = snprintf(ret, size, list.n ? "" : "all");
    for (int i = 0; i < list.n && (size_t)n < size; i++)
        n += snprintf(ret + n, size - (size_t)n, "%s%s", i ? ", " : "", list.text[i]);
    if (list.n && (size_t)n < size)
        snprintf(ret + n, size - (size_t)n, " of the %d", rights->policy.codes63 ? 63 : 34);
}

int rights_compare(const Rights *was, const Rights *now, FILE *out) {
    WordList before = {.n = 0}, after;
    char provinces[2][512] = {"", ""};
    if (was)
        list_fields(was, &before);
    list_fields(now, &after);
    if (was)
        tell_provinces(was, provinces[0], sizeof provinces[0]);
    tell_provinces(now, provinces[1], sizeof provinces[1]);
    int n = compare_texts("legal_basis", was ? was->legal_basis : NULL, now->legal_basis, out);
    n += compare_texts("valid_from", was ? was->valid_from : NULL, now->valid_from, out);
    n += compare_texts("valid_to", was ? was->valid_to : NULL, now->valid_to, out);
    n += compare_lists("fields", &before, &after, out);
    n += compare_texts("provinces", was ? provinces[0] : NULL, provinces[1], out);
    before.n = 0;
    if (was)
        list_changes(was, &before);
    list_changes(now, &after);
    n += compare_lists("changes", &before, &after, out);
    n += compare_texts("followed_only", was && was->policy.followed_only ? "yes" : "no",
                       now->policy.followed_only ? "yes" : "no", out);
    n += compare_texts("origin_proofs", policy_origins_word(was ? was->policy.origins : POLICY_ORIGINS_NO),
                       policy_origins_word(now->policy.origins), out);
    n += compare_texts("agency", was ? was->agency : "", now->agency, out);
    n += compare_texts("echo", was && was->echo ? "yes" : "no", now->echo ? "yes" : "no", out);
    return n;
}

static json_t *words_json(const WordList *list) {
    json_t *array = json_array();
    for (int i = 0; i < list->n; i++)
        json_array_append_new(array, json_string(list->text[i]));
    return array;
}

json_t *rights_json(const Rights *rights) {
    WordList fields, provinces, changes;
    list_fields(rights, &fields);
    list_provinces(rights, &provinces);
    list_changes(rights, &changes);
    return json_pack("{s:s, s:s, s:s, s:o, s:i, s:o, s:o, s:b, s:s, s:o, s:b, s:i, s:I}", "legal_basis",
                     rights->legal_basis, "valid_from", rights->valid_from, "valid_to", rights->valid_to, "provinces",
                     words_json(&provinces), "province_codes", rights->policy.codes63 ? 63 : 34, "fields",
                     words_json(&fields), "changes", words_json(&changes), "followed_only",
                     rights->policy.followed_only, "origin_proofs", policy_origins_word(rights->policy.origins),
                     "agency", rights->agency[0] ? json_string(rights->agency) : json_null(), "echo", rights->echo,
                     "policy_version", (int)rights->policy.version, "position", (json_int_t)rights->policy.position);
}

// ---- writing --------------------------------------------------------------------------------------------------------

static void param_words(PgParams *params, const WordList *list) {
    pg_param_array_begin(params, OID_TEXT, list->n);
    for (int i = 0; i < list->n; i++)
        pg_array_text(params, list->text[i], strlen(list->text[i]));
}

static void param_changes(PgParams *params, uint32_t bits) {
    pg_param_array_begin(params, OID_INT2, __builtin_popcount(bits));
    for (int16_t change = 0; change < 32; change++)
        if (bits >> change & 1)
            pg_array_i16(params, change);
}

int rights_insert(Pg *exchange, const Rights *rights, const PolicyChange *change, const char *name) {
    WordList provinces, fields;
    PgParams params = {0};
    RESULT result = NULL;
    list_provinces(rights, &provinces);
    list_fields(rights, &fields);
    pg_param_i32(&params, change->subscription);
    pg_param_i32(&params, rights->policy.version);
    pg_param_i64(&params, change->position);
    pg_param_text(&params, rights->legal_basis);
    pg_param_text(&params, rights->valid_from);
    pg_param_text(&params, rights->valid_to);
    policy_param_domains(&params, rights->policy.domains);
    param_words(&params, &provinces);
    param_words(&params, &fields);
    pg_param_i16(&params, rights->policy.codes63 ? 63 : 34);
    param_changes(&params, rights->policy.changes);
    pg_param_text(&params, rights->agency);
    pg_param_bool(&params, rights->echo);
    pg_param_bool(&params, rights->policy.followed_only);
    pg_param_text(&params, policy_origins_word(rights->policy.origins));
    int r = pg_run(exchange, &INSERT, &params, &result);
    pg_params_free(&params);
    if (r == 0 && PQntuples(result) == 0)
        return error_fail(ERROR_CONFIG,
                          "somebody else changed subscription %s just now; nothing was done: look, and say it again",
                          name);
    return r;
}
