// SPDX-License-Identifier: Apache-2.0
//
// See summary.h.
#include "agents/summary.h"

#include "agents/refused.h"
#include "proto/base/error.h"
#include "proto/base/text.h"
#include "proto/domain.h"
#include "proto/reason.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int counts_add(void *self, int verdict, int reason, int64_t n) {
    SummaryCounts *counts = self;
    if (verdict == 0)
        counts->unsent += n;
    if (verdict <= 0 || verdict >= VERDICT_KINDS || n == 0)
        return 0;
    if (reason == 0) {
        counts->verdicts[verdict] += n;
        return 0;
    }
    for (int i = 0; i < counts->n_reasons; i++) {
        if (counts->reasons[i].verdict == verdict && counts->reasons[i].reason == reason) {
            counts->reasons[i].n += n;
            return 0;
        }
    }
    if (counts->n_reasons == SUMMARY_REASONS_MAX)
        return 0;
    counts->reasons[counts->n_reasons].verdict = verdict;
    counts->reasons[counts->n_reasons].reason = reason;
    counts->reasons[counts->n_reasons++].n = n;
    return 0;
}

static void counts_subtract(SummaryCounts *counts, const SummaryCounts *before) {
    counts->unsent -= before->unsent;
    for (int v = 1; v < VERDICT_KINDS; v++)
        counts_add(counts, v, 0, -before->verdicts[v]);
    for (int i = 0; i < before->n_reasons; i++)
        counts_add(counts, before->reasons[i].verdict, before->reasons[i].reason, -before->reasons[i].n);
    // Fewer than before: these were decided again.
    for (int v = 1; v < VERDICT_KINDS; v++) {
        if (counts->verdicts[v] >= 0)
            continue;
        counts->again -= counts->verdicts[v];
        counts->verdicts[v] = 0;
    }
    for (int i = 0; i < counts->n_reasons; i++)
        if (counts->reasons[i].n < 0)
            counts->reasons[i].n = 0;
}

static void counts_sum(SummaryCounts *counts, const SummaryCounts *more) {
    counts->unsent += more->unsent;
    for (int v = 1; v < VERDICT_KINDS; v++)
        counts_add(counts, v, 0, more->verdicts[v]);
    for (int i = 0; i < more->n_reasons; i++)
        counts_add(counts, more->reasons[i].verdict, more->reasons[i].reason, more->reasons[i].n);
    counts->again += more->again;
}

static int64_t counts_refused(const SummaryCounts *counts) {
    return counts->verdicts[DONGBO__VERDICT__MISMATCH] + counts->verdicts[DONGBO__VERDICT__REJECTED];
}

void summary_free(Summary *summary) {
    for (size_t i = 0; i < summary->n; i++)
        free(summary->origins[i].before);
    free(summary->origins);
    *summary = (Summary){0};
}

typedef struct Noting {
    Summary *summary;
    SummaryLasting lasting;
    void *self;
} Noting;

static int note_origin(void *self, int64_t id, const char *source) {
    Noting *noting = self;
    Summary *summary = noting->summary;
    if (summary->n == summary->size) {
        size_t size = summary->size == 0 ? 16 : 2 * summary->size;
        SummaryOrigin *origins = realloc(summary->origins, size * sizeof *origins);
        if (origins == NULL)
            return error_fail(ERROR_MEMORY, "no memory for a summary");
        summary->origins = origins;
        summary->size = size;
    }
    SummaryOrigin *origin = &summary->origins[summary->n++];
    *origin = (SummaryOrigin){.id = id};
    if (!noting->lasting(noting->self, source))
        return 0;
    origin->before = calloc(1, sizeof *origin->before);
    if (origin->before == NULL)
        return error_fail(ERROR_MEMORY, "no memory for a summary");
    return ledger_tallies(summary->spool, id, counts_add, origin->before);
}

