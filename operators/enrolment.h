// SPDX-License-Identifier: Apache-2.0
//
// `dongbo agency enrol` and `dongbo subscription enrol`: a one-time token by which a party hands in its keys itself. It
// is printed once and kept nowhere.
#pragma once

#include "operators/party.h"

// The whole command, given its words.
int enrolment_make(Desk *desk, int argc, char **argv, const PartyKind *kind);
