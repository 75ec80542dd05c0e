// SPDX-License-Identifier: Apache-2.0
//
// An officer's decision, event by event. Looks nothing up.
#include "broker/review.h"

#include "broker/item.h"
#include "proto/base/text.h"
#include "proto/reason.h"

#include <stdio.h>
#include <string.h>

#define ACCEPTED DONGBO__VERDICT__ACCEPTED
#define MISMATCH DONGBO__VERDICT__MISMATCH
#define REJECTED DONGBO__VERDICT__REJECTED

static const char FIELD[] = "subject.citizen_number";

int review_action(const char *name, ReviewAction *ret) {
    static const char *const NAMES[] = {"accept", "link", "refuse"};
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        if (strcmp(name, NAMES[i]) == 0) {
            *ret = (ReviewAction)i;
            return 0;
        }
    }
    return 1;
}

void review_form(const Review *review, Item *item) {
    if (item->form.verdict == MISMATCH)
        item->form.verdict = ACCEPTED;
    if (review->action == REVIEW_LINK)
        item->claimed_number = review->citizen_number;
}

// The officer's word comes first, and is never the one that is left out.
static void say(Decision *decision, int verdict, int code, const char *expected) {
    size_t n = decision->n_reasons < REASONS_MAX ? decision->n_reasons : REASONS_MAX - 1;
    memmove(decision->reasons + 1, decision->reasons, n * sizeof decision->reasons[0]);
    decision->reasons[0] = (Finding){code, verdict == ACCEPTED ? FIELD : "", expected};
    decision->n_reasons = n + 1;
    decision->verdict = verdict;
}

static bool may_have_person(const Item *item) {
    return item->event != NULL && item->domain != DONGBO__DOMAIN__POPULATION && item->form.verdict != REJECTED;
}

void review_decide(const VerifyContext *context, const Grants *grants, const Review *review, Item *item) {
    Decision *decision = &item->decision, life = {.verdict = ACCEPTED};
    if (review->action == REVIEW_REPLACED) {
        decision->n_reasons = 0;
        say(decision, DONGBO__VERDICT__SUPERSEDED, DONGBO__REASON_CODE__ROW_REPLACED, "");
        return;
    }
    bool comparable = may_have_person(item);
    // Where the number's form says already that it leads to nobody, nobody was looked for. What is held is refused as
    // it was held: without what differs.
    bool told = review->action == REVIEW_ACCEPT || (review->action == REVIEW_REFUSE && !item->held);
    if (comparable && told && (item->person != NULL || decision->n_reasons == 0))
        verify_person(context, grants, item->event, item->person, decision);
    if (review->action == REVIEW_REFUSE) {
        say(decision, REJECTED, DONGBO__REASON_CODE__REVIEW_REFUSED, "");
        return;
    }
    if (!comparable || item->person == NULL || (item->held && review->action == REVIEW_LINK)) {
        decision->verdict = decision->verdict == REJECTED ? REJECTED : MISMATCH;
        return;
    }
    if (item->held && decision->verdict == MISMATCH) {
        decision->n_reasons = 0;
        say(decision, REJECTED, DONGBO__REASON_CODE__REVIEW_REFUSED, "");
        return;
    }
    verify_life(context, grants, item->event, item->person, &life);
    if (life.verdict == REJECTED) {
        *decision = life;
        decision->verdict = REJECTED;
    } else if (review->action == REVIEW_ACCEPT) {
        say(decision, ACCEPTED, DONGBO__REASON_CODE__REVIEW_ACCEPTED, "");
    } else {
        // What differs from what the event says is not told: its number was somebody else's.
        decision->n_reasons = 0;
        say(decision, ACCEPTED, DONGBO__REASON_CODE__REVIEW_LINKED,
            verify_told(grants, FIELD, item->person->citizen_number));
    }
}

void review_standing(const Review *review, Item *item) {
    Decision *decision = &item->decision;
    if (review->action == REVIEW_REFUSE)
        say(decision, REJECTED, DONGBO__REASON_CODE__REVIEW_REFUSED, "");
    else if (item->person == NULL)
        decision->verdict = MISMATCH;
    else if (decision->verdict != REJECTED)
        say(decision, ACCEPTED, DONGBO__REASON_CODE__REVIEW_ACCEPTED, "");
}

static bool is_barred(const Review *review, const Item *item) {
    int verdict = item->decision.verdict;
    bool refuses = item->held && review->action == REVIEW_ACCEPT; // those that do not agree
    return !item->dropped && !item->poisoned && review->action != REVIEW_REFUSE &&
           (verdict == MISMATCH || (verdict == REJECTED && !refuses));
}

// What bars it: of an event that could not be said at all, not what was found about its person besides.
static const Finding *telling(const Decision *decision) {
    for (size_t i = 0; i < decision->n_reasons; i++) {
        if (decision->reasons[i].code >= 300)
            return &decision->reasons[i];
    }
    return decision->n_reasons == 0 ? NULL : &decision->reasons[0];
}

static void say_barred(const Review *review, const Item *item, char why[REVIEW_TEXT_BYTES]) {
    char masked[TEXT_MASK_BYTES];
    const Finding *finding = telling(&item->decision);
    text_mask_number(review->citizen_number, masked);
    if (item->decision.verdict == REJECTED && finding != NULL)
        snprintf(why, REVIEW_TEXT_BYTES, "%s%s%s: %s", reason_find(finding->code)->name,
                 finding->field[0] == '\0' ? "" : " at ", finding->field, reason_find(finding->code)->en);
    else if (item->domain == DONGBO__DOMAIN__POPULATION)
        snprintf(why, REVIEW_TEXT_BYTES,
                 "a population event changes the store itself and can only be refused: its agency sends it again");
    else if (review->action == REVIEW_LINK && item->held)
        snprintf(why, REVIEW_TEXT_BYTES,
                 "what is held is about the number's bearer: accept what agrees, or refuse all");
    else if (review->action == REVIEW_LINK)
        snprintf(why, REVIEW_TEXT_BYTES, "nobody has the number %s", masked);
    else
        snprintf(why, REVIEW_TEXT_BYTES, "nobody has the number that the event says: link it to its person, or refuse");
}

bool review_is_barred(const Work *work, char why[REVIEW_TEXT_BYTES]) {
    for (size_t i = 0; i < work->n_items; i++) {
        if (is_barred(work->review, &work->items[i])) {
            say_barred(work->review, &work->items[i], why);
            return true;
        }
    }
    return false;
}

void review_outcome(const Work *work, char text[REVIEW_TEXT_BYTES]) {
    size_t n = 0;
    text[0] = '\0';
    for (int verdict = ACCEPTED; verdict <= REJECTED; verdict++) {
        unsigned count = 0;
        for (size_t i = 0; i < work->n_items; i++)
            count += !work->items[i].dropped && !work->items[i].leaves && work->items[i].decision.verdict == verdict;
        if (count > 0 && n < REVIEW_TEXT_BYTES)
            n += (size_t)snprintf(text + n, REVIEW_TEXT_BYTES - n, "%s%u %s", n == 0 ? "" : ", ", count,
                                  verdict_name(verdict));
    }
}
