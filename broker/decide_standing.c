// SPDX-License-Identifier: Apache-2.0
//
// The record stays as it is, or goes on without the event.
#include "broker/decide_standing.h"

#include "broker/withdraw.h"
#include "proto/base/error.h"

#include <string.h>

#define ACCEPTED DONGBO__VERDICT__ACCEPTED
#define MISMATCH DONGBO__VERDICT__MISMATCH
#define REJECTED DONGBO__VERDICT__REJECTED

bool decide_withdraws(const Work *work, const Item *item) {
    return item->stands != 0 && work->review != NULL && (item->leaves || work->review->action == REVIEW_REFUSE);
}

static bool has(const Decision *decision, const Finding *finding) {
    for (size_t i = 0; i < decision->n_reasons; i++) {
        if (decision->reasons[i].code == finding->code && strcmp(decision->reasons[i].field, finding->field) == 0)
            return true;
    }
    return false;
}

// Whether it contradicts the life because of the death: what did so before is no news.
static bool is_news(const VerifyContext *context, const Grants *grants, const Item *item) {
    Person alive = *item->person;
    Decision before = {.verdict = ACCEPTED};
    alive.died_on = "";
    verify_life(context, grants, item->event, &alive, &before);
    for (size_t i = 0; i < item->decision.n_reasons; i++) {
        if (!has(&before, &item->decision.reasons[i]))
            return true;
    }
    return false;
}

void decide_standing(const VerifyContext *context, const Work *work, Item *item) {
    Decision *decision = &item->decision;
    if (item->poisoned)
        return;
    decision->verdict = ACCEPTED;
    decision->n_reasons = 0;
    if (item->person != NULL && !item->leaves)
        verify_life(context, &work->agency->grants, item->event, item->person, decision);
    if (work->kind == WORK_JUDGE && item->person != NULL && !is_news(context, &work->agency->grants, item)) {
        decision->verdict = ACCEPTED;
        decision->n_reasons = 0;
    }
    if (work->review != NULL && !item->leaves)
        review_standing(work->review, item);
    else if (item->person == NULL || decision->verdict == REJECTED)
        decision->verdict = MISMATCH;
}

void decide_put_off(Work *work) {
    for (size_t i = 0; work->review != NULL && i < work->n_items; i++) {
        Item *item = &work->items[i];
        if (item->stands == 0 || item->person != NULL || item->event == NULL || item->poisoned)
            continue;
        item->dropped = true;
        if (item->leaves && i + 1 < work->n_items) // the event's own is next
            item[1].dropped = true;
    }
}

static bool leaves_version(const Item *item) {
    return item->merged.store && !item->merged.superseded;
}

// What is stored, and what earlier events of the work made of it.
static int find_versions(Arena *arena, const Item *item, const Dongbo__Record ***ret, size_t *ret_n) {
    size_t n = item->n_versions;
    for (const Item *earlier = item->earlier; earlier != NULL; earlier = earlier->earlier)
        n += leaves_version(earlier);
    const Dongbo__Record **versions = arena_alloc(arena, n * sizeof *versions + 1);
    if (versions == NULL)
        return error_fail(ERROR_MEMORY, "a record's versions do not fit the batch's memory");
    for (size_t i = 0; i < item->n_versions; i++)
        versions[i] = item->versions[i];
    *ret = versions;
    *ret_n = n;
    for (const Item *earlier = item->earlier; earlier != NULL; earlier = earlier->earlier) {
        if (leaves_version(earlier))
            versions[--n] = earlier->merged.record;
    }
    return 0;
}

static int take_back(const Merge *merge, Item *item) {
    const Dongbo__Record **versions = NULL;
    size_t n = 0;
    int result = find_versions(merge->arena, item, &versions, &n);
    if (result < 0)
        return result;
    const WithdrawWord word = {item->event, merge->grants->agency};
    Withdraw of = {.rules = rules_domain(merge->rules, item->domain),
                   .arena = merge->arena,
                   .versions = versions,
                   .n = n,
                   .current = item->onto,
                   .words = &word,
                   .n_words = 1};
    return withdraw(&of, &item->merged);
}

int decide_standing_record(const Merge *merge, const Work *work, Item *item) {
    item->merged = (Merged){.verdict = DONGBO__VERDICT__UNCHANGED};
    item->overtaken = item->onto != &RECONCILE_UNREADABLE && !withdraw_stands(item->onto, item->event);
    if (item->poisoned)
        return 0;
    if (decide_withdraws(work, item))
        return take_back(merge, item);
    if (item->overtaken && item->decision.verdict == MISMATCH) {
        item->decision.verdict = ACCEPTED; // nobody has to look at it any more
        item->decision.n_reasons = 0;
    }
    if (item->overtaken || item->decision.verdict != ACCEPTED)
        return 0;
    return reconcile(merge, item->onto, item->event, &item->merged);
}
