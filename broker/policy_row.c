// SPDX-License-Identifier: Apache-2.0
//
// Words that are too long for any field or province grant nothing, as unknown ones do.
#include "broker/policy_row.h"

#include <stdlib.h>
#include <string.h>

enum {
    VERSION,
    POSITION,
    VALID_FROM,
    VALID_TO,
    DOMAINS,
    PROVINCES,
    FIELDS,
    PROVINCE_CODES,
    CHANGES,
    OWN_AGENCY,
    FOLLOWED_ONLY,
    ORIGIN_PROOFS
};

// Gives each element of a text array to `grant`; how many there were.
static int texts_read(const PGresult *result, int row, int column, PolicyVersion *version,
                      void (*grant)(PolicyVersion *, const char *)) {
    PgElement *elements = NULL;
    int n = pg_array(result, row, column, &elements);
    for (int i = 0; i < n; i++) {
        char text[128];
        if (elements[i].n >= sizeof text)
            continue;
        memcpy(text, elements[i].data, elements[i].n);
        text[elements[i].n] = 0;
        grant(version, text);
    }
    free(elements);
    return n;
}

int policy_row_read(const PGresult *result, int row, int column, PolicyVersion *ret) {
    *ret = (PolicyVersion){.version = pg_i32(result, row, column + VERSION),
                           .position = (uint64_t)pg_i64(result, row, column + POSITION),
                           .valid_from = pg_i32(result, row, column + VALID_FROM), // a date is days since 2000-01-01
                           .valid_to = pg_i32(result, row, column + VALID_TO),
                           .codes63 = pg_i16(result, row, column + PROVINCE_CODES) == 63,
                           .own_agency = (uint32_t)pg_i32(result, row, column + OWN_AGENCY)};
    int r = pg_array_bits(result, row, column + DOMAINS, DOMAIN_MAX, &ret->domains);
    if (r >= 0)
        r = pg_array_bits(result, row, column + CHANGES, DONGBO__CHANGE_KIND__CHANGE_LEFT, &ret->changes);
    int provinces = r < 0 ? r : texts_read(result, row, column + PROVINCES, ret, policy_grant_province);
    ret->any_province = provinces == 0;
    ret->followed_only = pg_bool(result, row, column + FOLLOWED_ONLY);
    ret->origins = policy_origins(pg_text(result, row, column + ORIGIN_PROOFS));
    r = provinces < 0 ? provinces : texts_read(result, row, column + FIELDS, ret, policy_grant_field);
    return r < 0 ? r : 0;
}
