//! Times the sum of a tensor over processes of MPI. Usage: `mpirun -n N sums [panic RANK]`
//!
//! Prints a line for each size: elements, bytes, the median time of a sum in milliseconds, and the bandwidth
//! `2 (N-1)/N · bytes / time` in GB/s. With `panic RANK` that process panics at the end, to show that all end.

use std::time::{Duration, Instant};

use candle_core::{Device, Tensor};
use t2f_parallel::{Communicator, Mpi};

const SIZES: [usize; 5] = [1_000, 30_000, 1_000_000, 3_000_000, 10_000_000];
const TIMES: usize = 9;

#[allow(clippy::print_stdout)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mpi = Mpi::start(Duration::from_secs(60))?;
    let processes = mpi.size();
    for size in SIZES {
        let own = Tensor::full(mpi.rank() as f32 + 1.0, size, &Device::Cpu)?;
        let mut times = Vec::new();
        for _ in 0..TIMES {
            mpi.barrier()?;
            let start = Instant::now();
            let sum = mpi.sum(&own)?;
            times.push(start.elapsed().as_secs_f64());
            let expected = (processes * (processes + 1) / 2) as f32;
            assert!(sum.to_vec1::<f32>()?.iter().all(|value| *value == expected), "a wrong sum");
        }
        times.sort_by(f64::total_cmp);
        let (median, bytes) = (times[TIMES / 2], 4 * size);
        let moved = 2.0 * (processes - 1) as f64 / processes as f64 * bytes as f64;
        if mpi.rank() == 0 {
            println!(
                "{size:>9} elements {bytes:>9} bytes {:>9.3} ms {:>7.2} GB/s",
                1e3 * median,
                moved / median / 1e9
            );
        }
    }
    let mut words = std::env::args().skip(1);
    if words.next().as_deref() == Some("panic") && words.next() == Some(mpi.rank().to_string()) {
        panic!("as asked");
    }
    mpi.barrier()?;
    Ok(())
}
