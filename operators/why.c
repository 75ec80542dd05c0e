// SPDX-License-Identifier: Apache-2.0
//
// See the header.
#include "operators/why.h"
#include "operators/policy.h"
#include "proto/base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WHY_BYTES_MAX 1000

static char typed[WHY_BYTES_MAX + 2]; // kept as long as the command line is

// A line that is too long is found so by its length.
static const char *ask(void) {
    fprintf(stderr, "Why? The log keeps it: ");
    if (!fgets(typed, sizeof typed, stdin))
        return NULL;
    typed[strcspn(typed, "\r\n")] = '\0';
    return typed;
}

int why_find(Desk *desk) {
    const char *source = "--why";
    if (!desk->why && (desk->why = getenv(WHY_VARIABLE)) != NULL)
        source = WHY_VARIABLE;
    if (!desk->why && isatty(STDIN_FILENO) && isatty(STDERR_FILENO))
        desk->why = ask();
    if (!desk->why)
        return error_fail(ERROR_CONFIG, "say why (--why TEXT, or " WHY_VARIABLE "): the log keeps it with your name");
    return policy_check_text(source, desk->why, WHY_BYTES_MAX);
}
