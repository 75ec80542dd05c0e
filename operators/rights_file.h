// SPDX-License-Identifier: Apache-2.0
//
// A subscription's policy as a YAML file, as an operator writes and reviews it (deploy/sample/policies).
#pragma once

#include "broker/rules.h"
#include "operators/rights.h"

typedef struct RightsFile {
    char *path; // as given
    char *name, *subscriber;
    char *key; // FILE.pub, as the program can open it; NULL: none is named
    Rights rights;
} RightsFile;

// What is of provinces and fields is held against the rules' codes and the domains there are. An agency is not looked
// for: rights_check_agency(), and rights_file_fail() for what is found later. ERROR_CONFIG with file and line;
// what was read until then is freed with rights_file_free() all the same.
int rights_file_load(RightsFile *ret, const char *path, const Rules *rules);
void rights_file_free(RightsFile *file);
// Puts file and line of the key before the error that was noted; gives it back.
int rights_file_fail(const RightsFile *file, const char *key, int r);
// As rights_file_load() would take it. ERROR_CONFIG, ERROR_MEMORY.
int rights_file_print(const RightsFile *file, const Rules *rules, FILE *out);
