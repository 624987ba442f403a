//! What long work says while it runs. The library reports; whoever drives it displays.

/// One reader of the event stream: a terminal, the journal, a test. All methods may be called from
/// any thread.
pub trait Report: Send + Sync {
    /// A stretch of work begins: what it is called, and how much there is to do, if that is known.
    fn begin(&self, what: &str, total: Option<u64>, unit: Unit);
    /// So much of it was done since the last call.
    fn advance(&self, by: u64);
    /// It is over.
    fn end(&self);
    /// Nothing is locked at this moment: what is more urgent may go first, and is done when this
    /// returns.
    fn breathe(&self) {}
    /// Something that a person should know now. Never names a customer.
    fn note(&self, text: &str);
}

/// What the numbers of a [`Report`] count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Rows, objects, steps.
    Items,
}

/// Says nothing to nobody.
pub struct Silent;

impl Report for Silent {
    fn begin(&self, _: &str, _: Option<u64>, _: Unit) {}
    fn advance(&self, _: u64) {}
    fn end(&self) {}
    fn note(&self, _: &str) {}
}
