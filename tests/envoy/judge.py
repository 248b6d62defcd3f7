"""Holds what the gateway sent to Bedrock against Amazon's own code: bodies against botocore's service model, signatures against its
signer. Knows nothing of Tollgate."""

import base64
import binascii
import json
import re
import urllib.parse

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import botocore.session
import botocore.validate

SESSION_HEADER = "x-amzn-bedrock-agentcore-runtime-session-id"
MODELS = {service: botocore.session.Session().get_service_model(service) for service in ("bedrock-runtime", "bedrock-agent-runtime", "bedrock-agentcore")}


def operation(request):
    """The service and operation of a path, and what of its input does not travel in the body."""
    url = urllib.parse.urlsplit(request.target)
    query = dict(urllib.parse.parse_qsl(url.query, strict_parsing=bool(url.query)))
    match [urllib.parse.unquote(segment) for segment in url.path.split("/")[1:]]:
        case ["model", _, "converse"]:
            return "bedrock-runtime", "Converse", {"modelId": "any"}
        case ["model", _, "converse-stream"]:
            return "bedrock-runtime", "ConverseStream", {"modelId": "any"}
        case ["model", model, "invoke"]:
            headers = {"contentType": request.headers["content-type"], "accept": request.headers["accept"]}
            return "bedrock-runtime", "InvokeModel", {"modelId": model, **headers}
        case ["agents", agent, "agentAliases", alias, "sessions", session, "text"]:
            return "bedrock-agent-runtime", "InvokeAgent", {"agentId": agent, "agentAliasId": alias, "sessionId": session}
        case ["harnesses", "invoke"]:
            return "bedrock-agentcore", "InvokeHarness", query | {"runtimeSessionId": request.headers[SESSION_HEADER]}
        case ["runtimes", arn, "invocations"]:
            named = {"agentRuntimeArn": arn, "runtimeSessionId": request.headers[SESSION_HEADER]}
            return "bedrock-agentcore", "InvokeAgentRuntime", query | named
    return None


def body_problems(request):
    """What botocore's model has against the request, as a list of texts."""
    found = operation(request)
    if found is None:
        return [f"unknown path {request.target}"]
    service, name, outside = found
    shape = MODELS[service].operation_model(name).input_shape
    problems = []
    # What an agent's runtime or an embedding model reads is its own affair.
    match name:
        case "InvokeAgentRuntime":
            body = {"payload": request.raw}
        case "InvokeModel":
            assert isinstance(request.body, dict)
            body = {"body": base64.b64encode(request.raw).decode()}
        case _:
            body = request.body
    body = typed(shape, outside | body, "body", problems)
    report = botocore.validate.ParamValidator().validate(body, shape)
    return problems + ([report.generate_report()] if report.has_errors() else [])


def service_problem(request):
    """Whether the signature names the service that botocore would sign for."""
    found = operation(request)
    signing_name = MODELS[found[0]].signing_name
    claim = request.headers.get("authorization", "")
    return None if f"/{signing_name}/aws4_request" in claim else f"{request.target} is not signed for {signing_name}"


def typed(shape, value, path, problems):
    """`value` with bytes where the wire has base64; botocore's validator leaves enums, patterns and maxima to the service, this does not."""
    name = shape.type_name
    if name == "structure" and isinstance(value, dict) and not getattr(shape, "is_document_type", False):
        members = shape.members
        return {key: typed(members[key], each, f"{path}.{key}", problems) if key in members else each for key, each in value.items()}
    if name == "list" and isinstance(value, list):
        check_max(shape, len(value), path, problems)
        return [typed(shape.member, each, f"{path}[{index}]", problems) for index, each in enumerate(value)]
    if name == "map" and isinstance(value, dict):
        check_max(shape, len(value), path, problems)
        typed_keys = [typed(shape.key, key, path, problems) for key in value]
        return dict(zip(typed_keys, (typed(shape.value, each, f"{path}.{key}", problems) for key, each in value.items()), strict=True))
    if name == "blob" and isinstance(value, str):
        try:
            return base64.b64decode(value, validate=True)
        except binascii.Error:
            problems.append(f"{path} is not base64")
    if name == "string" and isinstance(value, str):
        check_max(shape, len(value), path, problems)
        if shape.enum and value not in shape.enum:
            problems.append(f"{path}: {value!r} is not one of {shape.enum}")
        pattern = shape.metadata.get("pattern")
        if pattern and not re.search(f"^(?:{pattern})$", value):
            problems.append(f"{path}: {value!r} does not match {pattern}")
    if name in ("integer", "long", "float", "double") and isinstance(value, (int, float)):
        check_max(shape, value, path, problems)
    return value


def check_max(shape, size, path, problems):
    most = shape.metadata.get("max")
    if most is not None and size > most:
        problems.append(f"{path}: {size} is over {most}")


def signature_problem(request, secret_access_key):
    """Signs the request again, with botocore, and compares."""
    match = re.fullmatch(
        r"AWS4-HMAC-SHA256 Credential=([^/]+)/\d{8}/([^/]+)/([^/]+)/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})",
        request.headers.get("authorization", ""),
    )
    if not match:
        return f"no signature: {request.headers.get('authorization')}"
    key, region, service, signed, signature = match.groups()
    headers = {name: request.headers[name] for name in signed.split(";")}
    url = f"https://{request.headers['host']}{request.target}"
    again = botocore.awsrequest.AWSRequest(request.method, url, headers, request.raw)
    again.context["timestamp"] = request.headers["x-amz-date"]
    signer = botocore.auth.SigV4Auth(botocore.credentials.Credentials(key, secret_access_key), service, region)
    want = signer.signature(signer.string_to_sign(again, signer.canonical_request(again)), again)
    return None if signature == want else f"signature {signature}, botocore's is {want}"


def read(path, request):
    """All requests of a record file."""
    with open(path) as lines:
        return [request(json.loads(line)) for line in lines]
