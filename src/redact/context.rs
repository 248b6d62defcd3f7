//! The words before a candidate: they tell a passport's number from an order's.
//!
//! A word counts if it begins within [`REACH_BYTES`] before the candidate. Words are read at most once, whatever asks.

use super::view::View;

/// How far before a candidate a word still speaks about it.
const REACH_BYTES: usize = 56;
const WORD_BYTES_MAX: usize = 20;

macro_rules! topics {
    ($($topic:ident: $($word:literal)+;)+) => {
        /// What words speak about.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        pub(super) enum Topic { $($topic,)+ }

        const TOPICS: usize = [$(Topic::$topic,)+].len();
        const WORDS: &[(&str, Topic)] = &[$($(($word, Topic::$topic),)+)+];
    };
}

topics! {
    Cvv: "cvv" "cvc" "cvv2" "cvc2" "csc" "cvn";
    Bic: "bic" "swift";
    Routing: "routing" "aba" "rtn" "transit";
    Account: "account" "acct" "konto" "kontonummer" "iban" "bank" "compte" "cuenta";
    Ssn: "ssn" "ssns" "social" "socialsecurity";
    Tax: "tax" "tin" "itin" "ein" "fein" "employer" "steuer" "steuernummer" "idnr" "taxpayer" "tfn" "nif" "fiscal" "contribuinte";
    Npi: "npi" "provider" "prescriber";
    Dea: "dea";
    Sin: "sin" "insurance" "nas";
    Nhs: "nhs" "patient";
    Pesel: "pesel";
    Bsn: "bsn" "burgerservicenummer" "sofi" "sofinummer";
    Personal: "personnummer" "cpr" "fodselsnummer" "personal" "national" "identity" "identification" "citizen" "resident" "kimlik" "tckn" "tc" "id" "cpf" "cnpj" "cuil" "cuit" "rut" "aadhaar" "aadhar" "uid" "uidai" "shenfenzheng" "rrn" "hetu" "nino" "insee" "nir";
    Australia: "tfn" "abn" "acn" "medicare" "australian" "business";
    Passport: "passport" "passports" "reisepass" "passeport" "pasaporte" "passaporto";
    Licence: "licence" "license" "driver" "drivers" "driving" "dl" "fuhrerschein" "permis";
    Birth: "birth" "born" "dob" "birthday" "birthdate" "geboren" "geburtsdatum" "naissance" "nacimiento" "bday";
    Phone: "phone" "tel" "telephone" "mobile" "cell" "call" "fax" "whatsapp" "sms" "dial" "telefon" "telefono" "handy" "mobil" "phones" "cellphone" "landline" "hotline" "ph" "mob";
    Vehicle: "vin" "vehicle" "chassis";
    Imei: "imei";
    Version: "version" "ver" "v" "release" "section" "chapter" "build" "revision" "firmware" "sec" "upgraded" "agent";
    Commerce: "order" "invoice" "tracking" "sku" "isbn" "issn" "doi" "ticket" "quantity" "price" "serial" "timestamp" "epoch" "ref" "reference" "transaction" "part" "model" "build" "commit" "issue" "item" "product" "total" "amount" "balance" "case" "po";
    Aws: "aws" "amazon" "secretaccesskey" "secret";
    Password: "password" "passwd" "pwd" "passphrase" "pass" "passwort" "kennwort" "contrasena";
}

/// The last place of each topic so far.
#[derive(Debug, Clone)]
pub(super) struct Topics {
    /// One more than where its last word begins; 0 is nowhere.
    last: [usize; TOPICS],
    read: usize,
}

impl Topics {
    pub(super) const fn new() -> Self {
        Self {
            last: [0; TOPICS],
            read: 0,
        }
    }

    /// Reads the words that may speak about what begins at `start`.
    fn read(&mut self, view: &View<'_>, start: usize) {
        let first = start.saturating_sub(REACH_BYTES);
        let mut at = first.max(self.read);
        self.read = self.read.max(start);
        while at < start {
            let word = (
                at,
                view.part(at..start.min(at.saturating_add(WORD_BYTES_MAX))),
            );
            let length = word_length(word.1);
            #[cfg(test)]
            view.looked(length.max(1));
            if length > 0 && is_beginning(view.before(at), word.1) {
                self.note(at, word.1.get(..length).unwrap_or_default());
            }
            at = at.wrapping_add(length.max(1));
        }
    }

    fn note(&mut self, at: usize, word: &[u8]) {
        for (known, topic) in candidates(word) {
            if known.len() == word.len()
                && known.as_bytes().eq_ignore_ascii_case(word)
                && let Some(last) = self.last.get_mut(usize::from(*topic as u8))
            {
                *last = at.wrapping_add(1);
            }
        }
    }

    /// Whether a word of one of these topics stands before what begins at `start`.
    pub(super) fn has(&mut self, view: &View<'_>, start: usize, topics: &[Topic]) -> bool {
        self.read(view, start);
        let first = start.saturating_sub(REACH_BYTES);
        topics.iter().any(|topic| {
            let last = self.last.get(usize::from(*topic as u8));
            last.is_some_and(|&last| last > first && last <= start)
        })
    }
}

/// Words that begin with the same letter, at most.
const ROW: usize = 32;

/// The places in [`WORDS`] by first letter; 255 is none.
const BY_LETTER: [[u8; ROW]; 26] = by_letter();

#[expect(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    reason = "evaluated by the compiler, which refuses to build where it goes wrong"
)]
const fn by_letter() -> [[u8; ROW]; 26] {
    let mut table = [[255; ROW]; 26];
    let mut filled = [0; 26];
    let mut at = 0;
    while at < WORDS.len() {
        let letter = (WORDS[at].0.as_bytes()[0] - b'a') as usize;
        table[letter][filled[letter]] = at as u8;
        filled[letter] += 1;
        at += 1;
    }
    assert!(WORDS.len() < 255);
    table
}

/// The rows whose word begins with the same letter.
fn candidates(word: &[u8]) -> impl Iterator<Item = &'static (&'static str, Topic)> {
    let letter = word.first().map(u8::to_ascii_lowercase);
    let letter = letter.and_then(|letter| letter.checked_sub(b'a'));
    let row = letter.and_then(|letter| BY_LETTER.get(usize::from(letter)));
    let places = row.into_iter().flatten().take_while(|&&place| place != 255);
    places.filter_map(|&place| WORDS.get(usize::from(place)))
}

/// A run of letters, up to where a small one meets a capital; digits may end it, as in `cvv2`.
fn word_length(text: &[u8]) -> usize {
    let mut before = 0;
    let end = text.iter().position(|&byte| {
        let is_over = !byte.is_ascii_alphanumeric() || before > b'Z' && byte.is_ascii_uppercase();
        before = byte;
        is_over
    });
    end.unwrap_or(text.len())
}

/// Whether a word begins here rather than goes on.
fn is_beginning(before: u8, text: &[u8]) -> bool {
    let first = text.first().copied().unwrap_or(0);
    first.is_ascii_alphabetic()
        && (!before.is_ascii_alphanumeric()
            || before.is_ascii_lowercase() && first.is_ascii_uppercase())
}
