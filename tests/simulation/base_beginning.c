// SPDX-License-Identifier: Apache-2.0
//
// What is there before anything begins, for the tape: agencies, subscriptions and their rights, citizens.
#include "base_rows.h"
#include "tape.h"

#include <stdio.h>
#include <string.h>

#define HEX_BYTES 67

static const char *hex(const uint8_t key[32], char text[HEX_BYTES]) {
    text[0] = '\\';
    text[1] = 'x';
    hex_encode(key, 32, text + 2);
    return text;
}

static const char *number(int64_t value, char text[24]) {
    snprintf(text, 24, "%lld", (long long)value);
    return text;
}

// An array, as text.
static const char *numbers(const int16_t *values, size_t n, char text[128]) {
    size_t at = (size_t)snprintf(text, 128, "{");
    for (size_t i = 0; i < n; i++)
        at += (size_t)snprintf(text + at, 128 - at, "%s%d", i > 0 ? "," : "", values[i]);
    snprintf(text + at, 128 - at, "}");
    return text;
}

static const char *texts(const char *const *values, size_t n, char text[512]) {
    size_t at = (size_t)snprintf(text, 512, "{");
    for (size_t i = 0; i < n; i++)
        at += (size_t)snprintf(text + at, 512 - at, "%s%s", i > 0 ? "," : "", values[i]);
    snprintf(text + at, 512 - at, "}");
    return text;
}

static void say_key(const char *column, const uint8_t key[32], const char *purpose, const char *owner) {
    char text[HEX_BYTES], sql[128];
    snprintf(sql, sizeof sql, "INSERT INTO exchange.key (key, purpose, %s) VALUES ($1, $2, $3)", column);
    const char *const row[] = {hex(key, text), purpose, owner};
    tape_beginning(sql, 3, row);
}

static void say_agency(const BaseAgency *agency) {
    char id[24], domains[128];
    const char *const row[] = {number(agency->agency, id), agency->code,
                               numbers(agency->domains, agency->n_domains, domains)};
    tape_beginning("INSERT INTO exchange.agency (agency, code, name, domains) VALUES ($1, $2, $2, $3)", 3, row);
    say_key("agency", agency->sign_public, "ed25519", id);
    say_key("agency", agency->curve_public, "curve", id);
}

static void say_subscription(const BaseSubscription *of) {
    char id[24], secret[HEX_BYTES], domains[128], provinces[512], fields[512];
    const char *const row[] = {number(of->subscription, id), of->name, hex(of->secret, secret)};
    tape_beginning("INSERT INTO exchange.subscription (subscription, name, subscriber, secret) VALUES ($1, $2, $2, $3)",
                   3, row);
    say_key("subscription", of->curve_public, "curve", id);
    const char *const rights[] = {id, numbers(of->domains, of->n_domains, domains),
                                  texts(of->provinces, of->n_provinces, provinces),
                                  texts(of->fields, of->n_fields, fields), of->followed_only ? "true" : "false"};
    tape_beginning("INSERT INTO exchange.subscription_policy (subscription, version, position, legal_basis, valid_from,"
                   " valid_to, domains, provinces, fields, followed_only)"
                   " VALUES ($1, 1, 0, 'x', '2020-01-01', '2090-01-01', $2, $3, $4, $5)",
                   5, rights);
}

static void say_citizen(const BaseCitizen *citizen) {
    char id[24];
    const char *const row[] = {number(citizen->person, id), citizen->number,     citizen->name,
                               citizen->birth_date,         citizen->sex,        citizen->mother,
                               citizen->province,           citizen->province63, citizen->died_on};
    tape_beginning("INSERT INTO population.citizen (person, citizen_number, full_name, birth_date, sex, mother_name,"
                   " residence_province, residence_province63, died_on) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                   9, row);
}

static void say_head_key(void) {
    char text[HEX_BYTES];
    const char *const row[] = {hex(base_head_key, text)};
    tape_beginning("INSERT INTO exchange.policy_change (text, position, logged_position) VALUES ('x', 0, 0)", 0, NULL);
    tape_beginning("INSERT INTO exchange.head_key (key_id, key, change)"
                   " VALUES (substr(encode(sha256($1), 'hex'), 1, 16), $1, 1)",
                   1, row);
}

// As base_log.c stores them.
static void say_what_is_older(void) {
    tape_beginning("CREATE FUNCTION simulated.forget_root() RETURNS trigger LANGUAGE plpgsql AS"
                   " $$ BEGIN NEW.entries_root = NULL; RETURN NEW; END $$",
                   0, NULL);
    tape_beginning("CREATE TRIGGER forget_root BEFORE INSERT ON exchange.segment FOR EACH ROW"
                   " WHEN (NEW.leaf_index % 2 = 1) EXECUTE FUNCTION simulated.forget_root()",
                   0, NULL);
}

void base_tape_beginning(void) {
    say_what_is_older();
    if (base_head_key != NULL)
        say_head_key();
    for (size_t i = 0; i < base_n_agencies; i++)
        say_agency(&base_agencies[i]);
    for (size_t i = 0; i < base_n_subscriptions; i++)
        say_subscription(&base_subscriptions[i]);
    for (size_t i = 0; i < base_citizens.n; i++)
        say_citizen(table_committed(&base_citizens, i));
    tape_beginning("SELECT setval(pg_get_serial_sequence('population.citizen', 'person'), max(person))"
                   " FROM population.citizen",
                   0, NULL);
}
