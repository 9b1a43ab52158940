#!/bin/sh
# The first start of this function goes wrong as FIRST_START says; later ones go well.
# STARTED is a folder that is there once it was started, FAULTY the example `faulty`.
if mkdir "$STARTED" 2>/dev/null; then
    export FAULTY_START="$FIRST_START"
fi
exec "$FAULTY"
