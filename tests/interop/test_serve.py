"""limbeck serve against OpenAI's own client and lm-eval's local-completions."""
import base64
import json
import os
import pathlib
import re
import struct
import subprocess

import pytest

openai = pytest.importorskip("openai")
TEACHER = pathlib.Path(__file__).parents[2] / "examples" / "helpdesk" / "teacher"
PROMPT = "hi there, you billed me twice for nw-91420."
TOOLS = [{"type": "function", "function": {
    "name": name, "parameters": {"type": "object", "properties": {"order": {"type": "string", "maxLength": 8}},
                                 "required": ["order"], "additionalProperties": False}}}
    for name in ("cancel", "track")]


@pytest.fixture(scope="module")
def url():
    server = subprocess.Popen([os.environ["LIMBECK"], "serve", str(TEACHER), "--port", "0", "--parallel", "4"],
                              stdout=subprocess.PIPE, text=True)
    line = server.stdout.readline()
    yield re.search(r"http://\S+/v1", line).group(0)
    server.terminate()
    assert server.wait(timeout=20) == 0


@pytest.fixture(scope="module")
def client(url):
    return openai.OpenAI(base_url=url, api_key="none", max_retries=0)


def chat(client, **more):
    arguments = {"model": "any", "messages": [{"role": "user", "content": PROMPT}], "temperature": 0, "max_tokens": 24}
    return client.chat.completions.create(**{**arguments, **more})


def test_chat_is_what_the_command_says(client):
    answer = chat(client)
    command = subprocess.run([os.environ["LIMBECK"], "generate", str(TEACHER), PROMPT, "--chat", "--json"],
                             capture_output=True, text=True, check=True)
    assert answer.choices[0].message.content == json.loads(command.stdout)["text"] == "double_charge"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.prompt_tokens == json.loads(command.stdout)["prompt_tokens"]


def test_a_stream_is_the_answer_in_pieces(client):
    pieces = list(chat(client, stream=True, stream_options={"include_usage": True}, logprobs=True))
    text = "".join(c.choices[0].delta.content or "" for c in pieces if c.choices)
    assert text == chat(client).choices[0].message.content
    assert pieces[-1].usage.completion_tokens == 3
    tokens = [t.token for c in pieces if c.choices and c.choices[0].logprobs for t in c.choices[0].logprobs.content]
    assert "".join(tokens) == text
    assert [c.choices[0].finish_reason for c in pieces if c.choices][-1] == "stop"


def test_logprobs(client):
    content = chat(client, logprobs=True, top_logprobs=3).choices[0].logprobs.content
    assert bytes(b for t in content for b in t.bytes).decode() == "double_charge"
    for token in content:
        assert token.top_logprobs[0].logprob == pytest.approx(token.logprob)
        assert len(token.top_logprobs) == 3


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "track"}}])
def test_tools_that_must_be_called(client, choice):
    answer = chat(client, tools=TOOLS, tool_choice=choice, max_tokens=64, temperature=1, seed=3)
    call = answer.choices[0].message.tool_calls[0]
    assert call.function.name in ("cancel", "track")
    assert isinstance(choice, str) or call.function.name == "track"
    assert set(json.loads(call.function.arguments)) == {"order"}
    assert answer.choices[0].finish_reason == "tool_calls"


def test_a_call_in_a_stream(client):
    name, arguments = "", ""
    for chunk in chat(client, tools=TOOLS, tool_choice="required", max_tokens=64, seed=3, stream=True):
        for call in chunk.choices[0].delta.tool_calls or []:
            assert call.index == 0
            name += call.function.name or ""
            arguments += call.function.arguments
    assert name in ("cancel", "track") and set(json.loads(arguments)) == {"order"}


