//! What models cost, and how much they answer at most: a table that is part of the module, and the policy's.
//!
//! `prices.json` lists what providers charged on the day that it says, in dollars for a million tokens, each row with its
//! source. Where regions differ it has the dearest, for patterns do not see the region. What has no source has no row, and
//! a budget of money refuses a model without a price. Rows of the policy's `prices` come behind it. The last row that fits a model's id counts. Patterns see the id
//! as those of the models' table do: without an ARN's head and the region of a cross-region profile.

use crate::budget::Price;
use crate::document::{self, Fields, Problems};
use crate::glob::Glob;

/// What is known of a model's cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// What its tokens cost.
    pub price: Price,
    /// The most tokens that it answers.
    pub output_tokens_max: Option<u64>,
}

/// Every row, later ones first.
#[derive(Debug, Default)]
pub(super) struct Prices(Vec<(Vec<Glob>, Cost)>);

const TABLE: &str = include_str!("prices.json");

impl Prices {
    /// Reads the module's own table and the field `prices`.
    pub(super) fn read(fields: &mut Fields<'_>) -> Self {
        let mut rows = match Self::shipped() {
            Ok(rows) => rows,
            Err(problems) => {
                let message = format!("the module's own table of prices is broken: {problems}");
                fields.problem("prices", message);
                Vec::new()
            }
        };
        rows.extend(read_rows(fields));
        rows.reverse();
        Self(rows)
    }

    fn shipped() -> Result<Vec<(Vec<Glob>, Cost)>, Problems> {
        let table = document::parse(TABLE.as_bytes())?;
        document::read(&table, |table| {
            let remedy = "say when the prices were read, and where";
            table.require("read", remedy).string("read");
            let sources = table.entries("sources", |name, sources| {
                sources.string(name);
                Some(name.to_owned())
            });
            let rows = read_rows(table);
            Some(rows).filter(|_| !sources.is_empty())
        })
    }

    /// What a model costs, by its id without region.
    pub(super) fn of(&self, model: &str) -> Option<Cost> {
        let fits = |patterns: &[Glob]| patterns.iter().any(|pattern| pattern.matches(model));
        let found = self.0.iter().find(|(patterns, _)| fits(patterns));
        found.map(|(_, cost)| *cost)
    }
}

fn read_rows(fields: &mut Fields<'_>) -> Vec<(Vec<Glob>, Cost)> {
    fields.maps("prices", |_, row| {
        let patterns = row
            .require("match", "list patterns of model ids")
            .list_of_parsed("match", str::parse::<Glob>);
        let remedy = "write dollars for a million tokens";
        let input = row.require("input", remedy).decimal("input", Price::parse);
        let output = row
            .require("output", remedy)
            .decimal("output", Price::parse);
        let cached = row.decimal("cached", Price::parse);
        let cache_write = row.decimal("cache_write", Price::parse);
        // For people.
        row.string("source");
        let output_tokens_max = row.u64("output_tokens_max", 1..=OUTPUT_TOKENS_MAX);
        let (patterns, input, output) = (patterns?, input?, output?);
        let price = Price {
            input,
            cached: cached.unwrap_or(input),
            cache_write: cache_write.unwrap_or(input),
            output,
        };
        let cost = Cost {
            price,
            output_tokens_max,
        };
        Some((patterns, cost))
    })
}

const OUTPUT_TOKENS_MAX: u64 = 10_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    /// Dollars for a million tokens of the prompt and of the answer, in millionths.
    #[track_caller]
    fn check(policy: &str, model: &str, want: Option<(u64, u64)>) {
        let root = document::parse(policy.as_bytes()).unwrap();
        let prices = document::read(&root, |fields| Some(Prices::read(fields))).unwrap();
        let cost = prices.of(model);
        assert_eq!(cost.map(|cost| (cost.price.input, cost.price.output)), want);
    }

    #[test]
    fn the_table_is_sound_and_its_last_fitting_row_counts() {
        check("{}", "gpt-4.1", Some((2_000_000, 8_000_000)));
        check("{}", "gpt-4.1-mini-2025-04-14", Some((400_000, 1_600_000)));
        check(
            "{}",
            "anthropic.claude-opus-4-5-20251101-v1:0",
            Some((5_500_000, 27_500_000)),
        );
    }

    #[test]
    fn a_pattern_does_not_price_a_dearer_sibling() {
        check("{}", "o4-mini", Some((1_100_000, 4_400_000)));
        check("{}", "o4-mini-deep-research", Some((2_000_000, 8_000_000)));
        check("{}", "gpt-3.5-turbo-1106", Some((1_000_000, 2_000_000)));
        check("{}", "gpt-5.1-codex-mini", Some((250_000, 2_000_000)));
        check("{}", "gpt-5-image", None);
        check(
            "{}",
            "anthropic.claude-opus-5-5",
            Some((4_400_000, 22_000_000)),
        );
        check(
            "{}",
            "anthropic.claude-opus-5",
            Some((5_500_000, 27_500_000)),
        );
    }

    #[test]
    fn every_row_of_the_table_names_one_of_its_sources() {
        #[derive(serde::Deserialize)]
        struct Table {
            sources: std::collections::BTreeMap<String, String>,
            prices: Vec<Row>,
        }
        #[derive(serde::Deserialize)]
        struct Row {
            source: String,
        }
        let table: Table = serde_json::from_str(TABLE).unwrap();
        assert!(table.prices.len() > 50);
        for row in table.prices {
            assert!(table.sources.contains_key(&row.source), "{}", row.source);
        }
    }

    #[test]
    fn a_model_that_nobody_priced_has_no_price() {
        check("{}", "acme-1", None);
    }

    #[test]
    fn the_policys_row_counts_before_the_tables() {
        let policy = r#"{"prices":[{"match":["gpt-4.1","acme-*"],"input":0.00875,"output":1}]}"#;
        check(policy, "gpt-4.1", Some((8_750, 1_000_000)));
        check(policy, "acme-1", Some((8_750, 1_000_000)));
    }

    #[test]
    fn what_a_cache_costs_is_the_prompts_price_unless_it_is_written() {
        let root =
            document::parse(br#"{"prices":[{"match":["m"],"input":2,"cached":0.5,"output":1}]}"#)
                .unwrap();
        let prices = document::read(&root, |fields| Some(Prices::read(fields))).unwrap();
        let price = prices.of("m").unwrap().price;
        assert_eq!((price.cached, price.cache_write), (500_000, 2_000_000));
    }
}
