#!/usr/bin/env bash
# The parts of CUDA 13 that a build of t2f needs, from the Python registry: no GPU, no driver, 270 MB.
#
#   experiments/gpu/toolkit.sh FOLDER
#   export CUDA_HOME=FOLDER/nvidia/cu13 PATH=FOLDER/nvidia/cu13/bin:$PATH CUDA_COMPUTE_CAP=80
#   cargo build --release --package t2f --features cuda,cudnn
#
# The program then needs the libraries themselves (driver, cuBLAS, cuRAND, NVRTC, cuDNN 9) where it runs; PyTorch's
# packages have all but the driver.
set -euo pipefail
[ $# = 1 ] || { sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 2; }
cd "$(dirname "$0")/../.."
mkdir -p "$1"
folder=$(cd "$1" && pwd)
cuda=$folder/nvidia/cu13

python3 -m pip install --quiet --no-deps --no-compile --upgrade --target "$folder" \
    nvidia-cuda-nvcc==13.0.88 nvidia-cuda-crt==13.0.88 nvidia-nvvm==13.0.88 \
    nvidia-cuda-cccl==13.0.85 nvidia-cuda-runtime==13.0.96
cargo fetch --locked --quiet
version=$(sed -n '/^name = "cudarc"$/{n;s/^version = "\(.*\)"$/\1/p}' Cargo.lock)
sources=$(ls -d "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/"cudarc-$version"/src)
mkdir -p "$cuda/lib/stubs"
ln -sfn lib "$cuda/lib64"
ln -sfn libcudart.so.13 "$cuda/lib/libcudart.so"

# A library with the names of its functions, to link with in place of the real one.
stub() { # NAME FILE PREFIX FOLDER-OF-CUDARC
    grep -rhoE "fn $3[A-Za-z0-9_]*" "$sources/$4/sys" | sed 's/^fn //' | sort -u |
        sed 's/.*/void &(void) {}/' > "$cuda/lib/stubs/$1.c"
    cc -shared -fPIC -Wl,-soname,"$2" -o "$cuda/lib/stubs/lib$1.so" "$cuda/lib/stubs/$1.c"
    ln -sfn "lib$1.so" "$cuda/lib/stubs/$2"
}
stub cuda libcuda.so.1 'cu[A-Z]' driver
stub cublas libcublas.so.13 cublas cublas
stub cublasLt libcublasLt.so.13 cublasLt cublaslt
stub curand libcurand.so.10 curand curand
stub nvrtc libnvrtc.so.13 nvrtc nvrtc
stub cudnn libcudnn.so.9 cudnn cudnn
stub nccl libnccl.so.2 nccl nccl
echo "export CUDA_HOME=$cuda PATH=$cuda/bin:\$PATH CUDA_COMPUTE_CAP=80"
