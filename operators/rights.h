// SPDX-License-Identifier: Apache-2.0
//
// What a subscription may receive, as operators write it: read from a policy's row, checked, compared, told in words,
// and written as a policy's next version. By sets of bits, so that the order in which things were named does not count.
#pragma once

#include "broker/policy_row.h"
#include "operators/policy.h"
#include "proto/base/date.h"
#include "proto/bounds.h"

#include <jansson.h>
#include <stdio.h>

#define RIGHTS_AGENCY_BYTES 32 // longer than any code

typedef struct Rights {
    PolicyVersion policy; // valid_from, valid_to and own_agency of it are not used here
    char legal_basis[TEXT_BYTES_MAX + 1];
    char valid_from[32], valid_to[32];
    char agency[RIGHTS_AGENCY_BYTES]; // the subscriber's own, by its code; "": none
    bool echo;
} Rights;

// Columns of exchange.subscription_policy p, which rights_read() goes by.
#define RIGHTS_ROW                                                                                                     \
    POLICY_ROW ", p.legal_basis, p.valid_from::text, p.valid_to::text, "                                               \
               "coalesce((SELECT a.code FROM exchange.agency a WHERE a.agency = p.agency), ''), p.echo"
int rights_read(const PGresult *result, int row, int column, Rights *ret); // ERROR_DATABASE, ERROR_MEMORY
// All kinds of change, all provinces, and nothing else yet.
void rights_init(Rights *rights);

// Text for a field of the structure, cut to fit: check it before.
void rights_set(char *into, size_t size, const char *text);
// That these are days, in order; the names are what an error calls them. ERROR_CONFIG.
int rights_check_days(const Rights *rights, const char *from_name, const char *to_name);
// That there is such an agency, where one is named. ERROR_CONFIG, ERROR_DATABASE.
int rights_check_agency(Pg *exchange, const Rights *rights, const char *name);
int rights_count_fields(const Rights *rights);

// How many things differ; each is told on a line of `out`, unless that is NULL. was: NULL for nothing yet.
int rights_compare(const Rights *was, const Rights *now, FILE *out);
// The same as in a policy file, by the names it has there.
json_t *rights_json(const Rights *rights);

// Writes them as this version, from change->position on. ERROR_CONFIG when somebody else wrote it meanwhile; `name` is
// the subscription's. ERROR_DATABASE.
int rights_insert(Pg *exchange, const Rights *rights, const PolicyChange *change, const char *name);
