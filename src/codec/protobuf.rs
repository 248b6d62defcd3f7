//! Protocol buffers on the wire: the fields of a message one after the other, and messages written by hand.
//!
//! A field is its number and one of four shapes; what they mean, the message's reader knows. Groups, which
//! nobody writes any more, are no message.

/// A field's number and value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Field<'b> {
    /// A whole number, a truth value or a name of an enumeration.
    Varint(u64, u64),
    /// A number with a point.
    Double(u64, f64),
    /// Four bytes.
    Word(u64, [u8; 4]),
    /// Text, bytes, or a message.
    Bytes(u64, &'b [u8]),
}

/// The fields of a message; `None` inside where the bytes are no message.
#[derive(Debug)]
pub struct Fields<'b>(pub &'b [u8]);

impl<'b> Iterator for Fields<'b> {
    type Item = Option<Field<'b>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.0 = &[];
        }
        Some(field)
    }
}

impl<'b> Fields<'b> {
    fn field(&mut self) -> Option<Field<'b>> {
        let tag = self.varint()?;
        let number = tag >> 3;
        match tag & 7 {
            0 => Some(Field::Varint(number, self.varint()?)),
            1 => {
                let (bytes, rest) = self.0.split_first_chunk::<8>()?;
                self.0 = rest;
                Some(Field::Double(number, f64::from_le_bytes(*bytes)))
            }
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                let (bytes, rest) = self.0.split_at_checked(length)?;
                self.0 = rest;
                Some(Field::Bytes(number, bytes))
            }
            5 => {
                let (bytes, rest) = self.0.split_first_chunk::<4>()?;
                self.0 = rest;
                Some(Field::Word(number, *bytes))
            }
            _ => None,
        }
    }

    fn varint(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f).checked_shl(shift)?;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }
}

/// Writes a field that is a whole number.
pub fn write_number(out: &mut Vec<u8>, field: u64, number: u64) {
    write_varint(out, field.wrapping_shl(3));
    write_varint(out, number);
}

/// Writes a field that is text, bytes or a message.
pub fn write_bytes(out: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    write_varint(out, field.wrapping_shl(3) | 2);
    write_varint(out, u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    out.extend_from_slice(bytes);
}

fn write_varint(out: &mut Vec<u8>, mut number: u64) {
    loop {
        let byte = u8::try_from(number & 0x7f).unwrap_or(0);
        number >>= 7;
        if number == 0 {
            out.push(byte);
            return;
        }
        out.push(byte | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(message: &[u8], want: &[Option<Field<'_>>]) {
        assert_eq!(Fields(message).collect::<Vec<_>>(), want);
    }

    #[test]
    fn what_is_written_is_read() {
        for number in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let mut out = Vec::new();
            write_number(&mut out, 15, number);
            write_bytes(&mut out, 16, &[7; 200]);
            let want = [Field::Varint(15, number), Field::Bytes(16, &[7; 200])];
            check(&out, &want.map(Some));
        }
    }

    #[test]
    fn four_and_eight_bytes_are_fields() {
        check(
            &[5 << 3 | 5, 1, 2, 3, 4],
            &[Some(Field::Word(5, [1, 2, 3, 4]))],
        );
        let double = [&[2 << 3 | 1][..], &1.5_f64.to_le_bytes()].concat();
        check(&double, &[Some(Field::Double(2, 1.5))]);
    }

    #[test]
    fn a_group_is_no_message_and_ends_the_fields() {
        check(&[8, 1, 11, 8, 1, 12], &[Some(Field::Varint(1, 1)), None]);
    }

    #[test]
    fn a_number_that_never_ends_is_none() {
        check(&[0xff; 12], &[None]);
    }
}
