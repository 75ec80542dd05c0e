// SPDX-License-Identifier: Apache-2.0
//
// Keys are a contract with scripts. Posteriors are shares of 1 and weights are bits, as `dongbo verify` writes them;
// instants are RFC 3339 in UTC; what is not said, not held or not known is null.
#include "operators/review_json.h"
#include "operators/answer.h"
#include "operators/mask.h"
#include "operators/result.h"
#include "operators/review_record.h"
#include "proto/domain.h"
#include "proto/reason.h"

#include <jansson.h>
#include <stdio.h>

static json_t *position_or_null(int64_t position) {
    return position ? json_integer((json_int_t)position) : json_null();
}

static json_t *value_json(const ReviewCase *of, const RuleField *field, const char *value) {
    char masked[MASK_BYTES];
    return answer_text(of->unmask ? value : mask_value(field, value, masked));
}

static json_t *number_json(const ReviewCase *of, const char *number) {
    return value_json(of, comparison_field(COMPARISON_NUMBER), number);
}

static json_t *share(int64_t millionths) {
    return json_real((double)millionths / 1e6);
}

// ---- the event ------------------------------------------------------------------------------------------------------

static json_t *events_json(const ReviewCase *of) {
    json_t *list = json_array();
    for (int row = 0; row < PQntuples(of->events); row++)
        json_array_append_new(list, json_pack("{s:I, s:I, s:o, s:s, s:s, s:b, s:o}", "position",
                                              (json_int_t)pg_i64(of->events, row, REVIEW_POSITION), "sequence",
                                              (json_int_t)pg_i64(of->events, row, REVIEW_SEQUENCE), "at",
                                              answer_instant(pg_us(of->events, row, REVIEW_AT)), "first_verdict",
                                              verdict_name(pg_i16(of->events, row, REVIEW_FIRST_VERDICT)), "verdict",
                                              verdict_name(pg_i16(of->events, row, REVIEW_VERDICT)), "open",
                                              pg_bool(of->events, row, REVIEW_OPEN), "decided_position",
                                              position_or_null(pg_i64(of->events, row, REVIEW_DECIDED_POSITION))));
    return list;
}

static json_t *reasons_json(const ReviewCase *of) {
    if (!of->verdict)
        return json_null();
    json_t *list = json_array();
    for (size_t i = 0; i < of->verdict->n_reasons; i++) {
        const Dongbo__Reason *reason = of->verdict->reasons[i];
        const ReasonText *text = reason_find((int)reason->code);
        json_array_append_new(list, json_pack("{s:s, s:o, s:s, s:s}", "code", text->name, "field",
                                              answer_text(reason->field), "vi", text->vi, "en", text->en));
    }
    return list;
}

// What is said of the person, where nobody stands beside it.
static json_t *subject_json(const ReviewCase *of) {
    if (!of->event || !of->event->subject)
        return json_null();
    Comparison comparison;
    json_t *object = json_object();
    comparison_make(&(ComparisonSides){.said = of->event->subject}, &comparison);
    for (int i = 0; i < COMPARISON_FIELDS; i++)
        json_object_set_new(object, comparison.rows[i].field->name,
                            value_json(of, comparison.rows[i].field, comparison.rows[i].said));
    return object;
}

// ---- whom it may be about -------------------------------------------------------------------------------------------

static json_t *row_json(const ReviewCase *of, const ComparisonRow *row) {
    return json_pack(
        "{s:s, s:o, s:o, s:b, s:o, s:o, s:o}", "field", row->field->name, "said", value_json(of, row->field, row->said),
        "held", value_json(of, row->field, row->held), "differs", row->differs, "agrees", answer_text(row->agrees),
        "bits", row->weighed ? json_real((double)row->bits / 1000) : json_null(), "reasons", answer_text(row->reasons));
}

static json_t *fields_json(const ReviewCase *of, const ProtobufCMessage *body) {
    if (!body || !of->domain)
        return json_null();
    json_t *object = json_object();
    for (size_t i = 0; i < of->domain->n_fields; i++) {
        const RuleField *field = &of->domain->fields[i];
        char number[12];
        const char *value = field_text(body, field->number, number);
        if (*value)
            json_object_set_new(object, field->name, value_json(of, field, value));
    }
    return object;
}

static json_t *records_json(const ReviewCase *of, const ReviewAlternative *alternative) {
    json_t *list = json_array();
    ReviewRecord record;
    for (int n = 0; review_record_get(of, alternative, n, &record) == 0; n++) {
        CLEANUP(bytes_free) Bytes key = {0};
        mask_key(of->domain, record.key, of->unmask, &key);
        json_array_append_new(list, json_pack("{s:s, s:b, s:o}", "key", key.failed ? "?" : (const char *)key.data,
                                              "same", record.is_same, "fields", fields_json(of, record.body)));
    }
    return list;
}

