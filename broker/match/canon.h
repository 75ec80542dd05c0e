// SPDX-License-Identifier: Apache-2.0
//
// One cell of a foreign list in canonical form. Takes any bytes; what says "not known" comes out empty. Decides nothing
// that needs the other rows.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define CANON_BYTES 256
typedef struct Canon {
    char text[CANON_BYTES];     // folded: lower case, no accents; "" is missing
    char accented[CANON_BYTES]; // lower case; tells spellings of one folded text apart
} Canon;

// Letters and digits only, nothing between: one part of a name, an identifier.
void canon_part(const char *cell, Canon *ret);
// Words with one space between; points and apostrophes are dropped, other signs part words.
void canon_words(const char *cell, Canon *ret);
// YYYYMMDD; MM and DD are 00 when only the year is known. A date that the calendar does not have stays as it is.
// format: YYYY (or YY), MM, DD and what stands between, or the same as %Y (or %y), %m, %d; or NULL.
void canon_date(const char *cell, const char *format, Canon *ret);
