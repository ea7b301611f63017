#!/bin/sh
# Lets a program in another language use the credentials that anycreds finds. The server ends with this shell.
set -eu
eval "$(anycreds serve --background "$@")"
node "$(dirname "$0")/show.mjs"
