-- SPDX-License-Identifier: Apache-2.0
-- Who else has a contract under a customer code: the one question that is asked of records by their key alone, in the
-- one domain (electricity) whose rules ask it (broker/neighbourhood.h).
CREATE INDEX record_holder ON exchange.record_version (record_key, person, position) WHERE domain = 7;
