// SPDX-License-Identifier: Apache-2.0
//
// What people and programs write into a cell where they know nothing: such a value is missing, and is compared with
// none. The one list of such words; of any other text it says nothing.
#pragma once

#include <stdbool.h>

// bare: folded (text_fold_accents()), and its letters and digits only. Words that are somebody's name are not among
// them.
bool unsaid_is_word(const char *bare);
// UTF-8 where a name is expected: such a word, or no letter or digit at all.
bool unsaid_is_name(const char *text);
// UTF-8 where a date is expected: such a word, one that is too short for a name, signs only, or zeros ("00/00/0000").
bool unsaid_is_date(const char *text);
