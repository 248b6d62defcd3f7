//! Kinds of providers for the tests of this room: they take the settings of the real ones and serve nothing.

use std::rc::Rc;

use super::{Placement, Policy};
use crate::document::{Fields, Problems};
use crate::fault::Fault;
use crate::provider::{Call, Environment, Kind, Path, Provider, Target};
use crate::turn::{Format, Headers, Now};

pub(super) static KINDS: &[Kind] = &[
    Kind {
        name: "bedrock",
        compile: bedrock,
    },
    Kind {
        name: "azure",
        compile: azure,
    },
    Kind {
        name: "openai",
        compile: openai,
    },
];

/// Compiles YAML, as the admin writes it.
pub(super) fn compile(yaml: &str, placement: Placement) -> Result<Policy, Problems> {
    Policy::compile_with(KINDS, &json(yaml), placement, &|_| None)
}

/// What Envoy makes of YAML.
pub(super) fn json(yaml: &str) -> Vec<u8> {
    let node: serde_yaml_ng::Value = serde_yaml_ng::from_str(yaml).unwrap();
    serde_json::to_vec(&node).unwrap()
}

fn bedrock(fields: &mut Fields<'_>, _: &Environment<'_>) -> Option<Rc<dyn Provider>> {
    let region = fields.required_string("region", "use one like us-east-1");
    take(fields, &["endpoint", "auth"]);
    region.map(|_| -> Rc<dyn Provider> { Rc::new(Bedrock) })
}

fn azure(fields: &mut Fields<'_>, _: &Environment<'_>) -> Option<Rc<dyn Provider>> {
    let endpoint = fields.required_string("endpoint", "copy the resource's URL");
    take(fields, &["api_version", "auth"]);
    endpoint.map(|_| -> Rc<dyn Provider> { Rc::new(Azure) })
}

fn openai(fields: &mut Fields<'_>, _: &Environment<'_>) -> Option<Rc<dyn Provider>> {
    take(fields, &["endpoint", "organization", "project", "auth"]);
    Some(Rc::new(Openai))
}

fn take(fields: &mut Fields<'_>, settings: &[&str]) {
    for setting in settings {
        fields.node(setting);
    }
}

#[derive(Debug)]
struct Bedrock;

impl Provider for Bedrock {
    fn target(&self, fields: &mut Fields<'_>) -> Option<Rc<dyn Target>> {
        fields.required_string("model", "write its id")?;
        Some(Rc::new(SampleTarget))
    }
}

#[derive(Debug)]
struct Azure;

impl Provider for Azure {
    fn target(&self, fields: &mut Fields<'_>) -> Option<Rc<dyn Target>> {
        take(fields, &["deployment", "model"]);
        Some(Rc::new(SampleTarget))
    }
}

#[derive(Debug)]
struct Openai;

impl Provider for Openai {
    fn target(&self, fields: &mut Fields<'_>) -> Option<Rc<dyn Target>> {
        take(fields, &["model"]);
        Some(Rc::new(SampleTarget))
    }
}

#[derive(Debug)]
struct SampleTarget;

impl Target for SampleTarget {
    fn path(&self, _: Format) -> Option<Path<'_>> {
        None
    }

    fn sign(&self, _: Now, _: &mut Call) -> Result<(), Fault> {
        Ok(())
    }

    fn refusal(&self, _: &Headers, _: &[u8]) -> Fault {
        Fault::Internal("a sample never answers")
    }
}
