// SPDX-License-Identifier: Apache-2.0
//
// Who may be meant, looked for in a census instead of a population store: by the same keys as population.find()
// (schemas/population), with counts taken from the census itself, judged by broker/search.h. Some 200
// bytes a citizen.
#pragma once

#include "broker/item.h"
#include "operators/census.h"
#include "proto/base/arena.h"

typedef struct Canvass Canvass;

// Makes the keys of everybody in the census, which must outlive it. ERROR_MEMORY.
int canvass_new(Canvass **ret, const Census *census, const Rules *rules);
void canvass_destroy(Canvass **canvass);
// Of an item that decide_wants_search(). The answer lives in the arena, its texts in the census. ERROR_MEMORY.
int canvass_ask(const Canvass *canvass, const Item *item, Arena *arena, const SearchAnswer **ret);
