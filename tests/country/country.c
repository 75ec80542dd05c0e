// SPDX-License-Identifier: Apache-2.0
//
// The synthetic country: writes a population, the agencies' tables about it and the truth, as CSV files, from a seed
// and nothing else. Nobody in it exists. README.md beside it tells what is in the files.

#include "proto/base/error.h"
#include "proto/base/options.h"
#include "tests/country/offices.h"
#include "tests/country/sheets.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define CITIZENS_MAX 100000000LL
#define SCALE_MAX 300 // each province has an account for electronic identity, at least
#define FILE_BUFFER_BYTES (1 << 20)

typedef struct Settings {
    long long seed, citizens, scale, events;
    const char *out, *scenario;
    bool bench;
} Settings;

static int open_file(const Settings *settings, const char *name, FILE **ret) {
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s", settings->out, name) >= (int)sizeof path)
        return error_fail(ERROR_CONFIG, "%s: the path is too long", settings->out);
    *ret = fopen(path, "w");
    if (!*ret)
        return error_fail(ERROR_SYSTEM, "%s: %s", path, strerror(errno));
    setvbuf(*ret, NULL, _IOFBF, FILE_BUFFER_BYTES);
    return 0;
}

static int close_file(FILE *file, const char *name) {
    const bool failed = ferror(file) != 0;
    if (fclose(file) != 0 || failed)
        return error_fail(ERROR_SYSTEM, "%s: could not be written whole", name);
    return 0;
}

static int write_population(const Settings *settings, const Country *country) {
    FILE *file = NULL;
    const int r = open_file(settings, "population.csv", &file);
    if (r < 0)
        return r;
    country_write_population(country, file);
    return close_file(file, "population.csv");
}

typedef void (*SheetWriter)(Office *office);

static int write_sheet(const Settings *settings, Office *office, SheetId id, SheetWriter writer) {
    const char *name = SHEET_TABLE[id].file;
    const int r = open_file(settings, name, &office->sheet);
    if (r < 0)
        return r;
    if (settings->bench)
        office_write_bench(office, (uint32_t)settings->events);
    else
        writer(office);
    fprintf(stderr, "%-24s %9u rows\n", name, office->rows);
    return close_file(office->sheet, name);
}

static int write_sheets(const Settings *settings, Office *office) {
    static const SheetWriter WRITERS[SHEETS] = {
        [SHEET_E_ID] = office_write_e_id,
        [SHEET_ELECTRICITY] = office_write_electricity,
        [SHEET_STAY] = office_write_stay,
        [SHEET_TEMPORARY] = office_write_temporary,
        [SHEET_VACCINATIONS] = office_write_vaccinations,
        [SHEET_EDUCATION] = office_write_education,
        [SHEET_SOCIAL_SECURITY] = office_write_social_security,
        [SHEET_POPULATION_LATER] = office_write_population_later,
    };
    int r = open_file(settings, "truth.csv", &office->truth);
    if (r < 0)
        return r;
    fputs("row_id,citizen_number,kind,first_verdict,verdict\n", office->truth);
    for (int id = 0; r == 0 && id < SHEETS; id++)
        if (!settings->bench || id == SHEET_VACCINATIONS)
            r = write_sheet(settings, office, (SheetId)id, WRITERS[id]);
    const int closed = close_file(office->truth, "truth.csv");
    return r ? r : closed;
}

static int check(Settings *settings) {
    const bool plain = strcmp(settings->scenario, "plain") == 0;
    if (!plain && strcmp(settings->scenario, "march-2022") != 0)
        return error_fail(ERROR_CONFIG, "--scenario: there is plain and march-2022, not %s", settings->scenario);
    if (settings->scale == 0)
        settings->scale = plain ? 10 : 1;
    if (!settings->out)
        return error_fail(ERROR_CONFIG, "--out: say which directory the files go to");
    if (settings->scale < 1 || settings->scale > SCALE_MAX)
        return error_fail(ERROR_CONFIG, "--scale: from 1 to %d", SCALE_MAX);
    if (settings->citizens < 0 || settings->citizens > CITIZENS_MAX)
        return error_fail(ERROR_CONFIG, "--citizens: up to %lld", CITIZENS_MAX);
    if (settings->events < 1 || settings->events > CITIZENS_MAX)
        return error_fail(ERROR_CONFIG, "--events: from 1 to %lld", CITIZENS_MAX);
    if (mkdir(settings->out, 0755) != 0 && errno != EEXIST)
        return error_fail(ERROR_SYSTEM, "%s: %s", settings->out, strerror(errno));
    return 0;
}

static int run(Settings *settings) {
    int r = check(settings);
    if (r < 0)
        return r;
    Scenario scenario = scenario_march_2022((uint32_t)settings->scale);
    const uint32_t later = settings->bench ? 0 : scenario.vaccinations_later + scenario.born_later;
    const uint32_t citizens = settings->citizens ? (uint32_t)settings->citizens : scenario.citizens;
    // Every table must find its people: fewer citizens than this and some would have to appear too often.
    if (citizens < later + (settings->bench ? 1000 : scenario.citizens / 2))
        return error_fail(ERROR_CONFIG, "--citizens: at least %u for this scenario", later + scenario.citizens / 2);
    Country country;
    if (!country_make(&country, (uint64_t)settings->seed, citizens, later))
        return error_fail(ERROR_MEMORY, "not enough memory for %u citizens", citizens);
    Office office = {.country = &country, .scenario = &scenario};
    r = write_population(settings, &country);
    if (r == 0)
        r = write_sheets(settings, &office);
    country_free(&country);
    return r;
}

int main(int argc, char **argv) {
    Settings settings = {.seed = 2022, .scenario = "plain", .events = 1000000};
    const Option options[] = {
        {"out", 'o', OPTION_TEXT, "DIR", "where the CSV files go (made when it is not there)", &settings.out},
        {"seed", 's', OPTION_INT, "N", "same seed, same country (2022)", &settings.seed},
        {"scenario", 0, OPTION_TEXT, "NAME", "march-2022, or plain: a tenth of it (plain)", &settings.scenario},
        {"scale", 0, OPTION_INT, "N", "divide the sizes of march-2022 by this", &settings.scale},
        {"citizens", 'n', OPTION_INT, "N", "how many people (300000 divided by the scale)", &settings.citizens},
        {"bench", 0, OPTION_FLAG, NULL, "vaccinations only, all agreeing, one in five told before", &settings.bench},
        {"events", 0, OPTION_INT, "N", "how many, with --bench (1000000)", &settings.events},
        {0}};
    const Command command = {.name = "country", .summary = "Writes a synthetic country.", .options = options};
    int operand = 0;
    int r = options_parse(&command, argc, argv, &operand);
    if (r > 0)
        return 0;
    if (r == 0)
        r = run(&settings);
    if (r < 0)
        fprintf(stderr, "country: %s\n", error_text());
    return r < 0 ? error_exit_code(r) : 0;
}
