// SPDX-License-Identifier: Apache-2.0
//
// What an operator's command works with: the configuration, sessions opened when they are first needed, and the table
// entry that led here. Refuses to open more rights than a command asks for.
#pragma once

#include "broker/rules.h"
#include "proto/base/options.h"
#include "proto/base/pg.h"

#include <stdbool.h>

typedef struct DeskAdmin {
    char *exchange;
    char *population;
} DeskAdmin;

typedef struct DeskConfig {
    char *exchange;
    char *population;
    char *population_writer;
    DeskAdmin *admin;
    char *schemas; // holds exchange/, population/, rules/ and codes/
} DeskConfig;

struct CommandEntry;
typedef struct Desk {
    const struct CommandEntry *entry;
    const char *config_path; // NULL: $DONGBO_CONFIG or ./dongbo.yaml
    const char *why;         // the operator's reason, for the log (why.h); NULL where none was given
    DeskConfig *config;
    char *schemas;
    Pg *exchange, *population, *population_writer;
    Rules *rules;
} Desk;

// One line of the command tree (commands.c).
typedef struct CommandEntry {
    const char *words;    // "log tail"
    const char *operands; // NULL for none
    int operands_min, operands_max;
    // argv[0] is the command's last word. 0; 1: answered, but not with what was asked for (exit code 1); an Error.
    int (*run)(Desk *desk, int argc, char **argv);
    const char *summary;
} CommandEntry;

void desk_close(Desk *desk);

// An option of commands that change who may do what, or unmask a citizen: why.h finds the reason.
#define DESK_WHY(desk)                                                                                                 \
    { "why", 0, OPTION_TEXT, "TEXT", "your reason, which the log keeps; else $DONGBO_WHY, or asked for", &(desk)->why }

// The entry's command line; every command also takes --config. As options_parse().
int desk_parse(Desk *desk, const Option *options, int argc, char **argv, int *ret_operand);
// ... with notes behind the options in --help.
int desk_parse_noted(Desk *desk, const Option *options, const char *notes, int argc, char **argv, int *ret_operand);

// Reads the configuration once. ERROR_CONFIG.
int desk_config(Desk *desk);
// Sessions, opened once. ERROR_CONFIG when the configuration lacks the line, ERROR_DATABASE.
int desk_exchange(Desk *desk, Pg **ret);
// Says to the exchange that this command looks, without which it shows no persons; where its role may: at the review
// queue, at nobody yet (a citizen's), or at everything. After a session was connected anew; desk_exchange() does it the
// first time.
int desk_look(const Desk *desk, Pg *exchange);
// ... and at whom, before their rows are read.
typedef struct DeskLook {
    int64_t review_case; // and its events; 0: none
    const int64_t *persons;
    size_t n_persons;
    const char *const *numbers;
    size_t n_numbers;
} DeskLook;
int desk_look_at(const Desk *desk, Pg *exchange, const DeskLook *look);
int desk_population(Desk *desk, Pg **ret);
int desk_population_writer(Desk *desk, Pg **ret);
// Before anybody is added to it: ERROR_CONFIG where it is behind what the log was decided by.
int desk_population_whole(Desk *desk);
// What a command gave; where the database says that a role lacks a right, ERROR_CONFIG with what to do. Before
// desk_close().
int desk_explain(const Desk *desk, int r);
// Rules and codes of the schemas directory.
int desk_rules(Desk *desk, const Rules **ret);
// For commands that need no configuration: of `schemas` unless that is NULL, else of the configuration where there is
// one, else of the directory that came with the program.
int desk_rules_offline(Desk *desk, const char *schemas, const Rules **ret);
