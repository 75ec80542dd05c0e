// SPDX-License-Identifier: Apache-2.0
//
// dongbo: the operators' command. Finds the command in the tree and turns its result into an exit code: 0 done,
// 1 answered with no, 2 configuration or command line, 3 a database cannot be reached, 4 anything else.
#include "operators/commands.h"
#include "proto/base/error.h"
#include "proto/base/log.h"

#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

// Options that stand before the command's words. Returns the index of the first word, or an Error.
static int leading_options(Desk *desk, int argc, char **argv) {
    int i = 1;
    for (; i < argc && argv[i][0] == '-' && argv[i][1]; i++) {
        if (strcmp(argv[i], "--config") == 0 && i + 1 < argc)
            desk->config_path = argv[++i];
        else if (strcmp(argv[i], "--config") == 0)
            return error_fail(ERROR_CONFIG, "--config needs FILE");
        else if (strncmp(argv[i], "--config=", 9) == 0)
            desk->config_path = argv[i] + 9;
        else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return argc;
        else
            return error_fail(ERROR_CONFIG, "there is no option %s before a command; dongbo help lists what there is",
                              argv[i]);
    }
    return i;
}

static int dispatch(Desk *desk, int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "--version") == 0)
        return puts("dongbo " DONGBO_VERSION) < 0 ? error_fail(ERROR_SYSTEM, "standard output: %m") : 0;
    int first = leading_options(desk, argc, argv);
    if (first < 0)
        return first;
    if (first == argc)
        return command_help(NULL);
    int words = 0;
    desk->entry = command_find(argc - first, argv + first, &words);
    if (!desk->entry && command_help(argv[first]) == 0)
        return error_fail(ERROR_CONFIG, "\"%s\" wants one more word, see above", argv[first]);
    if (!desk->entry)
        return error_fail(ERROR_CONFIG, "there is no command \"%s\"; dongbo help lists them all", argv[first]);
    return desk->entry->run(desk, argc - first - words + 1, argv + first + words - 1);
}

int main(int argc, char **argv) {
    setlocale(LC_CTYPE, "");
    log_setup("dongbo", LOG_LEVEL_INFO);
    Desk desk = {0};
    int r = desk_explain(&desk, dispatch(&desk, argc, argv));
    desk_close(&desk);
    if (r < 0)
        log_error("%s", error_text());
    if ((fflush(stdout) != 0 || ferror(stdout)) && r != ERROR_SYSTEM) { // tail has said so itself
        log_error("standard output: %s", errno ? strerror(errno) : "cannot be written");
        return 4;
    }
    return r < 0 ? error_exit_code(r) : r;
}
