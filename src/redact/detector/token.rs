//! Tokens that say whose they are: a vendor's prefix, an alphabet, a least length; JWTs and private keys.
//!
//! A token is found by its least length and swallowed to its end, however long. The trigger is the first separator in
//! its prefix, or a rare letter, or its first digit; so a prefix is compared only where a word begins so.

use super::Sight;
use crate::redact::candidate::Tail;
use crate::redact::entity::Entity::{self, *};
use crate::redact::run::Set;
use crate::redact::view::{More, View, class, is_base64url, is_in, is_word};

/// What the part behind a prefix is made of.
#[derive(Debug, Clone, Copy)]
enum Alphabet {
    /// Letters, digits, `_`, `-`.
    Url,
    /// Letters, digits, `_`, `-`, `.`
    Dotted,
    /// base64 with `+`, `/`, `=`.
    Base64,
    /// Lower or upper case hexadecimal.
    Hex,
    /// Capitals and digits.
    Upper,
    /// The same, and `_`.
    Loud,
    /// As `Url`, with capitals, small letters and digits in it: behind prefixes that names in code have too.
    Mixed,
    /// Letters and digits.
    Word,
    /// As `Dotted`, and a part begins with `acc`.
    Account,
    /// What values are made of: the rest of an address.
    Link,
    /// The lines of a private key.
    Lines,
}

use Alphabet::{Account, Base64, Dotted, Hex, Lines, Link, Loud, Mixed, Upper, Url, Word};

impl Alphabet {
    fn has(self, byte: u8) -> bool {
        match self {
            Url | Mixed => is_base64url(byte),
            Dotted | Account => is_in(byte, class::DOTTED),
            Word => is_word(byte),
            Base64 => is_in(byte, class::BASE64),
            Hex => is_in(byte, class::HEX) || byte == b'-',
            Upper => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
            Loud => byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_',
            Link => is_in(byte, class::VALUE),
            Lines => is_in(byte, class::BASE64) || byte.is_ascii_whitespace(),
        }
    }

    const fn tail(self) -> Tail {
        match self {
            Url | Hex | Upper | Loud | Mixed | Word => Tail::Base64Url,
            Dotted | Account => Tail::Dotted,
            Base64 => Tail::Base64,
            Link => Tail::Value,
            Lines => Tail::Pem {
                dashes: 0,
                is_ending: false,
            },
        }
    }
}

