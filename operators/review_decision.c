// SPDX-License-Identifier: Apache-2.0
//
// `dongbo review accept`, `link`, `refuse` and `withdraw`. What is decided here is carried out by a broker, as entries
// of the log: the command waits for that and says what came of it. Decides nothing by itself, and nothing without why.
#include "operators/columns.h"
#include "operators/commands.h"
#include "operators/commits.h"
#include "operators/identity.h"
#include "operators/mask.h"
#include "operators/refusal.h"
#include "operators/result.h"
#include "operators/review.h"
#include "operators/review_claim.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/base/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define WAIT_SECONDS 30
#define WAIT_SECONDS_MAX 3600
#define PATIENCE_MS 500 // after which it says that it waits
#define LINK_OPTIONS 3  // stand first
#define LOOK_MS 500     // a decision that comes to nothing writes nothing, and nobody is woken

static const char NOTES[] =
    "A case that nobody works on is claimed by deciding it. Exit code 0: carried out; 1: it came to nothing, or no\n"
    "broker has carried it out yet, and it still waits.\n";

static const PgStatement DECIDE = {"review_decide", "SELECT exchange.review_decide($1, $2, $3, $4)", 4, NULL};
static const PgStatement OUTCOME = {
    "review_outcome", "SELECT state, outcome, coalesce(position, 0) FROM exchange.review_decision WHERE decision = $1",
    1, NULL};
static const PgStatement WAITING = {
    "review_waiting", "SELECT decision FROM exchange.review_decision WHERE review_case = $1 AND state = 'waiting'", 1,
    NULL};
static const PgStatement WITHDRAW = {"review_withdraw", "SELECT exchange.review_withdraw($1)", 1, NULL};

typedef struct Decision {
    const char *action, *why, *to, *candidate;
    char citizen_number[IDENTITY_NUMBER_BYTES]; // "" where it is no link
    long long minutes, wait_s;
    bool no_wait, next, anyway;
    int64_t number, decision;
} Decision;

// ---- carried out ----------------------------------------------------------------------------------------------------

static int print_outcome(const Decision *decision, const PGresult *row) {
    bool done = strcmp(pg_text(row, 0, 0), "done") == 0;
    printf("case %" PRId64 ": %s %s", decision->number, decision->action, done ? "done" : "came to nothing");
    if (pg_i64(row, 0, 2))
        printf(" at position %" PRId64, pg_i64(row, 0, 2));
    printf("%s", *pg_text(row, 0, 1) ? ": " : "");
    columns_show(pg_text(row, 0, 1));
    printf("\n");
    return done ? 0 : 1;
}

// 1 while it waits; 0 with the row in *ret.
static int look(Pg *exchange, const Decision *decision, PGresult **ret) {
    PgParams params = {0};
    pg_param_i64(&params, decision->decision);
    int r = pg_run(exchange, &OUTCOME, &params, ret);
    pg_params_free(&params);
    if (r == 0 && PQntuples(*ret) == 0)
        return error_fail(ERROR_DATABASE, "decision %" PRId64 " is gone", decision->decision);
    if (r < 0 || strcmp(pg_text(*ret, 0, 0), "waiting") != 0)
        return r;
    result_clear(ret);
    return 1;
}

static int wait_for_outcome(Pg *exchange, const Decision *decision) {
    RESULT row = NULL;
    const Clock *clock = clock_system();
    int64_t began_ms = clock_monotonic_ms(clock), until_ms = began_ms + decision->wait_s * 1000, left_ms;
    bool told = false;
    int r;
    while ((r = look(exchange, decision, &row)) == 1 && (left_ms = until_ms - clock_monotonic_ms(clock)) > 0) {
        if (!told && until_ms - left_ms - began_ms >= PATIENCE_MS) {
            log_info("case %" PRId64 ": no broker has carried it out yet; who stops waiting here does not take it back "
                     "(dongbo review withdraw %" PRId64 " does)",
                     decision->number, decision->number);
            told = true;
        }
        r = commits_wait(exchange, -1, left_ms < LOOK_MS ? (int)left_ms : LOOK_MS);
        if (r < 0)
            break;
    }
    if (r < 0) // not a failed decision: it stands
        return error_context(r,
                             "case %" PRId64 ": %s was asked for, and what came of it is not known (dongbo review show "
                             "%" PRId64 ")",
                             decision->number, decision->action, decision->number);
    if (r == 1)
        log_error("case %" PRId64 ": no broker has carried it out within %lld s; it waits (dongbo review show %" PRId64
                  "; withdraw takes it back)",
                  decision->number, decision->wait_s, decision->number);
    return r == 0 ? print_outcome(decision, row) : r;
}

// ---- decided --------------------------------------------------------------------------------------------------------

