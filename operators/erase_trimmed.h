// SPDX-License-Identifier: Apache-2.0
//
// What is still said of a citizen by events whose content the log has let go (`dongbo log trim`): their words stand in
// record versions, and what was kept to decide them in exceptions. By these their entries are found.
#pragma once

#include "operators/erase_find.h"

// Adds them to what was found, of all of the family. ERROR_CONFIG, ERROR_DATABASE, ERROR_MEMORY.
int erase_trimmed(EraseFind *find);
