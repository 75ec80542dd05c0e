// SPDX-License-Identifier: Apache-2.0
//
// For commands that look into the log's payloads: up to where these are no longer kept, said plainly.
#pragma once

#include "proto/base/pg.h"

#include <stdint.h>

// Says so on standard error where it concerns what begins at position `since`. ERROR_DATABASE.
int trimmed_note(Pg *exchange, int64_t since);
