#!/usr/bin/env bash
# Checks t2f on an NVIDIA GPU, then measures it beside PyTorch. It builds nothing and takes at most nine minutes; call
# it again until it says that all is there: what is done is kept.
#
#   experiments/gpu/run.sh PROGRAM FOLDER [PYTHON]
#
# PROGRAM is t2f, built with `--features cuda,cudnn`; FOLDER gets the results; PYTHON has PyTorch for CUDA. Without
# PYTHON t2f alone is measured.
set -euo pipefail
[ $# = 2 ] || [ $# = 3 ] || { sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 2; }
program=$(realpath "$1")
mkdir -p "$2"
folder=$(realpath "$2")
peer=()
[ $# = 2 ] || peer=(--peer "$3")
cd "$(dirname "$0")/../.."
device=${T2F_DEVICE:-cuda}
limit=${T2F_LIMIT:-540}
left() { echo $((limit - SECONDS)); }

# Runs a command once, within the time that is left; its output is FOLDER/NAME.txt.
once() { # NAME COMMAND…
    local name=$1
    shift
    [ ! -e "$folder/$name.txt" ] || return 0
    if [ "$(left)" -lt 20 ]; then
        echo "time is up before $name: call again"
        exit 3
    fi
    echo "== $name"
    local status=0
    timeout "$(left)" "$@" > "$folder/$name.part" 2>&1 || status=$?
    cat "$folder/$name.part"
    if [ $status = 124 ]; then
        echo "time is up in $name: call again"
        exit 3
    fi
    [ $status = 0 ] || { echo "$name failed with $status"; exit $status; }
    mv "$folder/$name.part" "$folder/$name.txt"
}

[ "$device" = cpu ] || once gpu nvidia-smi
# Values, gradients and second gradients of every operator, and whole steps, against the CPU's.
once check "$program" bench check --device "$device" --json "$folder/check.json"
# Three whole steps of training, with data, text, samples and a checkpoint.
once steps "$program" train --preset quick --device "$device" --out "$folder/runs" --set data.train_images=200 \
    --set data.val_images=50 --set data.test_images=50 --set 'schedule.fade_kimg=[0,0,0,0]' \
    --set 'schedule.stable_kimg=[0,0,0,0.048]' --set schedule.anneal_kimg=0
for precision in fp32 tf32 bf16; do
    once "operators-$precision" "$program" bench operators --device "$device" --precision "$precision" \
        --network wide --resolutions 64
    for side in ${T2F_SIDES:-64 32 16 128 256 8 4}; do
        once "step-$side-$precision" "$program" bench --device "$device" --precision "$precision" --rounds 3 \
            --network wide --resolutions "$side" --json "$folder/step-$side-$precision.json" "${peer[@]}"
    done
done
echo "all is there: $folder"
