-- SPDX-License-Identifier: Apache-2.0
-- A feed whose session is over may still send for a while what it had read. So its row stays until that while is over:
-- any feed that finds it says since when it is known to be without one.
ALTER TABLE exchange.feeding ADD gone_at timestamptz;
