// SPDX-License-Identifier: Apache-2.0
//
// An outbox of a ministry's own PostgreSQL, read into the spool of a PublishCase: what the tests of source_outbox
// share. Their names are short, since nothing else is linked with them.
#pragma once

#include "agents/source.h"
#include "proto/base/pg.h"
#include "tests/unit/publish-case.h"

typedef struct OutboxCase {
    PublishCase *test;
    SourceConfig config;
    Map *map;
    Arena *arena;
    Source *source;
    Intake intake;
    Pg *ministry;
} OutboxCase;

// The table that the source counts is a view at first, which adds a row of its own while it is counted, as often as
// public.coming says: behind the count's snapshot, and told of with its answer.
int outbox_case_setup(void **state); // *state is the OutboxCase
int outbox_case_teardown(void **state);

void done(int r); // or the test fails
uint64_t look(OutboxCase *c);
void read_all(OutboxCase *c);
void open_on(OutboxCase *c, char *table); // again, as at a start
void open_table(OutboxCase *c);           // on the documented table itself
bool take_what_is_there(OutboxCase *c);   // a minute later
int try_to_hand_back(OutboxCase *c);      // how many, or what hand_back() said
int hand_back(OutboxCase *c);
int number(OutboxCase *c, const PgStatement *statement);
const char *left(const OutboxCase *c);
int answers(OutboxCase *c);             // so many stand over there
void refuse_rows(OutboxCase *c, int n); // puts there what is refused, and takes it
int sealed(OutboxCase *c);
