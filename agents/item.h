// SPDX-License-Identifier: Apache-2.0
//
// Where an event came from, in as few bytes as a spool can do with: enough to hand its row back, also days later.
// A CSV row is named by its place in the kept file; an outbox row, which is taken away, is carried as text.
#pragma once

#include "proto/base/bytes.h"

#include <stddef.h>
#include <stdint.h>

typedef struct Item {
    int64_t origin;      // the spool's number of the file or outbox
    uint64_t row;        // CSV: the row's number; outbox: the row's id
    uint64_t offset;     // CSV: where the row begins
    uint64_t bytes;      // CSV: how long it is
    const uint8_t *text; // outbox: the row as JSON; NULL for CSV
    size_t text_bytes;
} Item;

void item_append(Bytes *out, const Item *item);
// Reads the item at *at and steps over it. 1 when there is none, or it is not whole.
int item_read(const uint8_t **at, const uint8_t *end, Item *ret);
// Finds the n-th (from 0) of a batch's items. 1 when there are not so many.
int item_find(const uint8_t *items, size_t bytes, uint64_t n, Item *ret);
