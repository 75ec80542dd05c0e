// SPDX-License-Identifier: Apache-2.0
//
// What a subscription may see. Pure: rows in, yes or no out, and no without a reason to say yes. Version n of a
// subscription's policy holds from its position until the next version's, so that a replay gives what was given then.
#pragma once

#include "proto/domain.h"
#include "store.pb-c.h"
#include "wire.pb-c.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POLICY_NAME_BYTES 128
#define POLICY_PROVINCES 100     // codes of both sets have two digits
#define POLICY_CHANGES_ALL 0x1eu // upsert, delete, entered, left

// Of proofs of origin, from less to more.
typedef enum PolicyOrigins {
    POLICY_ORIGINS_NO,
    POLICY_ORIGINS_LEAVES, // tell nothing
    POLICY_ORIGINS_EVENTS, // with the event, where all that it may say is granted (origin_right.h)
} PolicyOrigins;

typedef struct PolicyVersion {
    int32_t version;
    uint64_t position;            // holds from here on
    int32_t valid_from, valid_to; // days since 2000-01-01, both included
    uint32_t domains;             // bit n = domain n
    uint32_t changes;             // bit n = ChangeKind n
    uint32_t own_agency;          // whose changes are not sent back; 0: none
    bool any_province;
    bool codes63; // which set `provinces` is of
    bool provinces[POLICY_PROVINCES];
    bool citizen_number, person_id;
    bool followed_only; // of persons on its list only (followed.h)
    PolicyOrigins origins;
    uint32_t fields[DOMAIN_MAX + 1]; // by domain: bit n = field n of its body
} PolicyVersion;

typedef struct Policy {
    int32_t subscription;
    char name[POLICY_NAME_BYTES];
    bool active;
    uint8_t secret[32];
    char (*users)[64]; // names that ZAP gives to its transport keys that hold now
    size_t n_users;
    bool follows;            // some version is followed_only
    PolicyVersion *versions; // ascending
    size_t n_versions;
} Policy;

typedef struct PolicySet PolicySet;

int policy_set_new(PolicySet **ret);
void policy_set_destroy(PolicySet **set);
// Subscriptions in ascending order; then versions, in ascending order of subscription and version. ERROR_MEMORY.
// What is of a subscription that is not there is dropped. The set owns copies.
int policy_set_add(PolicySet *set, const Policy *policy);
int policy_set_add_user(PolicySet *set, int32_t subscription, const char *user);
int policy_set_add_version(PolicySet *set, int32_t subscription, const PolicyVersion *version);
// Codes of agencies, as records name who told them.
int policy_set_add_agency(PolicySet *set, int32_t agency, const char *code);
const Policy *policy_set_find(const PolicySet *set, int32_t subscription);
const char *policy_set_agency(const PolicySet *set, uint32_t agency); // "" when unknown

// Words of a policy row. Unknown ones grant nothing.
// "health.product_code", "citizen_number", "person_id"
void policy_grant_field(PolicyVersion *version, const char *field);
void policy_grant_province(PolicyVersion *version,
                           const char *province); // call once per province; none: see any_province
PolicyOrigins policy_origins(const char *word);   // "no", "leaves", "events"
const char *policy_origins_word(PolicyOrigins origins);

const PolicyVersion *policy_current(const Policy *policy);               // the newest; NULL for none
const PolicyVersion *policy_at(const Policy *policy, uint64_t position); // in force there; NULL for none
int32_t policy_day(int64_t us);                                          // in Asia/Ho_Chi_Minh
// NULL when a session of this ZAP user may go on today; otherwise the sentence that says why not and what to do.
const char *policy_refusal(const Policy *policy, const char *user, int32_t today);
// How an entry goes out under a version.
typedef enum PolicyPassage {
    POLICY_NOT,    // not at all
    POLICY_STAYS,  // as what it is
    POLICY_ENTERS, // the person came to live in one of the provinces: the whole record is new to the subscriber
    POLICY_LEAVES, // ... lives in one of them no longer
} PolicyPassage;
// Whether somebody who lives there, by 34- and 63-code, is one of those whom the version is about.
bool policy_sees_home(const PolicyVersion *version, const char *province, const char *province63);
// Whether an entry is the subscription's, as far as followed persons go: is_followed, at the entry's position.
bool policy_concerns(const PolicyVersion *version, int32_t subscription, const Dongbo__Entry *entry, bool is_followed);
// By kind, verdict, domain, the residence before and after, the day it was stored, whose change it is and what it does.
// Fields are project.h's, and whom the subscription follows is policy_concerns()'s. An agency's own changes are what it
// said itself: not what is told again, or follows of a merger, because of it, for those are others' records.
PolicyPassage policy_admits(const PolicyVersion *version, const Dongbo__Entry *entry, int32_t stored_day);
// What an entry that passes so does at the subscriber.
Dongbo__ChangeKind policy_change(PolicyPassage passage, const Dongbo__Entry *entry);
