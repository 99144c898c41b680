"""The examples in deploy/: each is read as who runs it reads it, and its commands as we do."""

from __future__ import annotations

import configparser
import datetime as dt
import re
import shlex
import shutil
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from pipeline import cli
from pipeline.errors import BUSY, USAGE
from pipeline.launch import check
from pipeline.option_list import defaults
from pipeline.options import unknown_flags
from pipeline.version import __version__

DEPLOY = Path(__file__).resolve().parents[1] / "deploy"
CRON = DEPLOY / "cron" / "article-pipeline.cron"
UNITS = sorted((DEPLOY / "systemd").iterdir())
SERVICES = [path for path in UNITS if path.suffix == ".service"]
MANIFESTS = sorted((DEPLOY / "kubernetes").iterdir())
DAG = DEPLOY / "airflow" / "article_pipeline_dag.py"
README = DEPLOY / "README.md"
PROGRAM = "article-pipeline"
COMMANDS = ("run", "backfill", "replay", "publish", "verify", "inspect", "report")
# Where a shell's word ends a command, or sends its output elsewhere.
SHELL = re.compile(r"\d?[<>|&;].*")


def in_text(text: str) -> Iterator[list[str]]:
    """The arguments of each command of ours in lines of a shell, of cron or of a unit."""
    begin = re.compile(rf"{PROGRAM} (?=(?:{'|'.join(COMMANDS)})\b)(.*)")
    for line in text.replace("\\\n", " ").splitlines():
        for found in begin.finditer(line):
            words = shlex.split(found[1])
            end = next((n for n, word in enumerate(words) if SHELL.fullmatch(word)), len(words))
            yield words[:end]


def containers(path: Path) -> Iterator[dict[str, Any]]:
    for document in yaml.safe_load_all(path.read_text(encoding="utf-8")):
        yield from pod_of(document).get("containers", ())


def pod_of(document: dict[str, Any]) -> dict[str, Any]:
    """The spec of the pods that a manifest makes; empty where it makes none."""
    spec = document.get("spec", {})
    spec = spec.get("jobTemplate", {}).get("spec", spec)
    found: dict[str, Any] = spec.get("template", {}).get("spec", {})
    return found


class Operator:
    """Airflow's BashOperator, by the arguments that 2.10 and 3 have in common."""

    made: list[Operator]

    def __init__(
        self,
        *,
        task_id: str,
        bash_command: str,
        skip_on_exit_code: int = 99,
        output_processor: Any = None,
    ) -> None:
        self.task_id = task_id
        self.bash_command = bash_command
        self.skip_on_exit_code = skip_on_exit_code
        self.after: list[Operator] = []
        Operator.made.append(self)

    def __rshift__(self, other: Operator) -> Operator:
        other.after.append(self)
        return other


class Dag:
    """Airflow's DAG, likewise."""

    last: Dag

    def __init__(
        self,
        *,
        dag_id: str,
        description: str,
        schedule: str,
        start_date: dt.datetime,
        catchup: bool,
        max_active_runs: int,
        default_args: dict[str, Any],
    ) -> None:
        self.catchup, self.max_active_runs = catchup, max_active_runs
        self.start_date, self.default_args = start_date, default_args
        Dag.last = self

    def __enter__(self) -> Dag:
        return self

    def __exit__(self, *exc: object) -> None:
        pass


def tasks() -> list[Operator]:
    """The tasks of the DAG, run with a stand-in for Airflow, which is heavy to install."""
    names = {
        "airflow": {"DAG": Dag},
        "airflow.providers.standard.operators.bash": {"BashOperator": Operator},
    }
    modules = {}
    for name, content in names.items():
        for n in range(1, name.count(".") + 2):
            part = ".".join(name.split(".")[:n])
            modules.setdefault(part, types.ModuleType(part))
        vars(modules[name]).update(content)
    Operator.made = []
    with pytest.MonkeyPatch.context() as patch:
        for name, module in modules.items():
            patch.setitem(sys.modules, name, module)
        exec(compile(DAG.read_text(encoding="utf-8"), DAG.name, "exec"), {"__name__": "dag"})
    return Operator.made


