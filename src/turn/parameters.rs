//! What happens to a parameter that the upstream cannot carry.

use crate::fault::{Fault, Invalid};

/// What to do with a parameter that a target cannot carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Leave it out and say nothing.
    Drop,
    /// Leave it out and name it in the answer's `x-tollgate-dropped` header.
    Warn,
    /// Refuse the request with a 400 that names it.
    Reject,
}

/// The admin's rules for parameters that cannot be carried.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parameters {
    /// The rule for all that have none of their own; without it the parameter's weight decides.
    pub default: Option<Rule>,
    /// Rules by parameter name.
    pub named: Vec<(String, Rule)>,
}

/// Parameters whose loss changes what the app gets back, not just how the model gets there.
/// Without a rule of the admin's, a request that sets one is refused.
const WEIGHTY: &[&str] = &[
    "audio",
    "dimensions",
    "echo",
    "function_call",
    "functions",
    "logprobs",
    "modalities",
    "n",
    "response_format",
    "suffix",
    "tool_choice",
    "tools",
    "top_logprobs",
    "web_search_options",
];

impl Parameters {
    fn rule(&self, name: &str) -> Rule {
        if let Some((_, rule)) = self.named.iter().find(|(known, _)| known == name) {
            return *rule;
        }
        let weighty = WEIGHTY.contains(&name);
        self.default
            .unwrap_or(if weighty { Rule::Reject } else { Rule::Warn })
    }
}

/// Collects the parameters that a translation leaves behind.
#[derive(Debug)]
pub struct Uncarried<'p> {
    rules: &'p Parameters,
    warned: Vec<String>,
}

impl<'p> Uncarried<'p> {
    /// Nothing left behind yet.
    #[must_use]
    pub const fn new(rules: &'p Parameters) -> Self {
        Self {
            rules,
            warned: Vec::new(),
        }
    }

    /// Leaves `name` behind, as its rule says.
    ///
    /// # Errors
    /// The rule may be to refuse the request.
    pub fn leave(&mut self, name: &str) -> Result<(), Fault> {
        let rule = self.rules.rule(name);
        // The name may be the app's own; only what is a plausible name goes into a header or an error.
        let is_plain = name.len() <= 64
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'));
        let name = if is_plain { name } else { "unknown" };
        match rule {
            Rule::Drop => {}
            Rule::Warn => {
                if !self.warned.iter().any(|known| known == name) {
                    self.warned.push(name.to_owned());
                }
            }
            Rule::Reject => {
                return Err(Fault::from(Invalid::unsupported(
                    name,
                    "this parameter cannot be carried to the model's provider",
                )));
            }
        }
        Ok(())
    }

    /// The names to tell the app, in the order they were left.
    #[must_use]
    pub fn into_warned(self) -> Vec<String> {
        self.warned
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is warned of, or the param of the fault.
    #[track_caller]
    fn check(rules: &Parameters, names: &[&str], want: Result<&[&str], &str>) {
        let mut uncarried = Uncarried::new(rules);
        let left = names.iter().try_for_each(|name| uncarried.leave(name));
        match (left, want) {
            (Ok(()), Ok(want)) => assert_eq!(uncarried.into_warned(), want),
            (Err(fault), Err(want)) => assert_eq!(fault.param(), Some(want)),
            (left, _) => panic!("{left:?}"),
        }
    }

    fn rules(default: Option<Rule>, named: &[(&str, Rule)]) -> Parameters {
        let named = named.iter().map(|(name, rule)| ((*name).to_owned(), *rule));
        Parameters {
            default,
            named: named.collect(),
        }
    }

    #[test]
    fn without_rules_the_weight_decides() {
        check(
            &rules(None, &[]),
            &["seed", "user", "seed"],
            Ok(&["seed", "user"]),
        );
        check(&rules(None, &[]), &["seed", "n"], Err("n"));
    }

    #[test]
    fn a_name_of_its_own_goes_before_the_default() {
        let named = &[("n", Rule::Drop), ("seed", Rule::Reject)];
        check(
            &rules(Some(Rule::Warn), named),
            &["n", "user"],
            Ok(&["user"]),
        );
        check(&rules(Some(Rule::Warn), named), &["seed"], Err("seed"));
        check(&rules(Some(Rule::Drop), &[]), &["logprobs"], Ok(&[]));
    }

    #[test]
    fn what_is_no_name_is_not_repeated() {
        let long = "a".repeat(65);
        let odd = ["a b", "a\nb", &long];
        check(&rules(None, &[]), &odd, Ok(&["unknown"]));
        check(&rules(Some(Rule::Reject), &[]), &odd, Err("unknown"));
    }
}
