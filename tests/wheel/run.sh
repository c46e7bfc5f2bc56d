#!/usr/bin/env bash
# Install the wheel into an empty environment outside the checkout and use it there: a script, a
# notebook, four commands and the dashboard.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
uv=$root/.venv/bin/uv
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

"$uv" build --quiet --wheel --out-dir "$folder/dist" "$root"
"$uv" venv --quiet --python "${PYTHON:-$root/.venv/bin/python}" "$folder/env"
"$uv" pip install --quiet --python "$folder/env/bin/python" "$folder"/dist/*.whl nbclient ipykernel
cp "$root/tests/wheel/ten_lines.py" "$root/tests/wheel/notebook.py" "$folder"
cp "$root"/tests/data/ptb-xl/records100/00000/00001_lr.* "$folder"
cd "$folder"
export PATH=$folder/env/bin:$PATH ECGCORE_HOME=$folder/workspace
unset PYTHONPATH

echo "== script"
python ten_lines.py 00001_lr.hea
head -c 5 ecg.pdf | grep -q '%PDF-'
echo "== notebook"
python notebook.py 00001_lr.hea
echo "== commands"
ecgcore --version
ecgcore measure 00001_lr.hea
ecgcore classify 00001_lr.hea --run alexnet_m_se_gap
ecgcore explain 00001_lr.hea --run alexnet_m_se_gap --class NSR --method grad_cam
ecgcore plot 00001_lr.hea --to page.svg
echo "== dashboard"
port=$(python -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
ecgcore dashboard --port "$port" >dashboard.log 2>&1 &
server=$!
trap 'pkill -TERM -P "$server" 2>/dev/null || true; kill "$server" 2>/dev/null || true; rm -rf "$folder"' EXIT
for _ in $(seq 240); do
    if answer=$(curl --silent --fail "http://127.0.0.1:$port/_stcore/health"); then
        echo "The dashboard answered '$answer'."
        exit 0
    fi
    kill -0 "$server" 2>/dev/null || break
    sleep 0.5
done
cat dashboard.log >&2
exit 1