def in_readme() -> str:
    blocks = re.findall(r"^```sh\n(.*?)^```$", README.read_text(encoding="utf-8"), re.M | re.S)
    return "\n".join(blocks)


def every_command() -> list[tuple[str, list[str]]]:
    found = [(path.name, one) for path in (CRON, *UNITS) for one in in_text(path.read_text())]
    found += [(README.name, one) for one in in_text(in_readme())]
    for path in MANIFESTS:
        for one in containers(path):
            assert one["command"][0] == PROGRAM
            found.append((path.name, [*one["command"][1:], *one["args"]]))
    found += [(DAG.name, one) for task in tasks() for one in in_text(task.bash_command)]
    return found


EVERY_COMMAND = every_command()


def value_of(arguments: list[str], option: str) -> str | None:
    """The value of an option, in whichever way it is written."""
    words = [part for word in arguments for part in word.split("=", 1)]
    return words[words.index(option) + 1] if option in words else None


def test_all_are_found() -> None:
    """One in each file that starts something; what is found by no reader is checked by none."""
    files = {p for p in DEPLOY.rglob("*") if p.is_file() and "__pycache__" not in p.parts}
    assert files == {CRON, *UNITS, *MANIFESTS, DAG, README}
    assert {name for name, _ in EVERY_COMMAND} == {
        path.name for path in files if path.suffix != ".timer"
    }
    assert len(EVERY_COMMAND) == 3 + 2 + 2 + 3 + 1


@pytest.mark.parametrize(
    "arguments", [one for _, one in EVERY_COMMAND], ids=[f"{n}-{a[0]}" for n, a in EVERY_COMMAND]
)
class TestCommand:
    def test_is_one_of_ours(self, arguments: list[str]) -> None:
        args, rest = cli.build_parser().parse_known_args(arguments)
        if args.name in cli.NOT_YET:
            pytest.skip(f"{args.name} is not there yet")
        assert unknown_flags(rest) == []
        if args.name == "run":
            check({**defaults(), **{k: v for k, v in vars(args).items() if k in defaults()}})

    def test_is_bounded_or_a_service_and_alone(self, arguments: list[str]) -> None:
        if arguments[0] in ("run", "backfill"):
            assert value_of(arguments, "--overlap") in ("skip", "fail")
            bounded = value_of(arguments, "--max_messages") and value_of(
                arguments, "--idle_timeout"
            )
            stream = value_of(arguments, "--schedule") == "stream"
            assert bounded or stream or arguments[0] == "backfill"


def test_a_fault_in_a_command_is_found() -> None:
    """The checks above, on what they are to find."""
    (wrong,) = in_text(f"0 3 * * * me /bin/{PROGRAM} run --overlap maybe >>x 2>&1\n")
    assert wrong == ["run", "--overlap", "maybe"]
    with pytest.raises(SystemExit):
        cli.build_parser().parse_known_args(wrong)
    (unknown,) = in_text(f"ExecStart=/bin/{PROGRAM} run --outputs x | tee y; {PROGRAM} ends")
    assert unknown_flags(cli.build_parser().parse_known_args(unknown)[1]) == ["--outputs", "x"]


class TestCron:
    # crontab(5): minute, hour, day of month, month, day of week.
    RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))

    def lines(self) -> list[str]:
        text = CRON.read_text(encoding="utf-8")
        # Cron passes over a last line without an end.
        assert text.endswith("\n")
        lines = [line for line in text.splitlines() if line and not line.startswith("#")]
        assert [line for line in lines if re.match(r"\w+=", line)] == lines[:2]
        return lines[2:]

    def test_times(self) -> None:
        for line in self.lines():
            fields = line.split(None, 6)
            assert len(fields) == 7, line
            for field, (least, most) in zip(fields[:5], self.RANGES, strict=True):
                assert self.is_valid(field, least, most), (field, line)

    @staticmethod
    def is_valid(field: str, least: int, most: int) -> bool:
        part = re.compile(r"(?:\*|(\d+)(?:-(\d+))?)(?:/(\d+))?")
        for one in field.split(","):
            match = part.fullmatch(one)
            if match is None:
                return False
            low, high, step = (None if text is None else int(text) for text in match.groups())
            low = least if low is None else low
            high = low if high is None else high
            if not least <= low <= high <= most or step == 0:
                return False
        return True

    @pytest.mark.parametrize("field", ["60", "*/0", "5-3", "a", "", "1,", "-1", "*/"])
    def test_what_is_no_minute(self, field: str) -> None:
        assert not self.is_valid(field, 0, 59)

    def test_commands(self) -> None:
        for line in self.lines():
            user, command = line.split(None, 6)[5:]
            assert user == "articles"
            # Cron ends a command at a %, and gives it what follows as input.
            assert "%" not in command
            # What is printed would be mailed.
            assert re.search(r">>\S+ 2>&1$", command)
            assert subprocess.run(["sh", "-n", "-c", command], timeout=60).returncode == 0


