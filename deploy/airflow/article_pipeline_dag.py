"""An Airflow DAG: every hour what waits in a subscription, then a folder's files, then an audit.

To install: install the package on the workers into /opt/article-pipeline (python3 -m venv
/opt/article-pipeline); change the subscription and the folders below; put this file into Airflow's
`dags_folder`. For Airflow from 2.10, whose BashOperator has `output_processor`, and 3.

The last line of a run's output is the JSON of `--summary_json -`, which Airflow keeps as the task's
XCom: `ti.xcom_pull(task_ids="stream")["articles"]`. A run that finds another one under way exits
with 75, and its task counts as skipped. Where Airflow ends a task it sends SIGTERM, which drains.
"""

from __future__ import annotations

import datetime as dt
import json
import shlex

from airflow import DAG

try:
    from airflow.providers.standard.operators.bash import BashOperator
except ImportError:
    from airflow.operators.bash import BashOperator

PROGRAM = "/opt/article-pipeline/bin/article-pipeline"
OUTPUT = "/var/lib/article-pipeline/articles"
SUBSCRIPTION = "projects/my-project/subscriptions/articles"
INCOMING = "/var/lib/article-pipeline/incoming/*"
BUSY = 75
# For what both runs are asked.
JOB = (
    "--output", OUTPUT, "--schedule", "airflow", "--overlap", "fail", "--summary_json", "-",
    "--no_progress",
)  # fmt: skip


def command(*arguments: str) -> str:
    """A command line for bash, which it replaces itself by: signals reach the run."""
    return f"exec {shlex.join((PROGRAM, *arguments))}"


with DAG(
    dag_id="article_pipeline",
    description="News articles from Pub/Sub and from files to Avro",
    schedule="@hourly",
    start_date=dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc),
    catchup=False,
    max_active_runs=1,
    default_args={
        "retries": 2,
        "retry_delay": dt.timedelta(minutes=5),
        "execution_timeout": dt.timedelta(minutes=50),
    },
) as dag:
    stream = BashOperator(
        task_id="stream",
        bash_command=command(
            *("run", "--subscription", SUBSCRIPTION, *JOB),
            *("--max_messages", "200000", "--idle_timeout", "60"),
        ),
        skip_on_exit_code=BUSY,
        output_processor=json.loads,
    )
    backfill = BashOperator(
        task_id="backfill",
        bash_command=command("backfill", "--input", INCOMING, *JOB),
        skip_on_exit_code=BUSY,
        output_processor=json.loads,
    )
    verify = BashOperator(
        task_id="verify",
        bash_command=command("verify", OUTPUT),
    )
    stream >> backfill >> verify
