// SPDX-License-Identifier: Apache-2.0
//
// Two queries of the exchange and one of the population store, whatever the number of candidates. An event that cannot
// be read is a case all the same, shown without what it says.
#include "operators/review_case.h"
#include "operators/likely.h"
#include "operators/result.h"
#include "operators/review_record.h"
#include "proto/domain.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define REVIEW_ARENA_BYTES ((size_t)16 * 1024 * 1024)

static const PgStatement CASE = {
    "review_case", "SELECT coalesce(review_case, position) FROM exchange.exception WHERE position = $1", 1, NULL};
// The one that stands for the case, then the latest others.
static const PgStatement EVENTS = {
    "review_events",
    "WITH event AS MATERIALIZED (SELECT position, open FROM exchange.exception WHERE review_case = $1 "
    "UNION SELECT position, open FROM exchange.exception WHERE position = $1), "
    "first AS (SELECT position FROM event ORDER BY NOT open, position LIMIT 1), "
    "latest AS (SELECT position FROM event WHERE position <> (SELECT position FROM first) ORDER BY position DESC "
    "LIMIT $2) "
    "SELECT e.position, sequence, agency, domain, first_verdict, verdict, open, citizen_number, coalesce(person, 0), "
    "at, coalesce(decided_position, 0), event, reasons, candidates::text, (SELECT count(*) FROM event), "
    "(SELECT count(*) FROM event WHERE open) FROM (SELECT position, 0 AS rank FROM first "
    "UNION ALL SELECT position, 1 FROM latest) s CROSS JOIN LATERAL (SELECT x.* FROM "
    "exchange.seen_exception x WHERE x.position = s.position OFFSET 0) e "
    "ORDER BY s.rank, e.position DESC",
    2, NULL};
static const PgStatement CLAIM = {"review_claim_of",
                                  "SELECT officer, until, officer = session_user FROM exchange.review_claim "
                                  "WHERE review_case = $1 AND until > now()",
                                  1, NULL};
static const PgStatement DECISIONS = {
    "review_decisions",
    "SELECT decision, action, citizen_number, why, decided_by, decided_at, state, outcome, coalesce(position, 0) "
    "FROM exchange.seen_decision WHERE review_case = $1 ORDER BY decision DESC LIMIT 20",
    1, NULL};
enum { EVENT = REVIEW_DECIDED_POSITION + 1, REASONS, CANDIDATES, N_EVENTS, N_OPEN };

// Whoever has the number, had it, was compared with or is a candidate. Two may have had one number of an identity card.
static const PgStatement PERSONS = {
    "review_persons",
    "WITH bearer AS MATERIALIZED (SELECT person FROM population.citizen WHERE citizen_number = $1 UNION "
    "(SELECT person FROM population.number_alias WHERE number = $1 AND kind IN ('cccd', 'cmnd') "
    "ORDER BY person LIMIT $3)) "
    "SELECT c.person, c.person IN (SELECT person FROM bearer) AS bearer, "
    "rtrim(c.citizen_number, '-') AS citizen_number, c.full_name, c.birth_date, c.sex, c.mother_name, "
    "c.father_name, c.residence_province, c.residence_province63, c.died_on "
    "FROM population.citizen c WHERE c.person = ANY($2::bigint[] || ARRAY(SELECT person FROM bearer)) "
    "ORDER BY c.person",
    3, NULL};
enum { PERSON, BEARER };

void review_case_free(ReviewCase *of) {
    PQclear(of->events);
    PQclear(of->persons);
    PQclear(of->records);
    PQclear(of->claim);
    PQclear(of->decisions);
    json_decref(of->search);
    arena_destroy(&of->arena);
    *of = (ReviewCase){0};
}

int64_t review_case_i64(const ReviewCase *of, ReviewColumn column) {
    return pg_i64(of->events, 0, column);
}

bool review_case_stands(const ReviewCase *of) {
    return review_case_is_open(of) && review_case_i64(of, REVIEW_PERSON) != 0;
}

bool review_case_is_open(const ReviewCase *of) {
    return of->n_open > 0;
}

