// SPDX-License-Identifier: Apache-2.0
//
// `dongbo verify`: what the exchange would say of a file of events against a population file, from the broker's own
// code (broker/decide.h) and the agents' (agents/map.h), with no database. Refuses to guess what only the exchange
// knows: which records it holds besides those of the file, so nothing is UNCHANGED or SUPERSEDED here, and what
// population events would change.
#include "broker/decide.h"
#include "operators/alias_list.h"
#include "operators/canvass.h"
#include "operators/census.h"
#include "operators/commands.h"
#include "operators/event_file.h"
#include "operators/holdings.h"
#include "operators/output.h"
#include "operators/progress.h"
#include "operators/unstored.h"
#include "proto/base/clock.h"
#include "proto/base/error.h"
#include "proto/reason.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define STEP_EVENTS 1000
#define REASONS_COUNTED 128 // places in reason_table()
#define VERDICTS (DONGBO__VERDICT__REJECTED + 1)

static const char NOTES[] =
    "P.csv is a file as `dongbo population load` takes it. It is kept in memory: some 350 bytes a citizen. E.csv is\n"
    "what an agency's agent would read from its drop folder, M.yaml its mapping. A.csv has numbers that were replaced,\n"
    "identity cards' and insurance numbers, as `dongbo population aliases` takes them.\n"
    "Each line of the output is one event, in the order of E.csv: row (the header is row 1), verdict, citizen (whom\n"
    "it was decided on, or null), reasons (code, field), and where the number did not lead to its person: candidates,\n"
    "with the posterior of each, and posterior, that of the likeliest. Citizens' numbers stand in it.\n"
    "Rules and code lists are those of --schemas, else of the configuration, else those that came with the program.\n"
    "What the exchange already holds is not known here: an event that it would call UNCHANGED or SUPERSEDED is\n"
    "ACCEPTED, and whose an insurance number is, it has not learnt from other events. Rules about a person's other\n"
    "records see those that earlier events of the same file made.\n";

typedef struct Verifying {
    const char *population, *aliases, *events, *mapping, *out, *agency, *schemas, *delimiter, *encoding;
    bool json;
    Census *census;
    AliasList *numbers; // their other ones; NULL for none
    Canvass *canvass;   // made when the first event needs it
    Holdings *holdings; // likewise
    EventFile *file;
    FILE *output;
    Arena *arena;
    Bytes lines;
    Agency speaker;
    Work work;
    EventRow rows[STEP_EVENTS];
    size_t n;
    DecideContext context;
    uint64_t n_events, verdicts[VERDICTS], reasons[REASONS_COUNTED];
    Progress progress;
} Verifying;

static void verifying_free(Verifying *verifying) {
    canvass_destroy(&verifying->canvass);
    holdings_destroy(&verifying->holdings);
    alias_list_destroy(&verifying->numbers);
    census_destroy(&verifying->census);
    event_file_close(&verifying->file);
    arena_destroy(&verifying->arena);
    bytes_free(&verifying->lines);
    if (verifying->output)
        fclose(verifying->output);
}

// ---- deciding -------------------------------------------------------------------------------------------------------

// 1 when the file has come to its end.
static int read_step(Verifying *verifying) {
    int r = 0;
    arena_reset(verifying->arena);
    verifying->n = 0;
    while (verifying->n < STEP_EVENTS &&
           (r = event_file_next(verifying->file, verifying->arena, &verifying->rows[verifying->n])) == 0)
        verifying->n++;
    return r;
}

static int make_items(Verifying *verifying) {
    Work *work = &verifying->work;
    *work = (Work){.kind = WORK_BATCH, .arena = verifying->arena, .agency = &verifying->speaker};
    work->n_items = verifying->n;
    work->items = decide_items_new(work, verifying->n);
    if (!work->items)
        return error_fail(ERROR_MEMORY, "%zu events do not fit", verifying->n);
    for (size_t i = 0; i < verifying->n; i++) {
        const EventRow *row = &verifying->rows[i];
        work->items[i].bytes = row->bytes;
        work->items[i].sequence = row->number;
        work->items[i].dropped = row->code != 0; // the agent would not have sent it
    }
    return 0;
}

