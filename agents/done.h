// SPDX-License-Identifier: Apache-2.0
//
// Names files in a drop folder's done/, and moves a file whose rows are answered from a drop folder into its done/.
// Whoever drops files may put another one in its place at any moment: that one is not put away in its stead, and
// nothing that lies in the folder is written over.
#pragma once

#include "agents/drop.h"
#include "agents/ledger.h"

// Sets its kept name, which no other file there has: NAME.csv, else NAME-HASH.csv.
int done_choose_name(const Drop *drop, Spool *spool, Origin *origin);

typedef enum Done {
    DONE_MOVED,
    DONE_REPLACED, // what bears its name now, if anything does, is another file; it lies in the folder
    DONE_TWICE,    // it was replaced as it was moved, and so was what replaced it: that lies in done/, by the kept name
} Done;

// To its origin's kept name. *ret_now is what bore the name when it was looked at last; its own name is "" when nothing
// did. ERROR_SYSTEM.
int done_move(const Drop *drop, const DropFile *file, const Origin *origin, DropFile *ret_now);
