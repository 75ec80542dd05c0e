// SPDX-License-Identifier: Apache-2.0
//
// The command tree itself. A new command is one line here and one function elsewhere.
#include "operators/commands.h"
#include "proto/base/error.h"

#include <stdio.h>
#include <string.h>

static const CommandEntry COMMANDS[] = {
    {"init", NULL, 0, 0, init_run, "bring both databases to this program's version, and say what was done"},
    {"population load", "FILE|-", 1, 1, population_load, "insert citizens from a CSV file; those known already stay"},
    {"population aliases", "FILE|-", 1, 1, population_aliases,
     "keep numbers that were replaced, identity cards' and insurance numbers, from a CSV file"},
    {"population fold", NULL, 0, 0, population_fold, "fold all names anew, after an upgrade that asks for it"},
    {"population model", NULL, 0, 0, population_model, "count anew how common names are; a load does it as well"},
    {"keys new", "FILE", 1, 1, keypair_new, "make a party's keys: FILE to keep, FILE.pub to hand over"},
    {"keys passphrase", "FILE", 1, 1, keypair_passphrase, "lock a key file by a passphrase, change it or take it away"},
    {"keys show", "FILE", 1, 1, keypair_show, "print the public keys and the key id of a key file"},
    {"agency add", "CODE", 1, 1, agency_add, "let an agency speak for some domains"},
    {"agency list", NULL, 0, 0, agency_list, "list agencies, their domains and keys"},
    {"agency disable", "CODE", 1, 1, agency_disable, "refuse an agency from now on; what it said stays"},
    {"agency enable", "CODE", 1, 1, agency_enable, "let a disabled agency speak again"},
    {"agency enrol", "CODE", 1, 1, agency_enrol, "a one-time token, by which it hands in its keys itself"},
    {"agency key add", "CODE FILE.pub", 2, 2, agency_key_add, "let it use further keys, beside those it has"},
    {"agency key list", NULL, 0, 0, agency_key_list, "list keys, those revoked too"},
    {"agency key retire", "CODE FILE.pub|KEY-ID", 2, 2, agency_key_retire,
     "let these keys end at a time, after others were added"},
    {"agency key revoke", "CODE FILE.pub|KEY-ID", 2, 2, agency_key_revoke,
     "refuse keys that may be stolen, and end their sessions, at once"},
    {"subscription add", "NAME", 1, 1, subscription_add, "let a committee receive some fields of some domains"},
    {"subscription list", NULL, 0, 0, subscription_list, "list subscriptions, their rights and positions"},
    {"subscription change", "NAME", 1, 1, subscription_change, "change its rights, from a known position on"},
    {"subscription apply", "FILE.yaml...", 1, 1000, subscription_apply, "bring subscriptions to what policy files say"},
    {"subscription show", "NAME", 1, 1, subscription_show, "its rights, as subscription apply takes them"},
    {"subscription preview", "[NAME]", 0, 1, preview_run, "what it would receive of the log's last entries, masked"},
    {"subscription followed", "NAME", 1, 1, followers_run, "how many persons it follows, and whom, masked"},
    {"subscription disable", "NAME", 1, 1, subscription_disable, "stop a subscription; its position stays"},
    {"subscription enable", "NAME", 1, 1, subscription_enable, "let a disabled subscription receive again"},
    {"subscription enrol", "NAME", 1, 1, subscription_enrol, "a one-time token, by which it hands in its keys itself"},
    {"subscription key add", "NAME FILE.pub", 2, 2, subscription_key_add,
     "let it use further keys, beside those it has"},
    {"subscription key list", NULL, 0, 0, subscription_key_list, "list keys, those revoked too"},
    {"subscription key retire", "NAME FILE.pub|KEY-ID", 2, 2, subscription_key_retire,
     "let these keys end at a time, after others were added"},
    {"subscription key revoke", "NAME FILE.pub|KEY-ID", 2, 2, subscription_key_revoke,
     "refuse keys that may be stolen, and end their sessions, at once"},
    {"citizen", "NUMBER|-", 1, 1, citizen_show, "what is held on a citizen, who told us, what is in question"},
    {"disclosures", NULL, 0, 0, disclosures_show, "who received what about a citizen, by which right"},
    {"review list", NULL, 0, 0, review_list, "what a person must look at: open cases, the oldest first"},
    {"review show", "CASE", 1, 1, review_show, "a case: what was said beside what the store has, and who may be meant"},
    {"review next", NULL, 0, 0, review_next, "claim the next open case and show it"},
    {"review claim", "CASE...", 1, 100, review_claim, "keep others from working on a case for some minutes"},
    {"review release", "CASE...", 1, 100, review_release, "give a case back"},
    {"review accept", "CASE", 1, 1, review_accept, "the event is about whom its number says: take it"},
    {"review link", "CASE", 1, 1, review_link, "the event is about another citizen: take it as theirs"},
    {"review refuse", "CASE", 1, 1, review_refuse, "the event cannot be taken: its agency is told"},
    {"review withdraw", "CASE", 1, 1, review_withdraw, "take a decision back that no broker has carried out yet"},
    {"review stats", NULL, 0, 0, review_stats, "what is open, how old it is, and what officers decided"},
    {"model learn", NULL, 0, 0, weight_model_learn,
     "learn from agencies' own events how often what is said of the right person differs"},
    {"model list", NULL, 0, 0, weight_model_list, "list what was learnt, when and by whom"},
    {"model show", "[MODEL]", 0, 1, weight_model_show, "a model's weights, by agency, field and level"},
    {"status", NULL, 0, 0, status_show, "head, epoch, streams, subscriptions and open exceptions"},
    {"log tail", NULL, 0, 0, tail_run, "the sync log's last lines, or all since a time or position"},
    {"log export", "FILE|-", 1, 1, log_export_run, "write the log, or a part of it, to a file that can be verified"},
    {"log verify", "FILE...", 1, 1000, log_verify_run, "hold exported files against themselves and keys, offline"},
    {"log head", NULL, 0, 0, log_head_run, "the log's newest signed head, or one by its number"},
    {"log prove", NULL, 0, 0, log_prove_run, "write a proof that an entry is in the log as it says"},
    {"log consistency", "OLD NEW", 2, 2, log_consistency_run,
     "show that one signed head's log is the beginning of another's"},
    {"log compare", "FILE...", 1, 64, log_compare_run,
     "hold signed heads that several parties kept against each other, offline"},
    {"log check", "FILE...", 1, 1000, log_check_run, "hold proofs against public keys, offline"},
    {"log trim", NULL, 0, 0, trim_run, "let go of what the log's oldest entries hold, by age or size"},
    {"erase", NULL, 0, 0, erase_run, "erase what a law orders erased, and leave every proof as it is"},
    {"report", NULL, 0, 0, report_print, "counts by domain, verdict and kind, from the records themselves"},
    {"epoch new", NULL, 0, 0, epoch_new, "ask for a new epoch, after a restore that the database cannot show"},
    {"verify", NULL, 0, 0, verify_run, "what the exchange would say of a file of events; no database"},
    {"match", NULL, 0, 0, match_run, "find who is who in two lists, or twice in one; no database"},
    {"rules check", "[SCHEMAS]", 0, 1, rule_book_check,
     "read rules and code lists as a broker would; the first mistake is told with its line"},
    {"rules try", "SCHEMAS", 1, 1, rule_trial_run,
     "count what other rules would say of events that were taken in already"},
    {"reasons", NULL, 0, 0, reasons_print, "the published table of reasons, in Vietnamese and English"},
    {"help", "[COMMAND...]", 0, 3, help_print, "show this, or one part of it"},
};
#define N_COMMANDS (sizeof COMMANDS / sizeof *COMMANDS)

