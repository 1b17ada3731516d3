//! Opening a device by its name.

use candle_core::Device;

use crate::error::{Error, Result};

/// Opens `auto`, `cpu`, `cuda`, `cuda:N` or `metal`.
///
/// `auto` is the first available of CUDA device 0, Metal and the CPU. Process-wide settings do not change;
/// see [`t2f_ops::Runtime::install`].
///
/// # Errors
/// If the name is not one of these, the build lacks the feature, or the driver fails.
pub fn open(name: &str) -> Result<Device> {
    open_local(name, 0)
}

/// As [`open`], for a process that shares its machine with others: `auto` and `cuda` are the CUDA device of
/// its number among them.
///
/// # Errors
/// As [`open`].
pub fn open_local(name: &str, local_rank: usize) -> Result<Device> {
    match parse(name)? {
        Named::Auto => Ok(cuda(name, local_rank).or_else(|_| metal(name)).unwrap_or(Device::Cpu)),
        Named::Cpu => Ok(Device::Cpu),
        Named::Cuda(index) => cuda(name, index.unwrap_or(local_rank)),
        Named::Metal => metal(name),
    }
}

/// As [`open_local`], and checks first and second gradients there against those of the CPU, in a second or two;
/// see [`t2f_ops::check_gradients`].
///
/// # Errors
/// As [`open`]; and if a gradient differs. Training there would go wrong without an error.
pub fn open_for_training(name: &str, local_rank: usize) -> Result<Device> {
    let device = open_local(name, local_rank)?;
    if !device.is_cpu() {
        let wrong = |error: candle_core::Error| Error::Device {
            name: describe(&device),
            reason: format!("it fails the check of gradients: {error}"),
        };
        t2f_ops::check_gradients(&device).map_err(wrong)?;
    }
    Ok(device)
}

/// Checks a device name without opening the device.
///
/// # Errors
/// If [`open`] does not accept the name.
pub fn check(name: &str) -> Result<()> {
    parse(name).map(drop)
}

enum Named {
    Auto,
    Cpu,
    /// With its index, if it is given.
    Cuda(Option<usize>),
    Metal,
}

fn parse(name: &str) -> Result<Named> {
    let unknown = || Error::Device {
        name: name.to_owned(),
        reason: "expected auto, cpu, cuda, cuda:N or metal".to_owned(),
    };
    match (name, name.strip_prefix("cuda:")) {
        ("auto", _) => Ok(Named::Auto),
        ("cpu", _) => Ok(Named::Cpu),
        ("cuda", _) => Ok(Named::Cuda(None)),
        ("metal", _) => Ok(Named::Metal),
        (_, Some(index)) => index.parse().map(|index| Named::Cuda(Some(index))).map_err(|_| unknown()),
        _ => Err(unknown()),
    }
}

fn cuda(name: &str, index: usize) -> Result<Device> {
    if !candle_core::utils::cuda_is_available() {
        let reason = "this build has no CUDA: build with `--features cuda` (and `cudnn`)".to_owned();
        return Err(Error::Device { name: name.to_owned(), reason });
    }
    Device::new_cuda(index)
        .map_err(|error| Error::Device { name: name.to_owned(), reason: format!("CUDA driver: {error}") })
}

fn metal(name: &str) -> Result<Device> {
    if !candle_core::utils::metal_is_available() {
        let reason = "this build has no Metal: build with `--features metal` on macOS".to_owned();
        return Err(Error::Device { name: name.to_owned(), reason });
    }
    Device::new_metal(0)
        .map_err(|error| Error::Device { name: name.to_owned(), reason: format!("Metal: {error}") })
}

/// A description of the device, for logs.
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
    fn cpu_is_always_available_and_the_default_of_a_build_without_features() {
        assert!(open("cpu").unwrap().is_cpu());
        let knows_more = candle_core::utils::cuda_is_available() || candle_core::utils::metal_is_available();
        assert!(open("auto").unwrap().is_cpu() || knows_more);
    }

    #[test]
    fn errors_name_the_accepted_values_or_the_missing_feature() {
        for name in ["gpu", "cuda:x", "metal:1", "cpu:0", ""] {
            let message = open(name).unwrap_err().to_string();
            assert!(message.contains("auto, cpu, cuda, cuda:N or metal"), "{message}");
        }
        if !candle_core::utils::cuda_is_available() {
            assert!(open("cuda").unwrap_err().to_string().contains("--features cuda"));
        }
        if !candle_core::utils::metal_is_available() {
            assert!(open("metal").unwrap_err().to_string().contains("--features metal"));
        }
    }
}
