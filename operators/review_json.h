// SPDX-License-Identifier: Apache-2.0
//
// A case as one JSON object on a line, masked unless the case says otherwise.
#pragma once

#include "operators/review_case.h"

int review_json_print(const ReviewCase *of); // ERROR_MEMORY
