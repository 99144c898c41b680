from __future__ import annotations

import pytest

from pipeline.watch import metrics


def test_the_names_are_those_of_the_design() -> None:
    names = {
        value
        for name, value in vars(metrics).items()
        if name.isupper() and isinstance(value, str) and name != "NAMESPACE"
    }
    assert names == {
        "messages_received", "messages_redelivered", "articles_decoded", "duplicates",
        "dead_letters", "articles_written", "files_committed", "messages_settled",
        "message_bytes", "latency_publish_to_commit_ms", "batch_size",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("labels", "name"),
    [
        ({}, "n"),
        ({"kind": "url"}, "n{kind=url}"),
        ({"stage": "decode", "error_type": "bomb"}, "n{stage=decode,error_type=bomb}"),
    ],
)
def test_labels(labels: dict[str, str], name: str) -> None:
    assert metrics.labelled("n", **labels) == name
