// SPDX-License-Identifier: Apache-2.0
//
// What both halves of libdongbo share. A library keeps quiet: errors are told by their sentence, nothing is logged, and
// signals stay the program's own.
#pragma once

#include "agents/library/dongbo.h"
#include "proto/base/error.h"
#include "proto/keys.h"

#include <stdbool.h>

#define LIBRARY_ENDPOINTS_MAX 16

// Before any socket. Harmless when repeated.
void library_begin(void);
// Copies what the caller's structure holds into ours, whichever is the longer. ERROR_CONFIG when it says no sane size.
int library_take(void *into, size_t into_bytes, const void *given);
// ERROR_CONFIG when a text that is needed is missing.
int library_need(const char *text, const char *name);
int library_keys(const char *keys, const char *broker_key, Keys *ret, Keys ret_broker[2]);

typedef struct Endpoints {
    char *at[LIBRARY_ENDPOINTS_MAX];
    unsigned n;
} Endpoints;
int endpoints_copy(Endpoints *ret, const char *const *endpoints, size_t n);
void endpoints_free(Endpoints *endpoints);
