// SPDX-License-Identifier: Apache-2.0
//
// `dongbo subscription apply` brings subscriptions to what policy files say, and `dongbo subscription show` prints one
// as such a file. All files are read and held against the exchange before the first change; a file that says what holds
// already changes nothing. Keys are a new subscription's only: later ones have commands of their own.
#include "operators/answer.h"
#include "operators/commands.h"
#include "operators/grant.h"
#include "operators/result.h"
#include "operators/rights_file.h"
#include "operators/why.h"
#include "proto/base/log.h"

#include <stdlib.h>
#include <string.h>

static const char APPLY_NOTES[] =
    "A file holds one subscription (deploy/sample/policies). One that is not there yet is added, with the keys that\n"
    "`key` names; one whose rights are others gets them from the position on that is printed. What went out before is\n"
    "not taken back. A subscription that no file is about stays as it is.\n"
    "  name: hn-health\n"
    "  subscriber: Hà Nội health committee\n"
    "  legal_basis: Decree 47/2020/NĐ-CP, article 9\n"
    "  valid_from: 2026-01-01\n"
    "  valid_to: 2027-12-31\n"
    "  key: keys/hn-health.yaml.pub            # FILE.pub; only of a subscription that is new\n"
    "  fields:\n"
    "    person: [citizen_number, person_id]   # the number; a key that means nothing outside this subscription\n"
    "    health: [vaccine_group, dose_number]  # a domain and its fields; [all] for all of today's\n"
    "  provinces: [01, 79]                     # of residence, 34 codes; provinces63 for the 63; not said: all\n"
    "  changes: [upsert, delete, entered, left]   # not said: all\n"
    "  followed_only: yes                      # of these only persons on the list that the subscriber keeps\n"
    "  origin_proofs: leaves                   # records may come with proofs of whose word they are, which tell nothing\n"
    "                                          # more; events: with the signed event, where all it may say is granted\n"
    "  agency: MOH                             # the subscriber's own: what it said itself does not come back\n"
    "  echo: no                                # ... but does, with yes\n";

typedef struct Apply {
    const Rules *rules;
    Pg *exchange;
    RightsFile *files;
    Grant *grants; // what there is of each
    int n;
    bool dry_run;
} Apply;

static void apply_free(Apply *apply) {
    for (int i = 0; i < apply->n; i++)
        rights_file_free(&apply->files[i]);
    free(apply->files);
    free(apply->grants);
}

// ---- reading all of it ----------------------------------------------------------------------------------------------

static int check_once(const Apply *apply, int i) {
    for (int other = 0; other < i; other++)
        if (strcmp(apply->files[other].name, apply->files[i].name) == 0)
            return rights_file_fail(&apply->files[i], "name",
                                    error_fail(ERROR_CONFIG, "subscription %s is %s's already", apply->files[i].name,
                                               apply->files[other].path));
    return 0;
}

static int find_one(const Apply *apply, int i) {
    const RightsFile *file = &apply->files[i];
    Grant *grant = &apply->grants[i];
    int r = rights_file_fail(file, "agency", rights_check_agency(apply->exchange, &file->rights, "agency"));
    if (r == 0)
        r = grant_find(apply->exchange, file->name, grant);
    if (r == 0 && grant->subscription == 0 && !file->key)
        return rights_file_fail(
            file, "name",
            error_fail(ERROR_CONFIG, "subscription %s is new: name its keys' FILE.pub as \"key\"", file->name));
    return r;
}

static int read_all(Desk *desk, Apply *apply, char **paths, int n) {
    apply->files = calloc((size_t)n, sizeof *apply->files);
    apply->grants = calloc((size_t)n, sizeof *apply->grants);
    int r = apply->files && apply->grants ? desk_rules(desk, &apply->rules)
                                          : error_fail(ERROR_MEMORY, "no memory for policies");
    for (int i = 0; i < n && r == 0; i++) {
        apply->n = i + 1;
        r = rights_file_load(&apply->files[i], paths[i], apply->rules);
        if (r == 0)
            r = check_once(apply, i);
    }
    if (r == 0)
        r = desk_exchange(desk, &apply->exchange);
    for (int i = 0; i < n && r == 0; i++)
        r = find_one(apply, i);
    return r;
}

// ---- doing it -------------------------------------------------------------------------------------------------------

static void fill(const RightsFile *file, const Grant *was, Grant *ret) {
    *ret = (Grant){.subscription = was->subscription, .rights = file->rights};
    rights_set(ret->name, sizeof ret->name, file->name);
    rights_set(ret->subscriber, sizeof ret->subscriber, file->subscriber);
    ret->rights.policy.version = was->rights.policy.version + 1;
}

