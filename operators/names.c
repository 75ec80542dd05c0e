// SPDX-License-Identifier: Apache-2.0
//
// A list small enough to be searched from one end to the other.
#include "operators/names.h"
#include "operators/result.h"
#include "proto/domain.h"

#include <stdlib.h>
#include <string.h>

struct Names {
    PGresult *agencies;
};

static const PgStatement AGENCIES = {"names_agencies", "SELECT agency, code FROM exchange.agency ORDER BY agency", 0,
                                     NULL};

int names_read(Names **ret, Pg *exchange) {
    *ret = calloc(1, sizeof **ret);
    if (!*ret)
        return error_fail(ERROR_MEMORY, "no memory for names");
    return pg_run(exchange, &AGENCIES, NULL, &(*ret)->agencies);
}

int names_refresh(Names *names, Pg *exchange, uint32_t agency) {
    PGresult *agencies = NULL;
    if (strcmp(names_agency(names, agency), "?") != 0)
        return 0;
    int r = pg_run(exchange, &AGENCIES, NULL, &agencies);
    if (r < 0)
        return r;
    PQclear(names->agencies);
    names->agencies = agencies;
    return 0;
}

void names_destroy(Names **names) {
    if (*names)
        PQclear((*names)->agencies);
    free(*names);
    *names = NULL;
}

const char *names_agency(const Names *names, uint32_t agency) {
    if (agency == 0)
        return "";
    for (int row = 0; row < PQntuples(names->agencies); row++)
        if ((uint32_t)pg_i32(names->agencies, row, 0) == agency)
            return pg_text(names->agencies, row, 1);
    return "?";
}

const char *names_domain(int domain) {
    const char *name = domain_name(domain);
    return name ? name : "unreadable";
}

int names_find_agency(const Names *names, const char *code, uint32_t *ret) {
    *ret = 0;
    for (int row = 0; code && row < PQntuples(names->agencies); row++)
        if (strcmp(pg_text(names->agencies, row, 1), code) == 0)
            *ret = (uint32_t)pg_i32(names->agencies, row, 0);
    return !code || *ret
               ? 0
               : error_fail(ERROR_CONFIG, "--agency: there is no agency \"%s\"; see dongbo agency list", code);
}

int names_find_domain(const char *name, int *ret) {
    *ret = name ? domain_by_name(name) : 0;
    return !name || *ret ? 0 : error_fail(ERROR_CONFIG, "--domain: there is no domain \"%s\"", name);
}