bool review_case_is_mine(const ReviewCase *of) {
    return PQntuples(of->claim) > 0 && pg_bool(of->claim, 0, REVIEW_CLAIM_MINE);
}

bool review_case_is_decided(const ReviewCase *of) {
    return PQntuples(of->decisions) > 0 && strcmp(pg_text(of->decisions, 0, REVIEW_STATE), "waiting") == 0;
}

// ---- the event ------------------------------------------------------------------------------------------------------

static int find_case(Pg *exchange, int64_t position, ReviewCase *ret) {
    PgParams params = {0};
    RESULT found = NULL;
    pg_param_i64(&params, position);
    int r = pg_run(exchange, &CASE, &params, &found);
    pg_params_free(&params);
    if (r == 0 && PQntuples(found) == 0)
        return 1;
    if (r == 0)
        ret->number = pg_i64(found, 0, 0);
    return r;
}

static void decode(ReviewCase *of) {
    size_t n = 0;
    const uint8_t *bytes = pg_bytes(of->events, 0, EVENT, &n);
    of->event = dongbo__change_event__unpack(arena_protobuf(of->arena), n, bytes);
    bytes = pg_bytes(of->events, 0, REASONS, &n);
    of->verdict = dongbo__event_verdict__unpack(arena_protobuf(of->arena), n, bytes);
    of->body = of->event ? event_body(of->event) : NULL;
    of->domain = rules_domain(of->rules, pg_i16(of->events, 0, REVIEW_DOMAIN));
    const char *candidates = pg_text(of->events, 0, CANDIDATES);
    of->search = *candidates ? json_loads(candidates, 0, NULL) : NULL;
}

static int read_events(const Desk *desk, Pg *exchange, ReviewCase *ret) {
    PgParams params = {0};
    int r = desk_look_at(desk, exchange, &(DeskLook){.review_case = ret->number});
    if (r < 0)
        return r;
    pg_param_i64(&params, ret->number);
    pg_param_i64(&params, REVIEW_REPEATS_SHOWN);
    r = pg_run(exchange, &EVENTS, &params, &ret->events);
    pg_params_free(&params);
    if (r == 0 && PQntuples(ret->events) == 0) // gone since it was found
        return 1;
    if (r < 0)
        return r;
    ret->n_events = pg_i64(ret->events, 0, N_EVENTS);
    ret->n_open = pg_i64(ret->events, 0, N_OPEN);
    decode(ret);
    return 0;
}

static int read_work(Pg *exchange, ReviewCase *ret) {
    PgParams params = {0};
    pg_param_i64(&params, ret->number);
    int r = pg_run(exchange, &CLAIM, &params, &ret->claim);
    if (r == 0)
        r = pg_run(exchange, &DECISIONS, &params, &ret->decisions);
    pg_params_free(&params);
    return r;
}

// ---- whom it may be about -------------------------------------------------------------------------------------------

static const json_t *matches_of(const ReviewCase *of) {
    return json_object_get(of->search, "matches");
}

static size_t n_matches(const ReviewCase *of) {
    size_t n = json_array_size(matches_of(of));
    return n < SEARCH_MATCHES_MAX ? n : SEARCH_MATCHES_MAX;
}

static int64_t person_of(const json_t *match) {
    return json_integer_value(json_object_get(match, "person"));
}

static int read_persons(Pg *population, ReviewCase *ret) {
    PgParams params = {0};
    size_t n = n_matches(ret);
    pg_param_text(&params, pg_text(ret->events, 0, REVIEW_NUMBER));
    pg_param_array_begin(&params, OID_INT8, (int)n + 1);
    for (size_t i = 0; i < n; i++)
        pg_array_i64(&params, person_of(json_array_get(matches_of(ret), i)));
    pg_array_i64(&params, review_case_i64(ret, REVIEW_PERSON));
    pg_param_i64(&params, BEARERS_MAX);
    int r = pg_run(population, &PERSONS, &params, &ret->persons);
    pg_params_free(&params);
    return r;
}

