// SPDX-License-Identifier: Apache-2.0
//
// Cuts the sentence out of what pg.c made of it: "session: statement: sentence (SQLSTATE)".
#include "operators/refusal.h"
#include "operators/result.h"
#include "proto/base/log.h"

#include <string.h>

#define RAISED "P0001" // raise_exception: appendix A of PostgreSQL's documentation

int refusal_of(const Pg *pg, int r) {
    return r == ERROR_DATABASE && strcmp(pg_sqlstate(pg), RAISED) == 0 ? 1 : r;
}

int refusal_tell(const Pg *pg, int r) {
    r = refusal_of(pg, r);
    if (r != 1)
        return r;
    const char *text = error_text();
    for (int i = 0; i < 2; i++) {
        const char *colon = strstr(text, ": ");
        text = colon ? colon + 2 : text;
    }
    const char *end = strstr(text, " (" RAISED ")");
    log_error("%.*s", end ? (int)(end - text) : (int)strlen(text), text);
    return 1;
}
