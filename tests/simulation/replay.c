// SPDX-License-Identifier: Apache-2.0
//
// Asks a PostgreSQL what the simulation's database was asked (tape.h), statement by statement in the same sessions and
// order, and holds its answers against the simulation's: rows, failures, who waits for whom. Up to where a seed sets
// its database back.
//
//   replay [--statements] [--all] TAPE...
//
// --statements: what was run, and how. --all: fails where the simulation knows a statement that was not.
#include "replay.h"

#include <assert.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STATEMENTS_MAX 512
#define ANSWER_MS 20000 // it waits for somebody
#define LOOKS_MAX 4000

// Known to the simulation, and on no tape of those that are played always.
static const char *const ELSEWHERE[] = {
    "epoch_request",       // test-store.c has it
    "feed_epoch",          // in the second epoch only: behind a set back
    "feed_turn",           // a feed that could not let go in time
    "honour-request",      // likewise
    "replaced-still-open", // in one seed of thousands
    "reviewed",            // likewise; it changes nothing where there are no reviews
    "standing-versions",   // mergers only
    "why-not-opened",      // a Hello that was three seconds late, or of another agency's stream
};

typedef struct Session {
    PGconn *connection;
    bool prepared[STATEMENTS_MAX], busy, waits;
    int32_t life;     // 0: nobody's
    int statement;    // that is asked; -1: something else
    const char *what; // its name, or the word
    struct Session *next;
} Session;

typedef struct Known {
    char *name;
    unsigned n, n_rows, n_waited, n_failed;
    const char *tape; // on which it differed last
} Known;

static struct Replay {
    const char *tape;
    uint8_t *data;
    Reader reader;
    PGconn *control;
    Session *sessions;
    Statement statements[STATEMENTS_MAX];
    Known known[STATEMENTS_MAX];
    int n_known, n_records, n_statements, n_all, n_waited, n_set_back;
    bool over;
    int findings;
} replay;

// ---- the tape ------------------------------------------------------------------------------------------------------

uint64_t read_number(Reader *reader, size_t n) {
    assert(reader->at + n <= reader->end);
    reader->at += n;
    return bytes_get_number(reader->at - n, n);
}

Piece read_piece(Reader *reader) {
    uint32_t n = (uint32_t)read_number(reader, 4);
    if (n == UINT32_MAX)
        return (Piece){NULL, 0};
    assert(reader->at + n <= reader->end);
    reader->at += n;
    return (Piece){(const char *)reader->at - n, n};
}

char *read_text(Reader *reader) {
    Piece piece = read_piece(reader);
    return piece.data == NULL ? NULL : strndup(piece.data, piece.n);
}

static Known *known_as(const char *name) {
    for (int i = 0; i < replay.n_known; i++) {
        if (strcmp(replay.known[i].name, name) == 0)
            return &replay.known[i];
    }
    static Known other;
    return &other;
}

// Once of each statement.
static void find(const char *what, const char *name, const char *why) {
    Known *known = known_as(name);
    replay.findings++;
    if (known->tape == replay.tape)
        return;
    known->tape = replay.tape;
    fprintf(stderr, "%s, record %d: %s: %s%s\n", replay.tape, replay.n_records, name, what, why);
}

// What follows would not be the same.
static void find_last(const char *what, const char *name, const char *why) {
    find(what, name, why);
    replay.over = true;
}

// ---- sessions ------------------------------------------------------------------------------------------------------

static Session *session_of(int32_t life) {
    Session *session = replay.sessions;
    while (session != NULL && session->life != life)
        session = session->next;
    return session;
}

// One that is nobody's any more does as well as another.
static void begin_session(int32_t life) {
    Session *session = session_of(0);
    if (session == NULL) {
        session = calloc(1, sizeof *session);
        assert(session != NULL);
        session->connection = server_connect("replayed");
        session->next = replay.sessions;
        replay.sessions = session;
    }
    session->life = life;
}

static PGresult *take(Session *session) {
    PGresult *answer = NULL, *next;
    while ((next = PQgetResult(session->connection)) != NULL) {
        PQclear(answer);
        answer = next;
    }
    session->busy = session->waits = false;
    return answer;
}

