// SPDX-License-Identifier: Apache-2.0
//
// Writes each line with one write(2), so that lines of several threads never mix. Takes no lock, keeps no buffer and
// opens no file: where lines go is the service manager's business.
#include "proto/base/log.h"
#include "proto/base/clock.h"
#include "proto/base/text.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
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
    _Atomic unsigned n_lost; // lines that could not be written, or not whole, since one could
    _Atomic int why_lost;    // errno of the first of them
    _Atomic bool torn;       // the last thing written is no whole line
    char last_words[LOG_LINE_BYTES / 4];
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

// Async-signal-safe. Whatever a handler returns to, abort() ends the process.
static void say_last_words(int number) {
    ssize_t written = write(STDERR_FILENO, log_config.last_words, strlen(log_config.last_words));
    (void)written;
}

static void prepare_last_words(void) {
    snprintf(
        log_config.last_words, sizeof log_config.last_words,
        "%sERROR %s: a library could not go on, and the line before says why: where it had no memory raise MemoryMax "
        "of this program's unit, and LimitNOFILE where it had too many open files; what is stored is whole\n",
        log_config.style == LOG_STYLE_JOURNAL ? "<3>" : "", log_config.program);
    struct sigaction action = {.sa_handler = say_last_words};
    sigaction(SIGABRT, &action, NULL);
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
    prepare_last_words();
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

static bool write_whole(const char *line, size_t n) {
    errno = ENOSPC; // of a line that was written in part
    ssize_t written = write(STDERR_FILENO, line, n);
    if (written >= 0)
        atomic_store(&log_config.torn, written > 0 && line[written - 1] != '\n');
    return written == (ssize_t)n;
}

// Ends what stands there in part, and says that lines are missing. Also the second of two threads may be the one that
// says so.
static bool report_lost(void) {
    unsigned n_lost = atomic_exchange(&log_config.n_lost, 0);
    if (n_lost == 0)
        return true;
    int why = atomic_load(&log_config.why_lost);
    char line[LOG_LINE_BYTES];
    line[0] = '\n';
    int from = atomic_load(&log_config.torn) ? 0 : 1;
    int prefix = write_prefix(LOG_LEVEL_ERROR, line + 1, sizeof line / 2);
    size_t start = prefix < 0 ? 1 : (size_t)prefix + 1;
    int n = snprintf(line + start, sizeof line - start,
                     "lines of this log are missing here, %u of them: they could not be written (%s); make room where "
                     "it goes, nothing else was lost\n",
                     n_lost, strerror(why));
    if (write_whole(line + from, start + (size_t)n - (size_t)from))
        return true;
    atomic_fetch_add(&log_config.n_lost, n_lost);
    return false;
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
    if (report_lost() && write_whole(line, n))
        return;
    int why = errno;
    if (atomic_fetch_add(&log_config.n_lost, 1) == 0)
        atomic_store(&log_config.why_lost, why);
}