static int find_person(const Verifying *verifying, Item *item) {
    Person found;
    if (census_find(verifying->census, item->claimed_number, &found)) {
        Person *person = arena_alloc(verifying->arena, sizeof *person);
        if (!person)
            return error_fail(ERROR_MEMORY, "the persons of one step do not fit");
        *person = found;
        item->person = person;
    }
    return alias_list_find(verifying->numbers, verifying->census, verifying->arena, item);
}

static int find_persons(Verifying *verifying) {
    int r = 0;
    for (size_t i = 0; r == 0 && i < verifying->n; i++)
        if (decide_wants_person(&verifying->work.items[i]))
            r = find_person(verifying, &verifying->work.items[i]);
    return r;
}

// Those whose number does not lead to their person.
static int find_others(Verifying *verifying) {
    int r = 0;
    for (size_t i = 0; r == 0 && i < verifying->n; i++) {
        Item *item = &verifying->work.items[i];
        if (!decide_wants_search(&verifying->work, item))
            continue;
        if (!verifying->canvass)
            r = canvass_new(&verifying->canvass, verifying->census, verifying->context.rules);
        if (r == 0)
            r = canvass_ask(verifying->canvass, item, verifying->arena, &item->found);
    }
    return r < 0 ? r : decide_found(&verifying->context, &verifying->work);
}

static int look_up_holdings(void *of, Work *work) {
    Verifying *verifying = of;
    int r = verifying->holdings ? 0 : holdings_new(&verifying->holdings);
    return r < 0 ? r : holdings_look_up(verifying->holdings, work);
}

// Beside the records that earlier events made.
static int judge_beside(Verifying *verifying) {
    Work *work = &verifying->work;
    int r = unstored_judge(&verifying->context, work, look_up_holdings, verifying);
    return r == 0 && work->n_hoods > 0 ? holdings_keep(verifying->holdings, work) : r;
}

static int decide_step(Verifying *verifying) {
    int r = make_items(verifying);
    if (r == 0)
        r = decide_forms(&verifying->context, &verifying->work);
    if (r == 0)
        r = find_persons(verifying);
    if (r == 0)
        r = decide_persons(&verifying->context, &verifying->work);
    if (r == 0)
        r = find_others(verifying);
    return r < 0 ? r : judge_beside(verifying);
}

// ---- saying it ------------------------------------------------------------------------------------------------------

static void count_reason(Verifying *verifying, int code) {
    int n = 0;
    size_t place = (size_t)(reason_find(code) - reason_table(&n));
    if (place < REASONS_COUNTED)
        verifying->reasons[place]++;
}

static void write_reason(Verifying *verifying, const Finding *finding, bool first) {
    Bytes *out = &verifying->lines;
    bytes_append_text(out, first ? "{\"code\":" : ",{\"code\":");
    bytes_append_json(out, reason_find(finding->code)->name);
    bytes_append_text(out, ",\"field\":");
    if (*finding->field)
        bytes_append_json(out, finding->field);
    else
        bytes_append_text(out, "null");
    bytes_append_text(out, "}");
    count_reason(verifying, finding->code);
}

static void write_millionths(Bytes *out, uint32_t millionths) {
    char text[24];
    snprintf(text, sizeof text, "%u.%06u", millionths / SEARCH_ONE, millionths % SEARCH_ONE);
    bytes_append_text(out, text);
}

// The likeliest first. Nobody searches for those whom their number led to.
static void write_found(const SearchAnswer *found, Bytes *out) {
    char bits[32];
    bytes_append_text(out, "],\"posterior\":");
    if (found)
        write_millionths(out, found->n ? found->matches[0].posterior : 0);
    else
        bytes_append_text(out, "null");
    bytes_append_text(out, ",\"candidates\":[");
    for (size_t i = 0; found && i < found->n; i++) {
        bytes_append_text(out, i ? ",{\"citizen\":" : "{\"citizen\":");
        bytes_append_json(out, found->matches[i].citizen_number);
        bytes_append_text(out, ",\"posterior\":");
        write_millionths(out, found->matches[i].posterior);
        snprintf(bits, sizeof bits, ",\"bits\":%.3f}", found->matches[i].bits / 1000.0);
        bytes_append_text(out, bits);
    }
    bytes_append_text(out, "]}\n");
}

