// SPDX-License-Identifier: Apache-2.0
//
// dongbo-agent: the same program at a ministry (publish), at a committee (receive) and at a witness. Does nothing
// itself.
#include "agents/enrol.h"
#include "agents/follow.h"
#include "agents/proof.h"
#include "agents/publish.h"
#include "agents/receive.h"
#include "agents/run.h"
#include "agents/status.h"
#include "agents/witness.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
} COMMANDS[] = {
    {"publish", publish_main, "deliver an agency's changes to the exchange"},
    {"receive", receive_main, "receive what a committee is entitled to"},
    {"witness", witness_main, "follow the log's signed heads from outside, and keep them"},
    {"status", status_main, "show what a publishing agent's spool holds, and how far it is proved"},
    {"proof", proof_main, "write the proof that a batch is in the exchange's log to a file"},
    {"run", run_main, "publish and receive in one process"},
    {"enrol", enrol_main, "make this party's keys and hand the public halves to the exchange"},
    {"follow", follow_main, "say of whom it is to be, where that is the committee's to say"},
};
#define N_COMMANDS (sizeof COMMANDS / sizeof *COMMANDS)

static void help(FILE *out) {
    fputs("Usage: dongbo-agent COMMAND [OPTION]...\n\n", out);
    for (size_t i = 0; i < N_COMMANDS; i++)
        fprintf(out, "  %-9s %s\n", COMMANDS[i].name, COMMANDS[i].summary);
    fputs("\n  --help, --version\n\n\"dongbo-agent COMMAND --help\" says more.\n", out);
}

int main(int argc, char **argv) {
    const char *word = argc > 1 ? argv[1] : "";
    for (size_t i = 0; i < N_COMMANDS; i++)
        if (strcmp(word, COMMANDS[i].name) == 0)
            return COMMANDS[i].run(argc - 1, argv + 1);
    if (strcmp(word, "--version") == 0) {
        puts("dongbo-agent " DONGBO_VERSION);
        return 0;
    }
    int asked = strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
    help(asked ? stdout : stderr);
    return asked ? 0 : 2;
}
