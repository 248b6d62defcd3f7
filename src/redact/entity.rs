//! What can be found: one row for each entity, with its name in policies and its group.

/// What a kind of entity has in common with others; a policy may name it instead of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Cards, accounts, wallets.
    Financial,
    /// Numbers that states give to people and firms.
    Identity,
    /// Ways to reach a person.
    Contact,
    /// Addresses of machines.
    Network,
    /// Whatever lets its holder in.
    Secrets,
}

impl Group {
    /// All of them, by the name they have in a policy.
    pub const ALL: [(&'static str, Self); 5] = [
        ("financial", Self::Financial),
        ("identity", Self::Identity),
        ("contact", Self::Contact),
        ("network", Self::Network),
        ("secrets", Self::Secrets),
    ];
}

macro_rules! entities {
    ($($group:ident { $($variant:ident $name:literal,)+ })+) => {
        /// A kind of sensitive value. The reference (`README.md` here) says of each what it catches and what not.
        #[expect(missing_docs, reason = "their names say it; the reference says the rest")]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Entity { $($($variant,)+)+ }

        impl Entity {
            /// All of them, in the order of the reference.
            pub const ALL: &'static [Self] = &[$($(Self::$variant,)+)+];

            /// Its name in policies, reports and metrics.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $($(Self::$variant => $name,)+)+ }
            }

            /// The group it belongs to.
            #[must_use]
            pub const fn group(self) -> Group {
                match self { $($(Self::$variant)|+ => Group::$group,)+ }
            }
        }
    };
}

entities! {
    Financial {
        PaymentCard "payment_card",
        CardCvv "card_cvv",
        Iban "iban",
        Bic "bic",
        UsRouting "us_routing",
        BankAccount "bank_account",
        BitcoinAddress "bitcoin_address",
        EthereumAddress "ethereum_address",
        TronAddress "tron_address",
    }
    Identity {
        UsSsn "us_ssn",
        UsItin "us_itin",
        UsEin "us_ein",
        UsNpi "us_npi",
        UsMbi "us_mbi",
        UsDea "us_dea",
        CaSin "ca_sin",
        MxCurp "mx_curp",
        BrCpf "br_cpf",
        BrCnpj "br_cnpj",
        ArCuil "ar_cuil",
        ClRut "cl_rut",
        UkNhs "uk_nhs",
        UkNino "uk_nino",
        DeTaxId "de_tax_id",
        FrInsee "fr_insee",
        EsNif "es_nif",
        ItCodiceFiscale "it_codice_fiscale",
        PlPesel "pl_pesel",
        NlBsn "nl_bsn",
        BeNationalNumber "be_national_number",
        SePersonnummer "se_personnummer",
        FiHetu "fi_hetu",
        NoFodselsnummer "no_fodselsnummer",
        DkCpr "dk_cpr",
        PtNif "pt_nif",
        TrTckn "tr_tckn",
        ZaId "za_id",
        InAadhaar "in_aadhaar",
        InPan "in_pan",
        InGstin "in_gstin",
        CnId "cn_id",
        KrRrn "kr_rrn",
        SgNric "sg_nric",
        ThId "th_id",
        AuTfn "au_tfn",
        AuAbn "au_abn",
        AuMedicare "au_medicare",
        Passport "passport",
        DriverLicence "driver_licence",
        DateOfBirth "date_of_birth",
        Vin "vin",
        Imei "imei",
    }
    Contact {
        Email "email",
        Phone "phone",
    }
    Network {
        Ipv4 "ipv4",
        Ipv6 "ipv6",
        MacAddress "mac_address",
    }
    Secrets {
        PrivateKey "private_key",
        Jwt "jwt",
        UrlCredentials "url_credentials",
        ConnectionString "connection_string",
        Password "password",
        GenericSecret "generic_secret",
        AwsAccessKey "aws_access_key",
        AwsSecretKey "aws_secret_key",
        BedrockKey "bedrock_key",
        AzureKey "azure_key",
        GoogleKey "google_key",
        AlibabaKey "alibaba_key",
        DigitalOceanToken "digitalocean_token",
        OpenAiKey "openai_key",
        AnthropicKey "anthropic_key",
        ModelProviderKey "model_provider_key",
        GitHubToken "github_token",
        GitLabToken "gitlab_token",
        SlackToken "slack_token",
        DiscordToken "discord_token",
        TelegramToken "telegram_token",
        StripeKey "stripe_key",
        PaymentToken "payment_token",
        ShopifyToken "shopify_token",
        MailToken "mail_token",
        TwilioKey "twilio_key",
        PackageToken "package_token",
        VaultToken "vault_token",
        AtlassianToken "atlassian_token",
        MonitoringToken "monitoring_token",
        DatabaseToken "database_token",
        ServiceToken "service_token",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_has_a_name_of_its_own_that_is_no_group() {
        let mut names: BTreeSet<_> = Entity::ALL.iter().map(|entity| entity.name()).collect();
        names.extend(Group::ALL.map(|(name, _)| name));
        assert_eq!(names.len(), Entity::ALL.len() + Group::ALL.len());
        assert!(Entity::ALL.len() >= 60);
    }
}
