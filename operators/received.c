// SPDX-License-Identifier: Apache-2.0
//
// A line at a time, so that a file may be as long as it likes.
#include "operators/received.h"

#include "operators/answer.h"
#include "event.pb-c.h"
#include "proto/base/clock.h"
#include "proto/base/error.h"
#include "proto/check.h"
#include "proto/domain.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BYTES_MAX ((size_t)4 * 1024 * 1024)
#define WRONG_SHOWN 100

typedef struct Counts {
    uint64_t lines, records, proofs, with_event, wrong;
    json_t *shown; // of what is wrong
} Counts;

static void note_wrong(Counts *counts, const json_t *record, const char *what) {
    const json_t *position = json_object_get(record, "position");
    if (++counts->wrong > WRONG_SHOWN)
        return;
    json_t *one = json_pack("{s:I, s:s}", "line", (json_int_t)counts->lines, "what", what);
    if (position)
        json_object_set(one, "position", (json_t *)position);
    json_array_append_new(counts->shown, one);
}

// An object with a proof (form plain), or the proof itself (form json). NULL: there is none.
static const char *proof_of(const json_t *record) {
    const json_t *origin = json_object_get(record, "origin");
    return json_string_value(json_is_object(origin) ? json_object_get(origin, "proof") : origin);
}

// How many bytes; -1 when it is no base64.
static int decode(const char *text, Arena *arena, uint8_t **ret) {
    size_t n = strlen(text);
    int padding = n >= 2 ? (text[n - 1] == '=') + (text[n - 2] == '=') : 0;
    *ret = n > 0 && n % 4 == 0 && n < LINE_BYTES_MAX ? arena_alloc(arena, n / 4 * 3 + 1) : NULL;
    int bytes = *ret ? EVP_DecodeBlock(*ret, (const uint8_t *)text, (int)n) : -1;
    return bytes < padding ? -1 : bytes - padding;
}

// What the line says, where it says it in a form that is known here.
static bool says(const json_t *record, const char *name, const char *should) {
    const char *said = json_string_value(json_object_get(record, name));
    return said == NULL || strcmp(said, should) == 0;
}

// A true proof of something else could be put beside a record. What it names is compared, not what it came to hold.
static const char *compare(const ReceivedCheck *check, const json_t *record, const LogProofCheck *result,
                           const Dongbo__OriginProof *proof) {
    char at[CLOCK_TEXT_BYTES];
    if (*result->agency_who && !says(record, "agency", result->agency_who))
        return "it is signed with another agency's key";
    if (proof->event.len == 0)
        return NULL;
    if (check_message(&dongbo__change_event__descriptor, &CHECK_EVENT, proof->event.data, proof->event.len, NULL) != 0)
        return "the event cannot be read";
    const Dongbo__ChangeEvent *event =
        dongbo__change_event__unpack(arena_protobuf(check->arena), proof->event.len, proof->event.data);
    if (event == NULL || event->subject == NULL)
        return "the event cannot be read";
    clock_format_us(event->event_time_us, at);
    bool theirs = says(record, "domain", domain_name(event_domain(event))) && says(record, "event_time", at) &&
                  says(record, "citizen_number", event->subject->citizen_number);
    return theirs ? NULL : "the event is another one";
}

static int check_record(const ReceivedCheck *check, const json_t *record, Counts *counts) {
    const char *text = proof_of(record);
    const Dongbo__Proof *proof = NULL;
    LogProofCheck result = {0};
    const char *wrong = NULL;
    uint8_t *bytes = NULL;
    counts->records++;
    if (!text)
        return 0;
    counts->proofs++;
    int n = decode(text, check->arena, &bytes);
    if (n < 0 || log_proof_parse(bytes, (size_t)n, check->arena, &proof) != 0) {
        note_wrong(counts, record, "the proof cannot be read");
        return 0;
    }
    int r = log_proof_check(proof, check->keys, check->arena, &result);
    if (r < 0)
        return r;
    if (!result.batch || !log_proof_is_good(&result))
        note_wrong(counts, record,
                   result.wrong                        ? result.wrong
                   : result.agency == LOG_PROOF_NO_KEY ? "not checked: no such key was given"
                                                       : "it is no agency's word");
    else if ((wrong = compare(check, record, &result, proof->event->proof)) != NULL)
        note_wrong(counts, record, wrong);
    counts->with_event += result.has_content;
    return 0;
}

static int check_line(const char *path, const ReceivedCheck *check, const char *line, size_t n, Counts *counts) {
    counts->lines++;
    arena_reset(check->arena);
    json_t *record = json_loadb(line, n, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(record)) {
        json_decref(record);
        return error_fail(ERROR_CONFIG, "%s, line %" PRIu64 " is no line that dongbo-agent receive writes", path,
                          counts->lines);
    }
    bool border = json_object_get(record, "snapshot") != NULL;
    int r = border ? 0 : check_record(check, record, counts);
    json_decref(record);
    return r;
}

static int read_lines(FILE *file, const char *path, const ReceivedCheck *check, Counts *counts) {
    char *line = NULL;
    size_t size = 0;
    ssize_t n;
    int r = 0;
    while (r == 0 && (n = getline(&line, &size, file)) > 0) {
        if ((size_t)n > LINE_BYTES_MAX)
            r = error_fail(ERROR_CONFIG, "%s, line %" PRIu64 " is too long", path, counts->lines + 1);
        else
            r = check_line(path, check, line, (size_t)n, counts);
    }
    free(line);
    return r == 0 && ferror(file) ? error_fail(ERROR_CONFIG, "%s: %s", path, strerror(errno)) : r;
}

static void print_text(const char *path, const Counts *counts) {
    size_t i;
    json_t *one;
    printf("%s\n", path);
    json_array_foreach(counts->shown, i, one)
        printf("line %lld: WRONG: %s\n", (long long)json_integer_value(json_object_get(one, "line")),
               json_string_value(json_object_get(one, "what")));
    printf("%" PRIu64 " records, %" PRIu64 " with a proof of their origin, %" PRIu64
           " of these with the event; %" PRIu64 " wrong\n%s\n",
           counts->records, counts->proofs, counts->with_event, counts->wrong,
           counts->wrong > 0 || counts->proofs == 0 ? "NOT PROVED" : "proved");
}

static int print(const char *path, const ReceivedCheck *check, const Counts *counts) {
    if (!check->json) {
        print_text(path, counts);
        return 0;
    }
    return answer_print(json_pack("{s:s, s:b, s:I, s:I, s:I, s:I, s:O}", "file", path, "proved",
                                  counts->wrong == 0 && counts->proofs > 0, "records", (json_int_t)counts->records,
                                  "proofs", (json_int_t)counts->proofs, "with_event", (json_int_t)counts->with_event,
                                  "wrong", (json_int_t)counts->wrong, "wrongs", counts->shown),
                        0);
}

int received_check(const char *path, const ReceivedCheck *check) {
    FILE *file = strcmp(path, "-") == 0 ? NULL : fopen(path, "re");
    int first = file ? getc(file) : EOF;
    if (first != '{') {
        if (file)
            fclose(file);
        return RECEIVED_NOT;
    }
    ungetc(first, file);
    Counts counts = {.shown = json_array()};
    int r = read_lines(file, path, check, &counts);
    fclose(file);
    if (r == 0)
        r = print(path, check, &counts);
    json_decref(counts.shown);
    return r < 0 ? r : counts.wrong > 0 || counts.proofs == 0;
}
