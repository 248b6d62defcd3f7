//! `tollgate redact`: what would be found in a text, or the text as it would leave.
//!
//! Text is read in blocks and redacted as a stream, so it may be of any size; bytes that are no UTF-8 are passed on and
//! end whatever they stand in. Of JSON lines each string is a text of its own, unescaped; keys and numbers are not looked at.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, BufRead as _, Read as _, Write};

use serde_json::value::RawValue;
use tollgate::document::{self, Fields, Kind};
use tollgate::redact::{Action, Finding, Folded, Plan, Stream};

pub(crate) const USAGE: &str = "\
tollgate redact [--jsonl] [--redacted] [--policy FILE [--rule N]]

Reads text from stdin and writes one JSON line for each finding:
  {\"entity\":\"email\",\"start\":5,\"end\":21,\"score\":0.90,\"action\":\"mask\"}
start and end count bytes of the input; the value is never written.

  --jsonl        stdin is JSON lines; findings also name the line (from 1) and the
                 string's path, and count bytes of the string without its escapes
  --redacted     write the redacted text instead (not with --jsonl)
                 what the policy blocks ends it, and is a failure
  --policy FILE  YAML or JSON with a `redaction` section; without it everything is masked
  --rule N       which rule of the section is taken, counted from 0 as in redaction[0];
                 0 unless set";

/// A rule's fields that say for whom and where it holds; here it is for all.
const ASIDE: &[&str] = &[
    "consumers",
    "models",
    "providers",
    "directions",
    "select",
    "media",
    "header",
];

type Failure = String;

struct Options {
    is_jsonl: bool,
    is_redacted: bool,
    plan: Plan,
}

pub(crate) fn help() -> Result<(), Failure> {
    writeln!(io::stdout(), "{USAGE}").map_err(shown)
}

/// Runs the command with what stands behind its name.
pub(crate) fn run(mut arguments: impl Iterator<Item = String>) -> Result<(), Failure> {
    let mut options = Options {
        is_jsonl: false,
        is_redacted: false,
        plan: Plan::all(Action::Mask),
    };
    let mut policy = None;
    let mut rule = None;
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--jsonl" => options.is_jsonl = true,
            "--redacted" => options.is_redacted = true,
            "--policy" => policy = Some(arguments.next().ok_or("--policy needs a file")?),
            "--rule" => {
                let number = arguments.next().and_then(|number| number.parse().ok());
                rule = Some(number.ok_or("--rule needs a number, such as 0")?);
            }
            "--help" | "-h" => return help(),
            _ => return Err(format!("unknown argument '{argument}'\n\n{USAGE}")),
        }
    }
    match (policy, rule) {
        (Some(path), rule) => options.plan = read_plan(&path, rule.unwrap_or(0))?,
        (None, Some(_)) => return Err("--rule needs a --policy that has it".to_owned()),
        (None, None) => {}
    }
    let mut out = io::BufWriter::new(io::stdout().lock());
    match (options.is_jsonl, options.is_redacted) {
        (true, true) => return Err("--redacted works on text, not on JSON lines".to_owned()),
        (true, false) => scan_lines(&options.plan, &mut out)?,
        (false, _) => scan_text(&options, &mut out)?,
    }
    out.flush().map_err(shown)
}

/// The rule `number` of a policy's `redaction` section; the file may hold the rest of the policy too.
fn read_plan(path: &str, number: usize) -> Result<Plan, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    // YAML takes JSON too. What it says of a mistake may repeat the file, but where it is.
    let policy: serde_yaml_ng::Value = serde_yaml_ng::from_str(&text)
        .map_err(|error| format!("{path}: neither YAML nor JSON: {error}"))?;
    let section = policy.get("redaction").ok_or_else(|| {
        format!("{path}: no `redaction` section; write one, or leave --policy out")
    })?;
    let json = serde_json::to_vec(&BTreeMap::from([("redaction", section)])).map_err(shown)?;
    let root = document::parse(&json).map_err(|problem| format!("{path}: {problem}"))?;
    let variable = |name: &str| std::env::var(name).ok();
    let rules = document::read(&root, |fields| {
        let read = |fields: &mut Fields<'_>| {
            for name in ASIDE {
                fields.node(name);
            }
            Plan::read(fields, &variable)
        };
        Some(if fields.kind("redaction") == Some(Kind::List) {
            fields.maps("redaction", |_, fields| read(fields))
        } else {
            fields.map("redaction", read).into_iter().collect()
        })
    });
    let rules = rules.map_err(|problems| format!("{path}:\n{problems}"))?;
    let count = rules.len();
    rules.into_iter().nth(number).ok_or_else(|| {
        format!("{path}: there is no redaction[{number}]; rules in the section: {count}")
    })
}

fn scan_text(options: &Options, out: &mut impl Write) -> Result<(), Failure> {
    let mut input = io::stdin().lock();
    let mut bytes = Vec::new();
    let mut text = Text::new();
    loop {
        let mut block = [0; 64 * 1024];
        let length = input.read(&mut block).map_err(shown)?;
        let is_end = length == 0;
        bytes.extend_from_slice(block.get(..length).unwrap_or_default());
        let read = text.take(&bytes, is_end, options, out)?;
        bytes.drain(..read);
        if is_end {
            return Ok(());
        }
    }
}

