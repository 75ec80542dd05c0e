// SPDX-License-Identifier: Apache-2.0
//
// `dongbo-agent publish`: reads an agency's sources, seals what is there into the spool, delivers it, hands back what
// was refused. One thread; it waits on sockets, folders and databases together and never sleeps.
#pragma once

#include "agents/health.h"

// Exit codes with --once: 0 everything was taken (deferred events are not refusals); 1 something was refused, and is
// listed; 2 configuration; 3 the exchange could not be reached within --timeout; 4 this machine failed.
int publish_main(int argc, char **argv);

// The same for a part of a process (run.h): no options, no signals of its own; ends after publish_stop(), which is for
// all of them.
int publish_run(const char *config_path, const Health *health);
void publish_stop(void);
