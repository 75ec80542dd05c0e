// SPDX-License-Identifier: Apache-2.0
//
// libcyaml reports what is wrong through a log callback, as a sentence and then a trace with line numbers. This keeps
// the sentence and the innermost line and makes one error of them. Values are never repeated where they may be secrets.
#include "proto/base/config.h"
#include "proto/base/error.h"
#include "proto/base/text.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

const cyaml_strval_t config_bools[6] = {{"true", 1}, {"yes", 1}, {"on", 1}, {"false", 0}, {"no", 0}, {"off", 0}};

#define DEPTH_MAX 8
#define FIELD_BYTES 64
#define WORD_BYTES 64
#define CHOICES_BYTES 320 // of one error's 512

typedef struct Complaint {
    char text[256];
    char fields[DEPTH_MAX][FIELD_BYTES]; // the innermost first
    size_t n_fields;
    unsigned line;
} Complaint;

static void note_line(cyaml_log_t level, void *ctx, const char *fmt, va_list args) {
    Complaint *complaint = ctx;
    char line[512];
    vsnprintf(line, sizeof line, fmt, args);
    line[strcspn(line, "\n")] = '\0';
    const char *place = strstr(line, "(line: ");
    if (place) {
        if (!complaint->line)
            complaint->line = (unsigned)strtoul(place + strlen("(line: "), NULL, 10);
        if (complaint->n_fields < DEPTH_MAX &&
            sscanf(line, " in mapping field '%63[^']", complaint->fields[complaint->n_fields]) == 1)
            complaint->n_fields++;
        return;
    }
    const char *text = strncmp(line, "Load: ", 6) == 0 ? line + 6 : line;
    if (complaint->text[0] || strncmp(text, "Backtrace", 9) == 0)
        return;
    // "STRING length > 64: the value", and the value may be a key.
    int n = strncmp(text, "STRING length", 13) == 0 ? (int)strcspn(text, ":") : (int)strlen(text);
    snprintf(complaint->text, sizeof complaint->text, "%.*s", n, text);
}

static const char *line_start(const char *yaml, size_t n, unsigned line) {
    const char *at = yaml, *end = yaml + n;
    while (line > 1 && at < end) {
        const char *next = memchr(at, '\n', (size_t)(end - at));
        if (!next)
            return end;
        at = next + 1;
        line--;
    }
    return at;
}

// libcyaml knows where the value before an unknown key ended, not where the key is. Looks for it from there.
static unsigned key_line(const char *yaml, size_t n, unsigned line, const char *key) {
    const char *at = line_start(yaml, n, line), *end = yaml + n;
    size_t key_n = strlen(key);
    unsigned here = line;
    for (; key_n && at + key_n < end; at++) {
        if (*at == '\n')
            here++;
        if (memcmp(at, key, key_n) != 0 || (at > yaml && (isalnum((unsigned char)at[-1]) || at[-1] == '_')))
            continue;
        const char *after = at + key_n;
        while (after < end && (*after == ' ' || *after == '"' || *after == '\''))
            after++;
        if (after < end && *after == ':')
            return here;
    }
    return line;
}

// The first line that is indented with a tab, which YAML forbids; libyaml says so without the line. 0: none.
static unsigned tab_line(const char *yaml, size_t n) {
    const char *at = yaml, *end = yaml + n;
    for (unsigned line = 1; at < end; line++) {
        while (at < end && *at == ' ')
            at++;
        if (at < end && *at == '\t')
            return line;
        const char *next = memchr(at, '\n', (size_t)(end - at));
        at = next ? next + 1 : end;
    }
    return 0;
}

static const cyaml_schema_value_t *skip_sequences(const cyaml_schema_value_t *value) {
    while (value->type == CYAML_SEQUENCE || value->type == CYAML_SEQUENCE_FIXED)
        value = value->sequence.entry;
    return value;
}

// What the schema says of the field that the complaint is about. NULL when it is not found.
static const cyaml_schema_value_t *find_schema(const cyaml_schema_value_t *value, const Complaint *complaint) {
    for (size_t i = complaint->n_fields; i-- > 0;) {
        value = skip_sequences(value);
        if (value->type != CYAML_MAPPING)
            return NULL;
        const cyaml_schema_field_t *field = value->mapping.fields;
        while (field->key && strcmp(field->key, complaint->fields[i]) != 0)
            field++;
        if (!field->key)
            return NULL;
        value = &field->value;
    }
    return skip_sequences(value);
}

static size_t shared_letters(const char *a, const char *b) {
    size_t n = 0;
    while (a[n] && a[n] == b[n])
        n++;
    return n;
}

