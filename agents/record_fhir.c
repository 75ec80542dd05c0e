// SPDX-License-Identifier: Apache-2.0
//
// Codes go over as they are kept: a product code is CVX when it is a number, the EU register's when it is one of its
// marketing authorisations, else the EU value set's name (schemas/codes/vaccine-products.tsv). What has no public code
// system has one of ours, urn:x-dongbo:*. FHIR wants a status, a vaccine and a day of every Immunization, also of one
// of which nothing is left but that it was withdrawn: these say "withdrawn" in words.
#include "agents/record_fhir.h"

#include "agents/record_body.h"
#include "proto/base/error.h"
#include "proto/domain.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define OURS "urn:x-dongbo:"
#define CVX "http://hl7.org/fhir/sid/cvx"
#define EU_REGISTER "https://ec.europa.eu/health/documents/community-register/html/"
#define EU_NAMES "http://ec.europa.eu/temp/vaccineproductname"
#define SNOMED "http://snomed.info/sct"

// Of the body, by its field numbers in event.proto.
enum { GROUP = 1, DOSE = 2, PRODUCT = 3, LOT = 4, DAY = 5, FACILITY = 6, STATUS = 7, FIELDS = 8 };

typedef struct Said {
    const char *text; // not closed by a 0
    size_t n;         // 0: not said
} Said;

typedef struct Dose {
    Said fields[FIELDS];
    uint64_t number;
} Dose;

static int dose_read(const Dongbo__FeedRecord *record, Dose *ret) {
    RecordBody body = record_body_begin(record);
    int r;
    *ret = (Dose){0};
    while ((r = record_body_next(&body)) == 0) {
        if (!body.is_text)
            ret->number = body.field.value; // the only number there is
        else if (body.field.number < FIELDS)
            ret->fields[body.field.number] = (Said){(const char *)body.field.data, body.field.n};
    }
    return r == 1 ? 0 : 1;
}

static void said_append(Bytes *out, Said said) {
    bytes_append_json_n(out, said.text, said.n);
}

static bool is(Said said, const char *text) {
    return said.n == strlen(text) && memcmp(said.text, text, said.n) == 0;
}

static const char *product_system(Said product) {
    size_t digits = 0;
    while (digits < product.n && product.text[digits] >= '0' && product.text[digits] <= '9')
        digits++;
    if (digits == product.n)
        return CVX;
    return product.n > 3 && memcmp(product.text, "EU/", 3) == 0 ? EU_REGISTER : EU_NAMES;
}

// {"coding":[{"system":"…","code":"…"}]}
static void concept_append(Bytes *out, const char *system, Said code) {
    bytes_append_text(out, "{\"coding\":[{\"system\":");
    bytes_append_json(out, system);
    bytes_append_text(out, ",\"code\":");
    said_append(out, code);
    if (strcmp(system, OURS "vaccine-group") == 0 && is(code, "covid-19"))
        bytes_append_text(out, "},{\"system\":\"" SNOMED "\",\"code\":\"840539006\"");
    bytes_append_text(out, "}]}");
}

static void vaccine_append(Bytes *out, const Dose *dose) {
    bytes_append_text(out, ",\"vaccineCode\":");
    if (dose->fields[PRODUCT].n)
        concept_append(out, product_system(dose->fields[PRODUCT]), dose->fields[PRODUCT]);
    else if (dose->fields[GROUP].n)
        concept_append(out, OURS "vaccine-group", dose->fields[GROUP]);
    else
        bytes_append_text(out, "{\"text\":\"withdrawn\"}");
}

static void patient_append(Bytes *out, const Dongbo__FeedRecord *record) {
    bytes_append_text(out, ",\"patient\":{");
    if (*record->citizen_number || record->person_id.len) {
        bytes_append_text(out, "\"type\":\"Patient\",\"identifier\":{\"system\":\"" OURS);
        bytes_append_text(out, *record->citizen_number ? "citizen-number\",\"value\":" : "person\",\"value\":\"");
        if (*record->citizen_number) {
            bytes_append_json(out, record->citizen_number);
        } else {
            bytes_append_hex(out, record->person_id.data, record->person_id.len);
            bytes_append_u8(out, '"');
        }
        bytes_append_u8(out, '}');
    } else {
        bytes_append_text(out, "\"display\":\"withheld\"");
    }
    bytes_append_u8(out, '}');
}

