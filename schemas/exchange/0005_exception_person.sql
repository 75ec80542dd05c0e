-- SPDX-License-Identifier: Apache-2.0
-- What is in question about a person is looked for by number, by who is probably meant, and by the person whom it was
-- compared with; without this the last of the three reads every exception there ever was.
CREATE INDEX exception_person ON exchange.exception (person) WHERE person IS NOT NULL;
