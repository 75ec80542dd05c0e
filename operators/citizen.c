// SPDX-License-Identifier: Apache-2.0
//
// `dongbo citizen`: everything the exchange holds on one person, or held and took for true on a day. Reads the command
// line; dossier.c finds, dossier_text.c and dossier_json.c print. Masked unless asked for, and then noted.
#include "operators/commands.h"
#include "operators/dossier.h"
#include "operators/dossier_json.h"
#include "operators/dossier_text.h"
#include "operators/result.h"
#include "operators/why.h"
#include "proto/base/clock.h"
#include "proto/base/date.h"
#include "proto/base/log.h"

#include <string.h>

#define DAY_US (86400LL * 1000000)

static const char NOTES[] =
    "TIME is an instant (2022-03-01T08:00:00+07:00), or a date, which stands for the end of that day in\n"
    "Asia/Ho_Chi_Minh.\n"
    "--known-at asks what we held: only what was stored by then counts. --as-of asks what was true: each value is the\n"
    "one that held at that time by the event times that agencies gave, whenever they told us. Together they answer\n"
    "what we took for true of one day on another. What was corrected counts from when the wrong value began, and what\n"
    "was withdrawn never was; values that we know otherwise by now are marked. Who the person is, the first line, is\n"
    "always the population store's word of today.\n";

typedef struct Asked {
    const char *as_of, *known_at;
    bool unmask, json;
} Asked;

static int read_moment(const char *option, const char *text, bool *ret_given, int64_t *ret_us) {
    *ret_given = text != NULL;
    *ret_us = INT64_MAX;
    if (!text)
        return 0;
    if (clock_parse_us(text, ret_us) != 0)
        return error_fail(ERROR_CONFIG, "%s: \"%s\" is no time (2022-03-01, or 2022-03-01T08:00:00+07:00)", option,
                          text);
    if (strlen(text) == DATE_TEXT_BYTES - 1) // a day: to its end
        *ret_us += DAY_US - 1;
    return 0;
}

static int show(Dossier *dossier, Pg *exchange, const Asked *asked) {
    int r = dossier_read(dossier, exchange);
    if (r < 0)
        return r;
    if (!dossier->identity->person && dossier_exception_count(dossier) == 0) {
        log_error("nothing is held under this number");
        return 1;
    }
    return asked->json ? dossier_json_print(dossier) : dossier_text_print(dossier);
}

static int look_up(Desk *desk, const Asked *asked, Identity *identity, Dossier *dossier) {
    CLEANUP(names_destroy) Names *names = NULL;
    Pg *exchange = NULL;
    int r = desk_exchange(desk, &exchange);
    if (r == 0)
        r = desk_rules(desk, &dossier->rules);
    if (r == 0)
        r = identity_find(desk, identity);
    if (r == 0)
        r = identity_look_at(desk, identity);
    if (r == 0)
        r = identity_find_learnt(exchange, identity);
    if (r == 0)
        r = names_read(&names, exchange);
    if (r == 0 && asked->unmask)
        r = identity_note_unmasking(desk, "citizen", identity->number);
    dossier->identity = identity;
    dossier->names = names;
    dossier->unmask = asked->unmask;
    return r < 0 ? r : show(dossier, exchange, asked);
}

int citizen_show(Desk *desk, int argc, char **argv) {
    CLEANUP(identity_free) Identity identity = {0};
    CLEANUP(dossier_free) Dossier dossier = {0};
    Asked asked = {0};
    int operand = 0;
    const Option options[] = {
        {"as-of", 0, OPTION_TEXT, "TIME", "what was true then, by event time", &asked.as_of},
        {"known-at", 0, OPTION_TEXT, "TIME", "what we held then, by the log's time", &asked.known_at},
        {"unmask", 0, OPTION_FLAG, NULL, "show numbers, names and dates; this is noted", &asked.unmask},
        DESK_WHY(desk),
        {"json", 0, OPTION_FLAG, NULL, "one JSON object", &asked.json},
        {0}};
    int r = desk_parse_noted(desk, options, NOTES, argc, argv, &operand);
    if (r != 0)
        return r < 0 ? r : 0;
    r = asked.unmask ? why_find(desk) : 0;
    if (r == 0)
        r = read_moment("--as-of", asked.as_of, &dossier.is_as_of, &dossier.as_of_us);
    if (r == 0)
        r = read_moment("--known-at", asked.known_at, &dossier.is_known_at, &dossier.known_at_us);
    if (r == 0)
        r = identity_read_number(argv[operand], identity.number);
    return r < 0 ? r : look_up(desk, &asked, &identity, &dossier);
}
