CREATE INDEX customers_country ON customers(country_code);
CREATE INDEX customers_referred_by ON customers(referred_by);
CREATE INDEX orders_customer ON orders(customer_id);
CREATE INDEX order_items_sku ON order_items(sku);
CREATE INDEX notes_customer ON notes(customer_id);
CREATE INDEX notes_mentions ON notes(mentions);
CREATE VIEW turnover AS
  SELECT orders.customer_id AS customer_id,
         count(DISTINCT orders.id) AS orders,
         sum(order_items.quantity * order_items.price_cents) AS cents
    FROM orders JOIN order_items ON order_items.order_id = orders.id
   WHERE orders.status <> 'void'
   GROUP BY orders.customer_id;
CREATE TRIGGER an_order_is_a_contact AFTER INSERT ON orders
BEGIN
  UPDATE customers SET last_contact_at = new.ordered_at
   WHERE id = new.customer_id AND last_contact_at < new.ordered_at;
END;
