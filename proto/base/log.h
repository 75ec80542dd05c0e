// SPDX-License-Identifier: Apache-2.0
//
// One line per thing worth a person's attention, to standard error: time, level, program, text. Coloured on a
// terminal; with systemd's priority prefix "<3>" when JOURNAL_STREAM is set. Never a citizen's data: callers mask.
#pragma once

#include <stdbool.h>

// LOG_LEVEL_, since <syslog.h> (which czmq.h includes) takes LOG_INFO and LOG_DEBUG as macros.
typedef enum LogLevel { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG } LogLevel;

// Call once, before threads. `program` must outlive the process. A program that a library ends (abort()), as libzmq
// does where it gets no memory, says from now on what to do about it.
void log_setup(const char *program, LogLevel level);
// Nothing is written from here on: what a library of ours does in somebody else's program.
void log_mute(void);
bool log_is_on(LogLevel level);
// At most 2 KiB, cut without harm; control characters are shown as '?', so that no text from outside forges a line.
void log_line(LogLevel level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...) log_line(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)
