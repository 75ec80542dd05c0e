// SPDX-License-Identifier: Apache-2.0
//
// Changes are few and made by people, so each is one short transaction; whoever writes the log waits for it.
#include "operators/policy.h"
#include "operators/result.h"
#include "proto/base/bytes.h"
#include "proto/base/text.h"
#include "proto/domain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const PgStatement LOCK = {"policy_lock", "SELECT exchange.lock_log()", 0, NULL};
static const PgStatement POSITION = {"policy_position", "SELECT exchange.next_position()", 0, NULL};
static const PgStatement CHANGE = {"policy_change",
                                   "INSERT INTO exchange.policy_change (text, agency, subscription, position, why) "
                                   "VALUES ($1, nullif($2::integer, 0), nullif($3::integer, 0), $4, $5)",
                                   5, NULL};
static const PgStatement KEY = {"policy_key",
                                "INSERT INTO exchange.key (key, purpose, agency, subscription) "
                                "VALUES ($1, $2, nullif($3::integer, 0), nullif($4::integer, 0))",
                                4, NULL};

int policy_words(PolicyWords *ret, const OptionList *list) {
    for (int i = 0; i < list->n; i++) {
        for (const char *at = list->items[i]; at;) {
            size_t n = strcspn(at, ",");
            if (n == 0)
                return error_fail(ERROR_CONFIG, "\"%s\" holds an empty word", list->items[i]);
            if (ret->n == POLICY_WORDS_MAX)
                return error_fail(ERROR_CONFIG, "more than %d words", POLICY_WORDS_MAX);
            ret->text[ret->n] = strndup(at, n);
            if (!ret->text[ret->n])
                return error_fail(ERROR_MEMORY, "no memory for a word");
            ret->n++;
            at = at[n] ? at + n + 1 : NULL;
        }
    }
    return 0;
}

void policy_words_free(PolicyWords *words) {
    for (int i = 0; i < words->n; i++)
        free(words->text[i]);
    words->n = 0;
}

int policy_domains(const PolicyWords *words, uint32_t *ret_bits) {
    *ret_bits = 0;
    for (int i = 0; i < words->n; i++) {
        int domain = domain_by_name(words->text[i]);
        char known[256] = "";
        for (int d = DOMAIN_MIN, n = 0; d <= DOMAIN_MAX && n < (int)sizeof known; d++)
            n += snprintf(known + n, sizeof known - (size_t)n, "%s%s", n ? ", " : "", domain_name(d));
        if (domain == 0)
            return error_fail(ERROR_CONFIG, "--domain: \"%s\" is no domain; there are %s", words->text[i], known);
        *ret_bits |= 1u << domain;
    }
    return *ret_bits ? 0 : error_fail(ERROR_CONFIG, "--domain is needed, at least once");
}

int policy_provinces(const Rules *rules, const PolicyWords *words) {
    for (int i = 0; i < words->n; i++)
        if (!rules_is_province34(rules, words->text[i]))
            return error_fail(ERROR_CONFIG, "--province: \"%s\" is none of codes/provinces34.tsv", words->text[i]);
    return 0;
}

void policy_param_domains(PgParams *params, uint32_t bits) {
    pg_param_array_begin(params, OID_INT2, __builtin_popcount(bits));
    for (int16_t domain = DOMAIN_MIN; domain <= DOMAIN_MAX; domain++)
        if (bits & 1u << domain)
            pg_array_i16(params, domain);
}

void policy_param_words(PgParams *params, const PolicyWords *words) {
    pg_param_array_begin(params, OID_TEXT, words->n);
    for (int i = 0; i < words->n; i++)
        pg_array_text(params, words->text[i], strlen(words->text[i]));
}

