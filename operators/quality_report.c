// SPDX-License-Identifier: Apache-2.0
//
// For people: one part for each agency and domain, with its months, its reasons, and the facilities that most of its
// refusals come from. For scripts: everything that was counted.
#include "operators/quality_report.h"
#include "operators/answer.h"
#include "operators/columns.h"
#include "proto/base/error.h"
#include "proto/reason.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#define FACILITIES_SHOWN 10
#define REASONS_SHOWN 10

static void month_text(int month, char out[12]) {
    snprintf(out, 12, "%04d-%02d", month / 100 % 10000, month % 100);
}

typedef struct Views {
    Quality *agencies, *months, *facilities; // by agency and domain; and by month; and by facility
} Views;

static void views_free(Views *views) {
    quality_destroy(&views->agencies);
    quality_destroy(&views->months);
    quality_destroy(&views->facilities);
}

static int views_make(Views *ret, const Quality *quality) {
    int r = quality_roll_up(quality, 0, &ret->agencies);
    if (r == 0)
        r = quality_roll_up(quality, QUALITY_KEEP_MONTH, &ret->months);
    return r < 0 ? r : quality_roll_up(quality, QUALITY_KEEP_FACILITY, &ret->facilities);
}

// ---- JSON -----------------------------------------------------------------------------------------------------------

static json_t *reasons_json(const QualityGroup *group) {
    json_t *list = json_array();
    for (size_t i = 0; i < group->n_reasons; i++) {
        const QualityReason *reason = &group->reasons[i];
        const ReasonText *text = reason_find(reason->code);
        json_array_append_new(list, json_pack("{s:s, s:s, s:I, s:s, s:s}", "code", text->name, "field", reason->field,
                                              "events", (json_int_t)reason->n, "vi", text->vi, "en", text->en));
    }
    return list;
}

static void add_counts(json_t *object, const QualityGroup *group) {
    json_object_set_new(object, "events", json_integer((json_int_t)group->events));
    json_object_set_new(object, "refused", json_integer((json_int_t)group->refused));
    json_object_set_new(object, "waiting", json_integer((json_int_t)group->waiting));
    json_object_set_new(object, "share", json_real((double)(int64_t)(quality_share(group) * 10000 + .5) / 10000));
    json_object_set_new(object, "reasons", reasons_json(group));
}

static json_t *groups_json(Quality *quality, unsigned keep, const Names *names) {
    size_t n = 0;
    const QualityGroup *groups = quality_groups(quality, &n);
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        char month[12];
        month_text(groups[i].key.month, month);
        json_t *object = json_pack("{s:s, s:s}", "agency", names_agency(names, groups[i].key.agency), "domain",
                                   names_domain(groups[i].key.domain));
        if (keep & QUALITY_KEEP_FACILITY)
            json_object_set_new(object, "facility",
                                *groups[i].key.facility ? json_string(groups[i].key.facility) : json_null());
        if (keep & QUALITY_KEEP_MONTH)
            json_object_set_new(object, "month", json_string(month));
        add_counts(object, &groups[i]);
        json_array_append_new(list, object);
    }
    return list;
}

int quality_report_print_json(Quality *quality, const Names *names, const char *since) {
    CLEANUP(views_free) Views views = {0};
    int r = views_make(&views, quality);
    if (r < 0)
        return r;
    const unsigned all = QUALITY_KEEP_FACILITY | QUALITY_KEEP_MONTH;
    json_t *report =
        json_pack("{s:s?, s:o, s:o, s:o, s:o}", "since", since, "agencies", groups_json(views.agencies, 0, names),
                  "months", groups_json(views.months, QUALITY_KEEP_MONTH, names), "facilities",
                  groups_json(views.facilities, QUALITY_KEEP_FACILITY, names), "facility_months",
                  groups_json(quality, all, names));
    return answer_print(report, 6);
}

// ---- for people -----------------------------------------------------------------------------------------------------

static void add_line(Columns *columns, const char *what, const QualityGroup *group) {
    char events[24], refused[24], waiting[24], share[24], reason[96] = "";
    snprintf(events, sizeof events, "%" PRIu64, group->events);
    snprintf(refused, sizeof refused, "%" PRIu64, group->refused);
    snprintf(waiting, sizeof waiting, "%" PRIu64, group->waiting);
    snprintf(share, sizeof share, "%.1f %%", 100 * quality_share(group));
    if (group->n_reasons)
        snprintf(reason, sizeof reason, "%s %s", reason_find(group->reasons[0].code)->name, group->reasons[0].field);
    columns_add(columns, (const char *[]){what, events, refused, share, waiting, reason});
}

