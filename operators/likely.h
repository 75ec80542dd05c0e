// SPDX-License-Identifier: Apache-2.0
//
// Who is probably meant by an event in question, as the exchange keeps it beside the event (broker/search.h): one line
// for each person, with how likely they are and what speaks for and against it. Shows no name; numbers are masked
// unless asked for.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// `json` is what the exchange keeps, "" for nothing. The line of `person`, who is being looked at anyway, says so.
// What cannot be read is said to be so.
void likely_print(const char *json, int64_t person, bool unmask);
// Whether the likeliest person is beyond doubt, by the posterior that was kept (0 for nobody) and by whether too many
// shared what was said for all of them to be looked at.
bool likely_is_known(int64_t posterior, bool too_large);
