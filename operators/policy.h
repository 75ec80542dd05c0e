// SPDX-License-Identifier: Apache-2.0
//
// What changing a policy has in common: one transaction under the log's lock, so that the position from which the
// change holds is known; the words for the log; the party's keys; lists of domains, provinces and fields as given.
// Brokers are told by the tables' own triggers.
#pragma once

#include "operators/desk.h"
#include "proto/keys.h"

#include <jansson.h>
#include <stdint.h>

#define POLICY_WORDS_MAX 256
#define POLICY_TEXT_BYTES_MAX 256 // of a name that only people read

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

// What an operator calls something: not empty, no control character, bytes_max at most. ERROR_CONFIG names the option.
int policy_check_text(const char *option, const char *text, size_t bytes_max);
bool policy_is_agency_code(const char *text); // 2 to 16 of A-Z, 0-9 and -

// Begins the transaction, takes the lock, reads the position. Everything that may keep us waiting comes before: the
// whole exchange waits for this transaction's end, and the server ends it after five seconds of silence.
int policy_begin(Pg *exchange, int64_t *ret_position);
typedef struct PolicyChange {
    int32_t agency, subscription; // one of them; 0: none
    int64_t position;
    const char *text;
    const char *why; // the operator's reason; NULL: none
} PolicyChange;
// Writes the words and commits.
int policy_commit(Pg *exchange, const PolicyChange *change);
// Which keys of a key file: both, or one of them.
typedef enum KeyChoice { KEY_BOTH, KEY_TRANSPORT, KEY_SIGNING } KeyChoice;
// Adds keys for the change's agency or subscription. ERROR_CONFIG when one is somebody's already.
int policy_add_keys(Pg *exchange, const Keys *keys, KeyChoice choice, const PolicyChange *change);
