// SPDX-License-Identifier: Apache-2.0
//
// What an agency is told of a batch: a receipt, signed, with every verdict other than a plain ACCEPTED. It is signed
// before the commit, so that what is stored can be answered, and leaves only after it.
#pragma once

#include "broker/item.h"
#include "broker/store.h"
#include "proto/keys.h"

// Packs and signs work->receipt. ERROR_MEMORY, ERROR_CRYPTO.
int receipt_stored(Work *work, Signer *signer);
// Of a batch that was stored earlier: the verdicts given then.
int receipt_duplicate(Work *work, const StoredBatch *stored, Signer *signer);
