"""Generate and stage the usage logs on Spark, as a `spark-submit` application or a Glue job.

`spark-submit spark_job.py --date 2026-08-15..2026-11-22 --scale 10 --LAKE__URL s3://bucket/prefix`

The project must be installed on every machine. Settings may be given as arguments, since a Glue job
has no environment of its own.
"""

import os
import re
import sys
from argparse import ArgumentParser
from itertools import pairwise

from loaders import web_logs
from loaders.cli import commands

SETTING = r"[A-Z]+__[A-Z_]+|HELLO_KOREA_[A-Z]+"
"""Form of the arguments that are settings."""


def main(arguments: list[str]) -> int:
    """Run `dlt pipeline web_logs run --only stage` on Spark. Return the exit code."""
    parser = ArgumentParser(prog=web_logs.NAME, description=__doc__, allow_abbrev=False)
    parser.add_argument("--date", required=True, help="a KST date, or a range")
    parser.add_argument("--scale", help="1 is 400 million clicks")
    parser.add_argument("--table", help="only this table")
    known, others = parser.parse_known_args(arguments)
    # Other arguments, such as --JOB_NAME, are Glue's own.
    parts = [part for argument in others for part in argument.split("=", 1)]
    for name, value in pairwise(parts):
        if name.startswith("--") and re.fullmatch(SETTING, name.removeprefix("--")):
            os.environ[name.removeprefix("--")] = value
    os.environ["SOURCES__WEB_LOGS__ENGINE"] = "spark"
    run_arguments = commands.RunArguments(
        known.date, only="stage", table=known.table, scale=known.scale
    )
    code, message = commands.run(web_logs.NAME, run_arguments)
    if code:
        print(message, file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
