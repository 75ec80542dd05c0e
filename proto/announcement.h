// SPDX-License-Identifier: Apache-2.0
//
// That a log announces a key before its heads are signed with it (PROTOCOL.md, Signed heads): an entry of the log,
// proved to be in it. So whoever follows a log by its heads learns of the next key from what the former one signed.
// Pure.
#pragma once

#include "log.pb-c.h"
#include "proto/proof.h"
#include "wire.pb-c.h"

// Of an EntryProof, whose own head counts for nothing. 1 when the tree of this head has no such entry there.
int announcement_check(Merkle *merkle, const Dongbo__EntryProof *proof, const Dongbo__TreeHead *head,
                       uint8_t ret_key[KEY_BYTES]);
