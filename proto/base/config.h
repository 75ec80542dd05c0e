// SPDX-License-Identifier: Apache-2.0
//
// Every YAML file we read (configuration, mappings, rules, keys), through libcyaml into plain structures. Strict:
// unknown and repeated keys, aliases, several documents and files over 1 MiB are errors, which name file and line.
#pragma once

#include <cyaml/cyaml.h>
#include <stddef.h>
#include <stdio.h>

#define CONFIG_FILE_BYTES_MAX (1024 * 1024)

// The schema's top is a mapping with CYAML_FLAG_POINTER; fields are required unless CYAML_FLAG_OPTIONAL.
//     Settings *settings = NULL;
//     int r = config_load((void **)&settings, path, &schema);
// ERROR_CONFIG with a sentence for the file's writer; *ret is NULL then. Free with config_free().
int config_load(void **ret, const char *path, const cyaml_schema_value_t *schema);
// The same from memory; name stands for the file in errors.
int config_parse(void **ret, const char *name, const void *yaml, size_t n, const cyaml_schema_value_t *schema);
void config_free(void *data, const cyaml_schema_value_t *schema); // NULL is taken
// Writes what config_load() would read so. ERROR_CONFIG when the data do not fit the schema, ERROR_MEMORY.
int config_write(FILE *out, const void *data, const cyaml_schema_value_t *schema);
// The line on which a key of the file's outermost mapping stands, for an error about its value; 0 when it is not found.
unsigned config_key_line(const char *path, const char *key);

// A path in a file is relative to that file's directory. *ret is malloc'd. ERROR_MEMORY.
int config_resolve(char **ret, const char *config_path, const char *path);
// The same of a path that config_load() read, in its own place; NULL stays.
int config_resolve_own(const char *config_path, char **path);

// A bool field that takes true/yes/on and false/no/off only; CYAML_FIELD_BOOL takes any misspelling for true.
extern const cyaml_strval_t config_bools[6];
#define CONFIG_FIELD_BOOL(key, flags, structure, member)                                                               \
    CYAML_FIELD_ENUM(key, (flags) | CYAML_FLAG_STRICT, structure, member, config_bools, 6)
