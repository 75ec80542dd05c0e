// SPDX-License-Identifier: Apache-2.0
//
// `dongbo population fold`: after an upgrade that folds names otherwise. Goes through all citizens, some thousand at a
// time; interrupted, it is run again. Says that the store is of this version only once all names are.
#include "operators/commands.h"
#include "operators/progress.h"
#include "operators/result.h"
#include "proto/base/error.h"
#include "proto/base/text.h"
#include "proto/bounds.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define OID_INT4 23
#define OID_INT8 20
#define OID_INT8_ARRAY 1016
#define OID_TEXT 25
#define OID_TEXT_ARRAY 1009
#define NAMES_AT_ONCE 5000
#define FOLDED_BYTES (2 * TEXT_BYTES_MAX)

static const Oid NAMES_TYPES[] = {OID_INT8, OID_INT4};
static const PgStatement NAMES = {"names_after", "SELECT person, full_name FROM population.names_after($1, $2)", 2,
                                  NAMES_TYPES};
static const Oid FOLD_TYPES[] = {OID_INT8_ARRAY, OID_TEXT_ARRAY, OID_TEXT_ARRAY};
static const PgStatement FOLD = {"fold", "SELECT population.fold($1, $2, $3)", 3, FOLD_TYPES};
static const Oid FOLDED_TYPES[] = {OID_INT4};
static const PgStatement FOLDED = {"folded", "SELECT population.folded($1)", 1, FOLDED_TYPES};
static const PgStatement MODEL = {"fold_model", "SELECT population.make_model()", 0, NULL};

typedef struct Folding {
    Pg *pg;
    Progress progress;
    int64_t after;
    uint64_t seen, changed;
} Folding;

static void add_folded(PgParams *params, const char *name) {
    char folded[FOLDED_BYTES];
    size_t n = text_fold_accents(name, folded, sizeof folded);
    pg_array_text(params, folded, n == (size_t)-1 ? 0 : n);
}

static int fold_names(Folding *folding, const PGresult *names) {
    CLEANUP(pg_params_free) PgParams params = {0};
    RESULT changed = NULL;
    int n = PQntuples(names);
    pg_param_array_begin(&params, OID_INT8, n);
    for (int row = 0; row < n; row++)
        pg_array_i64(&params, pg_i64(names, row, 0));
    pg_param_array_begin(&params, OID_TEXT, n);
    for (int row = 0; row < n; row++)
        pg_array_text(&params, pg_text(names, row, 1), strlen(pg_text(names, row, 1)));
    pg_param_array_begin(&params, OID_TEXT, n);
    for (int row = 0; row < n; row++)
        add_folded(&params, pg_text(names, row, 1));
    int r = pg_run(folding->pg, &FOLD, &params, &changed);
    if (r == 0)
        folding->changed += (uint64_t)pg_i64(changed, 0, 0);
    return r;
}

// 1 when there are no more.
static int fold_some(Folding *folding) {
    CLEANUP(pg_params_free) PgParams params = {0};
    RESULT names = NULL;
    pg_param_i64(&params, folding->after);
    pg_param_i32(&params, NAMES_AT_ONCE);
    int r = pg_run(folding->pg, &NAMES, &params, &names);
    int n = r == 0 ? PQntuples(names) : 0;
    if (n == 0)
        return r < 0 ? r : 1;
    folding->after = pg_i64(names, n - 1, 0);
    folding->seen += (uint64_t)n;
    r = fold_names(folding, names);
    progress_show(&folding->progress, "folded", folding->seen, "names");
    return r;
}

static int end_folding(Folding *folding) {
    CLEANUP(pg_params_free) PgParams params = {0};
    pg_param_i32(&params, TEXT_FOLD_VERSION);
    int r = pg_run(folding->pg, &FOLDED, &params, NULL);
    if (r == 0 && folding->changed > 0)
        r = pg_run(folding->pg, &MODEL, NULL, NULL); // it counts folded names
    return r;
}

int population_fold(Desk *desk, int argc, char **argv) {
    int operand = 0;
    Folding folding = {0};
    int r = desk_parse(desk, NULL, argc, argv, &operand);
    if (r != 0)
        return r < 0 ? r : 0;
    progress_begin(&folding.progress);
    r = desk_population_writer(desk, &folding.pg);
    while (r == 0)
        r = fold_some(&folding);
    progress_end();
    if (r == 1)
        r = end_folding(&folding);
    if (r == 0)
        printf("%" PRIu64 " names are folded by version %d, %" PRIu64 " of them were otherwise\n", folding.seen,
               TEXT_FOLD_VERSION, folding.changed);
    return r;
}