int summary_begin(Summary *summary, Spool *spool, SummaryLasting lasting, void *self) {
    *summary = (Summary){.spool = spool};
    int r = ledger_origin_last(spool, &summary->last);
    return r < 0 ? r : ledger_unfinished(spool, note_origin, &(Noting){summary, lasting, self});
}

typedef struct Printing {
    const Summary *summary;
    const SummaryOptions *options;
    json_t *files, *owed;
    SummaryCounts all;
    int64_t n_owed; // refused rows
} Printing;

static json_t *counts_json(const SummaryCounts *counts) {
    json_t *verdicts = json_object();
    for (int v = 1; v < VERDICT_KINDS; v++)
        if (counts->verdicts[v] != 0)
            json_object_set_new(verdicts, verdict_name(v), json_integer(counts->verdicts[v]));
    return verdicts;
}

static json_t *reasons_json(const SummaryCounts *counts) {
    json_t *reasons = json_object();
    for (int i = 0; i < counts->n_reasons; i++) {
        const char *name = reason_find(counts->reasons[i].reason)->name;
        json_int_t n = json_integer_value(json_object_get(reasons, name)) + counts->reasons[i].n;
        json_object_set_new(reasons, name, json_integer(n));
    }
    return reasons;
}

static void print_lines(const SummaryCounts *counts) {
    for (int v = 1; v < VERDICT_KINDS; v++) {
        if (counts->verdicts[v] == 0)
            continue;
        printf("  %-10s %10lld\n", verdict_name(v), (long long)counts->verdicts[v]);
        for (int i = 0; i < counts->n_reasons; i++)
            if (counts->reasons[i].verdict == v && counts->reasons[i].n != 0)
                printf("    %-24s %10lld\n", reason_find(counts->reasons[i].reason)->name,
                       (long long)counts->reasons[i].n);
    }
    if (counts->unsent != 0)
        printf("  refused here, and not sent: %lld of the rejected\n", (long long)counts->unsent);
    if (counts->again != 0)
        printf("  of earlier runs, decided again: %lld\n", (long long)counts->again);
}

// It has UTF-8 only.
json_t *summary_name_json(const char *text) {
    json_t *json = json_string(text);
    char safe[300];
    if (json != NULL)
        return json;
    snprintf(safe, sizeof safe, "%s", text);
    for (char *c = safe; *c; c++)
        if ((unsigned char)*c >= 0x80)
            *c = '?';
    return json_string(safe);
}

const char *summary_name_text(const char *name, char text[SUMMARY_NAME_BYTES]) {
    snprintf(text, SUMMARY_NAME_BYTES, "%s", name);
    text_make_visible(text);
    return text;
}

// Which encoding a file was read in, and how sure that is where it was detected.
static void encoding_json(json_t *file, const Origin *origin) {
    if (origin->encoding[0] == 0)
        return;
    json_object_set_new(file, "encoding", json_string(origin->encoding));
    if (origin->confidence >= 0)
        json_object_set_new(file, "confidence", json_integer(origin->confidence));
}

static void print_origin(Printing *printing, const Origin *origin, const SummaryCounts *counts) {
    char refused[300] = "";
    if (counts_refused(counts) > 0 && origin->kept_name[0] != 0)
        refused_name(origin->kept_name, RESULT_REFUSED, refused);
    if (printing->options->json) {
        json_t *file = json_pack("{s:s, s:o, s:o, s:o, s:I, s:I, s:o}", "source", origin->source, "file",
                                 summary_name_json(origin->name), "verdicts", counts_json(counts), "reasons",
                                 reasons_json(counts), "refused", (json_int_t)counts_refused(counts), "unsent",
                                 (json_int_t)counts->unsent, "refused_file", summary_name_json(refused));
        encoding_json(file, origin);
        json_array_append_new(printing->files, file);
        return;
    }
    char name[SUMMARY_NAME_BYTES];
    printf("%s: %s\n", origin->source, summary_name_text(origin->name, name));
    if (origin->encoding[0] != 0 && origin->confidence >= 0)
        printf("  encoding: %s, detected, confidence %d %%\n", origin->encoding, origin->confidence);
    print_lines(counts);
    if (refused[0] != 0)
        printf("  refused rows: done/%s\n", summary_name_text(refused, name));
}

