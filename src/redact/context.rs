//! The words before a candidate: they tell a passport's number from an order's.
//!
//! A word counts if it begins within [`REACH_BYTES`] before the candidate. Words are read at most once, whatever asks.

use super::block::{BLOCK_BYTES, Block, class};
use super::run;
use super::view::{View, is_word};

/// How far before a candidate a word still speaks about it.
const REACH_BYTES: usize = 56;
const _: () = assert!(REACH_BYTES < BLOCK_BYTES);
const WORD_BYTES_MAX: u32 = 20;

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
    Card: "card" "cards" "credit" "debit" "visa" "mastercard" "amex" "maestro" "pan" "ccn" "kreditkarte" "carte" "tarjeta";
    Pin: "pin" "pincode" "passcode";
    Cvv: "cvv" "cvc" "cvv2" "cvc2" "csc" "cvn";
    Bic: "bic" "swift";
    Routing: "routing" "aba" "rtn" "transit";
    Account: "account" "acct" "iban";
    Bank: "bank" "konto" "kontonummer" "compte" "cuenta" "checking" "savings" "deposit";
    Ssn: "ssn" "ssns" "social" "socialsecurity";
    Tax: "tax" "tin" "itin" "ein" "fein" "employer" "steuer" "steuernummer" "idnr" "taxpayer" "tfn" "nif" "fiscal" "contribuinte";
    Npi: "npi" "provider" "prescriber";
    Dea: "dea";
    Sin: "sin" "insurance" "nas";
    Nhs: "nhs" "patient";
    Pesel: "pesel";
    Bsn: "bsn" "burgerservicenummer" "sofi" "sofinummer";
    Personal: "personnummer" "cpr" "fodselsnummer" "personal" "national" "identity" "identification" "citizen" "resident" "kimlik" "tckn" "tc" "cpf" "cnpj" "cuil" "cuit" "rut" "aadhaar" "aadhar" "adhaar" "uidai" "thai" "shenfenzheng" "rrn" "hetu" "nino" "insee" "nir";
    Id: "id" "ids" "uid";
    Australia: "tfn" "abn" "acn" "medicare" "australian" "business";
    Passport: "passport" "passports" "reisepass" "passeport" "pasaporte" "passaporto";
    Licence: "licence" "license" "lic" "dl" "fuhrerschein" "permis";
    Birth: "birth" "born" "dob" "birthday" "birthdate" "geboren" "geburtsdatum" "naissance" "nacimiento" "bday";
    Phone: "phone" "tel" "telephone" "mobile" "cell" "call" "fax" "whatsapp" "sms" "dial" "telefon" "telefono" "handy" "mobil" "phones" "cellphone" "landline" "hotline" "ph" "mob";
    Vehicle: "vin" "vehicle" "chassis";
    Imei: "imei";
    Version: "version" "ver" "v" "release" "section" "chapter" "build" "revision" "firmware" "sec" "upgraded" "agent";
    Commerce: "order" "invoice" "tracking" "sku" "isbn" "issn" "ean" "gtin" "upc" "barcode" "doi" "ticket" "quantity" "price" "serial" "timestamp" "epoch" "ref" "reference" "transaction" "part" "model" "build" "commit" "issue" "item" "product" "total" "amount" "balance" "case" "po";
    Aws: "aws" "amazon" "secretaccesskey" "secret";
    Password: "password" "passwd" "pwd" "passphrase" "pass" "passwort" "kennwort" "contrasena";
}

/// The last place of each topic so far.
#[derive(Debug, Clone)]
pub(super) struct Topics {
    /// One more than where its last word begins; 0 is nowhere.
    last: [usize; TOPICS],
    /// The highest of them.
    latest: usize,
    read: usize,
    /// One more than where the last of `cv`, `cs`, `pi`, `pa` stands, and up to where it was looked for.
    cvv: (usize, usize),
}

impl Topics {
    pub(super) const fn new() -> Self {
        Self {
            last: [0; TOPICS],
            latest: 0,
            read: 0,
            cvv: (0, 0),
        }
    }

    /// Whether `cv`, `cs`, `pi` or `pa` stands before what begins at `start`: most numbers are short, and few of them are asked for more.
    pub(super) fn may_be_cvv(&mut self, view: &View<'_>, start: usize) -> bool {
        let first = start.saturating_sub(REACH_BYTES);
        let (last, until) = self.cvv;
        // The last byte that was looked at may be the first of two.
        let from = first.max(until.saturating_sub(1)).max(view.base());
        let text = view.part(from..start);
        #[cfg(test)]
        view.looked(text.len() / 16);
        let behind = text.get(1..).unwrap_or_default();
        let is_there = text.iter().zip(behind).fold(false, |any, (one, next)| {
            let (one, next) = (one | 0x20, next | 0x20);
            any | ((one == b'c') & ((next == b'v') | (next == b's')))
                | ((one == b'p') & ((next == b'i') | (next == b'a')))
        });
        self.cvv = (if is_there { start } else { last }, start.max(until));
        self.cvv.0 > first
    }

