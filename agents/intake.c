// SPDX-License-Identifier: Apache-2.0
//
// See intake.h.
#include "agents/intake.h"

#include "agents/ledger.h"
#include "proto/base/error.h"

#include <stdio.h>

bool intake_is_full(const Intake *intake) {
    return sealer_sealed(intake->sealer) >= INTAKE_BATCHES_MAX || intake->rows >= INTAKE_ROWS_MAX ||
           spool_is_full(intake->spool);
}

int intake_refuse(Intake *intake, const Item *item, const IntakeFault *fault) {
    Dongbo__Reason reason = DONGBO__REASON__INIT, *reasons = &reason;
    Dongbo__EventVerdict verdict = DONGBO__EVENT_VERDICT__INIT;
    reason.code = (Dongbo__ReasonCode)fault->code;
    reason.field = (char *)fault->field;
    verdict.verdict = DONGBO__VERDICT__REJECTED;
    verdict.n_reasons = 1;
    verdict.reasons = &reasons;
    Result result = {.kind = RESULT_REFUSED,
                     .item = *item,
                     .verdict = &verdict,
                     .text_vi = fault->vi,
                     .text_en = fault->en,
                     .at_us = clock_now_us(spool_clock(intake->spool))};
    // A row that was put back may be refused once more, by this spool or another one: that is another answer.
    snprintf(result.mark, sizeof result.mark, "row %lld %llu %lld", (long long)item->origin,
             (unsigned long long)item->row, (long long)result.at_us);
    intake->rows++;
    intake->n_refused++;
    int r = ledger_result_add(intake->spool, &result);
    if (r == 0)
        r = ledger_tally(intake->spool, item->origin, DONGBO__VERDICT__REJECTED, 0, 1);
    if (r == 0) // once more, for the exchange never sees it: no verdict
        r = ledger_tally(intake->spool, item->origin, DONGBO__VERDICT__VERDICT_UNSPECIFIED, 0, 1);
    return r < 0 ? r : ledger_tally(intake->spool, item->origin, DONGBO__VERDICT__REJECTED, fault->code, 1);
}

static int refuse_unmapped(Intake *intake, const Item *item, const MapFault *fault) {
    char vi[320] = "", en[320] = "";
    if (fault->column != NULL) {
        snprintf(vi, sizeof vi, "Cột \"%s\" không đổi được.", fault->column);
        snprintf(en, sizeof en, "The column \"%s\" cannot be converted.", fault->column);
    }
    return intake_refuse(intake, item, &(IntakeFault){fault->code, fault->field, vi, en});
}

int intake_row(Intake *intake, const MapRow *row, const Item *item) {
    Dongbo__ChangeEvent *event;
    MapFault fault;
    int r = map_apply(intake->map, row, intake->arena, &event, &fault);
    if (r == 1)
        return refuse_unmapped(intake, item, &fault);
    if (r == 0)
        r = sealer_add(intake->sealer, event, item);
    if (r == 1)
        return refuse_unmapped(intake, item, &(MapFault){.code = DONGBO__REASON_CODE__EVENT_LIMITS});
    if (r < 0)
        return r;
    intake->rows++;
    intake->n_events++;
    return 0;
}
