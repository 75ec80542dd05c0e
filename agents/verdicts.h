// SPDX-License-Identifier: Apache-2.0
//
// Takes the exchange's answers into the spool: a receipt for each batch, and later words on single events. Receipt,
// verdicts and their position change in one transaction, the caller's; after its commit the source may be told.
#pragma once

#include "agents/ledger.h"
#include "wire.pb-c.h"

#define VERDICT_KINDS 7

typedef struct Verdicts {
    Spool *spool;
    Bytes items;
    // Since the start, for the summary.
    uint64_t counts[VERDICT_KINDS]; // by verdict, as first given
    uint64_t later[VERDICT_KINDS];  // by verdict, of later words that said another thing than before
} Verdicts;

// What a kept receipt says; NULL when it cannot be read. The caller frees it.
Dongbo__ReceiptBody *verdicts_body(const SpoolReceipt *receipt);
// `raw` is the body as signed with its signature, kept as proof; `body` the same, decoded. 0; 1 when it answers no
// batch of ours (another stream, range or root). ERROR_PEER when it contradicts itself.
int verdicts_receipt(Verdicts *verdicts, const SpoolStream *stream, const Dongbo__ReceiptBody *body, const Bytes *raw);
// Later words on events of this stream, or of one that it replaced.
int verdicts_later(Verdicts *verdicts, const SpoolStream *stream, const Dongbo__Verdicts *later);
void verdicts_free(Verdicts *verdicts);
