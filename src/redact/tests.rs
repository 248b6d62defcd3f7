//! Each entity by a few values in a few surroundings, and what looks like it and is not.

#![expect(
    clippy::string_slice,
    reason = "clippy knows test functions, not the helpers of a test file"
)]

use super::*;

/// What is found, as `entity:value`.
fn found(text: &str) -> Vec<String> {
    let plan = Plan::all(Action::Mask);
    let mut found = Vec::new();
    plan.scan(text, &mut Folded::new(), |finding| {
        found.push(format!(
            "{}:{}",
            plan.name(finding.kind),
            &text[finding.span]
        ));
    });
    found
}

#[track_caller]
fn check(text: &str, want: &[&str]) {
    assert_eq!(found(text), want, "{text}");
}

#[test]
fn a_card_is_found_in_one_piece_and_in_groups() {
    check(
        "pay 4111111111111111 now",
        &["payment_card:4111111111111111"],
    );
    check(
        "4111 1111 1111 1111 12/27",
        &["payment_card:4111 1111 1111 1111"],
    );
    check("3782-822463-10005.", &["payment_card:3782-822463-10005"]);
    check(
        "for 12 4111 1111 1111 1111 x",
        &["payment_card:4111 1111 1111 1111"],
    );
    check(
        "{\"card\":\"5555555555554444\"}",
        &["payment_card:5555555555554444"],
    );
}

#[test]
fn a_card_with_a_wrong_digit_or_inside_a_longer_number_is_none() {
    check("pay 4111111111111112 now", &[]);
    check("id 94111111111111111", &[]);
    check("4111111111111111-1", &[]);
    check("a4111111111111111", &[]);
    check("0.4111111111111111", &[]);
    check("2341 2341 2346 1113", &[]);
    check("1112 2341 2341 2346", &[]);
    check("2341 2341 2346", &["in_aadhaar:2341 2341 2346"]);
}

#[test]
fn an_iban_is_found_with_and_without_spaces() {
    check("DE89370400440532013000", &["iban:DE89370400440532013000"]);
    check(
        "to DE89 3704 0044 0532 0130 00, please",
        &["iban:DE89 3704 0044 0532 0130 00"],
    );
    check("GB82WEST12345698765432", &["iban:GB82WEST12345698765432"]);
    check("GB83WEST12345698765432", &[]);
}

#[test]
fn an_ssn_keeps_to_its_rules() {
    check("SSN 536-22-1234", &["us_ssn:536-22-1234"]);
    check("536-22-1234", &["us_ssn:536-22-1234"]);
    check("her ssn is 536221234", &["us_ssn:536221234"]);
    check(
        "000-22-1234 666-22-1234 536-00-1234 536-22-0000 078-05-1120",
        &[],
    );
    check("order 536221234", &[]);
}

#[test]
fn an_address_of_mail_is_found() {
    check(
        "write to jane.doe+x@mail.example.co.uk.",
        &["email:jane.doe+x@mail.example.co.uk"],
    );
    check("<a@b.io>", &["email:a@b.io"]);
    check(
        "@app.route icon@2x.png git@github.com:a/b lodash@4.17.21 a@b",
        &[],
    );
}

#[test]
fn addresses_of_machines_are_found_but_for_reserved_ones() {
    check("from 8.8.4.4:53", &["ipv4:8.8.4.4"]);
    check(
        "127.0.0.1 0.0.0.0 255.255.255.0 203.0.113.9 1.2.3.4.5 Chrome/120.0.6099.1 v1.2.3.4",
        &[],
    );
    check(
        "host 2a00:1450:4001:81b::200e up",
        &["ipv6:2a00:1450:4001:81b::200e"],
    );
    check("std::fmt a::b 12:34:56 ::1 2001:db8::1 fade::bed", &[]);
    check("eth0 3c:22:fb:9a:01:7e", &["mac_address:3c:22:fb:9a:01:7e"]);
    check(
        "8.8.4.4 93.184.216.34 1.2.3.4",
        &["ipv4:8.8.4.4", "ipv4:93.184.216.34", "ipv4:1.2.3.4"],
    );
}

