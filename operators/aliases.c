// SPDX-License-Identifier: Apache-2.0
//
// `dongbo population aliases`: numbers that were replaced, identity cards' and insurance numbers, with the days on
// which they were whose. Ten thousand rows at a time, each in a transaction of its own that may be repeated without
// harm.
#include "operators/alias_file.h"
#include "operators/commands.h"
#include "operators/result.h"
#include "operators/stage.h"
#include "proto/base/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char NOTES[] =
    "FILE is CSV: kind (cccd, cmnd, insurance), number, citizen_number, and valid_from and valid_to, the first and the\n"
    "last day on which the number named the citizen, empty where that is not known or still so. A number that was\n"
    "given to two citizens has two rows. A wrong row is named and left out; the others are kept. Said again, the days\n"
    "said last hold.\n";

typedef struct Load {
    AliasFile file;
    Pg *pg;
    PgParams params;
    Stage stage;
    uint64_t outcomes[4];
} Load;

static void load_free(Load *load) {
    pg_params_free(&load->params);
    stage_free(&load->stage);
}

static const PgStatement LOAD = {"population_aliases",
                                 "SELECT place, outcome FROM population.load_aliases($1, $2, $3, $4, $5)", 5, NULL};

static int send_rows(Load *load) {
    RESULT result = NULL;
    if (load->stage.n == 0)
        return 0;
    pg_params_clear(&load->params);
    for (int column = 0; column < ALIAS_COLUMNS; column++)
        stage_param(&load->stage, column, &load->params);
    int r = pg_run(load->pg, &LOAD, &load->params, &result);
    for (int row = 0; r == 0 && row < PQntuples(result); row++) {
        int outcome = pg_i16(result, row, 1) & 3;
        load->outcomes[outcome]++;
        if (outcome == 3)
            alias_file_fault(&load->file, load->stage.numbers[pg_i64(result, row, 0) - 1],
                             "nobody has this citizen_number");
    }
    stage_clear(&load->stage);
    return r;
}

static int stage_row(void *context, const AliasRow *row) {
    Load *load = context;
    for (int column = 0; column < ALIAS_COLUMNS; column++)
        stage_add(&load->stage, row->texts[column], strlen(row->texts[column]));
    int r = stage_end_row(&load->stage, row->number);
    return r == 1 ? send_rows(load) : r;
}

int population_aliases(Desk *desk, int argc, char **argv) {
    CLEANUP(load_free) Load load = {0};
    int operand = 0;
    int r = desk_parse_noted(desk, NULL, NOTES, argc, argv, &operand);
    if (r != 0)
        return r < 0 ? r : 0;
    load.file.path = argv[operand];
    r = stage_new(&load.stage, ALIAS_COLUMNS);
    if (r == 0)
        r = desk_population_whole(desk);
    if (r == 0)
        r = desk_population_writer(desk, &load.pg);
    if (r == 0)
        r = alias_file_read(&load.file, stage_row, &load);
    if (r == 0)
        r = send_rows(&load);
    if (r < 0)
        return r;
    printf("%" PRIu64 " numbers are new, %" PRIu64 " have other days than before, %" PRIu64 " were known\n",
           load.outcomes[1], load.outcomes[2], load.outcomes[0]);
    if (load.file.wrong)
        log_error("%s: %" PRIu64 " of %" PRIu64 " rows were left out", load.file.path, load.file.wrong, load.file.rows);
    return load.file.wrong != 0;
}