// The words of an ENUM. Where they are too many for a sentence, those first that begin like what was said, and "...".
static void list_choices(const cyaml_schema_value_t *value, const char *said, char out[CHOICES_BYTES]) {
    const cyaml_strval_t *choices = value->enumeration.strings;
    size_t n_choices = value->enumeration.count, bytes = 0, n = 0;
    for (size_t i = 0; i < n_choices; i++)
        bytes += strlen(choices[i].str) + 2;
    bool fit = bytes + sizeof ", ..." <= CHOICES_BYTES;
    for (size_t like = fit ? 0 : strlen(said);; like--) {
        for (size_t i = 0; i < n_choices; i++) {
            if (!fit && shared_letters(choices[i].str, said) != like)
                continue;
            size_t left = CHOICES_BYTES - n;
            if (strlen(choices[i].str) + sizeof ", , ..." > left) {
                snprintf(out + n, left, ", ...");
                return;
            }
            n += (size_t)snprintf(out + n, left, "%s%s", n ? ", " : "", choices[i].str);
        }
        if (like == 0)
            return;
    }
}

// "Invalid ENUM value: the value". 1 when the complaint is about something else.
static int complain_of_word(const char *name, const cyaml_schema_value_t *schema, const Complaint *complaint) {
    static const char invalid[] = "Invalid ENUM value: ";
    const cyaml_schema_value_t *value = find_schema(schema, complaint);
    if (strncmp(complaint->text, invalid, strlen(invalid)) != 0 || !value || value->type != CYAML_ENUM)
        return 1;
    char said[WORD_BYTES], choices[CHOICES_BYTES] = "";
    snprintf(said, sizeof said, "%s", complaint->text + strlen(invalid));
    text_cut(said, sizeof said);
    text_make_visible(said);
    list_choices(value, said, choices);
    return error_fail(ERROR_CONFIG, "%s, line %u, %s: \"%s\" is none of %s", name, complaint->line,
                      complaint->fields[0], said, choices);
}

static int complain(const char *name, const char *yaml, size_t n, cyaml_err_t error, const Complaint *complaint) {
    static const char unknown[] = "Unexpected key: ";
    const char *text = complaint->text[0] ? complaint->text : cyaml_strerror(error);
    if (error == CYAML_ERR_OOM)
        return error_fail(ERROR_MEMORY, "%s: no memory to read it", name);
    unsigned tab = strncmp(text, "libyaml:", 8) == 0 ? tab_line(yaml, n) : 0;
    if (tab)
        return error_fail(ERROR_CONFIG, "%s, line %u: indented with a tab; YAML takes spaces only", name, tab);
    if (strncmp(text, unknown, strlen(unknown)) == 0) {
        const char *key = text + strlen(unknown);
        return error_fail(ERROR_CONFIG, "%s, line %u: there is no setting \"%s\" here", name,
                          key_line(yaml, n, complaint->line ? complaint->line : 1, key), key);
    }
    // The last field read says nothing about one that is missing.
    bool missing = error == CYAML_ERR_MAPPING_FIELD_MISSING;
    if (!complaint->line)
        return error_fail(ERROR_CONFIG, "%s: %s", name, text);
    if (missing || !complaint->n_fields)
        return error_fail(ERROR_CONFIG, "%s, %sline %u: %s", name, missing ? "in what ends at " : "", complaint->line,
                          text);
    return error_fail(ERROR_CONFIG, "%s, line %u, %s: %s", name, complaint->line, complaint->fields[0], text);
}

static cyaml_config_t cyaml_settings(Complaint *complaint) {
    return (cyaml_config_t){
        .log_fn = complaint ? note_line : NULL,
        .log_ctx = complaint,
        .mem_fn = cyaml_mem,
        .log_level = CYAML_LOG_WARNING,
        .flags = CYAML_CFG_NO_ALIAS,
    };
}

int config_parse(void **ret, const char *name, const void *yaml, size_t n, const cyaml_schema_value_t *schema) {
    Complaint complaint = {0};
    cyaml_config_t settings = cyaml_settings(&complaint);
    cyaml_data_t *data = NULL;
    *ret = NULL;
    if (n > CONFIG_FILE_BYTES_MAX)
        return error_fail(ERROR_CONFIG, "%s: larger than %d bytes", name, CONFIG_FILE_BYTES_MAX);
    cyaml_err_t error = n ? cyaml_load_data(yaml, n, &settings, schema, &data, NULL) : CYAML_OK;
    if (error != CYAML_OK) {
        int r = complain_of_word(name, schema, &complaint);
        return r < 0 ? r : complain(name, yaml, n, error, &complaint);
    }
    if (!data)
        return error_fail(ERROR_CONFIG, "%s: is empty", name);
    if (complaint.text[0]) { // a warning: something would be ignored
        config_free(data, schema);
        return error_fail(ERROR_CONFIG, "%s: %s", name, complaint.text);
    }
    *ret = data;
    return 0;
}