    /// Reads the words that may speak about what begins at `start`.
    fn read(&mut self, view: &View<'_>, start: usize) {
        let first = start.saturating_sub(REACH_BYTES).max(self.read);
        if first >= start {
            return;
        }
        self.read = start;
        #[cfg(test)]
        view.looked(start.wrapping_sub(first));
        // Between numbers in a row stand no words.
        let near = view.rest(start.wrapping_sub(16)).first_chunk();
        if start.wrapping_sub(first) <= 16 && near.is_some_and(|near| !run::has_letter(near)) {
            return;
        }
        let mut copy = [0; BLOCK_BYTES];
        // The block ends where the candidate begins; of its bytes the last are new.
        let (bytes, base) = match view.block_before(start) {
            Some(bytes) => (bytes, start.wrapping_sub(BLOCK_BYTES)),
            None => {
                let text = view.part(first..start);
                if let Some(slots) = copy.get_mut(..text.len()) {
                    slots.copy_from_slice(text);
                }
                (&copy, first)
            }
        };
        let skipped = first.wrapping_sub(base);
        let before = view.before(first);
        let block = Block::new(bytes);
        let (letters, capitals) = (block.letters(), block.capitals());
        let small = letters & !capitals;
        let words = letters | block.of(class::DIGIT);
        // A small letter before a capital ends one word and begins another.
        let turns = (small << 1 | u64::from(before.is_ascii_lowercase())) & capitals;
        let mut starts = letters & (!(words << 1 | u64::from(is_word(before))) | turns);
        starts = starts >> skipped << skipped;
        let goes_on = words & !turns;
        while starts != 0 {
            let from = starts.trailing_zeros();
            starts &= starts.wrapping_sub(1);
            let behind = goes_on.checked_shr(from.wrapping_add(1)).unwrap_or(0);
            let length = behind.trailing_ones().wrapping_add(1);
            if length <= WORD_BYTES_MAX {
                let [from, length] = [from, length].map(|it| usize::try_from(it).unwrap_or(0));
                let word = bytes.get(from..from.wrapping_add(length));
                self.note(base.wrapping_add(from), word.unwrap_or_default());
            }
        }
    }

    fn note(&mut self, at: usize, word: &[u8]) {
        let (Some(&first), Some(&end)) = (word.first(), word.last()) else {
            return;
        };
        let mut row = FIRST.get(bucket(first, end, word.len())).copied();
        while let Some((known, topic)) = row.and_then(|row| WORDS.get(usize::from(row))) {
            if known.as_bytes().eq_ignore_ascii_case(word)
                && let Some(last) = self.last.get_mut(usize::from(*topic as u8))
            {
                *last = at.wrapping_add(1);
                self.latest = *last;
            }
            row = row.and_then(|row| NEXT.get(usize::from(row))).copied();
        }
    }

    /// Whether no word of any topic stands before what begins at `start`.
    pub(super) fn is_silent(&mut self, view: &View<'_>, start: usize) -> bool {
        self.read(view, start);
        self.latest <= start.saturating_sub(REACH_BYTES)
    }

    /// Whether a word of one of these topics stands before what begins at `start`.
    pub(super) fn has(&mut self, view: &View<'_>, start: usize, topics: &[Topic]) -> bool {
        self.has_within(view, start, topics, REACH_BYTES)
    }

    /// The same, but the word begins within so many bytes.
    pub(super) fn has_within(
        &mut self,
        view: &View<'_>,
        start: usize,
        topics: &[Topic],
        reach: usize,
    ) -> bool {
        self.read(view, start);
        let first = start.saturating_sub(reach);
        topics.iter().any(|topic| {
            let last = self.last.get(usize::from(*topic as u8));
            last.is_some_and(|&last| last > first && last <= start)
        })
    }
}

const NONE: u8 = u8::MAX;
const BUCKETS: usize = 1_024;
/// The first word of each bucket, and the next of the same bucket behind each word.
const FIRST: [u8; BUCKETS] = CHAINS.0;
const NEXT: [u8; WORDS.len()] = CHAINS.1;
const CHAINS: ([u8; BUCKETS], [u8; WORDS.len()]) = chains();

#[expect(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    reason = "evaluated by the compiler, which refuses to build where it goes wrong"
)]
const fn chains() -> ([u8; BUCKETS], [u8; WORDS.len()]) {
    let mut first = [NONE; BUCKETS];
    let mut next = [NONE; WORDS.len()];
    assert!(WORDS.len() < NONE as usize);
    let mut row = 0;
    while row < WORDS.len() {
        let word = WORDS[row].0.as_bytes();
        let bucket = bucket(word[0], word[word.len() - 1], word.len());
        next[row] = first[bucket];
        first[bucket] = row as u8;
        row += 1;
    }
    (first, next)
}

/// The bucket of a word by its first letter, its last, and its length.
const fn bucket(first: u8, last: u8, length: usize) -> usize {
    let first = (first & 31) as usize;
    let last = (last & 31) as usize;
    (first ^ last.wrapping_mul(37) ^ length.wrapping_mul(149)) % BUCKETS
}
