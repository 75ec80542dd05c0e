// SPDX-License-Identifier: Apache-2.0
//
// What numbers in the log stand for: agencies by their codes, domains by their names.
#pragma once

#include "proto/base/pg.h"

#include <stdint.h>

typedef struct Names Names;

int names_read(Names **ret, Pg *exchange); // ERROR_DATABASE, ERROR_MEMORY
void names_destroy(Names **names);
// Reads again when this agency is not known yet: agencies are added while somebody looks on.
int names_refresh(Names *names, Pg *exchange, uint32_t agency);
const char *names_agency(const Names *names, uint32_t agency);  // "" for 0, "?" when unknown
uint32_t names_agency_id(const Names *names, const char *code); // 0 when unknown
const char *names_domain(int domain);                           // "unreadable" for 0, of which none could be read
