//! A policy's settings and an app's body, as the tests of same-format providers need them.

use crate::codec::json::Members;
use crate::document::{parse, read};
use crate::limits::Limits;
use crate::provider::{Call, Catalogue, Environment, Kind, Path, Target};
use crate::turn::{Ask, Format, Now, Parameters, Uncarried};
use std::rc::Rc;

/// Reads a body as the client room does.
pub(in crate::provider) fn ask(body: &str) -> Ask<'_> {
    let members: Vec<_> = Members::new(body).map(Result::unwrap).collect();
    let value = |name| members.iter().find(|m| m.key == name).map(|m| m.value);
    Ask {
        format: Format::Chat,
        body,
        model: value("model")
            .map(|raw| serde_json::from_str(raw).unwrap())
            .unwrap_or_default(),
        stream: value("stream") == Some("true"),
        include_usage: false,
        members,
    }
}

/// Compiles a target; the error is the policy's problems.
pub(in crate::provider) fn target(
    kind: Kind,
    settings: &str,
    target: &str,
) -> Result<Rc<dyn Target>, String> {
    let variable = |name: &str| Some(format!("value-of-{name}"));
    let environment = Environment {
        name: "p",
        variable: &variable,
        limits: Limits::default(),
        catalogue: &Rc::new(Catalogue::shipped().unwrap()),
    };
    let settings = parse(settings.as_bytes()).unwrap();
    let provider = read(&settings, |fields| (kind.compile)(fields, &environment));
    let provider = provider.map_err(|problems| problems.to_string())?;
    let target = parse(target.as_bytes()).unwrap();
    read(&target, |fields| provider.target(fields)).map_err(|problems| problems.to_string())
}

/// The signed call that a body becomes.
pub(in crate::provider) fn call(kind: Kind, settings: &str, model: &str, body: &str) -> Call {
    let target = target(kind, settings, model).unwrap();
    let mut call = Call::default();
    let Some(Path::Edited(edit)) = target.path(Format::Chat) else {
        panic!("not edited");
    };
    let rules = Parameters::default();
    edit.edit(&ask(body), &mut Uncarried::new(&rules), &mut call)
        .unwrap();
    target.sign(Now { unix_ms: 0 }, &mut call).unwrap();
    call
}