void config_free(void *data, const cyaml_schema_value_t *schema) {
    cyaml_config_t settings = cyaml_settings(NULL);
    if (data)
        cyaml_free(&settings, schema, data, 0);
}

// Room for what a file holds, or may hold, and one byte more, so that an excess shows. Pipes are read too.
static size_t room_for(FILE *file) {
    struct stat status;
    bool is_said = fstat(fileno(file), &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0;
    return (is_said && status.st_size < CONFIG_FILE_BYTES_MAX ? (size_t)status.st_size : CONFIG_FILE_BYTES_MAX) + 1;
}

static int read_file(const char *path, char **ret, size_t *ret_n) {
    FILE *file = fopen(path, "re");
    if (!file)
        return error_fail(ERROR_CONFIG, "%s: %s", path, strerror(errno));
    size_t room = room_for(file);
    char *text = malloc(room);
    if (!text) {
        fclose(file);
        return error_fail(ERROR_MEMORY, "%s: no memory to read it", path);
    }
    size_t n = fread(text, 1, room, file);
    int failed = ferror(file) ? errno : 0;
    fclose(file);
    bool grew = n == room && n <= CONFIG_FILE_BYTES_MAX;
    if (failed || grew) {
        explicit_bzero(text, n);
        free(text);
        return error_fail(ERROR_CONFIG, "%s: %s", path, grew ? "grew while it was read" : strerror(failed));
    }
    *ret = text;
    *ret_n = n;
    return 0;
}

// Key files pass here: our own copy is wiped. libyaml's are not; who holds keys destroys the structure's.
int config_load(void **ret, const char *path, const cyaml_schema_value_t *schema) {
    char *text = NULL;
    size_t n = 0;
    *ret = NULL;
    int r = read_file(path, &text, &n);
    if (r < 0)
        return r;
    r = config_parse(ret, path, text, n, schema);
    explicit_bzero(text, n);
    free(text);
    return r;
}

int config_write(FILE *out, const void *data, const cyaml_schema_value_t *schema) {
    Complaint complaint = {0};
    cyaml_config_t settings = cyaml_settings(&complaint);
    char *text = NULL;
    size_t n = 0;
    cyaml_err_t error = cyaml_save_data(&text, &n, &settings, schema, data, 0);
    if (error == CYAML_ERR_OOM)
        return error_fail(ERROR_MEMORY, "no memory to write YAML");
    if (error != CYAML_OK)
        return error_fail(ERROR_CONFIG, "this cannot be written as YAML: %s",
                          complaint.text[0] ? complaint.text : cyaml_strerror(error));
    fwrite(text, 1, n, out);
    settings.mem_fn(settings.mem_ctx, text, 0);
    return 0;
}

unsigned config_key_line(const char *path, const char *key) {
    char *text = NULL;
    size_t n = 0, key_n = strlen(key);
    unsigned found = 0, line = 0;
    if (read_file(path, &text, &n) < 0)
        return 0;
    for (const char *at = text, *end = text + n; at < end && !found;) {
        const char *next = memchr(at, '\n', (size_t)(end - at));
        line++;
        if ((size_t)(end - at) > key_n && memcmp(at, key, key_n) == 0 && at[key_n + strspn(at + key_n, " ")] == ':')
            found = line;
        at = next ? next + 1 : end;
    }
    free(text);
    return found;
}

int config_resolve(char **ret, const char *config_path, const char *path) {
    const char *slash = strrchr(config_path, '/');
    int directory = slash && path[0] != '/' ? (int)(slash + 1 - config_path) : 0;
    if (asprintf(ret, "%.*s%s", directory, config_path, path) < 0) {
        *ret = NULL;
        return error_fail(ERROR_MEMORY, "no memory for a path");
    }
    return 0;
}

int config_resolve_own(const char *config_path, char **path) {
    char *resolved;
    int r = *path ? config_resolve(&resolved, config_path, *path) : 0;
    if (r < 0 || !*path)
        return r;
    // cyaml_free() frees it with the rest: cyaml_mem is realloc() and free().
    free(*path);
    *path = resolved;
    return 0;
}
