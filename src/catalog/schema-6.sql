-- Customers who have several domains: two recoveries apart from each other have numbered them twice.
-- inc, arrival: one of them; of_*: the one that stands in customer.
CREATE TABLE double (
    inc BLOB NOT NULL, arrival INTEGER NOT NULL,
    of_inc BLOB NOT NULL, of_arrival INTEGER NOT NULL,
    PRIMARY KEY (inc, arrival)
) WITHOUT ROWID;
