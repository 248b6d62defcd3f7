//! The arithmetic of check digits. Digits come as values 0 to 9, not as characters.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "sums over at most 64 digits with small weights"
)]

/// The digit sum of ISO/IEC 7812: cards, Canada's SIN, South Africa's and Sweden's numbers.
pub(super) fn luhn(digits: &[u8]) -> bool {
    luhn_sum(digits).is_multiple_of(10)
}

/// The sum behind it, for numbers that carry a prefix which is not written.
pub(super) fn luhn_sum(digits: &[u8]) -> u32 {
    let (head, pairs) = digits.as_rchunks::<2>();
    let last = head.iter().map(|&digit| u32::from(digit)).sum::<u32>();
    pairs.iter().fold(last, |sum, &[one, other]| {
        let doubled = u32::from(one) * 2;
        sum + doubled - 9 * u32::from(one > 4) + u32::from(other)
    })
}

/// The sum of digits times weights, as far as there are both.
pub(super) fn weighted(digits: &[u8], weights: &[u32]) -> u32 {
    let pairs = digits.iter().zip(weights);
    pairs
        .map(|(&digit, &weight)| u32::from(digit) * weight)
        .sum()
}

/// ISO 7064 MOD 97-10 of letters and digits; an IBAN begins with its fifth character. 1 means right.
pub(super) fn mod_97(text: impl Iterator<Item = u8>) -> u32 {
    text.fold(0, |rest, byte| match byte {
        b'0'..=b'9' => (rest * 10 + u32::from(byte - b'0')) % 97,
        _ => (rest * 100 + u32::from(byte.to_ascii_uppercase().wrapping_sub(b'A')) + 10) % 97,
    })
}

/// The number that up to nineteen digits write, modulo another.
pub(super) fn modulo(digits: &[u8], by: u64) -> u64 {
    let digits = digits.iter().take(19);
    digits.fold(0, |value, &digit| value * 10 + u64::from(digit)) % by
}

/// ISO 7064 MOD 11,10: Germany's tax numbers.
pub(super) fn mod_11_10(digits: &[u8]) -> bool {
    let Some((&check, digits)) = digits.split_last() else {
        return false;
    };
    let product = digits.iter().fold(10, |product, &digit| {
        let sum = (u32::from(digit) + product) % 10;
        (if sum == 0 { 10 } else { sum }) * 2 % 11
    });
    (11 - product) % 10 == u32::from(check)
}

/// ISO 7064 MOD 11-2: China's resident numbers. A check of 10 is written X.
pub(super) fn mod_11_2(digits: &[u8]) -> u32 {
    let rest = digits
        .iter()
        .fold(0, |rest, &digit| (rest + u32::from(digit)) * 2 % 11);
    (12 - rest) % 11
}

/// Verhoeff's dihedral check: India's Aadhaar.
pub(super) fn verhoeff(digits: &[u8]) -> bool {
    let mut check = 0;
    for (at, &digit) in digits.iter().rev().enumerate() {
        check = dihedral(check, permuted(digit, at % 8));
    }
    check == 0
}

/// The product of the dihedral group D5.
const fn dihedral(a: u8, b: u8) -> u8 {
    match (a < 5, b < 5) {
        (true, true) => (a + b) % 5,
        (true, false) => (a + b - 5) % 5 + 5,
        (false, true) => (a + 5 - b) % 5 + 5,
        (false, false) => (a + 5 - b) % 5,
    }
}

/// Verhoeff's permutation, applied so many times.
fn permuted(digit: u8, times: usize) -> u8 {
    const PERMUTATION: [u8; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    (0..times).fold(digit, |digit, _| {
        PERMUTATION.get(usize::from(digit)).copied().unwrap_or(0)
    })
}

/// Whether these can be a day of a month.
pub(super) fn is_date(day: u32, month: u32) -> bool {
    let last = match month {
        2 => 29,
        4 | 6 | 9 | 11 => 30,
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        _ => 0,
    };
    (1..=last).contains(&day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digits(text: &str) -> Vec<u8> {
        text.bytes().map(|byte| byte - b'0').collect()
    }

    #[test]
    fn luhn_takes_a_test_card_and_not_its_neighbour() {
        assert!(luhn(&digits("4111111111111111")));
        assert!(!luhn(&digits("4111111111111112")));
    }

    #[test]
    fn verhoeff_takes_its_own_example() {
        assert!(verhoeff(&digits("2363")));
        assert!(!verhoeff(&digits("2364")));
        assert!(!verhoeff(&digits("2633")));
    }

    #[test]
    fn an_iban_leaves_one() {
        let iban = b"GB82WEST12345698765432";
        let turned = iban[4..].iter().chain(&iban[..4]).copied();
        assert_eq!(mod_97(turned), 1);
    }

    #[test]
    fn iso_7064_takes_known_numbers() {
        assert!(mod_11_10(&digits("86095742719")));
        assert!(!mod_11_10(&digits("86095742718")));
        assert_eq!(mod_11_2(&digits("11010519491231002")), 10);
    }
}
