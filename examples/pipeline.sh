#!/bin/sh
# A pipeline on real input: the standard library's own sources. Eight tasks measure the functions of the
# modules, one job merges what they found, a last one prints the ten most complex functions. One job
# fails on purpose, to show what failure looks like.
#
# usage: pipeline.sh FOLDER    (the folder is made; results and logs go there)
set -eu
examples=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1" && cd "$1"
rm -rf parts submitted.sql3 logs merged.csv

measure=$(jman --local submit --print-id --name measure --log-dir logs --array 8 \
    python "$examples/measure.py" parts)
merge=$(jman --local submit --print-id --name merge --log-dir logs --after-ok "$measure" \
    sh -c 'cat parts/*.csv > merged.csv')
jman --local submit --name top --after-ok "$merge" sh -c 'sort -t, -k1,1nr merged.csv | head -n 10'
jman --local submit --name typo --log-dir logs python "$examples/measure.py" --module no_such_module parts

jman --local execute --parallel 4 || echo "(exit code $?: one job failed, on purpose)"
echo
jman list