static void cancel(Session *session) {
    char text[256];
    PGcancel *asked = PQgetCancel(session->connection);
    PQcancel(asked, text, sizeof text);
    PQfreeCancel(asked);
    PQclear(take(session));
}

static void end_session(Session *session) {
    if (session->busy)
        cancel(session);
    if (PQtransactionStatus(session->connection) != PQTRANS_IDLE)
        PQclear(PQexec(session->connection, "ROLLBACK"));
    session->life = 0;
}

// ---- what is asked -------------------------------------------------------------------------------------------------

static void asked(Session *session, int statement, const char *what, int sent) {
    if (sent != 1)
        find_last("cannot be sent: ", what, PQerrorMessage(session->connection));
    session->busy = true;
    session->statement = statement;
    session->what = what;
    replay.n_all++;
    while (PQflush(session->connection) > 0)
        continue;
}

static void prepare(Session *session, int number) {
    char name[16];
    const Statement *statement = &replay.statements[number];
    if (session->prepared[number])
        return;
    snprintf(name, sizeof name, "s%d", number);
    PGresult *result = PQprepare(session->connection, name, statement->sql, statement->n_types, statement->types);
    if (PQresultStatus(result) != PGRES_COMMAND_OK)
        find_last("cannot be prepared: ", statement->name, PQerrorMessage(session->connection));
    PQclear(result);
    session->prepared[number] = true;
}

static void run(Session *session) {
    Reader *reader = &replay.reader;
    char name[16], *texts[PG_PARAMS_MAX] = {NULL};
    const char *values[PG_PARAMS_MAX];
    int lengths[PG_PARAMS_MAX], formats[PG_PARAMS_MAX], number = (int)read_number(reader, 4);
    int n = (int)read_number(reader, 4);
    for (int i = 0; i < n; i++) {
        formats[i] = (int)read_number(reader, 4);
        Piece piece = read_piece(reader);
        if (formats[i] == 0 && piece.data != NULL)
            texts[i] = strndup(piece.data, piece.n);
        values[i] = texts[i] != NULL ? texts[i] : piece.data;
        lengths[i] = (int)piece.n;
    }
    prepare(session, number);
    snprintf(name, sizeof name, "s%d", number);
    if (!replay.over)
        asked(session, number, replay.statements[number].name,
              PQsendQueryPrepared(session->connection, name, n, values, lengths, formats, 1));
    for (int i = 0; i < n; i++)
        free(texts[i]);
}

static void copy(Session *session) {
    static const char HEADER[19] = "PGCOPY\n\377\r\n", TRAILER[2] = "\377\377";
    char *sql = read_text(&replay.reader);
    Piece rows = read_piece(&replay.reader);
    PGresult *result = PQexec(session->connection, sql);
    bool begun = PQresultStatus(result) == PGRES_COPY_IN;
    PQclear(result);
    free(sql);
    if (!begun) {
        find_last("does not begin: ", "COPY", PQerrorMessage(session->connection));
        return;
    }
    PQputCopyData(session->connection, HEADER, sizeof HEADER);
    PQputCopyData(session->connection, rows.data, (int)rows.n);
    PQputCopyData(session->connection, TRAILER, sizeof TRAILER);
    asked(session, -1, "COPY", PQputCopyEnd(session->connection, NULL));
}

static void say_word(Session *session) {
    static const char *const WORDS[] = {"BEGIN", "COMMIT", "ROLLBACK"};
    const char *what = "a command";
    char *sql = read_text(&replay.reader);
    for (size_t i = 0; i < sizeof WORDS / sizeof *WORDS; i++)
        what = strcmp(sql, WORDS[i]) == 0 ? WORDS[i] : what;
    asked(session, -1, what, PQsendQuery(session->connection, sql));
    free(sql);
}

// ---- what is answered ----------------------------------------------------------------------------------------------

static bool has_answer(Session *session) {
    PQconsumeInput(session->connection);
    return !PQisBusy(session->connection);
}

