// SPDX-License-Identifier: Apache-2.0
//
// `dongbo log compare`: signed heads that several parties kept (witnesses, receivers, operators), against each other,
// offline. Two that contradict each other prove by the exchange's own signatures that it showed two logs.
#include "operators/answer.h"
#include "operators/commands.h"
#include "operators/heads_kept.h"
#include "proto/base/clock.h"
#include "proto/base/error.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define CONTRADICTIONS_SHOWN 20
#define EXIT_OPEN 5

static const char NOTES[] =
    "FILEs hold a head a line: what a witness keeps (also its FILE.evidence), and what dongbo log head --json prints.\n"
    "Keys are public key files: the exchange's, its former ones, and of witnesses. What no key was given for is told.\n"
    "Exit code 0: one history, as far as these heads show. 1: two heads contradict each other, or a signature is not\n"
    "good. 2: a file could not be read. 5: nothing contradicts, but the files have no head in common.\n";

typedef struct Comparing {
    OptionList keys_given;
    bool json;
    HeadsKept kept;
    json_t *contradictions, *set_backs;
    uint64_t n_contradictions, n_proven;
    HeadMark *common;               // of two files the last head that both are known to have; NULL: none is
    uint8_t group[HEADS_FILES_MAX]; // the same of files that are of one log up to a head
} Comparing;

static void comparing_free(Comparing *comparing) {
    heads_kept_free(&comparing->kept);
    json_decref(comparing->contradictions);
    json_decref(comparing->set_backs);
}

// ---- what is said --------------------------------------------------------------------------------------------------

static const char *signature_text(HeadSignature signature) {
    static const char *const TEXTS[] = {
        [HEAD_NOT_CHECKED] = "not checked: no such key was given", [HEAD_GOOD] = "good", [HEAD_BAD] = "NOT GOOD"};
    return TEXTS[signature];
}

static void print_head(const Comparing *comparing, const KeptHead *head) {
    char at[CLOCK_TEXT_BYTES];
    clock_format_us(head->mark.signed_at_us, at);
    printf("    %s line %" PRIu32 ": head %" PRIu64 " of epoch %" PRIu32 ", %" PRIu64 " segments, signed %s: %s\n",
           comparing->kept.paths[head->file], head->line, head->mark.number, head->mark.epoch, head->mark.size, at,
           signature_text(head->signature));
}

static json_t *head_json(const Comparing *comparing, const KeptHead *head) {
    return json_pack("{s:s, s:i, s:I, s:i, s:I, s:s}", "file", comparing->kept.paths[head->file], "line",
                     (int)head->line, "number", (json_int_t)head->mark.number, "epoch", (int)head->mark.epoch, "size",
                     (json_int_t)head->mark.size, "signature", signature_text(head->signature));
}

static void tell_pair(Comparing *comparing, json_t *list, const char *what, const KeptHead *one,
                      const KeptHead *other) {
    if (json_array_size(list) >= CONTRADICTIONS_SHOWN)
        return;
    json_array_append_new(list, json_pack("{s:s, s:o, s:o}", "what", what, "one", head_json(comparing, one), "other",
                                          head_json(comparing, other)));
    if (comparing->json)
        return;
    printf("%s\n", what);
    print_head(comparing, one);
    print_head(comparing, other);
}

static void tell_contradiction(Comparing *comparing, const char *why, const KeptHead *one, const KeptHead *other) {
    char what[160];
    bool proven = one->signature == HEAD_GOOD && other->signature == HEAD_GOOD;
    snprintf(what, sizeof what, "%s: %s", proven ? "two logs were shown" : "two heads contradict each other", why);
    comparing->n_contradictions++;
    comparing->n_proven += proven;
    tell_pair(comparing, comparing->contradictions, what, one, other);
}

// ---- comparing -----------------------------------------------------------------------------------------------------

// Both are of one log, and so is all before them.
static void join(Comparing *comparing, const KeptHead *one, KeptHead *other) {
    uint8_t kept = comparing->group[one->file], gone = comparing->group[other->file];
    if (one->file == other->file)
        return;
    for (int i = 0; i < comparing->kept.n_paths; i++)
        if (comparing->group[i] == gone)
            comparing->group[i] = kept;
    if (comparing->kept.n_paths == 2)
        comparing->common = &other->mark;
}