type Row = (&'static str, Entity, Alphabet, usize);

/// Prefixes with a separator. Where two fit, the earlier row is taken.
const PREFIXES: &[Row] = &[
    ("AGE-SECRET-KEY-1", ServiceToken, Upper, 40),
    ("BBDC-", AtlassianToken, Base64, 40),
    ("CFPAT-", ServiceToken, Url, 40),
    ("CLOJARS_", PackageToken, Url, 40),
    ("FLWSECK_TEST-", PaymentToken, Url, 12),
    ("FLWSECK-", PaymentToken, Url, 20),
    ("FLWPUBK_TEST-", PaymentToken, Url, 20),
    ("GOCSPX-", GoogleKey, Url, 24),
    ("NRAK-", MonitoringToken, Upper, 24),
    ("NRJS-", MonitoringToken, Hex, 16),
    ("NRII-", MonitoringToken, Url, 28),
    ("PMAK-", ServiceToken, Hex, 40),
    ("SG.", MailToken, Dotted, 40),
    ("SCWSECRET-", ServiceToken, Hex, 32),
    ("api_org_", ModelProviderKey, Url, 30),
    ("apify_api_", ServiceToken, Url, 30),
    ("bkua_", ServiceToken, Url, 36),
    ("cio-", ServiceToken, Url, 24),
    ("csk-", ModelProviderKey, Url, 40),
    ("dapi-", DatabaseToken, Hex, 32),
    ("dckr_oat_", PackageToken, Url, 24),
    ("dckr_pat_", PackageToken, Url, 24),
    ("discord.com/api/webhooks/", DiscordToken, Base64, 60),
    ("discordapp.com/api/webhooks/", DiscordToken, Base64, 60),
    ("dnkey-", ServiceToken, Base64, 32),
    ("doo_v1_", DigitalOceanToken, Hex, 60),
    ("dop_v1_", DigitalOceanToken, Hex, 60),
    ("dor_v1_", DigitalOceanToken, Hex, 60),
    ("dp.pt.", VaultToken, Url, 40),
    ("dp.st.", VaultToken, Dotted, 40),
    ("dt0c01.", MonitoringToken, Dotted, 60),
    ("dtn_", ServiceToken, Url, 40),
    ("duffel_live_", PaymentToken, Base64, 40),
    ("duffel_test_", PaymentToken, Base64, 40),
    ("fio-u-", ServiceToken, Base64, 60),
    ("figd_", ServiceToken, Url, 36),
    ("fo1_", ServiceToken, Url, 40),
    ("fm1r_", ServiceToken, Base64, 60),
    ("fm2_", ServiceToken, Base64, 60),
    ("fw_", ModelProviderKey, Word, 22),
    ("gho_", GitHubToken, Url, 36),
    ("ghp_", GitHubToken, Url, 36),
    ("ghr_", GitHubToken, Url, 36),
    ("ghs_", GitHubToken, Dotted, 36),
    ("ghu_", GitHubToken, Dotted, 36),
    ("github_pat_", GitHubToken, Url, 60),
    ("glagent-", GitLabToken, Dotted, 40),
    ("glcbt-", GitLabToken, Dotted, 20),
    ("gldt-", GitLabToken, Dotted, 20),
    ("glffct-", GitLabToken, Dotted, 20),
    ("glft-", GitLabToken, Dotted, 20),
    ("glimt-", GitLabToken, Dotted, 20),
    ("gloas-", GitLabToken, Dotted, 40),
    ("glpat-", GitLabToken, Dotted, 20),
    ("glptt-", GitLabToken, Dotted, 20),
    ("glrt-", GitLabToken, Dotted, 20),
    ("glsoat-", GitLabToken, Dotted, 20),
    ("glc_", MonitoringToken, Base64, 32),
    ("glsa_", MonitoringToken, Url, 36),
    ("gsk_", ModelProviderKey, Url, 40),
    ("hf_", ModelProviderKey, Url, 30),
    ("hooks.slack.com/services/", SlackToken, Base64, 30),
    ("hooks.slack.com/workflows/", SlackToken, Base64, 30),
    ("hvb.", VaultToken, Url, 60),
    ("hvr.", VaultToken, Url, 60),
    ("hvs.", VaultToken, Url, 24),
    ("ico-", ServiceToken, Url, 32),
    ("key-", MailToken, Hex, 32),
    ("lin_api_", ServiceToken, Url, 40),
    ("lin_oauth_", ServiceToken, Url, 40),
    ("live_", PaymentToken, Hex, 32),
    ("lsv2_pt_", MonitoringToken, Hex, 32),
    ("lsv2_sk_", MonitoringToken, Hex, 32),
    ("nfp_", ServiceToken, Url, 36),
    ("npm_", PackageToken, Url, 36),
    ("ntn_", ServiceToken, Url, 40),
    ("nvapi-", ModelProviderKey, Url, 40),
    ("ops_eyJ", VaultToken, Base64, 60),
    ("pat-eu1-", ServiceToken, Hex, 32),
    ("pat-na1-", ServiceToken, Hex, 32),
    ("phc_", MonitoringToken, Url, 40),
    ("phx_", MonitoringToken, Url, 40),
    ("pnu_", ServiceToken, Url, 36),
    ("pplx-", ModelProviderKey, Url, 40),
    ("prod_ey", DatabaseToken, Base64, 60),
    ("pscale_oauth_", DatabaseToken, Base64, 32),
    ("pscale_pw_", DatabaseToken, Base64, 32),
    ("pscale_tkn_", DatabaseToken, Base64, 32),
    ("pul-", ServiceToken, Hex, 40),
    ("pypi-AgEIcHlwaS5vcmc", PackageToken, Url, 50),
    ("pypi-AgENdGVzdC5weXBpLm9yZw", PackageToken, Url, 50),
    ("rdme_", ServiceToken, Url, 60),
    ("re_", MailToken, Url, 32),
    ("rk_live_", StripeKey, Url, 16),
    ("rk_prod_", StripeKey, Url, 16),
    ("rk_test_", StripeKey, Url, 16),
    ("rpa_", ModelProviderKey, Url, 40),
    ("rubygems_", PackageToken, Hex, 40),
    ("r8_", ModelProviderKey, Word, 37),
    ("sb_secret_", DatabaseToken, Url, 30),
    ("sbp_", DatabaseToken, Hex, 40),
    ("sbp_oauth_", DatabaseToken, Hex, 40),
    ("sbp_v0_", DatabaseToken, Hex, 40),
    ("secret_", ServiceToken, Url, 43),
    ("sgp_", ServiceToken, Url, 40),
    ("shippo_live_", ServiceToken, Hex, 40),
    ("shippo_test_", ServiceToken, Hex, 40),
    ("shpat_", ShopifyToken, Hex, 32),
    ("shpca_", ShopifyToken, Hex, 32),
    ("shppa_", ShopifyToken, Hex, 32),
    ("shpss_", ShopifyToken, Hex, 32),
    ("sk-ant-", AnthropicKey, Url, 30),
    ("sk-or-v1-", ModelProviderKey, Url, 40),
    ("sk-proj-", OpenAiKey, Url, 30),
    ("sk-svcacct-", OpenAiKey, Url, 30),
    ("sk-admin-", OpenAiKey, Url, 30),
    ("sk-lf-", MonitoringToken, Hex, 32),
    ("sk-", OpenAiKey, Url, 32),
    ("sk_live_", StripeKey, Url, 16),
    ("sk_prod_", StripeKey, Url, 16),
    ("sk_test_", StripeKey, Url, 16),
    ("sl.", ServiceToken, Base64, 100),
    ("sntrys_", MonitoringToken, Base64, 60),
    ("sntryu_", MonitoringToken, Hex, 60),
    ("sq0atp-", PaymentToken, Url, 22),
    ("sq0csp-", PaymentToken, Url, 40),
    ("sq0idp-", PaymentToken, Url, 22),
    ("squ_", ServiceToken, Hex, 40),
    ("sqp_", ServiceToken, Hex, 40),
    ("sqa_", ServiceToken, Hex, 40),
    ("tfp_", ServiceToken, Base64, 50),
    ("tk-us-", ServiceToken, Url, 40),
    ("tvly-", ModelProviderKey, Url, 24),
    ("v1.0-", ServiceToken, Hex, 140),
    ("waka_", ServiceToken, Hex, 32),
    ("whsec_", StripeKey, Base64, 24),
    ("xai-", ModelProviderKey, Url, 60),
    ("xapp-", SlackToken, Url, 30),
    ("xkeysib-", MailToken, Url, 60),
    ("xoxa-", SlackToken, Url, 20),
    ("xoxb-", SlackToken, Url, 20),
    ("xoxc-", SlackToken, Url, 20),
    ("xoxd-", SlackToken, Link, 20),
    ("xoxe-", SlackToken, Url, 20),
    ("xoxe.xoxb-", SlackToken, Url, 20),
    ("xoxe.xoxp-", SlackToken, Url, 20),
    ("xoxo-", SlackToken, Url, 20),
    ("xoxp-", SlackToken, Url, 20),
    ("xoxr-", SlackToken, Url, 20),
    ("xoxs-", SlackToken, Url, 20),
    ("ya29.", GoogleKey, Dotted, 30),
    ("A3-", VaultToken, Url, 34),
    ("API-", ServiceToken, Upper, 26),
    ("BBFF-", ServiceToken, Url, 30),
    ("CCIPAT_", ServiceToken, Url, 50),
    ("CCIPRJ_", ServiceToken, Url, 50),
    ("HRKU-", ServiceToken, Url, 60),
    ("Private-Lines:", PrivateKey, Lines, 40),
    ("access-development-", PaymentToken, Hex, 36),
    ("access-production-", PaymentToken, Hex, 36),
    ("access-sandbox-", PaymentToken, Hex, 36),
    ("access_token$production$", PaymentToken, Link, 40),
    ("access_token$sandbox$", PaymentToken, Link, 40),
    ("aio_", ServiceToken, Url, 28),
    ("api-", ServiceToken, Hex, 36),
    ("authress_", ServiceToken, Account, 50),
    ("bedrock-api-key-", BedrockKey, Base64, 40),
    ("dp.audit.", VaultToken, Url, 40),
    ("dp.ct.", VaultToken, Url, 40),
    ("dp.sa.", VaultToken, Url, 40),
    ("dp.scim.", VaultToken, Url, 40),
    ("ext_", ServiceToken, Account, 50),
    ("hooks.zapier.com/hooks/catch/", ServiceToken, Link, 12),
    ("infura.io/v3/", ServiceToken, Hex, 32),
    ("jina_", ModelProviderKey, Url, 50),
    ("live_pub_", PaymentToken, Hex, 31),
    ("live_", PaymentToken, Word, 40),
    ("mob-", ServiceToken, Hex, 36),
    ("napi_", DatabaseToken, Url, 50),
    ("pa-", ModelProviderKey, Url, 43),
    ("pat.", ServiceToken, Dotted, 66),
    ("pcsk_", DatabaseToken, Url, 50),
    ("pk.", ServiceToken, Dotted, 80),
    ("pk_", MailToken, Hex, 34),
    ("pubkey-", MailToken, Hex, 32),
    ("p8e-", ServiceToken, Url, 32),
    ("rnd_", ServiceToken, Word, 28),
    ("rootly_", MonitoringToken, Hex, 60),
    ("rzp_live_", PaymentToken, Url, 14),
    ("rzp_test_", PaymentToken, Url, 14),
    ("sat.", ServiceToken, Dotted, 66),
    ("sc_", ServiceToken, Account, 50),
    ("scauth_", ServiceToken, Account, 50),
    ("sdk-", ServiceToken, Hex, 36),
    ("sk.eyJ", ServiceToken, Dotted, 60),
    ("sk_", ModelProviderKey, Hex, 40),
    ("sm_aat_", ServiceToken, Url, 16),
    ("sm_pat_", ServiceToken, Url, 16),
    ("sm_sat_", ServiceToken, Url, 16),
    ("test_pub_", PaymentToken, Hex, 31),
    ("tskey-", ServiceToken, Url, 30),
    ("t1.", ServiceToken, Dotted, 80),
    ("vca_", ServiceToken, Url, 24),
    ("vci_", ServiceToken, Url, 24),
    ("vck_", ServiceToken, Url, 24),
    ("vcp_", ServiceToken, Url, 24),
    ("vcr_", ServiceToken, Url, 24),
    ("vercel_blob_rw_", ServiceToken, Url, 40),
    ("webhook.office.com/webhookb2/", ServiceToken, Link, 60),
    ("xau_", DatabaseToken, Url, 40),
    ("AVNS_", DatabaseToken, Url, 19),
    ("CCDB1_", DatabaseToken, Url, 40),
    ("Mid-server-", PaymentToken, Url, 20),
    ("NRRA-", MonitoringToken, Hex, 40),
    ("NRSP-", MonitoringToken, Url, 28),
    ("PMAT-", ServiceToken, Upper, 26),
    ("amzn.mws.", AwsSecretKey, Hex, 36),
    ("amzn1.oa2-cs.v1.", AwsSecretKey, Hex, 60),
    ("cal_live_", ServiceToken, Hex, 32),
    ("cfat_", ServiceToken, Url, 40),
    ("cfk_", ServiceToken, Url, 40),
    ("cfut_", ServiceToken, Url, 40),
    ("da2-", ServiceToken, Url, 26),
    ("dt0s01.", MonitoringToken, Dotted, 60),
    ("dt0s16.", MonitoringToken, Dotted, 60),
    ("e2b_", ModelProviderKey, Hex, 40),
    ("fc-", ModelProviderKey, Hex, 32),
    ("glrtr-", GitLabToken, Dotted, 20),
    ("glwt-", GitLabToken, Dotted, 20),
    ("hcaik_", MonitoringToken, Url, 50),
    ("lin_wh_", ServiceToken, Url, 40),
    ("live_", PaymentToken, Mixed, 30),
    ("llx-", ModelProviderKey, Url, 40),
    ("md-", MailToken, Mixed, 22),
    ("mdb_sa_sk_", DatabaseToken, Url, 40),
    ("mlsn.", MailToken, Hex, 60),
    ("nfc_", ServiceToken, Url, 36),
    ("nyk_v0_", MailToken, Url, 60),
    ("pat-ap1-", ServiceToken, Hex, 32),
    ("pat-na2-", ServiceToken, Hex, 32),
    ("pdl_", PaymentToken, Url, 40),
    ("pk_", ServiceToken, Loud, 40),
    ("polar_", PaymentToken, Url, 40),
    ("s4t2af-", ServiceToken, Hex, 60),
    ("s4t2ud-", ServiceToken, Hex, 60),
    ("secret-live-", ServiceToken, Url, 36),
    ("sgd_", ServiceToken, Hex, 60),
    ("shptka_", ShopifyToken, Hex, 32),
    ("slk_", ServiceToken, Hex, 60),
    ("snyk_sat.", PackageToken, Dotted, 40),
    ("snyk_uat.", PackageToken, Dotted, 40),
    ("xnd_production_", PaymentToken, Url, 40),
    ("xsmtpsib-", MailToken, Url, 60),
    ("xwfp-", SlackToken, Url, 20),
    ("y0_", ServiceToken, Url, 50),
    ("AQ.", GoogleKey, Mixed, 40),
    ("ddapp_", MonitoringToken, Url, 34),
    ("ddpat_", MonitoringToken, Url, 34),
    ("ddsat_", MonitoringToken, Url, 34),
    ("wandb_v1_", ModelProviderKey, Url, 70),
    ("crsr_", ModelProviderKey, Hex, 60),
    ("bkaa_", ServiceToken, Url, 36),
    ("bkaj_", ServiceToken, Dotted, 36),
    ("AGE-SECRET-KEY-PQ-1", ServiceToken, Upper, 40),
    ("HRKU-", ServiceToken, Hex, 36),
    ("bb_live_", ServiceToken, Url, 20),
    ("ddo_", ServiceToken, Word, 36),
    ("ddp_", ServiceToken, Word, 36),
    ("dp.said.", VaultToken, Url, 40),
    ("ek_", OpenAiKey, Hex, 32),
    ("ek_live_", StripeKey, Url, 40),
    ("ek_test_", StripeKey, Url, 40),
    ("hooks.slack.com/triggers/", SlackToken, Base64, 30),
    ("pha_", MonitoringToken, Url, 40),
    ("phr_", MonitoringToken, Url, 40),
    ("phs_", MonitoringToken, Url, 40),
    ("pnb_", ServiceToken, Url, 36),
    ("signkey-prod-", ServiceToken, Hex, 32),
    ("sk-", ModelProviderKey, Mixed, 22),
    ("sk_org_", StripeKey, Url, 30),
    ("sntrya_", MonitoringToken, Hex, 60),
    ("sntryi_", MonitoringToken, Hex, 60),
    ("sq0csb-", PaymentToken, Url, 40),
    ("tgp_v1_", ModelProviderKey, Url, 40),
    ("v1.", GitHubToken, Hex, 40),
    ("xaat-", MonitoringToken, Hex, 36),
    ("xapt-", MonitoringToken, Hex, 36),
];

/// Prefixes without a separator: the word has a digit, which calls. The last number is the word's length, 0 for any.
const WORDS: &[(&str, Entity, Alphabet, usize, usize)] = &[
    ("A3T", AwsAccessKey, Upper, 17, 20),
    ("ACCA", AwsAccessKey, Upper, 16, 20),
    ("AKID", ServiceToken, Url, 32, 36),
    ("AROA", AwsAccessKey, Upper, 16, 20),
    ("AIDA", AwsAccessKey, Upper, 16, 20),
    ("AC", TwilioKey, Hex, 32, 34),
    ("SK", TwilioKey, Hex, 32, 34),
    ("ATATT3", AtlassianToken, Base64, 60, 0),
    ("ATCTT3", AtlassianToken, Base64, 60, 0),
    ("EAACEdEose0cBA", ServiceToken, Url, 10, 0),
    ("EAAA", PaymentToken, Url, 58, 0),
    ("EAA", ServiceToken, Url, 80, 0),
    ("GOOG1E", GoogleKey, Upper, 50, 61),
    ("IQoJb3JpZ2lu", AwsSecretKey, Base64, 60, 0),
    ("3MVG9", ServiceToken, Dotted, 60, 0),
    ("dG9rOj", ServiceToken, Base64, 40, 0),
    ("cflt", DatabaseToken, Base64, 60, 0),
    ("EZAK", MailToken, Url, 54, 0),
    ("EZTK", MailToken, Url, 54, 0),
    ("GR1348941", GitLabToken, Url, 20, 0),
    ("SCW", ServiceToken, Upper, 17, 20),
    ("cio", PackageToken, Url, 32, 35),
    ("cmVmd", PackageToken, Url, 59, 64),
    ("ATBB", AtlassianToken, Url, 32, 36),
    ("ATTA", AtlassianToken, Url, 72, 76),
    ("AQVN", ServiceToken, Url, 35, 0),
    ("YC", ServiceToken, Url, 38, 40),
    ("ZXlK", Jwt, Base64, 60, 0),
    ("4b1d", DatabaseToken, Url, 38, 42),
    ("AAAAAAAAAAAAAAAAAAAAA", ServiceToken, Link, 60, 0),
    ("dapi", DatabaseToken, Hex, 32, 0),
    ("dose", DatabaseToken, Hex, 32, 0),
    ("oy2", PackageToken, Url, 40, 46),
    ("A21AA", PaymentToken, Url, 80, 0),
    ("DO00", DigitalOceanToken, Upper, 16, 20),
    ("FwoGZXIvYXdz", AwsSecretKey, Base64, 60, 0),
    ("IGAA", ServiceToken, Url, 80, 0),
    ("IGQV", ServiceToken, Url, 80, 0),
];

/// A row's place by the hash of its prefix up to the first separator; most words that stand before one have no bucket.
const BUCKETS: usize = 512;
const NONE: u16 = u16::MAX;
const _: () = assert!(PREFIXES.len() < NONE as usize);
/// The first row of each bucket, and behind each row the next of its bucket.
const FIRST: [u16; BUCKETS] = CHAINS.0;
const NEXT: [u16; PREFIXES.len()] = CHAINS.1;
const CHAINS: ([u16; BUCKETS], [u16; PREFIXES.len()]) = chains();
/// Which two bytes stand before the first separator of some prefix, a bit for each separator.
const ENDS: [u8; 1_024] = ends();

#[expect(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    reason = "evaluated by the compiler, which refuses to build where it goes wrong"
)]
const fn chains() -> ([u16; BUCKETS], [u16; PREFIXES.len()]) {
    let mut first = [NONE; BUCKETS];
    let mut next = [NONE; PREFIXES.len()];
    let mut row = PREFIXES.len();
    assert!(row < NONE as usize);
    // Backwards, so that the earliest row of a bucket comes first.
    while row > 0 {
        row -= 1;
        let prefix = PREFIXES[row].0.as_bytes();
        let length = word_length(prefix);
        let bucket = bucket(prefix[0], prefix[length - 1], length);
        next[row] = first[bucket];
        first[bucket] = row as u16;
    }
    (first, next)
}

