// SPDX-License-Identifier: Apache-2.0
//
// A file of numbers that are nobody's present citizen number (alias_file.h), in memory, for tools without a database.
// Rows about citizens whom the census does not know are named and left out. Some 60 bytes a number.
#pragma once

#include "broker/item.h"
#include "operators/census.h"

typedef struct AliasList AliasList;

// The census must outlive it. ERROR_CONFIG, ERROR_MEMORY, ERROR_SYSTEM.
int alias_list_load(AliasList **ret, const char *path, const Census *census);
void alias_list_destroy(AliasList **list);
// Whose numbers the event says, as broker/lookup_bearers.h fills them in, and item->person from them. A NULL list knows
// none. ERROR_MEMORY.
int alias_list_find(const AliasList *list, const Census *census, Arena *arena, Item *item);
