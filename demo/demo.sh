#!/bin/sh
# Walk-through 1, step by step, on this machine alone: a folder of images is put under version
# control beside Git, shared through a remote, and fetched by a second person. Then the pipeline of
# examples/mnist. `make demo` runs it with our `dvc` first on PATH. Everything happens in a temporary folder that is removed at the end.
set -eu
exec 2>&1 # one stream, in the order of time

here=$(cd "$(dirname "$0")" && pwd)
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
HOME=$place/home
export HOME DVC_SITE_CACHE_DIR="$place/home/site" XDG_CACHE_HOME="$place/home/.cache"
export XDG_CONFIG_HOME="$place/home/.config" GIT_CONFIG_NOSYSTEM=1 GIT_TERMINAL_PROMPT=0
mkdir -p "$HOME" "$place/alice"
git config --global user.name Alice
git config --global user.email alice@example.com
git config --global init.defaultBranch main
git config --global advice.detachedHead false

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
step() { # a command line, shown as it is typed and then done
    printf '\033[32m$\033[0m %s\n' "$1"
    eval "$1"
}

cd "$place/alice"
say "1. A Git repository, and DVC's files in it"
step "git init -q"
step "dvc init -q"
step "git commit -q -m 'Start'"

say "2. Three hundred images"
python3 "$here/images.py" data/raw/training-data 300
step "find data -name '*.png' | wc -l"

say "3. Track them: the bytes go into the cache, a small pointer file goes into Git"
step "dvc add data/raw/training-data | tee ../said"
line=$(grep '	git add' ../said | tr -d '\t')
step "$line"
step "git commit -q -m 'Track the images'"
step "cat data/raw/training-data.dvc"

say "4. A remote that the team shares (here a folder; s3://bucket/path works the same)"
step "dvc remote add -d team ../storage"
step "git commit -q -m 'Name the remote' .dvc/config"
step "dvc push"
step "git clone -q --bare . ../server.git"
step "git remote add origin ../server.git"

say "5. Another machine: a fresh clone has the pointers, not the data"
step "git clone -q ../server.git ../bob"
step "cd ../bob"
step "dvc checkout || echo '(exit code '\$?')'"
step "dvc pull"
step "find data -name '*.png' | wc -l"
step "dvc status"

say "6. With hooks, git does it: commit shows what changed, push pushes, checkout checks out"
step "dvc install"
step "git checkout -q -b cleaner"
step "rm data/raw/training-data/00000.png"
step "git commit -q --allow-empty -m 'Nothing yet'"
step "dvc add -q data/raw/training-data"
step "git commit -q -am 'Leave out a bad image'"
step "git push -q origin cleaner"
step "git checkout -q main"
step "find data -name '*.png' | wc -l"

say "7. A pipeline: one command makes the data, trains two models side by side, keeps the better one"
cp -r "$here/../examples/mnist" ../digits
step "cd ../digits"
rm -rf .dvc .gitignore dvc.lock data models model.npy metrics.json confusion.csv
step "git init -q && dvc init -q && git add . && git commit -q -m 'A pipeline'"
step "dvc dag"
step "dvc repro -j 2"
step "git add . && git commit -q -m 'The first model'"
step "dvc metrics show"

say "8. Another parameter: what depends on it runs again, the rest does not"
step "sed -i 's/rate: 0.8/rate: 0.2/' params.yaml"
step "dvc repro --dry --explain"
step "dvc repro -q -j 2"
step "dvc params diff"
step "dvc metrics diff"

say "That was the main road. README.md goes on from here."