#[test]
fn phones_are_found() {
    check("call +49 30 901820 now", &["phone:+49 30 901820"]);
    check("(212) 555-0143", &["phone:(212) 555-0143"]);
    check("212-555-0143 x12", &["phone:212-555-0143 x12"]);
    check("tel: 020 7946 0958", &["phone:020 7946 0958"]);
    check("\"phone\": \"2125550143\"", &["phone:2125550143"]);
    check("on 2024-01-02 at 10.20.30", &[]);
    check(
        "+49 30 901820 8.8.4.4",
        &["phone:+49 30 901820", "ipv4:8.8.4.4"],
    );
}

#[test]
fn tokens_are_found_and_their_whole_length() {
    check(
        "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
        &["github_token:ghp_16C7e42F292c6912E7710c838347Ae178B4a"],
    );
    check(
        "key AKIAIOSFODNN7EXAMPLE.",
        &["aws_access_key:AKIAIOSFODNN7EXAMPLE"],
    );
    let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U";
    check(jwt, &[&format!("jwt:{jwt}")]);
    let pem = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\n-----END RSA PRIVATE KEY-----";
    check(&format!("x {pem} y"), &[&format!("private_key:{pem}")]);
    check(
        "sk_bulk_update max_tokens=1000 -----BEGIN PUBLIC KEY-----",
        &[],
    );
}

#[test]
fn a_token_without_digits_at_its_beginning_is_one() {
    let token = "sk_live_nmabNxgFmmGo3N2iq015N4mV";
    check(token, &[&format!("stripe_key:{token}")]);
}

#[test]
fn assignments_are_found_by_name_and_value() {
    check("password = \"hunter2!\"", &["password:hunter2!"]);
    check("Server=db;Password=pw0rd!x;", &["password:pw0rd!x"]);
    check(
        "API_KEY=9f8e7d6c5b4a39281706",
        &["generic_secret:9f8e7d6c5b4a39281706"],
    );
    check(
        "postgres://app:s3cr3t@db:5432/x",
        &["connection_string:app:s3cr3t"],
    );
    check(
        "password: required, token = get_token(), api_key=$KEY next_page_token=9f8e7d6c5b4a39281706",
        &[],
    );
    check(
        "ClientRequestToken: 550e8400-e29b-41d4-a716-446655440000",
        &[],
    );
    check(
        "RequestToken: 9f8e7d6c5b4a39281706",
        &["generic_secret:9f8e7d6c5b4a39281706"],
    );
}

#[test]
fn disguises_are_seen_through() {
    check(
        "４１１１ １１１１ １１１１ １１１１",
        &["payment_card:４１１１ １１１１ １１１１ １１１１"],
    );
    check(
        "41\u{200B}11111111111111",
        &["payment_card:41\u{200B}11111111111111"],
    );
    check("jаne＠corp-mail.org", &["email:jаne＠corp-mail.org"]);
}

#[test]
fn ids_of_states_are_found() {
    check("CPF 529.982.247-25", &["br_cpf:529.982.247-25"]);
    check("NHS 943 476 5919", &["uk_nhs:943 476 5919"]);
    check("12345678Z", &["es_nif:12345678Z"]);
    check("RSSMRA85T10A562S", &["it_codice_fiscale:RSSMRA85T10A562S"]);
    check("131052-308T", &["fi_hetu:131052-308T"]);
    check("11010519491231002X", &["cn_id:11010519491231002X"]);
    check("1EG4-TE5-MK73", &["us_mbi:1EG4-TE5-MK73"]);
    check("S1234567D", &["sg_nric:S1234567D"]);
    check("12.345.678-5", &["cl_rut:12.345.678-5"]);
    check("1HGCM82633A004352", &["vin:1HGCM82633A004352"]);
    check("nino AB 12 34 56 C.", &["uk_nino:12 34 56 C"]);
    check("XAB 12 34 56 C and AB 12 34 56 E, BG 12 34 56 C", &[]);
    check("born 12 March 1980", &["date_of_birth:12 March 1980"]);
    check(
        "geboren am 3. M\u{e4}rz 1990",
        &["date_of_birth:3. M\u{e4}rz 1990"],
    );
    check("DOB: 07-Oct-1971", &["date_of_birth:07-Oct-1971"]);
    check(
        "of 12 March 1980; born 32 March 1980, 12 marbles 1980x",
        &[],
    );
}