static void write_event(Verifying *verifying, const EventRow *row, const Item *item) {
    Bytes *out = &verifying->lines;
    const Finding unread = {row->code, row->field, ""};
    const Finding *reasons = row->code ? &unread : item->decision.reasons;
    size_t n_reasons = row->code ? 1 : item->decision.n_reasons;
    int verdict = row->code ? DONGBO__VERDICT__REJECTED : item->decision.verdict;
    bool decided = verdict == DONGBO__VERDICT__ACCEPTED && item->person;
    char text[96];
    snprintf(text, sizeof text, "{\"row\":%" PRIu64 ",\"verdict\":\"%s\",\"citizen\":", row->number,
             verdict_name(verdict));
    bytes_append_text(out, text);
    if (decided)
        bytes_append_json(out, item->person->citizen_number);
    else
        bytes_append_text(out, "null");
    bytes_append_text(out, ",\"reasons\":[");
    for (size_t i = 0; i < n_reasons; i++)
        write_reason(verifying, &reasons[i], i == 0);
    write_found(row->code ? NULL : item->found, out);
    verifying->n_events++;
    verifying->verdicts[verdict]++;
}

static int write_step(Verifying *verifying) {
    Bytes *lines = &verifying->lines;
    bytes_clear(lines);
    for (size_t i = 0; i < verifying->n; i++)
        write_event(verifying, &verifying->rows[i], &verifying->work.items[i]);
    if (lines->failed)
        return error_fail(ERROR_MEMORY, "no memory for the output");
    if (fwrite(lines->data, 1, lines->n, verifying->output) != lines->n)
        return error_fail(ERROR_SYSTEM, "%s: %s", verifying->out, strerror(errno));
    return 0;
}

static void print_summary(const Verifying *verifying, int64_t us) {
    int n = 0;
    const ReasonText *table = reason_table(&n);
    CensusCounts population = census_counts(verifying->census);
    double us_per_event = verifying->n_events ? (double)us / (double)verifying->n_events : 0;
    json_t *verdicts = json_object(), *reasons = json_object();
    for (int verdict = 1; verdict < VERDICTS; verdict++)
        if (verifying->verdicts[verdict])
            json_object_set_new(verdicts, verdict_name(verdict),
                                json_integer((json_int_t)verifying->verdicts[verdict]));
    for (int i = 0; i < n && i < REASONS_COUNTED; i++)
        if (verifying->reasons[i])
            json_object_set_new(reasons, table[i].name, json_integer((json_int_t)verifying->reasons[i]));
    const CharsetChoice *charset = event_file_charset(verifying->file);
    json_t *object = json_pack("{s:s, s:I, s:I, s:I, s:I, s:o, s:o, s:f}", "encoding", charset->name, "population",
                               (json_int_t)population.citizens, "population_wrong_rows", (json_int_t)population.wrong,
                               "population_repeated_rows", (json_int_t)population.repeated, "events",
                               (json_int_t)verifying->n_events, "verdicts", verdicts, "reasons", reasons,
                               "us_per_event", (double)(int64_t)(us_per_event * 10) / 10);
    if (charset->confidence != CHARSET_DECLARED)
        json_object_set_new(object, "encoding_confidence", json_integer(charset->confidence));
    if (verifying->json) {
        json_dumpf(object, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6));
        printf("\n");
        json_decref(object);
        return;
    }
    const char *name;
    json_t *count;
    printf("%" PRIu64 " events against %" PRIu64 " citizens, %.1f µs an event\n", verifying->n_events,
           population.citizens, us_per_event);
    if (population.wrong || population.repeated)
        printf("of the population, %" PRIu64 " rows were wrong and %" PRIu64 " repeated a number: left out\n",
               population.wrong, population.repeated);
    if (charset->confidence != CHARSET_DECLARED)
        printf("read as %s, confidence %d %%\n", charset->name, charset->confidence);
    json_object_foreach(verdicts, name, count)
        printf("  %-28s %10" PRIu64 "\n", name, (uint64_t)json_integer_value(count));
    printf("for these reasons\n");
    json_object_foreach(reasons, name, count)
        printf("  %-28s %10" PRIu64 "\n", name, (uint64_t)json_integer_value(count));
    json_decref(object);
}

