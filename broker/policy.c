// SPDX-License-Identifier: Apache-2.0
//
// Policies as sets of bits, made once per change, so that the question per entry is a few comparisons.
#include "broker/policy.h"

#include "proto/base/error.h"
#include "proto/base/mistake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY_US (24LL * 3600 * 1000000)
#define HO_CHI_MINH_US (7LL * 3600 * 1000000)
#define DAYS_1970_TO_2000 10957
#define AGENCY_CODE_BYTES 32

typedef struct Agency {
    int32_t agency;
    char code[AGENCY_CODE_BYTES];
} Agency;

struct PolicySet {
    Policy *policies;
    size_t n, size;
    Agency *agencies;
    size_t n_agencies, agencies_size;
};

int policy_set_new(PolicySet **ret) {
    *ret = calloc(1, sizeof(PolicySet));
    return *ret ? 0 : error_fail(ERROR_MEMORY, "no memory for policies");
}

void policy_set_destroy(PolicySet **set) {
    if (!*set)
        return;
    for (size_t i = 0; i < (*set)->n; i++) {
        free((*set)->policies[i].versions);
        free((*set)->policies[i].users);
    }
    free((*set)->policies);
    free((*set)->agencies);
    free(*set);
    *set = NULL;
}

// Room for one more element; NULL when there is no memory.
static void *array_more(void *array, size_t n, size_t *size, size_t element) {
    if (n < *size)
        return array;
    size_t larger = *size ? 2 * *size : 16;
    void *moved = realloc(array, larger * element);
    if (moved)
        *size = larger;
    return moved;
}

int policy_set_add(PolicySet *set, const Policy *policy) {
    Policy *moved = array_more(set->policies, set->n, &set->size, sizeof(Policy));
    if (!moved)
        return error_fail(ERROR_MEMORY, "no memory for policies");
    set->policies = moved;
    Policy *last = &set->policies[set->n++];
    *last = *policy;
    last->versions = NULL;
    last->users = NULL;
    last->n_versions = last->n_users = 0;
    return 0;
}

static int subscription_compare(const void *key, const void *element) {
    int32_t a = *(const int32_t *)key, b = ((const Policy *)element)->subscription;
    return (a > b) - (a < b);
}

static Policy *find(const PolicySet *set, int32_t subscription) {
    if (!set->n)
        return NULL;
    return bsearch(&subscription, set->policies, set->n, sizeof(Policy), subscription_compare);
}

int policy_set_add_version(PolicySet *set, int32_t subscription, const PolicyVersion *version) {
    Policy *policy = find(set, subscription);
    if (!policy)
        return 0;
    PolicyVersion *moved = realloc(policy->versions, (policy->n_versions + 1) * sizeof(PolicyVersion));
    if (!moved)
        return error_fail(ERROR_MEMORY, "no memory for policies");
    policy->versions = moved;
    policy->versions[policy->n_versions++] = *version;
    policy->follows = policy->follows || version->followed_only;
    return 0;
}

int policy_set_add_user(PolicySet *set, int32_t subscription, const char *user) {
    Policy *policy = find(set, subscription);
    if (!policy)
        return 0;
    char(*moved)[sizeof *policy->users] = realloc(policy->users, (policy->n_users + 1) * sizeof *policy->users);
    if (!moved)
        return error_fail(ERROR_MEMORY, "no memory for policies");
    policy->users = moved;
    snprintf(policy->users[policy->n_users++], sizeof *policy->users, "%s", user);
    return 0;
}

int policy_set_add_agency(PolicySet *set, int32_t agency, const char *code) {
    Agency *moved = array_more(set->agencies, set->n_agencies, &set->agencies_size, sizeof(Agency));
    if (!moved)
        return error_fail(ERROR_MEMORY, "no memory for agencies");
    set->agencies = moved;
    Agency *last = &set->agencies[set->n_agencies++];
    last->agency = agency;
    strncpy(last->code, code, AGENCY_CODE_BYTES - 1);
    last->code[AGENCY_CODE_BYTES - 1] = 0;
    return 0;
}

const Policy *policy_set_find(const PolicySet *set, int32_t subscription) {
    return find(set, subscription);
}