static int decide(Pg *exchange, Decision *decision) {
    PgParams params = {0};
    RESULT made = NULL;
    int64_t until_us = 0;
    int r = review_claim_ask(exchange, decision->number, decision->minutes, &until_us);
    if (r != 0)
        return r;
    pg_param_i64(&params, decision->number);
    pg_param_text(&params, decision->action);
    if (decision->citizen_number[0])
        pg_param_text(&params, decision->citizen_number);
    else
        pg_param_null(&params);
    pg_param_text(&params, decision->why);
    r = pg_run(exchange, &DECIDE, &params, &made);
    pg_params_free(&params);
    if (r == 0)
        decision->decision = pg_i64(made, 0, 0);
    return refusal_tell(exchange, r);
}

static int decide_and_wait(Desk *desk, Decision *decision) {
    Pg *exchange = NULL;
    int r = desk_exchange(desk, &exchange);
    if (r == 0 && !decision->no_wait)
        r = commits_listen(exchange); // before, so that nothing falls between
    if (r == 0)
        r = decide(exchange, decision);
    if (r == 0 && decision->no_wait)
        printf("case %" PRId64 ": %s waits for a broker\n", decision->number, decision->action);
    return r == 0 && !decision->no_wait ? wait_for_outcome(exchange, decision) : r;
}

// ---- whose event it is ----------------------------------------------------------------------------------------------

static void print_citizen(const char *number, const char *name, const char *birth_date) {
    char masked[MASK_BYTES];
    printf("%s, ", mask_value(comparison_field(COMPARISON_NUMBER), number, masked));
    columns_show(mask_value(comparison_field(COMPARISON_NAME), name, masked));
    printf(", born %s\n", mask_value(comparison_field(COMPARISON_BIRTH_DATE), birth_date, masked));
}

// "1-7f3a": a place, and the word that was shown beside it.
static int read_candidate(const char *text, long long *ret, const char **ret_check) {
    char *end = NULL;
    errno = 0;
    *ret = strtoll(text, &end, 10);
    if (end == text || errno != 0 || *ret < 1 || *end != '-' || strlen(end + 1) != REVIEW_CHECK_BYTES - 1)
        return error_fail(ERROR_CONFIG,
                          "--candidate takes what dongbo review show has before the person, as in 1-7f3a: "
                          "candidates may change between being shown and being decided on");
    *ret_check = end + 1;
    return 0;
}

static const ReviewAlternative *candidate_at(const ReviewCase *of, long long place) {
    for (int i = 0; i < of->n_alternatives; i++)
        if (of->alternatives[i].candidate == place && of->alternatives[i].row >= 0)
            return &of->alternatives[i];
    return NULL;
}

static int find_candidate(Desk *desk, Decision *decision) {
    CLEANUP(review_case_free) ReviewCase of = {0};
    long long place = 0;
    const char *check = NULL;
    int r = read_candidate(decision->candidate, &place, &check);
    if (r == 0)
        r = desk_rules(desk, &of.rules);
    if (r == 0)
        r = review_case_read(desk, decision->number, &of);
    if (r != 0)
        return r < 0 ? r : review_no_case(decision->number);
    const ReviewAlternative *one = candidate_at(&of, place);
    if (!one || strcasecmp(one->check, check) != 0) {
        log_error("case %" PRId64 " has no candidate %s%s: see dongbo review show %" PRId64, decision->number,
                  decision->candidate, one ? " any more, or that is not the word that was shown beside it" : "",
                  decision->number);
        return 1;
    }
    const char *number = review_case_held(&of, one, "citizen_number");
    snprintf(decision->citizen_number, sizeof decision->citizen_number, "%s", number);
    printf("candidate %lld is ", place);
    print_citizen(number, review_case_held(&of, one, "full_name"), review_case_held(&of, one, "birth_date"));
    return 0;
}

// Neither name nor birth date, as far as both are there to compare.
static bool agrees_in_nothing(const ReviewCase *of, const Identity *identity) {
    Comparison comparison;
    ComparisonSides sides = {.said = of->event ? of->event->subject : NULL};
    if (!sides.said)
        return false;
    sides.held[COMPARISON_NAME] = identity_text(identity, IDENTITY_NAME);
    sides.held[COMPARISON_BIRTH_DATE] = identity_text(identity, IDENTITY_BIRTH_DATE);
    comparison_make(&sides, &comparison);
    const char *name = comparison.rows[COMPARISON_NAME].agrees;
    const char *birth_date = comparison.rows[COMPARISON_BIRTH_DATE].agrees;
    return (*name || *birth_date) && (!*name || strcmp(name, "differs") == 0) &&
           (!*birth_date || strcmp(birth_date, "differs") == 0);
}

// A slip in a number may well lead to somebody else, and what an officer says is not compared again. A number that
// nobody has is the broker's to answer.
static int check_typed(Desk *desk, const Decision *decision) {
    CLEANUP(review_case_free) ReviewCase of = {0};
    CLEANUP(identity_free) Identity identity = {0};
    snprintf(identity.number, sizeof identity.number, "%s", decision->citizen_number);
    int r = identity_find(desk, &identity);
    if (r < 0 || !identity.person)
        return r;
    r = desk_rules(desk, &of.rules);
    if (r == 0)
        r = review_case_read(desk, decision->number, &of);
    if (r != 0)
        return r < 0 ? r : 0; // no such case: claiming it says so
    printf("this is ");
    print_citizen(identity_text(&identity, IDENTITY_NUMBER), identity_text(&identity, IDENTITY_NAME),
                  identity_text(&identity, IDENTITY_BIRTH_DATE));
    if (decision->anyway || !agrees_in_nothing(&of, &identity))
        return 0;
    log_error("case %" PRId64 ": this citizen has neither the name nor the birth date that the event says: look at the "
              "number again, or say --anyway",
              decision->number);
    return 1;
}

