//! Opening the device that `--device` names, or saying what is missing.

use candle_core::Device;

use crate::error::{Error, Result};

/// Opens `auto`, `cpu`, `cuda`, `cuda:N` or `metal`.
///
/// `auto` is the first CUDA device, then Metal, then the CPU, of those that the build knows and
/// the machine has. Process-wide settings do not change: [`t2f_ops::Runtime::install`] makes them.
///
/// # Errors
/// If the name is none of these, the build lacks the feature, or the driver refuses.
pub fn open(name: &str) -> Result<Device> {
    match parse(name)? {
        Named::Auto => Ok(cuda(name, 0).or_else(|_| metal(name)).unwrap_or(Device::Cpu)),
        Named::Cpu => Ok(Device::Cpu),
        Named::Cuda(index) => cuda(name, index),
        Named::Metal => metal(name),
    }
}

/// Checks that a name is one of those that [`open`] takes, whatever the build and the machine have.
///
/// # Errors
/// If it is none.
pub fn check(name: &str) -> Result<()> {
    parse(name).map(drop)
}

enum Named {
    Auto,
    Cpu,
    Cuda(usize),
    Metal,
}

fn parse(name: &str) -> Result<Named> {
    let unknown = || Error::Device {
        name: name.to_owned(),
        reason: "accepted are auto, cpu, cuda, cuda:N and metal".to_owned(),
    };
    match (name, name.strip_prefix("cuda:")) {
        ("auto", _) => Ok(Named::Auto),
        ("cpu", _) => Ok(Named::Cpu),
        ("cuda", _) => Ok(Named::Cuda(0)),
        ("metal", _) => Ok(Named::Metal),
        (_, Some(index)) => index.parse().map(Named::Cuda).map_err(|_| unknown()),
        _ => Err(unknown()),
    }
}

fn cuda(name: &str, index: usize) -> Result<Device> {
    if !candle_core::utils::cuda_is_available() {
        let reason = "this build has no CUDA; build it with `--features cuda` (and `cudnn`)".to_owned();
        return Err(Error::Device { name: name.to_owned(), reason });
    }
    Device::new_cuda(index).map_err(|error| Error::Device {
        name: name.to_owned(),
        reason: format!("the CUDA driver answered: {error}"),
    })
}

fn metal(name: &str) -> Result<Device> {
    if !candle_core::utils::metal_is_available() {
        let reason = "this build has no Metal; build it with `--features metal` on macOS".to_owned();
        return Err(Error::Device { name: name.to_owned(), reason });
    }
    Device::new_metal(0)
        .map_err(|error| Error::Device { name: name.to_owned(), reason: format!("Metal answered: {error}") })
}

/// The device in words, for logs.
pub fn describe(device: &Device) -> String {
    match device.location() {
        candle_core::DeviceLocation::Cpu => format!("cpu, {} threads", rayon::current_num_threads()),
        candle_core::DeviceLocation::Cuda { gpu_id } => format!("cuda:{gpu_id}"),
        candle_core::DeviceLocation::Metal { gpu_id } => format!("metal:{gpu_id}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_is_always_there_and_what_auto_finds_in_a_build_that_knows_nothing_else() {
        assert!(open("cpu").unwrap().is_cpu());
        let knows_more = candle_core::utils::cuda_is_available() || candle_core::utils::metal_is_available();
        assert!(open("auto").unwrap().is_cpu() || knows_more);
    }

    #[test]
    fn errors_name_the_accepted_values_or_the_missing_feature() {
        for name in ["gpu", "cuda:x", "metal:1", "cpu:0", ""] {
            let message = open(name).unwrap_err().to_string();
            assert!(message.contains("auto, cpu, cuda, cuda:N and metal"), "{message}");
        }
        if !candle_core::utils::cuda_is_available() {
            assert!(open("cuda").unwrap_err().to_string().contains("--features cuda"));
        }
        if !candle_core::utils::metal_is_available() {
            assert!(open("metal").unwrap_err().to_string().contains("--features metal"));
        }
    }
}