static int row_of(const ReviewCase *of, int64_t person) {
    for (int row = 0; row < PQntuples(of->persons); row++)
        if (pg_i64(of->persons, row, PERSON) == person)
            return row;
    return -1;
}

const char *review_case_held(const ReviewCase *of, const ReviewAlternative *alternative, const char *column) {
    return alternative->row < 0 ? "" : pg_text(of->persons, alternative->row, PQfnumber(of->persons, column));
}

// The verdict's reasons compare with one person: with whom it was decided on, or else with the number's bearer.
static bool reasons_are_about(const ReviewCase *of, const ReviewAlternative *alternative) {
    int64_t person = review_case_i64(of, REVIEW_PERSON);
    return person ? alternative->person == person : alternative->is_bearer;
}

static void compare(const ReviewCase *of, ReviewAlternative *alternative) {
    static const Dongbo__Subject NOTHING = DONGBO__SUBJECT__INIT;
    const Dongbo__Subject *said = of->event && of->event->subject ? of->event->subject : &NOTHING;
    ComparisonSides sides = {.said = said,
                             .weights = json_object_get(alternative->match, "fields"),
                             .verdict = reasons_are_about(of, alternative) ? of->verdict : NULL};
    for (int i = 0; i < COMPARISON_FIELDS; i++) {
        const char *column = i == COMPARISON_PROVINCE && rules_says_63(said)
                                 ? "residence_province63"
                                 : comparison_field((ComparisonField)i)->name;
        sides.held[i] = review_case_held(of, alternative, column);
    }
    comparison_make(&sides, &alternative->comparison);
}

// Four hexadecimal digits of the person in this case: splitmix64.
static void set_check(const ReviewCase *of, ReviewAlternative *alternative) {
    uint64_t hash = (uint64_t)alternative->person * 0x9E3779B97F4A7C15ULL + (uint64_t)of->number;
    hash = (hash ^ hash >> 30) * 0xBF58476D1CE4E5B9ULL;
    hash = (hash ^ hash >> 27) * 0x94D049BB133111EBULL;
    snprintf(alternative->check, sizeof alternative->check, "%04x", (unsigned)(hash >> 48));
}

static void add(ReviewCase *of, int64_t person, const json_t *match, int candidate) {
    for (int i = 0; i < of->n_alternatives; i++)
        if (of->alternatives[i].person == person)
            return;
    if (person == 0 || of->n_alternatives == REVIEW_ALTERNATIVES_MAX)
        return;
    int row = row_of(of, person);
    ReviewAlternative *alternative = &of->alternatives[of->n_alternatives++];
    *alternative = (ReviewAlternative){.person = person,
                                       .candidate = candidate,
                                       .is_bearer = row >= 0 && pg_bool(of->persons, row, BEARER),
                                       .match = match,
                                       .row = row};
    set_check(of, alternative);
    compare(of, alternative);
}

static void add_all(ReviewCase *of) {
    for (size_t i = 0; i < n_matches(of); i++) {
        const json_t *match = json_array_get(matches_of(of), i);
        add(of, person_of(match), match, (int)i + 1);
    }
    add(of, review_case_i64(of, REVIEW_PERSON), NULL, 0);
    for (int row = 0; row < PQntuples(of->persons); row++)
        if (pg_bool(of->persons, row, BEARER))
            add(of, pg_i64(of->persons, row, PERSON), NULL, 0);
}

static int look_at_all(const Desk *desk, Pg *exchange, const ReviewCase *of) {
    int64_t persons[REVIEW_ALTERNATIVES_MAX];
    for (int i = 0; i < of->n_alternatives; i++)
        persons[i] = of->alternatives[i].person;
    return desk_look_at(desk, exchange, &(DeskLook){.persons = persons, .n_persons = (size_t)of->n_alternatives});
}