/// A text of which some bytes may be no UTF-8: they end one stream, and another begins behind them.
struct Text {
    stream: Stream,
    /// Where the stream begins in the input, and how much it got.
    base: usize,
    pushed: usize,
    redacted: String,
}

impl Text {
    fn new() -> Self {
        Self {
            stream: Stream::default(),
            base: 0,
            pushed: 0,
            redacted: String::new(),
        }
    }

    /// Takes what has come. Returns how much of it was read: the rest may be the beginning of a character.
    fn take(
        &mut self,
        bytes: &[u8],
        is_end: bool,
        options: &Options,
        out: &mut impl Write,
    ) -> Result<usize, Failure> {
        let mut read: usize = 0;
        for chunk in bytes.utf8_chunks() {
            self.push(chunk.valid(), options, out)?;
            read = read.saturating_add(chunk.valid().len());
            let broken = chunk.invalid();
            let may_go_on = read.saturating_add(broken.len()) == bytes.len() && broken.len() < 4;
            if broken.is_empty() || may_go_on && !is_end {
                break;
            }
            self.finish(options, out)?;
            if options.is_redacted {
                out.write_all(broken).map_err(shown)?;
            }
            self.base = self
                .base
                .saturating_add(self.pushed)
                .saturating_add(broken.len());
            self.pushed = 0;
            self.stream = Stream::default();
            read = read.saturating_add(broken.len());
        }
        if is_end {
            self.finish(options, out)?;
        }
        Ok(read)
    }

    fn push(&mut self, text: &str, options: &Options, out: &mut impl Write) -> Result<(), Failure> {
        self.pushed = self.pushed.saturating_add(text.len());
        self.write(options, out, |stream, redacted, found| {
            stream.push(&options.plan, text, redacted, found);
        })
    }

    fn finish(&mut self, options: &Options, out: &mut impl Write) -> Result<(), Failure> {
        self.write(options, out, |stream, redacted, found| {
            stream.finish(&options.plan, redacted, found);
        })
    }

    /// Writes what one step of the stream makes of the text, or finds in it.
    fn write(
        &mut self,
        options: &Options,
        out: &mut impl Write,
        step: impl FnOnce(&mut Stream, &mut String, &mut dyn FnMut(Finding)),
    ) -> Result<(), Failure> {
        let mut lines = String::new();
        let mut blocked = None;
        step(&mut self.stream, &mut self.redacted, &mut |finding| {
            let name = options.plan.name(finding.kind);
            if finding.action == Action::Block {
                blocked = Some(name);
            }
            write_finding(name, &finding, self.base, "", &mut lines);
        });
        let written = if options.is_redacted {
            self.redacted.as_str()
        } else {
            lines.as_str()
        };
        out.write_all(written.as_bytes()).map_err(shown)?;
        self.redacted.clear();
        match blocked {
            Some(name) if options.is_redacted => Err(format!(
                "the policy blocks this text, for it holds something of '{name}'"
            )),
            _ => Ok(()),
        }
    }
}

fn scan_lines(plan: &Plan, out: &mut impl Write) -> Result<(), Failure> {
    let mut folded = Folded::new();
    for (number, line) in (1_usize..).zip(io::stdin().lock().lines()) {
        let line = line.map_err(shown)?;
        if line.trim().is_empty() {
            continue;
        }
        // The error would repeat the line.
        let root = document::parse(line.as_bytes())
            .map_err(|problem| format!("line {number}: {problem}"))?;
        let mut lines = String::new();
        scan_node(
            plan,
            &root,
            &mut String::from("$"),
            number,
            &mut folded,
            &mut lines,
        );
        out.write_all(lines.as_bytes()).map_err(shown)?;
    }
    Ok(())
}

/// Scans each string of a document.
fn scan_node(
    plan: &Plan,
    node: &document::Node,
    path: &mut String,
    line: usize,
    folded: &mut Folded,
    lines: &mut String,
) {
    let length = path.len();
    if let Some(text) = node.as_str() {
        let mut place = format!("\"line\":{line},\"path\":");
        push_json(&mut place, path);
        place.push(',');
        plan.scan(text, folded, |finding| {
            write_finding(plan.name(finding.kind), &finding, 0, &place, lines)
        });
    }
    for (at, item) in node.as_list().into_iter().flatten().enumerate() {
        let _infallible = write!(path, "[{at}]");
        scan_node(plan, item, path, line, folded, lines);
        path.truncate(length);
    }
    for (name, value) in node.as_map().into_iter().flatten() {
        let _infallible = write!(
            path,
            "['{}']",
            name.replace('\\', "\\\\").replace('\'', "\\'")
        );
        scan_node(plan, value, path, line, folded, lines);
        path.truncate(length);
    }
}

fn write_finding(name: &str, finding: &Finding, base: usize, place: &str, out: &mut String) {
    let _infallible = writeln!(
        out,
        "{{{place}\"entity\":\"{}\",\"start\":{},\"end\":{},\"score\":{:.2},\"action\":\"{}\"}}",
        name,
        finding.span.start.saturating_add(base),
        finding.span.end.saturating_add(base),
        f32::from(finding.score) / 100.0,
        finding.action.name(),
    );
}

fn push_json(out: &mut String, text: &str) {
    let json = serde_json::value::to_raw_value(text);
    out.push_str(json.as_deref().map_or("\"\"", RawValue::get));
}

fn shown(error: impl std::fmt::Display) -> Failure {
    error.to_string()
}
