// SPDX-License-Identifier: Apache-2.0
//
// The operator's reason, which stays in the log with what they changed, and beside what they were shown unmasked: who
// reads the log later wants to know. So there is always one.
#pragma once

#include "operators/desk.h"

#define WHY_VARIABLE "DONGBO_WHY"

// Sets desk->why to what --why says, else the environment, else what is typed on the terminal, where there is one.
// Before anything is begun. ERROR_CONFIG: there is none, or it is too long or no text.
int why_find(Desk *desk);
