#!/usr/bin/env bash
# Everything that is measured on a GPU machine, in pieces; run it again until it says that it is complete.
#   benchmarks/on_gpu.sh OUT [SECONDS]     ends within SECONDS (default 540); goes on from OUT/gpu.tar.gz
# OUT then holds gpu.tar.gz (the sweep's rows, machine and table, benchmarks/gpu.py's rows) and what was printed.
set -euo pipefail
out=$(realpath -m "${1:?usage: on_gpu.sh OUT [SECONDS]}"); ends=$((SECONDS + ${2:-540} - 20))
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}; work=${GPU_WORK:-/tmp/gpu_run}; grid=${GRID:-notebooks/sweeps/gpu.yml}
export PYTHONPATH=$PWD/src${PYTHONPATH:+:$PYTHONPATH}
mkdir -p "$out" "$work"
[ ! -e "$out/gpu.tar.gz" ] || tar -xzf "$out/gpu.tar.gz" -C "$work"
left() { echo $((ends - SECONDS)); }
pack() { tar -C "$work" --exclude executed.ipynb -czf "$out/gpu.tar.gz" .; }
trap pack EXIT

for part in ${PARTS-copy uint8 augment batch precision xla crossover}; do
  [ ! -e "$work/$part.done" ] || continue
  [ "$(left)" -gt 60 ] || { echo "not complete: run it again"; exit 0; }
  # A part that was cut short would leave no rows: its file is its own until it is whole.
  if timeout "$(left)" "$python" benchmarks/gpu.py --only "$part" --json "$work/$part.json" 2>"$out/$part.log" | tee -a "$out/gpu.txt"; then
    touch "$work/$part.done"
  else
    rm -f "$work/$part.json"
    echo "$part did not end well: see $part.log" | tee -a "$out/gpu.txt"
    [ "$(left)" -gt 60 ] || { echo "not complete: run it again"; exit 0; }
    touch "$work/$part.done"  # it is told, and the next one has its turn
  fi
done

[ "$(left)" -gt 60 ] || { echo "not complete: run it again"; exit 0; }
if timeout -s INT "$(left)" "$python" -m helpers.cli sweep "$grid" --out "$work/sweep" --resume 2>"$out/sweep.log"; then
  "$python" -m helpers.cli report "$work/sweep" >"$out/report.txt" 2>>"$out/sweep.log"
  cp "$work"/sweep/{results.parquet,machine.json,report.html} "$out/"
  echo "complete"
else
  echo "not complete: run it again (sweep.log tells why, where it was not the time)"
fi
