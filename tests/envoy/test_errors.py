"""What a provider's error becomes: status, type and code, as OpenAI would have it."""

import pytest

AWS = [
    # the provider's status, its type, its message -> status, type, code
    (400, "ValidationException", "The text field is blank.", 400, "invalid_request_error", None),
    (400, "ValidationException:http://internal.amazon.com/", "No.", 400, "invalid_request_error", None),
    (400, "ValidationException", "Input is too long for requested model.", 400, "invalid_request_error", "context_length_exceeded"),
    (403, "AccessDeniedException", "You don't have access.", 403, "permission_error", None),
    (404, "ResourceNotFoundException", "No such model.", 404, "invalid_request_error", "model_not_found"),
    (408, "ModelTimeoutException", "Too slow.", 408, None, None),
    (424, "ModelErrorException", "The model failed.", 424, None, None),
    (429, "ThrottlingException", "Too many requests.", 429, "rate_limit_error", "rate_limit_exceeded"),
    (429, "ModelNotReadyException", "Warming up.", 429, "server_error", None),
    (400, "ServiceQuotaExceededException", "Quota.", 429, "insufficient_quota", None),
    (500, "InternalServerException", "Oops.", 500, "server_error", None),
    (503, "ServiceUnavailableException", "Later.", 503, "server_error", "overloaded"),
]


@pytest.mark.parametrize("status, errortype, message, want, type, code", AWS)
@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "streamed"])
def test_bedrocks_errors(gateway, simulator, is_stream, status, errortype, message, want, type, code):
    simulator.fault("bedrock", {"kind": "status", "status": status, "errortype": errortype, "message": message})
    answer = gateway.chat("claude", stream=is_stream)
    assert answer.headers["content-type"] == "application/json"
    error = answer.error
    assert set(error) == {"message", "type", "param", "code"}
    assert answer.status == want and message.split(".")[0] in error["message"]
    assert type is None or error["type"] == type
    assert code is None or error["code"] == code


@pytest.mark.parametrize("errortype", ["UnrecognizedClientException", "ExpiredTokenException", "InvalidSignatureException"])
def test_a_credential_that_aws_refuses_is_told_in_our_own_words(gateway, simulator, errortype):
    """AWS's words may hold what was signed, the session token included."""
    simulator.fault("bedrock", {"kind": "status", "status": 403, "errortype": errortype, "message": "AWS's words"})
    answer = gateway.chat("claude")
    assert (answer.status, answer.error["type"]) == (401, "authentication_error")
    assert "AWS's words" not in answer.text and "credential" in answer.error["message"]


def test_azures_content_filter_tells_why(gateway):
    answer = gateway.chat("gpt", "trigger-content-filter")
    assert (answer.status, answer.error["code"]) == (400, "content_filter")
    assert "content_filter_result" in answer.text


def test_azures_missing_deployment_is_a_missing_model(gateway, simulator):
    body = {"error": {"code": "DeploymentNotFound", "message": "The API deployment for this resource does not exist."}}
    simulator.fault("azure", {"kind": "status", "status": 404, "body": body})
    answer = gateway.chat("gpt")
    assert (answer.status, answer.error["type"]) == (404, "invalid_request_error")


@pytest.mark.parametrize("model, upstream", [("claude", "bedrock"), ("gpt", "azure"), ("gpt-openai", "openai")])
def test_an_error_that_is_no_json_is_told_in_openais_form(gateway, simulator, model, upstream):
    simulator.fault(upstream, {"kind": "status", "status": 502, "body": "<html>Bad Gateway</html>"})
    answer = gateway.chat(model)
    assert answer.status == 502 and answer.error["type"] == "server_error"


def test_when_to_try_again_is_passed_on(gateway, simulator):
    simulator.fault("azure", {"kind": "status", "status": 429, "errortype": "429", "headers": {"retry-after": "7"}})
    assert gateway.chat("gpt").headers["retry-after"] == "7"
