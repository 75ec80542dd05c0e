// SPDX-License-Identifier: Apache-2.0
//
// `dongbo-agent receive`: a committee's end of the exchange.
#pragma once

#include "agents/health.h"

// Exit code: 0 done; 1 the exchange refuses us (said why); 2 configuration, or what the sink holds is damaged; 3 no
// broker could be reached within --timeout; 4 anything else.
int receive_main(int argc, char **argv);

// The same for a part of a process (run.h): no options, no signals of its own; ends when zsys_interrupted is set.
int receive_run(const char *config_path, const Health *health);
