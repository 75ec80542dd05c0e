// SPDX-License-Identifier: Apache-2.0
//
// The simulation's signatures: what stands in for proto/keys.h's signers and verifiers.
#pragma once

#include "proto/keys.h"

void sign_open(void); // once
void sign_close(void);
// A pair that somebody here may sign with.
void sign_know(const Keys *keys);