static void array_text(const PGresult *result, int row, int column, Bytes *out, bool domains) {
    PgElement *elements = NULL;
    int n = pg_array(result, row, column, &elements);
    bytes_clear(out);
    for (int i = 0; i < n; i++) {
        if (i)
            bytes_append_text(out, ", ");
        const char *name = domains ? domain_name((int)pg_element_int(elements[i])) : NULL;
        if (domains)
            bytes_append_text(out, name ? name : "?");
        else
            bytes_append(out, elements[i].data, elements[i].n);
    }
    bytes_append_u8(out, 0);
    free(elements);
}

void policy_domains_text(const PGresult *result, int row, int column, Bytes *out) {
    array_text(result, row, column, out, true);
}

void policy_array_text(const PGresult *result, int row, int column, Bytes *out) {
    array_text(result, row, column, out, false);
}

json_t *policy_array_json(const PGresult *result, int row, int column, bool domains) {
    PgElement *elements = NULL;
    int n = pg_array(result, row, column, &elements);
    json_t *array = json_array();
    for (int i = 0; i < n; i++) {
        const char *name = domains ? domain_name((int)pg_element_int(elements[i])) : NULL;
        json_array_append_new(array, domains ? json_string(name ? name : "?")
                                             : json_stringn((const char *)elements[i].data, elements[i].n));
    }
    free(elements);
    return array;
}

bool policy_is_agency_code(const char *text) {
    size_t n = strlen(text);
    return n >= 2 && n <= 16 && strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") == n;
}

int policy_check_text(const char *option, const char *text, size_t bytes_max) {
    size_t n = strlen(text);
    if (n == 0 || strspn(text, " ") == n)
        return error_fail(ERROR_CONFIG, "%s is empty", option);
    if (n > bytes_max)
        return error_fail(ERROR_CONFIG, "%s has %zu bytes, %zu at most", option, n, bytes_max);
    if (!text_is_clean(text, n))
        return error_fail(ERROR_CONFIG, "%s holds a control character or is not UTF-8", option);
    return 0;
}

int policy_begin(Pg *exchange, int64_t *ret_position) {
    RESULT result = NULL;
    int r = pg_command(exchange, "BEGIN; SET LOCAL idle_in_transaction_session_timeout = '5s'; "
                                 "SET LOCAL lock_timeout = '10s'");
    if (r == 0)
        r = pg_run(exchange, &LOCK, NULL, NULL);
    if (r == 0)
        r = pg_run(exchange, &POSITION, NULL, &result);
    if (r == 0)
        *ret_position = pg_i64(result, 0, 0);
    return r;
}

int policy_commit(Pg *exchange, const PolicyChange *change) {
    PgParams params = {0};
    pg_param_text(&params, change->text);
    pg_param_i32(&params, change->agency);
    pg_param_i32(&params, change->subscription);
    pg_param_i64(&params, change->position);
    pg_param_text(&params, change->why ? change->why : "");
    int r = pg_run(exchange, &CHANGE, &params, NULL);
    pg_params_free(&params);
    return r < 0 ? r : pg_command(exchange, "COMMIT");
}

static int add_key(Pg *exchange, const uint8_t key[KEY_BYTES], const char *purpose, const PolicyChange *change) {
    PgParams params = {0};
    pg_param_bytes(&params, key, KEY_BYTES);
    pg_param_text(&params, purpose);
    pg_param_i32(&params, change->agency);
    pg_param_i32(&params, change->subscription);
    int r = pg_run(exchange, &KEY, &params, NULL);
    pg_params_free(&params);
    if (r == ERROR_DATA && strcmp(pg_sqlstate(exchange), "23505") == 0)
        return error_fail(ERROR_CONFIG, "its %s key belongs to somebody already: make new keys with dongbo keys new",
                          purpose);
    return r;
}

int policy_add_keys(Pg *exchange, const Keys *keys, KeyChoice choice, const PolicyChange *change) {
    int r = choice == KEY_SIGNING ? 0 : add_key(exchange, keys->curve_public, "curve", change);
    return r < 0 || choice == KEY_TRANSPORT ? r : add_key(exchange, keys->sign_public, "ed25519", change);
}
