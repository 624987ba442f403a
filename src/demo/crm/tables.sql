CREATE TABLE country (
  code TEXT PRIMARY KEY,
  name TEXT NOT NULL
);
CREATE TABLE product (
  sku TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  price_cents INTEGER NOT NULL
);
CREATE TABLE customers (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  email TEXT NOT NULL,
  phone TEXT,
  city TEXT,
  country_code TEXT NOT NULL REFERENCES country(code),
  created_at TEXT NOT NULL,
  last_contact_at TEXT NOT NULL,
  referred_by INTEGER REFERENCES customers(id) ON DELETE SET NULL,
  hidden INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE orders (
  id INTEGER PRIMARY KEY,
  customer_id INTEGER NOT NULL REFERENCES customers(id),
  ordered_at TEXT NOT NULL,
  status TEXT NOT NULL DEFAULT 'open'
);
CREATE TABLE order_items (
  order_id INTEGER NOT NULL REFERENCES orders(id) ON DELETE CASCADE,
  line INTEGER NOT NULL,
  sku TEXT NOT NULL REFERENCES product(sku),
  quantity INTEGER NOT NULL CHECK (quantity > 0),
  price_cents INTEGER NOT NULL,
  PRIMARY KEY (order_id, line)
) WITHOUT ROWID;
CREATE TABLE notes (
  id INTEGER PRIMARY KEY,
  customer_id INTEGER NOT NULL REFERENCES customers(id),
  written_at TEXT NOT NULL,
  author TEXT NOT NULL,
  body TEXT NOT NULL,
  mentions INTEGER REFERENCES customers(id) ON DELETE SET NULL
);
