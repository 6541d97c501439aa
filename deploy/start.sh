#!/bin/sh
# Starts Heed in a container, listening on every address of it. What follows the image's name goes to `streamlit run`.
# HEED_HOSTS: the names under which browsers may reach it, with commas between. A Hugging Face Space has SPACE_HOST.
set -eu
for host in localhost 127.0.0.1 ::1 $(printf '%s,%s' "${HEED_HOSTS:-}" "${SPACE_HOST:-}" | tr ',' ' '); do
    set -- --server.allowedHosts "$host" "$@"
done
exec python -m core app --server.address 0.0.0.0 --server.port 8501 "$@"
