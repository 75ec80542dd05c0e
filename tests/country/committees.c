// SPDX-License-Identifier: Apache-2.0
//
// Rights are read as the operator wrote them; applying them is done anew here, from the truth.

#include "tests/country/committees.h"

#include "proto/base/error.h"
#include "proto/domain.h"
#include "tests/country/digest.h"

#include <errno.h>
#include <glob.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 128
#define WORD_BYTES 64
#define TOLD_MAX 10

static const PgStatement RIGHTS = {"score_rights",
                                   "SELECT p.domains, p.provinces, p.fields FROM exchange.subscription s "
                                   "JOIN exchange.subscription_policy p USING (subscription) "
                                   "WHERE s.name = $1 ORDER BY p.version DESC LIMIT 1",
                                   1, NULL};

typedef struct Rights {
    bool domains[DOMAIN_MAX + 1];
    bool any_province, provinces[100];
    bool citizen_number;
    char fields[WORDS_MAX][WORD_BYTES]; // "health.product_code"
    size_t n_fields;
} Rights;

typedef struct Check {
    Committee *committee;
    Rights rights;
    DigestBag expected, received;
    int64_t last_position;
    int told;
} Check;

static bool may_see(const Rights *rights, const char *domain, const char *field) {
    char word[WORD_BYTES];
    snprintf(word, sizeof word, "%s.%s", domain, field);
    for (size_t i = 0; i < rights->n_fields; i++)
        if (strcmp(rights->fields[i], word) == 0)
            return true;
    return false;
}

static void add_right(Rights *rights, PgElement word) {
    if (word.n == strlen("citizen_number") && memcmp(word.data, "citizen_number", word.n) == 0)
        rights->citizen_number = true;
    else if (rights->n_fields < WORDS_MAX)
        snprintf(rights->fields[rights->n_fields++], WORD_BYTES, "%.*s", (int)word.n, (const char *)word.data);
}

static int take_rights(Rights *rights, const PGresult *result) {
    PgElement *words = NULL;
    int n = pg_array(result, 0, 0, &words);
    for (int i = 0; i < n; i++)
        if (pg_element_int(words[i]) <= DOMAIN_MAX)
            rights->domains[pg_element_int(words[i])] = true;
    free(words);
    words = NULL;
    n = pg_array(result, 0, 1, &words);
    rights->any_province = n == 0;
    for (int i = 0; i < n; i++)
        if (words[i].n == 2)
            rights->provinces[(words[i].data[0] - '0') * 10 + words[i].data[1] - '0'] = true;
    free(words);
    words = NULL;
    n = pg_array(result, 0, 2, &words);
    for (int i = 0; i < n; i++)
        add_right(rights, words[i]);
    free(words);
    return n < 0 ? n : 0;
}

static int read_rights(Check *check, Pg *exchange) {
    PgParams params = {0};
    PGresult *result = NULL;
    pg_param_text(&params, check->committee->name);
    int r = pg_run(exchange, &RIGHTS, &params, &result);
    pg_params_free(&params);
    if (r < 0)
        return r;
    r = PQntuples(result) == 1 ? take_rights(&check->rights, result)
                               : error_fail(ERROR_CONFIG, "there is no subscription %s", check->committee->name);
    PQclear(result);
    return r;
}

typedef struct Granted {
    const Rights *rights;
    const char *domain;
    Digest digest;
} Granted;

static void add_granted(void *self, const char *name, const char *value) {
    Granted *granted = self;
    if (may_see(granted->rights, granted->domain, name))
        digest_add(&granted->digest, name, value);
}

static Digest begin(const char *domain, const char *change, const char *number) {
    char what[WORD_BYTES];
    snprintf(what, sizeof what, "%s/%s", domain, change);
    return digest_begin(what, number);
}