#[expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "evaluated by the compiler, which refuses to build where it goes wrong"
)]
const fn ends() -> [u8; 1_024] {
    let mut table = [0; 1_024];
    let mut row = 0;
    while row < PREFIXES.len() {
        let prefix = PREFIXES[row].0.as_bytes();
        let length = word_length(prefix);
        let pair = pair(prefix[length - 2], prefix[length - 1]);
        table[pair as usize] |= separator_bit(prefix[length]);
        row += 1;
    }
    table
}

#[expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "evaluated by the compiler, which refuses to build where it goes wrong"
)]
const fn word_length(prefix: &[u8]) -> usize {
    let mut length = 0;
    while is_word(prefix[length]) {
        length += 1;
    }
    length
}

/// Two bytes as a number of ten bits: no two letters have the same.
const fn pair(earlier: u8, last: u8) -> u16 {
    (earlier as u16 & 31) << 5 | last as u16 & 31
}

const fn separator_bit(separator: u8) -> u8 {
    match separator {
        b'_' => 1,
        b'-' => 2,
        b'.' => 4,
        _ => 0,
    }
}

/// The bucket of a word by its first byte, its last, and its length.
const fn bucket(first: u8, last: u8, length: usize) -> usize {
    let mixed = (first as usize)
        .wrapping_mul(31)
        .wrapping_add((last as usize).wrapping_mul(7))
        .wrapping_add(length.wrapping_mul(131));
    mixed % BUCKETS
}

