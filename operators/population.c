// SPDX-License-Identifier: Apache-2.0
//
// `dongbo population load`: reads the file twice. First every row is checked, and with one wrong row nothing is loaded;
// then ten thousand rows go in at a time, each time in a transaction of its own that may be repeated without harm.
#include "broker/verify.h"
#include "operators/commands.h"
#include "operators/csv_columns.h"
#include "operators/population.h"
#include "operators/progress.h"
#include "operators/result.h"
#include "operators/stage.h"
#include "proto/base/clock.h"
#include "proto/base/date.h"
#include "proto/base/log.h"
#include "proto/base/text.h"
#include "proto/bounds.h"
#include "proto/store_version.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOAD_FAULTS_SHOWN 20

static const char *const COLUMNS[POPULATION_COLUMNS] = {
    "citizen_number",    "full_name",   "birth_date",         "sex",
    "mother_name",       "father_name", "residence_province", "residence_province63",
    "residence_commune", "died_on"};

int population_header(const CsvRow *row, PopulationHeader *ret) {
    const CsvColumns columns = {COLUMNS, POPULATION_COLUMNS, POPULATION_COLUMNS};
    return csv_columns_find(&columns, row, ret->at);
}

static const char *cell(const PopulationHeader *header, const CsvRow *row, PopulationColumn column) {
    return row->fields[header->at[column]].text;
}

static const char *text_fault(const CsvRow *row) {
    for (int i = 0; i < row->n_fields; i++) {
        if (row->fields[i].n > TEXT_BYTES_MAX)
            return "a value is longer than 1024 bytes";
        if (!text_is_clean(row->fields[i].text, row->fields[i].n))
            return "a value is not UTF-8 or holds a control character";
    }
    return NULL;
}

static const char *date_fault(const PopulationHeader *header, const CsvRow *row, Date today) {
    Date birth, death;
    if (date_parse(cell(header, row, POPULATION_BIRTH_DATE), &birth) != 0)
        return "birth_date is not a date (YYYY, YYYY-MM or YYYY-MM-DD)";
    if (date_compare(birth, today) > 0)
        return "birth_date is in the future";
    const char *died_on = cell(header, row, POPULATION_DIED_ON);
    if (!*died_on)
        return NULL;
    if (date_parse(died_on, &death) != 0)
        return "died_on is not a date (YYYY, YYYY-MM or YYYY-MM-DD)";
    if (date_compare(death, today) > 0)
        return "died_on is in the future";
    return date_compare(death, birth) < 0 ? "died_on is before birth_date" : NULL;
}

// A number is re-issued when sex or birth year is corrected, so the two never contradict each other for long.
static const char *number_fault(const PopulationHeader *header, const CsvRow *row) {
    const char *number = cell(header, row, POPULATION_NUMBER);
    if (!verify_is_number(number))
        return "citizen_number is not 12 digits";
    if (verify_number_denies_sex(number, cell(header, row, POPULATION_SEX)))
        return "citizen_number was made for the other sex";
    if (verify_number_denies_birth(number, cell(header, row, POPULATION_BIRTH_DATE)))
        return "citizen_number was made for another birth year";
    return NULL;
}

const char *population_row_fault(const Rules *rules, const PopulationHeader *header, const CsvRow *row, Date today) {
    const char *fault = text_fault(row);
    if (fault)
        return fault;
    if (!*cell(header, row, POPULATION_NAME))
        return "full_name is empty";
    const CodeList *sexes = rules_codes(rules, "sexes");
    if (!sexes || !code_list_has(sexes, cell(header, row, POPULATION_SEX)))
        return "sex is none of codes/sexes.tsv";
    const char *province = cell(header, row, POPULATION_PROVINCE);
    if (*province && !rules_is_province34(rules, province))
        return "residence_province is none of the 34 codes";
    const char *province63 = cell(header, row, POPULATION_PROVINCE63);
    if (*province63 && !rules_is_province63(rules, province63))
        return "residence_province63 is none of the 63 codes";
    fault = date_fault(header, row, today);
    return fault ? fault : number_fault(header, row);
}

typedef struct Load {
    const char *name;
    int fd;
    const Rules *rules;
    Pg *pg;
    Stage stage; // the file's columns, and the folded name
    PgParams params;
    uint64_t rows, faults, named, inserted, existing, differing;
    Progress progress;
    Date today;
} Load;

static void load_free(Load *load) {
    stage_free(&load->stage);
    pg_params_free(&load->params);
    if (load->fd >= 0)
        close(load->fd);
}

