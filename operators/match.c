// SPDX-License-Identifier: Apache-2.0
//
// `dongbo match`: reads one list or two, lets the matching engine learn and decide, writes the pairs. Broken rows are
// counted and passed over; nothing is sent anywhere.
#include "broker/match/engine.h"
#include "operators/commands.h"
#include "operators/match_config.h"
#include "operators/output.h"
#include "proto/base/csv.h"
#include "proto/base/error.h"
#include "proto/base/log.h"
#include "proto/base/text.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CELLS_MAX (MATCH_FIELDS_MAX * MATCH_COLUMNS_MAX)

typedef struct Matching {
    const char *left, *right, *config_path, *out, *above;
    bool json;
    MatchConfig *config;
    Roster *roster;
    Bytes ids; // one after the other, each closed by 0
    size_t *id_at, id_size;
    size_t n_broken;
    MatchResult result;
    bool done;
} Matching;

static void matching_free(Matching *matching) {
    match_config_destroy(&matching->config);
    roster_destroy(&matching->roster);
    bytes_free(&matching->ids);
    free(matching->id_at);
    if (matching->done)
        engine_free(&matching->result);
}

// The cell without the spaces that some programs put behind their commas. Room to close it by 0 is the copy's.
typedef struct Cells {
    char text[CELLS_MAX][1024];
    const char *at[CELLS_MAX];
} Cells;

static const char *trimmed(const CsvField *field, char *out, size_t out_bytes) {
    const char *from = field->text;
    size_t n = field->n;
    while (n > 0 && isspace((unsigned char)*from)) {
        from++, n--;
    }
    while (n > 0 && isspace((unsigned char)from[n - 1]))
        n--;
    n = n < out_bytes ? n : out_bytes - 1;
    memcpy(out, from, n);
    out[n] = '\0';
    return out;
}

static int no_column(const MatchConfig *config, const CsvRow *header, const char *name) {
    const char *delimiter = csv_other_delimiter(header, match_config_delimiter(config));
    if (delimiter)
        return error_fail(ERROR_CONFIG,
                          "there is no column \"%s\"; its columns are separated by \"%s\": write delimiter: \"%s\"",
                          name, delimiter, delimiter);
    return error_fail(ERROR_CONFIG, "there is no column \"%s\"", name);
}

static int find_column(const MatchConfig *config, const CsvRow *header, const char *name, int *ret) {
    char text[256];
    *ret = -1;
    for (int i = 0; i < header->n_fields; i++) {
        if (strcmp(trimmed(&header->fields[i], text, sizeof text), name) != 0)
            continue;
        if (*ret >= 0)
            return error_fail(ERROR_CONFIG, "there are two columns \"%s\": it is not known which is meant", name);
        *ret = i;
    }
    return *ret >= 0 ? 0 : no_column(config, header, name);
}

// Which column of the file each cell is filled from; a cell that joins is the rest of the one before it.
typedef struct Plan {
    int column[CELLS_MAX];
    bool joins[CELLS_MAX];
    int n, id;
    size_t n_foreign; // rows that are not UTF-8
} Plan;

static int plan_columns(const MatchConfig *config, const CsvRow *header, bool right, Plan *plan) {
    plan->n = 0;
    plan->id = -1;
    plan->n_foreign = 0;
    int r = 0;
    for (unsigned f = 0; f < config->fields_count; f++) {
        const char *const *columns;
        int n = match_config_columns(&config->fields[f], right, &columns);
        for (int i = 0; r == 0 && i < n; i++, plan->n++) {
            plan->joins[plan->n] = i > 0 && match_config_joins(&config->fields[f]);
            r = find_column(config, header, columns[i], &plan->column[plan->n]);
        }
    }
    const char *id = right && config->right_id ? config->right_id : config->id;
    return r == 0 && id ? find_column(config, header, id, &plan->id) : r;
}

// A name's next part, behind what is there. What does not fit is left out.
static void join_cell(const CsvField *field, char *text, size_t bytes) {
    size_t n = strlen(text);
    if (n > 0 && n + 2 < bytes)
        text[n++] = ' ';
    trimmed(field, text + n, bytes - n);
}

