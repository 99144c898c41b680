"""A ledger that is gone: the run refuses, the records bring it back, nothing comes twice."""

from __future__ import annotations

import shutil
import signal
from collections import Counter
from pathlib import Path

import pytest

from pipeline.leases import LEASE_SECONDS
from pipeline.samples import generate
from tests.endtoend.commands import Queue, counts, expected, message_ids, records

MESSAGES = 500


def test_a_ledger_that_was_deleted(queue: Queue, tmp_path: Path) -> None:
    samples = list(generate(MESSAGES, seed=3))
    queue.publish(samples)
    run = (
        *("run", "--subscription", queue.subscription, "--output", tmp_path, "--no_entities"),
        *("--roll_records", "100", "--processes", "1"),
    )
    # Dies with files that are committed and messages that are not acknowledged.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ARTICLE_PIPELINE_FAILPOINTS", "after_commit=kill@2")
        killed = queue.run(*run, "--idle_timeout", "60")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    written = set(message_ids(tmp_path))
    assert written
    shutil.rmtree(tmp_path / "_state")

    refused = queue.run(*run)
    assert refused.returncode == 1
    (line,) = [line for line in refused.stderr.splitlines() if line.startswith("run: ")]
    assert f"`article-pipeline verify {tmp_path} --rebuild_ledger`" in line
    rebuilt = queue.run("verify", tmp_path, "--rebuild_ledger")
    assert rebuilt.returncode == 0, rebuilt.stdout + rebuilt.stderr

    patience = ("--idle_timeout", str(LEASE_SECONDS + 5))
    done = queue.run(*run, *patience, timeout=300)
    assert done.returncode == 0, done.stderr
    times = Counter(message_ids(tmp_path))
    assert (len(times), set(times.values())) == (MESSAGES, {1})
    assert counts(tmp_path)["dead_letters"] == expected(samples)["dead_letters"]

    # All once more, as new messages: each is a copy of an article that is there.
    articles = {(r["message_id"], r["article_id"]) for r in records(tmp_path, "articles")}
    before = counts(tmp_path)
    queue.publish(samples)
    again = queue.run(*run, "--max_messages", str(MESSAGES), *patience, timeout=300)
    assert again.returncode == 0, again.stderr
    after = counts(tmp_path)
    assert after["articles"] == before["articles"]
    assert after["duplicates"] == 2 * before["duplicates"] + before["articles"]
    for record in records(tmp_path, "duplicates"):
        assert (record["canonical_message_id"], record["canonical_id"]) in articles
    audit = queue.run("verify", tmp_path)
    assert audit.returncode == 0, audit.stdout