// Standard input and pipes are kept in a temporary file, since the rows are read twice.
static int load_open(Load *load) {
    bool is_stdin = strcmp(load->name, "-") == 0;
    int fd = is_stdin ? dup(STDIN_FILENO) : open(load->name, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) != 0 || S_ISDIR(status.st_mode)) {
        int number = fd < 0 ? errno : EISDIR;
        if (fd >= 0)
            close(fd);
        return error_fail(ERROR_CONFIG, "%s: %s", load->name, strerror(number));
    }
    load->fd = fd;
    if (S_ISREG(status.st_mode))
        return 0;
    FILE *kept = tmpfile();
    char piece[65536];
    ssize_t n = kept ? 0 : -1;
    while (kept && (n = read(fd, piece, sizeof piece)) > 0)
        if (fwrite(piece, 1, (size_t)n, kept) != (size_t)n)
            break;
    bool bad = n != 0 || fflush(kept) != 0 || dup2(fileno(kept), fd) < 0;
    if (kept)
        fclose(kept);
    return bad ? error_fail(ERROR_SYSTEM, "%s: cannot keep it in a temporary file: %s", load->name, strerror(errno))
               : 0;
}

static int each_row(Load *load, int (*take)(Load *, const PopulationHeader *, const CsvRow *, const char *)) {
    CLEANUP(csv_destroy) Csv *csv = NULL;
    PopulationHeader header;
    CsvRow row;
    load->rows = 0;
    progress_begin(&load->progress);
    if (lseek(load->fd, 0, SEEK_SET) != 0)
        return error_fail(ERROR_SYSTEM, "%s: %s", load->name, strerror(errno));
    int r = csv_new(&csv, load->fd, ',');
    if (r == 0)
        r = csv_header(csv, &row);
    if (r > 0)
        return error_fail(ERROR_CONFIG, "%s: no header row that can be read", load->name);
    if (r == 0 && (r = population_header(&row, &header)) < 0)
        return error_context(r, "%s: row 1", load->name);
    while (r == 0 && (r = csv_next(csv, &row)) != 1) {
        load->rows++;
        if (r >= 0)
            r = take(load, &header, &row, r == 2 ? csv_fault_en(row.fault) : NULL);
    }
    return r < 0 ? r : 0;
}

static int check_row(Load *load, const PopulationHeader *header, const CsvRow *row, const char *fault) {
    char masked[TEXT_MASK_BYTES] = "";
    if (!fault) {
        fault = population_row_fault(load->rules, header, row, load->today);
        text_mask_number(cell(header, row, POPULATION_NUMBER), masked);
    }
    if (fault && load->faults++ < LOAD_FAULTS_SHOWN) {
        progress_end();
        fprintf(stderr, "%s: row %" PRIu64 ": %s%s%s%s\n", load->name, row->number, fault, *masked ? " (" : "", masked,
                *masked ? ")" : "");
    }
    progress_show(&load->progress, "checked", load->rows, "rows");
    return 0;
}

static const PgStatement LOAD = {
    "population_load",
    "SELECT inserted, existing, differing FROM population.load($1, $2, $3, $4, $5, $6, $7, $8, $9, "
    "$10, $11)",
    11, NULL};

static const PgStatement DIFFERING = {"population_differing",
                                      "SELECT place FROM population.differing($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
                                      10, NULL};

// Names the staged rows that say something else than what is held; they are not loaded.
static int name_differing(Load *load) {
    RESULT result = NULL;
    pg_params_clear(&load->params);
    for (int column = 0; column < POPULATION_COLUMNS; column++)
        stage_param(&load->stage, column, &load->params);
    int r = pg_run(load->pg, &DIFFERING, &load->params, &result);
    if (r < 0)
        return r;
    progress_end();
    for (int row = 0; row < PQntuples(result) && load->named < LOAD_FAULTS_SHOWN; row++, load->named++) {
        int place = (int)pg_i64(result, row, 0) - 1;
        char masked[TEXT_MASK_BYTES];
        text_mask_number(stage_text(&load->stage, place, POPULATION_NUMBER), masked);
        fprintf(stderr, "%s: row %" PRIu64 " (%s) differs from what is held\n", load->name, load->stage.numbers[place],
                masked);
    }
    return 0;
}

