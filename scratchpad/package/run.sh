#!/usr/bin/env bash
# Packs the package as it would be published, installs the tarball into empty projects as strangers do, and runs them.
# Each folder beside this file is such a project: its package.json names what it needs besides the package, and its
# `start` proves that it works. Needs nothing but the npm registry. better-sqlite3 takes minutes to compile, so what was
# compiled of the same version for the same Node, by this repository's install or by an earlier run of this, is used;
# `COMPILE=1` compiles it again. Names of folders as arguments: only those; without any, all but `bun`, which is large.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# What npm tells the scripts it runs about this repository is not true of the projects.
unset INIT_CWD npm_config_local_prefix npm_config_prefix npm_package_json npm_package_name npm_package_version NODE_ENV

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

step() { printf '\n== %s\n' "$*" >&2; }

# Node looks there too for what the projects import: what is missing in them would be found.
above="$work"
while above="$(dirname "$above")"; [ "$above" != / ]; do
  if [ -e "$above/node_modules" ]; then echo "no empty projects below $above/node_modules: set TMPDIR" >&2; exit 1; fi
done

step pack
npm pack --silent --pack-destination "$work" >&2
tarball="$(echo "$work"/embedbox-*.tgz)"

versionOf() { node -p 'require(process.argv[1]).version' "$1/package.json"; }
# It may be of another Node.
loads() { node -e 'new (require(process.argv[1]))(":memory:")' "$1" 2>/dev/null; }

kept="$PWD/node_modules/.cache/embedbox/better-sqlite3-$(node -p process.versions.modules)"
compiled=""
if [ "${COMPILE:-}" != 1 ]; then
  for folder in "$PWD/node_modules/better-sqlite3" "$kept/node_modules/better-sqlite3"; do
    if loads "$folder"; then compiled="$folder"; break; fi
  done
fi

if [ "$#" -eq 0 ]; then set -- effect mcp promise; fi
for name in "$@"; do
  project="$work/$name"
  cp -R "scratchpad/package/$name" "$project"
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
      # With what it needs to be loaded.
      rm -rf "$kept"
      mkdir -p "$kept/node_modules"
      cp -R node_modules/{better-sqlite3,bindings,file-uri-to-path} "$kept/node_modules"
      touch "$work/compiled"
    fi
    # Two copies of Effect in one program do not know each other.
    copies="$(find node_modules -type d -path '*/node_modules/effect' -o -type d -path 'node_modules/effect' | wc -l)"
    if [ "$copies" -ne 1 ]; then echo "$name: Effect is installed $copies times" >&2; exit 1; fi
    step "$name: run"
    npm start --silent
  )
  if [ -f "$work/compiled" ]; then compiled="$kept/node_modules/better-sqlite3"; fi
done
