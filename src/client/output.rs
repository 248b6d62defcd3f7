//! The form that the answer's text shall have: chat completions' `response_format`, responses'
//! `text.format`. The first has the schema in its member `json_schema`, the second beside its `type`.

use serde_json::value::RawValue;

use super::read::{Path, Reader, required, set, wrong_value};
use crate::codec::json::Text;
use crate::fault::Fault;
use crate::turn::{Escaped, Output, Schema};

/// Where a schema and its name stand.
#[derive(Clone, Copy)]
pub(super) enum SchemaPlace {
    /// In the member `json_schema`.
    Member,
    /// Beside `type`.
    Beside,
}

/// Reads the form.
pub(super) fn read_output<'a>(
    reader: &mut Reader<'a>,
    at: &Path<'_>,
    place: SchemaPlace,
) -> Result<Output<'a>, Fault> {
    let mut kind = None;
    let mut schema = None;
    let mut beside = Draft::default();
    reader.object(at, |reader, key| match (key, place) {
        ("type", _) => {
            let at = at.field("type");
            set(&mut kind, reader.text(&at)?, &at)
        }
        ("json_schema", SchemaPlace::Member) => {
            let at = at.field("json_schema");
            let mut inside = Draft::default();
            reader.object(&at, |reader, key| inside.member(reader, key, &at))?;
            set(&mut schema, inside.finish(&at)?, &at)
        }
        (_, SchemaPlace::Member) => reader.skip().map(drop),
        (key, SchemaPlace::Beside) => beside.member(reader, key, at),
    })?;
    let kind_at = at.field("type");
    match (&*required(kind, &kind_at)?, place) {
        ("text", _) => Ok(Output::Text),
        ("json_object", _) => Ok(Output::JsonObject),
        ("json_schema", SchemaPlace::Member) => {
            Ok(Output::Schema(required(schema, &at.field("json_schema"))?))
        }
        ("json_schema", SchemaPlace::Beside) => Ok(Output::Schema(beside.finish(at)?)),
        _ => Err(wrong_value(
            &kind_at,
            "must be text, json_object or json_schema",
        )),
    }
}

/// A schema's members, as far as they have come.
#[derive(Default)]
struct Draft<'a> {
    name: Option<Text<'a>>,
    description: Option<Escaped<'a>>,
    schema: Option<&'a RawValue>,
    strict: Option<bool>,
}

impl<'a> Draft<'a> {
    fn member(&mut self, reader: &mut Reader<'a>, key: &str, at: &Path<'_>) -> Result<(), Fault> {
        match key {
            "name" => {
                let at = at.field("name");
                set(&mut self.name, reader.name(&at)?, &at)
            }
            "description" => {
                let at = at.field("description");
                set(&mut self.description, reader.escaped(&at)?, &at)
            }
            "schema" => {
                let at = at.field("schema");
                set(&mut self.schema, reader.raw_object(&at)?, &at)
            }
            "strict" => {
                let at = at.field("strict");
                set(&mut self.strict, reader.boolean(&at)?, &at)
            }
            _ => reader.skip().map(drop),
        }
    }

    fn finish(self, at: &Path<'_>) -> Result<Schema<'a>, Fault> {
        Ok(Schema {
            name: required(self.name, &at.field("name"))?,
            description: self.description,
            schema: required(self.schema, &at.field("schema"))?,
            strict: self.strict,
        })
    }
}
