// SPDX-License-Identifier: Apache-2.0
//
// What changing a policy has in common: one transaction under the log's lock, so that the position from which the
// change holds is known; the words for the log; the party's keys; lists of domains, provinces and fields as given.
// Brokers are told by the tables' own triggers.
#pragma once

#include "operators/desk.h"

#include <jansson.h>
#include <stdint.h>

#define POLICY_WORDS_MAX 256

// Words of a repeated option, each of which may also be a list with commas.
typedef struct PolicyWords {
    char *text[POLICY_WORDS_MAX];
    int n;
} PolicyWords;
int policy_words(PolicyWords *ret, const OptionList *list); // ERROR_CONFIG, ERROR_MEMORY
void policy_words_free(PolicyWords *words);

// ERROR_CONFIG names the word that is no domain, and lists those there are; bits: bit n = domain n.
int policy_domains(const PolicyWords *words, uint32_t *ret_bits);
int policy_provinces(const Rules *rules, const PolicyWords *words);
// As arrays for SQL.
void policy_param_domains(PgParams *params, uint32_t bits);
void policy_param_words(PgParams *params, const PolicyWords *words);
// "health, education" of a smallint[] column; "health.a, health.b" of a text[] column. Bytes closed by 0.
void policy_domains_text(const PGresult *result, int row, int column, Bytes *out);
void policy_array_text(const PGresult *result, int row, int column, Bytes *out);
json_t *policy_array_json(const PGresult *result, int row, int column, bool domains);

// Begins the transaction, takes the lock, reads the position.
int policy_begin(Pg *exchange, int64_t *ret_position);
typedef struct PolicyChange {
    int32_t agency, subscription; // one of them; 0: none
    int64_t position;
    const char *text;
} PolicyChange;
// Writes the words and commits.
int policy_commit(Pg *exchange, const PolicyChange *change);
// Adds both keys of a .pub file for an agency or a subscription. ERROR_CONFIG when one is somebody's already.
int policy_add_keys(Pg *exchange, const char *path, int32_t agency, int32_t subscription);
