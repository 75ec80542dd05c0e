// SPDX-License-Identifier: Apache-2.0
//
// The command tree: one table of words, operands and functions, from which dispatch and help come. Each command's own
// file reads its options and prints its answer to standard output; progress and errors go to standard error.
#pragma once

#include "operators/desk.h"

// The entry whose words argv begins with, longest first; *ret_words how many words it took. NULL when there is none.
const CommandEntry *command_find(int argc, char **argv, int *ret_words);
// Prints the tree, or the part whose words begin with `under` (NULL: all). 1 when nothing does.
int command_help(const char *under);

int init_run(Desk *desk, int argc, char **argv);

int population_load(Desk *desk, int argc, char **argv);
int population_aliases(Desk *desk, int argc, char **argv);
int population_fold(Desk *desk, int argc, char **argv);
int population_model(Desk *desk, int argc, char **argv);

int keypair_new(Desk *desk, int argc, char **argv);
int keypair_passphrase(Desk *desk, int argc, char **argv);
int keypair_show(Desk *desk, int argc, char **argv);

int agency_add(Desk *desk, int argc, char **argv);
int agency_list(Desk *desk, int argc, char **argv);
int agency_disable(Desk *desk, int argc, char **argv);
int agency_enable(Desk *desk, int argc, char **argv);
int agency_enrol(Desk *desk, int argc, char **argv);
int agency_key_add(Desk *desk, int argc, char **argv);
int agency_key_list(Desk *desk, int argc, char **argv);
int agency_key_retire(Desk *desk, int argc, char **argv);
int agency_key_revoke(Desk *desk, int argc, char **argv);

int subscription_add(Desk *desk, int argc, char **argv);
int subscription_list(Desk *desk, int argc, char **argv);
int subscription_change(Desk *desk, int argc, char **argv);
int subscription_apply(Desk *desk, int argc, char **argv);
int subscription_show(Desk *desk, int argc, char **argv);
int preview_run(Desk *desk, int argc, char **argv); // of a subscription
int followers_run(Desk *desk, int argc, char **argv);
int subscription_disable(Desk *desk, int argc, char **argv);
int subscription_enable(Desk *desk, int argc, char **argv);
int subscription_enrol(Desk *desk, int argc, char **argv);
int subscription_key_add(Desk *desk, int argc, char **argv);
int subscription_key_list(Desk *desk, int argc, char **argv);
int subscription_key_retire(Desk *desk, int argc, char **argv);
int subscription_key_revoke(Desk *desk, int argc, char **argv);

int citizen_show(Desk *desk, int argc, char **argv);
int disclosures_show(Desk *desk, int argc, char **argv);
int status_show(Desk *desk, int argc, char **argv);
int tail_run(Desk *desk, int argc, char **argv);
int log_export_run(Desk *desk, int argc, char **argv);
int log_head_run(Desk *desk, int argc, char **argv);
int log_prove_run(Desk *desk, int argc, char **argv);
int log_consistency_run(Desk *desk, int argc, char **argv);
int log_compare_run(Desk *desk, int argc, char **argv);
int log_check_run(Desk *desk, int argc, char **argv);
int log_verify_run(Desk *desk, int argc, char **argv);
int erase_run(Desk *desk, int argc, char **argv);
int trim_run(Desk *desk, int argc, char **argv);
int review_list(Desk *desk, int argc, char **argv);
int review_show(Desk *desk, int argc, char **argv);
int review_next(Desk *desk, int argc, char **argv);
int review_claim(Desk *desk, int argc, char **argv);
int review_release(Desk *desk, int argc, char **argv);
int review_accept(Desk *desk, int argc, char **argv);
int review_link(Desk *desk, int argc, char **argv);
int review_refuse(Desk *desk, int argc, char **argv);
int review_withdraw(Desk *desk, int argc, char **argv);
int review_stats(Desk *desk, int argc, char **argv);
int report_print(Desk *desk, int argc, char **argv);
int verify_run(Desk *desk, int argc, char **argv);
int match_run(Desk *desk, int argc, char **argv);
int rule_book_check(Desk *desk, int argc, char **argv);
int rule_trial_run(Desk *desk, int argc, char **argv);
int weight_model_learn(Desk *desk, int argc, char **argv);
int weight_model_list(Desk *desk, int argc, char **argv);
int weight_model_show(Desk *desk, int argc, char **argv);
int epoch_new(Desk *desk, int argc, char **argv);
int reasons_print(Desk *desk, int argc, char **argv);
int help_print(Desk *desk, int argc, char **argv);
