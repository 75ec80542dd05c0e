// SPDX-License-Identifier: Apache-2.0
//
// Two records, and then the event. Looks nothing up.
#include "broker/decide_merger.h"

#include "broker/unite.h"

#define NUMBER_BIT (1u << 2)

int decide_merger(const Merge *merge, const Dongbo__Record *coming, Item *item) {
    Unite both = {.rules = rules_domain(merge->rules, DONGBO__DOMAIN__POPULATION),
                  .arena = merge->arena,
                  .into = item->onto,
                  .coming = coming,
                  .kept = NUMBER_BIT};
    Merged before = {0};
    int result = both.coming == NULL || both.coming->retracted ? 0 : unite(&both, &before);
    if (result == 0)
        result = reconcile(merge, before.store ? before.record : item->onto, item->event, &item->merged);
    Merged *merged = &item->merged;
    if (result != 0 || !before.store)
        return result;
    if (!merged->store || merged->superseded) {
        *merged = before;
        return 0;
    }
    merged->won |= before.won;
    merged->changed |= before.changed;
    if (merged->changed != 0)
        merged->verdict = DONGBO__VERDICT__ACCEPTED;
    return 0;
}
