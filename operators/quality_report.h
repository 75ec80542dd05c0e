// SPDX-License-Identifier: Apache-2.0
//
// Quality as people read it, or as one JSON object.
#pragma once

#include "operators/names.h"
#include "operators/quality.h"

#include <stdbool.h>

int quality_report_print(Quality *quality, const Names *names);                         // ERROR_MEMORY
int quality_report_print_json(Quality *quality, const Names *names, const char *since); // since as asked for, or NULL