def unit(path: Path) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, strict=True)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(path, encoding="utf-8")
    return parser


def seconds(text: str) -> float:
    """A span of time as systemd writes it, in the units that the examples have."""
    match = re.fullmatch(r"(\d+)(s|min|h)?", text)
    assert match is not None, text
    return int(match[1]) * {None: 1, "s": 1, "min": 60, "h": 3600}[match[2]]


class TestSystemd:
    def test_systemd_reads_them(self, tmp_path: Path) -> None:
        analyze = shutil.which("systemd-analyze")
        if analyze is None:
            pytest.skip("systemd-analyze is not there")
        copies = []
        for path in UNITS:
            # It looks for the program, which is installed nowhere yet.
            text = path.read_text().replace("/opt/article-pipeline/bin/article-pipeline", "/bin/sh")
            copies.append(tmp_path / path.name)
            copies[-1].write_text(text)
        done = subprocess.run(
            [analyze, "verify", *map(str, copies)], capture_output=True, text=True, timeout=120
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

    @pytest.mark.parametrize("path", SERVICES, ids=lambda path: path.name)
    def test_services(self, path: Path) -> None:
        service = unit(path)["Service"]
        (arguments,) = in_text(service["ExecStart"])
        # % begins a specifier of systemd's, $ a variable.
        assert not set(service["ExecStart"]) & set("%$")
        drain = float(value_of(arguments, "--drain_timeout") or defaults()["drain_timeout"])
        assert seconds(service["TimeoutStopSec"]) > drain + 10
        assert (service["KillSignal"], service["KillMode"]) == ("SIGTERM", "mixed")
        assert service["User"] not in ("", "root")
        for name in ("NoNewPrivileges", "ProtectHome", "PrivateTmp", "PrivateDevices"):
            assert service[name] == "yes"
        assert service["ProtectSystem"] == "strict"
        for option in ("--output", "--summary_json"):
            written = value_of(arguments, option)
            assert written is None or Path(written).is_relative_to(service["ReadWritePaths"])

    def test_a_stream_starts_again_where_that_helps(self) -> None:
        service = unit(DEPLOY / "systemd" / "article-pipeline.service")["Service"]
        assert (service["Type"], service["Restart"]) == ("exec", "on-failure")
        assert service["RestartPreventExitStatus"].split() == [str(USAGE), str(BUSY)]

    def test_a_job_is_bounded_and_has_a_timer(self) -> None:
        service = unit(DEPLOY / "systemd" / "article-pipeline-backfill.service")["Service"]
        assert service["Type"] == "oneshot"
        assert seconds(service["TimeoutStartSec"]) > 0
        assert service["SuccessExitStatus"] == str(BUSY)
        timer = unit(DEPLOY / "systemd" / "article-pipeline-backfill.timer")
        assert timer["Timer"]["Unit"] in {path.name for path in SERVICES}
        assert timer["Install"]["WantedBy"] == "timers.target"


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
class TestKubernetes:
    def documents(self, path: Path) -> list[dict[str, Any]]:
        return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))

    def test_is_valid(self, path: Path) -> None:
        version = kubernetes_validate.latest_version()
        for document in self.documents(path):
            kubernetes_validate.validate(document, version, strict=True)

    def test_a_fault_is_found(self, path: Path) -> None:
        document = self.documents(path)[-1]
        pod_of(document)["containers"][0]["readOnlyRoot"] = True
        with pytest.raises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(
                document, kubernetes_validate.latest_version(), strict=True
            )

    def test_a_pod_drains_and_may_do_little(self, path: Path) -> None:
        document = self.documents(path)[-1]
        pod = pod_of(document)
        (container,) = pod["containers"]
        drain = float(value_of(container["args"], "--drain_timeout") or 0)
        assert pod["terminationGracePeriodSeconds"] > drain + 10 > 10
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] > 0
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["image"] == f"article-pipeline:{__version__}"
        assert {"requests", "limits"} <= set(container["resources"])

    def test_names_fit(self, path: Path) -> None:
        """What a pod refers to is in the same file, and its output is on the volume."""
        *others, document = self.documents(path)
        names = {(one["kind"], one["metadata"]["name"]) for one in others}
        pod = pod_of(document)
        (container,) = pod["containers"]
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        mounts = {mount["mountPath"]: volumes[mount["name"]] for mount in container["volumeMounts"]}
        output = Path(value_of(container["args"], "--output") or "")
        claim = mounts[str(output.parent)]["persistentVolumeClaim"]["claimName"]
        assert names == {
            ("ServiceAccount", pod["serviceAccountName"]), ("PersistentVolumeClaim", claim),
        }  # fmt: skip
        assert "emptyDir" in mounts["/tmp"]

    def test_a_job_is_bounded_and_alone(self, path: Path) -> None:
        document = self.documents(path)[-1]
        if document["kind"] != "CronJob":
            assert document["spec"]["strategy"] == {"type": "Recreate"}
            return
        assert all(
            TestCron.is_valid(field, *bounds)
            for field, bounds in zip(
                document["spec"]["schedule"].split(), TestCron.RANGES, strict=True
            )
        )
        assert document["spec"]["concurrencyPolicy"] == "Forbid"
        job = document["spec"]["jobTemplate"]["spec"]
        assert job["activeDeadlineSeconds"] > 0
        (container,) = pod_of(document)["containers"]
        rule = job["podFailurePolicy"]["rules"][0]["onExitCodes"]
        assert (rule["containerName"], rule["values"]) == (container["name"], [USAGE])


