// SPDX-License-Identifier: Apache-2.0
//
// `dongbo-agent status`: what stands in a publishing agent's spool, while it runs or not.
#pragma once

int status_main(int argc, char **argv);
