"""Writes sigv4.jsonl: requests signed by botocore, which `tests/sigv4.rs` signs again.

    python tests/vectors/sigv4.py

The seed and the times are fixed: the same botocore writes the same file.
"""

import datetime
import itertools
import json
import pathlib
import random

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

UTC = datetime.timezone.utc

REGIONS = ["us-east-1", "us-west-2", "eu-central-1", "ap-northeast-1", "us-gov-west-1", "cn-north-1"]
SERVICES = ["bedrock", "bedrock-mantle", "bedrock-agentcore"]

TIMES = [
    datetime.datetime(1970, 1, 1, 0, 0, 0),
    datetime.datetime(2000, 2, 29, 23, 59, 59),
    datetime.datetime(2015, 8, 30, 12, 36, 0),
    datetime.datetime(2024, 2, 29, 0, 0, 0),
    datetime.datetime(2024, 12, 31, 23, 59, 59),
    datetime.datetime(2026, 11, 23, 8, 30, 1),
    datetime.datetime(2027, 1, 1, 0, 0, 0),
    datetime.datetime(2100, 3, 1, 1, 2, 3),
    datetime.datetime(9999, 12, 31, 23, 59, 59),
]

KEYS = [
    ("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", None),
    ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", None),
    ("ASIAIOSFODNN7EXAMPLE", "0123456789/abcdefghij+ABCDEFGHIJ/klmnopq", "IQoJb3JpZ2luX2VjEXAMPLE//////////wEaCXVzLWVhc3QtMSJHMEUCIQD+a/b=="),
    ("ASIAQQQQQQQQQQEXAMPL", "s" * 100, "FwoGZXIvYXdzEBYaD" + "Aa0/+" * 40 + "=="),
]

PATHS = [
    "",
    "/",
    "//",
    "/.",
    "/..",
    "/../..",
    "/a/..",
    "/a/../",
    "/a/./b/../c",
    "/a/b/../../../c",
    "/a//b///c",
    "/a/b/",
    "/a/b//",
    "/a/b/.",
    "/a/b/./",
    "/a/b/..",
    "/./../a",
    "/...",
    "/a..b/.c/d.",
    "/%2e%2e/a",
    "/a%2F..%2Fb",
    "/~tilde/%7Etilde",
    "/-._~0123456789",
    "/a%20b/c%2520d",
    "/a+b",
    "/a=b&c@d:e,f;g",
    "/!$&'()*+,;=:@",
    "/%C3%BC%E4%B8%AD",
    "/\u00fc/\u4e2d\u6587/\U0001f600",
    "/[v6]/{x}/|^`\\\"<>",
    "/%",
    "/%zz/%1",
    "/model/us.anthropic.claude-3-haiku-20240307-v1%3A0/converse",
    "/model/us.anthropic.claude-3-haiku-20240307-v1:0/converse",
    "/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse-stream",
    "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile%2Fus.amazon.nova-pro-v1%3A0/converse",
    "/model/arn%3Aaws%3Abedrock%3Aus-west-2%3A123456789012%3Aapplication-inference-profile%2Fa1b2c3d4/converse-stream",
    "/model/arn%3aaws%3abedrock%3aeu-central-1%3a123456789012%3aprovisioned-model%2fabc/invoke",
    "/model/arn:aws:bedrock:us-east-1:123456789012:imported-model/x/invoke",
    "/model/amazon.titan-embed-text-v2%3A0/invoke",
    "/openai/v1/chat/completions",
    "/openai/v1/responses",
    "/v1/responses/resp_0123",
    "/runtimes/arn%3Aaws%3Abedrock-agentcore%3Aus-east-1%3A123456789012%3Aruntime%2Fagent-x/invocations",
    "/harnesses/invoke",
    "/agents/AGENT123/agentAliases/ALIAS456/sessions/s.1_2-3:4/text",
    "/guardrail/gr%2Fabc/version/DRAFT/apply",
]

QUERIES = [
    "",
    "a=b&c=d",
    "c=d&a=b",
    "a=2&a=1",
    "a=1&a",
    "a",
    "a=",
    "=a",
    "&",
    "a=1&&b=2",
    "a=b=c",
    "B=1&a=2&A=3&b=4",
    "a-b=1&a=2&a.b=3",
    "a=~&b=-._",
    "a=%20&b=+",
    "a=%2F&a=%2f",
    "%C3%BC=%E4%B8%AD",
    "q=a/b?c",
    "qualifier=DEFAULT&accountId=123456789012",
    "harnessArn=arn%3Aaws%3Abedrock-agentcore%3Aus-east-1%3A1%3Aharness%2Fh&qualifier=prod",
]