static int expect(Check *check, const Truth *truth) {
    for (size_t i = 0; i < truth->n; i++) {
        const TruthRow *row = &truth->rows[i];
        const char *domain = SHEET_TABLE[row->sheet].domain;
        if (!truth_is_held(row) || !check->rights.domains[domain_by_name(domain)] ||
            (!check->rights.any_province && !check->rights.provinces[row->person->province % 100]))
            continue;
        char number[24] = "";
        if (check->rights.citizen_number)
            snprintf(number, sizeof number, "%012" PRIu64, row->person->number);
        const bool retracted = row->kind == CLAIM_RETRACTED;
        Granted granted = {.rights = &check->rights, .domain = domain};
        granted.digest = begin(domain, retracted ? "delete" : "upsert", number);
        if (!retracted)
            truth_fields(row, add_granted, &granted);
        const int r = digest_bag_add(&check->expected, granted.digest);
        if (r < 0)
            return r;
    }
    return 0;
}

static const char *text_at(const json_t *record, const char *key) {
    const char *text = json_string_value(json_object_get(record, key));
    return text ? text : "";
}

static void add_json_field(Check *check, Digest *digest, const char *domain, const char *name, const json_t *value) {
    char number[24];
    const char *text = json_string_value(value);
    if (!text) {
        snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        text = number;
    }
    digest_add(digest, name, text);
    if (!may_see(&check->rights, domain, name)) {
        check->committee->undisclosed++;
        if (check->told++ < TOLD_MAX)
            fprintf(stderr, "score: %s saw %s.%s\n", check->committee->name, domain, name);
    }
}

static int take_record(Check *check, json_t *record) {
    const char *domain = text_at(record, "domain"), *change = text_at(record, "change");
    const char *number = text_at(record, "citizen_number"), *name;
    const json_int_t position = json_integer_value(json_object_get(record, "position"));
    json_t *value;
    Digest digest = begin(domain, change, number);
    json_object_foreach(json_object_get(record, "fields"), name, value)
        add_json_field(check, &digest, domain, name, value);
    check->committee->records++;
    check->committee->undisclosed += number[0] && !check->rights.citizen_number;
    check->committee->doubled += position <= check->last_position;
    check->last_position = position;
    return digest_bag_add(&check->received, digest);
}

static int take_file(Check *check, const char *path) {
    FILE *file = fopen(path, "r");
    if (!file)
        return error_fail(ERROR_SYSTEM, "%s: %s", path, strerror(errno));
    char *line = NULL;
    size_t size = 0;
    int r = 0;
    for (size_t n = 1; r == 0 && getline(&line, &size, file) > 0; n++) {
        json_t *record = json_loads(line, 0, NULL);
        r = record ? take_record(check, record) : error_fail(ERROR_DATA, "%s:%zu: not JSON", path, n);
        json_decref(record);
    }
    free(line);
    fclose(file);
    return r;
}

static int take_files(Check *check, const char *directory) {
    char pattern[PATH_MAX];
    glob_t found = {0};
    snprintf(pattern, sizeof pattern, "%s/*.jsonl", directory);
    int r = 0;
    const int status = glob(pattern, 0, NULL, &found); // sorted
    if (status != 0 && status != GLOB_NOMATCH)
        r = error_fail(ERROR_SYSTEM, "%s cannot be read", directory);
    for (size_t i = 0; r == 0 && status == 0 && i < found.gl_pathc; i++)
        r = take_file(check, found.gl_pathv[i]);
    globfree(&found);
    return r;
}

int committee_check(Committee *committee, const Truth *truth, Pg *exchange, const char *directory) {
    Check check = {.committee = committee};
    int r = read_rights(&check, exchange);
    if (r == 0)
        r = expect(&check, truth);
    if (r == 0)
        r = take_files(&check, directory);
    size_t missing = 0, beyond = 0;
    if (r == 0)
        digest_bag_compare(&check.expected, &check.received, &missing, &beyond);
    committee->missing = missing;
    committee->beyond = beyond;
    digest_bag_free(&check.expected);
    digest_bag_free(&check.received);
    return r;
}