/// The rows that a word may be the beginning of.
fn rows(word: &[u8]) -> impl Iterator<Item = &'static Row> {
    let ends = word.first().zip(word.last());
    let mut row = ends.and_then(|(&first, &last)| FIRST.get(bucket(first, last, word.len())));
    core::iter::from_fn(move || {
        let place = usize::from(*row?);
        row = NEXT.get(place);
        PREFIXES.get(place)
    })
}

/// Whether what stands before a separator may be the beginning of a prefix with it, or of what has one in the middle.
#[inline]
pub(super) fn may_begin(before: &[u8; 16], separator: u8) -> bool {
    let &[_, _, first, .., earlier, last] = before;
    may_end(earlier, last, separator) || separator == b'.' && is_word(first)
}

/// Whether the word before a separator may be the beginning of a prefix, by its last two bytes.
fn may_end(earlier: u8, last: u8, separator: u8) -> bool {
    let end = ENDS.get(usize::from(pair(earlier, last)));
    end.is_some_and(|end| end & separator_bit(separator) != 0)
}

/// A separator: perhaps the first in a prefix, a private key's, or one of a few that stand in the middle.
#[inline(never)] // What calls it is optimized sooner.
pub(super) fn detect(sight: &mut Sight<'_, '_>, at: usize) -> Result<(), More> {
    let view = sight.view;
    let separator = view.ahead(at)?;
    if separator == b'-' && !is_word(view.before(at)) {
        return private_key(sight, at);
    }
    if at < sight.seen.token && separator != b'.' {
        return Ok(());
    }
    let is_end = may_end(view.before(at.wrapping_sub(1)), view.before(at), separator);
    let is_middle = separator == b'.' && is_word(view.before(at.wrapping_sub(13)));
    if !is_end && !is_middle {
        return Ok(());
    }
    let start = view.run_of_back(at, 14, Set::WORD);
    let length = at.wrapping_sub(start);
    if separator == b'.' && length == 14 {
        return middle(sight, at);
    }
    if !(2..=12).contains(&length) {
        return Ok(());
    }
    if start < sight.seen.token {
        return Ok(());
    }
    let word = view.part(start..at);
    for &(prefix, entity, alphabet, least) in rows(word) {
        let Some((head, tail)) = prefix.as_bytes().split_at_checked(length) else {
            continue;
        };
        if head == word && view.has(at, tail)? {
            let from = at.wrapping_add(tail.len());
            if fits(sight, start, from, entity, alphabet, least)? {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Whether behind `from` stands enough of the alphabet; then it is a token. No part of what was looked at and is none.
fn body(
    sight: &mut Sight<'_, '_>,
    start: usize,
    from: usize,
    entity: Entity,
    alphabet: Alphabet,
    least: usize,
) -> Result<bool, More> {
    match start < sight.seen.token {
        true => Ok(false),
        false => fits(sight, start, from, entity, alphabet, least),
    }
}

/// The same, of one row among others that begin so.
fn fits(
    sight: &mut Sight<'_, '_>,
    start: usize,
    from: usize,
    entity: Entity,
    alphabet: Alphabet,
    least: usize,
) -> Result<bool, More> {
    let view = sight.view;
    let end = view.run(from, least, |byte| alphabet.has(byte))?;
    let text = view.part(from..end);
    let is_right = match alphabet {
        Upper => true,
        Mixed => is_mixed(text),
        Account => is_random(text) && text.windows(4).any(|part| part == b".acc"),
        Url | Dotted | Base64 | Hex | Loud | Word | Link | Lines => is_random(text),
    };
    let is_found = text.len() == least && is_right;
    if is_found {
        sight.offer_open(entity, start, end, 95, alphabet.tail());
    } else if text.len() > 8 {
        sight.note().token = end;
    }
    Ok(is_found)
}

/// Capitals, small letters and digits.
fn is_mixed(text: &[u8]) -> bool {
    text.iter().any(u8::is_ascii_uppercase)
        && text.iter().any(u8::is_ascii_lowercase)
        && text.iter().any(u8::is_ascii_digit)
        && is_random(text)
}

/// Not a name in code: digits, or small letters and capitals mixed, and not a single character over and over.
#[inline(never)] // Five loops over vectors, else in each caller.
fn is_random(text: &[u8]) -> bool {
    let digits = text.iter().filter(|byte| byte.is_ascii_digit()).count();
    let capitals = text.iter().filter(|byte| byte.is_ascii_uppercase()).count();
    let small = text.iter().filter(|byte| byte.is_ascii_lowercase()).count();
    let is_mixed = digits >= 2 || digits > 0 && text.len() < 16 || capitals > 2 && small > 2;
    let breaks = text
        .iter()
        .filter(|byte| matches!(byte, b'_' | b'-'))
        .count();
    let is_one = text.iter().all(|byte| Some(byte) == text.first());
    is_mixed && !is_one && breaks.saturating_mul(4) <= text.len()
}

/// `-----BEGIN ... PRIVATE KEY-----`, and all of the block.
fn private_key(sight: &mut Sight<'_, '_>, at: usize) -> Result<(), More> {
    let view = sight.view;
    if view.before(at) == b'-' || !view.has(at, b"-----BEGIN ")? {
        return Ok(());
    }
    let label = at.wrapping_add(11);
    let label_end = view.run(label, 40, |byte| byte.is_ascii_uppercase() || byte == b' ')?;
    let text = view.part(label..label_end);
    let is_private = text.ends_with(b"PRIVATE KEY") || text.ends_with(b"PRIVATE KEY BLOCK");
    if is_private && view.has(label_end, b"-----")? {
        let tail = Tail::Pem {
            dashes: 0,
            is_ending: false,
        };
        let end = label_end.wrapping_add(5);
        sight.offer_open(PrivateKey, at, end, 99, tail);
    }
    Ok(())
}

/// Terraform's, Airtable's and Discord's, known by what stands between dots.
fn middle(sight: &mut Sight<'_, '_>, at: usize) -> Result<(), More> {
    let view = sight.view;
    if view.has(at, b".atlasv1.")? {
        let start = at.wrapping_sub(14);
        let from = at.wrapping_add(9);
        body(sight, start, from, ServiceToken, Base64, 60)?;
        return Ok(());
    }
    let start = view.run_of_back(at, 28, Set::BASE64URL);
    let user = view.part(start..at);
    if user.len() == 17 && user.starts_with(b"pat") {
        body(sight, start, at.wrapping_add(1), DatabaseToken, Hex, 64)?;
        return Ok(());
    }
    let stamp = at.wrapping_add(1);
    if !(24..=27).contains(&user.len()) || !user.first().is_some_and(|first| b"MNO".contains(first))
    {
        return Ok(());
    }
    let dot = view.run_of(stamp, 7, Set::BASE64URL)?;
    if dot == stamp.wrapping_add(6) && view.ahead(dot)? == b'.' && is_random(user) {
        body(sight, start, dot.wrapping_add(1), DiscordToken, Url, 27)?;
    }
    Ok(())
}

/// Letters that begin little else: `eyJ`, `AIza`, `AKIA`, `ABSK`, `AKCp`, `ASIA`, `LTAI`.
#[inline(never)] // What calls it is optimized sooner.
pub(super) fn detect_letter(sight: &mut Sight<'_, '_>, at: usize) -> Result<(), More> {
    let view = sight.view;
    let letter = view.ahead(at)?;
    let (back, prefix, entity, alphabet, least): (usize, &[u8], _, _, _) = match letter {
        b'I' => match view.before(at) {
            b'S' => (2, b"ASIA", AwsAccessKey, Upper, 16),
            b'B' => (2, b"ABIA", AwsAccessKey, Upper, 16),
            _ => (3, b"LTAI", AlibabaKey, Url, 16),
        },
        b'J' => return json_token(sight, at.wrapping_sub(2)),
        b'z' => (2, b"AIza", GoogleKey, Url, 35),
        _ if view.before(at) == b'S' => (3, b"ABSK", BedrockKey, Base64, 60),
        _ if view.ahead(at.wrapping_add(1))? == b'C' => (1, b"AKCp", PackageToken, Url, 60),
        _ => (1, b"AKIA", AwsAccessKey, Upper, 16),
    };
    let start = at.wrapping_sub(back);
    if at < back || view.run_of_back(at, back.wrapping_add(1), Set::WORD) != start {
        return Ok(());
    }
    // `prefix` begins with what is behind: compared ahead of `start`, all of it is there or to come.
    if view.has(start, prefix)? {
        let from = start.wrapping_add(prefix.len());
        body(sight, start, from, entity, alphabet, least)?;
    }
    Ok(())
}

/// `eyJ` begins base64 of `{"`. Two such parts are a JWT; one long one behind a vendor's prefix is a token.
fn json_token(sight: &mut Sight<'_, '_>, start: usize) -> Result<(), More> {
    let view = sight.view;
    if view.part(start..start.wrapping_add(2)) != b"ey" || is_base64url(view.before(start)) {
        return Ok(());
    }
    if view.has(start, b"eyJrIjoi")? {
        let from = start.wrapping_add(8);
        body(sight, start, from, MonitoringToken, Base64, 60)?;
        return Ok(());
    }
    let dot = view.run_of(start, 512, Set::BASE64URL)?;
    if dot.wrapping_sub(start) < 16 || view.ahead(dot)? != b'.' {
        return Ok(());
    }
    let from = dot.wrapping_add(1);
    let end = view.run_of(from, 10, Set::BASE64URL)?;
    if end == from.wrapping_add(10) {
        sight.offer_open(Jwt, start, end, 95, Tail::Dotted);
    }
    Ok(())
}

/// A bot's token of Telegram: its number, a colon, 35 characters; and Asana's, `1/` and a longer number, a colon, 32 hexadecimal digits.
pub(super) fn detect_telegram(sight: &mut Sight<'_, '_>, at: usize) -> Result<(), More> {
    let view = sight.view;
    let start = view.run_of_back(at, 19, Set::DIGIT);
    let from = at.wrapping_add(1);
    let digits = at.wrapping_sub(start);
    if (15..19).contains(&digits) && view.before(start) == b'/' {
        body(sight, start, from, ServiceToken, Hex, 32)?;
        return Ok(());
    }
    if !(8..=10).contains(&digits) || is_word(view.before(start)) {
        return Ok(());
    }
    let end = view.run_of(from, 36, Set::BASE64URL)?;
    let text = view.part(from..end);
    if (34..=35).contains(&text.len()) && is_random(text) {
        sight.offer(TelegramToken, start, end, 92);
    }
    Ok(())
}

/// Whether a vendor's keys may begin as the word of these letters does.
pub(super) fn begins_word(before: &[u8; 16], letters: usize) -> bool {
    let first = before.len().checked_sub(letters);
    let first = first.and_then(|first| before.get(first));
    first.is_some_and(|first| KEYS_BEGIN.contains(first))
}

/// How the words of [`WORDS`] begin.
const KEYS_BEGIN: &[u8] = b"ADEFGISYZcdo034";

/// A word with a digit in it that begins as a vendor's keys do.
pub(super) fn detect_word(sight: &mut Sight<'_, '_>, start: usize, end: usize) -> Result<(), More> {
    let word = sight.view.part(start..end);
    if word.get(52..58) == Some(b"JQQJ99") || word.get(76..80) == Some(b"AZDO") {
        return marked(sight, start);
    }
    if is_ended(word) {
        sight.offer(MonitoringToken, start, end, 90);
        return Ok(());
    }
    if word.get(42..46) == Some(b"AzSe") && word.len() == 52 {
        sight.offer(AzureKey, start, end, 95);
        return Ok(());
    }
    let may_begin = word.first().is_some_and(|first| KEYS_BEGIN.contains(first));
    // Of a longer word this is not the beginning.
    if word.len() < 5 || !may_begin || is_word(sight.view.before(start)) {
        return Ok(());
    }
    if word.starts_with(b"0") && sight.view.part(start.wrapping_sub(3)..start) == b"1//" {
        return refresh(sight, start);
    }
    if word.starts_with(b"00") {
        return okta(sight, start);
    }
    if word.starts_with(b"AQE") && word.get(4..8) == Some(b"hmfx") {
        body(sight, start, start, PaymentToken, Base64, 80)?;
        return Ok(());
    }
    prefixed(sight, start, word)
}

/// Google's, for new tokens of access: `1//` before `0`, and in no base64.
fn refresh(sight: &mut Sight<'_, '_>, start: usize) -> Result<(), More> {
    let before = sight.view.before(start.wrapping_sub(3));
    if !is_in(before, class::BASE64) || before == b'=' {
        body(sight, start, start, GoogleKey, Url, 40)?;
    }
    Ok(())
}

/// New Relic's licences: 40 characters of which the last tell.
fn is_ended(word: &[u8]) -> bool {
    word.len() == 40 && word.ends_with(b"NRAL") && is_random(word)
}

/// A word that begins as a row of [`WORDS`].
fn prefixed(sight: &mut Sight<'_, '_>, start: usize, word: &[u8]) -> Result<(), More> {
    let view = sight.view;
    if start < sight.seen.token {
        return Ok(());
    }
    for &(prefix, entity, alphabet, least, length) in WORDS {
        if !word.starts_with(prefix.as_bytes()) {
            continue;
        }
        let from = start.wrapping_add(prefix.len());
        if prefix.ends_with("AA") && is_padding(&view, start, from, least)? {
            continue;
        }
        // A word ends where `_` or `-` stands, which some keys have.
        let is_length = length == 0
            || length == word.len()
            || matches!(alphabet, Url)
                && length > word.len()
                && view.run(start, length.wrapping_add(1), is_base64url)?
                    == start.wrapping_add(length);
        if is_length && fits(sight, start, from, entity, alphabet, least)? {
            return Ok(());
        }
    }
    Ok(())
}

/// Zeros of something else in base64: what stands before, and too many of them.
fn is_padding(view: &View<'_>, start: usize, from: usize, least: usize) -> Result<bool, More> {
    if matches!(view.before(start), b'/' | b'+') {
        return Ok(true);
    }
    let end = view.run(from, least, |byte| is_in(byte, class::VALUE))?;
    let zeros = view.part(from..end).iter().filter(|&&byte| byte == b'A');
    Ok(zeros.count().saturating_mul(6) > end.wrapping_sub(from))
}

/// Okta's: 42 characters of which the first two are zeros.
fn okta(sight: &mut Sight<'_, '_>, start: usize) -> Result<(), More> {
    let view = sight.view;
    let end = view.run(start, 43, is_base64url)?;
    let text = view.part(start..end);
    let is_inner =
        matches!(view.before(start), b'/' | b'+' | b'.') || is_base64url(view.before(start));
    if text.len() == 42 && is_mixed(text) && !is_inner {
        sight.offer(ServiceToken, start, end, 85);
    }
    Ok(())
}

/// Microsoft's keys of 84 characters, which bear its mark behind 52 of them, and who gave them out behind 76.
fn marked(sight: &mut Sight<'_, '_>, start: usize) -> Result<(), More> {
    let end = sight.view.run(start, 85, is_word)?;
    if end == start.wrapping_add(84) {
        sight.offer(AzureKey, start, end, 95);
    }
    Ok(())
}

/// MaxMind's: `_mmk` behind 29 characters, `_` and six.
pub(super) fn detect_suffix(sight: &mut Sight<'_, '_>, at: usize) -> Result<(), More> {
    let view = sight.view;
    let start = at.wrapping_sub(36);
    if at < 36 || view.before(start.wrapping_add(7)) != b'_' {
        return Ok(());
    }
    let end = at.wrapping_add(4);
    if view.run_back(at, 37, is_base64url) == start && !is_word(view.ahead(end)?) {
        sight.offer(ServiceToken, start, end, 95);
    }
    Ok(())
}

/// An app's token of Facebook: its number, `|`, 27 characters or more.
pub(super) fn detect_app(sight: &mut Sight<'_, '_>, start: usize, end: usize) -> Result<(), More> {
    body(sight, start, end.wrapping_add(1), ServiceToken, Mixed, 27)?;
    Ok(())
}

/// Words whose end tells whose they are: Mailchimp's, Mailgun's, Azure's, OpenShift's, Salesforce's.
pub(super) fn detect_ended(
    sight: &mut Sight<'_, '_>,
    start: usize,
    end: usize,
) -> Result<(), More> {
    let view = sight.view;
    let word = view.part(start..end);
    match view.ahead(end)? {
        b'-' if word.len() == 32 && word.iter().all(u8::is_ascii_hexdigit) => {
            let behind = end.wrapping_add(1);
            if view.has(end, b"-us")? {
                let last = view.run(end.wrapping_add(3), 3, is_word)?;
                if last > end.wrapping_add(3) {
                    sight.offer(MailToken, start, last, 95);
                }
            } else if view.run(behind, 9, |byte| byte.is_ascii_hexdigit())?
                == behind.wrapping_add(8)
                && view.ahead(behind.wrapping_add(8))? == b'-'
            {
                let behind = behind.wrapping_add(9);
                let last = view.run(behind, 9, is_word)?;
                if last == behind.wrapping_add(8) {
                    sight.offer(MailToken, start, last, 90);
                }
            }
        }
        b'!' if matches!(word.len(), 15 | 18) && word.starts_with(b"00D") => {
            body(sight, start, end.wrapping_add(1), ServiceToken, Dotted, 60)?;
        }
        b'~' => {
            let from = end.wrapping_add(1);
            let (entity, least, start) = match word {
                b"sha256" => (ServiceToken, 43, start),
                [.., b'0'..=b'9', b'Q'] => (AzureKey, 31, start),
                _ => return Ok(()),
            };
            let last = view.run(from, least, |byte| {
                is_in(byte, class::DOTTED) || byte == b'~'
            })?;
            if last == from.wrapping_add(least) && is_random(view.part(from..last)) {
                sight.offer_open(entity, start, last, 95, Tail::Base64);
            }
        }
        _ => {}
    }
    Ok(())
}

/// Whether a token of the table begins here; an assignment leaves its value to it.
pub(super) fn begins(text: &[u8]) -> bool {
    let is_prefix = |prefix: &str| text.starts_with(prefix.as_bytes());
    let more = [
        "eyJ",
        "AIza",
        "AKIA",
        "ASIA",
        "ABIA",
        "LTAI",
        "ABSK",
        "AKCp",
        "-----BEGIN",
    ];
    let word = text
        .iter()
        .position(|&byte| !is_word(byte))
        .unwrap_or(text.len());
    // As much of it as there is has to fit.
    let fits = |prefix: &str, alphabet: Alphabet, least: usize| {
        let body = text.get(prefix.len()..).unwrap_or_default();
        let body = body.get(..least).unwrap_or(body);
        is_prefix(prefix)
            && body.len() >= least.min(30)
            && body.iter().all(|&byte| alphabet.has(byte))
            && is_random(body)
    };
    let begins_with = |keys: &[u8]| text.first().is_some_and(|first| keys.contains(first));
    rows(text.get(..word).unwrap_or_default()).any(|row| fits(row.0, row.2, row.3))
        || begins_with(KEYS_BEGIN)
            && WORDS
                .iter()
                .any(|row| (row.4 == 0 || row.4 == word) && fits(row.0, row.2, row.3))
        || begins_with(b"eAL-") && more.iter().any(|prefix| is_prefix(prefix))
}
