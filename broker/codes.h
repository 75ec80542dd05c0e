// SPDX-License-Identifier: Apache-2.0
//
// The code lists of schemas/codes: one list per file, a code and its name per line. Read once, immutable afterwards and
// shared by all threads. A list is known by its file's name without ".tsv".
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define CODE_BYTES_MAX 64

typedef struct CodeList CodeList;
bool code_list_has(const CodeList *list, const char *code);
size_t code_list_count(const CodeList *list);
// The code's name; NULL when the code is unknown.
const char *code_list_name(const CodeList *list, const char *code);
// What stands in a column: the code as the list has it in 0, its name in 1, what else is said of it from 2 on. NULL
// when the code is unknown, "" when the line has no such column.
const char *code_list_column(const CodeList *list, const char *code, size_t column);
// The code's line, in the order of the file; -1 when the code is unknown.
int code_list_place(const CodeList *list, const char *code);
// The code of the n-th line, in the order of the file; NULL beyond the last.
const char *code_list_code(const CodeList *list, size_t n);

typedef struct Codes Codes;
// Reads every *.tsv of the directory. ERROR_CONFIG names file and line.
int codes_load(Codes **ret, const char *directory);
void codes_destroy(Codes **codes);
size_t codes_count(const Codes *codes);
const CodeList *codes_find(const Codes *codes, const char *list); // NULL when unknown
// The n-th list, by name.
const char *codes_name(const Codes *codes, size_t n);
const CodeList *codes_list(const Codes *codes, size_t n);
