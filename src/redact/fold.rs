//! Text as a reader sees it: full-width and other digits as ASCII, look-alikes as the Latin letters they pass for,
//! invisible characters gone. Each folded byte knows where it came from.
//!
//! Folding looks at one character at a time, so it does not depend on where the text was cut.

use core::fmt;

/// Folded text. It is reused, and stays empty for text that folds to itself.
#[derive(Default)]
pub struct Folded {
    bytes: Vec<u8>,
    /// Where folded bytes stop following the text byte by byte.
    turns: Vec<Turn>,
    is_same: bool,
    #[cfg(test)]
    pub(super) steps: core::cell::Cell<u64>,
}

/// From this folded byte on, up to the next turn, the text goes on from this place.
#[derive(Debug, Clone, Copy, Default)]
struct Turn {
    folded: usize,
    text: usize,
}

impl fmt::Debug for Folded {
    /// Without the text.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Folded(..)")
    }
}

impl Folded {
    /// Room without text.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            bytes: Vec::new(),
            turns: Vec::new(),
            is_same: true,
            #[cfg(test)]
            steps: core::cell::Cell::new(0),
        }
    }

    /// Folds a text, forgetting the one before.
    pub(super) fn fold(&mut self, text: &str) {
        self.fold_from(text, 0);
    }

    /// The same where so many bytes at the beginning are known to stay as they are.
    pub(super) fn fold_from(&mut self, text: &str, known: usize) {
        self.bytes.clear();
        self.turns.clear();
        let mut copied = 0;
        let mut at = known;
        loop {
            let rest = text.get(at..).unwrap_or_default();
            at = at.wrapping_add(ascii_length(rest.as_bytes()));
            let Some(letter) = text.get(at..).and_then(|rest| rest.chars().next()) else {
                break;
            };
            let fold = folded(letter);
            let behind = at.wrapping_add(letter.len_utf8());
            if fold != Fold::Same {
                let verbatim = text.as_bytes().get(copied..at);
                self.bytes.extend_from_slice(verbatim.unwrap_or_default());
                if let Fold::To(byte) = fold {
                    self.bytes.push(byte);
                }
                self.turn(behind);
                copied = behind;
            }
            at = behind;
        }
        self.is_same = copied == 0;
        if !self.is_same {
            let verbatim = text.as_bytes().get(copied..);
            self.bytes.extend_from_slice(verbatim.unwrap_or_default());
        }
    }

    /// Whether the text that was folded stayed as it is.
    pub(super) const fn is_same(&self) -> bool {
        self.is_same
    }

    /// The next folded byte comes from this place of the text.
    fn turn(&mut self, text: usize) {
        let folded = self.bytes.len();
        match self.turns.last_mut() {
            Some(last) if last.folded == folded => last.text = text,
            _ => self.turns.push(Turn { folded, text }),
        }
    }

    /// The folded bytes of the text that was folded.
    pub(super) fn bytes<'t>(&'t self, text: &'t str) -> &'t [u8] {
        if self.is_same {
            text.as_bytes()
        } else {
            &self.bytes
        }
    }

    /// Where in the text the character of a folded byte begins.
    pub(super) fn start(&self, text: &str, at: usize) -> usize {
        if self.is_same {
            return text.floor_char_boundary(at);
        }
        if at >= self.bytes.len() {
            return text.len();
        }
        let passed = self.turns.partition_point(|turn| turn.folded <= at);
        let turn = self.passed(passed);
        let place = turn.text.wrapping_add(at.wrapping_sub(turn.folded));
        text.floor_char_boundary(place)
    }

    /// The first folded byte of what begins at a place in the text, or behind it.
    pub(super) fn place(&self, text: &str, at: usize) -> usize {
        if self.is_same {
            return at.min(text.len());
        }
        let passed = self.turns.partition_point(|turn| turn.text <= at);
        let turn = self.passed(passed);
        let place = turn.folded.wrapping_add(at.wrapping_sub(turn.text));
        let next = self.turns.get(passed);
        place.min(next.map_or(self.bytes.len(), |next| next.folded))
    }

    /// The last of so many turns; before the first, text and folded text are the same.
    fn passed(&self, count: usize) -> Turn {
        let last = count.checked_sub(1).and_then(|last| self.turns.get(last));
        last.copied().unwrap_or_default()
    }

    /// Where in the text what ends before a folded byte ends. What is invisible behind it does not belong to it.
    pub(super) fn end(&self, text: &str, at: usize) -> usize {
        let Some(last) = at.checked_sub(1) else {
            return 0;
        };
        let start = self.start(text, last);
        let letter = text.get(start..).and_then(|rest| rest.chars().next());
        start.wrapping_add(letter.map_or(0, char::len_utf8))
    }
}

/// How many bytes at the beginning are ASCII.
fn ascii_length(bytes: &[u8]) -> usize {
    let (blocks, _) = bytes.as_chunks::<32>();
    let clear = blocks.iter().take_while(|block| is_ascii(block));
    let skipped = clear.count().wrapping_mul(32);
    let rest = bytes.get(skipped..).unwrap_or_default();
    let length = rest.iter().position(|byte| !byte.is_ascii());
    skipped.wrapping_add(length.unwrap_or(rest.len()))
}