static void expect_waiting(Session *session) {
    for (int i = 0; i < LOOKS_MAX && !has_answer(session); i++) {
        if (server_waits(replay.control, session->connection)) {
            session->waits = true;
            replay.n_waited++;
            known_as(session->what)->n_waited++;
            return;
        }
    }
    find_last("waits in the simulation only", session->what, "");
}

static bool await_answer(Session *session) {
    struct pollfd fd = {.fd = PQsocket(session->connection), .events = POLLIN};
    while (!has_answer(session)) {
        if (poll(&fd, 1, ANSWER_MS) > 0)
            continue;
        find_last("waits, and not in the simulation", session->what, "");
        return false;
    }
    return true;
}

static const char *state_of(const PGresult *result) {
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    if (state == NULL && strcmp(PQcmdStatus((PGresult *)result), "ROLLBACK") == 0)
        return "40000"; // of a COMMIT, as pg_command() has it
    return state;
}

static void expect_rows(Session *session) {
    Reader expected = replay.reader;
    int columns = (int)read_number(&replay.reader, 4), n = (int)read_number(&replay.reader, 4);
    for (int i = 0; i < columns * n; i++)
        read_piece(&replay.reader);
    if (!await_answer(session))
        return;
    PGresult *result = take(session);
    Known *known = known_as(session->what);
    if (PQresultStatus(result) == PGRES_FATAL_ERROR) {
        find_last("fails: ", session->what, PQresultErrorMessage(result));
    } else if (session->statement >= 0) {
        const char *why = compare_rows(&replay.statements[session->statement], &expected, result);
        if (why != NULL)
            find("", session->what, why);
    }
    known->n++;
    known->n_rows += PQntuples(result) > 0;
    PQclear(result);
}

static void expect_failure(Session *session) {
    char *expected = read_text(&replay.reader);
    if (await_answer(session)) {
        PGresult *result = take(session);
        const char *state = state_of(result);
        if (state == NULL || strncmp(state, expected, 2) != 0)
            find_last(state == NULL ? "succeeds, in the simulation " : PQresultErrorMessage(result), session->what,
                      expected);
        known_as(session->what)->n++;
        known_as(session->what)->n_failed++;
        PQclear(result);
    }
    free(expected);
}

// ---- one tape ------------------------------------------------------------------------------------------------------

static const char *order_of(const char *sql) {
    int depth = 0;
    for (const char *c = sql; *c != '\0'; c++) {
        depth += (*c == '(') - (*c == ')');
        if (depth == 0 && strncmp(c, "ORDER BY", 8) == 0)
            return c + 8;
    }
    return NULL;
}

static void read_statement(void) {
    Reader *reader = &replay.reader;
    uint64_t number = read_number(reader, 4);
    assert(number < STATEMENTS_MAX);
    Statement *statement = &replay.statements[number];
    statement->name = read_text(reader);
    statement->sql = read_text(reader);
    statement->n_types = (int)read_number(reader, 4);
    for (int i = 0; i < statement->n_types; i++)
        statement->types[i] = (Oid)read_number(reader, 4);
    statement->order = order_of(statement->sql);
    replay.n_statements = (int)number + 1;
}

static void note_known(void) {
    char *name = read_text(&replay.reader);
    for (int i = 0; i < replay.n_known; i++) {
        if (strcmp(replay.known[i].name, name) == 0) {
            free(name);
            return;
        }
    }
    assert(replay.n_known < STATEMENTS_MAX);
    replay.known[replay.n_known++] = (Known){.name = name};
}

static void put_beginning(void) {
    char *texts[PG_PARAMS_MAX], *sql = read_text(&replay.reader);
    int n = (int)read_number(&replay.reader, 4);
    for (int i = 0; i < n; i++)
        texts[i] = read_text(&replay.reader);
    PGresult *result = PQexecParams(replay.control, sql, n, NULL, (const char *const *)texts, NULL, NULL, 0);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        find_last(sql, "beginning", PQresultErrorMessage(result));
    PQclear(result);
    for (int i = 0; i < n; i++)
        free(texts[i]);
    free(sql);
}

