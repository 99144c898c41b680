from __future__ import annotations

import datetime as dt
import io

import fastavro
import pipeline.schemas as schemas
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.dead_letters import MAX_ERROR_MESSAGE_CHARS, MAX_TRACE_CHARS, Unreadable, dead_letter
from pipeline.records import to_avro
from pipeline.version import __version__
from tests.articles import NOON, message

TEXT = st.text(st.characters())


def raised(error: Exception) -> Exception:
    """`error` with a traceback."""
    try:
        raise error
    except Exception as caught:  # noqa: BLE001 - handed back
        return caught


class TestDeadLetter:
    def test_holds_the_message_untouched(self) -> None:
        before = dt.datetime.now(dt.timezone.utc)
        letter = dead_letter(
            message("m", b"\xff\x00", attributes={"a": "b"}, ordering_key="k"),
            "decode",
            Unreadable("no_body", "there is no body"),
        )
        assert letter.message_id == "m"
        assert letter.payload == b"\xff\x00"
        assert letter.attributes == {"a": "b"}
        assert letter.ordering_key == "k"
        assert letter.publish_time == NOON
        assert before <= letter.failed_at <= dt.datetime.now(dt.timezone.utc)
        assert letter.pipeline_version == __version__

    def test_what_the_message_is_to_blame_for_has_its_word_and_no_trace(self) -> None:
        letter = dead_letter(message("m"), "decode", raised(Unreadable("bomb", "too large")))
        assert (letter.stage, letter.error_type, letter.error_message) == (
            "decode",
            "bomb",
            "too large",
        )
        assert letter.exception_class == "pipeline.dead_letters.Unreadable"
        assert letter.stack_trace is None

    def test_a_fault_of_ours_has_a_trace(self) -> None:
        letter = dead_letter(message("m"), "tag", raised(ZeroDivisionError("by zero")))
        assert (letter.error_type, letter.exception_class) == (
            "unexpected",
            "builtins.ZeroDivisionError",
        )
        assert letter.stack_trace is not None
        assert "test_dead_letters.py" in letter.stack_trace
        assert letter.stack_trace.rstrip().endswith("ZeroDivisionError: by zero")

    def test_the_caller_may_name_the_error(self) -> None:
        letter = dead_letter(message("m"), "entities", TimeoutError(), error_type="model_timeout")
        assert letter.error_type == "model_timeout"
        assert letter.error_message == "TimeoutError"

    @pytest.mark.parametrize(
        ("ours", "theirs", "attempts"), [(1, None, 1), (3, None, 3), (1, 5, 5), (3, 2, 3)]
    )
    def test_attempts_are_ours_or_the_queues(
        self, ours: int, theirs: int | None, attempts: int
    ) -> None:
        one = message("m", delivery_attempt=theirs)
        assert dead_letter(one, "decode", ValueError(), attempts=ours).attempts == attempts

    def test_long_texts_are_cut(self) -> None:
        letter = dead_letter(message("m"), "decode", raised(ValueError("x" * 1_000_000)))
        assert len(letter.error_message) == MAX_ERROR_MESSAGE_CHARS
        assert len(letter.stack_trace or "") <= MAX_TRACE_CHARS


@given(text=TEXT, attributes=st.dictionaries(TEXT, TEXT, max_size=3), key=TEXT, data=st.binary())
def test_every_dead_letter_can_be_encoded(
    text: str, attributes: dict[str, str], key: str, data: bytes
) -> None:
    """One that could not would have nowhere to go."""
    one = message("m", data, attributes=attributes, ordering_key=key)
    letter = dead_letter(one, "write", raised(ValueError(text)))
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, schemas.load("dead_letters"), to_avro(letter))
    assert letter.payload == data