static int send_rows(Load *load) {
    if (load->stage.n == 0)
        return 0;
    pg_params_clear(&load->params);
    for (int column = 0; column < POPULATION_COLUMNS; column++) {
        stage_param(&load->stage, column, &load->params);
        if (column == POPULATION_NAME)
            stage_param(&load->stage, POPULATION_COLUMNS, &load->params);
    }
    RESULT result = NULL;
    int r = pg_run(load->pg, &LOAD, &load->params, &result);
    if (r < 0)
        return r;
    load->inserted += (uint64_t)pg_i64(result, 0, 0);
    load->existing += (uint64_t)pg_i64(result, 0, 1);
    load->differing += (uint64_t)pg_i64(result, 0, 2);
    if (pg_i64(result, 0, 2) > 0 && load->named < LOAD_FAULTS_SHOWN)
        r = name_differing(load);
    if (r < 0)
        return r;
    stage_clear(&load->stage);
    progress_show(&load->progress, "loaded", load->rows, "rows");
    return 0;
}

static int stage_row(Load *load, const PopulationHeader *header, const CsvRow *row, const char *fault) {
    if (fault)
        return error_fail(ERROR_SYSTEM, "%s: changed while it was being read", load->name);
    char folded[TEXT_BYTES_MAX + 1];
    for (int column = 0; column < POPULATION_COLUMNS; column++) {
        const CsvField *field = &row->fields[header->at[column]];
        stage_add(&load->stage, field->text, field->n);
    }
    if (text_fold_accents(cell(header, row, POPULATION_NAME), folded, sizeof folded) == (size_t)-1)
        return error_fail(ERROR_CONFIG, "%s: row %" PRIu64 ": full_name is too long", load->name, row->number);
    stage_add(&load->stage, folded, strlen(folded));
    int r = stage_end_row(&load->stage, row->number);
    return r == 1 ? send_rows(load) : r;
}

static int begin_load(Load *load) {
    static const PgStatement BEGIN = {"population_begin_load", "SELECT population.begin_load()", 0, NULL};
    return pg_run(load->pg, &BEGIN, NULL, NULL);
}

// The rows are in, whatever becomes of this.
static void analyse(Load *load) {
    static const PgStatement ANALYSE = {"population_analyse", "SELECT population.analyse()", 0, NULL};
    if (load->inserted > 0 && pg_run(load->pg, &ANALYSE, NULL, NULL) < 0)
        log_warn("%s; until PostgreSQL gathers statistics by itself, look-ups may be slow and status does not know how "
                 "many citizens there are. Run dongbo init once after an upgrade",
                 error_text());
}

static int load_run(Desk *desk, Load *load) {
    int r = load_open(load);
    if (r == 0)
        r = desk_rules(desk, &load->rules);
    if (r == 0)
        r = each_row(load, check_row);
    progress_end();
    if (r < 0)
        return r;
    if (load->faults) {
        log_error("%s: %" PRIu64 " of %" PRIu64 " rows are wrong; nothing was loaded", load->name, load->faults,
                  load->rows);
        return 1;
    }
    r = stage_new(&load->stage, POPULATION_COLUMNS + 1);
    if (r == 0)
        r = desk_population_whole(desk);
    if (r == 0)
        r = desk_population_writer(desk, &load->pg);
    if (r == 0)
        r = store_fold_check(load->pg);
    if (r == 0)
        r = begin_load(load);
    if (r == 0)
        r = each_row(load, stage_row);
    if (r == 0)
        r = send_rows(load);
    if (r == 0)
        analyse(load);
    progress_end();
    if (r == 0)
        printf("%" PRIu64 " citizens inserted, %" PRIu64 " known already", load->inserted, load->existing);
    if (r == 0 && load->differing)
        printf(", of whom %" PRIu64 " differ from the file (left as they are; corrections come as events)",
               load->differing);
    if (r == 0)
        printf("\n");
    return r;
}

int population_model(Desk *desk, int argc, char **argv) {
    static const PgStatement MODEL = {"population_model", "SELECT population.make_model()", 0, NULL};
    int operand = 0;
    Pg *pg = NULL;
    RESULT made = NULL;
    int r = desk_parse(desk, NULL, argc, argv, &operand);
    if (r != 0)
        return r < 0 ? r : 0;
    r = desk_population_writer(desk, &pg);
    if (r == 0)
        r = pg_run(pg, &MODEL, NULL, &made);
    if (r == 0)
        printf("model %" PRId64 "\n", pg_i64(made, 0, 0));
    return r;
}

int population_load(Desk *desk, int argc, char **argv) {
    int operand = 0;
    int r = desk_parse(desk, NULL, argc, argv, &operand);
    if (r != 0)
        return r < 0 ? r : 0;
    CLEANUP(load_free) Load load = {.name = argv[operand], .fd = -1, .today = date_of_us(clock_now_us(clock_system()))};
    return load_run(desk, &load);
}
