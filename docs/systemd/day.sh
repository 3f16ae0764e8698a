#!/bin/sh
# A day in production: load as one user of Redshift, then build and export as another.
#     day.sh <checkout> <folder with loader.env and transformer.env>
# A table that is not complete (exit code 1) keeps nothing else from being built; a wrong setting (2)
# or a run that is under way (3) does. Ends with the code of whatever failed first.
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
