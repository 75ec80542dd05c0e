// SPDX-License-Identifier: Apache-2.0
//
// A line at a time, so that a file may be as long as it likes.
#include "operators/received.h"

#include "operators/answer.h"
#include "operators/columns.h"
#include "operators/received_line.h"
#include "proto/base/bytes.h"
#include "proto/base/clock.h"
#include "proto/base/error.h"
#include "proto/base/text.h"
#include "proto/domain.h"
#include "proto/origin.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LINE_BYTES_MAX ((size_t)4 * 1024 * 1024)
#define WRONG_SHOWN 100
#define NAME_SHOWN 64

typedef struct Counts {
    uint64_t lines, records, proofs, with_event, others, wrong;
    json_t *shown;    // of what is wrong
    json_t *agencies; // by key that was given for nobody: who the records say that it is
} Counts;

// What is wrong with a line, and of what in it; NULL: of the whole.
typedef struct Wrong {
    const char *what;
    json_t *names;
} Wrong;

// It may be a forger's, and as long as a line.
static json_t *name_one(const char *name) {
    char cut[2 * NAME_SHOWN];
    if (!name)
        return NULL;
    snprintf(cut, sizeof cut, "%s", name);
    text_cut(cut, NAME_SHOWN);
    return json_pack("[s]", cut);
}

static json_t *name_fields(int domain, uint32_t fields) {
    json_t *names = fields ? json_array() : NULL;
    for (unsigned number = 1; number <= DOMAIN_FIELDS_MAX; number++)
        if (fields >> number & 1)
            json_array_append_new(names, json_string(field_name(domain_descriptor(domain), number)));
    return names;
}

// Takes the names.
static void note_wrong(Counts *counts, const ReceivedLine *line, Wrong wrong) {
    json_t *one = ++counts->wrong > WRONG_SHOWN
                      ? NULL
                      : json_pack("{s:I, s:s}", "line", (json_int_t)counts->lines, "what", wrong.what);
    if (one && line->record.position)
        json_object_set_new(one, "position", json_integer((json_int_t)line->record.position));
    if (one && wrong.names)
        json_object_set(one, "of", wrong.names);
    if (one)
        json_array_append_new(counts->shown, one);
    json_decref(wrong.names);
}

// ---- a proof beside its record --------------------------------------------------------------------------------------

// What the form plain says beside the proof must be what it says.
static const char *check_beside(const json_t *said, const Dongbo__BatchHeader *header,
                                const Dongbo__OriginProof *proof) {
    char stream[2 * STREAM_BYTES + 1], leaf[2 * HASH_BYTES + 1], at[CLOCK_TEXT_BYTES];
    const char *wrong = NULL, *name;
    json_t *value;
    hex_encode(header->stream.data, STREAM_BYTES, stream);
    hex_encode(proof->leaf.data, HASH_BYTES, leaf);
    clock_format_us(header->sealed_at_us, at);
    json_t *should = json_pack("{s:s, s:s, s:I, s:s, s:s, s:b}", "key", header->key_id, "stream", stream, "sequence",
                               (json_int_t)(header->first_sequence + proof->index), "sealed_at", at, "leaf", leaf,
                               "event", proof->event.len > 0);
    if (proof->erased)
        json_object_set_new(should, "erased", json_integer((json_int_t)proof->erased));
    json_object_set(should, "proof", json_object_get(said, "proof"));
    json_object_foreach((json_t *)said, name, value) {
        if (!json_equal(value, json_object_get(should, name)))
            wrong = name;
    }
    if (!wrong && json_object_size(said) != json_object_size(should))
        wrong = "origin";
    json_decref(should);
    return wrong;
}