/// Whether all of a block is ASCII, eight bytes at once.
fn is_ascii(block: &[u8; 32]) -> bool {
    let (eights, _) = block.as_chunks::<8>();
    let all = eights
        .iter()
        .fold(0, |all, eight| all | u64::from_le_bytes(*eight));
    all & 0x8080_8080_8080_8080 == 0
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fold {
    Same,
    To(u8),
    Gone,
}

/// What one character folds to.
fn folded(letter: char) -> Fold {
    let code = u32::from(letter);
    match code {
        0..=0x9F => Fold::Same,
        0xAD
        | 0x34F
        | 0x300..=0x36F
        | 0x61C
        | 0x180B..=0x180E
        | 0x1AB0..=0x1AFF
        | 0x200B..=0x200F => Fold::Gone,
        0x202A..=0x202E | 0x2060..=0x206F | 0x20D0..=0x20FF | 0xFE00..=0xFE0F | 0xFE20..=0xFE2F => {
            Fold::Gone
        }
        0xFEFF | 0xE0000..=0xE007F => Fold::Gone,
        0xA0 | 0x2000..=0x200A | 0x202F | 0x205F | 0x3000 => Fold::To(b' '),
        0x2010..=0x2015 | 0x2212 | 0xFE58 | 0xFE63 => Fold::To(b'-'),
        0xFE6B => Fold::To(b'@'),
        0x2024 | 0xFE52 => Fold::To(b'.'),
        0xFF01..=0xFF5E => low(code.wrapping_sub(0xFEE0)),
        0x1D7CE..=0x1D7FF => digit(code.wrapping_sub(0x1D7CE) % 10),
        0x2080..=0x2089 => digit(code.wrapping_sub(0x2080)),
        0x2460..=0x2468 => digit(code.wrapping_sub(0x245F)),
        0x1D400..=0x1D6A3 => match code.wrapping_sub(0x1D400) % 52 {
            capital @ 0..26 => low(capital.wrapping_add(u32::from(b'A'))),
            small => low(small.wrapping_add(u32::from(b'G'))),
        },
        0x370..=0x556 => look_alike(letter),
        // No digits stand between Georgian and Myanmar, nor in Han and Hangul.
        0xA0..=0x65F | 0x1100..=0x17DF | 0x2010..=0xA61F | 0xAC00..=0xD7FF => Fold::Same,
        _ => other_digit(code),
    }
}

fn low(code: u32) -> Fold {
    u8::try_from(code).map_or(Fold::Same, Fold::To)
}

fn digit(value: u32) -> Fold {
    low(value.wrapping_add(u32::from(b'0')))
}

/// Decimal digits of other scripts.
fn other_digit(code: u32) -> Fold {
    const ZEROS: &[u32] = &[
        0x660, 0x6F0, 0x7C0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xCE6, 0xD66, 0xE50,
        0xED0, 0xF20, 0x1040, 0x17E0, 0x1810, 0x1946, 0xA620, 0xA8D0, 0xAA50, 0xABF0, 0x104A0,
        0x1FBF0,
    ];
    let zero = ZEROS
        .iter()
        .find(|&&zero| (zero..zero.wrapping_add(10)).contains(&code));
    zero.map_or(Fold::Same, |zero| digit(code.wrapping_sub(*zero)))
}

/// Cyrillic and Greek letters that look like Latin ones.
const fn look_alike(letter: char) -> Fold {
    Fold::To(match letter {
        'а' | 'α' => b'a',
        'е' => b'e',
        'о' | 'ο' => b'o',
        'р' | 'ρ' => b'p',
        'с' | 'ϲ' => b'c',
        'у' => b'y',
        'х' => b'x',
        'і' | 'ι' => b'i',
        'ј' | 'ϳ' => b'j',
        'ѕ' => b's',
        'ԁ' => b'd',
        'ԛ' => b'q',
        'һ' => b'h',
        'ν' => b'v',
        'А' | 'Α' => b'A',
        'В' | 'Β' => b'B',
        'Е' | 'Ε' => b'E',
        'К' | 'Κ' => b'K',
        'М' | 'Μ' => b'M',
        'Н' | 'Η' => b'H',
        'О' | 'Ο' => b'O',
        'Р' | 'Ρ' => b'P',
        'С' | 'Ϲ' => b'C',
        'Т' | 'Τ' => b'T',
        'Х' | 'Χ' => b'X',
        'У' | 'Υ' => b'Y',
        'І' | 'Ι' => b'I',
        'Ј' => b'J',
        'Ѕ' => b'S',
        'Ζ' => b'Z',
        'Ν' => b'N',
        _ => return Fold::Same,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, want: &str) {
        let mut folded = Folded::default();
        folded.fold(text);
        assert_eq!(str::from_utf8(folded.bytes(text)).unwrap(), want);
    }

    #[test]
    fn plain_text_is_itself() {
        check("plain", "plain");
        check("Grüße, 世界", "Grüße, 世界");
    }

    #[test]
    fn digits_of_other_scripts_are_digits() {
        check("４１１１ ٤١ १२ 𝟙𝟚 ①", "4111 41 12 12 1");
    }

    #[test]
    fn what_is_invisible_goes() {
        check("4\u{200B}1\u{301}1\u{AD}1", "4111");
    }

    #[test]
    fn look_alikes_become_latin() {
        check("раураl＠x.сom", "paypal@x.com");
    }

    #[test]
    fn places_point_back() {
        let text = "a４\u{200B}１é";
        let mut folded = Folded::default();
        folded.fold(text);
        assert_eq!(folded.bytes(text), "a41é".as_bytes());
        assert_eq!((folded.start(text, 1), folded.end(text, 2)), (1, 4));
        assert_eq!((folded.start(text, 2), folded.end(text, 3)), (7, 10));
    }
}