int review_case_read(Desk *desk, int64_t number, ReviewCase *ret) {
    Pg *exchange = NULL, *population = NULL;
    int r = desk_exchange(desk, &exchange);
    if (r == 0)
        r = desk_population(desk, &population);
    if (r == 0)
        r = arena_new(&ret->arena, REVIEW_ARENA_BYTES);
    if (r == 0)
        r = find_case(exchange, number, ret);
    if (r == 0)
        r = read_events(desk, exchange, ret);
    if (r == 0)
        r = read_work(exchange, ret);
    if (r == 0)
        r = read_persons(population, ret);
    if (r != 0)
        return r;
    add_all(ret);
    r = look_at_all(desk, exchange, ret);
    return r < 0 ? r : review_record_read(exchange, ret);
}

int64_t review_case_posterior(const ReviewAlternative *alternative) {
    return json_integer_value(json_object_get(alternative->match, "posterior"));
}

int64_t review_case_nobody(const ReviewCase *of) {
    return json_integer_value(json_object_get(of->search, "nobody"));
}

// ---- what to do next ------------------------------------------------------------------------------------------------

typedef struct Suggestions {
    char (*next)[REVIEW_NEXT_BYTES];
    int n;
} Suggestions;

__attribute__((format(printf, 2, 3))) static void suggest(Suggestions *suggestions, const char *format, ...) {
    va_list arguments;
    if (suggestions->n == REVIEW_NEXT_MAX)
        return;
    va_start(arguments, format);
    vsnprintf(suggestions->next[suggestions->n++], REVIEW_NEXT_BYTES, format, arguments);
    va_end(arguments);
}

static bool is_sure(const ReviewCase *of) {
    return of->n_alternatives > 0 && likely_is_known(review_case_posterior(&of->alternatives[0]),
                                                     json_is_true(json_object_get(of->search, "too_large")));
}

static void suggest_decisions(const ReviewCase *of, Suggestions *ret) {
    const ReviewAlternative *first = &of->alternatives[0];
    bool sure = is_sure(of), is_one = review_case_i64(of, REVIEW_PERSON) != 0;
    int n_candidates = 0, n_bearers = 0;
    for (int i = 0; i < of->n_alternatives; i++) {
        n_bearers += of->alternatives[i].is_bearer;
        n_candidates += of->alternatives[i].candidate > 0;
    }
    // Of several bearers a broker accepts only whom it compared the event with.
    bool may_accept = n_bearers == 1 || (n_bearers > 1 && is_one), accept = sure && first->is_bearer && may_accept;
    if (accept)
        suggest(ret, "dongbo review accept %" PRId64 " --why TEXT", of->number);
    else if (sure)
        suggest(ret, "dongbo review link %" PRId64 " --candidate 1-%s --why TEXT", of->number, first->check);
    if (!of->unmask)
        suggest(ret, "dongbo review show %" PRId64 " --unmask", of->number);
    if (!sure && n_candidates > 0 && (!first->is_bearer || !may_accept))
        suggest(ret, "dongbo review link %" PRId64 " --candidate %s%s --why TEXT", of->number,
                n_candidates > 1 ? "N-WORD" : "1-", n_candidates > 1 ? "" : first->check);
    if (may_accept && !accept)
        suggest(ret, "dongbo review accept %" PRId64 " --why TEXT", of->number);
    suggest(ret, "dongbo review refuse %" PRId64 " --why TEXT", of->number);
}

int review_case_next(const ReviewCase *of, char next[REVIEW_NEXT_MAX][REVIEW_NEXT_BYTES]) {
    Suggestions ret = {.next = next};
    bool taken = PQntuples(of->claim) > 0 && !review_case_is_mine(of);
    int64_t decided = review_case_i64(of, REVIEW_DECIDED_POSITION);
    if (review_case_is_decided(of))
        suggest(&ret, "dongbo review withdraw %" PRId64, of->number);
    else if (!review_case_is_open(of))
        suggest(&ret, "dongbo log tail --since %+" PRId64, decided ? decided : of->number);
    else if (!taken)
        suggest_decisions(of, &ret);
    if (taken || review_case_is_decided(of) || !review_case_is_open(of))
        suggest(&ret, "dongbo review next");
    return ret.n;
}
