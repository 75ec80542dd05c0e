// SPDX-License-Identifier: Apache-2.0
//
// Instants are RFC 3339 in UTC; what is not known, or not held, is null.
#include "operators/dossier_json.h"
#include "operators/answer.h"
#include "operators/comparison.h"
#include "operators/mask.h"
#include "operators/result.h"
#include "proto/base/text.h"
#include "proto/domain.h"
#include "proto/reason.h"

#include <jansson.h>
#include <stdio.h>

static json_t *instant(bool is_known, int64_t us) {
    return is_known ? answer_instant(us) : json_null();
}

static json_t *number_json(const Dossier *dossier, const char *number) {
    char masked[TEXT_MASK_BYTES];
    text_mask_number(number, masked);
    return json_string(dossier->unmask ? number : masked);
}

static json_t *value_json(const Dossier *dossier, const RuleField *field, const char *value) {
    char masked[MASK_BYTES];
    return answer_text(dossier->unmask ? value : mask_value(field, value, masked));
}

static json_t *citizen_json(const Dossier *dossier) {
    const Identity *identity = dossier->identity;
    if (!identity->person)
        return json_pack("{s:b, s:o}", "known", 0, "number", number_json(dossier, identity->number));
    const RuleField *name = comparison_field(COMPARISON_NAME), *day = comparison_field(COMPARISON_BIRTH_DATE);
    json_t *formerly = json_array(), *insured = json_array();
    for (int row = 1; row < PQntuples(identity->numbers); row++)
        json_array_append_new(formerly, json_pack("{s:o, s:s, s:o, s:o}", "number",
                                                  number_json(dossier, pg_text(identity->numbers, row, 0)), "kind",
                                                  pg_text(identity->numbers, row, 1), "valid_from",
                                                  answer_text(pg_text(identity->numbers, row, 2)), "valid_to",
                                                  answer_text(pg_text(identity->numbers, row, 3))));
    for (int row = 0; row < PQntuples(identity->learnt); row++)
        json_array_append_new(insured, number_json(dossier, pg_text(identity->learnt, row, 0)));
    return json_pack("{s:b, s:o, s:o, s:o, s:s, s:o, s:o, s:o, s:o}", "known", 1, "number",
                     number_json(dossier, identity_text(identity, IDENTITY_NUMBER)), "full_name",
                     value_json(dossier, name, identity_text(identity, IDENTITY_NAME)), "birth_date",
                     value_json(dossier, day, identity_text(identity, IDENTITY_BIRTH_DATE)), "sex",
                     identity_text(identity, IDENTITY_SEX), "residence_province",
                     answer_text(identity_text(identity, IDENTITY_PROVINCE)), "died_on",
                     value_json(dossier, day, identity_text(identity, IDENTITY_DIED_ON)), "formerly", formerly,
                     "insured_as", insured);
}

static json_t *field_json(const Dossier *dossier, const DossierField *field) {
    static const char *const NATURES[] = {"change", "correction", "retraction"};
    static const char *const SINCE[] = {NULL, "withdrawn", "corrected", "otherwise"};
    const Dongbo__Origin *origin = field->origin;
    size_t nature = origin ? (size_t)origin->nature : 0;
    json_t *object =
        json_pack("{s:s, s:o, s:b, s:o, s:o, s:o}", "field", field->field->name, "value",
                  value_json(dossier, field->field, field->value), "cleared", field->cleared, "agency",
                  answer_text(origin ? names_agency(dossier->names, origin->agency) : NULL), "event_time",
                  instant(origin != NULL, origin ? origin->event_time_us : 0), "nature",
                  answer_text(origin && nature < sizeof NATURES / sizeof *NATURES ? NATURES[nature] : NULL));
    if (field->since) {
        json_object_set_new(object, "since", json_string(SINCE[field->since]));
        json_object_set_new(object, "since_value", value_json(dossier, field->field, field->since_value));
    }
    return object;
}

