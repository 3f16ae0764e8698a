#!/bin/sh
# The daily run in production: load as one Redshift user, then build and export as another.
#     day.sh <checkout> <folder with loader.env and transformer.env>
# The build runs even if a table is incomplete (exit code 1), but not after a wrong setting (2) or
# while another run is under way (3). Exits with the code of the first failure.
cd "$1" || exit 2
settings=$2
PATH="$PWD/.venv/bin:$PATH"

as() {
    (
        set -a
        . "$settings/$1.env"
        shift
        exec "$@"
    )
}

as loader dlt pipeline run
loaded=$?
[ $loaded -le 1 ] || exit $loaded
as transformer dbt build || exit
exit $loaded
