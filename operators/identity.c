// SPDX-License-Identifier: Apache-2.0
//
// Numbers change, persons do not: the current number is looked for first, then those that were replaced.
#include "operators/identity.h"
#include "operators/result.h"
#include "proto/base/text.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define NUMBERS_MAX 100 // that one person is looked for by

static const PgStatement CITIZEN = {
    "identity_citizen",
    "SELECT person, rtrim(citizen_number, '-'), full_name, birth_date, sex, residence_province, residence_commune, died_on "
    "FROM population.citizen WHERE person = coalesce("
    "(SELECT person FROM population.citizen WHERE citizen_number = $1), "
    "(SELECT min(person) FROM population.number_alias WHERE number = $1 AND kind IN ('cccd', 'cmnd') "
    "HAVING count(DISTINCT person) = 1))",
    1, NULL};
static const PgStatement NUMBERS = {
    "identity_numbers",
    "SELECT number, kind, valid_from, valid_to FROM (SELECT citizen_number AS number, 'cccd' AS kind, '' AS valid_from, "
    "'' AS valid_to, 0 AS rank FROM population.citizen WHERE person = $1 AND right(citizen_number, 1) <> '-' "
    "UNION ALL SELECT number, kind, valid_from, valid_to, 1 FROM population.number_alias WHERE person = $1) n "
    "ORDER BY rank, kind, number",
    1, NULL};
static const PgStatement LEARNT = {"identity_learnt",
                                   "SELECT number FROM exchange.seen_alias WHERE person = $1 AND kind = 'insurance' "
                                   "ORDER BY position, number LIMIT 100",
                                   1, NULL};
static const PgStatement FAMILY = {
    "identity_family",
    "WITH RECURSIVE up(person) AS (SELECT $1::bigint UNION SELECT l.merged_into FROM up u "
    "JOIN exchange.seen_link l ON l.person = u.person), part(person) AS (SELECT person FROM up UNION "
    "SELECT l.person FROM part p JOIN exchange.seen_link l ON l.merged_into = p.person) "
    "SELECT p.person, coalesce(l.number, '') FROM part p LEFT JOIN exchange.seen_link l ON l.person = p.person",
    1, NULL};
static const PgStatement UNMASKING = {"identity_unmasking", "SELECT exchange.note_unmasking($1, $2, $3)", 3, NULL};

int identity_read_number(const char *operand, char number[IDENTITY_NUMBER_BYTES]) {
    static const char MARK[] = "\xEF\xBB\xBF"; // that some editors put before a file's text
    char line[IDENTITY_NUMBER_BYTES + sizeof MARK + 1] = "";
    if (strcmp(operand, "-") == 0) {
        if (isatty(STDIN_FILENO))
            fprintf(stderr, "Citizen number: ");
        if (!fgets(line, sizeof line, stdin))
            return error_fail(ERROR_CONFIG, "no citizen number on standard input");
        operand = line + (strncmp(line, MARK, sizeof MARK - 1) == 0 ? sizeof MARK - 1 : 0);
    }
    operand += strspn(operand, " \t");
    size_t n = strcspn(operand, " \t\r\n");
    if (n == 0 || n >= IDENTITY_NUMBER_BYTES || !text_is_clean(operand, n))
        return error_fail(ERROR_CONFIG, "that is no citizen number");
    memcpy(number, operand, n);
    number[n] = '\0';
    return 0;
}

int identity_find(Desk *desk, Identity *ret) {
    Pg *population = NULL;
    PgParams params = {0};
    int r = desk_population(desk, &population);
    if (r < 0)
        return r;
    pg_param_text(&params, ret->number);
    r = pg_run(population, &CITIZEN, &params, &ret->citizen);
    if (r == 0)
        ret->person = PQntuples(ret->citizen) ? pg_i64(ret->citizen, 0, IDENTITY_PERSON) : 0;
    pg_params_clear(&params);
    pg_param_i64(&params, ret->person);
    if (r == 0)
        r = pg_run(population, &NUMBERS, &params, &ret->numbers);
    pg_params_free(&params);
    return r;
}

int identity_look_at(const Desk *desk, const Identity *identity) {
    const char *numbers[NUMBERS_MAX] = {identity->number};
    size_t n = 1;
    for (int row = 0; row < PQntuples(identity->numbers) && n < NUMBERS_MAX; row++)
        numbers[n++] = pg_text(identity->numbers, row, 0);
    DeskLook look = {.persons = &identity->person, .n_persons = 1, .numbers = numbers, .n_numbers = n};
    return desk_look_at(desk, desk->exchange, &look);
}

int identity_find_learnt(Pg *exchange, Identity *identity) {
    PgParams params = {0};
    pg_param_i64(&params, identity->person);
    int r = pg_run(exchange, &LEARNT, &params, &identity->learnt);
    pg_params_free(&params);
    return r;
}

void identity_free(Identity *identity) {
    PQclear(identity->citizen);
    PQclear(identity->numbers);
    PQclear(identity->learnt);
    *identity = (Identity){0};
}

const char *identity_text(const Identity *identity, IdentityColumn column) {
    return identity->person ? pg_text(identity->citizen, 0, column) : "";
}

int identity_find_family(Pg *exchange, int64_t person, PGresult **ret) {
    PgParams params = {0};
    if (person == 0)
        return 0;
    pg_param_i64(&params, person);
    int r = pg_run(exchange, &FAMILY, &params, ret);
    pg_params_free(&params);
    return r;
}

static bool has_number(const Identity *identity, const char *number) {
    if (strcmp(identity->number, number) == 0)
        return true;
    for (int row = 0; row < PQntuples(identity->numbers); row++)
        if (strcmp(pg_text(identity->numbers, row, 0), number) == 0)
            return true;
    return false;
}

bool identity_is_of(const Identity *identity, const PGresult *family, int64_t person, const char *number) {
    for (int row = 0; row < PQntuples(family); row++) {
        const char *went = pg_text(family, row, 1);
        if (person != 0 ? pg_i64(family, row, 0) == person : *went && strcmp(went, number) == 0)
            return true;
    }
    return (person == 0 || PQntuples(family) == 0) && has_number(identity, number);
}

int identity_note_unmasking(const Desk *desk, const char *what, const char *number) {
    char masked[TEXT_MASK_BYTES] = "";
    PgParams params = {0};
    if (number[0])
        text_mask_number(number, masked);
    pg_param_text(&params, what);
    pg_param_text(&params, masked);
    pg_param_text(&params, desk->why ? desk->why : "");
    int r = pg_run(desk->exchange, &UNMASKING, &params, NULL);
    pg_params_free(&params);
    return r;
}