// How many of argv's words are `words`; 0 unless all of them are there.
static int words_taken(const char *words, int argc, char **argv) {
    int taken = 0;
    for (const char *at = words; *at; taken++) {
        size_t n = strcspn(at, " ");
        if (taken == argc || strlen(argv[taken]) != n || memcmp(argv[taken], at, n) != 0)
            return 0;
        at += n + (at[n] == ' ');
    }
    return taken;
}

const CommandEntry *command_find(int argc, char **argv, int *ret_words) {
    for (size_t i = 0; i < N_COMMANDS; i++) {
        *ret_words = words_taken(COMMANDS[i].words, argc, argv);
        if (*ret_words)
            return &COMMANDS[i];
    }
    return NULL;
}

static bool is_under(const char *words, const char *under) {
    size_t n = strlen(under);
    return strncmp(words, under, n) == 0 && (words[n] == '\0' || words[n] == ' ');
}

int command_help(const char *under) {
    int shown = 0;
    for (size_t i = 0; i < N_COMMANDS; i++) {
        const CommandEntry *entry = &COMMANDS[i];
        if (under && !is_under(entry->words, under))
            continue;
        char usage[64];
        snprintf(usage, sizeof usage, "%s%s%s", entry->words, entry->operands ? " " : "",
                 entry->operands ? entry->operands : "");
        if (shown++ == 0)
            printf("Usage: dongbo [--config FILE] COMMAND [OPTIONS]; dongbo COMMAND --help shows its options.\n\n");
        printf("  %-40s %s\n", usage, entry->summary);
    }
    return shown == 0;
}

int help_print(Desk *desk, int argc, char **argv) {
    int operand = 0;
    int r = desk_parse(desk, NULL, argc, argv, &operand);
    if (r != 0)
        return r < 0 ? r : 0;
    char under[64] = "";
    for (int i = operand, n = 0; i < argc && n < (int)sizeof under; i++)
        n += snprintf(under + n, sizeof under - (size_t)n, "%s%s", n ? " " : "", argv[i]);
    if (command_help(under[0] ? under : NULL) == 0)
        return 0;
    return error_fail(ERROR_CONFIG, "there is no command \"%s\"; dongbo help lists them all", under);
}