const char *policy_set_agency(const PolicySet *set, uint32_t agency) {
    for (size_t i = 0; i < set->n_agencies; i++)
        if ((uint32_t)set->agencies[i].agency == agency)
            return set->agencies[i].code;
    return "";
}

void policy_grant_field(PolicyVersion *version, const char *field) {
    if (strcmp(field, "citizen_number") == 0) {
        version->citizen_number = true;
        return;
    }
    if (strcmp(field, "person_id") == 0) {
        version->person_id = true;
        return;
    }
    const char *dot = strchr(field, '.');
    char name[32];
    if (!dot || (size_t)(dot - field) >= sizeof name)
        return;
    memcpy(name, field, (size_t)(dot - field));
    name[dot - field] = 0;
    int domain = domain_by_name(name);
    unsigned number = domain ? field_by_name(domain_descriptor(domain), dot + 1) : 0;
    if (number)
        version->fields[domain] |= 1u << number;
}

// -1 when it is not a code of two digits.
static int province_index(const char *code) {
    if (code[0] < '0' || code[0] > '9' || code[1] < '0' || code[1] > '9' || code[2] != 0)
        return -1;
    return 10 * (code[0] - '0') + (code[1] - '0');
}

void policy_grant_province(PolicyVersion *version, const char *province) {
    int index = province_index(province);
    if (index >= 0)
        version->provinces[index] = true;
}

static const char *const ORIGINS[] = {
    [POLICY_ORIGINS_NO] = "no", [POLICY_ORIGINS_LEAVES] = "leaves", [POLICY_ORIGINS_EVENTS] = "events"};

PolicyOrigins policy_origins(const char *word) {
    for (PolicyOrigins i = POLICY_ORIGINS_NO; i <= POLICY_ORIGINS_EVENTS; i++)
        if (strcmp(ORIGINS[i], word) == 0)
            return i;
    return POLICY_ORIGINS_NO;
}

const char *policy_origins_word(PolicyOrigins origins) {
    return ORIGINS[origins];
}

const PolicyVersion *policy_current(const Policy *policy) {
    return policy->n_versions ? &policy->versions[policy->n_versions - 1] : NULL;
}

const PolicyVersion *policy_at(const Policy *policy, uint64_t position) {
    for (size_t i = policy->n_versions; i > 0; i--)
        if (policy->versions[i - 1].position <= position)
            return &policy->versions[i - 1];
    return NULL;
}

int32_t policy_day(int64_t us) {
    int64_t local = us + HO_CHI_MINH_US;
    int64_t day = local / DAY_US - (local % DAY_US < 0);
    return (int32_t)(day - DAYS_1970_TO_2000);
}

static bool knows(const Policy *policy, const char *user) {
    for (size_t i = 0; i < policy->n_users; i++)
        if (strcmp(policy->users[i], user) == 0)
            return true;
    return false;
}

const char *policy_refusal(const Policy *policy, const char *user, int32_t today) {
    const PolicyVersion *current = policy_current(policy);
    if (!policy->active)
        return "This subscription is disabled. Ask the exchange's operator.";
    if (!knows(policy, user))
        return "This key of the subscription was revoked or has expired. Hand a new public key to the exchange's operator.";
    if (!current)
        return "This subscription has no policy. Ask the exchange's operator.";
    if (today < current->valid_from)
        return "This subscription's policy is not valid yet. Ask the exchange's operator for the date.";
    if (today > current->valid_to)
        return "This subscription's legal basis has expired. Have the exchange's operator renew the policy.";
    return NULL;
}

static bool lives_in(const PolicyVersion *version, const char *code) {
    int province = province_index(code);
    return version->any_province || (province >= 0 && version->provinces[province]);
}

static bool is_of_record(const Dongbo__Entry *entry) {
    return entry->kind == DONGBO__ENTRY_KIND__ENTRY_EVENT || entry->kind == DONGBO__ENTRY_KIND__ENTRY_DECISION ||
           entry->kind == DONGBO__ENTRY_KIND__ENTRY_MERGER || entry->kind == DONGBO__ENTRY_KIND__ENTRY_RETOLD ||
           entry->kind == DONGBO__ENTRY_KIND__ENTRY_FOLLOWED || entry->kind == DONGBO__ENTRY_KIND__ENTRY_ERASURE;
}

