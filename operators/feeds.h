// SPDX-License-Identifier: Apache-2.0
//
// The part of `dongbo status` about subscriptions: how far each has acknowledged and is behind, and who is connected.
#pragma once

#include "operators/lag.h"

#include <jansson.h>

typedef struct Feeds {
    PGresult *subscriptions, *shares;
    Lag *lags;
    int n_lags;
} Feeds;

int feeds_read(Feeds *feeds, Pg *exchange); // ERROR_DATABASE, ERROR_MEMORY
void feeds_free(Feeds *feeds);
void feeds_json(const Feeds *feeds, json_t *object); // adds "subscriptions" and "disabled_subscriptions"
int feeds_print(const Feeds *feeds);
