// SPDX-License-Identifier: Apache-2.0
//
// Tables of some dozens of lines: looked through from the top, which makes the first line that fits the one that
// holds. Refuses a line that is not plainly well formed, and one that an earlier line hides.
#include "broker/intervals.h"

#include "proto/base/error.h"
#include "proto/base/text.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINES_MAX 1024
#define WHAT_BYTES 64
#define NUMBER_MAX 99
#define DAYS_MAX 36600

typedef struct Line {
    char what[WHAT_BYTES];
    uint32_t number;
    bool later; // and every later number
    int32_t days;
} Line;

struct Intervals {
    Line lines[LINES_MAX];
    size_t n;
};

void intervals_destroy(Intervals **intervals) {
    free(*intervals);
    *intervals = NULL;
}

const char *intervals_what(const Intervals *intervals, size_t n) {
    return n < intervals->n ? intervals->lines[n].what : NULL;
}

static const Line *find_line(const Intervals *intervals, const char *what, uint32_t number) {
    for (size_t i = 0; i < intervals->n; i++) {
        const Line *line = &intervals->lines[i];
        if ((line->number == number || (line->later && line->number < number)) && strcmp(line->what, what) == 0)
            return line;
    }
    return NULL;
}

int32_t intervals_days(const Intervals *intervals, const char *what, uint32_t number) {
    const Line *line = find_line(intervals, what, number);
    return line ? line->days : -1;
}

// A whole number up to max, and nothing behind it but what `rest` is set to.
static bool read_number(const char *text, unsigned long max, unsigned long *ret, char **rest) {
    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    *ret = strtoul(text, rest, 10);
    return errno == 0 && *ret <= max;
}

// What is wrong with the line, or NULL.
static const char *add_line(Intervals *intervals, char *text) {
    char *rest = text, *cells[4], *end;
    size_t n = 0;
    unsigned long number, days;
    if (!text_is_clean(text, strcspn(text, "\t")))
        return "is not clean UTF-8 text";
    for (char *cell; (cell = strsep(&rest, "\t"));) {
        if (n == sizeof cells / sizeof *cells)
            return "has too many columns";
        cells[n++] = cell;
    }
    if (n < 3)
        return "has fewer than three columns: what, number, days";
    if (!*cells[0] || strlen(cells[0]) >= WHAT_BYTES)
        return "does not say what it is about";
    if (!read_number(cells[1], NUMBER_MAX, &number, &end) || number < 2 || (*end && strcmp(end, "+") != 0))
        return "has a number that is not 2 to 99, alone or with + behind it";
    bool later = *end == '+';
    if (!read_number(cells[2], DAYS_MAX, &days, &end) || *end)
        return "has no number of days";
    if (find_line(intervals, cells[0], (uint32_t)number))
        return "is hidden by an earlier line";
    if (intervals->n == LINES_MAX)
        return "is one line too many";
    Line *line = &intervals->lines[intervals->n++];
    *line = (Line){.number = (uint32_t)number, .later = later, .days = (int32_t)days};
    snprintf(line->what, sizeof line->what, "%s", cells[0]);
    return NULL;
}

static int read_lines(Intervals *intervals, FILE *file, const char *path) {
    char *text = NULL;
    size_t size = 0;
    const char *fault = NULL;
    int at = 0;
    for (ssize_t n; !fault && (n = getline(&text, &size, file)) >= 0;) {
        at++;
        text[strcspn(text, "\n")] = 0;
        if (*text && *text != '#')
            fault = add_line(intervals, text);
    }
    bool failed = ferror(file) != 0;
    free(text);
    if (fault)
        return error_fail(ERROR_CONFIG, "%s: line %d %s", path, at, fault);
    return failed ? error_fail(ERROR_CONFIG, "%s: cannot be read", path) : 0;
}

int intervals_load(Intervals **ret, const char *path) {
    FILE *file = fopen(path, "re");
    if (!file)
        return error_fail(ERROR_CONFIG, "%s: %s", path, strerror(errno));
    Intervals *intervals = calloc(1, sizeof *intervals);
    int r = intervals ? read_lines(intervals, file, path) : error_fail(ERROR_MEMORY, "%s: no memory", path);
    fclose(file);
    if (r < 0) {
        intervals_destroy(&intervals);
        return r;
    }
    *ret = intervals;
    return 0;
}