static bool is_own_echo(const PolicyVersion *version, const Dongbo__Entry *entry) {
    return version->own_agency != 0 && entry->agency == version->own_agency &&
           (entry->kind == DONGBO__ENTRY_KIND__ENTRY_EVENT || entry->kind == DONGBO__ENTRY_KIND__ENTRY_DECISION);
}

bool policy_sees_home(const PolicyVersion *version, const char *province, const char *province63) {
    return lives_in(version, version->codes63 ? province63 : province);
}

static PolicyPassage passage_of(const PolicyVersion *version, const Dongbo__Entry *entry) {
    bool retold = entry->kind == DONGBO__ENTRY_KIND__ENTRY_RETOLD;
    bool after = policy_sees_home(version, entry->province_after, entry->province63_after);
    bool before = policy_sees_home(version, entry->province_before, entry->province63_before);
    bool nowhere = entry->province_before[0] == '\0' && entry->province63_before[0] == '\0';
    // Told to one subscription alone. What it had of those who live elsewhere left it when they moved; where that is
    // not known (following.c) it is taken back all the same.
    if (entry->kind == DONGBO__ENTRY_KIND__ENTRY_FOLLOWED && entry->deleted)
        return after || nowhere ? POLICY_LEAVES : POLICY_NOT;
    if (entry->kind == DONGBO__ENTRY_KIND__ENTRY_FOLLOWED)
        return after ? POLICY_ENTERS : POLICY_NOT;
    // Of nobody's residence before nothing was told, but where it is told again.
    if (!retold && nowhere)
        before = after;
    if (retold && entry->deleted && after)
        return POLICY_NOT; // never was, for who only comes
    if (MISTAKE(LEFT_UNTOLD) && before && !after)
        return POLICY_NOT;
    if (after != before)
        return after ? POLICY_ENTERS : POLICY_LEAVES;
    // A number is told again to those only who see numbers, and a move to those only whom it concerns.
    bool moved = strcmp(entry->province_before, entry->province_after) != 0 ||
                 strcmp(entry->province63_before, entry->province63_after) != 0;
    return !after || (retold && (moved || !version->citizen_number)) ? POLICY_NOT : POLICY_STAYS;
}

bool policy_concerns(const PolicyVersion *version, int32_t subscription, const Dongbo__Entry *entry, bool is_followed) {
    if (entry->kind == DONGBO__ENTRY_KIND__ENTRY_FOLLOWED)
        return version->followed_only && entry->subscription == (uint32_t)subscription;
    return !version->followed_only || is_followed;
}

Dongbo__ChangeKind policy_change(PolicyPassage passage, const Dongbo__Entry *entry) {
    if (passage == POLICY_LEAVES)
        return DONGBO__CHANGE_KIND__CHANGE_LEFT;
    if (entry->deleted)
        return DONGBO__CHANGE_KIND__CHANGE_DELETE;
    return passage == POLICY_ENTERS ? DONGBO__CHANGE_KIND__CHANGE_ENTERED : DONGBO__CHANGE_KIND__CHANGE_UPSERT;
}

// ACCEPTED, or refused after it was: the record without it.
static bool changes_record(const Dongbo__Entry *entry) {
    return entry->verdict == DONGBO__VERDICT__ACCEPTED ||
           (entry->verdict == DONGBO__VERDICT__REJECTED && entry->n_changed_fields > 0);
}

PolicyPassage policy_admits(const PolicyVersion *version, const Dongbo__Entry *entry, int32_t stored_day) {
    if (!is_of_record(entry) || !changes_record(entry) || entry->person == 0)
        return POLICY_NOT;
    if ((int)entry->domain < DOMAIN_MIN || (int)entry->domain > DOMAIN_MAX || !(version->domains >> entry->domain & 1))
        return POLICY_NOT;
    if (stored_day > version->valid_to || is_own_echo(version, entry))
        return POLICY_NOT;
    PolicyPassage passage = passage_of(version, entry);
    bool wanted = version->changes >> policy_change(passage, entry) & 1;
    return passage == POLICY_NOT || !wanted ? POLICY_NOT : passage;
}
