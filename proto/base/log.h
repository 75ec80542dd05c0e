// SPDX-License-Identifier: Apache-2.0
//
// One line per thing worth a person's attention, to standard error: time, level, program, text. Coloured on a
// terminal; with systemd's priority prefix "<3>" when JOURNAL_STREAM is set. Never a citizen's data: callers mask.
#pragma once

typedef enum LogLevel { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG } LogLevel;

// Call once, before threads. `program` must outlive the process.
void log_setup(const char *program, LogLevel level);
void log_line(LogLevel level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)
