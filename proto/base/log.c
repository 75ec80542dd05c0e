// SPDX-License-Identifier: Apache-2.0
//
// Writes each line with one write(2), so that lines of several threads never mix. Takes no lock, keeps no buffer and
// opens no file: where lines go is the service manager's business.
#include "proto/base/log.h"
#include "proto/base/clock.h"
#include "proto/base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOG_LINE_BYTES 2048

typedef enum LogStyle { LOG_STYLE_PLAIN, LOG_STYLE_COLOUR, LOG_STYLE_JOURNAL } LogStyle;

static struct {
    const char *program;
    LogLevel level;
    LogStyle style;
    bool mute;
} log_config = {.program = "dongbo", .level = LOG_LEVEL_INFO};

static const struct {
    const char *name;
    const char *colour;
    int priority;
} log_levels[] = {
    [LOG_LEVEL_ERROR] = {"ERROR", "\033[1;31m", 3},
    [LOG_LEVEL_WARN] = {"WARN ", "\033[1;33m", 4},
    [LOG_LEVEL_INFO] = {"INFO ", "\033[32m", 6},
    [LOG_LEVEL_DEBUG] = {"DEBUG", "\033[2m", 7},
};

// JOURNAL_STREAM is inherited; it speaks of our standard error only when it names that very file.
static bool is_journal(void) {
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat st;
    return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 && fstat(STDERR_FILENO, &st) == 0 &&
           st.st_dev == device && st.st_ino == inode;
}

void log_setup(const char *program, LogLevel level) {
    log_config.program = program;
    log_config.level = level;
    if (is_journal())
        log_config.style = LOG_STYLE_JOURNAL;
    else if (isatty(STDERR_FILENO) && !getenv("NO_COLOR"))
        log_config.style = LOG_STYLE_COLOUR;
    else
        log_config.style = LOG_STYLE_PLAIN;
}

void log_mute(void) {
    log_config.mute = true;
}

bool log_is_on(LogLevel level) {
    return !log_config.mute && level <= log_config.level;
}

static int write_prefix(LogLevel level, char *line, size_t bytes) {
    char time[CLOCK_TEXT_BYTES];
    clock_format_us(clock_now_us(clock_system()), time);
    switch (log_config.style) {
    case LOG_STYLE_JOURNAL:
        return snprintf(line, bytes, "<%d>%s: ", log_levels[level].priority, log_config.program);
    case LOG_STYLE_COLOUR:
        return snprintf(line, bytes, "%s %s%s\033[0m %s: ", time, log_levels[level].colour, log_levels[level].name,
                        log_config.program);
    case LOG_STYLE_PLAIN:
        break;
    }
    return snprintf(line, bytes, "%s %s %s: ", time, log_levels[level].name, log_config.program);
}

void log_line(LogLevel level, const char *fmt, ...) {
    if (!log_is_on(level))
        return;
    char line[LOG_LINE_BYTES];
    int prefix = write_prefix(level, line, sizeof line / 2);
    size_t start = prefix < 0 ? 0 : (size_t)prefix < sizeof line / 2 ? (size_t)prefix : sizeof line / 2 - 1;
    va_list args;
    va_start(args, fmt);
    int text = vsnprintf(line + start, sizeof line - start - 1, fmt, args);
    va_end(args);
    if (text < 0)
        line[start] = '\0';
    text_cut(line + start, sizeof line);
    text_make_visible(line + start);
    size_t n = start + strlen(line + start);
    line[n++] = '\n';
    // A log that cannot be written must not stop the exchange.
    ssize_t written = write(STDERR_FILENO, line, n);
    (void)written;
}
