#!/bin/sh
# install-hadoop.sh FOLDER PYTHON
#
# Brings the jars of Hadoop's name node and data node, which a source package of PySpark carries, or
# keeps those that are there. Nothing of PySpark is installed or run.
set -eu
folder=$1 python=$2
version=2.4.8
if [ "$(cat "$folder/stamp" 2>/dev/null)" = "$version" ]; then
    exit 0
fi
echo "Making $folder"
rm -rf "$folder"
mkdir -p "$folder/jars" "$folder/download"
"$python" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check "setuptools<70" wheel ||
    true # then the next command fails, and says so
"$folder/venv/bin/python" -m pip download --quiet --disable-pip-version-check --no-deps \
    --no-build-isolation "pyspark==$version" -d "$folder/download" || {
    echo "MISSING: Hadoop's jars, which pip cannot bring; the tests of hdfs:// need them" >&2
    rm -rf "$folder"
    exit 0
}
tar xzf "$folder/download/pyspark-$version.tar.gz" -C "$folder/jars" --strip-components=3 \
    --wildcards "pyspark-$version/deps/jars/*"
# Another Jersey than the name node's, and what is Spark's alone.
rm -f "$folder"/jars/jersey-* "$folder"/jars/javax.ws.rs-api-* "$folder"/jars/spark-* \
    "$folder"/jars/scala-* "$folder"/jars/hive-* "$folder"/jars/parquet-* "$folder"/jars/mesos-*
rm -rf "$folder/venv" "$folder/download"
echo "$version" >"$folder/stamp"
