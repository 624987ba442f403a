//! What a cell of a database row holds, exactly as the engine stores it.

use std::fmt;

/// One value of a row, owned. Text is bytes, because SQLite does not promise that it is UTF-8.
///
/// Equality is by storage class and bits: `-0.0` differs from `0.0`, and `1` from `1.0`.
#[derive(Clone)]
pub enum Value {
    /// NULL.
    Null,
    /// A 64-bit signed integer.
    Int(i64),
    /// An IEEE 754 double.
    Real(f64),
    /// Text, in UTF-8 unless the database holds something else.
    Text(Vec<u8>),
    /// Bytes.
    Blob(Vec<u8>),
}

impl Value {
    /// The same value, borrowed.
    pub fn as_ref(&self) -> ValueRef<'_> {
        match self {
            Self::Null => ValueRef::Null,
            Self::Int(i) => ValueRef::Int(*i),
            Self::Real(r) => ValueRef::Real(*r),
            Self::Text(t) => ValueRef::Text(t),
            Self::Blob(b) => ValueRef::Blob(b),
        }
    }
}

/// Whole numbers below this one, 2⁵³, have a double of their own.
const EXACT: i64 = 1 << 53;

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.as_ref() == other.as_ref()
    }
}
impl Eq for Value {}

impl std::hash::Hash for Value {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        std::mem::discriminant(self).hash(state);
        match self {
            Self::Null => {}
            Self::Int(i) => i.hash(state),
            Self::Real(r) => r.to_bits().hash(state),
            Self::Text(b) | Self::Blob(b) => b.hash(state),
        }
    }
}

/// Shows the storage class alone: values belong to customers and must not reach a log.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "Null",
            Self::Int(_) => "Int(…)",
            Self::Real(_) => "Real(…)",
            Self::Text(_) => "Text(…)",
            Self::Blob(_) => "Blob(…)",
        })
    }
}

/// One value of a row, borrowed; see [`Value`].
#[derive(Clone, Copy)]
pub enum ValueRef<'a> {
    /// NULL.
    Null,
    /// A 64-bit signed integer.
    Int(i64),
    /// An IEEE 754 double.
    Real(f64),
    /// Text, in UTF-8 unless the database holds something else.
    Text(&'a [u8]),
    /// Bytes.
    Blob(&'a [u8]),
}

impl ValueRef<'_> {
    /// What else may stand for this value as a key in another database, whose column is of another type: a whole
    /// number as text or as a double, and the other way round. What is likelier comes first.
    pub fn other_forms(self) -> Vec<Value> {
        let text = |number: i64| Value::Text(number.to_string().into_bytes());
        let exact = |number: &i64| (-EXACT < *number) && (*number < EXACT);
        let real = |number: i64| exact(&number).then_some(Value::Real(number as f64));
        match self {
            Self::Int(i) => [text(i)].into_iter().chain(real(i)).collect(),
            Self::Real(r) => {
                let number = Some(r as i64).filter(|_| r.fract() == 0.0).filter(exact);
                let forms = number.map(|number| [Value::Int(number), text(number)]);
                forms.into_iter().flatten().collect()
            }
            Self::Text(t) => {
                let number = std::str::from_utf8(t).ok().and_then(|t| t.parse().ok());
                // 007 may be anything, but is not how anybody writes 7.
                let number = number.filter(|number: &i64| number.to_string().as_bytes() == t);
                let forms =
                    number.map(|number| [Value::Int(number)].into_iter().chain(real(number)));
                forms.into_iter().flatten().collect()
            }
            Self::Null | Self::Blob(_) => Vec::new(),
        }
    }

    /// An owned copy.
    pub fn to_value(self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Int(i) => Value::Int(i),
            Self::Real(r) => Value::Real(r),
            Self::Text(t) => Value::Text(t.to_vec()),
            Self::Blob(b) => Value::Blob(b.to_vec()),
        }
    }
}

impl PartialEq for ValueRef<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Int(a), Self::Int(b)) => a == b,
            (Self::Real(a), Self::Real(b)) => a.to_bits() == b.to_bits(),
            (Self::Text(a), Self::Text(b)) | (Self::Blob(a), Self::Blob(b)) => a == b,
            _ => false,
        }
    }
}
impl Eq for ValueRef<'_> {}

impl fmt::Debug for ValueRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_value().fmt(f)
    }
}

/// A customer's key in the register: one value per key column, in the configured order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CustomerKey(pub Vec<Value>);

impl CustomerKey {
    /// The key as people type it: integers in decimal, text as it is, bytes as `x'…'`, the columns
    /// of a composite key joined by commas. It is the `id` of the command line's output.
    pub fn text(&self) -> String {
        let column = |value: &Value| match value {
            Value::Null => "NULL".to_owned(),
            Value::Int(i) => i.to_string(),
            Value::Real(r) => format!("{r:?}"),
            Value::Text(t) => String::from_utf8_lossy(t).into_owned(),
            Value::Blob(b) => format!("x'{}'", crate::ids::hex(b)),
        };
        self.0.iter().map(column).collect::<Vec<_>>().join(",")
    }
}
