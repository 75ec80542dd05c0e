-- SPDX-License-Identifier: Apache-2.0
-- Erasures that are not done are few among very many that are.
CREATE INDEX erasure_refused ON exchange.erasure (position) WHERE refused IS NOT NULL;