// A key may be given for several. One that was given for nobody is whose the first record says; then no other's.
static bool is_agency_of(const ReceivedCheck *check, const char *key_id, const char *agency, Counts *counts) {
    bool is_named = false;
    for (size_t i = 0; i < check->keys->n; i++) {
        char id[KEY_ID_TEXT_BYTES];
        const char *who = check->keys->who ? check->keys->who[i] : "";
        keys_id(check->keys->keys[i], id);
        if (!*who || strcmp(who, LOG_PROOF_EXCHANGE) == 0 || strcmp(id, key_id) != 0)
            continue;
        is_named = true;
        if (strcmp(who, agency) == 0)
            return true;
    }
    const char *before = json_string_value(json_object_get(counts->agencies, key_id));
    if (!before && !is_named && *agency)
        json_object_set_new(counts->agencies, key_id, json_string(agency));
    return !is_named && *agency && (!before || strcmp(before, agency) == 0);
}

// A true proof of something else could be put beside a record.
static Wrong compare(const ReceivedCheck *check, const ReceivedLine *line, const LogProofCheck *result,
                     const Dongbo__OriginProof *proof, Counts *counts) {
    OriginFit fit;
    const char *beside = line->origin ? check_beside(line->origin, result->batch, proof) : NULL;
    if (!is_agency_of(check, result->agency_key, line->record.agency, counts))
        return (Wrong){"it is signed with another agency's key", name_one("agency")};
    if (beside)
        return (Wrong){"the proof says otherwise than what stands beside it", name_one(beside)};
    origin_fit(proof, &line->record, check->arena, &fit);
    uint32_t fields = fit.wrong || !check->all ? fit.lies : fit.others;
    if (fit.wrong || fields)
        return (Wrong){fit.wrong ? fit.wrong : "the event does not say it",
                       fit.about ? name_one(fit.about) : name_fields((int)line->record.domain, fields)};
    counts->with_event += proof->event.len > 0;
    counts->others += (uint64_t)__builtin_popcount(fit.others);
    bool is_silent = check->all && proof->event.len == 0;
    return (Wrong){is_silent ? "its proof does not tell the event" : NULL, NULL};
}

static const char *signature_wrong(const LogProofCheck *result) {
    if (result->wrong)
        return result->wrong;
    if (!result->batch)
        return "it is no agency's word";
    if (log_proof_is_good(result))
        return NULL;
    return result->agency == LOG_PROOF_NO_KEY ? "not checked: no such key was given" : "it is no agency's word";
}

static int check_proof(const ReceivedCheck *check, const ReceivedLine *line, Counts *counts) {
    const Dongbo__Proof *proof = NULL;
    LogProofCheck result = {0};
    uint8_t *bytes = NULL;
    counts->proofs++;
    int n = received_line_decode(line->proof, check->arena, &bytes);
    if (n < 0 || log_proof_parse(bytes, (size_t)n, check->arena, &proof) != 0) {
        note_wrong(counts, line, (Wrong){"the proof cannot be read", NULL});
        return 0;
    }
    int r = log_proof_check(proof, check->keys, check->arena, &result);
    if (r < 0)
        return r;
    Wrong wrong = {signature_wrong(&result), NULL};
    if (!wrong.what)
        wrong = compare(check, line, &result, proof->event->proof, counts);
    if (wrong.what)
        note_wrong(counts, line, wrong);
    return 0;
}

static int check_record(const ReceivedCheck *check, const json_t *record, Counts *counts) {
    ReceivedLine line;
    int r = received_line_read(record, check->arena, &line);
    if (r < 0 || line.is_border)
        return r;
    counts->records++;
    if (r > 0)
        note_wrong(counts, &line, (Wrong){"it is not as a receiver writes it", name_one(line.wrong)});
    else if (line.proof)
        return check_proof(check, &line, counts);
    else if (check->all)
        note_wrong(counts, &line, (Wrong){"there is no proof", NULL});
    return 0;
}

static int check_line(const char *path, const ReceivedCheck *check, const Bytes *line, Counts *counts) {
    counts->lines++;
    arena_reset(check->arena);
    json_t *record = json_loadb((const char *)line->data, line->n, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(record)) {
        json_decref(record);
        return error_fail(ERROR_CONFIG, "%s, line %" PRIu64 " is no line that dongbo-agent receive writes", path,
                          counts->lines);
    }
    int r = check_record(check, record, counts);
    json_decref(record);
    return r;
}

// ---- a file ---------------------------------------------------------------------------------------------------------

