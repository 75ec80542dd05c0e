// SPDX-License-Identifier: Apache-2.0
//
// See unstored.h.
#include "operators/unstored.h"

#include "verdict.pb-c.h"

int unstored_judge(const DecideContext *context, Work *work, UnstoredFill fill, void *of) {
    work->hoods = NULL;
    work->n_hoods = 0;
    for (size_t i = 0; i < work->n_items; i++) {
        Item *item = &work->items[i];
        if (item->domain == DONGBO__DOMAIN__POPULATION)
            item->record_hash = 0;
        item->wanted = decide_wants_record(item);
    }
    int r = decide_hoods(context, work);
    if (r < 0 || work->n_hoods == 0)
        return r;
    r = fill(of, work);
    if (r == 0)
        r = decide_records(context, work);
    for (size_t i = 0; i < work->n_items; i++) {
        Decision *decision = &work->items[i].decision;
        if (decision->verdict == DONGBO__VERDICT__UNCHANGED || decision->verdict == DONGBO__VERDICT__SUPERSEDED)
            decision->verdict = DONGBO__VERDICT__ACCEPTED;
    }
    return r;
}