#[test]
fn wallets_are_found_by_their_checksums() {
    check(
        "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
        &["bitcoin_address:1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"],
    );
    check("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb", &[]);
    check(
        "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
        &["bitcoin_address:bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"],
    );
}

#[test]
fn mail_of_domains_for_examples_is_mail() {
    check(
        "ann@example.com bob@mail.example.org cy@localhost",
        &["email:ann@example.com", "email:bob@mail.example.org"],
    );
}

#[test]
fn numbers_of_documents_stay() {
    check(
        "ISBN 978-3-16-148410-0, ISBN 0-306-40615-2, ISSN 2049-3630",
        &[],
    );
    check(
        "RFC 9110, RFC 5737 and 3849; (c) 2019-2026, 1998 - 2004",
        &[],
    );
    check("at 52.520008, 13.404954 or 40.712776,-74.005974", &[]);
    check(
        "v1.2.3.4, version 10.0.19041.1, 1.27.0-rc.1, 2024.11.23.1",
        &[],
    );
}

#[test]
fn numbers_of_everyday_life_stay() {
    check("550e8400-e29b-41d4-a716-446655440000", &[]);
    check("12345678-1234-1234-1234-123456789012", &[]);
    check("d41d8cd98f00b204e9800998ecf8427e", &[]);
    check(
        "at 1700000000 and 1700000000000, 2024-05-06T07:08:09.123456Z",
        &[],
    );
    check("v1.2.3, 10.15.7, $1,234.56, order 100200300400", &[]);
}

#[test]
fn keys_of_aws_need_no_digit() {
    check(
        "ASIAIOSFODNNAEXAMPL7 x",
        &["aws_access_key:ASIAIOSFODNNAEXAMPL7"],
    );
    check(
        "(ASIAIOSFODNNAEXAMPLE)",
        &["aws_access_key:ASIAIOSFODNNAEXAMPLE"],
    );
    check("ASIA IS ASIAN, and AI is a FANTASIA", &[]);
}

#[test]
fn passwords_in_sentences_are_found() {
    check("the password is hunter2.", &["password:hunter2"]);
    check(
        "My Password is Tr0ub4dor&3, okay",
        &["password:Tr0ub4dor&3"],
    );
    check(
        "I changed the password to 'S3cret-Pass'",
        &["password:S3cret-Pass"],
    );
    check("my password: hunter2!", &["password:hunter2!"]);
    check("the pin is 4711, ok", &["password:4711"]);
    check("PIN: 4711", &["password:4711"]);
    check(
        "The password is required. The password is wrong; a password was sent to you, password is base64-encoded, \
         the password is 8 characters long, the pin is 7, the pins are 12345, pinned 4711",
        &[],
    );
}

#[test]
fn what_stands_in_quotes_is_a_value_up_to_the_quote() {
    check(
        "{\"password\": \"Tr0ub4dor&3<x>;y\", \"n\": 1}",
        &["password:Tr0ub4dor&3<x>;y"],
    );
    check("password=Tr0ub4dor&user=3", &["password:Tr0ub4dor"]);
}