// 1 at the end. 2 when it is too long.
static int read_line(FILE *file, Bytes *line) {
    int c = EOF;
    bytes_clear(line);
    while (line->n <= LINE_BYTES_MAX && (c = getc_unlocked(file)) != EOF && c != '\n')
        bytes_append_u8(line, (uint8_t)c);
    if (line->failed)
        return error_fail(ERROR_MEMORY, "no memory for a line");
    return line->n > LINE_BYTES_MAX ? 2 : c == EOF && line->n == 0;
}

static int read_lines(FILE *file, const char *path, const ReceivedCheck *check, Counts *counts) {
    CLEANUP(bytes_free) Bytes line = {0};
    int r;
    while ((r = read_line(file, &line)) == 0 && (r = check_line(path, check, &line, counts)) == 0)
        ;
    if (r == 2)
        return error_fail(ERROR_CONFIG, "%s, line %" PRIu64 " is too long", path, counts->lines + 1);
    if (r == 1 && ferror(file))
        return error_fail(ERROR_CONFIG, "%s: %s", path, strerror(errno));
    return r < 0 ? r : 0;
}

// Names may be a forger's.
static void print_wrong(const json_t *one) {
    size_t i;
    json_t *name;
    printf("line %lld: WRONG: %s", (long long)json_integer_value(json_object_get(one, "line")),
           json_string_value(json_object_get(one, "what")));
    json_array_foreach(json_object_get(one, "of"), i, name) {
        printf(i ? ", " : ": ");
        columns_show(json_string_value(name));
    }
    printf("\n");
}

static bool is_proved(const Counts *counts) {
    return counts->wrong == 0 && counts->proofs > 0;
}

// What no event stands beside may be anybody's: it is never called proved without a word.
static void print_verdict(const Counts *counts) {
    uint64_t records = counts->records - counts->with_event;
    if (counts->proofs == 0)
        printf("NOT PROVED: no record has a proof. They come to who asks for origin_proofs, where the rights allow "
               "them, and not with records of a snapshot\n");
    else if (!is_proved(counts))
        printf("NOT PROVED\n");
    else if (records > 0 || counts->others > 0)
        printf("proved, but not what %" PRIu64 " records say, nor %" PRIu64
               " fields of the others: no event beside them does. --all names them\n",
               records, counts->others);
    else
        printf("proved\n");
}

static void print_text(const char *path, const Counts *counts) {
    size_t i;
    json_t *one;
    const char *key;
    printf("%s\n", path);
    json_array_foreach(counts->shown, i, one) print_wrong(one);
    if (counts->wrong > WRONG_SHOWN)
        printf("... and %" PRIu64 " lines more\n", counts->wrong - WRONG_SHOWN);
    json_object_foreach(counts->agencies, key, one) {
        printf("key ");
        columns_show(key);
        printf(" was given for nobody; the records say that it is of ");
        columns_show(json_string_value(one));
        printf("\n");
    }
    printf("%" PRIu64 " records, %" PRIu64 " with a proof of their origin, %" PRIu64
           " of these with the event; %" PRIu64 " wrong\n",
           counts->records, counts->proofs, counts->with_event, counts->wrong);
    print_verdict(counts);
}

static int print(const char *path, const ReceivedCheck *check, const Counts *counts) {
    if (!check->json) {
        print_text(path, counts);
        return 0;
    }
    return answer_print(json_pack("{s:s, s:b, s:I, s:I, s:I, s:I, s:I, s:O, s:O}", "file", path, "proved",
                                  is_proved(counts), "records", (json_int_t)counts->records, "proofs",
                                  (json_int_t)counts->proofs, "with_event", (json_int_t)counts->with_event,
                                  "other_fields", (json_int_t)counts->others, "wrong", (json_int_t)counts->wrong,
                                  "wrongs", counts->shown, "agencies", counts->agencies),
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
    Counts counts = {.shown = json_array(), .agencies = json_object()};
    int r = read_lines(file, path, check, &counts);
    fclose(file);
    if (r == 0)
        r = print(path, check, &counts);
    json_decref(counts.shown);
    json_decref(counts.agencies);
    return r < 0 ? r : !is_proved(&counts);
}
