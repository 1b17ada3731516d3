#!/usr/bin/env bash
# Trains on several hosts without several machines: each host is a network namespace with a name and an address of
# its own, and a link of a given rate to a switch. Compares the model with that of one process, and times steps.
#
#   experiments/scaling/hosts.sh T2F SUMS [HOSTS [RATE]]     by default 2 hosts, and links without a limit
#
# T2F is the program and SUMS the example of t2f-parallel, both built with the feature `mpi`; RATE is one of tc, such
# as 1gbit. Needs root, Open MPI, and iproute2. Processes have one thread each. It removes the namespaces at the end.
set -euo pipefail
[ $# -ge 2 ] || { sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 2; }
program=$(realpath "$1") sums=$(realpath "$2") count=${3:-2} rate=${4:-}
folder=$(mktemp -d)
name=t2f-$$

remove() {
    for host in switch $(seq "$count"); do ip netns del "$name-$host" 2>/dev/null || true; done
    rm -rf "$folder"
}
trap remove EXIT

# The switch, and a link from each host to it, limited in both directions.
ip netns add "$name-switch"
ip -n "$name-switch" link add bridge type bridge
ip -n "$name-switch" link set bridge up
limit() { # NAMESPACE LINK
    [ -z "$rate" ] || ip netns exec "$1" tc qdisc add dev "$2" root tbf rate "$rate" burst 256kb latency 100ms
}
for host in $(seq "$count"); do
    ip netns add "$name-$host"
    ip -n "$name-$host" link add eth0 type veth peer name "port$host" netns "$name-switch"
    ip -n "$name-switch" link set "port$host" master bridge up
    ip -n "$name-$host" addr add "10.77.0.$host/24" dev eth0
    ip -n "$name-$host" link set lo up
    ip -n "$name-$host" link set eth0 up
    limit "$name-$host" eth0
    limit "$name-switch" "port$host"
done

# In place of ssh: a command on the host of an address, under a host name of its own.
cat > "$folder/rsh" <<END
#!/usr/bin/env bash
host=\${1##*.}
shift
exec ip netns exec $name-\$host unshare --uts sh -c "hostname t2f-host\$host; \$*"
END
chmod +x "$folder/rsh"

export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 RAYON_NUM_THREADS=1
addresses=$(seq -s , -f '10.77.0.%g' "$count")
on_hosts() {
    local line=(mpirun --host "$addresses" -n "$count" --bind-to none --mca plm_rsh_agent "$folder/rsh"
        --mca pml ob1 --mca btl tcp,self --mca btl_tcp_if_include 10.77.0.0/24
        --mca oob_tcp_if_include 10.77.0.0/24 -x RAYON_NUM_THREADS "$@")
    "$folder/rsh" 10.77.0.1 "$(printf '%q ' "${line[@]}")"
}

echo "$count hosts, ${rate:-no limit of the rate}"
on_hosts "$sums"

# Steps at 64x64 from new weights: the median of the ticks after the first.
settings=(gan.resolution=64 schedule.start_level=4 'schedule.fade_kimg=[0,0,0,0,0]' 'schedule.batch_sizes=[16]'
    'schedule.stable_kimg=[0,0,0,0,0.256]' schedule.anneal_kimg=0 "schedule.micro_batches=$count"
    output.tick_kimg=0.032 output.sample_kimg=1 output.checkpoint_kimg=1 data.train_images=256
    data.val_images=16 data.test_images=16)
train=("$program" train --plain --preset faces-64)
for setting in "${settings[@]}"; do train+=(--set "$setting"); done
timed() { # FOLDER
    python3 - "$1"/*/stats.jsonl <<'END'
import json, statistics, sys
rows = [json.loads(line) for line in open(sys.argv[1])]
rates = [row["Timing/images_per_sec"] for row in rows if "Timing/images_per_sec" in row]
rate = statistics.median(rates[1:])
print(f"{16 / rate:.3f} s a step, {rate:.1f} images/s")
END
}
"${train[@]}" --out "$folder/one" > "$folder/log" 2>&1 || { cat "$folder/log"; exit 1; }
echo "one process: $(timed "$folder/one")"
on_hosts "${train[@]}" --out "$folder/hosts" > "$folder/log" 2>&1 || { cat "$folder/log"; exit 1; }
echo "$count hosts: $(timed "$folder/hosts")"
cmp "$folder"/one/*/model.safetensors "$folder"/hosts/*/model.safetensors
echo "the models have the same bits"
