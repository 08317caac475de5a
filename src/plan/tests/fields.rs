//! The fields of a Kubernetes type and of all that it holds, found by deserialising it from a format that has every field.

use serde::de::value::{Error, StrDeserializer};
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor,
};
use serde::forward_to_deserialize_any;
use std::cell::RefCell;

/// A time, since some fields are; any other text may be one.
const TEXT: &str = "1970-01-01T00:00:00Z";

/// A field that is a text.
pub struct Field {
    /// `volumes[].secret.secretName`
    pub path: String,
    /// The type that has it: `SecretVolumeSource`.
    pub holder: &'static str,
    pub field: &'static str,
}

/// All fields of `T` that are texts.
pub fn fields<T: DeserializeOwned>() -> Vec<Field> {
    let found = RefCell::default();
    let root = Place { found: &found, path: String::new(), holder: "", field: "" };
    T::deserialize(root).map(drop).expect("a type of plain fields, lists and maps");
    found.into_inner()
}

#[derive(Clone)]
struct Place<'a> {
    found: &'a RefCell<Vec<Field>>,
    path: String,
    holder: &'static str,
    field: &'static str,
}

impl<'de> Deserializer<'de> for Place<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_i32(0)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_bool(false)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let Place { found, path, holder, field } = self;
        found.borrow_mut().push(Field { path, holder, field });
        visitor.visit_str(TEXT)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let path = format!("{}[]", self.path);
        visitor.visit_seq(One(Some(Place { path, ..self })))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_map(Each { place: self, left: &[], current: "" })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_map(Each { place: Place { holder: name, ..self }, left: fields, current: "" })
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct enum
        identifier ignored_any
    }
}

/// A list of one.
struct One<'a>(Option<Place<'a>>);

impl<'de> SeqAccess<'de> for One<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        self.0.take().map(|place| seed.deserialize(place)).transpose()
    }
}

/// Every field of a type.
struct Each<'a> {
    place: Place<'a>,
    left: &'static [&'static str],
    current: &'static str,
}

impl<'de> MapAccess<'de> for Each<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Some((first, left)) = self.left.split_first() else { return Ok(None) };
        (self.current, self.left) = (first, left);
        let key: StrDeserializer<'_, Error> = first.into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let Place { path, holder, .. } = &self.place;
        let path = if path.is_empty() { self.current.to_owned() } else { format!("{path}.{}", self.current) };
        seed.deserialize(Place { found: self.place.found, path, holder, field: self.current })
    }
}
