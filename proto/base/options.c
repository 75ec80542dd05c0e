// SPDX-License-Identifier: Apache-2.0
//
// Turns a command's table into what getopt_long wants, and its findings into values or one sentence. getopt_long keeps
// global state: command lines are read before threads start.
#include "proto/base/options.h"
#include "proto/base/error.h"
#include "proto/base/text.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPTIONS_MAX 32
#define OPTIONS_LONG 256 // getopt's value of the table's first option; below are letters

typedef struct Getopt {
    char letters[2 * OPTIONS_MAX + 4];
    struct option longs[OPTIONS_MAX + 2];
    int n;
} Getopt;

static void build(const Command *command, Getopt *getopt) {
    char *letter = getopt->letters;
    *letter++ = ':'; // tell a missing value from an unknown option
    *letter++ = 'h';
    const Option *option = command->options;
    for (; option && option->name; option++, getopt->n++) {
        assert(getopt->n < OPTIONS_MAX);
        bool has_value = option->kind != OPTION_FLAG;
        assert(has_value == (option->value != NULL));
        getopt->longs[getopt->n] =
            (struct option){option->name, has_value ? required_argument : no_argument, NULL, OPTIONS_LONG + getopt->n};
        if (!option->letter)
            continue;
        *letter++ = option->letter;
        if (has_value)
            *letter++ = ':';
    }
    *letter = '\0';
    getopt->longs[getopt->n] = (struct option){"help", no_argument, NULL, 'h'};
    getopt->longs[getopt->n + 1] = (struct option){0};
}

static const Option *option_of(const Command *command, int found) {
    if (found >= OPTIONS_LONG)
        return command->options + (found - OPTIONS_LONG);
    const Option *option = command->options;
    while (option->letter != found)
        option++;
    return option;
}

static int add(const Option *option, const char *value) {
    OptionList *list = option->into;
    if (list->n == OPTION_LIST_MAX)
        return error_fail(ERROR_CONFIG, "--%s is given more than %d times", option->name, OPTION_LIST_MAX);
    list->items[list->n++] = value;
    return 0;
}

static int set(const Option *option, const char *value) {
    char *end;
    switch (option->kind) {
    case OPTION_FLAG:
        *(bool *)option->into = true;
        return 0;
    case OPTION_TEXT:
        *(const char **)option->into = value;
        return 0;
    case OPTION_INT:
        errno = 0;
        *(long long *)option->into = strtoll(value, &end, 10);
        if (errno || end == value || *end || isspace((unsigned char)*value))
            return error_fail(ERROR_CONFIG, "--%s: \"%s\" is not a whole number", option->name, value);
        return 0;
    case OPTION_LIST:
        return add(option, value);
    }
    return 0;
}

// What getopt_long stumbled over: argv's last word for a long option, optopt for a letter.
static int stumble(const Command *command, int found, char **argv) {
    const char *word = argv[optind - 1];
    if (found == ':') {
        const Option *option = option_of(command, optopt);
        return error_fail(ERROR_CONFIG, "--%s needs %s; see --help", option->name, option->value);
    }
    if (optopt >= OPTIONS_LONG || optopt == 'h')
        return error_fail(ERROR_CONFIG, "%s takes no value; see --help", word);
    if (optopt)
        return error_fail(ERROR_CONFIG, "there is no option -%c; see --help", optopt);
    return error_fail(ERROR_CONFIG, "there is no option %s, or it is short for several; see --help", word);
}

static int check_text(const char *name, const char *text) {
    if (text_is_clean(text, strlen(text)))
        return 0;
    return error_fail(ERROR_CONFIG, "%s is not UTF-8, or holds a control character", name);
}

static int check_operands(const Command *command, int argc, char **argv) {
    for (int i = optind; i < argc; i++) {
        int r = check_text(command->operands ? command->operands : "a word", argv[i]);
        if (r < 0)
            return r;
    }
    return 0;
}

int options_parse(const Command *command, int argc, char **argv, int *ret_operand) {
    Getopt table = {0};
    build(command, &table);
    optind = 0; // glibc: begin anew
    opterr = 0;
    for (int found; (found = getopt_long(argc, argv, table.letters, table.longs, NULL)) != -1;) {
        if (found == 'h') {
            options_help(command);
            return 1;
        }
        if (found == '?' || found == ':')
            return stumble(command, found, argv);
        const Option *option = option_of(command, found);
        char name[64];
        snprintf(name, sizeof name, "--%s", option->name);
        int r = optarg ? check_text(name, optarg) : 0;
        if (r == 0)
            r = set(option, optarg);
        if (r < 0)
            return r;
    }
    int operands = argc - optind;
    if (operands < command->operands_min)
        return error_fail(ERROR_CONFIG, "%s needs %s; see --help", command->name, command->operands);
    if (operands > command->operands_max)
        return error_fail(ERROR_CONFIG, "%s: \"%s\" is one word too many; see --help", command->name,
                          argv[optind + command->operands_max]);
    *ret_operand = optind;
    return check_operands(command, argc, argv);
}

static int help_name(const Option *option, char *out, size_t bytes) {
    char letter[5] = "    ";
    if (option->letter)
        snprintf(letter, sizeof letter, "-%c, ", option->letter);
    return snprintf(out, bytes, "%s--%s%s%s", letter, option->name, option->value ? " " : "",
                    option->value ? option->value : "");
}

void options_help(const Command *command) {
    static const Option help = {"help", 'h', OPTION_FLAG, NULL, "show this", NULL};
    static const Option end = {0};
    const Option *options = command->options ? command->options : &end;
    const char *program = program_invocation_short_name;
    bool named = strncmp(command->name, program, strlen(program)) == 0;
    char name[96];
    int width = help_name(&help, name, sizeof name);
    for (const Option *option = options; option->name; option++) {
        int n = help_name(option, name, sizeof name);
        width = n > width ? n : width;
    }
    printf("%s\n\nUsage: %s%s%s [OPTIONS]%s%s\n\nOptions:\n", command->summary, named ? "" : program, named ? "" : " ",
           command->name, command->operands ? " " : "", command->operands ? command->operands : "");
    for (const Option *option = options; option->name; option++) {
        help_name(option, name, sizeof name);
        printf("  %-*s  %s\n", width, name, option->help);
    }
    help_name(&help, name, sizeof name);
    printf("  %-*s  %s\n", width, name, help.help);
    if (command->notes)
        printf("\n%s", command->notes);
}
