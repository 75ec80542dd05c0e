// SPDX-License-Identifier: Apache-2.0
//
// One row for each state that somebody can end. The first that fits holds.
#include "proto/base/pg-advice.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

typedef struct Advice {
    const char *state; // the SQLSTATE begins with it
    const char *text;
} Advice;

static const Advice ADVICE[] = {
    {"08", "see whether PostgreSQL runs and has sessions left (max_connections), and what its own log says"},
    {"25006", "this server only reads: promote it, or name the one that writes in the connection string too, with "
              "target_session_attrs=read-write"},
    {"53100", "make room on the database's disk; nothing is lost, and it goes on by itself"},
    {"53200", "give the database's machine more memory, or its sessions less (work_mem)"},
    {"53300", "raise max_connections, or end sessions that nobody needs (pg_stat_activity)"},
    {"53", "see PostgreSQL's own log for what it is short of"},
    {"55P03", "see who holds the lock (pg_locks)"},
    {"57P", "see PostgreSQL's own log if it does not come back"},
    {"58", "see PostgreSQL's own log, and the database's disk"},
    {"XX", "see PostgreSQL's own log: its files may be damaged"},
};

const char *pg_advice(const char *sqlstate, const char *message) {
    if (strstr(message, strerror(EMFILE)) != NULL)
        return "this program has no file descriptors left: raise its limit (LimitNOFILE of its unit)";
    // libpq's own words where it checks them; it has no code for that.
    if (strncmp(sqlstate, "08", 2) == 0 && strstr(message, "certificate") != NULL)
        return "this may not be the server that is meant: host is the name in its certificate, and sslrootcert the file "
               "of the authority that made it";
    for (size_t i = 0; i < sizeof ADVICE / sizeof *ADVICE; i++) {
        if (strncmp(sqlstate, ADVICE[i].state, strlen(ADVICE[i].state)) == 0)
            return ADVICE[i].text;
    }
    return NULL;
}
