// SPDX-License-Identifier: Apache-2.0
//
// See place.h. Reads the file again with libyaml, which libcyaml stands on: only done when there is an error to tell.
#include "agents/place.h"

#include <stdio.h>
#include <string.h>
#include <yaml.h>

// The value of a mapping's key; *ret_line gets the key's line.
static yaml_node_t *mapping_get(yaml_document_t *document, yaml_node_t *mapping, const char *key, int *ret_line) {
    if (mapping == NULL || mapping->type != YAML_MAPPING_NODE)
        return NULL;
    for (yaml_node_pair_t *pair = mapping->data.mapping.pairs.start; pair < mapping->data.mapping.pairs.top; pair++) {
        yaml_node_t *name = yaml_document_get_node(document, pair->key);
        if (name == NULL || name->type != YAML_SCALAR_NODE || strcmp((char *)name->data.scalar.value, key) != 0)
            continue;
        *ret_line = (int)name->start_mark.line + 1;
        return yaml_document_get_node(document, pair->value);
    }
    return NULL;
}

static int document_line(yaml_document_t *document, const char *list, int index, const char *key) {
    int line = 0;
    yaml_node_t *node = mapping_get(document, yaml_document_get_root_node(document), list, &line);
    if (index < 0 || node == NULL || node->type != YAML_SEQUENCE_NODE)
        return line;
    yaml_node_item_t *item = node->data.sequence.items.start + index;
    if (item >= node->data.sequence.items.top)
        return line;
    node = yaml_document_get_node(document, *item);
    if (node != NULL)
        line = (int)node->start_mark.line + 1;
    if (key != NULL)
        (void)mapping_get(document, node, key, &line);
    return line;
}

int place_line(const char *path, const char *list, int index, const char *key) {
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return 0;
    yaml_parser_t parser;
    yaml_document_t document;
    int line = 0;
    if (yaml_parser_initialize(&parser)) {
        yaml_parser_set_input_file(&parser, file);
        if (yaml_parser_load(&parser, &document)) {
            line = document_line(&document, list, index, key);
            yaml_document_delete(&document);
        }
        yaml_parser_delete(&parser);
    }
    fclose(file);
    return line;
}
