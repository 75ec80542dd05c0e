// SPDX-License-Identifier: Apache-2.0
//
// The part of `dongbo status` about erasures that are not done: what waits for a broker, what is logged and still
// there, and what a broker refused, with the reason.
#pragma once

#include "proto/base/pg.h"

#include <jansson.h>

int unfinished_read(PGresult **ret, Pg *exchange);          // ERROR_DATABASE
void unfinished_json(const PGresult *rows, json_t *object); // adds "erasures"
int unfinished_print(const PGresult *rows);                 // ERROR_MEMORY; nothing where all are done
