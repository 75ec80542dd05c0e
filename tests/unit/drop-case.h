// SPDX-License-Identifier: Apache-2.0
//
// A drop folder read into the spool of a PublishCase: what the tests of source_csv share. Their names are short, since
// nothing else is linked with them.
#pragma once

#include "agents/source_csv.h"
#include "tests/unit/publish-case.h"

typedef struct DropCase {
    PublishCase *test;
    char drop[128];
    SourceConfig config;
    Map *map;
    Arena *arena;
    Source *source;
    Intake intake;
} DropCase;

void drop_case(DropCase *c, PublishCase *test, const char *encoding);
void drop_case_end(DropCase *c);
void open_source(DropCase *c); // again, after its source was destroyed
void crash(DropCase *c);       // as `kill -9` and a new start
// By a rename, as it should be done.
void put(DropCase *c, const char *name, const char *text);
bool is_there(DropCase *c, const char *name);
uint64_t look(DropCase *c);
// One transaction's read; what read() said.
int read_once(DropCase *c, bool commit);
uint64_t sealed(DropCase *c);
int ack(DropCase *c, int most); // receipts for at most so many batches of those that wait; how many it were
void ack_all(DropCase *c);
char *rows(int from, int n); // a file of them, which lives until the next call
void path_of(const DropCase *c, const char *name, char out[300]);
void move(DropCase *c, const char *from, const char *to);
void read_all(DropCase *c);
int64_t last_origin(DropCase *c);
