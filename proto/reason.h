// SPDX-License-Identifier: Apache-2.0
//
// The published table of reasons: name, kind of verdict it leads to, and a plain sentence in Vietnamese and English
// that tells a clerk what to do.
#pragma once

#include "verdict.pb-c.h"

typedef struct ReasonText {
    int code;         // Dongbo__ReasonCode
    const char *name; // "ID_FORMAT"
    const char *vi;
    const char *en;
} ReasonText;

// All of them, in the order of their codes; *ret_n how many.
const ReasonText *reason_table(int *ret_n);
const ReasonText *reason_find(int code); // the entry of REASON_UNSPECIFIED when unknown; never NULL