static json_t *alternative_json(const ReviewCase *of, const ReviewAlternative *alternative) {
    json_t *fields = json_array();
    for (int i = 0; i < COMPARISON_FIELDS; i++)
        json_array_append_new(fields, row_json(of, &alternative->comparison.rows[i]));
    json_t *posterior = json_null(), *bits = json_null();
    if (alternative->match) {
        posterior = share(review_case_posterior(alternative));
        bits = json_real((double)json_integer_value(json_object_get(alternative->match, "bits")) / 1000);
    }
    const char *died_on = review_case_held(of, alternative, "died_on");
    return json_pack("{s:o, s:s, s:b, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:I}", "candidate",
                     position_or_null(alternative->candidate), "check", alternative->check, "bearer",
                     alternative->is_bearer, "in_store", alternative->row >= 0, "citizen",
                     number_json(of, review_case_held(of, alternative, "citizen_number")), "died_on",
                     value_json(of, comparison_field(COMPARISON_BIRTH_DATE), died_on), "posterior", posterior, "bits",
                     bits, "fields", fields, "records", records_json(of, alternative), "records_all",
                     (json_int_t)review_record_count(of, alternative));
}

static json_t *alternatives_json(const ReviewCase *of) {
    json_t *list = json_array();
    for (int i = 0; i < of->n_alternatives; i++)
        json_array_append_new(list, alternative_json(of, &of->alternatives[i]));
    return list;
}

static json_t *search_json(const ReviewCase *of) {
    if (!of->search)
        return json_null();
    json_t *object = json_pack("{s:o, s:b}", "nobody", share(review_case_nobody(of)), "too_large",
                               json_is_true(json_object_get(of->search, "too_large")));
    bool has_runner_up = of->n_alternatives > 1 && of->alternatives[1].match;
    json_object_set_new(object, "runner_up",
                        has_runner_up ? share(review_case_posterior(&of->alternatives[1])) : json_null());
    static const char *const WEIGHED_BY[] = {"model", "learnt", "version"};
    for (size_t i = 0; i < sizeof WEIGHED_BY / sizeof *WEIGHED_BY; i++)
        if (json_object_get(of->search, WEIGHED_BY[i]))
            json_object_set(object, WEIGHED_BY[i], json_object_get(of->search, WEIGHED_BY[i]));
    return object;
}

// ---- what was decided -----------------------------------------------------------------------------------------------

static json_t *claim_json(const ReviewCase *of) {
    if (PQntuples(of->claim) == 0)
        return json_null();
    return json_pack("{s:s, s:o, s:b}", "officer", pg_text(of->claim, 0, REVIEW_CLAIM_OFFICER), "until",
                     answer_instant(pg_us(of->claim, 0, REVIEW_CLAIM_UNTIL)), "mine", review_case_is_mine(of));
}

static json_t *decisions_json(const ReviewCase *of) {
    json_t *list = json_array();
    const PGresult *rows = of->decisions;
    for (int row = 0; row < PQntuples(rows); row++)
        json_array_append_new(list, json_pack("{s:I, s:s, s:o, s:o, s:s, s:o, s:s, s:o, s:o}", "decision",
                                              (json_int_t)pg_i64(rows, row, REVIEW_DECISION), "action",
                                              pg_text(rows, row, REVIEW_ACTION), "linked_to",
                                              number_json(of, pg_text(rows, row, REVIEW_LINKED_TO)), "why",
                                              of->unmask ? json_string(pg_text(rows, row, REVIEW_WHY)) : json_null(),
                                              "decided_by", pg_text(rows, row, REVIEW_DECIDED_BY), "decided_at",
                                              answer_instant(pg_us(rows, row, REVIEW_DECIDED_AT)), "state",
                                              pg_text(rows, row, REVIEW_STATE), "outcome",
                                              answer_text(pg_text(rows, row, REVIEW_OUTCOME)), "position",
                                              position_or_null(pg_i64(rows, row, REVIEW_OUTCOME_POSITION))));
    return list;
}

static json_t *next_json(const ReviewCase *of) {
    char next[REVIEW_NEXT_MAX][REVIEW_NEXT_BYTES];
    int n = review_case_next(of, next);
    json_t *list = json_array();
    for (int i = 0; i < n; i++)
        json_array_append_new(list, json_string(next[i]));
    return list;
}

int review_json_print(const ReviewCase *of) {
    json_t *object = json_pack(
        "{s:I, s:b, s:s, s:s, s:o, s:o, s:I, s:I}", "case", (json_int_t)of->number, "open", review_case_is_open(of),
        "agency", names_agency(of->names, (uint32_t)review_case_i64(of, REVIEW_AGENCY)), "domain",
        names_domain((int)review_case_i64(of, REVIEW_DOMAIN)), "since", answer_instant(pg_us(of->events, 0, REVIEW_AT)),
        "event_time", of->event ? answer_instant(of->event->event_time_us) : json_null(), "events_all",
        (json_int_t)of->n_events, "events_open", (json_int_t)of->n_open);
    json_object_set_new(object, "stands", json_boolean(review_case_stands(of)));
    json_object_set_new(object, "claim", claim_json(of));
    json_object_set_new(object, "reasons", reasons_json(of));
    json_object_set_new(object, "subject", subject_json(of));
    json_object_set_new(object, "body", fields_json(of, of->body));
    json_object_set_new(object, "alternatives", alternatives_json(of));
    json_object_set_new(object, "search", search_json(of));
    json_object_set_new(object, "events", events_json(of));
    json_object_set_new(object, "decisions", decisions_json(of));
    json_object_set_new(object, "next", next_json(of));
    return answer_print(object, ANSWER_DIGITS);
}
