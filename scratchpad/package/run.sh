#!/usr/bin/env bash
# Packs the package as it would be published, installs the tarball into empty projects as strangers do, and runs them.
# Each folder beside this file is such a project: its package.json names what it needs besides the package, and its
# `start` proves that it works. Needs nothing but the npm registry. better-sqlite3 takes minutes to compile, so what this
# repository's own install compiled is used where it is the same version; `COMPILE=1` compiles it again.
# Names of folders as arguments: only those.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# What npm tells the scripts it runs about this repository is not true of the projects.
unset INIT_CWD npm_config_local_prefix npm_config_prefix npm_package_json npm_package_name npm_package_version NODE_ENV

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

step() { printf '\n== %s\n' "$*" >&2; }

step pack
npm pack --silent --pack-destination "$work" >&2
tarball="$(echo "$work"/embedbox-*.tgz)"

versionOf() { node -p 'require(process.argv[1]).version' "$1/package.json"; }
compiled="$PWD/node_modules/better-sqlite3"
if [ "${COMPILE:-}" = 1 ] || [ ! -f "$compiled/build/Release/better_sqlite3.node" ]; then compiled=""; fi

for folder in scratchpad/package/*/; do
  name="$(basename "$folder")"
  if [ "$#" -gt 0 ] && [[ " $* " != *" $name "* ]]; then continue; fi
  project="$work/$name"
  cp -R "$folder" "$project"
  (
    cd "$project"
    # As the README tells hosts to: onnxruntime-node would download CUDA files otherwise.
    echo "onnxruntime-node-install=skip" > .npmrc
    step "$name: install"
    npm install --no-audit --no-fund --no-package-lock --prefer-offline --loglevel=error --ignore-scripts "$tarball" >&2
    here="$PWD/node_modules/better-sqlite3"
    if [ -n "$compiled" ] && [ "$(versionOf "$compiled")" = "$(versionOf "$here")" ]; then
      cp -R "$compiled/build" "$here/build"
    else
      npm rebuild better-sqlite3 >&2
    fi
    # Two copies of Effect in one program do not know each other.
    copies="$(find node_modules -type d -path '*/node_modules/effect' -o -type d -path 'node_modules/effect' | wc -l)"
    if [ "$copies" -ne 1 ]; then echo "$name: Effect is installed $copies times" >&2; exit 1; fi
    step "$name: run"
    npm start --silent
  )
  if [ -z "$compiled" ]; then
    cp -R "$project/node_modules/better-sqlite3" "$work/better-sqlite3"
    compiled="$work/better-sqlite3"
  fi
done