static void day_append(Bytes *out, const Dose *dose) {
    if (dose->fields[DAY].n) {
        bytes_append_text(out, ",\"occurrenceDateTime\":");
        said_append(out, dose->fields[DAY]);
    } else {
        bytes_append_text(out, ",\"occurrenceString\":\"withdrawn\"");
    }
}

static void rest_append(Bytes *out, const Dose *dose) {
    if (dose->fields[LOT].n) {
        bytes_append_text(out, ",\"lotNumber\":");
        said_append(out, dose->fields[LOT]);
    }
    if (dose->fields[FACILITY].n) {
        bytes_append_text(out, ",\"performer\":[{\"actor\":{\"type\":\"Organization\",\"identifier\":{\"system\":"
                               "\"" OURS "facility\",\"value\":");
        said_append(out, dose->fields[FACILITY]);
        bytes_append_text(out, "}}}]");
    }
    if (!dose->number)
        return;
    char number[48];
    snprintf(number, sizeof number, "\"doseNumberPositiveInt\":%" PRIu64 "}]", dose->number);
    bytes_append_text(out, ",\"protocolApplied\":[{");
    if (dose->fields[GROUP].n) {
        bytes_append_text(out, "\"targetDisease\":[");
        concept_append(out, OURS "vaccine-group", dose->fields[GROUP]);
        bytes_append_text(out, "],");
    }
    bytes_append_text(out, number);
}

static void head_append(Bytes *out, const Dongbo__FeedRecord *record) {
    char version[80];
    bytes_append_text(out, "{\"resourceType\":\"Immunization\",\"id\":\"");
    bytes_append_hex(out, record->record_id.data, record->record_id.len);
    snprintf(version, sizeof version,
             "\",\"meta\":{\"versionId\":\"%" PRIu64 "\",\"tag\":[{\"system\":", record->position);
    bytes_append_text(out, version);
    bytes_append_text(out, "\"" OURS "change\",\"code\":");
    bytes_append_json(out, change_name((int)record->change));
    if (*record->agency) {
        bytes_append_text(out, "},{\"system\":\"" OURS "agency\",\"code\":");
        bytes_append_json(out, record->agency);
    }
    bytes_append_text(out, "}]},\"identifier\":[{\"system\":\"" OURS "record\",\"value\":\"");
    bytes_append_hex(out, record->record_id.data, record->record_id.len);
    bytes_append_text(out, "\"}]");
}

// What was not said is what every other dose is.
static void status_append(Bytes *out, const Dongbo__FeedRecord *record, const Dose *dose) {
    bytes_append_text(out, ",\"status\":");
    if (record->change == DONGBO__CHANGE_KIND__CHANGE_DELETE)
        bytes_append_text(out, "\"entered-in-error\"");
    else if (dose->fields[STATUS].n)
        said_append(out, dose->fields[STATUS]);
    else
        bytes_append_text(out, "\"completed\"");
}

int record_fhir_append(const Dongbo__FeedRecord *record, Bytes *out) {
    Dose dose;
    if (record->domain != DONGBO__DOMAIN__HEALTH || !change_name((int)record->change) || !record->record_id.len ||
        dose_read(record, &dose) != 0)
        return 1;
    head_append(out, record);
    status_append(out, record, &dose);
    vaccine_append(out, &dose);
    patient_append(out, record);
    day_append(out, &dose);
    rest_append(out, &dose);
    bytes_append_text(out, "}\n");
    return 0;
}

int record_fhir_grant(char *const *fields, size_t n) {
    bool day = false, status = false, vaccine = false;
    for (size_t i = 0; i < n; i++) {
        const char *dot = strchr(fields[i], '.');
        if (dot && strncmp(fields[i], "health.", 7) != 0)
            return error_fail(
                ERROR_CONFIG,
                "format fhir is for vaccinations, and this subscription is granted %s: use another format", fields[i]);
        day = day || strcmp(fields[i], "health.occurrence_date") == 0;
        status = status || strcmp(fields[i], "health.status") == 0;
        vaccine =
            vaccine || strcmp(fields[i], "health.product_code") == 0 || strcmp(fields[i], "health.vaccine_group") == 0;
    }
    if (day && status && vaccine)
        return 0;
    return error_fail(ERROR_CONFIG, "format fhir needs health.status, health.occurrence_date, and health.product_code "
                                    "or health.vaccine_group to be granted: use another format");
}