#[test]
fn secrets_are_found_however_they_are_given() {
    let want = ["generic_secret:9f8e7d6c5b4a39281706"];
    for text in [
        "<ACME_TOKEN>9f8e7d6c5b4a39281706</ACME_TOKEN>",
        "System.setProperty(\"ACME_TOKEN\", \"9f8e7d6c5b4a39281706\")",
        "curl --api-key 9f8e7d6c5b4a39281706 x",
        "var acmeToken string = \"9f8e7d6c5b4a39281706\"",
        "the API key is 9f8e7d6c5b4a39281706, ok",
        "my access key: 9f8e7d6c5b4a39281706",
        "os.environ[\"ACME_TOKEN\"] = \"9f8e7d6c5b4a39281706\"",
        "client.setApiKey(\"9f8e7d6c5b4a39281706\")",
        "ENV ACME_TOKEN 9f8e7d6c5b4a39281706",
        "#define ACME_TOKEN \"9f8e7d6c5b4a39281706\"",
        "tool --token '9f8e7d6c5b4a39281706'",
        "let token: &'static str = \"9f8e7d6c5b4a39281706\";",
        "token: str = b\"9f8e7d6c5b4a39281706\"",
        "token: String::from(\"9f8e7d6c5b4a39281706\")",
        "Dim acmeToken As String = \"9f8e7d6c5b4a39281706\"",
        "token = get(\"TOKEN\") or \"9f8e7d6c5b4a39281706\"",
        "process.env.ACME_TOKEN ?? '9f8e7d6c5b4a39281706'",
        "<add key=\"ApiKey\" value=\"9f8e7d6c5b4a39281706\"/>",
        "- name: ACME_TOKEN\n  value: 9f8e7d6c5b4a39281706",
        "variable \"acme_token\" {\n  default = \"9f8e7d6c5b4a39281706\"",
        "acme_token: |\n  9f8e7d6c5b4a39281706\n",
        "\\\"token\\\": \\\"9f8e7d6c5b4a39281706\\\"",
        "| `ACME_TOKEN` | `9f8e7d6c5b4a39281706` |",
        "if token == \"9f8e7d6c5b4a39281706\":",
        "Set(\"Authorization\", \"Bearer 9f8e7d6c5b4a39281706\")",
    ] {
        check(text, &want);
    }
    // It begins as Twilio's do, and is none.
    check(
        "api_key = \"ACzw8e7d6c5b4a39281706\"",
        &["generic_secret:ACzw8e7d6c5b4a39281706"],
    );
    let arn = "arn:aws:secretsmanager:us-east-1:1:secret:app/Main-a1b2c3";
    check(arn, &[]);
    check(
        "token: CachedX509Token, key != Socks5.Socks5Key, hash_password::<Sha256>()",
        &[],
    );
    check(
        "the token is next_page_2_of_3, <token>identifier_1</token>, get(\"token\", \"name1\"), --key value-of-1-thing",
        &[],
    );
}

#[test]
fn passwords_that_commands_take_are_found() {
    let want = ["password:corr3ct-h0rse"];
    for text in [
        "curl -u bob:corr3ct-h0rse https://a.io",
        "sshpass -p corr3ct-h0rse ssh x",
        "docker login -u bob -p 'corr3ct-h0rse' reg.io",
        "mysql -u root -pcorr3ct-h0rse db",
        "CREATE USER bob IDENTIFIED BY 'corr3ct-h0rse'",
        "ALTER ROLE bob WITH PASSWORD 'corr3ct-h0rse'",
        "machine a.io login bob password corr3ct-h0rse",
        "the password of the guest network is corr3ct-h0rse",
    ] {
        check(text, &want);
    }
    check(
        "docker run -p 8080:80 -u bob:staff2, mkdir -p login2 && cp -p a1b2c3d4",
        &[],
    );
}

#[test]
fn a_user_and_a_password_in_base64_are_known_by_what_they_stand_for() {
    check(
        "\"Basic YWRtaW46czNjcjN0\"",
        &["generic_secret:YWRtaW46czNjcjN0"],
    );
    check("\"Basic YWRtaW4tczNjcjN0\", basic: Sha256Sha256Sha2", &[]);
}

#[test]
fn keys_are_known_by_marks_behind_their_beginning() {
    let random = "o6kwtkqjyb5eu5c55er5ga1gjpwn7bj6czccnylom43qwxjbrs12";
    let devops = format!("{random}JQQJ99BKACAAAAAAAAAAAAASAZDO2a1b");
    check(&format!("pat {devops}."), &[&format!("azure_key:{devops}")]);
    check(&format!("pat {devops}x, {random}JQQJ99"), &[]);
    check(
        "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",
        &["service_token: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"],
    );
    check(
        "1/9539026513516038:852b675bd75915fc5779665ef73ef0b5",
        &["service_token:9539026513516038:852b675bd75915fc5779665ef73ef0b5"],
    );
    check(
        "7910030333392716|Cp3a2UVR7XB1MmYjBxZ8RgVaLQoKoD",
        &["service_token:7910030333392716|Cp3a2UVR7XB1MmYjBxZ8RgVaLQoKoD"],
    );
    check(
        "00ASeAdG_Fzbu6TBo8u400CszqnvhJdrfr3o4kP3Fw",
        &["service_token:00ASeAdG_Fzbu6TBo8u400CszqnvhJdrfr3o4kP3Fw"],
    );
    check(
        "patoRVsgnWXKpvTjP.88e400cb10f39a902fc8b57a40e886751ff52fbc07f9f914555fee1730d649ec",
        &[
            "database_token:patoRVsgnWXKpvTjP.88e400cb10f39a902fc8b57a40e886751ff52fbc07f9f914555fee1730d649ec",
        ],
    );
    check(
        "md-checkbox-2-column-10-x, pk_user_id_0123456789_0123456789_0123456789, 00e400cb10f39a902fc8b57a40e886751ff52fbc07, is_mmk",
        &[],
    );
}