def test_every_answer_fits_its_schema(client):
    schema = {"type": "object", "properties": {"queue": {"enum": ["a", "b"]}, "n": {"type": "integer", "minimum": 3, "maximum": 9}},
              "required": ["queue", "n"], "additionalProperties": False}
    answer = chat(client, temperature=1.5, n=4, seed=1, max_tokens=64,
                  response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": schema}})
    assert len(answer.choices) == 4
    for choice in answer.choices:
        value = json.loads(choice.message.content)
        assert value["queue"] in ("a", "b") and 3 <= value["n"] <= 9


def test_completions(client):
    answer = client.completions.create(model="any", prompt=["hello", "good day"], max_tokens=5, temperature=0, n=2, logprobs=2)
    assert [c.index for c in answer.choices] == [0, 1, 2, 3]
    assert answer.choices[0].text == answer.choices[1].text
    assert len(answer.choices[0].logprobs.tokens) == len(answer.choices[0].logprobs.top_logprobs)
    echoed = client.completions.create(model="any", prompt="hello there", max_tokens=0, echo=True, logprobs=1)
    assert echoed.choices[0].text == "hello there"
    assert echoed.choices[0].logprobs.token_logprobs[0] is None
    text = "".join(c.choices[0].text for c in client.completions.create(
        model="any", prompt="hello", max_tokens=5, temperature=0, stream=True))
    assert text == answer.choices[0].text


def test_embeddings(client, url):
    answer = client.embeddings.create(model="any", input=["where is my parcel", "where is my parcel", "refund"])
    first, again, other = (e.embedding for e in answer.data)
    assert first == again != other
    assert sum(x * x for x in first) == pytest.approx(1, abs=1e-4)
    raw = client.embeddings.create(model="any", input="refund", encoding_format="base64").data[0].embedding
    assert struct.unpack(f"{len(other)}f", base64.b64decode(raw)) == pytest.approx(other, abs=1e-7)


def test_errors_name_the_field(client):
    with pytest.raises(openai.BadRequestError) as error:
        chat(client, temperature=-1)
    assert error.value.param == "temperature"
    with pytest.raises(openai.BadRequestError) as error:
        chat(client, response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": {"not": {}}}})
    assert error.value.param == "response_format"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("no-such-model")
    assert client.models.list().data[0].id == "teacher"


def test_lm_eval_scores_as_transformers_does(url):
    lm_eval = pytest.importorskip("lm_eval")
    torch = pytest.importorskip("torch")
    from lm_eval.api.instance import Instance
    from lm_eval.models.openai_completions import LocalCompletionsAPI
    from transformers import AutoModelForCausalLM, AutoTokenizer

    pairs = [("hello, where is", " my parcel"), ("I want to return", " the kettle"), ("the", " invoice")]
    model = LocalCompletionsAPI(base_url=url + "/completions", model="teacher", tokenizer=str(TEACHER),
                                tokenizer_backend="huggingface", tokenized_requests=True, max_length=256)
    scored = model.loglikelihood([Instance("loglikelihood", {}, pair, i) for i, pair in enumerate(pairs)])
    tokenizer = AutoTokenizer.from_pretrained(TEACHER)
    reference = AutoModelForCausalLM.from_pretrained(TEACHER, dtype=torch.float32)
    for (context, continuation), (found, greedy) in zip(pairs, scored):
        head = tokenizer(context, add_special_tokens=False)["input_ids"]
        ids = tokenizer(context + continuation, add_special_tokens=False)["input_ids"]
        with torch.no_grad():
            logprobs = torch.log_softmax(reference(torch.tensor([ids])).logits[0], -1)
        wanted = sum(float(logprobs[i - 1, ids[i]]) for i in range(len(head), len(ids)))
        # Weights in bfloat16 are multiplied by activations rounded to bfloat16; the reference keeps float32.
        assert found == pytest.approx(wanted, abs=2e-3, rel=1.5e-3)
        assert greedy == all(int(logprobs[i - 1].argmax()) == ids[i] for i in range(len(head), len(ids)))