static int add_row(Matching *matching, bool right, Plan *plan, const CsvRow *row, Cells *cells) {
    char id[256];
    bool clean = true;
    for (int i = 0, n = 0; i < plan->n; i++) {
        const CsvField *field = &row->fields[plan->column[i]];
        clean = clean && text_is_utf8(field->text, field->n);
        if (plan->joins[i]) {
            join_cell(field, cells->text[n - 1], sizeof cells->text[n - 1]);
            continue;
        }
        cells->at[n] = trimmed(field, cells->text[n], sizeof cells->text[n]);
        n++;
    }
    plan->n_foreign += !clean;
    if (plan->id >= 0)
        trimmed(&row->fields[plan->id], id, sizeof id);
    else
        snprintf(id, sizeof id, "%" PRIu64, row->number);
    int r = roster_grow(&matching->id_at, &matching->id_size, matching->roster->n + 1, sizeof *matching->id_at);
    if (r < 0)
        return r;
    matching->id_at[matching->roster->n] = matching->ids.n;
    bytes_append(&matching->ids, id, strlen(id) + 1);
    if (matching->ids.failed)
        return error_fail(ERROR_MEMORY, "no memory for more than %zu rows", matching->roster->n);
    return roster_add(matching->roster, right, cells->at);
}

static int read_rows(Matching *matching, bool right, Csv *csv) {
    CsvRow row;
    Plan plan;
    int r = csv_header(csv, &row);
    if (r != 0)
        return r < 0 ? r : error_fail(ERROR_CONFIG, "no header row that can be read");
    if ((r = plan_columns(matching->config, &row, right, &plan)) < 0)
        return r;
    Cells *cells = malloc(sizeof *cells);
    if (!cells)
        return error_fail(ERROR_MEMORY, "no memory");
    while (r >= 0 && (r = csv_next(csv, &row)) != 1 && r >= 0) {
        if (r == 2)
            matching->n_broken++;
        else
            r = add_row(matching, right, &plan, &row, cells);
    }
    free(cells);
    // Compared all the same, as far as the letters go that can be read.
    if (r >= 0 && plan.n_foreign > 0)
        log_warn("%s: %zu rows are not UTF-8, and names in them are hardly recognised: convert the file first",
                 right ? matching->right : matching->left, plan.n_foreign);
    return r < 0 ? r : 0;
}

static int read_list(Matching *matching, bool right, const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_fail(ERROR_CONFIG, "%s: %s", path, strerror(errno));
    CLEANUP(csv_destroy) Csv *csv = NULL;
    int r = csv_new(&csv, fd, match_config_delimiter(matching->config));
    if (r == 0)
        r = read_rows(matching, right, csv);
    close(fd);
    return r < 0 ? error_context(r, "%s", path) : 0;
}

static int make_roster(Matching *matching) {
    MatchField fields[MATCH_FIELDS_MAX];
    const MatchConfig *config = matching->config;
    for (unsigned f = 0; f < config->fields_count; f++) {
        const char *const *columns;
        int n = match_config_columns(&config->fields[f], false, &columns);
        fields[f] = (MatchField){.label = config->fields[f].name ? config->fields[f].name : columns[0],
                                 .kind = (MatchKind)config->fields[f].type,
                                 .n_columns = match_config_joins(&config->fields[f]) ? 1 : n,
                                 .format = config->fields[f].format};
    }
    return roster_new(&matching->roster, fields, (int)config->fields_count);
}

static const char *id_of(const Matching *matching, uint32_t record) {
    return (const char *)matching->ids.data + matching->id_at[record];
}

static void write_link(const Matching *matching, const MatchLink *link, Bytes *out) {
    char text[64];
    Bytes reasons = {0};
    const char *left = id_of(matching, link->a), *right = id_of(matching, link->b);
    csv_write(out, left, strlen(left), ',');
    bytes_append_text(out, ",");
    csv_write(out, right, strlen(right), ',');
    snprintf(text, sizeof text, ",%.3f,%u.%06u,", link->bits / 1000.0, link->posterior / 1000000,
             link->posterior % 1000000);
    bytes_append_text(out, text);
    engine_reasons(matching->roster, &matching->result.model, link->a, link->b, &reasons);
    if (link->through != UINT32_MAX) {
        bytes_append_text(&reasons, reasons.n ? "; by way of " : "by way of ");
        bytes_append_text(&reasons, id_of(matching, link->through));
    }
    csv_write(out, (const char *)reasons.data, reasons.n, ',');
    bytes_append_text(out, "\n");
    out->failed |= reasons.failed;
    bytes_free(&reasons);
}

#define WRITE_BYTES (1u << 20)

static int write_pairs(const Matching *matching) {
    const char *const inputs[] = {matching->left, matching->config_path, matching->right, NULL};
    FILE *file;
    int r = output_open(&file, matching->out, inputs);
    if (r < 0)
        return r;
    Bytes out = {0};
    bool failed = false;
    bytes_append_text(&out, "left,right,bits,posterior,reasons\n");
    for (size_t i = 0; i <= matching->result.n && !failed; i++) {
        if (i < matching->result.n)
            write_link(matching, &matching->result.links[i], &out);
        if (out.n >= WRITE_BYTES || i == matching->result.n) {
            failed = out.failed || fwrite(out.data, 1, out.n, file) != out.n;
            bytes_clear(&out);
        }
    }
    bytes_free(&out);
    if (fclose(file) != 0 || failed)
        return error_fail(ERROR_SYSTEM, "%s: %s", matching->out, errno ? strerror(errno) : "could not be written");
    return 0;
}

