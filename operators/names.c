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

uint32_t names_agency_id(const Names *names, const char *code) {
    for (int row = 0; row < PQntuples(names->agencies); row++)
        if (strcmp(pg_text(names->agencies, row, 1), code) == 0)
            return (uint32_t)pg_i32(names->agencies, row, 0);
    return 0;
}

const char *names_domain(int domain) {
    const char *name = domain_name(domain);
    return name ? name : "unreadable";
}