static int print_one(Printing *printing, int64_t id, const SummaryCounts *before) {
    Origin origin;
    SummaryCounts counts = {0};
    int r = ledger_origin(printing->summary->spool, id, &origin);
    if (r != 0)
        return r < 0 ? r : 0;
    r = ledger_tallies(printing->summary->spool, id, counts_add, &counts);
    if (r < 0)
        return r;
    if (before != NULL)
        counts_subtract(&counts, before);
    counts_sum(&printing->all, &counts);
    print_origin(printing, &origin, &counts);
    return 0;
}

// What waits for a source that is not configured.
static int print_owed(void *self, const LedgerOwed *owed) {
    Printing *printing = self;
    int64_t n = owed->n[RESULT_REFUSED] + owed->n[RESULT_DECIDED];
    if (owed->source[0] == 0 || printing->options->is_configured(printing->options->self, owed->source))
        return 0;
    printing->n_owed += owed->n[RESULT_REFUSED];
    json_object_set_new(printing->owed, owed->source, json_integer((json_int_t)n));
    if (!printing->options->json)
        printf("owed to %s, which is not configured: %lld rows\n", owed->source, (long long)n);
    return 0;
}

static void print_later(const Verdicts *verdicts, json_t *json) {
    json_t *later = json_object();
    for (int v = 1; v < VERDICT_KINDS; v++) {
        if (verdicts->later[v] == 0)
            continue;
        json_object_set_new(later, verdict_name(v), json_integer((json_int_t)verdicts->later[v]));
        if (json == NULL)
            printf("decided later: %-10s %10llu\n", verdict_name(v), (unsigned long long)verdicts->later[v]);
    }
    if (json != NULL)
        json_object_set(json, "later", later);
    json_decref(later);
}

static void print_json(Printing *printing, int64_t refused) {
    int64_t events = -printing->all.again;
    for (int v = 1; v < VERDICT_KINDS; v++)
        events += printing->all.verdicts[v];
    json_t *json = json_pack("{s:I, s:I, s:o, s:o, s:I, s:I, s:b}", "events", (json_int_t)events, "decided_again",
                             (json_int_t)printing->all.again, "verdicts", counts_json(&printing->all), "reasons",
                             reasons_json(&printing->all), "refused", (json_int_t)refused, "unsent",
                             (json_int_t)printing->all.unsent, "complete", printing->options->complete);
    print_later(printing->options->verdicts, json);
    json_object_set(json, "owed", printing->owed);
    json_object_set(json, "files", printing->files);
    json_dumpf(json, stdout, JSON_COMPACT);
    printf("\n");
    json_decref(json);
}

int summary_print(const Summary *summary, const SummaryOptions *options, int64_t *ret_refused) {
    Printing printing = {.summary = summary, .options = options, .files = json_array(), .owed = json_object()};
    const Verdicts *verdicts = options->verdicts;
    int64_t last;
    int r = ledger_origin_last(summary->spool, &last);
    for (size_t i = 0; i < summary->n && r == 0; i++)
        r = print_one(&printing, summary->origins[i].id, summary->origins[i].before);
    for (int64_t id = summary->last + 1; id <= last && r == 0; id++)
        r = print_one(&printing, id, NULL);
    if (r == 0)
        r = ledger_owed(summary->spool, print_owed, &printing);
    *ret_refused = counts_refused(&printing.all);
    int64_t later = (int64_t)(verdicts->later[DONGBO__VERDICT__MISMATCH] + verdicts->later[DONGBO__VERDICT__REJECTED]);
    if (r == 0 && options->json)
        print_json(&printing, *ret_refused);
    else if (r == 0)
        print_later(verdicts, NULL);
    *ret_refused += later + printing.n_owed;
    json_decref(printing.files);
    json_decref(printing.owed);
    fflush(stdout);
    return r;
}