// In their order, each beside the one before: what is to grow need not be compared with more than that.
static void compare(Comparing *comparing) {
    KeptHead *before = NULL;
    for (size_t i = 0; i < comparing->kept.n; i++) {
        KeptHead *head = &comparing->kept.heads[i];
        const char *why = NULL;
        if (head->signature == HEAD_BAD)
            continue; // anybody may write such a line
        HeadRelation relation = before == NULL ? HEAD_OPEN : head_relate(&before->mark, &head->mark, &why);
        if (relation == HEAD_CONTRADICTS)
            tell_contradiction(comparing, why, before, head);
        else if (relation == HEAD_SET_BACK)
            tell_pair(comparing, comparing->set_backs, "the exchange's history was set back in between", before, head);
        else if (relation == HEAD_SAME || relation == HEAD_GOES_ON)
            join(comparing, before, head);
        before = head;
    }
}

static bool is_joined(const Comparing *comparing) {
    for (int i = 1; i < comparing->kept.n_paths; i++)
        if (comparing->group[i] != comparing->group[0])
            return false;
    return true;
}

static void print_text(const Comparing *comparing) {
    const HeadsKept *kept = &comparing->kept;
    printf("%zu heads in %d files: %" PRIu64 " signatures good, %" PRIu64 " not checked, %" PRIu64 " NOT GOOD\n",
           kept->n, kept->n_paths, kept->good, kept->unchecked, kept->bad);
    if (kept->cosigned > 0)
        printf("%" PRIu64 " co-signed by witnesses: %" PRIu64 " good, %" PRIu64 " not checked, %" PRIu64 " NOT GOOD\n",
               kept->cosigned, kept->cosigned_good, kept->cosigned_unchecked, kept->cosigned_bad);
    if (comparing->n_contradictions > 0)
        printf(comparing->n_proven > 0 ? "TWO LOGS\n" : "NOT PROVED: a key is missing\n");
    else if (!is_joined(comparing))
        printf("CANNOT TELL: no head is in all files. Witnesses share those whose numbers 64 divides: wait for the "
               "next one\n");
    else if (comparing->common != NULL)
        printf("one history, as far as these heads show: both have it up to head %" PRIu64 " of %" PRIu64 " segments\n",
               comparing->common->number, comparing->common->size);
    else
        printf("one history, as far as these heads show\n");
}

static int print_json(const Comparing *comparing) {
    const HeadsKept *kept = &comparing->kept;
    json_t *object = json_pack("{s:b, s:b, s:I, s:I, s:I, s:I, s:O, s:O}", "one_history",
                               comparing->n_contradictions == 0 && is_joined(comparing), "proven_two_logs",
                               comparing->n_proven > 0, "heads", (json_int_t)kept->n, "good", (json_int_t)kept->good,
                               "not_checked", (json_int_t)kept->unchecked, "bad", (json_int_t)kept->bad,
                               "contradictions", comparing->contradictions, "set_back", comparing->set_backs);
    json_object_set_new(object, "common_number",
                        comparing->common ? json_integer((json_int_t)comparing->common->number) : json_null());
    json_object_set_new(object, "cosigned", json_integer((json_int_t)kept->cosigned));
    json_object_set_new(object, "cosigned_good", json_integer((json_int_t)kept->cosigned_good));
    json_object_set_new(object, "cosigned_bad", json_integer((json_int_t)kept->cosigned_bad));
    return answer_print(object, 0);
}

int log_compare_run(Desk *desk, int argc, char **argv) {
    CLEANUP(comparing_free) Comparing comparing = {0};
    int operand = 0;
    const Option options[] = {{"keys", 0, OPTION_LIST, "FILE.pub",
                               "a public key that signatures may be by; again for others", &comparing.keys_given},
                              {"json", 0, OPTION_FLAG, NULL, "one JSON object", &comparing.json},
                              {0}};
    int r = desk_parse_noted(desk, options, NOTES, argc, argv, &operand);
    if (r != 0)
        return r < 0 ? r : 0;
    comparing.contradictions = json_array();
    comparing.set_backs = json_array();
    for (int i = 0; i < HEADS_FILES_MAX; i++)
        comparing.group[i] = (uint8_t)i;
    r = heads_kept_keys(&comparing.kept, &comparing.keys_given);
    for (int i = operand; r == 0 && i < argc; i++)
        r = heads_kept_read(&comparing.kept, argv[i]);
    if (r < 0)
        return r;
    heads_kept_sort(&comparing.kept);
    compare(&comparing);
    if (comparing.json)
        r = print_json(&comparing);
    else
        print_text(&comparing);
    bool bad = comparing.n_contradictions + comparing.kept.bad + comparing.kept.cosigned_bad > 0;
    return r < 0 ? r : bad ? 1 : is_joined(&comparing) ? 0 : EXIT_OPEN;
}