// Groups in the order of quality_groups(), of which one agency's in one domain stand together.
typedef struct Groups {
    const QualityGroup *list;
    size_t n;
} Groups;

static Groups groups_of(Quality *quality) {
    Groups groups;
    groups.list = quality_groups(quality, &groups.n);
    return groups;
}

// Those of `source` from the front of *rest; sources are asked for in the same order.
static Groups take_source(Groups *rest, const QualityGroup *source) {
    Groups taken = {rest->list, 0};
    while (taken.n < rest->n && rest->list[taken.n].key.agency == source->key.agency &&
           rest->list[taken.n].key.domain == source->key.domain)
        taken.n++;
    *rest = (Groups){rest->list + taken.n, rest->n - taken.n};
    return taken;
}

static int print_months(Groups months) {
    CLEANUP(columns_destroy) Columns *columns = NULL;
    int r = columns_new(&columns, 6);
    if (r < 0)
        return r;
    columns_add(columns, (const char *[]){"  MONTH", "EVENTS", "REFUSED", "SHARE", "WAITING", "MOST OFTEN FOR"});
    for (size_t i = 0; i < months.n; i++) {
        char month[12], what[16];
        month_text(months.list[i].key.month, month);
        snprintf(what, sizeof what, "  %s", month);
        add_line(columns, what, &months.list[i]);
    }
    return columns_print(columns, stdout);
}

static int most_refused_first(const void *a, const void *b) {
    const QualityGroup *one = *(const QualityGroup *const *)a, *other = *(const QualityGroup *const *)b;
    if (one->refused != other->refused)
        return one->refused < other->refused ? 1 : -1;
    return one < other ? -1 : one > other;
}

// The ones that most refusals come from.
static int print_facilities(Groups facilities) {
    CLEANUP(columns_destroy) Columns *columns = NULL;
    size_t n_worst = 0;
    const QualityGroup **worst = malloc((facilities.n + 1) * sizeof *worst);
    int r = worst ? columns_new(&columns, 6) : error_fail(ERROR_MEMORY, "no memory for the report");
    for (size_t i = 0; r == 0 && i < facilities.n; i++)
        if (facilities.list[i].refused && *facilities.list[i].key.facility)
            worst[n_worst++] = &facilities.list[i];
    if (n_worst > 1)
        qsort(worst, n_worst, sizeof *worst, most_refused_first);
    if (r == 0 && n_worst) {
        columns_add(columns, (const char *[]){"  FACILITY", "EVENTS", "REFUSED", "SHARE", "WAITING", "MOST OFTEN FOR"});
        for (size_t i = 0; i < n_worst && i < FACILITIES_SHOWN; i++) {
            char what[QUALITY_FACILITY_BYTES + 2];
            snprintf(what, sizeof what, "  %s", worst[i]->key.facility);
            add_line(columns, what, worst[i]);
        }
        printf("\n");
        r = columns_print(columns, stdout);
        if (n_worst > FACILITIES_SHOWN)
            printf("  and %zu more; --json has all\n", n_worst - FACILITIES_SHOWN);
    }
    free(worst);
    return r;
}

static int print_reasons(const QualityGroup *source) {
    CLEANUP(columns_destroy) Columns *columns = NULL;
    int r = source->n_reasons ? columns_new(&columns, 4) : 0;
    if (r < 0 || !source->n_reasons)
        return r;
    columns_add(columns, (const char *[]){"  REASON", "FIELD", "EVENTS", "WHAT TO DO"});
    for (size_t i = 0; i < source->n_reasons && i < REASONS_SHOWN; i++) {
        const ReasonText *text = reason_find(source->reasons[i].code);
        char name[64], events[24];
        snprintf(name, sizeof name, "  %s", text->name);
        snprintf(events, sizeof events, "%" PRIu64, source->reasons[i].n);
        columns_add(columns, (const char *[]){name, source->reasons[i].field, events, text->en});
    }
    printf("\n");
    return columns_print(columns, stdout);
}

int quality_report_print(Quality *quality, const Names *names) {
    CLEANUP(views_free) Views views = {0};
    int r = views_make(&views, quality);
    if (r < 0)
        return r;
    Groups sources = groups_of(views.agencies), months = groups_of(views.months);
    Groups facilities = groups_of(views.facilities);
    if (sources.n == 0)
        printf("no events\n");
    for (size_t i = 0; r == 0 && i < sources.n; i++) {
        const QualityGroup *source = &sources.list[i];
        printf("%s%s, %s\n", i ? "\n" : "", names_agency(names, source->key.agency), names_domain(source->key.domain));
        r = print_months(take_source(&months, source));
        if (r == 0)
            r = print_reasons(source);
        if (r == 0)
            r = print_facilities(take_source(&facilities, source));
    }
    return r;
}
