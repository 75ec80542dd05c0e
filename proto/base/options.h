// SPDX-License-Identifier: Apache-2.0
//
// Command lines: one table per command, from which parsing, --help and error texts all come (getopt_long inside).
#pragma once

#include <stdbool.h>

typedef enum OptionKind { OPTION_FLAG, OPTION_TEXT, OPTION_INT, OPTION_LIST } OptionKind;

// What a repeated option was given, in order.
#define OPTION_LIST_MAX 64
typedef struct OptionList {
    const char *items[OPTION_LIST_MAX];
    int n;
} OptionList;

typedef struct Option {
    const char *name; // "since"; NULL ends the table
    char letter;      // 'f', or 0
    OptionKind kind;
    const char *value; // what the help calls it: "TIME"; NULL for flags
    const char *help;
    void *into; // bool *, const char **, long long * or OptionList *
} Option;

typedef struct Command {
    const char *name;     // "log tail"
    const char *operands; // "[AGENCY]" as the help shows it, or NULL
    const char *summary;  // one line
    const Option *options;
    int operands_min, operands_max;
    const char *notes; // behind the options, lines closed by \n; NULL for none
} Command;

// argv[0] is the command's own last word. *ret_operand is the index of the first operand.
// A value or operand that is not UTF-8 or holds a control character is refused: it would go to logs and terminals.
// 0; 1 when help was asked for and printed; ERROR_CONFIG with a sentence otherwise.
int options_parse(const Command *command, int argc, char **argv, int *ret_operand);
void options_help(const Command *command);