#[test]
fn newer_forms_of_tokens_are_found_whole() {
    let body = "Zx7Kq2Lm9Rt4Vb8Nc1Yd6Wf3Hg5Js0Pa2Ue7Io4Tk";
    let hex = "4f0a9c6e2b7d8135e6f2a0c49b7d31e58a6c0f2d";
    let uuid = "3f2b8c1e-7a4d-4c90-9e51-d06a8b7f2c34";
    let jwt = format!("eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.eyJpc3Mi{body}.{body}");
    for (entity, token) in [
        ("google_key", format!("AQ.Ab8RN6{body}")),
        ("google_key", format!("ya29.c.{body}")),
        ("github_token", format!("ghs_123456_{jwt}")),
        ("gitlab_token", format!("glpat-{body}.01.1a0b2c3d4")),
        ("gitlab_token", format!("glptt-{}", &body[..20])),
        ("slack_token", format!("xoxd-{body}%2B{body}")),
        ("payment_token", format!("live_{}", &body[..30])),
        ("stripe_key", format!("sk_org_live_{body}")),
        ("openai_key", format!("ek_{}", &hex[..32])),
        ("model_provider_key", format!("sk-{}", &body[..22])),
        ("model_provider_key", format!("wandb_v1_{body}{body}")),
        ("monitoring_token", format!("ddpat_{body}")),
        ("monitoring_token", format!("{}NRAL", &hex[..36])),
        ("monitoring_token", format!("xapt-{uuid}")),
        ("database_token", format!("sbp_oauth_{hex}")),
        ("database_token", format!("dose{}", &hex[..32])),
        ("service_token", format!("da2-{}", &hex[..26])),
        ("service_token", format!("HRKU-{uuid}")),
        ("azure_key", format!("{}4kQAzSeA4f0Xw", &body[..39])),
    ] {
        check(
            &format!("use \"{token}\" here"),
            &[&format!("{entity}:{token}")],
        );
    }
    check(&format!("1//0g{body}"), &[&format!("google_key:0g{body}")]);
}

#[test]
fn base64_and_names_that_begin_as_tokens_do_stay() {
    check(
        "ChAAAHUSAACtEgAAghMAAE8UAAB/EAAAoBUAACMUAACJEgAAixQAAE0VAADUEQAAzxQAABAYAADJFgAA3BYAAMERAADgFwAAuxQAAHQUAAB8FQ",
        &[],
    );
    check(
        "EAADYhQQAX4YAALCWEgCVlwMAvpkRABmkAQBCpAEAerYCAPq4AwCEuQMAeb0BAOzCAQBowwMAtcYCAODSAADD1QEAXdoBAMnaAQDA",
        &[],
    );
    check(
        "zbFvv35b/91//0FAwa9CwEBh7gKq2Y6Mx4Lk8Rt5Vb9Nc1Yd6Wf3Hg5Js0Pa2",
        &[],
    );
    check(
        "ext_proc.v3.ProcessingMode.BodySendMode.FULL_DUPLEX_STREAMED, rnd_sat0Ahq6_vh_vasr_vwvwr_rnd_sat0Ahq6_vhf",
        &[],
    );
    check(
        "live_call_incoming_webhook_event.cpython-311.pyc, sk-folding-cube-loader-2-column-1, v1.20.3-rc.1, dose1",
        &[],
    );
}