HEADERS = [
    [],
    [["content-type", "application/json"]],
    [["Content-Type", "application/json; charset=utf-8"], ["Accept", "application/vnd.amazon.eventstream"]],
    [["content-type", "  application/json  "]],
    [["content-type", "a  b   c"]],
    [["x-tabs", "\ta\t \tb\t"]],
    [["x-empty", ""]],
    [["x-blank", "   "]],
    [["x-quoted", '"a   b"']],
    [["x-twice", "2"], ["x-twice", "1"]],
    [["X-Twice", " b  b "], ["other", "o"], ["x-twice", "a"], ["x-TWICE", ""]],
    [["zzz", "last"], ["aaa", "first"], ["x-amz-z", "z"], ["Hosts", "after host"]],
    [["a-b", "1"], ["a", "2"], ["a_b", "3"], ["a.b", "4"]],
    [["X-Amzn-Bedrock-AgentCore-Runtime-Session-Id", "0123456789abcdef0123456789abcdef0"], ["content-type", "application/json"]],
    [["OpenAI-Project", "proj_1"], ["content-type", "application/json"]],
    [["x-signs", "a:b;c,d=e\\f"]],
]

BODIES = [
    "",
    "{}",
    '{"messages":[{"role":"user","content":[{"text":"Hello"}]}]}',
    '{"text":"gr\u00fc\u00df \u4e2d\u6587 \U0001f600 \\n"}',
    "x" * 55,
    "x" * 56,
    "x" * 64,
    "line\r\nline\n\n\x00\x7f",
    "y" * 1000,
]

METHODS = ["POST", "POST", "POST", "GET", "PUT", "DELETE", "post"]

CHARACTERS = "abcXYZ019-._~/:@!$&'()*+,;=%|^{}[]\\\"<>\u00e9\u4e2d"


def host_of(service, region):
    return {
        "bedrock": f"bedrock-runtime.{region}.amazonaws.com",
        "bedrock-mantle": f"bedrock-mantle.{region}.api.aws",
        "bedrock-agentcore": f"bedrock-agentcore.{region}.amazonaws.com",
    }[service]


def random_path(pick):
    segments = ["", ".", "..", "%2F", "..."]
    segment = lambda: pick.choice(segments) if pick.random() < 0.4 else "".join(pick.choices(CHARACTERS, k=pick.randrange(1, 9)))
    return "/" + "/".join(segment() for _ in range(pick.randrange(1, 8)))


def requests():
    pick = random.Random(20150830)
    default = ("POST", "/model/m%3A0/converse", "", HEADERS[1], BODIES[2])
    varied = itertools.chain(
        ((default[0], path, *default[2:]) for path in PATHS),
        ((*default[:2], query, *default[3:]) for query in QUERIES),
        ((*default[:3], headers, default[4]) for headers in HEADERS),
        ((*default[:4], body) for body in BODIES),
        ((method, *default[1:]) for method in METHODS),
        ((pick.choice(METHODS), random_path(pick), pick.choice(QUERIES), pick.choice(HEADERS), pick.choice(BODIES)) for _ in range(220)),
    )
    for number, (method, path, query, headers, body) in enumerate(varied):
        region, service = REGIONS[number % len(REGIONS)], pick.choice(SERVICES)
        access_key_id, secret_access_key, session_token = pick.choice(KEYS)
        host = "localhost:4566" if number % 17 == 0 else host_of(service, region)
        yield {
            "now": pick.choice(TIMES),
            "access_key_id": access_key_id,
            "secret_access_key": secret_access_key,
            "session_token": session_token,
            "region": region,
            "service": service,
            "method": method,
            "host": host,
            "path": path,
            "query": query,
            "headers": headers,
            "body": body,
        }


def sign(case):
    """Adds what botocore would send."""
    now = case["now"]
    botocore.auth.get_current_datetime = lambda: now
    url = "https://" + case["host"] + case["path"] + ("?" + case["query"] if case["query"] else "")
    request = AWSRequest(method=case["method"], url=url, data=case["body"].encode())
    for name, value in case["headers"]:
        request.headers[name] = value
    credentials = Credentials(case["access_key_id"], case["secret_access_key"], case["session_token"])
    botocore.auth.SigV4Auth(credentials, case["service"], case["region"]).add_auth(request)
    case["now"] = int(now.replace(tzinfo=UTC).timestamp())
    case["want"] = {
        "x_amz_date": request.headers["X-Amz-Date"],
        "x_amz_security_token": request.headers["X-Amz-Security-Token"],
        "authorization": request.headers["Authorization"],
    }
    return case


def main():
    path = pathlib.Path(__file__).with_suffix(".jsonl")
    with path.open("w", encoding="utf-8") as out:
        for case in requests():
            out.write(json.dumps(sign(case), ensure_ascii=False) + "\n")


main()
