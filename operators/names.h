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
const char *names_agency(const Names *names, uint32_t agency); // "" for 0, "?" when unknown
const char *names_domain(int domain);                          // "unreadable" for 0, of which none could be read
// What --agency and --domain ask for; 0 (all) where they were not said, which is NULL. ERROR_CONFIG when unknown.
int names_find_agency(const Names *names, const char *code, uint32_t *ret);
int names_find_domain(const char *name, int *ret);
