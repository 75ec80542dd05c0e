-- SPDX-License-Identifier: Apache-2.0
-- exchange.person_alias of kind 'insurance': whose a social insurance number is, as events said that came under the
-- person's own citizen number and agreed in everything else. Looked up by number; for an operator by person.

CREATE INDEX person_alias_person ON exchange.person_alias (person);
