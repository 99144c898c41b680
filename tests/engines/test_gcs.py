"""Backfills from Google Cloud Storage: the real protocol, spoken by fake-gcs-server."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import http.server
import io
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.sources.files import find_files
from tests.endtoend.commands import counts, records, said
from tests.endtoend.stories import STORIES, story
from tests.faults.backfill import verified
from tests.waiting import eventually

pytest.importorskip("google.cloud.storage", reason="pip install 'article-pipeline[gcs]'")
pytest.importorskip("google_auth_httplib2", reason="pip install 'article-pipeline[gcs]'")

PATIENCE_SECONDS = 240.0
QUICK = ("--no_entities", "--no_progress", "--roll_seconds", "1", "--processes", "1")
# How much Beam asks the store for at a time (apache_beam/io/gcp/gcsio.py).
CHUNK_BYTES = 16 * 1024 * 1024
# A token that is good for long, so that nobody asks Google for one. Without any credentials Beam
# looks for them for 20 seconds, in every process.
CREDENTIALS = {
    "type": "authorized_user",
    "client_id": "nobody",
    "client_secret": "none",
    "refresh_token": "none",
    "token": "a-token",
    "expiry": "2999-01-01T00:00:00Z",
}


def line(name: str) -> bytes:
    return json.dumps(story(name)).encode()


def found_binary() -> str:
    """The emulator; the test is skipped where there is none."""
    usual = Path.home() / "go" / "bin" / "fake-gcs-server"
    found = os.environ.get("FAKE_GCS_SERVER") or shutil.which("fake-gcs-server") or str(usual)
    if not Path(found).is_file():
        pytest.skip(
            "there is no fake-gcs-server: neither FAKE_GCS_SERVER nor PATH names one, nor is it in "
            "~/go/bin (go install github.com/fsouza/fake-gcs-server@v1.56.1)"
        )
    return found


class Store:
    """An emulator on a free port; what it holds is in its memory, and dies with it."""

    def __init__(self, binary: str, folder: Path) -> None:
        self._binary = binary
        self._folder = folder
        self._log = folder / "log"
        (folder / "credentials.json").write_text(json.dumps(CREDENTIALS))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{probe.getsockname()[1]}"
        self.start()

    def start(self) -> None:
        # It says at this address where an object's bytes are to be had.
        own = ("-external-url", f"http://{self.address}", "-public-host", self.address)
        host, _, port = self.address.partition(":")
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                [
                    *(self._binary, "-backend", "memory", "-scheme", "http"),
                    *("-host", host, "-port", port, *own),
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        eventually(self._answers, explain=self._log.read_text)

    def _answers(self) -> bool:
        try:
            return self._ask("GET", "/_internal/healthcheck") == 200
        except OSError:
            return False

    def _ask(self, method: str, path: str, body: bytes = b"", kind: str = "text/plain") -> int:
        connection = http.client.HTTPConnection(self.address, timeout=30)
        with contextlib.closing(connection):
            connection.request(method, path, body, {"Content-Type": kind})
            answer = connection.getresponse()
            answer.read()
            return answer.status

    def bucket(self, name: str) -> None:
        body = json.dumps({"name": name}).encode()
        assert self._ask("POST", "/storage/v1/b?project=p", body, "application/json") == 200

    def put(self, bucket: str, name: str, data: bytes, *, encoding: str = "") -> None:
        query = f"uploadType=media&name={quote(name, safe='')}&contentEncoding={encoding}"
        assert self._ask("POST", f"/upload/storage/v1/b/{bucket}/o?{query}", data) == 200

    def given_out(self, name: str) -> int:
        """How many pieces of an object were asked for so far."""
        return len(re.findall(rf"GET /download/\S*{quote(name, safe='')}\?", self._log.read_text()))

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def environment(self, address: str | None = None) -> dict[str, str]:
        """What a command needs so that it comes here."""
        return {
            **os.environ,
            "STORAGE_EMULATOR_HOST": f"http://{address or self.address}",
            "GOOGLE_APPLICATION_CREDENTIALS": str(self._folder / "credentials.json"),
            "GOOGLE_CLOUD_PROJECT": "test-project",
            "NO_PROXY": "127.0.0.1",
        }

    def backfill(
        self, *arguments: str | Path, address: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "pipeline", "backfill", *map(str, arguments)],
            env=self.environment(address),
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
        )


@pytest.fixture(scope="module")
def binary() -> str:
    return found_binary()


@pytest.fixture
def store(binary: str, tmp_path: Path) -> Iterator[Store]:
    (tmp_path / "store").mkdir()
    store = Store(binary, tmp_path / "store")
    try:
        store.bucket("news")
        yield store
    finally:
        store.kill()


@pytest.fixture
def mixed(store: Store) -> Store:
    """Four articles, a copy of one, a line and a file that are torn; and what is no input."""
    store.put("news", "in/a.jsonl", b"\n".join((line("harbour"), b"{torn", line("harbour"))))
    store.put("news", "in/b.jsonl.gz", gzip.compress(line("budget")))
    torn = gzip.compress(line("river") + b"\n" + random.Random(1).randbytes(50_000).hex().encode())
    store.put("news", "in/c.jsonl.gz", torn[:-5_000])
    store.put("news", "in/deep/d.txt", STORIES["bridge"].encode())
    store.put("news", "in/_SUCCESS", b"")
    # As the web console makes a folder; and what begins alike but is not in the folder.
    store.put("news", "in/deep/", b"")
    store.put("news", "in-other/e.jsonl", line("harbour"))
    return store


def listed(done: subprocess.CompletedProcess[str]) -> list[tuple[str, str]]:
    """Kind and path of each file of a dry run."""
    assert done.returncode == 0, done.stderr
    return [(row.split()[0], row.split()[-1]) for row in done.stdout.splitlines()[1:-1]]


class TestFolders:
    @pytest.mark.parametrize("processes", ["1", "2"])
    def test_each_entry_comes_to_one_end_and_once_only(
        self, mixed: Store, tmp_path: Path, processes: str
    ) -> None:
        output = tmp_path / "out"
        given = ("--input", "gs://news/in", "--output", output, *QUICK, "--processes", processes)
        done = mixed.backfill(*given)
        assert said(done) == "7 messages: 4 articles, 1 duplicates, 2 dead letters, 0 redelivered"
        assert counts(output) == {"articles": 4, "duplicates": 1, "dead_letters": 2}
        letters = {
            (one["attributes"]["source_file"], one["attributes"]["source_position"]): one
            for one in records(output, "dead_letters")
        }
        bad = letters["gs://news/in/a.jsonl", "line 2"]
        assert (bad["payload"], bad["error_type"]) == (b"{torn", "invalid_json")
        torn = letters["gs://news/in/c.jsonl.gz", "line 2"]
        assert torn["error_type"] == "torn_file"
        assert "line 2 of gs://news/in/c.jsonl.gz" in torn["error_message"]
        assert verified(output) == ""

        again = mixed.backfill(*given)
        assert said(again) == "7 messages: 0 articles, 0 duplicates, 0 dead letters, 7 redelivered"
        assert counts(output) == {"articles": 4, "duplicates": 1, "dead_letters": 2}

    def test_what_a_folder_or_a_pattern_means(
        self, mixed: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name, value in mixed.environment().items():
            monkeypatch.setenv(name, value)

        def found(pattern: str) -> list[tuple[str, str]]:
            return [(file.kind, file.path) for file in find_files([pattern])]

        whole = [
            ("jsonl", "gs://news/in/a.jsonl"),
            ("jsonl", "gs://news/in/b.jsonl.gz"),
            ("jsonl", "gs://news/in/c.jsonl.gz"),
            ("text", "gs://news/in/deep/d.txt"),
        ]
        assert found("gs://news/in") == whole
        assert found("gs://news/in/") == whole
        assert found("gs://news/in/*.jsonl") == whole[:1]
        assert found("gs://news/in/**.jsonl*") == whole[:3]
        assert found("gs://news/in/d*") == whole[3:]
        assert found("gs://news/") == [("jsonl", "gs://news/in-other/e.jsonl"), *whole]
        assert found("gs://news") == found("gs://news/")
        dry = ("--input", "gs://news/in", "--output", tmp_path / "out", "--dry_run")
        assert listed(mixed.backfill(*dry)) == whole
        assert not (tmp_path / "out").exists()

    @pytest.mark.parametrize(
        ("pattern", "reason"),
        [
            ("gs://nothing/in", "cannot be looked up"),
            ("gs://nothing/*.jsonl", "cannot be looked up"),
            ("gs://news/nothing", "matches no file"),
        ],
    )
    def test_what_does_not_exist_is_said_in_one_line(
        self, mixed: Store, tmp_path: Path, pattern: str, reason: str
    ) -> None:
        done = mixed.backfill("--input", pattern, "--output", tmp_path / "out", *QUICK)
        assert (done.returncode, done.stdout) == (2, "")
        (only,) = done.stderr.splitlines()
        assert only.startswith(f"backfill: --input {pattern} {reason}")
        assert not (tmp_path / "out").exists()


class TestKinds:
    def test_parquet_is_read_from_its_end_and_in_every_row_group(
        self, store: Store, tmp_path: Path
    ) -> None:
        file = io.BytesIO()
        table = pa.Table.from_pylist([story(name) for name in STORIES])
        pq.write_table(table, file, row_group_size=1)
        store.put("news", "in/a.parquet", file.getvalue())
        # Its first bytes have to say what it is.
        store.put("news", "in/part-00000", file.getvalue())
        output = tmp_path / "out"
        done = store.backfill("--input", "gs://news/in", "--output", output, *QUICK)
        assert said(done) == "8 messages: 4 articles, 4 duplicates, 0 dead letters, 0 redelivered"
        assert {one["body"] for one in records(output, "articles")} == set(STORIES.values())

    def test_an_object_that_the_store_would_expand_by_itself_is_read_as_it_is_stored(
        self, store: Store, tmp_path: Path
    ) -> None:
        """`gcloud storage cp --gzip-local` keeps the name; the first bytes say what it is."""
        data = gzip.compress(line("harbour") + b"\n" + line("river"))
        store.put("news", "in/a.jsonl", data, encoding="gzip")
        done = store.backfill("--input", "gs://news/in", "--output", tmp_path / "out", *QUICK)
        assert said(done) == "2 messages: 2 articles, 0 duplicates, 0 dead letters, 0 redelivered"


class TestLargeFiles:
    ARTICLES = 400

    @pytest.fixture
    def large(self, store: Store) -> Store:
        self.fill(store)
        return store

    def fill(self, store: Store) -> None:
        """A file of more than two chunks, in which no line ends where a chunk does."""
        chance = random.Random(7)
        words = ["".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=7)) for _ in range(5_000)]
        lines = []
        for number in range(self.ARTICLES):
            body = " ".join(chance.choices(words, k=12_000))
            url = f"https://news.example/{number}"
            lines.append(json.dumps({"title": f"Story {number}", "body": body, "url": url}))
        data = "\n".join(lines).encode()
        assert len(data) > 2.2 * CHUNK_BYTES
        assert data[CHUNK_BYTES : CHUNK_BYTES + 2].count(b"\n") == 0
        store.put("news", "in/large.jsonl", data)
        store.put("news", "in/z.jsonl", line("river"))

    def test_every_line_of_a_file_of_several_chunks_is_there(
        self, large: Store, tmp_path: Path
    ) -> None:
        output = tmp_path / "out"
        done = large.backfill("--input", "gs://news/in", "--output", output, *QUICK)
        total = self.ARTICLES + 1
        assert said(done).startswith(f"{total} messages: {total} articles, 0 duplicates, 0 dead ")
        assert large.given_out("in/large.jsonl") >= 3
        sizes = {len(one["body"]) for one in records(output, "articles")}
        assert len(sizes - {12_000 * 8 - 1}) == 1

    def test_what_a_store_that_died_did_not_give_is_a_dead_letter_and_comes_the_next_time(
        self, large: Store, tmp_path: Path
    ) -> None:
        output = tmp_path / "out"
        given = ("--input", "gs://news/in", "--output", output, *QUICK)
        log = tmp_path / "log"
        with log.open("w") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "pipeline", "backfill", *map(str, given)],
                env=large.environment(),
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        try:
            eventually(lambda: large.given_out("in/large.jsonl"), PATIENCE_SECONDS, log.read_text)
            # It comes back with nothing in it. One that stays away is asked for two minutes.
            large.kill()
            large.start()
            process.wait(PATIENCE_SECONDS)
        finally:
            process.kill()
            process.wait()
        assert process.returncode == 0, log.read_text()
        letters = records(output, "dead_letters")
        assert {one["error_type"] for one in letters} == {"unreadable_file"}
        assert [one["attributes"]["source_file"] for one in letters] == [
            "gs://news/in/large.jsonl",
            "gs://news/in/z.jsonl",
        ]
        had = counts(output)["articles"]
        assert 0 < had < self.ARTICLES

        large.bucket("news")
        self.fill(large)
        again = large.backfill(*given)
        rest = self.ARTICLES + 1 - had
        assert said(again) == (
            f"{self.ARTICLES + 1} messages: {rest} articles, 0 duplicates, 0 dead letters, "
            f"{had} redelivered"
        )
        assert verified(output) == ""


class Refusing(http.server.BaseHTTPRequestHandler):
    """Lets nobody in, and keeps who asked."""

    asked: list[str | None]

    def do_GET(self) -> None:
        self.asked.append(self.headers["Authorization"])
        body = b'{"error": {"code": 403, "message": "nobody may list here"}}'
        self.send_response(403)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


def test_the_store_is_asked_with_the_users_credentials(store: Store, tmp_path: Path) -> None:
    """Without google-auth-httplib2 Beam asks as nobody; and who may not is told so in one line."""
    Refusing.asked = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        address = f"127.0.0.1:{server.server_port}"
        given = ("--input", "gs://news/in/*", "--output", tmp_path / "out", *QUICK)
        done = store.backfill(*given, address=address)
    finally:
        server.shutdown()
        server.server_close()
    assert (done.returncode, done.stdout) == (2, "")
    (only,) = done.stderr.splitlines()
    assert "nobody may list here" in only
    assert set(Refusing.asked) == {"Bearer a-token"}