static void step_of(Session *session, TapeKind kind) {
    if (session == NULL) {
        find_last("a session that there is not", "tape", "");
        return;
    }
    switch (kind) {
    case TAPE_END:
        end_session(session);
        break;
    case TAPE_RUN:
        run(session);
        break;
    case TAPE_COPY:
        copy(session);
        break;
    case TAPE_WORD:
        say_word(session);
        break;
    case TAPE_WAITS:
        expect_waiting(session);
        break;
    case TAPE_ROWS:
        expect_rows(session);
        break;
    case TAPE_FAILED:
        expect_failure(session);
        break;
    case TAPE_GIVEN_UP:
        cancel(session);
        break;
    default:
        find_last("is no tape", "tape", "");
    }
}

static void step(void) {
    TapeKind kind = (TapeKind)read_number(&replay.reader, 1);
    replay.n_records++;
    server_set_clock((int64_t)read_number(&replay.reader, 8));
    int32_t life = (int32_t)read_number(&replay.reader, 4);
    switch (kind) {
    case TAPE_KNOWN:
        note_known();
        break;
    case TAPE_BEGINNING:
        put_beginning();
        break;
    case TAPE_STATEMENT:
        read_statement();
        break;
    case TAPE_SESSION:
        begin_session(life);
        break;
    case TAPE_SET_BACK:
        replay.n_set_back++;
        replay.over = true;
        break;
    default:
        step_of(session_of(life), kind);
    }
}

static size_t read_tape(const char *path) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        fprintf(stderr, "replay: %s cannot be read\n", path);
        exit(2);
    }
    fseek(file, 0, SEEK_END);
    size_t n = (size_t)ftell(file);
    rewind(file);
    replay.data = malloc(n + 1);
    assert(replay.data != NULL);
    n = fread(replay.data, 1, n, file);
    fclose(file);
    return n;
}

static void forget(void) {
    for (Session *session; (session = replay.sessions) != NULL;) {
        replay.sessions = session->next;
        PQfinish(session->connection);
        free(session);
    }
    for (int i = 0; i < replay.n_statements; i++) {
        free(replay.statements[i].name);
        free(replay.statements[i].sql);
    }
    PQfinish(replay.control);
    free(replay.data);
    replay.n_statements = 0;
}

static void run_tape(const char *path) {
    size_t n = read_tape(path);
    replay.tape = path;
    replay.reader = (Reader){replay.data, replay.data + n};
    replay.over = false;
    replay.n_records = 0;
    replay.control = server_fresh();
    while (!replay.over && replay.reader.at < replay.reader.end)
        step();
    for (Session *session = replay.sessions; session != NULL; session = session->next)
        end_session(session);
    forget();
}

static bool is_elsewhere(const char *name) {
    for (size_t i = 0; i < sizeof ELSEWHERE / sizeof *ELSEWHERE; i++) {
        if (strcmp(ELSEWHERE[i], name) == 0)
            return true;
    }
    return false;
}

static int find_missing(void) {
    int missing = 0;
    for (int i = 0; i < replay.n_known; i++) {
        const Known *known = &replay.known[i];
        if (known->n > 0 || is_elsewhere(known->name))
            continue;
        missing++;
        fprintf(stderr, "the simulation knows the statement \"%s\", and no tape has it: how is it known to be right?\n",
                known->name);
    }
    return missing;
}

static void show(void) {
    for (int i = 0; i < replay.n_known; i++) {
        const Known *known = &replay.known[i];
        printf("%-24s %6u run, %6u with rows, %5u waited, %4u failed\n", known->name, known->n, known->n_rows,
               known->n_waited, known->n_failed);
    }
}

int main(int argc, char **argv) {
    bool shows = false, all = false;
    int n = 0;
    server_begin();
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--statements") == 0)
            shows = true;
        else if (strcmp(argv[i], "--all") == 0)
            all = true;
        else {
            run_tape(argv[i]);
            n++;
        }
    }
    server_end();
    if (shows)
        show();
    int missing = all ? find_missing() : 0;
    printf("%d tapes, %d up to where they are set back; %d asked, %d waited; %d differ\n", n, replay.n_set_back,
           replay.n_all, replay.n_waited, replay.findings);
    return replay.findings + missing > 0;
}
