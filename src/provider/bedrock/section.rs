//! A member of the body that is an object, and that is there only if something is in it.

use crate::codec::json::write_string;

/// Such a member being written.
pub(super) struct Section<'o> {
    out: &'o mut Vec<u8>,
    name: &'static str,
    is_open: bool,
}

impl<'o> Section<'o> {
    pub(super) fn new(out: &'o mut Vec<u8>, name: &'static str) -> Self {
        Self {
            out,
            name,
            is_open: false,
        }
    }

    /// Begins a member; the caller writes its value.
    pub(super) fn member(&mut self, name: &str) -> &mut Vec<u8> {
        self.out.push(b',');
        if !self.is_open {
            self.is_open = true;
            write_string(self.out, self.name);
            self.out.extend_from_slice(b":{");
        }
        write_string(self.out, name);
        self.out.push(b':');
        self.out
    }

    pub(super) fn close(self) {
        if self.is_open {
            self.out.push(b'}');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(members: &[&str], want: &str) {
        let mut out = Vec::new();
        let mut section = Section::new(&mut out, "a");
        for name in members {
            section.member(name).push(b'1');
        }
        section.close();
        assert_eq!(str::from_utf8(&out).unwrap(), want);
    }

    #[test]
    fn a_section_opens_with_its_first_member() {
        check(&["b", "c"], r#","a":{"b":1,"c":1}"#);
    }

    #[test]
    fn an_empty_section_is_not_there() {
        check(&[], "");
    }
}