static json_t *record_json(const Dossier *dossier, const DossierRecord *record) {
    CLEANUP(bytes_free) Bytes key = {0};
    json_t *fields = json_array(), *positions = json_array();
    mask_key(record->rules, record->key, dossier->unmask, &key);
    for (size_t i = 0; i < record->rules->n_fields; i++) {
        DossierField field;
        if (dossier_field(record, &record->rules->fields[i], &field) == 0)
            json_array_append_new(fields, field_json(dossier, &field));
    }
    for (int row = record->first; row <= record->last; row++)
        json_array_append_new(positions, json_pack("{s:I, s:b}", "position", (json_int_t)dossier_position(dossier, row),
                                                   "superseded", dossier_is_superseded(dossier, row)));
    return json_pack("{s:s, s:s, s:b, s:o, s:o, s:o}", "domain", domain_name(record->domain), "key",
                     key.failed ? "" : (const char *)key.data, "withdrawn", record->record->retracted, "current",
                     record->current < 0 ? json_null()
                                         : json_integer((json_int_t)dossier_position(dossier, record->current)),
                     "fields", fields, "versions", positions);
}

static json_t *reasons_json(const DossierException *exception) {
    if (!exception->reasons)
        return json_null();
    json_t *list = json_array();
    for (size_t i = 0; i < exception->reasons->n_reasons; i++) {
        const Dongbo__Reason *reason = exception->reasons->reasons[i];
        const ReasonText *text = reason_find((int)reason->code);
        json_array_append_new(list, json_pack("{s:s, s:o, s:s, s:s}", "code", text->name, "field",
                                              answer_text(reason->field), "vi", text->vi, "en", text->en));
    }
    return list;
}

// As the exchange keeps them. The person's key would find them elsewhere, so it goes with the number.
static json_t *candidates_json(const Dossier *dossier, const DossierException *exception) {
    json_t *answer = *exception->candidates ? json_loads(exception->candidates, 0, NULL) : NULL, *match;
    size_t i;
    if (!answer)
        return json_null();
    json_array_foreach(json_object_get(answer, "matches"), i, match) {
        const char *number = json_string_value(json_object_get(match, "citizen_number"));
        json_object_set_new(match, "citizen_number", number_json(dossier, number ? number : ""));
        if (!dossier->unmask)
            json_object_del(match, "person");
    }
    return answer;
}

static json_t *exception_json(const Dossier *dossier, const DossierException *exception) {
    json_t *decided = exception->decided_position ? json_integer((json_int_t)exception->decided_position) : json_null();
    return json_pack("{s:I, s:o, s:s, s:I, s:o, s:s, s:s, s:b, s:o, s:o, s:o}", "position",
                     (json_int_t)exception->position, "at", answer_instant(exception->at_us), "agency",
                     names_agency(dossier->names, exception->agency), "sequence", (json_int_t)exception->sequence,
                     "domain", answer_text(domain_name(exception->domain)), "first_verdict",
                     verdict_name(exception->first_verdict), "verdict", verdict_name(exception->verdict), "open",
                     exception->open, "decided_position", decided, "reasons", reasons_json(exception), "candidates",
                     candidates_json(dossier, exception));
}

static int add_records(Dossier *dossier, json_t *list) {
    DossierRecord record;
    int r;
    while ((r = dossier_next(dossier, &record)) == 0)
        json_array_append_new(list, record_json(dossier, &record));
    return r < 0 ? r : 0;
}

static int add_exceptions(Dossier *dossier, json_t *list) {
    int r = 0, n = dossier_exception_count(dossier);
    for (int row = 0; r == 0 && row < n; row++) {
        DossierException exception;
        r = dossier_exception(dossier, row, &exception);
        if (r == 0)
            json_array_append_new(list, exception_json(dossier, &exception));
    }
    return r;
}

int dossier_json_print(Dossier *dossier) {
    json_t *records = json_array(), *exceptions = json_array();
    int r = add_records(dossier, records);
    if (r == 0)
        r = add_exceptions(dossier, exceptions);
    json_t *object = json_pack("{s:o, s:o, s:o, s:I, s:o, s:o}", "citizen", citizen_json(dossier), "as_of",
                               instant(dossier->is_as_of, dossier->as_of_us), "known_at",
                               instant(dossier->is_known_at, dossier->known_at_us), "known_position",
                               (json_int_t)dossier->known_position, "records", records, "in_question", exceptions);
    if (r == 0)
        return answer_print(object, 0);
    json_decref(object);
    return r;
}