// ---- the command ----------------------------------------------------------------------------------------------------

static int verify_file(Verifying *verifying) {
    int64_t began_us = clock_now_us(clock_system());
    int r = 0;
    progress_begin(&verifying->progress);
    for (int end = 0; r == 0 && end == 0;) {
        end = read_step(verifying);
        r = end < 0 ? end : decide_step(verifying);
        if (r == 0)
            r = write_step(verifying);
        progress_show(&verifying->progress, "verified", verifying->n_events, "events");
    }
    progress_end();
    if (r == 0 && (fflush(verifying->output) != 0 || ferror(verifying->output)))
        r = error_fail(ERROR_SYSTEM, "%s: %s", verifying->out, strerror(errno));
    if (r == 0)
        print_summary(verifying, clock_now_us(clock_system()) - began_us);
    return r;
}

static int open_all(Desk *desk, Verifying *verifying) {
    const char *delimiter = verifying->delimiter;
    EventFileOptions options = {verifying->events, verifying->mapping, verifying->agency, ',', verifying->encoding};
    if (delimiter && strlen(delimiter) != 1 && strcmp(delimiter, "\\t") != 0)
        return error_fail(ERROR_CONFIG, "--delimiter is one character, or \\t for a tab");
    if (delimiter)
        options.delimiter = *delimiter == '\\' ? '\t' : *delimiter;
    verifying->speaker.grants = (Grants){.code = verifying->agency, .domains = UINT32_MAX};
    verifying->context.now_us = clock_now_us(clock_system());
    int r = desk_rules_offline(desk, verifying->schemas, &verifying->context.rules);
    if (r == 0)
        r = arena_new(&verifying->arena, BATCH_ARENA_BYTES + (size_t)STEP_EVENTS * EVENT_BYTES_MAX);
    if (r == 0)
        r = event_file_open(&verifying->file, &options);
    if (r == 0)
        r = census_load(&verifying->census, verifying->population, verifying->context.rules);
    if (r == 0 && verifying->aliases)
        r = alias_list_load(&verifying->numbers, verifying->aliases, verifying->census);
    if (r < 0)
        return r;
    const char *const inputs[] = {verifying->events, verifying->population, verifying->mapping, verifying->aliases,
                                  NULL};
    return output_open(&verifying->output, verifying->out, inputs);
}

int verify_run(Desk *desk, int argc, char **argv) {
    CLEANUP(verifying_free) Verifying verifying = {.agency = ""};
    const Option options[] = {
        {"population", 0, OPTION_TEXT, "P.csv", "the citizens", &verifying.population},
        {"aliases", 0, OPTION_TEXT, "A.csv", "their other numbers", &verifying.aliases},
        {"events", 0, OPTION_TEXT, "E.csv", "what an agency says", &verifying.events},
        {"mapping", 0, OPTION_TEXT, "M.yaml", "which column is which field", &verifying.mapping},
        {"out", 'o', OPTION_TEXT, "VERDICTS.jsonl", "where the verdicts go", &verifying.out},
        {"agency", 0, OPTION_TEXT, "CODE", "who says it: decides by whose policy names are compared",
         &verifying.agency},
        {"encoding", 0, OPTION_TEXT, "NAME|auto", "of E.csv, as for an agent; default UTF-8", &verifying.encoding},
        {"delimiter", 0, OPTION_TEXT, "CHAR", "between columns of E.csv; default a comma", &verifying.delimiter},
        {"schemas", 0, OPTION_TEXT, "DIR", "holds rules/ and codes/", &verifying.schemas},
        {"json", 0, OPTION_FLAG, NULL, "counts and speed as one JSON object", &verifying.json},
        {0}};
    int operand = 0;
    int r = desk_parse_noted(desk, options, NOTES, argc, argv, &operand);
    if (r != 0)
        return r < 0 ? r : 0;
    if (!verifying.population || !verifying.events || !verifying.mapping || !verifying.out)
        return error_fail(ERROR_CONFIG, "verify needs --population, --events, --mapping and --out; see dongbo verify "
                                        "--help");
    r = open_all(desk, &verifying);
    return r < 0 ? r : verify_file(&verifying);
}