static int find_citizen(Desk *desk, Decision *decision) {
    if (!decision->to == !decision->candidate)
        return error_fail(ERROR_CONFIG, "say whose event it is: --to NUMBER, --to - or --candidate N-WORD");
    if (!decision->to)
        return find_candidate(desk, decision);
    int r = identity_read_number(decision->to, decision->citizen_number);
    return r == 0 ? check_typed(desk, decision) : r;
}

static int check(const Decision *decision) {
    if (!decision->why || !*decision->why)
        return error_fail(ERROR_CONFIG, "say --why: who reads the decision later wants to know");
    if (decision->wait_s < 1 || decision->wait_s > WAIT_SECONDS_MAX)
        return error_fail(ERROR_CONFIG, "--wait is 1 to %d seconds", WAIT_SECONDS_MAX);
    return 0;
}

static int run(Desk *desk, const char *action, int argc, char **argv) {
    Decision decision = {.action = action, .wait_s = WAIT_SECONDS, .minutes = REVIEW_CLAIM_MINUTES};
    ReviewShow show = {0};
    int operand = 0;
    const Option options[] = {
        {"to", 0, OPTION_TEXT, "NUMBER|-", "the citizen whose event it is; -: from standard input", &decision.to},
        {"candidate", 0, OPTION_TEXT, "N-WORD", "the same, as dongbo review show has it before them",
         &decision.candidate},
        {"anyway", 0, OPTION_FLAG, NULL, "--to somebody of another name and birth date than the event says",
         &decision.anyway},
        {"why", 0, OPTION_TEXT, "TEXT", "required; kept with the decision", &decision.why},
        {"wait", 0, OPTION_INT, "SECONDS", "for a broker to carry it out; default 30", &decision.wait_s},
        {"next", 0, OPTION_FLAG, NULL, "then do as dongbo review next", &decision.next},
        {"unmask", 0, OPTION_FLAG, NULL, "... and show it unmasked; this is noted", &show.unmask},
        {"no-wait", 0, OPTION_FLAG, NULL, "do not wait for what comes of it", &decision.no_wait},
        {0}};
    bool links = strcmp(action, "link") == 0;
    int r = desk_parse_noted(desk, links ? options : options + LINK_OPTIONS, NOTES, argc, argv, &operand);
    if (r != 0)
        return r < 0 ? r : 0;
    r = review_number(argv[operand], &decision.number);
    if (r == 0)
        r = check(&decision);
    if (r == 0 && show.unmask && !decision.next)
        r = error_fail(ERROR_CONFIG, "--unmask is about the case that --next shows");
    if (r == 0 && links)
        r = find_citizen(desk, &decision);
    if (r == 0)
        r = decide_and_wait(desk, &decision);
    if (r != 0 || !decision.next)
        return r;
    printf("\n");
    desk->why = decision.why; // for what is shown unmasked next, too
    return review_claim_next(desk, &show);
}

int review_accept(Desk *desk, int argc, char **argv) {
    return run(desk, "accept", argc, argv);
}

int review_link(Desk *desk, int argc, char **argv) {
    return run(desk, "link", argc, argv);
}

int review_refuse(Desk *desk, int argc, char **argv) {
    return run(desk, "refuse", argc, argv);
}

// ---- taken back -----------------------------------------------------------------------------------------------------

int review_withdraw(Desk *desk, int argc, char **argv) {
    Pg *exchange = NULL;
    PgParams params = {0};
    RESULT waiting = NULL;
    int64_t number = 0;
    int operand = 0;
    int r = desk_parse(desk, NULL, argc, argv, &operand);
    if (r != 0)
        return r < 0 ? r : 0;
    r = review_number(argv[operand], &number);
    if (r == 0)
        r = desk_exchange(desk, &exchange);
    pg_param_i64(&params, number);
    if (r == 0)
        r = pg_run(exchange, &WAITING, &params, &waiting);
    pg_params_clear(&params);
    if (r == 0 && PQntuples(waiting) == 0) {
        log_error("no decision on case %" PRId64 " waits: dongbo review show %" PRId64
                  " says what came of the last one",
                  number, number);
        r = 1;
    }
    if (r == 0) {
        pg_param_i64(&params, pg_i64(waiting, 0, 0));
        r = refusal_tell(exchange, pg_run(exchange, &WITHDRAW, &params, NULL));
    }
    pg_params_free(&params);
    if (r == 0)
        printf("case %" PRId64 ": the decision is taken back\n", number);
    return r;
}