class TestAirflow:
    def test_tasks(self) -> None:
        found = tasks()
        assert [(t.task_id, [a.task_id for a in t.after]) for t in found] == [
            ("stream", []), ("backfill", ["stream"]), ("verify", ["backfill"]),
        ]  # fmt: skip
        for task in found:
            (arguments,) = in_text(task.bash_command)
            if value_of(arguments, "--overlap") == "fail":
                assert task.skip_on_exit_code == BUSY
                assert value_of(arguments, "--summary_json") == "-"
            # Airflow takes {{ and {% for its own, and what ends in .sh for a file.
            assert "{" not in task.bash_command
            # So that a signal reaches it.
            assert task.bash_command.startswith("exec ")
            checked = subprocess.run(["bash", "-n", "-c", task.bash_command], timeout=60)
            assert checked.returncode == 0

    def test_dag(self) -> None:
        tasks()
        assert (Dag.last.catchup, Dag.last.max_active_runs) == (False, 1)
        assert Dag.last.start_date.tzinfo is not None
        assert Dag.last.default_args["execution_timeout"] > dt.timedelta(0)


def test_each_says_how_to_install_it() -> None:
    for path in (CRON, *UNITS, *MANIFESTS, DAG):
        head = path.read_text(encoding="utf-8")[:1500]
        assert re.search(r"[Tt]o install|how to install", head), path.name


def test_none_holds_a_secret() -> None:
    words = r"password|secret|private_key|api_key|(?<!ServiceAccount)token"
    pattern = re.compile(rf"({words})\w*\s*[=:]\s*\S", re.I)
    assert pattern.search("API_KEY=x")
    for path in (CRON, *UNITS, *MANIFESTS, DAG):
        assert not pattern.search(path.read_text(encoding="utf-8")), path.name
