// SPDX-License-Identifier: Apache-2.0
//
// `dongbo reasons`: the published table, as people read it or as JSON.
#include "operators/answer.h"
#include "operators/columns.h"
#include "operators/commands.h"
#include "proto/base/error.h"
#include "proto/reason.h"

#include <jansson.h>
#include <stdio.h>

static int print_json(const ReasonText *table, int n) {
    json_t *list = json_array();
    for (int i = 0; i < n; i++)
        json_array_append_new(list, json_pack("{s:i, s:s, s:s, s:s}", "code", table[i].code, "name", table[i].name,
                                              "vi", table[i].vi, "en", table[i].en));
    return answer_print(list, 0);
}

static int print_table(const ReasonText *table, int n) {
    CLEANUP(columns_destroy) Columns *columns = NULL;
    int r = columns_new(&columns, 3);
    if (r < 0)
        return r;
    for (int i = 0; i < n; i++) {
        char code[12];
        snprintf(code, sizeof code, "%d", table[i].code);
        columns_add(columns, (const char *[]){code, table[i].name, table[i].en});
        columns_add(columns, (const char *[]){"", "", table[i].vi});
    }
    return columns_print(columns, stdout);
}

int reasons_print(Desk *desk, int argc, char **argv) {
    bool json = false;
    int operand = 0, n = 0;
    const Option options[] = {{"json", 0, OPTION_FLAG, NULL, "one JSON array", &json}, {0}};
    int r = desk_parse(desk, options, argc, argv, &operand);
    if (r != 0)
        return r < 0 ? r : 0;
    const ReasonText *table = reason_table(&n);
    return json ? print_json(table, n) : print_table(table, n);
}
