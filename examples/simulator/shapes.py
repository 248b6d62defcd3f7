#!/usr/bin/env python3
"""Extracts what Converse and the agents accept from botocore's service model into shapes.json.

    shapes.py           writes shapes.json beside this script
    shapes.py --check   fails if shapes.json is not what the installed botocore says

Needs `pip install botocore`. The result names only shapes that a request can reach, without documentation.
"""

import json
import pathlib
import sys

import botocore
import botocore.session

# Each service's operations; the names of its shapes get the prefix, for services share names.
OPERATIONS = {
    "bedrock-runtime": ("", "Converse", "ConverseStream"),
    "bedrock-agent-runtime": ("agent.", "InvokeAgent"),
    "bedrock-agentcore": ("agentcore.", "InvokeHarness", "InvokeAgentRuntime"),
}
KEPT = ("min", "max", "pattern", "enum", "required", "union")


def main():
    target = pathlib.Path(__file__).with_name("shapes.json")
    text = render(extract())
    if "--check" not in sys.argv[1:]:
        target.write_text(text)
    elif target.read_text() != text:
        sys.exit(f"shapes.json is not what botocore {botocore.__version__} says: run {sys.argv[0]}")


def extract():
    shapes = {}
    for service, (prefix, *operations) in OPERATIONS.items():
        model = botocore.session.get_session().get_service_model(service)
        for name in operations:
            add(model, prefix, model.operation_model(name).input_shape.name, shapes)
    return shapes


def add(model, prefix, name, shapes):
    if prefix + name in shapes:
        return
    raw = model._shape_resolver._shape_map[name]
    shape = {"type": "document" if raw.get("document") else raw["type"]}
    shape.update({key: raw[key] for key in KEPT if key in raw})
    if shape["type"] in ("double", "long"):
        shape["type"] = {"double": "float", "long": "integer"}[shape["type"]]
    shapes[prefix + name] = shape
    if shape["type"] == "structure":
        # A member that travels in the path, the query or a header is no member of the body.
        uri = {key: member for key, member in raw["members"].items() if "location" in member}
        shape["members"] = {key: prefix + member["shape"] for key, member in raw["members"].items() if key not in uri}
        if uri:
            shape["uri"] = {key: prefix + member["shape"] for key, member in uri.items()}
            shape["required"] = [key for key in shape.get("required", []) if key not in uri]
    parts = [raw[key]["shape"] for key in ("member", "key", "value") if key in raw]
    for key in ("member", "key", "value"):
        if key in raw:
            shape[key] = prefix + raw[key]["shape"]
    for part in parts + [member["shape"] for member in raw.get("members", {}).values() if shape["type"] == "structure"]:
        add(model, prefix, part, shapes)


def render(shapes):
    lines = [f" {json.dumps(name)}: {json.dumps(shapes[name])}" for name in sorted(shapes)]
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    main()