static void tell(const Grant *was, const Grant *now) {
    if (!was->subscription)
        printf("  subscriber: %s\n", now->subscriber);
    else if (strcmp(was->subscriber, now->subscriber) != 0)
        printf("  subscriber: %s, was %s\n", now->subscriber, was->subscriber);
    rights_compare(was->subscription ? &was->rights : NULL, &now->rights, stdout);
}

static int add_one(Desk *desk, const Apply *apply, const RightsFile *file, const Grant *grant) {
    int64_t position = 0;
    int r = apply->dry_run ? 0 : grant_add(desk, grant, file->key, &position);
    if (r < 0)
        return error_context(r, "%s", file->path);
    if (apply->dry_run)
        printf("subscription %s would be added\n", grant->name);
    else
        printf("subscription %s added; its rights hold from position %lld on\n", grant->name, (long long)position);
    tell(&(Grant){0}, grant);
    return 0;
}

static int change_one(const Apply *apply, const RightsFile *file, const Grant *was, const Grant *now) {
    int64_t position = 0;
    bool rights = rights_compare(&was->rights, &now->rights, NULL) > 0;
    if (!rights && strcmp(was->subscriber, now->subscriber) == 0) {
        printf("subscription %s is as its file says\n", now->name);
        return 0;
    }
    int r = apply->dry_run ? 0 : grant_change(apply->exchange, was, now, &position);
    if (r < 0)
        return error_context(r, "%s", file->path);
    if (apply->dry_run)
        printf("subscription %s would change\n", now->name);
    else if (rights)
        printf("subscription %s changed; version %d of its rights holds from position %lld on\n", now->name,
               (int)now->rights.policy.version, (long long)position);
    else
        printf("subscription %s changed\n", now->name);
    tell(was, now);
    return 0;
}

int subscription_apply(Desk *desk, int argc, char **argv) {
    CLEANUP(apply_free) Apply apply = {0};
    int operand = 0;
    const Option options[] = {
        {"dry-run", 'n', OPTION_FLAG, NULL, "say what would change, and change nothing", &apply.dry_run},
        DESK_WHY(desk),
        {0}};
    int r = desk_parse_noted(desk, options, APPLY_NOTES, argc, argv, &operand);
    if (r != 0)
        return r < 0 ? r : 0;
    r = apply.dry_run ? 0 : why_find(desk);
    if (r == 0)
        r = read_all(desk, &apply, argv + operand, argc - operand);
    for (int i = 0; i < apply.n && r == 0; i++) {
        Grant now;
        fill(&apply.files[i], &apply.grants[i], &now);
        now.why = desk->why;
        r = now.subscription ? change_one(&apply, &apply.files[i], &apply.grants[i], &now)
                             : add_one(desk, &apply, &apply.files[i], &now);
    }
    return r;
}

// ---- showing one ----------------------------------------------------------------------------------------------------

static int print_json(const Grant *grant) {
    json_t *object =
        json_pack("{s:s, s:s, s:s}", "name", grant->name, "subscriber", grant->subscriber, "state", grant->state);
    json_t *rights = rights_json(&grant->rights);
    if (object && rights)
        json_object_update(object, rights);
    json_decref(rights);
    return answer_print(object, 0);
}

int subscription_show(Desk *desk, int argc, char **argv) {
    bool yaml = false, json = false;
    int operand = 0;
    const Rules *rules = NULL;
    Pg *exchange = NULL;
    Grant grant;
    const Option options[] = {{"yaml", 0, OPTION_FLAG, NULL, "only what subscription apply takes", &yaml},
                              {"json", 0, OPTION_FLAG, NULL, "one JSON object", &json},
                              {0}};
    int r = desk_parse(desk, options, argc, argv, &operand);
    if (r != 0)
        return r < 0 ? r : 0;
    r = desk_rules(desk, &rules);
    if (r == 0)
        r = desk_exchange(desk, &exchange);
    if (r == 0)
        r = grant_find(exchange, argv[operand], &grant);
    if (r < 0)
        return r;
    if (!grant.subscription) {
        log_error("there is no subscription %s; see dongbo subscription list", argv[operand]);
        return 1;
    }
    if (json)
        return print_json(&grant);
    if (!yaml)
        printf("# %s; version %d of its rights holds from position %lld on\n", grant.state,
               (int)grant.rights.policy.version, (long long)grant.rights.policy.position);
    const RightsFile file = {.name = grant.name, .subscriber = grant.subscriber, .rights = grant.rights};
    return rights_file_print(&file, rules, stdout);
}