#[test]
fn hardware_addresses_with_dots_have_letters() {
    check(
        "aabb.ccdd.ee0f and 3C22.FB9A.017E",
        &["mac_address:aabb.ccdd.ee0f", "mac_address:3C22.FB9A.017E"],
    );
    check("1234.5678.9012, aabb.ccdd.eeff.0011, face.book.cafe", &[]);
}

#[test]
fn rows_of_numbers_and_names_with_numbers_stay() {
    check(
        "466 100 29 4619 7 and 5 536 363 9449 1 and 66 4367 5320 3147 2",
        &[],
    );
    check(
        "\"id\": \"to-list-the-accounts-1472503166868\", \"OwnerId\": \"354978882203\", evt-1210263253",
        &[],
    );
    check("7b fa 07 09 33 76 60 fe and isbn 4009950008612", &[]);
    check("accounts-1472503166868, >=9.18.10.212, ^16.22.23.156", &[]);
    check("https://user:password@db.example.org/", &[]);
}

#[test]
fn addresses_of_mail_have_domains_in_any_script() {
    for text in [
        "jane@m\u{fc}ller.de",
        "jane@\u{4f8b}\u{5b50}.\u{516c}\u{53f8}",
        "JANE@ABC.XN--P1AI",
        "jane@[8.8.4.4]",
    ] {
        check(&format!("to {text} now"), &[&format!("email:{text}")]);
    }
    check("jane@corp.com\u{7ed9}\u{6211}", &["email:jane@corp.com"]);
    check(
        "@m\u{fc}ller.de, a@b\u{2026}, x@[1.2.3], http://user:pass@corp.com",
        &[],
    );
}

#[test]
fn a_card_of_an_unknown_range_is_one_behind_a_word_for_cards() {
    for number in ["6100123456789011", "6100 1234 5678 9011", "572901476034"] {
        let found = format!("payment_card:{number}");
        check(&format!("credit card: {number}, thanks"), &[&found]);
        check(&format!("part {number}, thanks"), &[]);
    }
    check(
        "credit card: 6100123456789012, SIM card 8931440400000000011",
        &[],
    );
    check("part 3505123456789019", &["payment_card:3505123456789019"]);
}

#[test]
fn numbers_are_found_right_behind_words_that_say_what_they_are() {
    check("VISA4111111111111111", &["payment_card:4111111111111111"]);
    check(
        "IBANDE89370400440532013000 ok",
        &["iban:DE89370400440532013000"],
    );
    check(
        "SSN536-22-1234, ssn536221234",
        &["us_ssn:536-22-1234", "us_ssn:536221234"],
    );
    check("ip93.184.16.34 ip10.1.2", &["ipv4:93.184.16.34"]);
    check("8.8.4.4-8.8.8.8", &["ipv4:8.8.4.4", "ipv4:8.8.8.8"]);
    check(
        "ip:2a00:1450:4001:81b::200e",
        &["ipv6:2a00:1450:4001:81b::200e"],
    );
    check(
        "VISA4111111111111112, Xcard4111111111111111, SSN666-22-1234",
        &[],
    );
}

#[test]
fn a_card_is_found_however_its_groups_stand_apart() {
    for text in [
        "4111_1111_1111_1111",
        "4111 - 1111 - 1111 - 1111",
        "4111\t1111\t1111\t1111",
        "4111 1111\n1111 1111",
    ] {
        check(
            &format!("card {text} x"),
            &[&format!("payment_card:{text}")],
        );
    }
    check("4111,1111,1111,1111; card 4111,1111,1111,1112", &[]);
}

#[test]
fn phones_are_found_as_nations_write_them() {
    for text in [
        "212 555-0143",
        "030/32066357",
        "0532 708 78 24",
        "0044 7724 467217",
        "070-123 45 67",
        "11 91234-5678",
        "8-988-944-04-80",
        "(212) 555-0143, ext. 12",
        "212-555-0143 extension 7898",
    ] {
        check(&format!("| {text} |"), &[&format!("phone:{text}")]);
    }
    check(
        "01/02/2024, 2024/11/23, 0.532, 007 123 45 67 89, 1300 12",
        &[],
    );
}