static void print_summary(const Matching *matching, int64_t us) {
    const MatchResult *result = &matching->result;
    const Roster *roster = matching->roster;
    char model[24];
    model_name(&result->model, roster, model);
    double us_per_record = roster->n > 0 ? (double)us / (double)roster->n : 0;
    size_t n_right = roster->n - roster->n_left;
    double prior = result->model.prior / 1000.0;
    if (matching->json)
        printf("{\"left\":%zu,\"right\":%zu,\"broken_rows\":%zu,\"compared\":%zu,\"candidates\":%zu,\"pairs\":%zu,"
               "\"review\":%zu,\"placeholders\":%zu,\"blocks_too_large\":%zu,\"not_enough_data\":%zu,"
               "\"prior_bits\":%.3f,\"model\":\"%s\",\"us_per_record\":%.1f}\n",
               roster->n_left, n_right, matching->n_broken, result->n_compared, result->n_kept, result->n,
               result->n_review, roster->n_placeholders, result->n_blocks_too_large, result->n_not_covered, prior,
               model, us_per_record);
    else
        printf("%zu left and %zu right rows, %zu broken; %zu pairs compared, %zu kept, %zu written\n"
               "%zu left rows in doubt; %zu placeholders; %zu blocks too large, %zu rows not enough data\n"
               "prior %.3f bits, model %s, %.1f µs per row\n",
               roster->n_left, n_right, matching->n_broken, result->n_compared, result->n_kept, result->n,
               result->n_review, roster->n_placeholders, result->n_blocks_too_large, result->n_not_covered, prior,
               model, us_per_record);
}

static int read_above(const char *text, MatchOptions *ret) {
    if (!text)
        return 0;
    char *end;
    double above = strtod(text, &end);
    if (*end || end == text || !(above >= 0 && above <= 1))
        return error_fail(ERROR_CONFIG, "--all-pairs-above wants a probability between 0 and 1, not \"%s\"", text);
    ret->all_pairs = true;
    ret->above = (uint32_t)(above * 1000000 + .5);
    return 0;
}

// The processor's time, not the wall's: it says what a row costs whatever else the machine does.
static int64_t processor_us(void) {
    struct timespec time = {0};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (int64_t)time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

static int match_lists(Matching *matching) {
    MatchOptions options = {0};
    int r = read_above(matching->above, &options);
    if (r == 0)
        r = match_config_load(&matching->config, matching->config_path);
    if (r == 0)
        r = make_roster(matching);
    int64_t began_us = processor_us();
    if (r == 0)
        r = read_list(matching, false, matching->left);
    if (r == 0 && matching->right)
        r = read_list(matching, true, matching->right);
    if (r == 0)
        r = roster_seal(matching->roster);
    if (r < 0)
        return r;
    options.many_to_one = matching->config->one_to_one && !*matching->config->one_to_one;
    matching->roster->has_right = matching->right != NULL;
    if ((r = engine_run(matching->roster, &options, &matching->result)) < 0)
        return r;
    matching->done = true;
    if ((r = write_pairs(matching)) < 0)
        return r;
    print_summary(matching, processor_us() - began_us);
    return 0;
}

int match_run(Desk *desk, int argc, char **argv) {
    Matching matching = {.config_path = desk->config_path};
    const Option options[] = {
        {"left", 0, OPTION_TEXT, "A.csv", "the list, or the first of two", &matching.left},
        {"right", 0, OPTION_TEXT, "B.csv", "the second list; none: find duplicates in the first", &matching.right},
        {"config", 0, OPTION_TEXT, "C.yaml", "which columns are which fields", &matching.config_path},
        {"out", 'o', OPTION_TEXT, "PAIRS.csv", "where pairs go", &matching.out},
        {"all-pairs-above", 0, OPTION_TEXT, "P", "every pair from this probability, not the best only",
         &matching.above},
        {"json", 0, OPTION_FLAG, NULL, "counts, model and speed as one JSON object", &matching.json},
        {0}};
    const Command command = {"match",           NULL, "find who is who in two lists, or twice in one", options, 0, 0,
                             MATCH_CONFIG_NOTES};
    int operand = 0, r = options_parse(&command, argc, argv, &operand);
    if (r != 0)
        return r < 0 ? r : 0;
    if (!matching.left || !matching.config_path || !matching.out)
        return error_fail(ERROR_CONFIG, "match needs --left, --config and --out; see dongbo match --help");
    r = match_lists(&matching);
    matching_free(&matching);
    return r;
}
