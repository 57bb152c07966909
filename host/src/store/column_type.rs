//! The Rust types that columns of an outcome have, and how a value of each is sent and read.

use std::borrow::Cow;

use jiff::Timestamp;
use serde_json::Value;
use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{FromSql, FromSqlOwned, IsNull, ToSql, Type, accepts, to_sql_checked};
use uuid::Uuid;

use crate::extraction::OutcomeStatus;
use crate::json_text::{JsonStr, JsonText};

type BoxError = Box<dyn std::error::Error + Sync + Send>;

/// A type of columns. `Option` of a type is the column that can be null.
pub trait ColumnType: Sized + 'static {
    /// The type in PostgreSQL.
    const SQL_TYPE: Type;

    /// Whether null is a value.
    const NULLABLE: bool = false;

    /// The type that a row is read as.
    type Read: FromSqlOwned;

    /// The value, borrowed from a row.
    type Ref<'r>: FromSql<'r>;

    /// Converts a value that was read.
    fn from_read(read: Self::Read) -> Self;

    /// Returns the borrowed value.
    fn borrowed(&self) -> Self::Ref<'_>;

    /// Returns the value as JSON, in which two values are compared.
    fn to_json(&self) -> Value;

    /// Returns how many bytes a text of any length has.
    fn text_bytes(_: &Self::Ref<'_>) -> usize {
        0
    }

    /// Returns the same as an expression of SQL; `None` for a type whose values are short.
    fn text_bytes_sql(_column: &str) -> Option<String> {
        None
    }
}

impl<T: ColumnType> ColumnType for Option<T> {
    const SQL_TYPE: Type = T::SQL_TYPE;
    const NULLABLE: bool = true;
    type Read = Option<T::Read>;
    type Ref<'r> = Option<T::Ref<'r>>;

    fn from_read(read: Self::Read) -> Self {
        read.map(T::from_read)
    }

    fn borrowed(&self) -> Self::Ref<'_> {
        self.as_ref().map(T::borrowed)
    }

    fn to_json(&self) -> Value {
        self.as_ref().map_or(Value::Null, T::to_json)
    }

    fn text_bytes(value: &Self::Ref<'_>) -> usize {
        value.as_ref().map_or(0, T::text_bytes)
    }

    fn text_bytes_sql(column: &str) -> Option<String> {
        T::text_bytes_sql(column).map(|bytes| format!("coalesce({bytes}, 0)"))
    }
}

/// Types whose values are copied.
macro_rules! copied {
    ($($type:ty: $sql_type:ident, |$value:ident| $json:expr;)*) => {$(
        impl ColumnType for $type {
            const SQL_TYPE: Type = Type::$sql_type;
            type Read = $type;
            type Ref<'r> = $type;

            fn from_read(read: Self::Read) -> Self {
                read
            }

            fn borrowed(&self) -> Self::Ref<'_> {
                *self
            }

            fn to_json(&self) -> Value {
                let $value = *self;
                Value::from($json)
            }
        }
    )*};
}
copied! {
    i32: INT4, |number| number;
    i64: INT8, |number| number;
    f64: FLOAT8, |number| number;
    Uuid: UUID, |id| id.to_string();
    Timestamp: TIMESTAMPTZ, |time| in_microseconds(time).to_string();
}

/// A time as the table holds it: to the nearest microsecond.
fn in_microseconds(time: Timestamp) -> Timestamp {
    time.round(jiff::Unit::Microsecond).unwrap_or(time)
}

impl ColumnType for String {
    const SQL_TYPE: Type = Type::TEXT;
    type Read = String;
    type Ref<'r> = &'r str;

    fn from_read(read: Self::Read) -> Self {
        read
    }

    fn borrowed(&self) -> Self::Ref<'_> {
        self
    }

    fn to_json(&self) -> Value {
        Value::from(self.as_str())
    }

    fn text_bytes(value: &Self::Ref<'_>) -> usize {
        value.len()
    }

    fn text_bytes_sql(column: &str) -> Option<String> {
        Some(format!("pg_catalog.octet_length({column})"))
    }
}

impl ColumnType for OutcomeStatus {
    const SQL_TYPE: Type = Type::TEXT;
    type Read = String;
    type Ref<'r> = &'r str;

    fn from_read(read: Self::Read) -> Self {
        OutcomeStatus::from_database(&read)
    }

    fn borrowed(&self) -> Self::Ref<'_> {
        self.as_str()
    }

    fn to_json(&self) -> Value {
        Value::from(self.as_str())
    }
}

impl ToSql for OutcomeStatus {
    fn to_sql(&self, sql_type: &Type, out: &mut BytesMut) -> Result<IsNull, BoxError> {
        self.as_str().to_sql(sql_type, out)
    }

    accepts!(TEXT);

    to_sql_checked!();
}

/// A name of the contract, such as a category; static if it was extracted.
impl ColumnType for Cow<'static, str> {
    const SQL_TYPE: Type = Type::TEXT;
    type Read = String;
    type Ref<'r> = &'r str;

    fn from_read(read: Self::Read) -> Self {
        Cow::Owned(read)
    }

    fn borrowed(&self) -> Self::Ref<'_> {
        self
    }

    fn to_json(&self) -> Value {
        Value::from(self.as_ref())
    }
}

impl ColumnType for JsonText {
    const SQL_TYPE: Type = Type::JSONB;
    type Read = JsonText;
    type Ref<'r> = JsonStr<'r>;

    fn from_read(read: Self::Read) -> Self {
        read
    }

    fn borrowed(&self) -> Self::Ref<'_> {
        JsonStr::new(self.as_str())
    }

    fn to_json(&self) -> Value {
        self.read().unwrap_or_default()
    }

    fn text_bytes(value: &Self::Ref<'_>) -> usize {
        value.as_str().len()
    }

    fn text_bytes_sql(column: &str) -> Option<String> {
        Some(format!("pg_catalog.octet_length({column}::text)"))
    }
}
