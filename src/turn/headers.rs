//! Headers as bytes: an application may send what is no UTF-8. Names that the gateway itself writes are
//! borrowed: most of a call's headers are its own.

use std::borrow::Cow;

/// An ordered list of headers; names are lower case, as every HTTP filter sees them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(Cow<'static, str>, Vec<u8>)>);

impl Headers {
    /// No headers yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// The first value of `name`.
    #[must_use]
    pub fn bytes(&self, name: &str) -> Option<&[u8]> {
        self.iter()
            .find_map(|(key, value)| (key == name).then_some(value))
    }

    /// The first value of `name`, if it is UTF-8.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        str::from_utf8(self.bytes(name)?).ok()
    }

    /// The status of an answer's head; 0 where there is none.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.text(":status")
            .and_then(|status| status.parse().ok())
            .unwrap_or(0)
    }

    /// Whether the media type is `essence`, whatever its parameters.
    #[must_use]
    pub fn has_content_type(&self, essence: &str) -> bool {
        self.text("content-type").is_some_and(|value| {
            let media_type = value.split(';').next().unwrap_or_default();
            media_type.trim().eq_ignore_ascii_case(essence)
        })
    }

    /// Whether the body cannot be read as it is.
    #[must_use]
    pub fn is_compressed(&self) -> bool {
        self.text("content-encoding")
            .is_some_and(|encoding| !encoding.eq_ignore_ascii_case("identity"))
    }

    /// Appends a header, keeping others of the same name.
    pub fn push(&mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Vec<u8>>) {
        self.0.push((name.into(), value.into()));
    }

    /// Sets a header to one value, where its first one stood or else at the end.
    pub fn set(&mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Vec<u8>>) {
        let name = name.into();
        let mut value = Some(value.into());
        self.0.retain_mut(|(key, old)| {
            if *key != name {
                return true;
            }
            value.take().map(|new| *old = new).is_some()
        });
        if let Some(value) = value {
            self.push(name, value);
        }
    }

    /// Appends all headers of `others`, keeping those of the same names.
    pub fn append(&mut self, mut others: Self) {
        self.0.append(&mut others.0);
    }

    /// Removes every value of `name`.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(key, _)| key != name);
    }

    /// Keeps the headers whose name `keep` accepts.
    pub fn retain(&mut self, mut keep: impl FnMut(&str) -> bool) {
        self.0.retain(|(key, _)| keep(key));
    }

    /// All headers in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_ref(), value.as_slice()))
    }
}

impl FromIterator<(String, Vec<u8>)> for Headers {
    fn from_iter<I: IntoIterator<Item = (String, Vec<u8>)>>(pairs: I) -> Self {
        let borrowable = |(name, value): (String, _)| (Cow::Owned(name), value);
        Self(pairs.into_iter().map(borrowable).collect())
    }
}
