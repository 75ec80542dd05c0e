// SPDX-License-Identifier: Apache-2.0
//
// What an agency is told of a batch: a receipt, signed, with every verdict other than a plain ACCEPTED. Made only of
// what is committed.
#pragma once

#include "broker/item.h"
#include "broker/store.h"
#include "proto/keys.h"

// Packs and signs work->receipt. ERROR_MEMORY, ERROR_CRYPTO.
int receipt_stored(Work *work, Signer *signer);
// Of a batch that was stored earlier: the verdicts given then.
int receipt_duplicate(Work *work, const StoredBatch *stored, Signer *signer);
