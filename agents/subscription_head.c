// SPDX-License-Identifier: Apache-2.0
//
// The newest signed head beside the sink's place. Not with each commit: what a crash loses of it is the exchange's last
// seconds.
#include "agents/subscription_state.h"
#include "proto/base/error.h"

#define KEEP_MS 10000 // so often, at most

int subscription_head_keep(Subscription *s, bool now) {
    const SinkKind *kind = s->options.sink->kind;
    int64_t now_ms = clock_monotonic_ms(s->options.clock);
    CLEANUP(bytes_free) Bytes line = {0};
    if (!s->heads || !kind->keep_head || !head_watch_is_fresh(s->heads) || s->stored.position == 0 || s->pending ||
        s->phase != PHASE_FEED || (!now && s->head_kept_ms != 0 && now_ms - s->head_kept_ms < KEEP_MS))
        return 0;
    head_watch_line(s->heads, &line);
    s->head_kept_ms = now_ms;
    if (line.failed)
        return error_fail(ERROR_MEMORY, "no memory for a signed head");
    return kind->keep_head(s->options.sink, (const char *)line.data, line.n);
}

int subscription_head_resume(Subscription *s) {
    const SinkKind *kind = s->options.sink->kind;
    CLEANUP(bytes_free) Bytes line = {0};
    if (!s->heads || !kind->kept_head || s->head_known)
        return 0;
    int r = kind->kept_head(s->options.sink, &line);
    if (r == 0)
        head_watch_resume(s->heads, (const char *)line.data, line.n);
    s->head_known = r >= 0;
    return r < 0 ? r : 0;
}
