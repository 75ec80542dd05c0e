// SPDX-License-Identifier: Apache-2.0
//
// Dates are compared as far as both are known: a number that was given in 1998 may have been on any day of it.
#include "broker/bearers.h"

#include <string.h>

#define CCCD_DIGITS 12
#define CMND_DIGITS 9
#define INSURANCE_DIGITS 10

static size_t digits_of(const char *number) {
    size_t n = strspn(number, "0123456789");
    return number[n] == '\0' ? n : 0;
}

const char *bearers_kind(const char *number) {
    size_t n = digits_of(number);
    return n == CCCD_DIGITS ? BEARER_CCCD : n == CMND_DIGITS ? BEARER_CMND : NULL;
}

const char *bearers_insurance(const Dongbo__ChangeEvent *event, const char *claimed) {
    if (event_domain(event) != DONGBO__DOMAIN__SOCIAL_SECURITY)
        return "";
    const char *number = event->social_security->insurance_number;
    size_t n = digits_of(number);
    return n == INSURANCE_DIGITS || (n == CCCD_DIGITS && strcmp(number, claimed) != 0) ? number : "";
}

// Whether the number was theirs on that day, as far as is known.
static bool is_on(const Bearer *bearer, Date day) {
    Date from, to;
    return (date_parse(bearer->from, &from) != 0 || date_compare(day, from) >= 0) &&
           (date_parse(bearer->to, &to) != 0 || date_compare(day, to) <= 0);
}

// Finds the one among the bearers of that day, or of any. BEARERS_NONE, _ONE or _SEVERAL.
static BearersAnswer find_one(const Bearers *bearers, const Date *day, const Person **ret) {
    *ret = NULL;
    for (size_t i = 0; i < bearers->n; i++) {
        const Bearer *bearer = &bearers->list[i];
        if (day && !is_on(bearer, *day))
            continue;
        if (*ret && (*ret)->key != bearer->person.key) {
            *ret = NULL;
            return BEARERS_SEVERAL;
        }
        *ret = &bearer->person;
    }
    return *ret ? BEARERS_ONE : BEARERS_NONE;
}

BearersAnswer bearers_on(const Bearers *bearers, Date day, const Person **ret) {
    *ret = NULL;
    if (!bearers)
        return BEARERS_NONE;
    BearersAnswer answer = find_one(bearers, &day, ret);
    if (answer != BEARERS_NONE)
        return answer;
    answer = find_one(bearers, NULL, ret);
    return answer == BEARERS_ONE ? BEARERS_OTHER_TIME : answer;
}

const Person *bearers_only(const Bearers *bearers) {
    const Person *only = NULL;
    return bearers && find_one(bearers, NULL, &only) == BEARERS_ONE ? only : NULL;
}

const Person *bearers_find(const Bearers *bearers, int64_t person) {
    for (size_t i = 0; bearers && i < bearers->n; i++)
        if (bearers->list[i].person.key == person)
            return &bearers->list[i].person;
    return NULL;
}

bool bearers_have(const Bearers *bearers, int64_t person) {
    return bearers_find(bearers, person) != NULL;
}

void bearers_add(Bearers *bearers, const Bearer *bearer) {
    if (bearers->n < BEARERS_MAX)
        bearers->list[bearers->n++] = *bearer;
}
